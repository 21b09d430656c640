"""What a Python function finds and gets back, as on AWS."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from tests.runtime.conftest import RUNTIME

REQUEST = "11111111-2222-3333-4444-555555555555"


def test_the_event_goes_in_and_the_result_comes_out(house: Any) -> None:
    result = house.invoke(house.function("def handler(event, context): return {'got': event}"), {"a": [1, None, "ü"]})
    assert json.loads(result.payload) == {"got": {"a": [1, None, "ü"]}}
    assert result.kind == "ok" and result.error_type is None and result.platform_line is None
    assert result.init_ms is not None and result.init_ms > 0
    assert result.duration_ms > 0
    assert 5 < result.max_memory_mb <= 128


def test_what_lives_outside_the_handler_survives_between_warm_invocations(house: Any) -> None:
    spec = house.function("count = 0\ndef handler(event, context):\n    global count\n    count += 1\n    return count")
    results = [house.invoke(spec) for _ in range(3)]
    assert [r.payload for r in results] == [b"1", b"2", b"3"]
    assert results[0].init_ms is not None
    assert results[1].init_ms is None


def test_the_environment_is_awss(house: Any) -> None:
    spec = house.function(
        "import os\ndef handler(e, c): return dict(os.environ)",
        environment={"STAGE": "prod"},
        memory_mb=256,
        endpoint_url="http://localhost:1",
    )
    found = house.answer(spec, trace_id="Root=1-5759e988-bd862e3fe1be46a994272793")
    stream = found.pop("AWS_LAMBDA_LOG_STREAM_NAME")
    assert re.fullmatch(r"2026/01/01/\[\$LATEST\][0-9a-f]{32}", stream)
    assert re.fullmatch(r"127\.[\d.]+:\d+", found.pop("AWS_LAMBDA_RUNTIME_API"))
    assert found == {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": "http://localhost:1",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{RUNTIME}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_FUNCTION_NAME": spec.function_name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{spec.function_name}",
        "AWS_REGION": "us-east-1",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "LAMBDA_TASK_ROOT": "/var/task",
        "LANG": "en_US.UTF-8",
        "LD_LIBRARY_PATH": "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
        "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
        "PYTHONPATH": "/var/runtime",
        "STAGE": "prod",
        "TZ": ":UTC",
        "_HANDLER": "app.handler",
        "_X_AMZN_TRACE_ID": "Root=1-5759e988-bd862e3fe1be46a994272793",
    }


def test_credentials_can_be_refreshed_between_invocations(house: Any) -> None:
    spec = house.function("import os\ndef handler(e, c): return os.environ.get('AWS_SESSION_TOKEN')")
    assert house.answer(spec) is None
    assert house.answer(spec, environment={"AWS_SESSION_TOKEN": "new"}) == "new"


def test_the_context_is_complete(house: Any) -> None:
    spec = house.function(
        """
        def handler(event, context):
            return {
                "aws_request_id": context.aws_request_id,
                "log_group_name": context.log_group_name,
                "log_stream_name": context.log_stream_name[:22],
                "function_name": context.function_name,
                "function_version": context.function_version,
                "memory_limit_in_mb": context.memory_limit_in_mb,
                "invoked_function_arn": context.invoked_function_arn,
                "tenant_id": context.tenant_id,
                "remaining": 2000 < context.get_remaining_time_in_millis() <= 3000,
                "identity": [context.identity.cognito_identity_id, context.identity.cognito_identity_pool_id],
                "client": [context.client_context.client.app_title, context.client_context.custom, context.client_context.env],
            }
        """
    )
    arn = "arn:aws:lambda:us-east-1:000000000000:function:f"
    answer = house.answer(
        spec,
        function_arn=arn,
        identity={"cognitoIdentityId": "i", "cognitoIdentityPoolId": "p"},
        client_context={"client": {"app_title": "t"}, "custom": {"a": 1}, "env": {"b": 2}},
        tenant_id="blue",
    )
    assert answer == {
        "aws_request_id": REQUEST,
        "log_group_name": f"/aws/lambda/{spec.function_name}",
        "log_stream_name": "2026/01/01/[$LATEST]" + answer["log_stream_name"][20:],
        "function_name": spec.function_name,
        "function_version": "$LATEST",
        "memory_limit_in_mb": "128",
        "invoked_function_arn": arn,
        "tenant_id": "blue",
        "remaining": True,
        "identity": ["i", "p"],
        "client": ["t", {"a": 1}, {"b": 2}],
    }


def test_without_client_and_identity_the_context_says_so(house: Any) -> None:
    spec = house.function("def handler(e, c): return [c.client_context, c.identity.cognito_identity_id, repr(c)[:14]]")
    assert house.answer(spec) == [None, None, "LambdaContext("]


def test_the_deadline_given_is_the_one_kept(house: Any) -> None:
    spec = house.function("import time\ndef handler(e, c): time.sleep(30)", timeout_s=30)
    assert house.invoke(spec, deadline_ms=int(time.time() * 1000) + 200).kind == "timeout"


def test_an_exception_is_awss_error_document(house: Any) -> None:
    result = house.invoke(house.function("def inner():\n    raise ValueError('no such thing')\ndef handler(event, context):\n    inner()"))
    assert result.kind == "error" and result.error_type == "ValueError"
    assert json.loads(result.payload) == {
        "errorMessage": "no such thing",
        "errorType": "ValueError",
        "requestId": REQUEST,
        "stackTrace": [
            '  File "/var/task/app.py", line 4, in handler\n    inner()\n',
            "  File \"/var/task/app.py\", line 2, in inner\n    raise ValueError('no such thing')\n",
        ],
    }
    assert result.log.decode() == (
        "[ERROR] ValueError: no such thing\nTraceback (most recent call last):\n"
        '\xa0\xa0File "/var/task/app.py", line 4, in handler\n\xa0\xa0\xa0\xa0inner()\n'
        "\xa0\xa0File \"/var/task/app.py\", line 2, in inner\n\xa0\xa0\xa0\xa0raise ValueError('no such thing')\n"
    )


# source, handler, error type, message
LOADING: dict[str, tuple[str, str, str, str]] = {
    "a missing module": (
        "",
        "nothing.handler",
        "Runtime.ImportModuleError",
        "Unable to import module 'nothing': No module named 'nothing'",
    ),
    "a missing import": (
        "import not_there",
        "app.handler",
        "Runtime.ImportModuleError",
        "Unable to import module 'app': No module named 'not_there'",
    ),
    "a missing handler": ("", "app.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
    "a name without a dot": (
        "",
        "handler",
        "Runtime.MalformedHandlerName",
        "Bad handler 'handler': not enough values to unpack (expected 2, got 1)",
    ),
    "a module of the interpreter": (
        "",
        "sys.handler",
        "Runtime.BuiltInModuleConflict",
        "Cannot use built-in module sys as a handler module",
    ),
    "an error at the top": ("raise KeyError('x')", "app.handler", "KeyError", "'x'"),
    "a syntax error": (
        "def (",
        "app.handler",
        "Runtime.UserCodeSyntaxError",
        "Syntax error in module 'app': invalid syntax (app.py, line 1)",
    ),
}


@pytest.mark.parametrize("name", LOADING)
def test_a_function_that_cannot_be_loaded_says_why(house: Any, name: str) -> None:
    source, handler, error_type, message = LOADING[name]
    result = house.invoke(house.function(source, handler=handler))
    assert result.kind == "init_error" and result.error_type == error_type
    document = json.loads(result.payload)
    assert (document["errorType"], document["errorMessage"], document["requestId"]) == (error_type, message, REQUEST)
    assert result.log.decode().startswith(f"[ERROR] {error_type}: {message}\n")


def test_handlers_in_directories_are_found(house: Any) -> None:
    spec = house.function(
        "",
        files={"src/api/get.py": "def main(e, c): return __name__", "src/__init__.py": "", "src/api/__init__.py": ""},
        handler="src/api/get.main",
    )
    assert house.answer(spec) == "src.api.get"


@pytest.mark.parametrize(
    ("expression", "outcome"),
    [
        ("__import__('decimal').Decimal('1.5')", b"1.5"),
        ("(1, 2)", b"[1, 2]"),
        ("None", b"null"),
        ("float('nan')", b"NaN"),
        ("{1, 2}", "Unable to marshal response: Object of type set is not JSON serializable"),
        ("b'x'", "Unable to marshal response: Object of type bytes is not JSON serializable"),
    ],
)
def test_a_result_is_json_or_a_marshal_error(house: Any, expression: str, outcome: bytes | str) -> None:
    result = house.invoke(house.function(f"def handler(e, c): return {expression}"))
    if isinstance(outcome, bytes):
        assert result.payload == outcome
    else:
        assert json.loads(result.payload) == {
            "errorMessage": outcome,
            "errorType": "Runtime.MarshalError",
            "requestId": REQUEST,
            "stackTrace": [],
        }


@pytest.mark.parametrize(("runtime", "payload"), [("python3.11", b'"\\u00fc"'), ("python3.12", '"ü"'.encode())])
def test_later_runtimes_answer_in_utf_8(house: Any, runtime: str, payload: bytes) -> None:
    assert house.invoke(house.function("def handler(e, c): return 'ü'", runtime=runtime)).payload == payload


def test_what_is_printed_is_logged_line_by_line_with_its_request(house: Any) -> None:
    start = len(house.lines)
    spec = house.function("print('loading')\ndef handler(e, c):\n print('one\\ntwo')\n print('part', end='')")
    assert house.invoke(spec, request_id="first").log == b"loading\none\ntwo\npart\n"
    assert house.invoke(spec, request_id="second").log == b"one\ntwo\npart\n"
    assert house.lines[start:] == [
        ("loading", None),
        *((line, request) for request in ("first", "second") for line in ("one", "two", "part")),
    ]


def test_the_logging_module_writes_in_awss_format_one_event_a_record(house: Any) -> None:
    start = len(house.lines)
    spec = house.function(
        "import logging\nlog = logging.getLogger('x')\nlogging.getLogger().setLevel('INFO')\ndef handler(e, c):\n log.info('a\\nb %s', e)\n log.debug('c')"
    )
    house.invoke(spec, 7)
    [(line, request)] = house.lines[start:]
    assert re.fullmatch(rf"\[INFO\]\t\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z\t{REQUEST}\ta\nb 7", line)
    assert request == REQUEST


def test_logging_in_json_has_awss_members(house: Any) -> None:
    start = len(house.lines)
    spec = house.function(
        "import logging\nlog = logging.getLogger()\ndef handler(e, c): log.info('hello', extra={'order': 5})",
        environment={"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"},
    )
    house.invoke(spec)
    entry = json.loads(house.lines[start][0])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", entry.pop("timestamp"))
    assert entry == {"level": "INFO", "message": "hello", "logger": "root", "requestId": REQUEST, "order": 5}


def test_the_tail_is_the_last_four_kilobytes(house: Any) -> None:
    result = house.invoke(house.function("def handler(e, c):\n for i in range(1000): print('line', i)"))
    assert len(result.log) == 4096
    assert result.log.endswith(b"line 998\nline 999\n")


def test_randomness_differs_between_sandboxes(house: Any) -> None:
    source = "import random, secrets, ssl, uuid\ndef handler(e, c): return [random.random(), secrets.token_hex(), ssl.RAND_bytes(8).hex(), str(uuid.uuid4()), id(object())]"
    answers = [house.answer(house.function(source)) for _ in range(4)]
    for values in list(zip(*answers, strict=True))[:4]:
        assert len(set(values)) == 4


def test_the_sdk_is_there_at_once(house: Any) -> None:
    spec = house.function("import sys\nwas = 'boto3' in sys.modules\nimport boto3\ndef handler(e, c): return [was, boto3.__file__]")
    assert house.answer(spec) == [True, "/var/runtime/boto3/__init__.py"]


def test_a_library_in_the_package_wins_over_the_preinstalled_one(house: Any) -> None:
    spec = house.function(
        "import boto3, jmespath\ndef handler(e, c): return [boto3.__version__, jmespath.__file__]",
        files={"boto3/__init__.py": "__version__ = 'mine'"},
    )
    assert house.answer(spec) == ["mine", "/var/runtime/jmespath/__init__.py"]


SESSION = """
class Session:
    def create_client(self, service_name, region_name=None, endpoint_url=None): return endpoint_url
