"""The root directory of the sandboxes, built once by the zygote's first stage; then the second stage is executed inside it.

Two mount namespaces, M0 and M1. M0 is a private copy of the host's, in which paths given by the server have their meaning: the
zygote returns to it for a moment to take hold of a function's code. M1 contains only the new root: a small read-only tmpfs with
the system's libraries, the interpreter at /var/lang and AWS's SDK at /var/runtime, as on AWS. Every sandbox begins as a copy of M1,
so that no mount of the host has to be removed when one starts.

Without root, both belong to a user namespace of the zygote's own, in which it is root and outside of which it is nobody new.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass

from . import linux

# Nobody keeps functions in there; in M0 the new root is built on top of it.
_BUILDING_SITE = "/sys"

_SYSTEM_DIRECTORIES = ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr")
_STORE_DIRECTORIES = ("/nix/store", "/gnu/store")
_ETC_DIRECTORIES = ("ssl", "pki", "alternatives", "ca-certificates", "crypto-policies", "fonts")
_ETC_FILES = (
    "resolv.conf",
    "nsswitch.conf",
    "host.conf",
    "gai.conf",
    "services",
    "protocols",
    "ld.so.cache",
    "ld.so.conf",
    "mime.types",
    "os-release",
    "system-release",
    "localtime",
    "ca-certificates.conf",
    "openssl.cnf",
)
_DEVICES = ("null", "zero", "full", "random", "urandom")
_LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}
_EMPTY_DIRECTORIES = (
    "proc",
    "dev",
    "tmp",
    "opt",
    "run",
    "home/sbx_user1051",
    "root",
    "var/task",
    "var/tmp",
    "var/lang",
    "var/zygote",
    "var/runtime",
)

LANGUAGE_PREFIX = "/var/lang"  # of the functions' Python, as on AWS
ZYGOTE_PREFIX = "/var/zygote"  # of the zygote's, where that is another
_OF_THE_RUNTIME = {"bootstrap.py": "bootstrap.py", "snapshot_restore_py.py": "snapshot_restore_py.py"}
_OF_AN_OLD_RUNTIME = {"bootstrap.py": "old_bootstrap.py"}

SANDBOX_USER = "sbx_user1051"
SANDBOX_UID, SANDBOX_GID = 993, 990  # as on AWS


@dataclass(frozen=True)
class Namespaces:
    """What the second stage inherits."""

    host_fd: int  # M0
    sandbox_fd: int  # M1


def enter_user_namespace() -> None:
    """Becomes root of a user namespace whose root is this process's own user."""
    uid, gid = os.geteuid(), os.getegid()
    linux.call("unshare", linux.CLONE_NEWUSER)
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"0 {uid} 1")
    _write("/proc/self/gid_map", f"0 {gid} 1")


def may_mount() -> bool:
    """True for the root of a machine, false for the root of most containers."""
    with open("/proc/self/status") as file:
        effective = next(int(line.split()[1], 16) for line in file if line.startswith("CapEff"))
    return bool(effective >> 21 & 1)  # CAP_SYS_ADMIN


