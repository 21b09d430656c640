#!/usr/bin/env python3
"""Uploads the terms of the products, data/terms/*.md, to the bucket of a deployed stack.

    python seed.py                                     the stack credit-offers, wherever AWS_ENDPOINT_URL points
    python seed.py my-stack --endpoint http://localhost:4566
    echo '{"TermsBucket": "..."}' | python seed.py -   the stack's outputs on standard input

Running it again replaces them.
"""

import argparse
import json
import sys
from pathlib import Path

import boto3

TERMS = Path(__file__).parent / "data" / "terms"


def arguments_of(description: str | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stack", nargs="?", default="credit-offers", help="the stack's name; - for its outputs as JSON on standard input")
    parser.add_argument("--endpoint", help="instead of AWS_ENDPOINT_URL; neither means AWS")
    return parser.parse_args()


def outputs_of(stack: str, endpoint: str | None) -> dict[str, str]:
    """The outputs of the stack by key; both forms, CloudFormation's list and a plain object, are read from standard input."""
    if stack == "-":
        outputs = json.load(sys.stdin)
    else:
        outputs = boto3.client("cloudformation", endpoint_url=endpoint).describe_stacks(StackName=stack)["Stacks"][0].get("Outputs", [])
    return outputs if isinstance(outputs, dict) else {output["OutputKey"]: output["OutputValue"] for output in outputs}


def main() -> None:
    arguments = arguments_of(__doc__)
    bucket_name = outputs_of(arguments.stack, arguments.endpoint)["TermsBucket"]
    s3 = boto3.client("s3", endpoint_url=arguments.endpoint)
    for path in sorted(TERMS.glob("*.md")):
        s3.put_object(Bucket=bucket_name, Key=f"terms/{path.name}", Body=path.read_bytes(), ContentType="text/markdown; charset=utf-8")
        print(f"s3://{bucket_name}/terms/{path.name}")


if __name__ == "__main__":
    main()
