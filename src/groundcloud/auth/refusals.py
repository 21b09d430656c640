"""What can be wrong with a signature, and how each family of AWS services says so.

The verifier raises a neutral kind with details; `refusal` turns it into code, status and sentence. It stands apart
because the same fault has another code in JSON, Query and S3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

Family = Literal["json", "rest-json", "query", "s3"]

Kind = Literal[
    "missing",  # nobody signed the request
    "incomplete",  # message: what the Authorization header or the query lacks
    "malformed-credential",  # credential
    "malformed-header",  # message: S3's words after "The authorization header is malformed; "
    "malformed-query",  # message: S3's AuthorizationQueryParametersError
    "missing-date",
    "unsupported",  # authorization: some other scheme
    "two-mechanisms",  # authorization
    "sigv2",  # AWS's older scheme
    "malformed-sigv2",  # authorization
    "host-not-signed",
    "headers-not-signed",  # headers: the names, joined by ", "
    "wrong-date",  # scope_date, timestamp
    "wrong-region",  # region, expected
    "wrong-service",  # service, expected
    "expired",  # timestamp, limit, now, minutes
    "not-yet",  # timestamp, limit, now, minutes
    "presigned-expired",  # expires_s, expires, now
    "presigned-not-yet",
    "mismatch",  # access_key_id, canonical_request, string_to_sign, signature
    "payload-hash-missing",
    "payload-hash-invalid",  # value
    "payload-mismatch",  # client, computed
    "unknown-key",  # access_key_id
    "inactive-key",  # access_key_id
    "invalid-token",  # token
    "expired-token",  # token
    "cut-short",  # the aws-chunked body ended before its last chunk, or has another length than it declared
    "bad-chunk",  # reason
    "small-chunk",  # bytes, index
    "bad-trailer",
]


class SignatureError(Exception):
    """A request that is not properly signed. `kind` is neutral; `refusal` gives AWS's words."""

    def __init__(self, kind: Kind, **detail: str) -> None:
        super().__init__(kind)
        self.kind: Kind = kind
        self.detail: dict[str, str] = detail

    def __str__(self) -> str:
        return self.kind + "".join(
            f" {name}={value!r}" for name, value in self.detail.items() if name not in ("canonical_request", "string_to_sign")
        )


class Refusal(NamedTuple):
    """AWS's answer: error code, HTTP status, sentence, and members beside them (S3's error document carries some)."""

    code: str
    message: str
    status: int
    fields: dict[str, str]


def refusal(error: SignatureError, family: Family) -> Refusal:
    """The answer that services of `family` give to `error`. Codes and sentences: S3 error list, IAM SigV4 troubleshooting page."""
    render = _S3.get(error.kind) if family == "s3" else None
    if render is not None:
        return render(error.detail)
    return _common(error, family)


_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. "
    "Consult the service documentation for details."
)

_JSON_CODES = {
    "SignatureDoesNotMatch": "InvalidSignatureException",
    "InvalidClientTokenId": "UnrecognizedClientException",
    "ExpiredToken": "ExpiredTokenException",
    "IncompleteSignature": "IncompleteSignatureException",
    "MissingAuthenticationToken": "MissingAuthenticationTokenException",
}


def _common(error: SignatureError, family: Family) -> Refusal:
    """Every family but S3: the query spelling first, then its JSON name."""
    code, message, status = _query(error.kind, error.detail)
    if family in ("json", "rest-json"):
        code = _JSON_CODES.get(code, code)
        # DynamoDB, SQS and their like answer 400; REST services such as Lambda keep 403.
        if family == "json":
            status = 400
        if error.kind == "missing":
            message = "Missing Authentication Token"
    return Refusal(code, message, status, {})


