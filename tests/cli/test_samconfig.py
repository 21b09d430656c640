"""SAM's configuration file: what is read of it, and what `ground deploy` makes of that."""

import json

import click
import pytest
from tests.cli.test_deploy import project, run  # noqa: F401  (project is a fixture)

from groundcloud.cli import samconfig

TEMPLATE = """
Parameters: {Stage: {Type: String, Default: dev}, Title: {Type: String, Default: none}}
Resources:
  Queue: {Type: AWS::SQS::Queue}
Outputs:
  Stage: {Value: !Ref Stage}
  Title: {Value: !Ref Title}
  Region: {Value: !Ref AWS::Region}
"""
CONFIG = """version = 0.1
[default]
[default.global.parameters]
stack_name = "orders"
region = "eu-west-1"
[default.deploy.parameters]
parameter_overrides = "Stage=\\"staging\\" Title=\\"a b\\" Gone=1"
tags = "team=\\"the shop\\" cost=7"
capabilities = "CAPABILITY_IAM"
confirm_changeset = true
resolve_s3 = true
s3_prefix = "orders"
[prod.deploy.parameters]
stack_name = "orders-prod"
parameter_overrides = ["Stage=prod", "ParameterKey=Title,ParameterValue=c"]
"""


@pytest.fixture
def configured(project, tmp_path):  # noqa: F811
    project()
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    (tmp_path / "samconfig.toml").write_text(CONFIG)
    return tmp_path


def outcome(*arguments):
    result = run("deploy", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_file_beside_the_template_says_what_is_not_given(configured, client):
    result = run("deploy", configured)
    assert result.exit_code == 0, result.output
    assert "samconfig.toml [default]: stack orders in eu-west-1" in result.output
    (stack,) = client("cloudformation", region="eu-west-1").describe_stacks()["Stacks"]
    assert {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]} == {
        "Stage": "staging",
        "Title": "a b",
        "Region": "eu-west-1",
    }
    assert sorted((tag["Key"], tag["Value"]) for tag in stack["Tags"]) == [("cost", "7"), ("team", "the shop")]


def test_options_go_before_the_file(configured):
    found = outcome(configured, "-s", "mine", "--region", "us-west-2", "-p", "Stage=own")
    assert found["stack"] == "mine" and found["config"] == "samconfig.toml [default]"
    assert found["outputs"] == {"Stage": "own", "Title": "a b", "Region": "us-west-2"}


def test_another_environment_and_another_file(configured):
    found = outcome(configured, "--config-env", "prod")
    assert (found["stack"], found["config"]) == ("orders-prod", "samconfig.toml [prod]")
    assert found["outputs"] == {"Stage": "prod", "Title": "c", "Region": "us-east-1"}
    (configured / "conf").mkdir()
    text = "version: 0.1\nshort: {deploy: {parameters: {stack_name: by-yaml, parameter_overrides: {Stage: 3, Title: [x, y]}}}}\n"
    (configured / "conf" / "two.yaml").write_text(text)
    found = outcome(configured, "--config-file", "conf/two.yaml", "--config-env", "short")
    assert (found["stack"], found["outputs"]["Stage"], found["outputs"]["Title"]) == ("by-yaml", "3", "x,y")
    lacking = run("deploy", configured, "--config-env", "nowhere")
    assert lacking.exit_code == 1 and "has an environment 'nowhere'" in lacking.output
    assert outcome(configured, "--config-env", "nowhere", "-s", "named")["config"] == ""
    absent = run("deploy", configured, "--config-file", "none.toml")
    assert absent.exit_code == 1 and "none.toml does not exist" in absent.output


def test_capabilities_of_the_file_are_all_that_are_given(configured):
    role = "  Role: {Type: AWS::IAM::Role, Properties: {RoleName: named-one, AssumeRolePolicyDocument: {Version: '2012-10-17', Statement: []}}}\n"
    template = configured / "template.yaml"
    template.write_text(TEMPLATE.replace("Outputs:", role + "Outputs:"))
    refused = run("deploy", template)
    assert refused.exit_code == 1 and "Requires capabilities : [CAPABILITY_NAMED_IAM]" in refused.output


