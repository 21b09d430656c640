"""Functions in Node.js behave as AWS's runtime makes them."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.runtime.conftest import invocation

from groundcloud.runtime import RuntimeNotAvailable, resolve_runtime
from groundcloud.runtime.interpreters import node_installations

REQUEST = "11111111-2222-3333-4444-555555555555"
pytestmark = pytest.mark.skipif(not node_installations(), reason="needs Node.js")


def node(house: Any, source: str, name: str = "index.js", **options: Any) -> Any:
    options.setdefault("runtime", "nodejs20.x")
    options.setdefault("handler", "index.handler")
    return house.function("", files={name: source, **options.pop("files", {})}, **options)


HANDLERS = {
    "async CommonJS": ("index.js", "exports.handler = async (event) => event.a + 1"),
    "a module by its name": ("index.mjs", "export const handler = async (event) => event.a + 1"),
    "a CommonJS file by its name": ("index.cjs", "exports.handler = async (event) => event.a + 1"),
    "a callback": ("index.js", "exports.handler = (event, context, callback) => { setTimeout(() => callback(null, event.a + 1), 5) }"),
    "a callback at once": ("index.js", "exports.handler = (event, context, callback) => callback(null, event.a + 1)"),
    "context.succeed": ("index.js", "exports.handler = (event, context) => context.succeed(event.a + 1)"),
    "context.done": ("index.js", "exports.handler = (event, context) => context.done(null, event.a + 1)"),
    "a default export": ("index.mjs", "export default { handler: async (event) => event.a + 1 }"),
    "top-level await": ("index.mjs", "const one = await Promise.resolve(1)\nexport const handler = async (event) => event.a + one"),
}


@pytest.mark.parametrize("name", HANDLERS)
def test_a_handler_is_found_and_answers(house: Any, name: str) -> None:
    file, source = HANDLERS[name]
    spec = node(house, source, file)
    assert house.answer(spec, {"a": 1}) == 2
    assert house.answer(spec, {"a": 41}) == 42


def test_a_package_that_says_module_is_imported(house: Any) -> None:
    spec = node(
        house,
        "import { readFileSync } from 'node:fs'\nexport const handler = async () => typeof require + readFileSync.length",
        "src/app.js",
        files={"package.json": '{"type": "module"}'},
        handler="src/app.handler",
    )
    assert house.answer(spec) == "undefined2"


def test_nested_names_and_own_packages_are_resolved(house: Any) -> None:
    spec = node(
        house,
        "const one = require('one'); exports.api = { get: async () => one }",
        "lib/main.js",
        files={"node_modules/one/index.js": "module.exports = 1"},
        handler="lib/main.api.get",
    )
    assert house.answer(spec) == 1


FAULTS = {
    "no such file": ("other.js", "", "index.handler", "Runtime.ImportModuleError", "Error: Cannot find module 'index'"),
    "a missing package": ("index.js", "require('nope')", "index.handler", "Runtime.ImportModuleError", "Error: Cannot find module 'nope'"),
    "a missing export": (
        "index.js",
        "exports.a = 1",
        "index.handler",
        "Runtime.HandlerNotFound",
        "index.handler is undefined or not exported",
    ),
    "no function": ("index.js", "exports.handler = 1", "index.handler", "Runtime.HandlerNotFound", "index.handler is not a function"),
    "bad syntax": (
        "index.js",
        "exports.handler = (",
        "index.handler",
        "Runtime.UserCodeSyntaxError",
        "SyntaxError: Unexpected end of input",
    ),
    "a bad name": ("index.js", "", "index", "Runtime.MalformedHandlerName", "Bad handler"),
    "an exception": ("index.js", "throw new RangeError('too far')", "index.handler", "RangeError", "too far"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_keeps_a_handler_from_loading_has_awss_name(house: Any, name: str) -> None:
    file, source, handler, error_type, message = FAULTS[name]
    result = house.invoke(node(house, source, file, handler=handler))
    assert result.kind == "init_error"
    document = json.loads(result.payload)
    assert document["errorType"] == result.error_type == error_type
    assert document["errorMessage"].startswith(message)
    assert document["trace"]


@pytest.mark.parametrize("bad", ["index.mjs", "inner.mjs"])
def test_a_syntax_error_of_an_es_module_names_file_and_line_and_runs_nothing(house: Any, bad: str) -> None:
    files = {
        "index.mjs": "import './inner.mjs'; console.log('ran');\nexport const handler = () => 1;",
        "inner.mjs": "console.log('ran too');\n",
    }
    files[bad] += "\nconst three = ;"
    start = len(house.lines)
    result = house.invoke(node(house, files.pop("index.mjs"), "index.mjs", files=files))
    document = json.loads(result.payload)
    assert (document["errorType"], document["errorMessage"]) == ("Runtime.UserCodeSyntaxError", "SyntaxError: Unexpected token ';'")
    assert document["trace"][:5] == [
        f"file:///var/task/{bad}:3",
        "const three = ;",
        " " * 14 + "^",
        "",
        "SyntaxError: Unexpected token ';'",
    ]
    assert not any(line.endswith(("ran", "ran too")) for line, _ in house.lines[start:])


ERRORS = {
    "an async handler throws": "exports.handler = async () => { throw new TypeError('boom') }",
    "a handler throws": "exports.handler = () => { throw new TypeError('boom') }",
    "a callback with an error": "exports.handler = (e, c, callback) => callback(new TypeError('boom'))",
    "context.fail": "exports.handler = (e, c) => c.fail(new TypeError('boom'))",
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_of_the_handler_has_type_message_and_trace(house: Any, name: str) -> None:
    spec = node(house, ERRORS[name])
    start = len(house.lines)
    for _ in range(2):
        result = house.invoke(spec)
        assert (result.kind, result.error_type) == ("error", "TypeError")
        document = json.loads(result.payload)
        assert set(document) == {"errorType", "errorMessage", "trace"}
        assert document["errorMessage"] == "boom"
        assert document["trace"][0] == "TypeError: boom"
        assert "/var/task/index.js:1" in document["trace"][1]
    line = house.lines[start][0].split("\t")
    assert line[1:4] == [REQUEST, "ERROR", "Invoke Error "]
    assert json.loads(line[4])["stack"][0] == "TypeError: boom"
    assert house.pool.idle_count(spec.key) == 1


def test_what_is_thrown_need_not_be_an_error(house: Any) -> None:
    result = house.invoke(node(house, "exports.handler = async () => { throw 'just words' }"))
    assert json.loads(result.payload) == {"errorType": "string", "errorMessage": "just words", "trace": []}


ENDS = {
    "an exception outside": ("setTimeout(() => { throw new RangeError('late') }, 5)", "RangeError", "late"),
    "a rejection nobody handles": ("Promise.reject(new RangeError('late'))", "Runtime.UnhandledPromiseRejection", "RangeError: late"),
}


@pytest.mark.parametrize("name", ENDS)
def test_an_error_that_nobody_handles_ends_the_process_and_is_reported(house: Any, name: str) -> None:
    statement, error_type, message = ENDS[name]
    spec = node(
        house, f"let count = 0\nexports.handler = async (e) => {{ count++; if (!e) return count; {statement}; await new Promise(() => 0) }}"
    )
    assert house.answer(spec) == 1
    result = house.invoke(spec, 1)
    document = json.loads(result.payload)
    assert (result.kind, document["errorType"], document["errorMessage"]) == ("error", error_type, message)
    assert house.answer(spec) == 1


def test_process_exit_is_the_platforms_error(house: Any) -> None:
    for status, words in ((0, "Runtime exited without providing a reason"), (3, "Runtime exited with error: exit status 3")):
        result = house.invoke(node(house, f"exports.handler = async () => process.exit({status})"))
        assert json.loads(result.payload) == {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: {REQUEST} Error: {words}"}


def test_a_callback_waits_for_an_empty_event_loop_unless_told_not_to(house: Any) -> None:
    source = """
    let done = false
    exports.handler = (event, context, callback) => {
      context.callbackWaitsForEmptyEventLoop = event
      const before = done
      setTimeout(() => { done = true; console.log('later') }, 150)
      callback(null, before)
    }
    """
    spec = node(house, source)
    waited = house.invoke(spec, True)
    assert waited.log.endswith(b"later\n")
    assert waited.duration_ms >= 150
    assert house.invoke(spec, False).duration_ms < 150


def test_a_handler_that_calls_nothing_back_answers_null_when_nothing_is_left_to_do(house: Any) -> None:
    assert house.answer(node(house, "exports.handler = () => { setTimeout(() => 0, 5) }")) is None


def test_a_promise_that_never_settles_is_an_error_and_not_a_time_out(house: Any) -> None:
    result = house.invoke(node(house, "exports.handler = () => new Promise(() => 0)"))
    assert (result.kind, result.error_type) == ("error", "Runtime.NodejsExit")


def test_the_console_writes_time_request_level_and_message(house: Any) -> None:
    spec = node(
        house,
        """
        console.log('loading')
        exports.handler = async () => {
          console.log('a %s', 'b', { c: 1 })
          console.info('two\\nlines')
          console.warn('w'); console.error(new Error('e').message); console.debug('d'); console.trace('t')
          process.stdout.write('plain\\n')
        }
        """,
    )
    start = len(house.lines)
    house.answer(spec)
    lines = [line for line, _ in house.lines[start:]]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.split("\t")[0]) for line in lines[:-1])
    assert [line.split("\t")[1:] for line in lines] == [
        ["undefined", "INFO", "loading"],
        [REQUEST, "INFO", "a b { c: 1 }"],
        [REQUEST, "INFO", "two\nlines"],
        [REQUEST, "WARN", "w"],
        [REQUEST, "ERROR", "e"],
        [REQUEST, "DEBUG", "d"],
        [REQUEST, "TRACE", "t"],
        [],
    ]


def test_the_log_can_be_json_with_a_level(house: Any) -> None:
    spec = node(
        house,
        "exports.handler = async () => { console.debug('no'); console.info({ a: 1 }); console.error('bad', new Error('e')) }",
        environment={"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"},
    )
    start = len(house.lines)
    house.answer(spec)
    one, two = (json.loads(line) for line, _ in house.lines[start:] if line[0] == "{")
    assert (one["level"], one["message"], one["requestId"]) == ("INFO", {"a": 1}, REQUEST)
    assert (two["level"], two["errorType"], two["errorMessage"]) == ("ERROR", "Error", "e")


def test_the_context_and_the_environment_are_awss(house: Any) -> None:
    spec = node(
        house,
        """
        exports.handler = async (event, context) => {
          const left = context.getRemainingTimeInMillis()
          return { context, ok: left > 2000 && left <= 3000, env: process.env, cwd: process.cwd(), uid: process.getuid(), argv: process.argv.slice(1) }
        }
        """,
        environment={"STAGE": "prod"},
    )
    found = house.answer(spec, trace_id="Root=1-a", function_arn="arn:f", client_context={"custom": {"a": 1}})
    assert found["context"] == {
        "callbackWaitsForEmptyEventLoop": True,
        "functionVersion": "$LATEST",
        "functionName": spec.function_name,
        "memoryLimitInMB": "128",
        "logGroupName": f"/aws/lambda/{spec.function_name}",
        "logStreamName": found["env"]["AWS_LAMBDA_LOG_STREAM_NAME"],
        "clientContext": {"custom": {"a": 1}},
        "invokedFunctionArn": "arn:f",
        "awsRequestId": REQUEST,
    }
    assert found["ok"] and found["cwd"] == "/var/task" and found["uid"] == 993
    environment = found["env"]
    assert environment["AWS_EXECUTION_ENV"] == "AWS_Lambda_nodejs20.x"
    assert environment["NODE_PATH"].startswith("/opt/nodejs/node")
    assert (environment["STAGE"], environment["_X_AMZN_TRACE_ID"], environment["_HANDLER"]) == ("prod", "Root=1-a", "index.handler")
    assert "PYTHONPATH" not in environment
    assert found["argv"] == ["/var/runtime/index.mjs"]


def test_packages_of_a_layer_are_found_by_both_kinds_of_modules(house: Any) -> None:
    layer = house.directory / "node-layer"
    package = layer / "nodejs" / "node_modules" / "deep"
    package.mkdir(parents=True)
    (package / "index.js").write_text("module.exports = 7")
    spec = node(house, "import deep from 'deep'\nexport const handler = async () => deep", "index.mjs", layers=(layer,))
    assert house.answer(spec) == 7
    assert house.answer(node(house, "exports.handler = async () => require('deep')", layers=(layer,))) == 7


def test_large_events_and_answers_pass_and_too_large_ones_are_refused(house: Any) -> None:
    spec = node(house, "exports.handler = async (event) => 'x'.repeat(event.n ?? event.length)", memory_mb=512)
    assert len(house.answer(spec, "y" * 5_000_000)) == 5_000_000
    result = house.invoke(spec, {"n": 7_000_000})
    assert (result.kind, result.error_type) == ("error", "Function.ResponseSizeTooLarge")


def test_values_that_json_cannot_say_are_a_marshal_error(house: Any) -> None:
    result = house.invoke(node(house, "exports.handler = async () => { const a = {}; a.a = a; return a }"))
    assert result.error_type == "Runtime.MarshalError"
    assert house.answer(node(house, "exports.handler = async () => undefined")) is None


def test_the_time_limit_holds_for_a_busy_loop(house: Any) -> None:
    assert house.invoke(node(house, "exports.handler = async () => { for (;;); }", timeout_s=0.5)).kind == "timeout"
    assert house.still_serves()


STREAMS = """
const { pipeline } = require('node:stream/promises')
const { Readable } = require('node:stream')
exports.handler = awslambda.streamifyResponse(async (event, out, context) => {
  if (event.http) out = awslambda.HttpResponseStream.from(out, { statusCode: 201, headers: { a: 'b' } })
  if (event.early) throw new Error('early')
  out.write('one,')
  await new Promise((r) => setTimeout(r, 20))
  if (event.late) throw new Error('late')
  await pipeline(Readable.from(['two,', context.awsRequestId]), out)
})
"""


def test_a_streamified_handler_sends_pieces(house: Any) -> None:
    spec = node(house, STREAMS)

    async def read(event: Any) -> tuple[list[bytes], Any, str]:
        async with house.pool.using(spec, house.prepare) as sandbox:
            stream = sandbox.stream(invocation(event))
            return [piece async for piece in stream], await stream.result(), stream.content_type

    pieces, result, content_type = house.run(read({}))
    assert (b"".join(pieces), result.kind, content_type) == (b"one,two," + REQUEST.encode(), "ok", "application/octet-stream")
    assert pieces[0] == b"one,"
    pieces, result, content_type = house.run(read({"http": 1}))
    assert content_type == "application/vnd.awslambda.http-integration-response"
    assert b"".join(pieces).startswith(b'{"statusCode":201,"headers":{"a":"b"}}' + bytes(8) + b"one,")
    pieces, result, _ = house.run(read({"early": 1}))
    assert (pieces, result.kind, json.loads(result.payload)["errorMessage"]) == ([], "error", "early")
    pieces, result, _ = house.run(read({"late": 1}))
    assert (pieces, result.kind, json.loads(result.payload)["errorMessage"]) == ([b"one,"], "error", "late")
    assert house.invoke(spec, {}).payload == b"one,two," + REQUEST.encode()


def test_a_slow_reader_holds_the_function_up(house: Any) -> None:
    source = """
    exports.handler = awslambda.streamifyResponse(async (event, out) => {
      const piece = Buffer.alloc(65536, 97)
      for (let i = 0; i < 320; i++) if (!out.write(piece)) await new Promise((r) => out.once('drain', r))
    })
    """
    spec = node(house, source, timeout_s=20, memory_mb=512)

    async def read() -> tuple[int, int]:
        import asyncio

        async with house.pool.using(spec, house.prepare) as sandbox:
            stream = sandbox.stream(invocation())
            assert await stream.begin()
            await asyncio.sleep(0.2)
            held = stream._held_bytes
            return held, sum([len(piece) async for piece in stream])

    held, total = house.run(read())
    assert held < 2 * 1024 * 1024
    assert total == 320 * 65536


def test_other_versions_run_with_a_warning(house: Any) -> None:
    # AWS never had it, so it is not among those that were fetched once.
    choice = resolve_runtime("nodejs9.x")
    assert choice.warning is not None and choice.warning.startswith("nodejs9.x is not installed; the function runs on Node.js ")
    with pytest.raises(RuntimeNotAvailable, match=r"Strict runtimes: nodejs9\.x is not installed"):
        resolve_runtime("nodejs9.x", strict=True)
    assert house.answer(node(house, "exports.handler = (e, c, cb) => cb(null, 1)", runtime="nodejs9.x")) == 1
    refused = house.invoke(node(house, "exports.handler = (e, c, cb) => cb(null, 1)", runtime="nodejs24.x"))
    assert refused.error_type == "Runtime.CallbackHandlerDeprecated"
    assert house.answer(node(house, "exports.handler = (e) => e + 1", runtime="nodejs24.x"), 1) == 2


def test_runtimes_before_nodejs10_tell_errors_and_lines_as_they_did(house: Any) -> None:
    source = "exports.handler = (event, context, done) => { console.log('hi %s', 'there'); done(event ? new RangeError('far') : 'no') }"
    spec = node(house, source, runtime="nodejs8.10")
    result = house.invoke(spec, 1)
    document = json.loads(result.payload)
    assert (document["errorMessage"], document["errorType"], result.error_type) == ("far", "RangeError", "RangeError")
    assert re.fullmatch(r"\S+ \(/var/task/index\.js:1:\d+\)", document["stackTrace"][0]) and set(document) == {
        "errorMessage",
        "errorType",
        "stackTrace",
    }
    assert json.loads(house.invoke(spec).payload) == {"errorMessage": "no"}
    lines = [line.split("\t", 1)[1] for line, _ in house.lines]
    assert lines[0] == f"{REQUEST}\thi there"
    assert json.loads(lines[1].split("\t")[1]) == document


@pytest.mark.parametrize("identifier", ["nodejs", "nodejs4.3", "nodejs4.3-edge", "nodejs6.10", *(f"nodejs{n}.x" for n in range(10, 27, 2))])
def test_every_identifier_runs_on_its_version_or_another(house: Any, identifier: str) -> None:
    choice = resolve_runtime(identifier)
    wanted = re.sub(r"\D.*", "", identifier.removeprefix("nodejs"))
    assert (choice.warning is None) == (choice.version == wanted)
    spec = node(house, "exports.handler = async () => process.versions.node", runtime=identifier)
    assert house.answer(spec).split(".")[0] == choice.version


def test_a_wrapper_starts_the_runtime(house: Any) -> None:
    spec = node(
        house,
        "exports.handler = async () => [process.env.WRAPPED, process.execArgv]",
        files={"wrap": '#!/bin/sh\nexport WRAPPED=yes\nexec "$@"\n'},
        environment={"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/wrap", "NODE_OPTIONS": "--enable-source-maps"},
    )
    (spec.code_path / "wrap").chmod(0o755)
    assert house.answer(spec) == ["yes", []]


def test_it_has_the_walls_of_every_sandbox(house: Any) -> None:
    if not house.pool.capabilities().namespaces:
        pytest.skip(str(house.pool.capabilities().missing))
    spec = node(
        house,
        """
        const fs = require('node:fs')
        exports.handler = async (path) => {
          const refused = []
          for (const name of [path, '/var/task/x', '/usr/x', '/etc/x']) {
            try { fs.writeFileSync(name, '') } catch (error) { refused.push(error.code) }
          }
          fs.writeFileSync('/tmp/x', 'y')
          const status = fs.readFileSync('/proc/self/status', 'utf8')
          return [refused.length, fs.readdirSync('/proc').filter((n) => +n).length, /CapEff:\\t0+\\n/.test(status), /Seccomp:\\t2/.test(status)]
        }
        """,
    )
    assert house.answer(spec, str(house.directory / "x")) == [4, 2, True, True]


def test_a_waiting_worker_becomes_the_functions_sandbox_and_no_other_functions(house: Any) -> None:
    if not house.pool.capabilities().namespaces:
        pytest.skip(str(house.pool.capabilities().missing))
    house.run(house.pool.prewarm("nodejs20.x"))
    source = "const fs = require('node:fs')\nexports.handler = async (e) => { fs.writeFileSync('/tmp/' + e, ''); return [fs.readdirSync('/tmp'), process.env.WHO, __filename] }"
    program = resolve_runtime("nodejs20.x").program
    assert program is not None
    workers = house.pool._workers._waiting.setdefault(program, [])
    for who in ("a", "b"):
        house.run(house.until(lambda: len(workers) == house.pool.settings.node_workers and all(worker.pid for worker in workers)))
        before = {worker.id for worker in workers}
        spec = node(house, source, environment={"WHO": who}, ephemeral_mb=600, memory_mb=256)
        result = house.invoke(spec, who)
        assert json.loads(result.payload) == [[who], who, "/var/task/index.js"]
        assert house.pool._idle[spec.key][0].id in before


@pytest.mark.slow
def test_the_sdk_is_fetched_once_and_found_by_both_kinds_of_modules(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.runtime.conftest import open_house

    from groundcloud.runtime import node_sdk

    if shutil.which("npm") is None:
        pytest.skip("needs npm")
    for parent in (tmp_path, *list(tmp_path.parents)[:2]):
        parent.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(node_sdk, "PACKAGES", ("@aws-sdk/client-sqs",))
    node_sdk.directory.cache_clear()
    try:
        for house in open_house(tmp_path, fetch_node_sdk=True):
            common = "exports.handler = async () => typeof require('@aws-sdk/client-sqs').SQSClient"
            if (result := house.invoke(node(house, common, timeout_s=30, memory_mb=512))).kind != "ok" and not node_sdk.present():
                pytest.skip("npm reaches no registry")
            assert result.payload == b'"function"'
            module = "import { SQSClient } from '@aws-sdk/client-sqs'\nexport const handler = async () => typeof SQSClient"
            assert house.answer(node(house, module, "index.mjs", timeout_s=30, memory_mb=512)) == "function"
    finally:
        node_sdk.directory.cache_clear()


@pytest.mark.parametrize(
    ("source", "brought", "wants"),
    [
        ("const { S3Client } = require('@aws-sdk/client-s3')", (), True),
        ('import{S3Client}from"@aws-sdk/client-s3"', (), True),
        ("const sdk = await import('@aws-sdk/client-s3')", (), True),
        ("const AWS = require('aws-sdk')", (), True),
        ("const S3 = require('aws-sdk/clients/s3')", (), True),
        ("const AWS = require('aws-sdk')", ("@aws-sdk",), True),
        ("const { S3Client } = require('@aws-sdk/client-s3')", ("@aws-sdk",), False),
        ("// node_modules/@aws-sdk/client-s3/dist-es/index.js", (), False),
        ("exports.handler = async () => 'aws-sdk'", (), False),
        ("const own = require('./aws-sdk')", (), False),
    ],
)
def test_an_import_of_what_is_not_in_the_package_wants_the_sdk(tmp_path: Path, source: str, brought: tuple[str, ...], wants: bool) -> None:
    from groundcloud.runtime import node_sdk

    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "index.mjs").write_text(source)
    for name in brought:
        (tmp_path / "node_modules" / name).mkdir(parents=True)
    assert node_sdk.wanted(tmp_path, ()) is wants
    if wants:
        layer = tmp_path / "layer"
        for name in ("@aws-sdk", "aws-sdk"):
            (layer / "nodejs" / "node_modules" / name).mkdir(parents=True)
        assert node_sdk.wanted(tmp_path, (layer,)) is False


@pytest.mark.slow
def test_a_function_without_the_sdk_says_why(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.runtime.conftest import open_house

    from groundcloud.runtime import node_sdk

    monkeypatch.setattr(node_sdk, "directory", lambda: tmp_path / "node-sdk" / "node_modules")
    monkeypatch.setattr(node_sdk.shutil, "which", lambda name: None)
    for house in open_house(tmp_path, fetch_node_sdk=True):
        house.invoke(node(house, "require('@aws-sdk/client-sqs'); exports.handler = async () => 1"))
        first = "Groundcloud: the function imports AWS's SDK for JavaScript, which is not here: npm is not installed"
        assert any(line.startswith(first) for line, _ in house.lines)


CORE_OF_VERSION_2 = """
require("./service")
exports.VERSION = "2.1693.0"
exports.Service = function () {}
exports.reset = () => { exports.config = { update(values) { Object.assign(this, values) } } }
exports.reset()
"""


def test_version_2_of_the_sdk_is_told_the_platforms_address(house: Any) -> None:
    files = {
        "node_modules/aws-sdk/package.json": '{"main": "lib/aws.js"}',
        "node_modules/aws-sdk/lib/aws.js": "require('./core').reset()\nmodule.exports = require('./core')",
        "node_modules/aws-sdk/lib/core.js": CORE_OF_VERSION_2,
        "node_modules/aws-sdk/lib/service.js": "exports.core = require('./core')",  # in a circle, as in the real one
        "core.js": "exports.VERSION = '2.0'; exports.config = { update() { throw new Error('not the SDK') } }",
    }
    source = """
        const { config } = require("aws-sdk")
        require("./core")
        exports.handler = async () => [config.endpoint, config.s3ForcePathStyle]
    """
    spec = node(house, source, files=files, endpoint_url="http://localhost:4566")
    assert house.answer(spec) == ["http://localhost:4566", True]
    assert house.lines == []
    assert house.answer(node(house, source, files=files)) == [None, None]
