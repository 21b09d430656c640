"""Runtime identifiers: which are refused and what to do instead, and what is shown of the one that runs.

AWS: "Lambda runtimes", "Deprecated runtimes". Identifiers that AWS has retired are accepted here, for the applications that still name them.
"""

from __future__ import annotations

import hashlib
from typing import Any

from groundcloud.runtime import RuntimeChoice, RuntimeNotAvailable, resolve_runtime

_LANGUAGES = ("python", "nodejs", "provided")

# Language of an identifier -> its name, and what makes a `bootstrap` of a function in it.
_REFUSED = {
    "java": ("Java", "a native image (GraalVM) or a JVM"),
    "dotnet": (".NET", "a self-contained or native AOT build with Amazon.Lambda.RuntimeSupport"),
    "ruby": ("Ruby", "an interpreter with the gem aws_lambda_ric"),
    "go": ("Go", "`GOOS=linux go build -tags lambda.norpc -o bootstrap` with github.com/aws/aws-lambda-go"),
}


def refusal(identifier: str) -> str | None:
    """Why functions of this runtime cannot be made here, and what can be done; None where they can."""
    if identifier.startswith(_LANGUAGES):
        return None
    found = next((words for name, words in _REFUSED.items() if identifier.startswith(name)), None)
    if found is None:
        return (
            f"Groundcloud does not implement the runtime {identifier}. The function can run as provided.al2023, "
            "with an executable `bootstrap` at the top of its package."
        )
    name, way = found
    return (
        f"Groundcloud does not implement the runtime {identifier} ({name}) yet. The function can run as provided.al2023, "
        f"with an executable `bootstrap` at the top of its package: {way}."
    )


def choice(identifier: str, strict: bool, fetch: bool = False) -> RuntimeChoice:
    """As `resolve_runtime`, for a thread: it may have to start interpreters to know them, or to fetch one."""
    return resolve_runtime(identifier, strict=strict, fetch=fetch)


def version_of(identifier: str, region: str) -> tuple[str, str]:
    """The version of the runtime as INIT_START shows it, and its ARN."""
    try:
        version = resolve_runtime(identifier).version
    except RuntimeNotAvailable:
        version = "0"
    digest = hashlib.sha256(f"{identifier} on {version}".encode()).hexdigest()
    language = identifier.rstrip("0123456789.x")
    return f"{language}:{identifier[len(language) :]}.v1", f"arn:aws:lambda:{region}::runtime:{digest}"


def version_config(identifier: str, region: str) -> dict[str, Any]:
    """RuntimeVersionConfig. Where another version runs, Error says so: AWS keeps it for a runtime version that it could not have."""
    shown: dict[str, Any] = {"RuntimeVersionArn": version_of(identifier, region)[1]}
    try:
        warning = resolve_runtime(identifier).warning
    except RuntimeNotAvailable as failure:
        warning = str(failure)
    if warning:
        shown["Error"] = {"ErrorCode": "RuntimeVersionNotPresent", "Message": warning}
    return shown
