"""Lets the answers of custom resources reach the platform, whatever way their code takes for granted.

AWS's ResponseURL is one of S3 by HTTPS, and much code sends to its host by HTTPS, on port 443 or the one it finds in the address: crhelper, and what was copied
from the documentation. The platform speaks plain HTTP on its own port. A request for its host with the path of such an answer is sent so; others are not touched.
Node.js: redirect.cjs.
"""

from __future__ import annotations

import functools
import os
import sys
from typing import Any
from urllib.parse import urlsplit

PATH = "/?Action=RecordHandlerProgress&"


def install() -> None:
    """Once, in the zygote, where http.client is there because of AWS's SDK."""
    module: Any = sys.modules.get("http.client")
    connection = getattr(module, "HTTPSConnection", None)
    if connection is None:
        return
    put = connection.putrequest

    def putrequest(self: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        if url.startswith(PATH) and self.sock is None:
            platform = urlsplit(os.environ.get("AWS_ENDPOINT_URL", ""))
            if platform.scheme == "http" and self.host == platform.hostname:
                self.port = platform.port or 80
                self.connect = functools.partial(module.HTTPConnection.connect, self)
        return put(self, method, url, *args, **kwargs)

    connection.putrequest = putrequest
