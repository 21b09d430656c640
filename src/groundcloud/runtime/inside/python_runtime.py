"""The Python runtime inside a sandbox: loads the handler, answers invocations from the channel until it closes.

Behaves as AWS's Python runtime does towards the function: context object, logging, error documents, tracebacks, messages.
Runs in the process that was forked from the zygote, so everything it needs has been imported there.
"""

from __future__ import annotations

import builtins
import decimal
import importlib
import io
import json
import logging
import os
import random
import resource
import site
import sys
import threading
import time
import traceback
import types
from collections.abc import Callable
from typing import Any

from . import frames, old_sdk, sandbox, template

_INDENT = "\u00a0\u00a0"  # AWS replaces the indentation of tracebacks by no-break spaces, which its console keeps.

_zygotes_main: types.ModuleType | None = None
_log_handler: logging.Handler | None = None

Handler = Callable[[Any, Any], Any]


class Fault(Exception):
    """An error of the function's package or result that AWS names `Runtime.*`."""

    def __init__(self, error_type: str, message: str, trace: list[str] | None = None) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.message = message
        self.trace = trace


class CognitoIdentity:
    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")

    def __init__(self, fields: dict[str, Any]) -> None:
        self.cognito_identity_id = fields.get("cognitoIdentityId")
        self.cognito_identity_pool_id = fields.get("cognitoIdentityPoolId")

    def __repr__(self) -> str:
        return (
            f"{self.__class__.__name__}([cognito_identity_id={self.cognito_identity_id},"
            f"cognito_identity_pool_id={self.cognito_identity_pool_id}])"
        )


class Client:
    __slots__ = ("app_package_name", "app_title", "app_version_code", "app_version_name", "installation_id")

    def __init__(self, fields: dict[str, Any]) -> None:
        for name in self.__slots__:
            setattr(self, name, fields.get(name))


class ClientContext:
    __slots__ = ("client", "custom", "env")

    def __init__(self, fields: dict[str, Any]) -> None:
        self.custom = fields.get("custom")
        self.env = fields.get("env")
        self.client = Client(fields["client"]) if fields.get("client") else None


class LambdaContext:
    """What a handler receives as its second argument. AWS: Using the Lambda context object, Python."""

    def __init__(self, head: dict[str, Any]) -> None:
        environment = os.environ
        self.aws_request_id: str = head["request_id"]
        self.log_group_name = environment.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = environment.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = environment.get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = environment.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = head.get("function_arn")
        self.tenant_id = head.get("tenant_id")
        client_context = head.get("client_context")
        self.client_context = ClientContext(client_context) if isinstance(client_context, dict) else None
        self.identity = CognitoIdentity(head.get("identity") or {})
        self._epoch_deadline_time_in_ms = int(head["deadline_ms"])

    def get_remaining_time_in_millis(self) -> int:
        return max(0, self._epoch_deadline_time_in_ms - int(time.time() * 1000))

    def log(self, message: object) -> None:
        sys.stdout.write(str(message))

    def __repr__(self) -> str:
        fields = ",".join(f"{name}={value}" for name, value in vars(self).items() if not name.startswith("_"))
        return f"{self.__class__.__name__}([{fields}])"


class _RequestFilter(logging.Filter):
    """Adds the request id to every record."""

    request_id: str | None = None
    tenant_id: str | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        record.aws_request_id = self.request_id
        return True


