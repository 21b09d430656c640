"""Runs functions' code in sandboxes; knows no AWS service. The lambda_ room is its only user.

    pool = Pool(PoolSettings(...))                     # on the main thread's event loop
    await pool.prewarm("python3.13")                   # optional: starts the zygote (0.3 s) before the first acquire
    async with pool.using(spec, prepare) as sandbox:   # or: sandbox = await pool.acquire(spec, prepare) ... pool.release(sandbox)
        result = await sandbox.invoke(Invocation(request_id=..., payload=b"{}"))

- `FunctionSpec.key` names one version of code and configuration: sandboxes of a key are interchangeable. `await pool.retire(key)` when the
  code is replaced: idle sandboxes end, busy ones finish first.
- `prepare(sandbox_id) -> SandboxStart` is called for each new sandbox, and not for a warm one: credentials, AWS_LAMBDA_LOG_STREAM_NAME, and
  `on_log(line, request_id)`, called for every line in order; request_id is None for what is logged during the initialisation. Multi-line
  records of the logging module arrive as one line.
- `await sandbox.invoke(...)` always returns within its limits, whatever the function does: see `InvokeResult.kind`. START, END and REPORT
  lines are the caller's to write, and `platform_line` after them. Cancelling it ends the sandbox.
- `await sandbox.ready()` waits for the initialisation, no longer than AWS's limit for its kind: 10 s on demand, 130 s or the timeout with provisioned
  concurrency and SnapStart, 10 s of a restore. `sandbox.init_failure` says how it failed; the caller then takes a sandbox whose `SandboxStart.phase` is
  "invoke", which has the function's timeout. `SandboxStart.on_platform(event, record)` is told platform.initReport, platform.extension and the like.
  `sandbox.tag` is the caller's.
- `stream = sandbox.stream(invocation)`, `async for piece in stream`, `result = await stream.result()`: the response while it is written (`ResponseStream`),
  for InvokeWithResponseStream and function URLs with RESPONSE_STREAM. `stream.content_type` tells a response that begins with an HTTP head from
  others; whoever loses interest calls `stream.discard()`, and the function goes on. `invoke` puts a streamed response together.
- `FunctionSpec.runtime`: python*, nodejs*, provided* (a `bootstrap` in the package or a layer). `.snap_start`: sandboxes are forked from an initialised
  process (Python; ignored elsewhere); then `sandbox.forked` is True and `init_ms` is the restore's; what the initialisation logs goes to the stream
  of the first `prepare`. `await pool.snapshot(spec, prepare)` makes that process before anybody calls. `.network`: "isolated" leaves the function `endpoint_url` alone. `.account_id` is told to extensions.
- Layers with /opt/extensions: the programs are started, an invocation ends when they have finished with it, and the end of a sandbox takes up to two
  seconds (`Sandbox.end`, which release, retire and sweep use; `kill` is immediate).
- `Pool.acquire` raises `PoolFull`, `RuntimeNotAvailable`, `ZygoteFailed`. Concurrency limits are the caller's.
- `resolve_runtime(identifier, strict=False, fetch=False)` says which interpreter is used, with a warning for the user where it is another version; strict:
  refuses, saying how to get it; fetch: has uv, npm or pip bring the version that is not here (`provision.py`). It asks interpreters for their version
  once: call it in a thread.
- `PoolSettings.fetch_node_sdk=True` lets the pool fetch AWS's SDK for JavaScript with npm when the machine has none and a function imports
  it that does not bring it (it waits; its log says why if npm failed).
- `pool.capabilities()` says what the sandboxes of this machine do without, and why; the pool warns of it once in its log, which `ground up` shows.
- `unpack(zip, directory)` makes a `code_path`.

How it works: `inside/zygote.py` (the warm process), `inside/root.py` (what sandboxes see), `inside/sandbox.py` (the walls, in order),
`inside/python_runtime.py` and `inside/node/` (the loops that call the handler, over `channel.py`), `inside/program.py` (programs), `inside/old_bootstrap.py` (the one that runs Python before 3.9),
`sandbox_api.py`
(the Runtime, Extensions, Telemetry and Logs APIs, and who may speak there), `peers.py` (how that is known on the host's network), `workers.py`
(Node.js processes that wait), `templates.py` and `inside/template.py` (SnapStart), `freezing.py` (between invocations), `container.py` and its neighbours (images), `metadata_wall.py` (the way to the machine's own credentials), `relay.py` (the way out of an isolated network),
`sandbox.py` (the server's side), `initialisation.py` (its first phase). Every wall has a test that climbs it. What keeps an idle sandbox small:
`inside/holes.py` and `inside/small_init.py`.

The Runtime API of a sandbox on the host's network listens on a loopback address of its own, and the kernel is asked who is at the other end of
each connection: the sandbox's own user (a root server gives each one), else a process of its tree. Others are cut off unanswered.

Missing: the Telemetry and Logs APIs of isolated functions (said to who subscribes); of an image with several extensions the first by name hears of the end
last; SnapStart of other languages, and of Python before 3.9; restore/next of the Runtime API; runtimes of Java, .NET, Ruby and go1.x; Node.js before
8, whose functions run on a newer one. Version 2 of the SDK for JavaScript in a bundled file reaches the platform, but what it signs for others to
use (getSignedUrl) names AWS's hosts; what a function signs itself and sends with Node.js's global fetch, or from Python past boto3, goes to AWS's. A template's threads do not live on in its forks. On the host's network a port that an extension listens on is the machine's: two sandboxes cannot both
have it. The runtime's process exits without running `atexit` functions, as on AWS without extensions. Control groups version 2 are used
where delegated. Off Linux (macOS), as with `PoolSettings(plain=True)`: sandboxes are processes with limits (address space, open files, time), ended as a
process group; they see the machine's files as the server's user, the function's and its layers' where they lie (no /var/task, /opt or sandbox.localdomain),
and the Runtime API answers every process of the machine.
"""

from groundcloud.runtime.function import FunctionSpec, Invocation, InvokeResult, PoolSettings, SandboxStart
from groundcloud.runtime.interpreters import RuntimeChoice, RuntimeNotAvailable, resolve_runtime
from groundcloud.runtime.package import UNPACKED_BYTES_MAX, PackageRefused, unpack
from groundcloud.runtime.pool import Capabilities, Pool, PoolFull
from groundcloud.runtime.sandbox import Sandbox
from groundcloud.runtime.streaming import ResponseStream
from groundcloud.runtime.zygote import ZygoteFailed

__all__ = [
    "UNPACKED_BYTES_MAX",
    "Capabilities",
    "FunctionSpec",
    "Invocation",
    "InvokeResult",
    "PackageRefused",
    "Pool",
    "PoolFull",
    "PoolSettings",
    "ResponseStream",
    "RuntimeChoice",
    "RuntimeNotAvailable",
    "Sandbox",
    "SandboxStart",
    "ZygoteFailed",
    "resolve_runtime",
    "unpack",
]
