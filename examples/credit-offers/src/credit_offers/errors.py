"""What a caller did that cannot be answered as asked."""

from collections.abc import Mapping


class Problem(Exception):
    """Becomes an answer of `status`, with `{"error": {"code", "message", "fields"}}` as its body."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        fields: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ):
        super().__init__(code)
        self.status = status
        self.headers = dict(headers or {})
        self.document = {"code": code, "message": message} | ({"fields": dict(fields)} if fields else {})