class _LogHandler(logging.Handler):
    """Writes each record as one event, whatever its number of lines."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            write_event(self.format(record))
        except Exception:
            self.handleError(record)


class _TextFormatter(logging.Formatter):
    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__("[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n", "%Y-%m-%dT%H:%M:%S")


class _JsonFormatter(logging.Formatter):
    """AWS_LAMBDA_LOG_FORMAT=JSON. AWS: Using structured JSON logs with Python."""

    converter = staticmethod(time.gmtime)
    _own = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "aws_request_id", "taskName"}

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "timestamp": self.formatTime(record, "%Y-%m-%dT%H:%M:%SZ"),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[0] is not None:
            kind, error, trace = record.exc_info
            entry["stackTrace"] = traceback.format_list(_rows(trace))
            entry["errorType"] = kind.__name__
            entry["errorMessage"] = str(error)
            entry["location"] = f"{record.pathname}:{record.funcName}:{record.lineno}"
        entry.update((name, value) for name, value in vars(record).items() if name not in self._own)
        request_id = getattr(record, "aws_request_id", None)
        if request_id is not None:
            entry["requestId"] = request_id
        return json.dumps(entry, ensure_ascii=False, default=str) + "\n"


_requests = _RequestFilter()


def _write_all(fd: int, text: bytes) -> None:
    view = memoryview(text)
    while view:
        view = view[os.write(fd, view) :]


def write_event(text: str) -> None:
    _write_all(1, frames.log_record(text.rstrip("\n").encode("utf-8", "backslashreplace")))


def _rows(trace: types.TracebackType | None) -> list[tuple[str, int, str, str | None]]:
    return [(f.filename, f.lineno or 0, f.name, f.line) for f in traceback.extract_tb(trace)]


def error_document(error: BaseException, request_id: str | None) -> dict[str, Any]:
    """AWS's error document of an exception raised by the function; the runtime's own frames are left out of the trace."""
    if isinstance(error, Fault):
        return _document(error.message, error.error_type, request_id, error.trace or [])
    rows = _rows(error.__traceback__)
    while rows and (rows[0][0] == __file__ or rows[0][0].startswith("<frozen importlib")):
        rows.pop(0)
    try:
        message = str(error)
    except Exception:
        message = "<unprintable error>"
    return _document(message, type(error).__name__, request_id, traceback.format_list(rows))


def _document(message: str, error_type: str, request_id: str | None, trace: list[str]) -> dict[str, Any]:
    return {"errorMessage": message, "errorType": error_type, "requestId": request_id or "", "stackTrace": trace}


def log_error(document: dict[str, Any]) -> None:
    """Writes the error as AWS's runtime does: one event, no-break spaces for the indentation."""
    if os.environ.get("AWS_LAMBDA_LOG_FORMAT") == "JSON":
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        write_event(json.dumps({"timestamp": stamp, "log_level": "ERROR", **document}, ensure_ascii=False))
        return
    lines = [
        f"[ERROR] {document['errorType']}: {document['errorMessage']}" if document["errorMessage"] else f"[ERROR] {document['errorType']}"
    ]
    lines.append("Traceback (most recent call last):")
    for element in document["stackTrace"]:
        for line in element.splitlines():
            stripped = line.lstrip(" ")
            lines.append(_INDENT * ((len(line) - len(stripped)) // 2) + stripped)
    write_event("\n".join(lines))


def load_handler(handler: str) -> Handler:
    """The function that `handler` names, its module imported. Raises Fault with AWS's error type and sentence."""
    module_name, dot, function_name = handler.rpartition(".")
    if not dot:
        raise Fault("Runtime.MalformedHandlerName", f"Bad handler '{handler}': not enough values to unpack (expected 2, got 1)")
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise Fault("Runtime.BuiltInModuleConflict", f"Cannot use built-in module {module_name} as a handler module")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}") from error
    except SyntaxError as error:
        trace = [f'  File "{error.filename}" Line {error.lineno}\n    {error.text}']
        raise Fault("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}", trace) from error
    try:
        found: Handler = getattr(module, function_name)
    except AttributeError:
        raise Fault("Runtime.HandlerNotFound", f"Handler '{function_name}' missing on module '{module_name}'") from None
    return found


def _default(value: object) -> object:
    if isinstance(value, decimal.Decimal):
        return float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def rss_kb() -> int:
    own: int = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if sys.platform == "darwin":
        own //= 1024
    return own


class Runtime:
    """One sandbox's runtime: its channel to the server and its handler."""

    def __init__(self, channel_fd: int, specification: dict[str, Any], walls: sandbox.Walls | None = None) -> None:
        """`walls`: of what it forks, if it is a template."""
        self.walls = walls
        self.handler: Handler | None = None
        self.channel_fd = channel_fd
        self.specification = specification
        # Python 3.12 and later runtimes of AWS answer in UTF-8, earlier ones escape.
        self.ensure_ascii = specification["runtime"] in ("python3.8", "python3.9", "python3.10", "python3.11")
        self.buffer = bytearray()

    def run(self) -> None:
        """Until the server closes the channel. An error while loading the handler is reported, and ends the process."""
        try:
            handler = load_handler(self.specification["handler"])
        except Exception as error:
            document = error_document(error, None)
            log_error(document)
            self.send(frames.INIT_ERROR, {"error_type": document["errorType"]}, self.dump_error(document))
            return
        if self.walls is not None:
            if not self.run_hooks("get_before_snapshot", "Runtime.BeforeSnapshotError"):
                return
            self.handler = handler
            self.send(frames.READY, {"rss_kb": rss_kb()})
            template.serve(self.channel_fd, self.walls, self.restore)
        self.send(frames.READY, {"rss_kb": rss_kb()})
        self.loop(handler)

    def loop(self, handler: Handler) -> None:
        while True:
            invocation = self.receive()
            if invocation is None:
                return
            self.answer(handler, *invocation)

    def restore(self, request: dict[str, Any], channel_fd: int) -> None:
        """Goes on in a process that was forked from the template."""
        self.channel_fd = channel_fd
        self.buffer.clear()
        os.environ.clear()
        os.environ.update(request["environment"])
        status = 1
        try:
            status = run_to_end(self.resume)
        finally:
            os._exit(status)

    def resume(self) -> None:
        assert self.handler is not None
        if self.run_hooks("get_after_restore", "Runtime.AfterRestoreError"):
            self.send(frames.READY, {"rss_kb": rss_kb()})
            self.loop(self.handler)

    def run_hooks(self, registry: str, error_type: str) -> bool:
        """What the function has registered: before a snapshot the latest first. False, reported, if one fails."""
        module = sys.modules.get("snapshot_restore_py")
        hooks = list(getattr(module, registry)()) if module is not None else []
        try:
            for function, positional, named in hooks[::-1] if registry == "get_before_snapshot" else hooks:
                function(*positional, **named)
        except Exception as error:
            document = error_document(error, None)
            log_error(document)
            self.send(frames.INIT_ERROR, {"error_type": error_type}, self.dump_error(document))
            return False
        return True

    def answer(self, handler: Handler, head: dict[str, Any], event: bytes) -> None:
        request_id: str = head["request_id"]
        _requests.request_id = request_id
        environment = head.get("environment")
        if environment:
            os.environ.update(environment)
        trace_id = head.get("trace_id")
        if trace_id:
            os.environ["_X_AMZN_TRACE_ID"] = trace_id
        elif "_X_AMZN_TRACE_ID" in os.environ:
            del os.environ["_X_AMZN_TRACE_ID"]
        try:
            result = self.call(handler, head, event)
        except Exception as error:
            document = error_document(error, request_id)
            if not isinstance(error, Fault) or error.error_type != "Function.ResponseSizeTooLarge":
                log_error(document)
            else:
                document = {"errorMessage": document["errorMessage"], "errorType": document["errorType"]}
            outgoing = (frames.ERROR, {"request_id": request_id, "error_type": document["errorType"]}, self.dump_error(document))
        else:
            outgoing = (frames.RESPONSE, {"request_id": request_id}, result)
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError, AttributeError):  # the function closed or replaced it
                pass
        kind, answer_head, payload = outgoing
        answer_head["rss_kb"] = rss_kb()
        self.send(kind, answer_head, payload)

    def call(self, handler: Handler, head: dict[str, Any], event: bytes) -> bytes:
        try:
            request = json.loads(event) if event else None
        except ValueError as error:
            raise Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from None
        response = handler(request, LambdaContext(head))
        try:
            result = json.dumps(response, ensure_ascii=self.ensure_ascii, default=_default).encode()
        except Exception as error:
            raise Fault("Runtime.MarshalError", f"Unable to marshal response: {error}") from None
        if len(result) > frames.RESPONSE_BYTES_MAX:
            raise Fault(
                "Function.ResponseSizeTooLarge",
                f"Response payload size exceeded maximum allowed payload size ({frames.RESPONSE_BYTES_MAX} bytes).",
            )
        return result

    def dump_error(self, document: dict[str, Any]) -> bytes:
        text = json.dumps(document, ensure_ascii=self.ensure_ascii).encode("utf-8", "backslashreplace")
        if len(text) <= frames.RESPONSE_BYTES_MAX:
            return text
        return json.dumps({**document, "errorMessage": document["errorMessage"][:200_000], "stackTrace": []}).encode()

    def send(self, kind: int, head: dict[str, Any], payload: bytes = b"") -> None:
        _write_all(self.channel_fd, frames.frame(kind, json.dumps(head).encode(), payload))

    def receive(self) -> tuple[dict[str, Any], bytes] | None:
        """The next invocation, None at the end of the channel."""
        buffer = self.buffer
        size = frames.HEADER.size
        needed = size
        while len(buffer) < needed or needed == size:
            if len(buffer) >= size:
                _, head_length, payload_length = frames.HEADER.unpack_from(buffer)
                needed = size + head_length + payload_length
                if len(buffer) >= needed:
                    break
            chunk = os.read(self.channel_fd, max(65536, needed - len(buffer)))
            if not chunk:
                return None
            buffer += chunk
        head = json.loads(bytes(buffer[size : size + head_length]))
        payload = bytes(buffer[size + head_length : needed])
        del buffer[:needed]
        return head, payload