"""


@pytest.mark.parametrize(("version", "told"), [("1.29.3", "http://localhost:4566"), ("1.31.0", None), ("own", None)])
def test_an_old_sdk_in_the_package_is_told_the_platforms_address(house: Any, version: str, told: str | None) -> None:
    spec = house.function(
        """
        import botocore.session
        def handler(event, context):
            session = botocore.session.Session()
            return [session.create_client("sts", region_name="eu-west-1"), session.create_client("sts", endpoint_url="http://mine")]
        """,
        files={"botocore/__init__.py": f"__version__ = {version!r}", "botocore/session.py": SESSION},
        endpoint_url="http://localhost:4566",
    )
    assert house.answer(spec) == [told, "http://mine"]


def test_a_module_of_the_package_may_bear_the_name_of_a_preloaded_one(house: Any) -> None:
    spec = house.function("import secrets\ndef handler(e, c): return secrets.mine", files={"secrets.py": "mine = 1"})
    assert house.answer(spec) == 1


def test_layers_are_at_opt_and_a_later_one_covers_an_earlier_one(house: Any) -> None:
    layers = []
    for number in (1, 2):
        layer = house.directory / f"layer{number}-{time.monotonic_ns()}"
        (layer / "python").mkdir(parents=True)
        (layer / "python" / "shared.py").write_text(f"number = {number}")
        (layer / f"only{number}").write_text("")
        layers.append(layer)
    source = "import os, shared\ndef handler(e, c): return [shared.number, shared.__file__, sorted(os.listdir('/opt'))]"
    assert house.answer(house.function(source, layers=tuple(layers))) == [2, "/opt/python/shared.py", ["only1", "only2", "python"]]
    assert house.answer(house.function(source, layers=(layers[0],))) == [1, "/opt/python/shared.py", ["only1", "python"]]


def test_pth_files_of_the_package_and_of_layers_are_read(house: Any) -> None:
    layer = house.directory / f"pth-{time.monotonic_ns()}"
    (layer / "python" / "inner").mkdir(parents=True)
    (layer / "python" / "inner" / "deep.py").write_text("number = 2")
    (layer / "python" / "x.pth").write_text("inner\n")
    spec = house.function(
        "import near, deep, sys\ndef handler(e, c): return [near.number, deep.number, sys.path[0]]",
        files={"vendored/near.py": "number = 1", "any.pth": "vendored\n"},
        layers=(layer,),
    )
    assert house.answer(spec) == [1, 2, "/var/task"]


def test_the_interpreter_looks_like_awss(house: Any) -> None:
    spec = house.function(
        "import os, sys\ndef handler(e, c): return [sys.prefix, sys.executable[:15], sys.path[0], os.getcwd(), sys.stdout.encoding, __name__]"
    )
    assert house.answer(spec) == ["/var/lang", "/var/lang/bin/p", "/var/task", "/var/task", "utf-8", "app"]


def test_asyncio_and_signals_work(house: Any) -> None:
    source = "import asyncio, signal\ndef handler(e, c):\n async def f():\n  await asyncio.sleep(0)\n  return signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL\n return asyncio.run(f())"
    assert house.answer(house.function(source)) is True


def test_a_wrapper_starts_the_runtime(house: Any) -> None:
    if not house.pool.capabilities().namespaces:
        pytest.skip(str(house.pool.capabilities().missing))
    spec = house.function(
        """
        import logging, os, boto3
        print("loaded")
        def handler(event, context):
            if event is None:
                raise KeyError("nothing")
            logging.warning("two\\nlines")
            return [event, os.environ["WRAPPED"], context.aws_request_id, os.environ.get("_X_AMZN_TRACE_ID")]
        """,
        files={"wrap": '#!/bin/sh\nexport WRAPPED=yes\nexec "$@"\n'},
        environment={"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/wrap"},
        timeout_s=10,
    )
    (spec.code_path / "wrap").chmod(0o755)
    assert house.answer(spec, 1, trace_id="Root=1-a") == [1, "yes", "11111111-2222-3333-4444-555555555555", "Root=1-a"]
    result = house.invoke(spec)
    assert (result.kind, result.error_type) == ("error", "KeyError")
    assert house.answer(spec, 2)[0] == 2


def test_a_wrapper_may_start_a_runtime_of_its_own(house: Any) -> None:
    from tests.runtime.test_provided import SHELL

    if not house.pool.capabilities().namespaces:
        pytest.skip(str(house.pool.capabilities().missing))
    for runtime, files in (("python3.11", {}), ("nodejs20.x", {"app.js": ""})):
        environment = {"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/other"}
        spec = house.function("", files={**files, "other": SHELL}, environment=environment, runtime=runtime)
        (spec.code_path / "other").chmod(0o755)
        assert house.answer(spec, 1)["got"] == 1
