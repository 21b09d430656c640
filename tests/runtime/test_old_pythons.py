"""Functions of Python 2.7 and 3.6 to 3.8, on those very versions where this machine has them."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.runtime.conftest import House, open_house
from tests.runtime.test_provided import REQUEST

from groundcloud.runtime import RuntimeNotAvailable, interpreters, python_sdk, resolve_runtime

COMMAND = python_sdk._command
VERSIONS = ("2.7", "3.6", "3.7", "3.8")


def is_present(version: str) -> bool:
    return resolve_runtime(f"python{version}").version == version


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One that fetches no SDK."""
    directory = tmp_path_factory.mktemp("house")
    for version in VERSIONS:
        resolve_runtime(f"python{version}")  # which remembers what it found
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(directory / "cache"))
        patch.setattr(python_sdk, "_command", lambda version: ())
        yield from open_house(directory)


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    if not is_present(request.param):
        pytest.skip(f"needs Python {request.param}")
    return str(request.param)


def old(version: str) -> bool:
    """Whether it had AWS's first runtime."""
    return version in ("2.7", "3.6")


def said(house: House) -> list[str]:
    return [line for line, _ in house.lines if not line.startswith("Groundcloud: ")]


def test_the_function_runs_on_that_very_version(house: House, version: str) -> None:
    source = (
        "import os, sys\ndef handler(e, c): return ['%d.%d' % sys.version_info[:2], sys.prefix, sys.path[:3], os.getcwd(), e, __name__]"
    )
    spec = house.function(source, runtime=f"python{version}")
    result = house.invoke(spec, {"a": "ü"})
    paths = ["/var/task", f"/opt/python/lib/python{version}/site-packages", "/opt/python"]
    assert json.loads(result.payload) == [version, "/var/lang", paths, "/var/task", {"a": "ü"}, "app"]
    assert resolve_runtime(f"python{version}").warning is None
    assert result.init_ms is not None and 3 < result.max_memory_mb <= 128
    assert house.invoke(spec).init_ms is None


def test_the_context_is_complete(house: House, version: str) -> None:
    spec = house.function(
        """
        def handler(event, context):
            return {
                "aws_request_id": context.aws_request_id,
                "log_group_name": context.log_group_name,
                "log_stream_name": context.log_stream_name[:20],
                "function_name": context.function_name,
                "function_version": context.function_version,
                "memory_limit_in_mb": context.memory_limit_in_mb,
                "invoked_function_arn": context.invoked_function_arn,
                "remaining": 2000 < context.get_remaining_time_in_millis() <= 3000,
                "identity": [context.identity.cognito_identity_id, context.identity.cognito_identity_pool_id],
                "client": [context.client_context.client.app_title, context.client_context.custom, context.client_context.env],
            }
        """,
        runtime=f"python{version}",
    )
    arn = "arn:aws:lambda:us-east-1:000000000000:function:f"
    answer = house.answer(
        spec,
        function_arn=arn,
        identity={"cognitoIdentityId": "i", "cognitoIdentityPoolId": "p"},
        client_context={"client": {"app_title": "tü"}, "custom": {"a": 1}, "env": {"b": 2}},
    )
    assert answer == {
        "aws_request_id": REQUEST,
        "log_group_name": f"/aws/lambda/{spec.function_name}",
        "log_stream_name": "2026/01/01/[$LATEST]",
        "function_name": spec.function_name,
        "function_version": "$LATEST",
        "memory_limit_in_mb": "128",
        "invoked_function_arn": arn,
        "remaining": True,
        "identity": ["i", "p"],
        "client": ["tü", {"a": 1}, {"b": 2}],
    }
    bare = house.function("def handler(e, c): return [c.client_context, c.identity.cognito_identity_id]", runtime=f"python{version}")
    assert house.answer(bare) == [None, None]


