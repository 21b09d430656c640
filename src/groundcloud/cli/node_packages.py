"""The npm packages of a function, and its TypeScript bundled by esbuild, as `sam build` does.

AWS SAM: "Building Lambda functions using custom runtimes", "Building Node.js Lambda functions with esbuild". npm and esbuild are the user's own: esbuild that
of the function's packages, else the one on the path, else npm fetches it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import click

from groundcloud.cli.requirements import COMPLETE, Say, folder

MANIFEST = "package.json"
MODULES = "node_modules"
_BESIDE = ("package-lock.json", "npm-shrinkwrap.json", ".npmrc")  # what npm reads of a folder, beside the manifest
_ENDINGS = (".ts", ".mts", ".cts", ".tsx", ".js", ".mjs", ".cjs", ".jsx")
_LOCAL = ("file:", "link:", "./", "../")
_REASON_LINES_MAX = 12

# Member of BuildProperties -> esbuild's option. A list is one option an item for those that map, one of all items for others.
_OPTIONS = {
    "Target": "--target",
    "Format": "--format",
    "MainFields": "--main-fields",
    "SourcesContent": "--sources-content",
    "External": "--external",
    "Loader": "--loader",
    "OutExtension": "--out-extension",
    "Minify": "--minify",
    "Sourcemap": "--sourcemap",
}
_OTHERS = ("EntryPoints", "UseNpmCi")
_DEFAULTS = {"Target": "es2020", "Minify": True}


def wanted(source: Path) -> bool:
    """Whether the folder names packages that are not installed in it."""
    return (source / MANIFEST).is_file() and not (source / MODULES).exists() and bool(_manifest(source).get("dependencies"))


def installed(source: Path, say: Say, *, development: bool = False) -> Path:
    """A folder whose node_modules holds the dependencies (`development`: those too). Raises ClickException with npm's reason."""
    manifest = _manifest(source)
    dependencies: dict[str, Any] = manifest.get("dependencies") or {}
    is_local = any(str(value).startswith(_LOCAL) for value in dependencies.values())
    content = b"\0".join((source / name).read_bytes() for name in (MANIFEST, *_BESIDE) if (source / name).is_file())
    kept = folder("npm", content + str(development).encode() + (str(source).encode() if is_local else b""))
    if (kept / COMPLETE).exists() and not is_local:
        return kept
    npm = shutil.which("npm")
    if npm is None:
        raise click.ClickException(f"{source / MANIFEST} names packages, and there is no npm on the path to install them.")
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for name in _BESIDE:
        if (source / name).is_file():
            shutil.copy(source / name, kept / name)
    if is_local:
        for name, value in dependencies.items():
            if str(value).startswith(_LOCAL):
                dependencies[name] = "file:" + str((source / str(value).removeprefix("file:").removeprefix("link:")).resolve())
        (kept / "package-lock.json").unlink(missing_ok=True)
    (kept / MANIFEST).write_text(json.dumps(manifest))
    say(f"installing {source / MANIFEST}")
    command = [npm, "install", "--no-audit", "--no-fund", "--no-save", "--install-links", *(() if development else ("--omit=dev",))]
    done = subprocess.run(command, capture_output=True, text=True, cwd=kept)
    if done.returncode:
        shutil.rmtree(kept, ignore_errors=True)
        raise click.ClickException(f"npm cannot install {source / MANIFEST}:\n  " + _reason(done))
    (kept / MODULES).mkdir(exist_ok=True)
    (kept / COMPLETE).touch()
    return kept


def bundled(logical_id: str, source: Path, handler: str, properties: dict[str, Any], say: Say) -> tuple[Path, str]:
    """A folder with the function's bundle, the caller's to remove, and the handler as it is called there. Raises ClickException."""
    unknown = sorted(set(properties) - set(_OPTIONS) - set(_OTHERS))
    if unknown:
        raise click.ClickException(f"{logical_id}: BuildProperties has {', '.join(unknown)}, which Groundcloud does not pass to esbuild.")
    place = Path(tempfile.mkdtemp(prefix="ground-bundle-"))
    work, out = place / "work", place / "out"
    if (source / MODULES).exists() or not (source / MANIFEST).is_file():
        work, modules = source, source / MODULES
    else:
        modules = installed(source, say, development=True) / MODULES
        shutil.copytree(source, work, ignore=shutil.ignore_patterns(MODULES, ".git", ".aws-sam", ".ground"))
        (work / MODULES).symlink_to(modules)
    entries = [str(entry) for entry in properties.get("EntryPoints") or [_entry(logical_id, source, handler)]]
    command = [*_esbuild(modules), *entries, "--bundle", "--platform=node", f"--outdir={out}", "--log-level=warning", *options(properties)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=work)
    if done.returncode:
        shutil.rmtree(place, ignore_errors=True)
        raise click.ClickException(f"{logical_id}: esbuild cannot bundle {', '.join(entries)}:\n  " + _reason(done))
    shutil.rmtree(place / "work", ignore_errors=True)
    path, dot, name = handler.rpartition(".")
    if not any((out / f"{path}{ending}").exists() for ending in (".js", ".mjs", ".cjs")):
        handler = Path(path).name + dot + name  # esbuild leaves out the folders that all entry points share
    return out, handler


def options(properties: dict[str, Any]) -> list[str]:
    """esbuild's arguments for BuildProperties."""
    found = []
    for name, value in {**_DEFAULTS, **properties}.items():
        option = _OPTIONS.get(name)
        if option is None or value is False:
            continue
        if name in ("Minify", "Sourcemap"):
            found.append(option)
        elif name in ("External", "Loader", "OutExtension"):
            found += [f"{option}:{item}" for item in value]  # of the latter two each is `.png=file`
        elif isinstance(value, list):
            found.append(f"{option}={','.join(map(str, value))}")
        else:
            found.append(f"{option}={str(value).lower() if name in ('Target', 'SourcesContent') else value}")
    return found


def _esbuild(modules: Path) -> list[str]:
    own = modules / ".bin" / "esbuild"
    if own.exists():
        return [str(own)]
    if found := shutil.which("esbuild"):
        return [found]
    if npm := shutil.which("npm"):
        return [npm, "exec", "--yes", "--package=esbuild", "--", "esbuild"]
    raise click.ClickException("BuildMethod esbuild needs esbuild: there is neither esbuild nor npm on the path.")


def _entry(logical_id: str, source: Path, handler: str) -> str:
    module = handler.rpartition(".")[0]
    found = next((module + ending for ending in _ENDINGS if (source / (module + ending)).is_file()), None)
    if found is None:
        raise click.ClickException(f"{logical_id}: its BuildProperties name no EntryPoints, and {source} has no {module}.ts or .js.")
    return found


def _manifest(source: Path) -> dict[str, Any]:
    try:
        found = json.loads((source / MANIFEST).read_text())
    except ValueError as error:
        raise click.ClickException(f"{source / MANIFEST} is not JSON: {error}.") from None
    return found if isinstance(found, dict) else {}


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    return "\n  ".join((done.stderr or done.stdout).strip().splitlines()[-_REASON_LINES_MAX:])
