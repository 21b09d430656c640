"""How long and how dear a function is at several memory sizes, by its own REPORT lines.

    python tune.py FUNCTION_NAME EVENT.json [--sizes 128,256,512,1024,1769] [--times 5]

The function is as it was afterwards. A price is AWS's in us-east-1 for x86_64, without the price of requests.
"""

from __future__ import annotations

import argparse
import base64
import re
import statistics
from pathlib import Path

import boto3

USD_PER_GB_S = 0.0000166667
REPORT = re.compile(rb"^REPORT .*?Billed Duration: (\d+) ms\s+Memory Size: (\d+) MB\s+Max Memory Used: (\d+) MB", re.MULTILINE)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures a function at several memory sizes.")
    parser.add_argument("function_name")
    parser.add_argument("event", type=Path)
    parser.add_argument("--sizes", default="128,256,512,1024,1769")
    parser.add_argument("--times", type=int, default=5)
    arguments = parser.parse_args()
    lambda_ = boto3.client("lambda")
    name, event = arguments.function_name, arguments.event.read_bytes()
    before = lambda_.get_function_configuration(FunctionName=name)["MemorySize"]
    print(f"{'MB':>6} {'ms':>7} {'USD a million':>14}")
    try:
        for size_mb in map(int, arguments.sizes.split(",")):
            lambda_.update_function_configuration(FunctionName=name, MemorySize=size_mb)
            lambda_.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
            billed_ms = statistics.median(measure(lambda_, name, event, size_mb) for _ in range(arguments.times))
            print(f"{size_mb:>6} {billed_ms:>7.0f} {billed_ms / 1000 * size_mb / 1024 * USD_PER_GB_S * 1e6:>14.2f}")
    finally:
        lambda_.update_function_configuration(FunctionName=name, MemorySize=before)


def measure(lambda_, name: str, event: bytes, size_mb: int) -> int:
    """Billed milliseconds of one invocation. Raises SystemExit where the function fails."""
    answer = lambda_.invoke(FunctionName=name, Payload=event, LogType="Tail")
    if "FunctionError" in answer:
        raise SystemExit(answer["Payload"].read().decode())
    report = REPORT.search(base64.b64decode(answer["LogResult"]))
    assert report is not None and int(report[2]) == size_mb
    return int(report[1])


if __name__ == "__main__":
    main()
