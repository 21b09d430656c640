# ruff: noqa: UP004, UP010, UP024, UP031, RUF005
# mypy: ignore-errors
"""The runtime of Python 2.7 and 3.6 to 3.8, on which the zygote's code does not run: a program of its own that speaks the Runtime API.

Written in what these versions share, without types. Up to 3.6 AWS's runtime was another one than the open one that came after it: it told
errors and tracebacks in other words, and a handler that cannot be loaded fails each invocation instead of the initialisation.
Copied to /var/runtime/bootstrap.py of the sandboxes' root, where AWS's is. Arguments, where there is no such root: the directory of AWS's SDK, then
that of the layers.
"""

from __future__ import print_function

import decimal
import importlib
import io
import json
import logging
import os
import site
import struct
import sys
import time
import traceback
import warnings

try:
    import http.client as http_client
except ImportError:
    import httplib as http_client

_SECOND = sys.version_info[0] == 2
_OLD = sys.version_info < (3, 7)
_BASE = "/2018-06-01/runtime/"
_INDENT = "\u00a0\u00a0"  # as in `python_runtime`
_MARK, _MARK_LENGTH = b"\x00\xa5GCLOG", struct.Struct("!I")  # those of `frames`
_RESPONSE_BYTES_MAX = 6291556
_TOO_LARGE = "Function.ResponseSizeTooLarge"
_KNOWS_ENDPOINT_FROM = (1, 31)
_LOCALE = ("LC_CTYPE", "C.UTF-8")  # given to the interpreter, which else would take files for ASCII; not to the function


class Fault(Exception):
    """An error of the function's package or result. `words`: AWS's sentence; `detail`: what Python says of it."""

    def __init__(self, error_type, words, detail="", trace=()):
        Exception.__init__(self, "%s: %s" % (words, detail) if detail else words)
        self.error_type, self.words, self.detail, self.trace = error_type, words, detail, list(trace)


class CognitoIdentity(object):
    __slots__ = ["cognito_identity_id", "cognito_identity_pool_id"]

    def __init__(self, fields):
        self.cognito_identity_id = fields.get("cognitoIdentityId")
        self.cognito_identity_pool_id = fields.get("cognitoIdentityPoolId")


class Client(object):
    __slots__ = ["app_package_name", "app_title", "app_version_code", "app_version_name", "installation_id"]

    def __init__(self, fields):
        for name in self.__slots__:
            setattr(self, name, fields.get(name))


class ClientContext(object):
    __slots__ = ["client", "custom", "env"]

    def __init__(self, fields):
        self.custom, self.env = fields.get("custom"), fields.get("env")
        self.client = Client(fields["client"]) if fields.get("client") else None


class LambdaContext(object):
    """What a handler receives as its second argument."""

    def __init__(self, request_id, deadline_ms, arn, client_context, identity):
        self.aws_request_id = request_id
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = arn
        self.client_context = ClientContext(client_context) if isinstance(client_context, dict) else None
        self.identity = CognitoIdentity(identity or {})
        self._epoch_deadline_time_in_ms = deadline_ms

    def get_remaining_time_in_millis(self):
        return max(0, self._epoch_deadline_time_in_ms - int(time.time() * 1000))

    def log(self, message):
        sys.stdout.write(str(message))


class _RequestFilter(logging.Filter):
    """Adds the request id to every record."""

    request_id = ""

    def filter(self, record):
        record.aws_request_id = self.request_id
        return True


class _LogHandler(logging.Handler):
    """Writes each record as one event, whatever its number of lines."""

    def emit(self, record):
        try:
            write_event(self.format(record))
        except Exception:
            self.handleError(record)


