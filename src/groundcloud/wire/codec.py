"""A codec for each operation and protocol: request to parameters, result or error to response. Compiled at an operation's first call.

Protocols are named as botocore names them: `json` (1.0 and 1.1), `rest-json`, `rest-xml`, `query`, `smithy-rpc-v2-cbor`; and `json-cbor`, which botocore does not
speak: AWS JSON with its documents in CBOR, as the Java SDKs ask Kinesis.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zlib import crc32

import msgspec

from groundcloud.base.errors import AwsError
from groundcloud.wire import cbor, corrections, eventstream, query, validate, xml
from groundcloud.wire.json import Document, Reader, Result, Writer, decode_document, encode, type_mismatch
from groundcloud.wire.message import HttpRequest, HttpResponse, content_of, pairs_of
from groundcloud.wire.model import Model, Operation
from groundcloud.wire.rest import Bindings, RequestReader, ResponseWriter

Params = dict[str, Any]
Explain = Callable[[Model, Operation, list[validate.Violation]], AwsError]


def explain(model: Model, operation: Operation, found: list[validate.Violation]) -> AwsError:
    """The usual words of AWS's front ends for parameters that break their shape; a room may have its own."""
    return AwsError(
        "ValidationException" if model.metadata["protocol"] != "query" else "ValidationError", validate.message(found), status=400
    )


class Codec:
    """What is common to the protocols: checking parameters, reading the body, the request id."""

    protocol = ""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self.model = operation.model
        self._strict: Any = None
        self._strict_is_all = False
        self.event_stream = self._event_stream_member()

    async def parse(self, request: HttpRequest, labels: dict[str, str]) -> Params:
        """Parameters by member name, types checked, constraints not (see `check`). Raises AwsError SerializationException and the like."""
        raise NotImplementedError

    def check(self, params: Params, why: Explain = explain) -> None:
        """Raises what `why` makes of the violations, if required members, lengths, ranges, enumerations or patterns are not kept."""
        if self.operation.input_shape is None:
            return
        if self._strict is None:
            types = validate.Types(self.model, strict=True, wire_names=False)
            self._strict = types.of(self.operation.input_shape)
            self._strict_is_all = not types.left_out
        try:
            msgspec.convert(params, self._strict, builtin_types=(bytes,))
            if self._strict_is_all:
                return
        except msgspec.ValidationError:
            pass
        found = [violation for violation in validate.violations(self.model, self.operation.input_shape, params) if violation.sentence]
        if found:
            raise why(self.model, self.operation, found)

    def serialize(self, result: Params, request_id: str) -> HttpResponse:
        raise NotImplementedError

    def error(self, error: AwsError, request_id: str) -> HttpResponse:
        raise NotImplementedError

    def _event_stream_member(self) -> str | None:
        if self.operation.output_shape is None:
            return None
        for member, reference in self.model.shapes[self.operation.output_shape]["members"].items():
            if self.model.shapes[reference["shape"]].get("eventstream"):
                return str(member)
        return None