def _import_paths(specification: dict[str, Any], standard: list[str]) -> list[str]:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    task, layers = specification["task_root"], specification["layer_root"]
    paths = [task, *(p for p in specification["environment"].get("PYTHONPATH", "").split(":") if p and p != "/var/runtime")]
    if layers:
        paths += [f"{layers}/python/lib/{version}/site-packages", f"{layers}/python"]
    for path in standard:
        if path not in paths:
            paths.append(path)
    return paths


def _forget_shadowed(paths: list[str], preloaded: frozenset[str], third_party: frozenset[str]) -> list[str]:
    """Drops modules of the zygote that the function's package brings itself, so that the package's are imported; the paths that have .pth files.

    If any preloaded library is among them, all are dropped: half of one version and half of another do not work.
    """
    brought: set[str] = set()
    sites = []
    for path in paths:
        try:
            names = os.listdir(path)
        except OSError:
            continue
        brought.update(name.partition(".")[0] for name in names)
        if any(name.endswith(".pth") for name in names):
            sites.append(path)
    if "botocore" in brought:
        sys.meta_path.insert(0, old_sdk.Watch())
    shadowed = brought & preloaded
    if shadowed & third_party:
        shadowed |= third_party
    if shadowed:
        for name in [name for name in sys.modules if name.partition(".")[0] in shadowed]:
            del sys.modules[name]
    return sites


