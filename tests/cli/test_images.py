"""`ground deploy` of functions with a Dockerfile."""

import json

import pytest
from tests.cli.test_deploy import project, run  # noqa: F401  (project is a fixture)
from tests.services.lambda_ import images

BASE = "localhost/groundcloud-test:base"
TEMPLATE = """
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Resources:
  Contained:
    Type: AWS::Serverless::Function
    Properties: {PackageType: Image, Timeout: 10}
    Metadata: {Dockerfile: Dockerfile, DockerContext: ./src, DockerTag: v1}
"""


@pytest.fixture
def engine(tmp_path, monkeypatch):
    made = images.engine(tmp_path, monkeypatch)
    made.compiled(BASE, "base")
    yield made
    names = made.run("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    made.remove(*[name for name in names if "ground-contained" in name])


@pytest.mark.slow
def test_a_function_with_a_dockerfile_is_built_and_deployed(project, engine, client):  # noqa: F811
    template = project()
    template.write_text(TEMPLATE)
    dockerfile = template.with_name("src") / "Dockerfile"
    dockerfile.write_text(f'FROM {BASE}\nCOPY app.py /tmp-of-the-build\nCMD ["one"]\n')
    result = run("deploy", template, "-s", "images")
    assert result.exit_code == 0, result.output
    lambda_ = client("lambda")
    (name,) = [found["FunctionName"] for found in lambda_.list_functions()["Functions"]]

    def argument():
        return json.loads(lambda_.invoke(FunctionName=name, Payload=b"{}")["Payload"].read())["argument"]

    assert argument() == "one"
    first = lambda_.get_function(FunctionName=name)["Code"]["ImageUri"]
    assert first.startswith("ground-contained:v1-")
    dockerfile.write_text(f'FROM {BASE}\nCOPY app.py /tmp-of-the-build\nCMD ["two"]\n')
    assert run("deploy", template, "-s", "images").exit_code == 0
    assert argument() == "two"
    assert lambda_.get_function(FunctionName=name)["Code"]["ImageUri"] != first


@pytest.mark.slow
def test_a_dockerfile_that_is_not_there_or_does_not_build_is_named(project, engine):  # noqa: F811
    template = project()
    template.write_text(TEMPLATE)
    result = run("deploy", template, "-s", "images")
    assert result.exit_code == 1 and "Contained: there is no Dockerfile at " in result.output
    (template.with_name("src") / "Dockerfile").write_text(f"FROM {BASE}\nCOPY absent.py /\n")
    result = run("deploy", template, "-s", "images")
    assert result.exit_code == 1 and "cannot build" in result.output and "absent.py" in result.output