class _JsonFormatter(logging.Formatter):
    """AWS_LAMBDA_LOG_FORMAT=JSON."""

    _own = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "aws_request_id"}

    def format(self, record):
        entry = {"timestamp": _stamp(record.created), "level": record.levelname, "message": record.getMessage(), "logger": record.name}
        if record.exc_info and record.exc_info[0] is not None:
            kind, error, trace = record.exc_info
            entry["stackTrace"] = traceback.format_list(traceback.extract_tb(trace))
            entry["errorType"], entry["errorMessage"] = kind.__name__, str(error)
            entry["location"] = "%s:%s:%s" % (record.pathname, record.funcName, record.lineno)
        entry.update((name, value) for name, value in vars(record).items() if name not in self._own)
        if record.aws_request_id:
            entry["requestId"] = record.aws_request_id
        return json.dumps(entry, ensure_ascii=False, default=str) + "\n"


_requests = _RequestFilter()


def _stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def write_event(text):
    data = text.rstrip("\n")
    if not isinstance(data, bytes):
        data = data.encode("utf-8", "backslashreplace")
    data = _MARK + _MARK_LENGTH.pack(len(data)) + data
    while data:
        data = data[os.write(1, data) :]


def _rows(trace):
    """File, line, function, text of each frame, without the runtime's own."""
    rows = [tuple(row) for row in traceback.extract_tb(trace)]
    while rows and (rows[0][0] == __file__ or rows[0][0].startswith("<frozen importlib")):
        rows.pop(0)
    return rows


def error_document(error, request_id):
    """AWS's error document of an exception, in the words of this version's runtime."""
    fault = isinstance(error, Fault)
    rows = [] if fault else _rows(sys.exc_info()[2])
    try:
        message = str(error)
    except Exception:
        message = "<unprintable error>"
    if fault and error.error_type == _TOO_LARGE:
        return {"errorMessage": message, "errorType": error.error_type}
    if not _OLD:
        trace = error.trace if fault else traceback.format_list(rows)
        name = error.error_type if fault else type(error).__name__
        return {"errorMessage": message, "errorType": name, "requestId": request_id, "stackTrace": trace}
    if fault:
        return {"errorMessage": error.words}
    document = {"errorType": type(error).__name__}
    if message:
        document["errorMessage"] = message
    if rows:
        document["stackTrace"] = rows
    return document