def test_the_template_and_the_role_are_the_files_own(configured, client):
    (configured / "infra").mkdir()
    (configured / "template.yaml").rename(configured / "infra" / "main.yaml")
    arn = client("iam").create_role(
        RoleName="carrier",
        AssumeRolePolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Principal": {"Service": "cloudformation.amazonaws.com"}, "Action": "sts:AssumeRole"}],
            }
        ),
    )["Role"]["Arn"]
    section = f'version = 0.1\n[default.deploy.parameters]\nstack_name = "carried"\ntemplate = "infra/main.yaml"\nrole_arn = "{arn}"\n'
    (configured / "samconfig.toml").write_text(section + "disable_rollback = true\n")
    refused = run("deploy", configured)
    assert refused.exit_code == 1 and "sqs:createqueue" in refused.output.lower()  # the role may do nothing
    (stack,) = client("cloudformation").describe_stacks(StackName="carried")["Stacks"]
    assert (stack["StackStatus"], stack["RoleARN"]) == ("CREATE_FAILED", arn)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('version = 0.1\n[default.deploy.parameters]\nstack_name "orders"\n', "line 3"),
        ("[default.deploy.parameters]\nstack_name = 'orders'\n", "'version' key is not present"),
        ("version = '0.1'\n", "'version' key is not present"),
        ("version = 0.1\ndefault = 5\n", "default is no table"),
        ("version = 0.1\n[default.deploy]\nparameters = 'x'\n", "deploy.parameters is no table"),
        ("version = 0.1\n[default.deploy.parameters]\nparameter_overrides = 'A=1 b'\n", "parameter_overrides: 'b' is not like NAME=VALUE"),
        ("version = 0.1\n[default.deploy.parameters]\ntags = [4]\n", "tags: 4 is not like NAME=VALUE"),
    ],
)
def test_a_broken_file_is_an_error(tmp_path, text, said):
    (tmp_path / "samconfig.toml").write_text(text)
    with pytest.raises(click.ClickException) as raised:
        samconfig.read(tmp_path, None, None)
    assert str(tmp_path / "samconfig.toml") in raised.value.message and said in raised.value.message


def test_a_broken_yaml_file_is_an_error_with_its_line(tmp_path):
    (tmp_path / "samconfig.yaml").write_text("version: 0.1\ndefault: [\n")
    with pytest.raises(click.ClickException, match="line 3"):
        samconfig.read(tmp_path, None, None)


def test_files_of_parameters_are_read_and_do_not_name_each_other_for_ever(tmp_path):
    (tmp_path / "samconfig.toml").write_text("version = 0.1\n[default.deploy.parameters]\nparameter_overrides = 'file://of/dev.yaml'\n")
    (tmp_path / "of").mkdir()
    (tmp_path / "of" / "dev.yaml").write_text("$include: file://base.toml\nB: true\nC:\n")
    (tmp_path / "of" / "base.toml").write_text("A = 1\nB = 2\n")
    assert samconfig.read(tmp_path, None, None).parameters == {"A": "1", "B": "True", "C": ""}
    (tmp_path / "of" / "base.toml").write_text("'$include' = 'file://dev.yaml'\n")
    with pytest.raises(click.ClickException, match="nested more than 10 deep"):
        samconfig.read(tmp_path, None, None)


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("", {}),
        ("A=1", {"A": "1"}),
        ('A=1 B="a b"  C=\'d "e\'', {"A": "1", "B": "a b", "C": 'd "e'}),
        ('"A"="x" ParameterKey=B,ParameterValue="y z"', {"A": "x", "B": "y z"}),
        (r"A=a\ b B=\"q\" C=c\d", {"A": "a b", "B": '"q"', "C": r"c\d"}),
        ('A="" B=x=y,z', {"A": "", "B": "x=y,z"}),
        ('A={"k":1}', {"A": '{"k":1}'}),
        ("ParameterKey=a", {"ParameterKey": "a"}),
    ],
)
def test_parameters_in_a_string(tmp_path, text, pairs):
    (tmp_path / "samconfig.toml").write_text(f"version = 0.1\n[default.deploy.parameters]\nparameter_overrides = '''{text}'''\n")
    assert samconfig.read(tmp_path, None, None).parameters == pairs


def test_capabilities_are_a_string_or_a_list(tmp_path):
    for value in (
        '"CAPABILITY_IAM CAPABILITY_NAMED_IAM"',
        '["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"]',
        '"CAPABILITY_IAM,CAPABILITY_NAMED_IAM"',
    ):
        (tmp_path / "samconfig.toml").write_text(f"version = 0.1\n[default.deploy.parameters]\ncapabilities = {value}\n")
        assert samconfig.read(tmp_path, None, None).capabilities == ("CAPABILITY_IAM", "CAPABILITY_NAMED_IAM")
