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
- `await sandbox.ready()` initialises without an invocation (provisioned concurrency). `sandbox.tag` is the caller's.
- `Pool.acquire` raises `PoolFull`, `RuntimeNotAvailable` (other languages, for now), `ZygoteFailed`. Concurrency limits are the caller's.
- `resolve_runtime(identifier)` says which interpreter is used, with a warning for the user where it is another version.
- `pool.capabilities()` says what the sandboxes of this machine do without, and why.
- `unpack(zip, directory)` makes a `code_path`.

How it works: `inside/zygote.py` (the warm process), `inside/root.py` (what sandboxes see), `inside/sandbox.py` (the walls, in order),
`inside/python_runtime.py` (the loop that calls the handler), `sandbox.py` (the server's side). Every wall has a test that climbs it.

Missing: Node.js, `provided.*` and container runtimes; SnapStart; extensions; network "isolated"; response streaming. An initialisation
that takes over ten seconds goes on instead of starting again as part of the first invocation. The runtime's process exits without running
`atexit` functions, as on AWS without extensions. Control groups version 2 are used where delegated. Off Linux: processes with limits.
"""

from groundcloud.runtime.function import FunctionSpec, Invocation, InvokeResult, PoolSettings, SandboxStart
from groundcloud.runtime.interpreters import RuntimeChoice, RuntimeNotAvailable, resolve_runtime
from groundcloud.runtime.package import UNPACKED_BYTES_MAX, PackageRefused, unpack
from groundcloud.runtime.pool import Capabilities, Pool, PoolFull
from groundcloud.runtime.sandbox import Sandbox
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
    "RuntimeChoice",
    "RuntimeNotAvailable",
    "Sandbox",
    "SandboxStart",
    "ZygoteFailed",
    "resolve_runtime",
    "unpack",
]
