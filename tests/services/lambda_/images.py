"""Container images for tests, made without a registry: a file system in a tar, imported. Skips where no engine answers."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from groundcloud.runtime.engines import EngineMissing, _described, find

_ASK = r"""
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char buffer[65536];

static char *variable(const char *name) { return getenv(name) ? getenv(name) : ""; }

static char *ask(const char *request, int length) {
    char host[64];
    snprintf(host, sizeof host, "%s", getenv("AWS_LAMBDA_RUNTIME_API"));
    char *colon = strchr(host, ':');
    *colon = 0;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(colon + 1))};
    inet_pton(AF_INET, host, &address.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM, 0), got = 0, n;
    if (connect(fd, (struct sockaddr *)&address, sizeof address)) exit(3);
    if (write(fd, request, length) != length) exit(4);
    while ((n = read(fd, buffer + got, sizeof buffer - 1 - got)) > 0) got += n;
    buffer[got] = 0;
    close(fd);
    if (!got) exit(5);
    return buffer;
}
"""

# The smallest runtime: answers each event with what it was given and what it finds around itself.
BOOTSTRAP = (
    _ASK
    + r"""
int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IONBF, 0);
    printf("begin\n");
    const char *next = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    for (;;) {
        static char id[64], body[20000], result[30000], request[40000];
        char *answer = ask(next, strlen(next));
        char *mark = strstr(answer, "Lambda-Runtime-Aws-Request-Id: ");
        if (mark) sscanf(mark + 31, "%63s", id);
        snprintf(body, sizeof body, "%s", strstr(answer, "\r\n\r\n") + 4);
        printf("event %s\n", body);
        if (strstr(body, "exit")) exit(7);
        if (strstr(body, "sleep")) sleep(600);
        if (strstr(body, "eat")) for (;;) memset(malloc(1 << 20), 1, 1 << 20);
        char kept[16] = "", directory[256] = "";
        FILE *file = fopen("/tmp/kept", "a+");
        if (file) {
            fputc('x', file);
            snprintf(kept, sizeof kept, "%ld", ftell(file));
            fclose(file);
        }
        int size = snprintf(
            result, sizeof result,
            "{\"event\": %s, \"kept\": \"%s\", \"root\": %s, \"directory\": \"%s\", \"argument\": \"%s\", \"variable\": \"%s\", \"handler\": \"%s\", "
            "\"key\": \"%s\", \"user\": %d, \"built\": \"%s\"}",
            body, kept, fopen("/written", "w") ? "true" : "false", getcwd(directory, sizeof directory), argc > 1 ? argv[1] : "",
            variable("OWN"), variable("_HANDLER"), variable("AWS_ACCESS_KEY_ID"), getuid(), BUILT);
        int length = snprintf(
            request, sizeof request,
            "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", id, size, result);
        ask(request, length);
    }
}
"""
)

# The smallest extension: says what it hears, and leaves what it has heard in /tmp.
EXTENSION = (
    _ASK
    + r"""
static char identifier[64];