def test_the_environment_is_that_of_other_runtimes(house: House, version: str) -> None:
    source = "import os\ndef handler(e, c): return dict(os.environ)"
    options: dict[str, Any] = {"environment": {"STAGE": "prod"}, "endpoint_url": "http://localhost:1"}
    answers = []
    for runtime in (f"python{version}", "python3.11"):
        found = house.answer(house.function(source, runtime=runtime, **options), trace_id="Root=1-5759e988-bd862e3fe1be46a994272793")
        for name in ("AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_RUNTIME_API", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_LOG_GROUP_NAME"):
            assert found.pop(name)
        assert found.pop("AWS_EXECUTION_ENV") == f"AWS_Lambda_{runtime}"
        answers.append(found)
    assert answers[0] == answers[1]
    assert answers[0]["_X_AMZN_TRACE_ID"].startswith("Root=1-")
    assert "_X_AMZN_TRACE_ID" not in house.answer(house.function(source, runtime=f"python{version}"))


def test_what_is_printed_and_logged_is_in_the_log(house: House, version: str) -> None:
    source = """
        # -*- coding: utf-8 -*-
        from __future__ import print_function
        import logging, os, sys
        logging.getLogger().setLevel("INFO")
        def handler(event, context):
            print(u"grün", event)
            sys.stderr.write("no end of line")
            print()
            logging.info("two\\nlines of %s", "one")
            context.log("mine")
            os._exit(0)
        """
    house.invoke(house.function(source.replace("\n        ", "\n").lstrip(), runtime=f"python{version}"), 1)
    lines = said(house)
    assert lines[:2] == ["grün 1", "no end of line"]
    head, _, rest = lines[2].partition("\n")
    level, stamp, request, text = head.split("\t")
    assert (level, request, text, rest) == ("[INFO]", REQUEST, "two", "lines of one")
    assert stamp.endswith("Z") and len(stamp) == 24
    assert lines[3] == "mine"


RAISES = "def handler(event, context):\n    return inner()\ndef inner():\n    raise KeyError('deep')\n"


def test_an_error_is_told_in_the_words_of_that_runtime(house: House, version: str) -> None:
    result = house.invoke(house.function(RAISES, runtime=f"python{version}"))
    assert (result.kind, result.error_type) == ("error", "KeyError")
    document = json.loads(result.payload)
    if old(version):
        rows = [["/var/task/app.py", 2, "handler", "return inner()"], ["/var/task/app.py", 4, "inner", "raise KeyError('deep')"]]
        assert document == {"errorMessage": "'deep'", "errorType": "KeyError", "stackTrace": rows}
        assert said(house) == [
            "'deep': KeyError\nTraceback (most recent call last):\n"
            '  File "/var/task/app.py", line 2, in handler\n    return inner()\n'
            "  File \"/var/task/app.py\", line 4, in inner\n    raise KeyError('deep')\nKeyError: 'deep'"
        ]
    else:
        assert document == {
            "errorMessage": "'deep'",
            "errorType": "KeyError",
            "requestId": REQUEST,
            "stackTrace": [
                '  File "/var/task/app.py", line 2, in handler\n    return inner()\n',
                "  File \"/var/task/app.py\", line 4, in inner\n    raise KeyError('deep')\n",
            ],
        }
        space = "\u00a0\u00a0"
        assert said(house)[0].split("\n") == [
            "[ERROR] KeyError: 'deep'",
            "Traceback (most recent call last):",
            f'{space}File "/var/task/app.py", line 2, in handler',
            f"{space}{space}return inner()",
            f'{space}File "/var/task/app.py", line 4, in inner',
            f"{space}{space}raise KeyError('deep')",
        ]


FAILURES = [
    ("import gone", "app.handler", "Runtime.ImportModuleError", "Unable to import module 'app'"),
    ("x = 1", "app.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
    ("x = 1", "handler", "Runtime.MalformedHandlerName", "Bad handler 'handler'"),
    ("x = 1", "sys.exit", "Runtime.BuiltInModuleConflict", "Cannot use built-in module sys as a handler module"),
    ("def handler(:", "app.handler", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app'"),
    ("x = 1 // 0", "app.handler", "ZeroDivisionError", "module initialization error"),
]


@pytest.mark.parametrize(("source", "handler", "error_type", "words"), FAILURES)
def test_a_handler_that_cannot_be_loaded_fails_as_on_that_runtime(
    house: House, version: str, source: str, handler: str, error_type: str, words: str
) -> None:
    spec = house.function(source, handler=handler, runtime=f"python{version}")
    result = house.invoke(spec)
    assert result.error_type == error_type
    document = json.loads(result.payload)
    if old(version):
        assert result.kind == "error" and document == {"errorMessage": words}
        assert said(house)[0].startswith(words)
        assert house.invoke(spec).init_ms is None
    else:
        assert result.kind == "init_error" and document["errorType"] == error_type and document["requestId"] == REQUEST
        if error_type != "ZeroDivisionError":
            assert document["errorMessage"].startswith(words)
        assert said(house)[0].startswith(f"[ERROR] {error_type}: ")


def test_a_module_that_fails_says_where(house: House, version: str) -> None:
    house.invoke(house.function("def f():\n    return 1 // 0\nf()\n", runtime=f"python{version}"))
    assert '"/var/task/app.py", line 2, in f' in said(house)[0] and "by zero" in said(house)[0]


def test_a_result_that_is_no_json_is_an_error_of_that_runtime(house: House, version: str) -> None:
    source = "import decimal\ndef handler(event, context): return object() if event else [decimal.Decimal('1.5'), u'\\xfc']"
    spec = house.function(source, runtime=f"python{version}")
    assert house.invoke(spec).payload == b'[1.5, "\\u00fc"]'
    result = house.invoke(spec, 1)
    document = json.loads(result.payload)
    if old(version):
        assert result.error_type == document["errorType"] == "TypeError"
        assert document["errorMessage"].endswith("is not JSON serializable")
        assert said(house)[-1].startswith("An error occurred during JSON serialization of response: <object object at ")
    else:
        assert result.error_type == document["errorType"] == "Runtime.MarshalError"
        assert document["errorMessage"] == "Unable to marshal response: Object of type object is not JSON serializable"


def test_a_result_over_six_megabytes_is_refused(house: House, version: str) -> None:
    spec = house.function("def handler(event, context): return 'x' * event", runtime=f"python{version}", memory_mb=256)
    result = house.invoke(spec, 6_291_556)
    assert (result.kind, result.error_type) == ("error", "Function.ResponseSizeTooLarge")
    assert len(house.answer(spec, 6_291_000)) == 6_291_000


@pytest.mark.parametrize(
    ("source", "kind", "words"),
    [
        ("import sys\ndef handler(e, c): sys.exit(3)", "exit", "Runtime exited with error: exit status 3"),
        ("import os\ndef handler(e, c): os.kill(os.getpid(), 11)", "exit", "Runtime exited with error: signal: segmentation fault"),
        ("import time\ndef handler(e, c): time.sleep(60)", "timeout", "Task timed out after 0.50 seconds"),
        ("import time\ndef handler(e, c):\n kept = 'x' * 400000000\n time.sleep(9)", "oom", "Runtime exited with error: signal: killed"),
    ],
)
def test_a_process_that_does_not_come_back_is_told_as_of_other_runtimes(
    house: House, version: str, source: str, kind: str, words: str
) -> None:
    timeout_s = 0.5 if kind == "timeout" else 10
    result = house.invoke(house.function(source, runtime=f"python{version}", timeout_s=timeout_s))
    assert result.kind == kind and words in json.loads(result.payload)["errorMessage"]
    assert result.platform_line is not None and words in result.platform_line


def test_a_module_in_a_directory_and_layers_are_found(house: House, version: str) -> None:
    layer = house.directory / f"layer{version}"
    (layer / "python" / "lib" / f"python{version}" / "site-packages").mkdir(parents=True)
    (layer / "python" / "shared.py").write_text("number = 7")
    (layer / "python" / "lib" / f"python{version}" / "site-packages" / "own.py").write_text("number = 8")
    spec = house.function(
        "",
        files={"src/in/mod.py": "import own, shared\ndef go(e, c): return [shared.number, own.number]"},
        handler="src/in/mod.go",
        layers=(layer,),
        runtime=f"python{version}",
    )
    assert house.answer(spec) == [7, 8]


def test_pth_files_of_the_package_are_read(house: House, version: str) -> None:
    spec = house.function(
        "def handler(e, c):\n    import near\n    return near.number",
        files={"vendored/near.py": "number = 1", "any.pth": "vendored\n"},
        runtime=f"python{version}",
    )
    result = house.invoke(spec)
    assert result.payload == b"1" or (version == "2.7" and result.error_type == "ImportError")  # as on AWS


def test_a_wrapper_starts_it(house: House, version: str) -> None:
    spec = house.function(
        "import os, sys\ndef handler(e, c): return [os.environ.get('WRAPPED'), sys.argv]",
        files={"wrap": '#!/bin/sh\nexport WRAPPED=$#\nexec "$@"\n'},
        environment={"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/wrap"},
        runtime=f"python{version}",
    )
    (spec.code_path / "wrap").chmod(0o755)
    assert house.answer(spec) == ["2", ["/var/runtime/bootstrap.py"]]


SESSION = """
class Session:
    def create_client(self, service_name, region_name=None, endpoint_url=None): return endpoint_url
"""


def test_an_sdk_that_knows_no_endpoint_is_told_the_platforms_address(house: House, version: str) -> None:
    for brought, told in (("1.12.9", "http://localhost:4566"), ("1.31.0", None), ("own", None)):
        spec = house.function(
            """
            import botocore.session
            def handler(event, context):
                session = botocore.session.Session()
                return [session.create_client("sts", region_name="eu-west-1"), session.create_client("sts", endpoint_url="http://mine")]
            """,
            files={"botocore/__init__.py": f"__version__ = {brought!r}", "botocore/session.py": SESSION},
            endpoint_url="http://localhost:4566",
            runtime=f"python{version}",
        )
        assert house.answer(spec) == [told, "http://mine"]


def test_text_is_utf_8_where_nothing_else_is_said(house: House, version: str) -> None:
    source = """
        def handler(event, context):
            with open("/tmp/text", "w") as file:
                file.write(event)
            return list(bytearray(open("/tmp/text", "rb").read()))
        """
    assert house.answer(house.function(source, runtime=f"python{version}"), "ü") == [0xC3, 0xBC]


def test_logs_are_json_where_they_are_wanted(house: House) -> None:
    if not is_present("3.8"):
        pytest.skip("needs Python 3.8")
    variables = {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"}
    source = "import logging\ndef handler(e, c):\n logging.info('hi', extra={'a': 1})\n raise ValueError('no')"
    house.invoke(house.function(source, runtime="python3.8", environment=variables))
    first, second = map(json.loads, said(house))
    assert (first["level"], first["message"], first["a"], first["requestId"]) == ("INFO", "hi", 1, REQUEST)
    assert (second["log_level"], second["errorType"], second["requestId"]) == ("ERROR", "ValueError", REQUEST)


def test_without_namespaces_it_runs_all_the_same(version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(python_sdk, "_command", lambda version: ())
    layer = tmp_path / "layer"
    (layer / "python").mkdir(parents=True)
    (layer / "python" / "shared.py").write_text("number = 7")
    for house in open_house(tmp_path, plain=True):
        source = "import shared, sys\ndef handler(e, c): return ['%d.%d' % sys.version_info[:2], shared.number]"
        assert house.answer(house.function(source, runtime=f"python{version}", layers=(layer,))) == [version, 7]
        assert house.invoke(house.function(RAISES, runtime=f"python{version}")).error_type == "KeyError"


def test_in_a_network_of_its_own_it_reaches_its_api(house: House, version: str) -> None:
    if not house.pool.capabilities().namespaces:
        pytest.skip("needs namespaces")
    assert house.answer(house.function("def handler(e, c): return e", runtime=f"python{version}", network="isolated"), 5) == 5


def test_an_identifier_without_its_version_runs_on_the_nearest_newer_one(monkeypatch: pytest.MonkeyPatch) -> None:
    present = {(3, 8): Path("/x/bin/python3.8"), (3, 12): Path("/y/bin/python3.12")}
    monkeypatch.setattr(interpreters, "_installed", present.get)
    monkeypatch.setattr(interpreters, "_resolve", functools.cache(interpreters._resolve.__wrapped__))
    monkeypatch.setattr(python_sdk, "_command", lambda version: ("pip",))
    for identifier in ("python2.7", "python3.6", "python3.7"):
        choice = resolve_runtime(identifier)
        assert (choice.version, choice.program) == ("3.8", Path("/x/bin/python3.8"))
        assert choice.warning == f"{identifier} is not installed; the function runs on Python 3.8."
    exact = resolve_runtime("python3.8", strict=True)
    assert exact.warning is None and exact.root == Path("/x/bin/python3.8") and not exact.own
    with pytest.raises(RuntimeNotAvailable, match=r"^Strict runtimes: python2\.7 is not installed\. `pyenv install 2\.7` installs it\.$"):
        resolve_runtime("python2.7", strict=True)
    present[2, 7] = Path("/z/bin/python2.7")  # installed meanwhile
    assert resolve_runtime("python2.7").version == "3.8"
    assert resolve_runtime("python2.7", strict=True, fetch=True).version == resolve_runtime("python2.7").version == "2.7"
    monkeypatch.setattr(python_sdk, "_command", lambda version: ())
    monkeypatch.setenv("XDG_CACHE_HOME", "/nonexistent")
    interpreters._resolve.cache_clear()
    assert resolve_runtime("python3.7").version not in ("3.7", "3.8")  # one that has boto3 is nearer to what the function expects


@pytest.mark.slow
@pytest.mark.parametrize("minor", ["2.7", *(f"3.{minor}" for minor in range(6, 16))])
def test_every_identifier_runs_on_its_version_or_says_which(house: House, minor: str) -> None:
    choice = resolve_runtime(f"python{minor}")
    assert (choice.version == minor) == (choice.warning is None or "not preinstalled" in choice.warning)
    source = "import sys\ndef handler(event, context): return '%d.%d' % sys.version_info[:2]"
    assert house.answer(house.function(source, runtime=f"python{minor}")) == choice.version


@pytest.mark.slow
def test_boto3_is_the_last_that_runs_on_that_version(version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for parent in (tmp_path, *list(tmp_path.parents)[:2]):
        parent.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(python_sdk, "_command", COMMAND)
    source = """
        import boto3
        def handler(event, context):
            table = boto3.resource("dynamodb", region_name="eu-west-1").Table("t")
            addresses = [boto3.client("s3").meta.endpoint_url, table.meta.client.meta.endpoint_url]
            return [boto3.__version__, boto3.__file__, addresses]
        """
    for house in open_house(tmp_path):
        spec = house.function(
            source, runtime=f"python{version}", timeout_s=30, memory_mb=256, endpoint_url="http://localhost:4566", environment=KEYS
        )
        result = house.invoke(spec)
        if result.kind != "ok" and any(f"boto3 is not preinstalled for Python {version}" in line for line, _ in house.lines):
            pytest.skip("pip reaches no index")
        number, path, addresses = json.loads(result.payload)
        assert number.rsplit(".", 1)[0] == {"2.7": "1.17", "3.6": "1.23", "3.7": "1.33", "3.8": "1.37"}[version]
        assert path.startswith("/var/runtime/boto3/__init__.py") and addresses == ["http://localhost:4566"] * 2
        assert said(house) == []


KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
