"""The AWS CLI and the SAM CLI, unmodified, with only an endpoint, a key and a region set."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

TEMPLATE = """
Parameters: {Delay: {Type: Number, Default: 0}}
Resources: {Q: {Type: AWS::SQS::Queue, Properties: {DelaySeconds: !Ref Delay}}}
Outputs: {Url: {Value: !Ref Q}}
"""
SAM = str(Path(sys.executable).with_name("sam"))

pytestmark = pytest.mark.slow


class Shell:
    """A directory with a template, and commands run in it against the server."""

    def __init__(self, directory: Path, endpoint: str, account: str) -> None:
        self.directory = directory
        self.environment = {
            **os.environ,
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": account,
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "SAM_CLI_TELEMETRY": "0",
            "SAM_CLI_POLL_DELAY": "0.2",
        }

    def run(self, *command: str) -> tuple[int, str]:
        done = subprocess.run(command, cwd=self.directory, env=self.environment, capture_output=True, text=True, timeout=90, check=False)
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def shell(tmp_path: Path, ground: Any, account: str) -> Shell:
    (tmp_path / "t.yaml").write_text(TEMPLATE)
    return Shell(tmp_path, ground.endpoint, account)


@pytest.mark.skipif(shutil.which("aws") is None, reason="needs the AWS CLI")
def test_aws_cloudformation_deploy(shell: Shell, cloud: Any) -> None:
    deploy = ("aws", "cloudformation", "deploy", "--template-file", "t.yaml", "--stack-name", "cli")
    status, text = shell.run(*deploy)
    assert status == 0 and "Successfully created/updated stack - cli" in text
    assert shell.run(*deploy, "--parameter-overrides", "Delay=4")[0] == 0
    status, text = shell.run(*deploy, "--no-fail-on-empty-changeset")
    assert status == 0 and "No changes to deploy. Stack cli is up to date" in text
    assert shell.run(*deploy, "--parameter-overrides", "Delay=99999")[0] == 255
    assert cloud.status("cli") == "UPDATE_ROLLBACK_COMPLETE"
    status, text = shell.run(
        "aws", "cloudformation", "describe-stacks", "--stack-name", "cli", "--query", "Stacks[0].Outputs[0].OutputValue"
    )
    assert status == 0 and "cli-Q-" in text


@pytest.mark.skipif(not Path(SAM).exists(), reason="needs the SAM CLI")
def test_sam_deploy_and_delete(shell: Shell, cloud: Any) -> None:
    deploy = (SAM, "deploy", "--template-file", "t.yaml", "--stack-name", "sam", "--region", "us-east-1")
    status, text = shell.run(*deploy)
    assert status == 0 and "Successfully created/updated stack - sam in us-east-1" in text
    status, text = shell.run(*deploy)
    assert status == 1 and "No changes to deploy. Stack sam is up to date" in text
    assert shell.run(*deploy, "--parameter-overrides", "Delay=3")[0] == 0
    status, text = shell.run(*deploy, "--parameter-overrides", "Delay=99999")
    assert status == 1 and "UPDATE_ROLLBACK_COMPLETE" in text
    status, text = shell.run(SAM, "list", "stack-outputs", "--stack-name", "sam", "--region", "us-east-1")
    assert status == 0 and "Url" in text
    assert shell.run(SAM, "delete", "--stack-name", "sam", "--no-prompts", "--region", "us-east-1")[0] == 0
    assert cloud.client.list_stacks(StackStatusFilter=["CREATE_COMPLETE", "UPDATE_COMPLETE"])["StackSummaries"] == []


APPLICATION = """
AWSTemplateFormatVersion: '2010-09-09'
Transform: AWS::Serverless-2016-10-31
Parameters: {Greeting: {Type: String, Default: hello}}
Globals: {Function: {Runtime: python3.12, Handler: app.handler, Timeout: 5, MemorySize: 128}}
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: src/
      Environment: {Variables: {GREETING: !Ref Greeting, TABLE: !Ref Table}}
      Policies: [{DynamoDBCrudPolicy: {TableName: !Ref Table}}]
      Events: {Get: {Type: HttpApi, Properties: {Path: /hello, Method: get}}}
  Table: {Type: AWS::Serverless::SimpleTable}
Outputs:
  Url: {Value: !Sub 'https://${ServerlessHttpApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}/hello'}
  Api: {Value: !Ref ServerlessHttpApi}
  Function: {Value: !Ref Hello}
"""
HANDLER = """
import os
import boto3

def handler(event, context):
    boto3.client("dynamodb").put_item(TableName=os.environ["TABLE"], Item={"id": {"S": "1"}})
    return {"statusCode": 200, "body": os.environ["GREETING"] + " VERSION"}
"""


@pytest.fixture
def application(shell: Shell) -> Shell:
    (shell.directory / "template.yaml").write_text(APPLICATION)
    (shell.directory / "src").mkdir()
    (shell.directory / "src" / "app.py").write_text(HANDLER)
    return shell


def get(ground: Any, api: str) -> str:
    with urllib.request.urlopen(f"{ground.endpoint}/_aws/execute-api/{api}/$default/hello", timeout=20) as answer:
        return str(answer.read().decode())


@pytest.mark.skipif(not Path(SAM).exists(), reason="needs the SAM CLI")
def test_sam_build_and_deploy_of_an_application(application: Shell, cloud: Any, ground: Any) -> None:
    status, text = application.run(SAM, "build")
    assert status == 0, text
    deploy = (SAM, "deploy", "--stack-name", "app", "--resolve-s3", "--capabilities", "CAPABILITY_IAM", "--region", "us-east-1")
    status, text = application.run(*deploy)
    assert status == 0 and "Successfully created/updated stack - app in us-east-1" in text, text
    assert get(ground, cloud.outputs("app")["Api"]) == "hello VERSION"
    (application.directory / "src" / "app.py").write_text(HANDLER.replace("VERSION", "two"))
    assert application.run(SAM, "build")[0] == 0
    status, text = application.run(*deploy)
    assert status == 0, text
    assert get(ground, cloud.outputs("app")["Api"]) == "hello two"
    assert application.run(SAM, "delete", "--stack-name", "app", "--no-prompts", "--region", "us-east-1")[0] == 0


@pytest.mark.skipif(shutil.which("aws") is None, reason="needs the AWS CLI")
def test_aws_package_and_deploy_of_an_application(application: Shell, cloud: Any, ground: Any, account: str) -> None:
    bucket = f"packages-{account}"
    assert application.run("aws", "s3", "mb", f"s3://{bucket}")[0] == 0
    package = (
        "aws",
        "cloudformation",
        "package",
        "--template-file",
        "template.yaml",
        "--s3-bucket",
        bucket,
        "--output-template-file",
        "out.yaml",
    )
    status, text = application.run(*package)
    assert status == 0, text
    deploy = (
        "aws",
        "cloudformation",
        "deploy",
        "--template-file",
        "out.yaml",
        "--stack-name",
        "packed",
        "--capabilities",
        "CAPABILITY_IAM",
    )
    status, text = application.run(*deploy, "--s3-bucket", bucket, "--parameter-overrides", "Greeting=hi")
    assert status == 0, text + str(cloud.events("packed"))
    assert get(ground, cloud.outputs("packed")["Api"]) == "hi VERSION"