static char *next(void) {
    static char request[1000];
    int length = snprintf(request, sizeof request,
        "GET /2020-01-01/extension/event/next HTTP/1.1\r\nHost: a\r\nConnection: close\r\nLambda-Extension-Identifier: %s\r\n\r\n", identifier);
    return ask(request, length);
}

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IONBF, 0);
    static char request[1000], directory[256];
    const char *name = strrchr(argv[0], '/') + 1, *body = "{\"events\": [\"INVOKE\", \"SHUTDOWN\"]}";
    if (strcmp(name, "broken") == 0) exit(9);
    int length = snprintf(request, sizeof request,
        "POST /2020-01-01/extension/register HTTP/1.1\r\nHost: a\r\nConnection: close\r\nLambda-Extension-Name: %s\r\nContent-Length: %d\r\n\r\n%s",
        name, (int)strlen(body), body);
    char *answer = ask(request, length);
    sscanf(strstr(answer, "Lambda-Extension-Identifier: ") + 29, "%63s", identifier);
    printf("%s is there, in %s, handler '%s', key %.4s\n", name, getcwd(directory, sizeof directory), variable("_HANDLER"), variable("AWS_ACCESS_KEY_ID"));
    for (;;) {
        answer = next();
        int over = strstr(answer, "SHUTDOWN") != NULL;
        printf("%s hears %s\n", name, over ? "SHUTDOWN" : "INVOKE");
        FILE *file = fopen("/tmp/kept", "a");
        if (file) fputc('e', file), fclose(file);
        if (over) return 0;
        if (strstr(answer, "die")) exit(9);
    }
}
"""
)

HANDLER = """import os, sys, urllib.request
def handler(event, context):
    print("in a container")
    if event.get("ask"):
        return [urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL"] + "/_ground/health").status, os.listdir("/sys/class/net")]
    return {"event": event, "function": context.function_name, "left_ms": context.get_remaining_time_in_millis() > 0, "modules": "boto3" in sys.modules}
"""


class Engine:
    """`name` is the command."""

    def __init__(self, path: str, directory: Path) -> None:
        self.path, self.directory = path, directory
        self._made: list[str] = []

    def run(self, *arguments: str) -> str:
        done = subprocess.run([self.path, *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def program(self, name: str, source: str) -> Path:
        text, program = self.directory / f"{name}.c", self.directory / name
        text.write_text(source)
        done = subprocess.run(["gcc", "-static", "-O1", "-w", f'-DBUILT="{name}"', "-o", program, text], capture_output=True)
        if done.returncode != 0:
            pytest.skip("no compiler that links statically")
        return program

    def archived(self, archive: Path, built: str, *extensions: str) -> Path:
        with tarfile.open(archive, "w") as tar:
            tar.add(self.program(built, BOOTSTRAP), "bootstrap", filter=_readable)
            for name in extensions:
                tar.add(self.program("extension", EXTENSION), f"opt/extensions/{name}", filter=_readable)
        return archive

    def compiled(self, reference: str, built: str, *extensions: str) -> str:
        """An image of BOOTSTRAP alone, or with EXTENSION under those names; its digest as AWS shows it."""
        archive = self.archived(self.directory / f"{built}.tar", built, *extensions)
        return self.imported(archive, reference, 'ENTRYPOINT ["/bootstrap"]', 'CMD ["of-the-image"]', "WORKDIR /tmp")

    def imported(self, archive: Path, reference: str, *changes: str) -> str:
        self.run("import", *(word for change in changes for word in ("-c", change)), str(archive), reference)
        archive.unlink()
        self._made.append(self.run("image", "inspect", "--format", "{{.Id}}", reference))
        described = _described(self.run("image", "inspect", reference).encode())
        assert described is not None
        return described.digest

    def remove(self, *references: str) -> None:
        """Everything that was imported, whatever its name is now, and more."""
        for image in (*references, *self._made):
            for _ in range(5):
                # Removing an image ends its containers, with ten seconds for each; one that is ending by itself is in the way for a moment.
                left = subprocess.run([self.path, "ps", "-aq", "--filter", f"ancestor={image}"], capture_output=True, text=True).stdout
                if left:
                    subprocess.run([self.path, "kill", *left.split()], capture_output=True)
                subprocess.run([self.path, "rmi", "--force", image], capture_output=True)
                if subprocess.run([self.path, "image", "inspect", image], capture_output=True).returncode != 0:
                    break

    def python(self, reference: str, packages: Path) -> str:
        """An image of the interpreter that runs the tests, AWS's runtime interface client and HANDLER."""
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        archive = self.directory / "python.tar"
        program = Path(os.path.realpath(sys.executable))
        (packages / "app.py").write_text(HANDLER)
        with tarfile.open(archive, "w") as tar:
            tar.add(program, "usr/bin/python3")
            library = Path(sys.base_prefix) / "lib" / version
            tar.add(library, str(library).lstrip("/"), filter=_wanted)
            tar.add(packages, "var/task", filter=_readable)
            files = [str(program), *map(str, library.glob("lib-dynload/*.so")), *map(str, packages.rglob("*.so"))]
            for needed in _libraries(files):
                tar.add(os.path.realpath(needed), needed.lstrip("/"))
        changes = ('ENTRYPOINT ["/usr/bin/python3", "-m", "awslambdaric"]', f"ENV PYTHONHOME={sys.base_prefix}", "WORKDIR /var/task")
        return self.imported(archive, reference, *changes)


def _wanted(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    left_out = ("/site-packages", "/test", "/idlelib", "/ensurepip", "/__pycache__", "/tkinter", "/lib2to3", "/config-")
    return None if any(part in entry.name for part in left_out) else entry


def _readable(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """By the user that functions run as."""
    entry.mode |= 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
    return entry


def _libraries(files: Sequence[str]) -> set[str]:
    listed = subprocess.run(["ldd", *files], capture_output=True, text=True).stdout
    return {word for line in listed.splitlines() for word in line.split() if word.startswith("/") and not word.endswith(":")}


def engine(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """One that runs containers here. Where the usual runtime of containers does not, runc may."""
    try:
        found = asyncio.run(find())
    except EngineMissing as missing:
        pytest.skip(f"no container engine: {missing}")
    made = Engine(found.path, directory)
    if found.is_podman and "CONTAINERS_CONF" not in os.environ and not _works(made):
        (directory / "containers.conf").write_text('[engine]\nruntime="runc"\n')
        monkeypatch.setenv("CONTAINERS_CONF", str(directory / "containers.conf"))
    return made


def _works(made: Engine) -> bool:
    """Whether a container gets as far as not finding its program."""
    root = made.directory / "empty"
    root.mkdir()
    limits = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024")
    return (
        subprocess.run(
            [made.path, "run", "--rm", "--network=host", *limits, "--rootfs", str(root), "/absent"], capture_output=True
        ).returncode
        == 127
    )