def prepare() -> None:
    """What is the same in every sandbox, done once in the zygote: there it costs neither the sandboxes' time nor their memory."""
    global _zygotes_main, _log_handler
    sys.argv[:] = ["/var/runtime/bootstrap.py"]
    main = types.ModuleType("__main__")
    main.__dict__["__builtins__"] = builtins
    _zygotes_main = sys.modules["__main__"]  # kept: to free it would touch, and so copy, the pages it lies in
    sys.modules["__main__"] = main
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, "rb", closefd=False)), encoding="utf-8")
    # Unbuffered, as AWS's: what was printed before a crash is in the log.
    output, errors = io.FileIO(1, "wb", closefd=False), io.FileIO(2, "wb", closefd=False)
    sys.stdout = io.TextIOWrapper(output, encoding="utf-8", write_through=True)
    sys.stderr = io.TextIOWrapper(errors, encoding="utf-8", errors="backslashreplace", write_through=True)
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr  # type: ignore[misc]
    _log_handler = _LogHandler()
    _log_handler.addFilter(_requests)
    _log_handler.setFormatter(_TextFormatter())
    logging.root.addHandler(_log_handler)


def start(
    specification: dict[str, Any],
    channel_fd: int,
    standard: list[str],
    preloaded: frozenset[str],
    third_party: frozenset[str],
    walls: sandbox.Walls | None,
    make: Callable[[], Runtime] | None = None,
) -> None:
    """Makes this process look like a new interpreter of AWS's runtime, then runs it (what `make` returns, if given). Never returns."""
    status = 1
    try:
        # What Python would have done after a fork, and matters here: this process was cloned bare, see `sandbox.live`.
        random.seed()
        threading.main_thread()._set_native_id()  # type: ignore[attr-defined]
        os.environ.clear()
        os.environ.update(specification["environment"])
        time.tzset()
        os.chdir(specification["task_root"])
        paths = _import_paths(specification, standard)
        sites = _forget_shadowed(paths[: len(paths) - len(standard)], preloaded, third_party)
        sys.path[:] = paths
        if _log_handler is None:
            prepare()
        for path in sites:
            site.addsitedir(path)  # for its .pth files, as AWS's bootstrap
        if os.environ.get("AWS_LAMBDA_LOG_FORMAT") == "JSON":
            assert _log_handler is not None
            _log_handler.setFormatter(_JsonFormatter())
            level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "")
            if level:
                logging.root.setLevel({"TRACE": "DEBUG", "FATAL": "CRITICAL"}.get(level, level))
        runtime = make() if make is not None else Runtime(channel_fd, specification, walls if specification["template"] else None)
        status = run_to_end(runtime.run)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def run_to_end(run: Callable[[], None]) -> int:
    """The status to exit with."""
    try:
        run()
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return (error.code or 0) & 0xFF
        sys.stderr.write(f"{error.code}\n")
        return 1
    except BrokenPipeError:
        return 0
    except BaseException:
        traceback.print_exc()
        return 1
    return 0