class JsonCodec(Codec):
    """AWS JSON 1.0 and 1.1: one document each way, operation in `X-Amz-Target`."""

    protocol = "json"

    def __init__(self, operation: Operation) -> None:
        super().__init__(operation)
        self._content_type = f"application/x-amz-json-{self.model.metadata.get('jsonVersion', '1.0')}"
        self._input = Document(self.model, operation.input_shape)
        self._output = Result(self.model, operation.output_shape)
        self._query_compatible = "awsQueryCompatible" in self.model.metadata
        self._checksummed = self.model.service in corrections.CHECKSUMMED

    async def parse(self, request: HttpRequest, labels: dict[str, str]) -> Params:
        body = request.body.whole
        if body is None or "content-encoding" in request.headers:
            body = await content_of(request)
        params: Params = self._input.read(body)
        return params

    def parse_raw(self, body: bytes) -> Params:
        """The document as it is, no shape applied."""
        value = decode_document(body)
        if not isinstance(value, dict):
            raise validate.serialization_error("Start of structure or map found where not expected.")
        return value

    def serialize(self, result: Params, request_id: str) -> HttpResponse:
        if self.event_stream is not None and result.get(self.event_stream) is not None:
            events = result.pop(self.event_stream)
            shape = self.model.shapes[self.operation.output_shape or ""]["members"][self.event_stream]["shape"]
            stream = eventstream.encode_stream(self.model, shape, events, initial=self._output.write(result))
            return HttpResponse(200, [("content-type", "application/vnd.amazon.eventstream"), ("x-amzn-requestid", request_id)], stream)
        return self._answer(200, [("content-type", self._content_type), ("x-amzn-requestid", request_id)], self._output.write(result))

    def serialize_raw(self, result: Params, request_id: str) -> HttpResponse:
        return self._answer(200, [("content-type", self._content_type), ("x-amzn-requestid", request_id)], encode(result))

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> HttpResponse:
        if self._checksummed:
            headers.append(("x-amz-crc32", str(crc32(body))))
        return HttpResponse(status, headers, body)

    def error(self, error: AwsError, request_id: str) -> HttpResponse:
        fault = Fault(self.model, error)
        namespace = corrections.ERROR_NAMESPACES.get(self.model.service)
        if namespace and fault.shape is None:
            namespace = "com.amazon.coral.validate" if fault.code == "ValidationException" else "com.amazon.coral.service"
        document = {"__type": f"{namespace}#{fault.type_name}" if namespace else fault.type_name, **fault.document()}
        headers = [("content-type", self._content_type), ("x-amzn-requestid", request_id)]
        if self._query_compatible:
            headers.append(("x-amzn-query-error", f"{fault.code};{'Sender' if fault.sender else 'Receiver'}"))
        return self._answer(fault.status, headers, encode(document))


class RestJsonCodec(Codec):
    """REST-JSON: members in path, query, headers and a JSON document or payload."""

    protocol = "rest-json"

    def __init__(self, operation: Operation) -> None:
        super().__init__(operation)
        self._in = Bindings(self.model, operation.input_shape) if operation.input_shape else None
        self._out = Bindings(self.model, operation.output_shape, response=True) if operation.output_shape else None
        self._reader = RequestReader(operation, self._in) if self._in else None
        self._writer = ResponseWriter(self.model, self._out) if self._out else None
        self._document = Document(self.model, operation.input_shape, self._in.body) if self._in and not self._in.payload else None
        self._result = Result(self.model, operation.output_shape, self._out.body) if self._out and not self._out.payload else None
        self._payload_in = _payload(self.model, self._in)
        self._payload_out = _payload(self.model, self._out)
        self._payload_document = Document(self.model, self._payload_in[2].get("shape"))
        self._payload_result = Result(self.model, self._payload_out[2].get("shape"))

    async def parse(self, request: HttpRequest, labels: dict[str, str]) -> Params:
        if self._reader is None or self._in is None:
            return {}
        params = self._reader.read(request, labels)
        if self._in.payload is not None:
            name, shape, reference = self._payload_in
            if self.model.shapes[reference["shape"]].get("streaming") or reference.get("streaming"):
                params[name] = request.body
                return params
            body = await content_of(request)
            if shape["type"] == "blob":
                if body:
                    params[name] = body
            elif shape["type"] == "string":
                if body:
                    params[name] = _utf8(body)
            elif body:
                params[name] = self._payload_document.read(body)
        elif self._in.body:
            body = await content_of(request)
            if body:
                assert self._document is not None
                params.update(self._document.read(body))
        return params

    def serialize(self, result: Params, request_id: str) -> HttpResponse:
        status = self.operation.response_code
        headers = [("x-amzn-requestid", request_id)]
        if self._out is None or self._writer is None:
            return HttpResponse(status, headers, b"" if status == 204 else b"{}")
        headers += self._writer.headers(result)
        if self._out.status and result.get(self._out.status) is not None:
            status = result[self._out.status]
        if self._out.payload is not None:
            name, shape, reference = self._payload_out
            value = result.get(name)
            if shape.get("eventstream"):
                headers.append(("content-type", "application/vnd.amazon.eventstream"))
                return HttpResponse(status, headers, eventstream.encode_stream(self.model, reference["shape"], value or _nothing()))
            if shape["type"] in ("blob", "string"):
                if not any(header == "content-type" for header, _ in headers) and value is not None:
                    kind = corrections.PAYLOAD_CONTENT_TYPES.get((self.model.service, self.operation.name))
                    headers.append(("content-type", kind or ("application/octet-stream" if shape["type"] == "blob" else "text/plain")))
                body = value if value is not None else b""
                return HttpResponse(status, headers, body.encode() if isinstance(body, str) else body)
            headers.append(("content-type", "application/json"))
            body = b"" if value is None else self._payload_result.write(value)
            return HttpResponse(status, headers, body)
        if status == 204 or not self._out.body:
            return HttpResponse(status, headers)
        assert self._result is not None
        headers.append(("content-type", "application/json"))
        return HttpResponse(status, headers, self._result.write(result))

    def error(self, error: AwsError, request_id: str) -> HttpResponse:
        fault = Fault(self.model, error)
        headers = [("content-type", "application/json"), ("x-amzn-requestid", request_id), ("x-amzn-errortype", fault.code)]
        document = fault.document()
        if fault.shape is not None:
            bindings = Bindings(self.model, fault.shape_name or "", response=True)
            headers += ResponseWriter(self.model, bindings).headers({**error.fields, **document})
            located = {member for member, *_ in bindings.headers}
            document = {name: value for name, value in document.items() if name not in located}
        return HttpResponse(fault.status, headers, encode(document))


