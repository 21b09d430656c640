"""Reading OpenAPI 3 and Swagger 2 definitions with API Gateway's extensions. Pure: documents in, records out."""