def _query(kind: Kind, detail: Mapping[str, str]) -> tuple[str, str, int]:
    match kind:
        case "missing":
            return "MissingAuthenticationToken", "Request is missing Authentication Token", 403
        case "incomplete" | "malformed-header" | "malformed-query":
            return "IncompleteSignature", detail["message"], 400
        case "missing-date":
            sentence = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
            return "IncompleteSignature", f"{sentence} Authorization={detail.get('authorization', '')}", 400
        case "malformed-credential":
            sentence = "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got"
            return "IncompleteSignature", f"{sentence} '{detail['credential']}'", 400
        case "unsupported":
            sentence = "Unsupported AWS 'algorithm': "
            return "IncompleteSignature", f"{sentence}'{detail['authorization'].split(' ', 1)[0]}'.", 400
        case "two-mechanisms":
            return "IncompleteSignature", "Both an Authorization header and signing query parameters are present; give one.", 400
        case "sigv2" | "malformed-sigv2":
            return "IncompleteSignature", "AWS Signature Version 2 is not supported. Please use AWS4-HMAC-SHA256.", 400
        case "host-not-signed":
            return "SignatureDoesNotMatch", "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.", 403
        case "headers-not-signed":
            return "SignatureDoesNotMatch", f"There were headers present in the request which were not signed: {detail['headers']}", 403
        case "wrong-date":
            sentence = "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP"
            scope_date, timestamp = detail["scope_date"], detail["timestamp"]
            return "SignatureDoesNotMatch", f"{sentence}: '{scope_date}' != '{timestamp[:8]}', from '{timestamp}'.", 403
        case "wrong-region":
            return "SignatureDoesNotMatch", "Credential should be scoped to a valid region. ", 403
        case "wrong-service":
            return "SignatureDoesNotMatch", f"Credential should be scoped to correct service: '{detail['expected']}'. ", 403
        case "expired":
            sentence = f"Signature expired: {detail['timestamp']} is now earlier than {detail['limit']}"
            return "SignatureDoesNotMatch", f"{sentence} ({detail['now']} - {detail['minutes']} min.)", 403
        case "not-yet":
            sentence = f"Signature not yet current: {detail['timestamp']} is still later than {detail['limit']}"
            return "SignatureDoesNotMatch", f"{sentence} ({detail['now']} + {detail['minutes']} min.)", 403
        case "presigned-expired" | "presigned-not-yet":
            return "RequestExpired", "Request has expired." if kind == "presigned-expired" else "Request is not valid yet", 400
        case "mismatch":
            shown = ""
            if detail.get("canonical_request"):
                shown = (
                    f"\n\nThe Canonical String for this request should have been\n'{detail['canonical_request']}'"
                    f"\n\nThe String-to-Sign should have been\n'{detail['string_to_sign']}'\n"
                )
            return "SignatureDoesNotMatch", _MISMATCH + shown, 403
        case "payload-mismatch" | "payload-hash-missing" | "payload-hash-invalid":
            return "SignatureDoesNotMatch", _MISMATCH, 403
        case "unknown-key" | "inactive-key" | "invalid-token":
            return "InvalidClientTokenId", "The security token included in the request is invalid.", 403
        case "expired-token":
            return "ExpiredToken", "The security token included in the request is expired", 403
        case "cut-short" | "bad-chunk" | "small-chunk" | "bad-trailer":
            return "IncompleteBody", _CUT_SHORT, 400


_CUT_SHORT = "The request body terminated unexpectedly"
_CREDENTIAL_FORM = 'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".'


def _header_or_query(detail: Mapping[str, str], text: str, fields: dict[str, str] | None = None) -> Refusal:
    """S3 says the same thing with one code for the header and another for the query."""
    if detail.get("presigned"):
        return Refusal("AuthorizationQueryParametersError", f"Error parsing the X-Amz-Credential parameter; {text}", 400, fields or {})
    return Refusal("AuthorizationHeaderMalformed", f"The authorization header is malformed; {text}", 400, fields or {})


def _s3_mismatch(detail: Mapping[str, str]) -> Refusal:
    message = "The request signature we calculated does not match the signature you provided. Check your key and signing method."
    fields = {
        "AWSAccessKeyId": detail.get("access_key_id", ""),
        "StringToSign": detail.get("string_to_sign", ""),
        "SignatureProvided": detail.get("signature", ""),
        "StringToSignBytes": _spaced_hex(detail.get("string_to_sign", "")),
    }
    if detail.get("canonical_request"):
        fields["CanonicalRequest"] = detail["canonical_request"]
        fields["CanonicalRequestBytes"] = _spaced_hex(detail["canonical_request"])
    return Refusal("SignatureDoesNotMatch", message, 403, fields)


