"""Start-up to first answer and idle memory of `ground up`, beside starting a bare interpreter and one that imports boto3.

python -m bench.start [--runs 7]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from groundcloud.testing import Process


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    bare = statistics.median(seconds([sys.executable, "-c", "pass"]) for _ in range(runs))
    boto3 = statistics.median(seconds([sys.executable, "-c", "import boto3"]) for _ in range(runs))
    first, again, memory = [], [], []
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        for number in range(runs):
            began = time.perf_counter()
            server = Process(Path(folder) / f"g{number}")
            server.admin("GET", "/_ground/health")
            first.append(time.perf_counter() - began)
            memory.append(psutil.Process(server.pid).memory_info().rss / 1e6)
            server.kill()
            began = time.perf_counter()
            server.start()
            server.admin("GET", "/_ground/health")
            again.append(time.perf_counter() - began)
            server.close()
    print(f"{'':<44} {'s':>7} {'ratio':>7}")
    for name, value in (
        ("a bare interpreter", bare),
        ("an interpreter that imports boto3", boto3),
        ("ground up to first answer, empty directory", statistics.median(first)),
        ("ground up to first answer, after a kill", statistics.median(again)),
    ):
        print(f"{name:<44} {value:>7.3f} {value / bare:>7.1f}")
    print(f"idle memory: {statistics.median(memory):.0f} MB")


def seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
