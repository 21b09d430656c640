"""Functions that are container images: looked up in Docker or Podman when they are named, run as the content that the name had then.

As on AWS a function does not follow its tag: UpdateFunctionCode looks it up again. What runs containers is `groundcloud.runtime.container`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from groundcloud.runtime.container import ContainerFunctionSpec
from groundcloud.runtime.engines import ContainerSpec, EngineMissing, ImageMissing
from groundcloud.services.lambda_ import errors
from groundcloud.services.lambda_.state import Code, ImageUse, Version

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call
    from groundcloud.runtime import Pool

ZIP, IMAGE = "Zip", "Image"


def package_type(version: Version) -> str:
    return IMAGE if version.code.image is not None else ZIP


def check(kind: str, request: dict[str, Any]) -> None:
    """What a function of an image cannot have, and one of a zip neither. Raises InvalidParameterValueException."""
    if kind == IMAGE:
        if any(request.get(member) for member in ("Handler", "Runtime", "Layers")):
            raise errors.invalid_parameter(
                "Please don't provide Handler or Runtime or Layer when the intended function PackageType is Image."
            )
        if (request.get("SnapStart") or {}).get("ApplyOn") == "PublishedVersions":
            raise errors.invalid_parameter("SnapStart is not supported for functions created with container images.")
    elif any((request.get("ImageConfig") or {}).values()):
        raise errors.invalid_parameter("Please don't provide ImageConfig when the intended function PackageType is Zip.")


def check_unsigned(kind: str) -> None:
    """AWS: "Using code signing": container images have none. Raises InvalidParameterValueException."""
    if kind == IMAGE:
        raise errors.invalid_parameter("Code signing is not supported for functions created with container images.")


def check_source(kind: str, source: dict[str, Any], *, updating: bool) -> None:
    """That the code is of the function's package type. Raises InvalidParameterValueException."""
    if updating and kind == IMAGE and not source.get("ImageUri"):
        raise errors.invalid_parameter("Please provide ImageUri when updating a function with packageType Image.")
    if updating and kind == ZIP and source.get("ImageUri"):
        raise errors.invalid_parameter("Please don't provide ImageUri when updating a function with packageType Zip.")
    if not updating and kind == IMAGE and not source.get("ImageUri"):
        raise errors.invalid_parameter("Please provide ImageUri when creating a function with packageType Image.")
    if source.get("ImageUri") and any(source.get(member) for member in ("ZipFile", "S3Bucket", "S3Key")):
        raise errors.invalid_parameter("Please do not provide other FunctionCode parameters when providing an ImageUri.")


async def found(pool: Pool, image_uri: str) -> Code:
    """Raises InvalidParameterValueException where there is no such image, or nothing that could run it."""
    try:
        image = await pool.containers.image(image_uri)
    except EngineMissing as missing:
        raise errors.invalid_parameter(
            f"Groundcloud runs container images with Docker or Podman, and neither answers ({missing}). Install or start one of them."
        ) from missing
    except ImageMissing:
        raise errors.invalid_parameter(f"Source image {image_uri} does not exist. Provide a valid source image.") from None
    resolved = f"{_without_tag(image_uri)}@sha256:{image.digest}"
    use = ImageUse(image_uri=image_uri, resolved_uri=resolved, image_id=image.image_id)
    return Code(digest="", sha256=image.digest, size_bytes=0, unpacked_bytes=0, image=use)


async def spec(call: Call, pool: Pool, version: Version, common: dict[str, Any]) -> ContainerFunctionSpec:
    """`common` are the members that say the same of every function. Raises ServiceException where the image is gone."""
    assert version.code.image is not None
    try:
        image = await pool.containers.image(version.code.image.image_id)
        extensions = await pool.containers.extensions(image.image_id)
    except (EngineMissing, ImageMissing) as missing:
        raise errors.cannot_run(
            f"The image {version.code.image.resolved_uri} of the function cannot be run: {_reason(missing)}."
        ) from missing
    config = version.kept.get("ImageConfig") or {}
    entry_point = config.get("EntryPoint") or image.entry_point
    command = config.get("Command") or image.command
    arguments = (*entry_point, *command)
    if not arguments:
        raise errors.cannot_run(f"The image {version.code.image.image_uri} has neither an entry point nor a command.")
    directory = config.get("WorkingDirectory") or (image.working_directory if extensions else "")
    container = ContainerSpec(image_id=image.image_id, arguments=arguments, working_directory=directory, extensions=extensions)
    return ContainerFunctionSpec(**{**common, "handler": command[0] if command else ""}, container=container)


def _reason(missing: Exception) -> str:
    return "it is no longer there" if isinstance(missing, ImageMissing) else f"neither Docker nor Podman answers ({missing})"


def _without_tag(image_uri: str) -> str:
    """A colon before the last slash is a registry's port."""
    bare = image_uri.partition("@")[0]
    head, slash, name = bare.rpartition("/")
    return f"{head}{slash}{name.partition(':')[0]}"