def build(packages: list[str], binds: list[tuple[str, str]], language: str | None = None) -> Namespaces:
    """Makes M0 and M1 and leaves this process at the root of M1. `packages`: what is importable from /var/runtime. `language`: the place of the
    Python that runs the functions, where that is not this one."""
    linux.call("unshare", linux.CLONE_NEWNS)
    linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
    host_fd = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    root = _BUILDING_SITE
    linux.mount("sandbox", root, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=755,size=32m")
    for name in _EMPTY_DIRECTORIES:
        os.makedirs(f"{root}/{name}", exist_ok=True)
    _system(root)
    _interpreter(root, sys.base_prefix, LANGUAGE_PREFIX if language is None else ZYGOTE_PREFIX)
    if language is not None:
        _interpreter(root, language, LANGUAGE_PREFIX)
    _etc(f"{root}/etc")
    for package in packages:
        _bind(package, f"{root}/var/runtime/{os.path.basename(package)}")
    here = os.path.dirname(os.path.abspath(__file__))
    for name, source in (_OF_THE_RUNTIME if language is None else _OF_AN_OLD_RUNTIME).items():
        shutil.copyfile(f"{here}/{source}", f"{root}/var/runtime/{name}")
        os.chmod(f"{root}/var/runtime/{name}", 0o644)
    for source, target in binds:
        _bind(source, root + target)
    # Where Node.js looks for the packages that ES modules import, which it does not do along NODE_PATH.
    os.symlink("/opt/nodejs/node_modules", f"{root}/var/node_modules")
    os.symlink("/var/runtime/node_modules", f"{root}/node_modules")
    shutil.copytree(os.path.dirname(os.path.abspath(__file__)), f"{root}/var/runtime/_groundcloud")  # compiled files too
    for directory, _, files in os.walk(f"{root}/var/runtime/_groundcloud"):
        os.chmod(directory, 0o755)
        for file in files:
            os.chmod(f"{directory}/{file}", 0o644)
    for name in _DEVICES:
        _write(f"{root}/dev/{name}", "")
    for name, target in _LINKS.items():
        os.symlink(target, f"{root}/dev/{name}")
    linux.set_mount_attributes(linux.AT_FDCWD, root, linux.MOUNT_ATTR_RDONLY | linux.MOUNT_ATTR_NOSUID)
    for name in _DEVICES:
        linux.mount(f"/dev/{name}", f"{root}/dev/{name}", None, linux.MS_BIND)
    # The kernel lets a sandbox mount a proc of its own only where a whole one is already visible; the new one covers it.
    linux.mount("/proc", f"{root}/proc", None, linux.MS_BIND | linux.MS_REC)

    linux.call("unshare", linux.CLONE_NEWNS)
    sandbox_fd = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    os.chdir(root)
    linux.call("pivot_root", b".", b".")
    linux.unmount(".")
    os.chdir("/")
    os.set_inheritable(host_fd, True)
    os.set_inheritable(sandbox_fd, True)
    return Namespaces(host_fd, sandbox_fd)


def interpreter_path(prefix: str = LANGUAGE_PREFIX) -> str:
    """Where the running interpreter is found inside the new root, `prefix` being where what is there appears."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (name, os.path.basename(sys.executable), "python3"):
        if os.path.exists(f"{sys.base_prefix}/bin/{candidate}"):
            return f"{prefix}/bin/{candidate}"
    raise FileNotFoundError(f"no interpreter in {sys.base_prefix}/bin")


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def _bind(source: str, target: str) -> None:
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        with open(target, "w"):
            pass
    linux.mount(source, target, None, linux.MS_BIND | linux.MS_REC)


def _system(root: str) -> None:
    for name in _SYSTEM_DIRECTORIES:
        host = f"/{name}"
        if os.path.islink(host):
            os.symlink(os.readlink(host), f"{root}/{name}")
        elif os.path.isdir(host):
            _bind(host, f"{root}/{name}")
    for store in _STORE_DIRECTORIES:
        if os.path.isdir(store):
            _bind(store, root + store)
    # On Amazon Linux sh is bash, and what was written there for sh uses it so (`set -o pipefail`, `source`).
    shell = os.path.realpath("/bin/sh")
    if os.path.basename(shell) == "dash" and os.path.exists("/bin/bash"):
        linux.mount(os.path.realpath("/bin/bash"), root + shell, None, linux.MS_BIND)


def _interpreter(root: str, place: str, target: str) -> None:
    _bind(place, root + target)
    # Shared libraries and build-time settings may name the original place.
    if not place.startswith("/usr"):
        original = root + place
        if not os.path.lexists(original):
            os.makedirs(os.path.dirname(original), exist_ok=True)
            os.symlink(target, original)


def _etc(etc: str) -> None:
    os.makedirs(etc, exist_ok=True)
    for name in _ETC_DIRECTORIES:
        if os.path.isdir(f"/etc/{name}"):
            _bind(f"/etc/{name}", f"{etc}/{name}")
    for name in _ETC_FILES:
        try:
            shutil.copyfile(f"/etc/{name}", f"{etc}/{name}")
            os.chmod(f"{etc}/{name}", 0o644)
        except OSError:
            continue
    passwd = f"root:x:0:0:root:/root:/sbin/nologin\n{SANDBOX_USER}:x:{SANDBOX_UID}:{SANDBOX_GID}::/home/{SANDBOX_USER}:/sbin/nologin\n"
    _write(f"{etc}/passwd", passwd)
    _write(f"{etc}/group", f"root:x:0:\n{SANDBOX_USER}:x:{SANDBOX_GID}:\n")
    hosts = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"
    try:
        with open("/etc/hosts") as file:
            hosts = file.read()
    except OSError:
        pass
    _write(f"{etc}/hosts", hosts.rstrip("\n") + "\n127.0.0.1 sandbox sandbox.localdomain\n")
