"""CloudFormation types of REST APIs (`AWS::ApiGateway::*`) and HTTP APIs (`AWS::ApiGatewayV2::*`)."""
