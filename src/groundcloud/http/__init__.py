"""Where clients come in: an ASGI application under uvicorn. It tells hosts and paths apart and hands requests on; it knows no service."""
