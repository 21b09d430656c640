"""`ground deploy` as a person reads it."""

import json

import pytest
from click.testing import CliRunner

from groundcloud.cli.main import main

TEMPLATE = """
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Resources:
  Old:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: src, Handler: app.handler, Runtime: RUNTIME}
"""


@pytest.fixture
def project(tmp_path, ground, account, monkeypatch):
    """`project(runtime, source)` -> its template, on this session's server in an account of the test's own."""
    monkeypatch.setenv("GROUND_ENDPOINT", ground.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", account)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    for name in ("AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)

    def make(runtime="python3.11", source="def handler(event, context):\n    return event\n"):
        (tmp_path / "src").mkdir(exist_ok=True)
        (tmp_path / "src" / "app.py").write_text(source)
        (tmp_path / "template.yaml").write_text(TEMPLATE.replace("RUNTIME", runtime))
        return tmp_path / "template.yaml"

    return make


def run(*arguments):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.mark.slow
def test_a_runtime_that_is_not_present_is_a_warning_of_the_deployment(project):
    template = project("python2.7")
    result = run("deploy", template, "-s", "old")
    assert result.exit_code == 0, result.output
    assert "warning Old: python2.7 is not installed; the function runs on Python 3." in result.output
    project("python2.7", "def handler(event, context):\n    return 2\n")
    outcome = json.loads(run("deploy", template, "-s", "old", "--json").stdout)
    assert "python2.7" in outcome["warnings"]["Old"]
    project("python3.11")
    assert "warning" not in run("deploy", template, "-s", "old").output
