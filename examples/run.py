"""What `make run` does: a server, the credit-offers application deployed to it, its third party beside it, and a walk through its APIs.

    python examples/run.py [--once] [--port 4566] [--memory]

Stays up until Ctrl-C; with --once it ends after the walk, with the walk's exit status.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
APPLICATION = HERE / "credit-offers"
STACK = "credit-offers"
SCORING_PORT = 8900
LOG_LINES = 24
GROUND = [sys.executable, "-m", "groundcloud"]


def main() -> int:
    arguments = _arguments()
    port = arguments.port or _free_port(4566)
    endpoint = f"http://localhost:{port}"
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": endpoint,
        "GROUND_ENDPOINT": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    environment.pop("AWS_SESSION_TOKEN", None)
    environment.pop("AWS_PROFILE", None)
    started: list[subprocess.Popen[Any]] = []
    try:
        _title("A server")
        storage = ["--memory"] if arguments.memory else ["--data", str(arguments.data)]
        started.append(subprocess.Popen([*GROUND, "up", "--port", str(port), *storage], env=environment, start_new_session=True))
        _await_url(f"{endpoint}/_ground/health", started[-1], "The server did not start; its message is above.")

        scoring_port = _free_port(SCORING_PORT)
        _title(f"The third party that scores applicants, on port {scoring_port}")
        scoring = [sys.executable, str(APPLICATION / "scoring" / "server.py"), "--port", str(scoring_port)]
        started.append(
            subprocess.Popen(scoring, env=environment, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        )
        scoring_url = f"http://127.0.0.1:{scoring_port}"
        _await_url(f"{scoring_url}/health", started[-1], "The scoring server did not start.")

        _title(f"ground deploy {os.path.relpath(APPLICATION)}")
        deploy = [*GROUND, "deploy", str(APPLICATION), "--stack", STACK, "--parameter", f"ScoringUrl={scoring_url}"]
        if subprocess.run(deploy, env=environment).returncode:
            return 1
        outputs = subprocess.run([*deploy, "--json"], env=environment, capture_output=True, text=True, check=True).stdout
        outputs = json.loads(outputs)["outputs"]

        _title("Product terms into the bucket, then a walk through the APIs")
        seeded = subprocess.run([sys.executable, "seed.py", STACK], env=environment, cwd=APPLICATION)
        walked = subprocess.run([sys.executable, "smoke.py", STACK], env=environment, cwd=APPLICATION) if seeded.returncode == 0 else seeded

        _title("What the functions logged")
        _show_logs(environment)
        _farewell(outputs, endpoint, walked.returncode)
        if arguments.once:
            return walked.returncode
        while all(process.poll() is None for process in started):
            time.sleep(0.5)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C does not leave the servers behind
        for process in reversed(started):
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        for process in reversed(started):
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Deploys the example application to a server of its own and calls it.")
    parser.add_argument("--once", action="store_true", help="end after the call, with its exit status")
    parser.add_argument("--port", type=int, help="default: 4566, or another where that is taken")
    parser.add_argument("--memory", action="store_true", help="keep nothing")
    parser.add_argument("--data", type=Path, default=HERE.parent / ".ground", help="where state rests")
    return parser.parse_args()


def _title(text: str) -> None:
    print(f"\n\033[1m── {text}\033[0m" if sys.stdout.isatty() else f"\n== {text}", flush=True)


def _free_port(wished: int) -> int:
    for port in (wished, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                print(f"Port {port} is taken; using another.")
                continue
            return int(probe.getsockname()[1])
    raise SystemExit("No free port.")


def _await_url(url: str, process: subprocess.Popen[Any], failure: str) -> None:
    give_up = time.monotonic() + 20
    while time.monotonic() < give_up:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.02)
    raise SystemExit(failure)


def _show_logs(environment: dict[str, str]) -> None:
    """The functions' own lines of the walk, the latest LOG_LINES of them."""
    lines = []
    done = subprocess.run([*GROUND, "logs", "--stack", STACK, "--since", "2m", "--json"], env=environment, capture_output=True, text=True)
    for line in done.stdout.splitlines():
        entry = json.loads(line)
        function = entry["group"].rpartition("/")[2].removeprefix(f"{STACK}-").partition("-")[0]
        if not entry["message"].startswith(("START ", "END ", "INIT_START ")):
            lines.append(f"  {function:<18} {entry['message']}")
    for text in lines[-LOG_LINES:]:
        print(text if len(text) <= 200 else text[:199] + "…")
    if len(lines) > LOG_LINES:
        print(f"  ({len(lines) - LOG_LINES} lines before these)")


def _farewell(outputs: dict[str, str], endpoint: str, status: int) -> None:
    _title("It works" if status == 0 else "Something above is not as it should be")
    width = max(map(len, outputs), default=0)
    for name, value in sorted(outputs.items()):
        print(f"  {name:<{width}}  {value}")
    web = next((value for name, value in outputs.items() if name == "WebUrl"), "")
    print("\nHow to go on, in another terminal:")
    ground = os.path.relpath(Path(sys.executable).parent / "ground")
    print(f'  eval "$({ground} env --endpoint {endpoint})"')
    if web:
        print(f"  curl {web.rstrip('/')}/products")
    print(f"  {ground} logs -t Prequalify --stack {STACK}")
    print(f"  {ground} deploy examples/credit-offers --stack {STACK} --watch      # then edit a file in examples/credit-offers/src")
    print("\nCtrl-C stops the server; its state stays and is there at the next start." if status == 0 else "", flush=True)


if __name__ == "__main__":
    sys.exit(main())