class RestXmlCodec(Codec):
    """REST-XML: as REST-JSON, with XML documents."""

    protocol = "rest-xml"

    def __init__(self, operation: Operation) -> None:
        super().__init__(operation)
        self._in = Bindings(self.model, operation.input_shape) if operation.input_shape else None
        self._out = Bindings(self.model, operation.output_shape, response=True) if operation.output_shape else None
        self._reader = RequestReader(operation, self._in) if self._in else None
        self._writer = ResponseWriter(self.model, self._out) if self._out else None
        self._serializer = xml.Serializer(self.model)
        self._parser = xml.Parser(self.model)
        self._payload_in = _payload(self.model, self._in)
        self._payload_out = _payload(self.model, self._out)
        self._request_id_header = "x-amz-request-id" if self.model.service in ("s3", "s3control") else "x-amzn-requestid"

    async def parse(self, request: HttpRequest, labels: dict[str, str]) -> Params:
        if self._reader is None or self._in is None:
            return {}
        params = self._reader.read(request, labels)
        if self._in.payload is not None:
            name, shape, reference = self._payload_in
            if reference.get("streaming") or shape.get("streaming"):
                params[name] = request.body
                return params
            body = await content_of(request)
            if shape["type"] in ("blob", "string"):
                if body:
                    params[name] = body if shape["type"] == "blob" else _utf8(body)
            elif body:
                root = reference.get("locationName") if self.model.service == "s3" else None  # S3 looks at the root's name, too
                params[name] = self._document(body, self._parser.of(reference["shape"]), root)
        elif self._in.body:
            body = await content_of(request)
            if body:
                params.update(self._document(body, self._parser.structure(self._in.body)))
        return params

    def _document(self, body: bytes, reader: xml.Read, root_name: str | None = None) -> Any:
        try:
            root = xml.root_of(body)
            if root_name is not None and root.tag.rpartition("}")[2] != root_name:
                raise xml.malformed()
            return reader(root)
        except (ValueError, TypeError):
            raise xml.malformed() from None

    def serialize(self, result: Params, request_id: str) -> HttpResponse:
        status = self.operation.response_code
        headers = [(self._request_id_header, request_id)]
        if self._request_id_header == "x-amz-request-id":
            headers.append(("x-amz-id-2", request_id))
        if self._out is None or self._writer is None:
            return HttpResponse(status, headers)
        headers += self._writer.headers(result)
        if self._out.status and result.get(self._out.status) is not None:
            status = result[self._out.status]
        if "ContentRange" in result:
            status = 206  # S3: a part of an object; the model has no member for it
        if self._out.payload is not None:
            name, shape, reference = self._payload_out
            value = result.get(name)
            if shape.get("eventstream"):
                headers.append(("content-type", "application/vnd.amazon.eventstream"))
                return HttpResponse(
                    status, headers, eventstream.encode_stream(self.model, reference["shape"], value or _nothing(), xml=True)
                )
            if (shape["type"] in ("blob", "string") and "xmlNamespace" not in reference) or value is None:
                body = value if value is not None else b""
                return HttpResponse(status, headers, body.encode() if isinstance(body, str) else body)
            headers.append(("content-type", "application/xml"))
            return HttpResponse(status, headers, self._serializer.document(reference["shape"], value, reference))
        if not self._out.body:
            return HttpResponse(status, headers)
        headers.append(("content-type", "application/xml"))
        assert self.operation.output_shape is not None
        return HttpResponse(status, headers, self._serializer.document(self.operation.output_shape, result, self.operation.output))

    def error(self, error: AwsError, request_id: str) -> HttpResponse:
        fault = Fault(self.model, error)
        headers = [("content-type", "application/xml"), (self._request_id_header, request_id), *getattr(error, "headers", {}).items()]
        if fault.status == 304:
            return HttpResponse(304, headers[1:])
        out = [xml.DECLARATION]
        fields = {name: value for name, value in error.fields.items() if value is not None}
        if self.model.service in corrections.UNWRAPPED_ERRORS:
            out.append(f"<Error><Code>{xml.escape(fault.code)}</Code><Message>{xml.escape(error.message)}</Message>")
            for name, value in fields.items():
                out.append(f"<{name}>{xml.escape(str(value))}</{name}>")
            out.append(f"<RequestId>{request_id}</RequestId><HostId>{request_id}</HostId></Error>")
            headers.append(("x-amz-id-2", request_id))
        else:
            namespace = xml.namespace_attribute(self.model.metadata.get("xmlNamespace"))
            out.append(f"<ErrorResponse{namespace}><Error><Type>{'Sender' if fault.sender else 'Receiver'}</Type>")
            out.append(f"<Code>{xml.escape(fault.code)}</Code><Message>{xml.escape(error.message)}</Message>")
            if fault.shape is not None and fields:
                bindings = Bindings(self.model, fault.shape_name or "", response=True)
                headers += ResponseWriter(self.model, bindings).headers(fields)
                body = {name: value for name, value in fields.items() if name in bindings.body}
                if body:
                    self._serializer.members(out, fault.shape_name or "", body)
            out.append(f"</Error><RequestId>{request_id}</RequestId></ErrorResponse>")
        return HttpResponse(fault.status, headers, "".join(out).encode())


