"""Where clients come in: an ASGI application under uvicorn, over HTTP/1.1 and HTTP/2. It tells hosts and paths apart and hands requests on;
it knows no service."""