def _spaced_hex(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").hex(" ")


def _iso(compact: str) -> str:
    """20150830T123600Z as 2015-08-30T12:36:00Z, the form of S3's error documents."""
    if len(compact) != 16:
        return compact
    return f"{compact[:4]}-{compact[4:6]}-{compact[6:8]}T{compact[9:11]}:{compact[11:13]}:{compact[13:]}"


def _s3_skewed(detail: Mapping[str, str]) -> Refusal:
    fields = {"RequestTime": detail["timestamp"], "ServerTime": _iso(detail["now"]), "MaxAllowedSkewMilliseconds": "900000"}
    return Refusal("RequestTimeTooSkewed", "The difference between the request time and the current time is too large.", 403, fields)


def _s3_expired(detail: Mapping[str, str]) -> Refusal:
    fields = {"X-Amz-Expires": detail["expires_s"], "Expires": _iso(detail["expires"]), "ServerTime": _iso(detail["now"])}
    return Refusal("AccessDenied", "Request has expired", 403, fields)


def _s3_wrong_service(detail: Mapping[str, str]) -> Refusal:
    return _header_or_query(detail, f'incorrect service "{detail["service"]}". This endpoint belongs to "{detail["expected"]}".')


def _s3_wrong_date(detail: Mapping[str, str]) -> Refusal:
    text = f'Invalid credential date "{detail["scope_date"]}". This date is not the same as X-Amz-Date: "{detail["timestamp"][:8]}".'
    return _header_or_query(detail, text)


def _s3_two_mechanisms(detail: Mapping[str, str]) -> Refusal:
    message = (
        "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the "
        "Authorization header should be specified"
    )
    return Refusal("InvalidArgument", message, 400, {"ArgumentName": "Authorization", "ArgumentValue": detail["authorization"]})


def _s3_payload_invalid(detail: Mapping[str, str]) -> Refusal:
    message = "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, " + (
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, "
        "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER or a valid sha256 value."
    )
    return Refusal("InvalidArgument", message, 400, {"ArgumentName": "x-amz-content-sha256", "ArgumentValue": detail["value"]})


_S3: dict[Kind, Callable[[Mapping[str, str]], Refusal]] = {
    "missing": lambda detail: Refusal("AccessDenied", "Access Denied", 403, {}),
    "incomplete": lambda detail: Refusal(
        "AuthorizationHeaderMalformed", f"The authorization header is malformed; {detail.get('s3', detail['message'])}", 400, {}
    ),
    "malformed-credential": lambda detail: _header_or_query(detail, _CREDENTIAL_FORM),
    "malformed-header": lambda detail: Refusal(
        "AuthorizationHeaderMalformed", f"The authorization header is malformed; {detail['message']}", 400, {}
    ),
    "malformed-query": lambda detail: Refusal("AuthorizationQueryParametersError", detail["message"], 400, {}),
    "missing-date": lambda detail: Refusal("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header", 403, {}),
    "unsupported": lambda detail: Refusal(
        "InvalidArgument",
        "Unsupported Authorization Type",
        400,
        {"ArgumentName": "Authorization", "ArgumentValue": detail["authorization"]},
    ),
    "two-mechanisms": _s3_two_mechanisms,
    "sigv2": lambda detail: Refusal(
        "InvalidRequest", "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.", 400, {}
    ),
    "malformed-sigv2": lambda detail: Refusal(
        "InvalidArgument",
        "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature",
        400,
        {"ArgumentName": "Authorization", "ArgumentValue": detail["authorization"]},
    ),
    "host-not-signed": lambda detail: Refusal(
        "AccessDenied", "There were headers present in the request which were not signed", 403, {"HeadersNotSigned": "host"}
    ),
    "headers-not-signed": lambda detail: Refusal(
        "AccessDenied", "There were headers present in the request which were not signed", 403, {"HeadersNotSigned": detail["headers"]}
    ),
    "wrong-date": _s3_wrong_date,
    "wrong-region": lambda detail: _header_or_query(
        detail, f"the region '{detail['region']}' is wrong; expecting '{detail['expected']}'", {"Region": detail["expected"]}
    ),
    "wrong-service": _s3_wrong_service,
    "expired": _s3_skewed,
    "not-yet": _s3_skewed,
    "presigned-expired": _s3_expired,
    "presigned-not-yet": lambda detail: Refusal("AccessDenied", "Request is not valid yet", 403, dict(detail)),
    "mismatch": _s3_mismatch,
    "payload-hash-missing": lambda detail: Refusal(
        "InvalidRequest", "Missing required header for this request: x-amz-content-sha256", 400, {}
    ),
    "payload-hash-invalid": _s3_payload_invalid,
    "payload-mismatch": lambda detail: Refusal(
        "XAmzContentSHA256Mismatch",
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
        400,
        {"ClientComputedContentSHA256": detail["client"], "S3ComputedContentSHA256": detail["computed"]},
    ),
    "unknown-key": lambda detail: Refusal(
        "InvalidAccessKeyId",
        "The AWS Access Key Id you provided does not exist in our records.",
        403,
        {"AWSAccessKeyId": detail["access_key_id"]},
    ),
    "inactive-key": lambda detail: Refusal(
        "InvalidAccessKeyId",
        "The AWS Access Key Id you provided does not exist in our records.",
        403,
        {"AWSAccessKeyId": detail["access_key_id"]},
    ),
    "invalid-token": lambda detail: Refusal(
        "InvalidToken", "The provided token is malformed or otherwise invalid.", 400, {"Token-0": detail.get("token", "")}
    ),
    "expired-token": lambda detail: Refusal("ExpiredToken", "The provided token has expired.", 400, {"Token-0": detail.get("token", "")}),
    "cut-short": lambda detail: Refusal("IncompleteBody", _CUT_SHORT, 400, {}),
    "bad-chunk": lambda detail: Refusal("IncompleteBody", _CUT_SHORT, 400, {}),
    "small-chunk": lambda detail: Refusal(
        "InvalidChunkSizeError",
        "Only the last chunk is allowed to have a size less than 8192 bytes",
        403,
        {"Chunk": detail["index"], "BadChunkSize": detail["bytes"]},
    ),
    "bad-trailer": lambda detail: Refusal(
        "MalformedTrailerError",
        "The request contained trailing data that was not well-formed or did not conform to our published schema.",
        400,
        {},
    ),
}