class QueryCodec(Codec):
    """The query protocol: a form in, XML out."""

    protocol = "query"

    def __init__(self, operation: Operation) -> None:
        super().__init__(operation)
        self._parser = query.Parser(self.model)
        members = self.model.shapes[operation.input_shape]["members"] if operation.input_shape else {}
        self._takes_queue_url = self.model.service == "sqs" and "QueueUrl" in members
        self._serializer = xml.Serializer(self.model, query=True)
        self._namespace = xml.namespace_attribute(self.model.metadata.get("xmlNamespace"))

    async def parse(self, request: HttpRequest, labels: dict[str, str]) -> Params:
        if self.operation.input_shape is None:
            return {}
        # Bodies of other methods are no forms: documents put to a URL whose query string holds the parameters.
        form = await request.form() if request.method == "POST" else {}
        if request.query_string:
            form = {**dict(pairs_of(request.query_string)), **form}
        params: Params = self._parser.of(self.operation.input_shape)(query.tree_of(form), "")
        if self._takes_queue_url and "QueueUrl" not in params and request.raw_path.count("/") == 2:
            # Requests of the query protocol go to the queue's URL and need not repeat it.
            params["QueueUrl"] = f"{request.scheme}://{request.host}{request.raw_path}"
        return params

    def serialize(self, result: Params, request_id: str) -> HttpResponse:
        name = self.operation.name
        out = [f"{xml.DECLARATION}<{name}Response{self._namespace}>"]
        if self.operation.output_shape is not None:
            wrapper = self.operation.result_wrapper
            if wrapper:
                out.append(f"<{wrapper}>")
            self._serializer.members(out, self.operation.output_shape, result)
            if wrapper:
                out.append(f"</{wrapper}>")
        out.append(f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{name}Response>")
        return HttpResponse(200, [("content-type", "text/xml"), ("x-amzn-requestid", request_id)], "".join(out).encode())

    def error(self, error: AwsError, request_id: str) -> HttpResponse:
        fault = Fault(self.model, error)
        out = [f"{xml.DECLARATION}<ErrorResponse{self._namespace}><Error><Type>{'Sender' if fault.sender else 'Receiver'}</Type>"]
        out.append(f"<Code>{xml.escape(fault.code)}</Code><Message>{xml.escape(error.message)}</Message>")
        if fault.shape is not None and error.fields:
            known = {name: value for name, value in error.fields.items() if name in fault.shape["members"]}
            self._serializer.members(out, fault.shape_name or "", known)
        out.append(f"</Error><RequestId>{request_id}</RequestId></ErrorResponse>")
        return HttpResponse(fault.status, [("content-type", "text/xml"), ("x-amzn-requestid", request_id)], "".join(out).encode())


class CborCodec(Codec):
    """Smithy RPC v2 CBOR."""

    protocol = "smithy-rpc-v2-cbor"

    def __init__(self, operation: Operation) -> None:
        super().__init__(operation)
        self._query_compatible = "awsQueryCompatible" in self.model.metadata
        self._loose: Any = None
        self._reader = Reader(self.model)

    async def parse(self, request: HttpRequest, labels: dict[str, str]) -> Params:
        if self.operation.input_shape is None:
            return {}
        body = await content_of(request)
        if not body:
            return {}
        value = self._decode(body)
        if not isinstance(value, dict):
            raise validate.serialization_error("Start of structure or map found where not expected.")
        if self._loose is None:
            self._loose = validate.Types(self.model, strict=False, wire_names=True).of(self.operation.input_shape)
        try:
            value = msgspec.convert(value, self._loose, builtin_types=(bytes,))
        except msgspec.ValidationError as error:
            raise validate.serialization_error(type_mismatch(error)) from None
        walker = self._reader.of(self.operation.input_shape)
        try:
            params: Params = walker(value) if walker else value
            return params
        except (ValueError, OverflowError) as error:
            raise validate.serialization_error(str(error)) from None

    def _decode(self, body: bytes) -> Any:
        return cbor.decode(body)

    def serialize(self, result: Params, request_id: str) -> HttpResponse:
        headers = [("smithy-protocol", "rpc-v2-cbor"), ("x-amzn-requestid", request_id)]
        if self.operation.output_shape is None:
            return HttpResponse(200, headers)
        headers.append(("content-type", "application/cbor"))
        return HttpResponse(200, headers, cbor.encode(result, self.model, self.operation.output_shape))

    def error(self, error: AwsError, request_id: str) -> HttpResponse:
        import cbor2

        fault = Fault(self.model, error)
        headers = [("smithy-protocol", "rpc-v2-cbor"), ("content-type", "application/cbor"), ("x-amzn-requestid", request_id)]
        if self._query_compatible:
            headers.append(("x-amzn-query-error", f"{fault.code};{'Sender' if fault.sender else 'Receiver'}"))
        return HttpResponse(fault.status, headers, cbor2.dumps({"__type": fault.type_name, **fault.document()}))


class JsonCborCodec(CborCodec):
    """AWS JSON 1.1 in CBOR (`application/x-amz-cbor-1.1`): as JSON, but blobs are bytes and moments are milliseconds."""

    protocol = "json-cbor"
    _content_type = "application/x-amz-cbor-1.1"

    def __init__(self, operation: Operation) -> None:
        super().__init__(operation)
        self._reader = Reader(self.model, milliseconds=True)

    def _decode(self, body: bytes) -> Any:
        return cbor.decode(body, tags=False)

    def serialize(self, result: Params, request_id: str) -> HttpResponse:
        headers = [("content-type", self._content_type), ("x-amzn-requestid", request_id)]
        if self.event_stream is not None and result.get(self.event_stream) is not None:
            shape = self.model.shapes[self.operation.output_shape or ""]["members"][self.event_stream]["shape"]
            stream = eventstream.encode_stream(self.model, shape, result[self.event_stream])
            return HttpResponse(200, [("content-type", "application/vnd.amazon.eventstream"), headers[1]], stream)
        return HttpResponse(200, headers, cbor.encode(result, self.model, self.operation.output_shape, milliseconds=True))

    def error(self, error: AwsError, request_id: str) -> HttpResponse:
        response = super().error(error, request_id)
        response.headers = [("content-type", self._content_type), ("x-amzn-requestid", request_id)]
        return response


class Fault:
    """An AwsError as the model sees it: its shape if it has one, the code on the wire, the status, whose fault it is."""

    def __init__(self, model: Model, error: AwsError) -> None:
        name = error.code if error.code in model.shapes and model.shapes[error.code].get("exception") else model.error_codes.get(error.code)
        self.shape_name = name
        self.shape: dict[str, Any] | None = model.shapes[name] if name else None
        traits = (self.shape or {}).get("error", {})
        self.type_name = name or error.code
        self.code = traits.get("code") or corrections.QUERY_ERROR_CODES.get((model.service, self.type_name)) or self.type_name
        self.status: int = error.status or traits.get("httpStatusCode") or (500 if (self.shape or {}).get("fault") else 400)
        self.sender = self.status < 500
        self._model = model
        self._error = error

    def document(self) -> Params:
        """The members of a JSON or CBOR error document, by their names on the wire."""
        error = self._error
        members = self.shape["members"] if self.shape else {}
        key = next((name for name in members if name.lower() == "message"), "message")
        out: Params = {}
        if error.message or key in members:
            out[members.get(key, {}).get("locationName", key)] = error.message
        if not error.fields:
            return out
        if self.shape is None:
            return {**out, **error.fields}
        walker = Writer(self._model, prune=True).structure(members)
        return {**out, **(walker(error.fields) if walker else error.fields)}


def _payload(model: Model, bindings: Bindings | None) -> tuple[str, dict[str, Any], dict[str, Any]]:
    if bindings is None or bindings.payload is None:
        return "", {}, {}
    reference = bindings.body[bindings.payload]
    return bindings.payload, model.shapes[reference["shape"]], reference


def _utf8(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise validate.serialization_error("The request body is not UTF-8.") from None


async def _nothing() -> Any:
    return
    yield


_CODECS = {codec.protocol: codec for codec in (JsonCodec, RestJsonCodec, RestXmlCodec, QueryCodec, CborCodec, JsonCborCodec)}


class Codecs:
    """The codecs of a model, made when they are first wanted."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._made: dict[tuple[str, str], Codec] = {}

    def get(self, operation_name: str, protocol: str) -> Codec:
        """Raises KeyError if the service has no such operation."""
        found = self._made.get((operation_name, protocol))
        if found is None:
            found = self._made[operation_name, protocol] = _CODECS[protocol](self._model.operation(operation_name))
        return found
