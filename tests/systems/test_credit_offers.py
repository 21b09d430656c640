"""A16, the credit offers: the example deployed, seeded and walked through by its own scripts, before and after a kill; and a canary that an alarm takes back,
with the script as its pipeline (CodeDeploy and CodePipeline come later)."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.systems.stacks import EXAMPLES, Stack, environment

pytestmark = pytest.mark.slow

OFFERS = EXAMPLES / "credit-offers"

CANARY = """
Transform: AWS::Serverless-2016-10-31
Parameters: {Release: {Type: String}}
Resources:
  Api: {Type: AWS::Serverless::HttpApi}
  Offers:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: offers.handler
      CodeUri: src
      AutoPublishAlias: live
      Environment: {Variables: {RELEASE: !Ref Release}}
      Events: {Get: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: GET, Path: /offers}}}
  Errors:
    Type: AWS::CloudWatch::Alarm
    Properties:
      Namespace: AWS/ApiGateway
      MetricName: 5xx
      Dimensions: [{Name: ApiId, Value: !Ref Api}]
      Statistic: Sum
      Period: 60
      EvaluationPeriods: 1
      Threshold: 1
      ComparisonOperator: GreaterThanOrEqualToThreshold
      TreatMissingData: notBreaching
Outputs:
  Url: {Value: !GetAtt Api.ApiEndpoint}
"""
CODE = """import os
def handler(event, context):
    if os.environ["RELEASE"] == "broken":
        raise RuntimeError("no offers today")
    return {"statusCode": 200, "body": os.environ["RELEASE"]}
"""


@pytest.fixture
def scoring() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, str(OFFERS / "scoring" / "server.py"), "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url, give_up = f"http://127.0.0.1:{port}", time.monotonic() + 20
    while True:
        try:
            urllib.request.urlopen(f"{url}/health", timeout=2).close()
            break
        except OSError:
            assert time.monotonic() < give_up
            time.sleep(0.02)
    yield url
    server.terminate()
    server.wait()


def script(process: Any, name: str) -> str:
    command = [sys.executable, name, "offers"]
    done = subprocess.run(command, cwd=OFFERS, env=environment(process), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_example_answers_before_and_after_a_kill_and_its_items_expire(process: Any, scoring: str) -> None:
    stack = Stack(process, "offers")
    stack.deploy(OFFERS / "template.yaml", ScoringUrl=scoring)
    script(process, "seed.py")
    script(process, "smoke.py")
    process.restart()
    script(process, "smoke.py")
    process.settle()
    dynamodb = stack.client("dynamodb")
    offers = {"TableName": stack.outputs["OffersTable"], "FilterExpression": "attribute_exists(expires_at)"}
    assert dynamodb.scan(**offers)["Count"] > 0
    process.advance("8d")
    assert dynamodb.scan(**offers)["Count"] == 0, "an offer stands for a week"
    assert dynamodb.scan(TableName=stack.outputs["OffersTable"])["Count"] > 0, "an application stays"
    alarms = stack.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert {alarm["StateValue"] for alarm in alarms} == {"OK"}
    history = stack.client("cloudwatch").describe_alarm_history(HistoryItemType="StateUpdate")["AlarmHistoryItems"]
    assert any("to ALARM" in item["HistorySummary"] for item in history), "a scoring service that was down is a 5xx"


def test_an_alarm_takes_a_canary_back(process: Any, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "offers.py").write_text(CODE)
    (tmp_path / "template.yaml").write_text(CANARY)
    stack = Stack(process, "canary")
    stack.deploy(tmp_path / "template.yaml", Release="one")
    name, lambda_, cloudwatch = stack.physical_id("Offers"), stack.client("lambda"), stack.client("cloudwatch")
    (alarm,) = cloudwatch.describe_alarms()["MetricAlarms"]

    def seen(times: int) -> Counter[str]:
        answers = [stack.http("GET", "/offers") for _ in range(times)]
        return Counter(body.decode() if status == 200 else str(status) for status, _, body in answers)

    def release(text: str) -> str:
        variables = {"Variables": {**lambda_.get_function_configuration(FunctionName=name)["Environment"]["Variables"], "RELEASE": text}}
        lambda_.update_function_configuration(FunctionName=name, Environment=variables)
        lambda_.get_waiter("function_updated_v2").wait(FunctionName=name)
        return str(lambda_.publish_version(FunctionName=name)["Version"])

    def pipeline(version: str) -> bool:
        """A tenth of the traffic for five minutes, then all of it, unless the alarm goes."""
        stable = lambda_.get_alias(FunctionName=name, Name="live")["FunctionVersion"]
        lambda_.update_alias(FunctionName=name, Name="live", RoutingConfig={"AdditionalVersionWeights": {version: 0.1}})
        for _ in range(5):
            seen(40)
            process.advance("1m")
            if cloudwatch.describe_alarms(AlarmNames=[alarm["AlarmName"]])["MetricAlarms"][0]["StateValue"] == "ALARM":
                lambda_.update_alias(FunctionName=name, Name="live", FunctionVersion=stable, RoutingConfig={})
                return False
        lambda_.update_alias(FunctionName=name, Name="live", FunctionVersion=version, RoutingConfig={})
        return True

    assert seen(20) == {"one": 20}
    assert not pipeline(release("broken"))
    assert seen(20) == {"one": 20}, "the stable version has all of it again"
    process.advance("5m")
    assert pipeline(release("two"))
    assert seen(20) == {"two": 20}
    version = release("three")
    lambda_.update_alias(FunctionName=name, Name="live", RoutingConfig={"AdditionalVersionWeights": {version: 0.3}})
    process.restart()
    shares = seen(200)
    assert set(shares) == {"two", "three"} and 30 <= shares["three"] <= 90