def log_error(error, document, doing=""):
    """One event, as AWS's runtime of this version writes it. `doing`: what failed, where it was not the handler."""
    if isinstance(error, Fault) and error.error_type == _TOO_LARGE:
        return
    if _OLD:
        write_event(_old_words(error, document, doing))
    elif os.environ.get("AWS_LAMBDA_LOG_FORMAT") == "JSON":
        write_event(json.dumps(dict(document, timestamp=_stamp(time.time()), log_level="ERROR"), ensure_ascii=False))
    else:
        lines = [
            "[ERROR] " + ": ".join(filter(None, (document["errorType"], document["errorMessage"]))),
            "Traceback (most recent call last):",
        ]
        for line in "\n".join(document["stackTrace"]).splitlines():
            stripped = line.lstrip(" ")
            if stripped:
                lines.append(_INDENT * ((len(line) - len(stripped)) // 2) + stripped)
        write_event("\n".join(lines))


def _old_words(error, document, doing):
    if isinstance(error, Fault):
        return "\n".join((str(error),) + tuple(error.trace))
    message = document.get("errorMessage", "")
    first = (doing, message) if doing else (message, document["errorType"])
    lines = traceback.format_list(document.get("stackTrace", []))
    return "%s\nTraceback (most recent call last):\n%s%s: %s" % (": ".join(first), "".join(lines), document["errorType"], message)


def _default(value):
    if isinstance(value, decimal.Decimal):
        return float(value)
    if _OLD:
        raise TypeError("%r is not JSON serializable" % (value,))
    raise TypeError("Object of type %s is not JSON serializable" % type(value).__name__)


def load_handler(name):
    """The function that `name` means, its module imported. Raises Fault."""
    if "." not in name:
        detail = "need more than 1 value to unpack" if _SECOND else "not enough values to unpack (expected 2, got 1)"
        raise Fault("Runtime.MalformedHandlerName", "Bad handler '%s'" % name, detail)
    module_name, function_name = name.rsplit(".", 1)
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise Fault("Runtime.BuiltInModuleConflict", "Cannot use built-in module %s as a handler module" % module_name)
    try:
        module = _import(module_name)
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", "Unable to import module '%s'" % module_name, str(error))
    except SyntaxError as error:
        trace = '  File "%s" Line %s\n    %s' % (error.filename, error.lineno, (error.text or "").rstrip("\n"))
        raise Fault("Runtime.UserCodeSyntaxError", "Syntax error in module '%s'" % module_name, str(error), (trace,))
    except Exception as error:
        if not _OLD:
            raise
        lines = "".join(traceback.format_list(_rows(sys.exc_info()[2]))).splitlines()
        raise Fault(type(error).__name__, "module initialization error", str(error), lines)
    try:
        return getattr(module, function_name)
    except AttributeError as error:
        detail = str(error) if _OLD else ""
        raise Fault("Runtime.HandlerNotFound", "Handler '%s' missing on module '%s'" % (function_name, module_name), detail)


def _import(name):
    if not _SECOND or "/" not in name:
        return importlib.import_module(name.replace("/", "."))
    import imp

    # A directory need not be a package to hold a handler; for 2.7 nothing else would find it there.
    file, path, what = imp.find_module(name, sys.path)
    try:
        return imp.load_module(name.replace("/", "."), file, path, what)
    finally:
        if file is not None:
            file.close()


class Runtime(object):
    """Takes events from the Runtime API and answers them."""

    def __init__(self):
        self.api = http_client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
        self.handler = None
        self.fault = None  # of a handler that could not be loaded, up to 3.6
        self.doing = ""

    def run(self):
        try:
            self.handler = load_handler(os.environ["_HANDLER"])
        except Exception as error:
            if not _OLD:
                document = error_document(error, "")
                log_error(error, document)
                self.post("init/error", json.dumps(document), document["errorType"])
                sys.exit(1)
            self.fault = error
        while True:
            self.api.request("GET", _BASE + "invocation/next")
            answer = self.api.getresponse()
            event = answer.read()
            self.answer(answer.getheader, event)

    def answer(self, header, event):
        request_id = header("Lambda-Runtime-Aws-Request-Id")
        _requests.request_id = request_id
        trace_id = header("Lambda-Runtime-Trace-Id")
        if trace_id:
            os.environ["_X_AMZN_TRACE_ID"] = trace_id
        else:
            os.environ.pop("_X_AMZN_TRACE_ID", None)
        self.doing = ""
        try:
            context = LambdaContext(
                request_id,
                int(header("Lambda-Runtime-Deadline-Ms")),
                header("Lambda-Runtime-Invoked-Function-Arn"),
                json.loads(header("Lambda-Runtime-Client-Context") or "null"),
                json.loads(header("Lambda-Runtime-Cognito-Identity") or "null"),
            )
            result, error_type, ending = self.call(event, context), None, "response"
        except Exception as error:
            document = error_document(error, request_id)
            log_error(error, document, self.doing)
            error_type = error.error_type if isinstance(error, Fault) else type(error).__name__
            result, ending = json.dumps(document), "error"
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (IOError, ValueError, AttributeError):  # the function closed or replaced it
                pass
        self.post("invocation/%s/%s" % (request_id, ending), result, error_type)

    def call(self, event, context):
        if self.fault is not None:
            raise self.fault
        self.doing = "Unable to parse input as json"
        try:
            request = json.loads(event.decode("utf-8")) if event else None
        except ValueError as error:
            if _OLD:
                raise
            raise Fault("Runtime.UnmarshalError", "Unable to unmarshal input", str(error))
        self.doing = ""
        response = self.handler(request, context)
        self.doing = "An error occurred during JSON serialization of response"
        try:
            result = json.dumps(response, default=_default)
        except Exception as error:
            if _OLD:
                raise
            raise Fault("Runtime.MarshalError", "Unable to marshal response", str(error))
        if len(result) > _RESPONSE_BYTES_MAX:
            raise Fault(_TOO_LARGE, "Response payload size exceeded maximum allowed payload size (%d bytes)." % _RESPONSE_BYTES_MAX)
        return result

    def post(self, path, text, error_type):
        body = text if isinstance(text, bytes) else text.encode("utf-8")
        headers = {"Lambda-Runtime-Function-Error-Type": error_type} if error_type else {}
        self.api.request("POST", _BASE + path, body, headers)
        self.api.getresponse().read()


class _SdkWatch(object):
    """Waits for the import of botocore.session; a version that knows no AWS_ENDPOINT_URL is told the platform's address. See `old_sdk`."""

    def find_module(self, name, path=None):
        return self if name == "botocore.session" else None

    def load_module(self, name):
        sys.meta_path.remove(self)
        module = importlib.import_module(name)
        version = str(getattr(sys.modules.get("botocore"), "__version__", ""))
        try:
            knows = tuple(map(int, version.split(".")[:2])) >= _KNOWS_ENDPOINT_FROM
        except ValueError:
            knows = True
        if not knows:
            _tell(module.Session)
        return module


def _tell(session):
    create = session.create_client

    def create_client(self, *args, **kwargs):
        # The sixth argument is the endpoint.
        if len(args) < 6 and kwargs.get("endpoint_url") is None:
            kwargs["endpoint_url"] = os.environ.get("AWS_ENDPOINT_URL")
        return create(self, *args, **kwargs)

    session.create_client = create_client


def _prepare_output():
    """Unbuffered and UTF-8, as AWS's: what was printed before a crash is in the log."""
    if _SECOND:
        _reload = __builtins__.reload
        _reload(sys)
        sys.setdefaultencoding("utf-8")
        sys.stdout, sys.stderr = os.fdopen(1, "w", 0), os.fdopen(2, "w", 0)
    else:
        sys.stdout = io.TextIOWrapper(io.FileIO(1, "wb", closefd=False), encoding="utf-8", write_through=True)
        sys.stderr = io.TextIOWrapper(io.FileIO(2, "wb", closefd=False), encoding="utf-8", errors="backslashreplace", write_through=True)


def _prepare_logging():
    handler = _LogHandler()
    handler.addFilter(_requests)
    if os.environ.get("AWS_LAMBDA_LOG_FORMAT") == "JSON" and not _OLD:
        handler.setFormatter(_JsonFormatter())
        level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "")
        if level:
            logging.root.setLevel({"TRACE": "DEBUG", "FATAL": "CRITICAL"}.get(level, level))
    else:
        formatter = logging.Formatter("[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n", "%Y-%m-%dT%H:%M:%S")
        formatter.converter = time.gmtime
        handler.setFormatter(formatter)
    logging.root.addHandler(handler)


def _prepare_paths(runtime, layers):
    task, version = os.environ["LAMBDA_TASK_ROOT"], "python%d.%d" % sys.version_info[:2]
    named = [path for path in os.environ.get("PYTHONPATH", "").split(":") if path and path != "/var/runtime"]
    paths = [task]
    paths += named
    if layers:
        paths += ["%s/python/lib/%s/site-packages" % (layers, version), "%s/python" % layers]
    paths.append(runtime)
    for path in sys.path[1:]:  # the first is this file's directory
        if path not in paths and path != "/var/runtime":
            paths.append(path)
    sys.path[:] = filter(None, paths)
    if not _SECOND:
        for path in paths[: paths.index(runtime)]:
            if path not in named:
                site.addsitedir(path)  # for its .pth files, as AWS's


def main():
    runtime, layers = sys.argv[1:3] or ("/var/runtime", "/opt")
    del sys.argv[1:]
    if os.environ.get(_LOCALE[0]) == _LOCALE[1]:
        del os.environ[_LOCALE[0]]
    os.chdir(os.environ["LAMBDA_TASK_ROOT"])
    _prepare_output()
    _prepare_logging()
    _prepare_paths(runtime, layers)
    warnings.filterwarnings("ignore", "Boto3 will no longer support Python")  # as the ones that AWS brought did not say
    sys.meta_path.insert(0, _SdkWatch())
    Runtime().run()


if __name__ == "__main__":
    main()
