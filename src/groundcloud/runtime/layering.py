"""Where a function finds its layers: at /opt in a sandbox with a root of its own; elsewhere in a folder of the machine, which several layers share by hard links."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

OPT = "/opt"


def root(layers: Sequence[Path], namespaces: bool) -> str:
    """The folder that stands for /opt; the last layer's files go before those of the ones below it, as on AWS."""
    if namespaces or not layers:
        return OPT
    return str(layers[0] if len(layers) == 1 else _merged(layers))


def named(path: str, opt: str, task: str) -> str:
    """A path as a sandbox has it, as it is on this machine."""
    for inside, outside in ((OPT, opt), ("/var/task", task)):
        if path.startswith(f"{inside}/"):
            return outside + path.removeprefix(inside)
    return path


def _merged(layers: Sequence[Path]) -> Path:
    """Made once, beside the layers."""
    digest = hashlib.sha256("\0".join(map(str, layers)).encode()).hexdigest()
    merged = layers[0].parent / f"layers-{digest}"
    if merged.is_dir():
        return merged
    scratch = Path(tempfile.mkdtemp(dir=layers[0].parent, prefix="layers-"))
    for layer in layers:
        _lay(layer, scratch)
    scratch.chmod(0o755)
    try:
        scratch.rename(merged)
    except OSError:  # another was quicker
        shutil.rmtree(scratch, ignore_errors=True)
    return merged


def _lay(layer: Path, over: Path) -> None:
    for folder, names, files in os.walk(layer):
        place = over / Path(folder).relative_to(layer)
        place.mkdir(exist_ok=True)
        for name in (*files, *(name for name in names if os.path.islink(os.path.join(folder, name)))):
            source, target = os.path.join(folder, name), place / name
            target.unlink(missing_ok=True)
            try:
                os.link(source, target, follow_symlinks=False)
            except OSError:  # another file system, or one without links
                shutil.copy2(source, target, follow_symlinks=False)
