"""Layers of AWS's own projects, by the ARNs that public templates name."""

import zipfile
from pathlib import Path

import pytest

from groundcloud.cli import node_packages, public_layers, requirements

PYTHON_V3 = "arn:aws:lambda:us-east-1:017000801446:layer:AWSLambdaPowertoolsPythonV3-python313-x86_64:35"
TYPESCRIPT = {"Fn::Sub": "arn:${AWS::Partition}:lambda:${AWS::Region}:094274105915:layer:AWSLambdaPowertoolsTypeScriptV2:20"}
OWN = "arn:aws:lambda:us-east-1:000000000000:layer:tools:1"


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """What pip and npm were asked to install; they leave one package, and one that functions have anyway."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = []

    def install(source, *rest):
        files = [(Path(source) / name) for name in (requirements.REQUIREMENTS, node_packages.MANIFEST)]
        found.append((next(file.read_text() for file in files if file.exists()), rest[0] if len(rest) == 2 else "node"))
        place = tmp_path / f"installed-{len(found)}"
        root = place if len(rest) == 2 else place / node_packages.MODULES
        for name in ("powertools/main", "botocore/session", "boto3-1.0.dist-info/METADATA", "@aws-sdk/client/index.js"):
            (root / name).parent.mkdir(parents=True)
            (root / name).write_text("code")
        (root / ".complete").touch()
        return place

    monkeypatch.setattr(requirements, "installed", install)
    monkeypatch.setattr(node_packages, "installed", install)
    return found


def function(layers, runtime=None):
    properties = {"Layers": layers} | ({"Runtime": runtime} if runtime else {})
    return {"Type": "AWS::Serverless::Function", "Properties": properties}


def test_the_publishers_packages_become_a_layer_of_the_template(asked):
    said = []
    document = {"Resources": {"A": function([PYTHON_V3, OWN], "python3.13"), "B": function([PYTHON_V3], "python3.13")}}
    public_layers.substitute(document, said.append)
    logical_id = "AWSLambdaPowertoolsPythonV3python313"
    assert document["Resources"]["A"]["Properties"]["Layers"] == [{"Ref": logical_id}, OWN]
    assert document["Resources"]["B"]["Properties"]["Layers"] == [{"Ref": logical_id}]
    made = document["Resources"][logical_id]
    assert (made["Type"], made["Properties"]["LayerName"]) == ("AWS::Lambda::LayerVersion", "AWSLambdaPowertoolsPythonV3")
    with zipfile.ZipFile(made["Properties"]["Content"]) as archive:
        assert archive.namelist() == ["python/powertools/main"]
    assert asked == [("aws-lambda-powertools[all]<4\n", "python3.13")] and len(said) == 1
    public_layers.substitute({"Resources": {"C": function([PYTHON_V3], "python3.13")}}, said.append)
    assert len(asked) == len(said) == 1


def test_layers_of_all_functions_fit_their_runtime(asked):
    arn = {"Fn::Sub": "arn:aws:lambda:${AWS::Region}:017000801446:layer:AWSLambdaPowertoolsPython:9"}
    document = {"Globals": {"Function": {"Layers": [arn]}}, "Resources": {"A": {**function([], "python3.9")}}}
    public_layers.substitute(document, lambda sentence: None)
    assert document["Globals"]["Function"]["Layers"] == [{"Ref": "AWSLambdaPowertoolsPythonpython39"}]
    assert asked == [("aws-lambda-powertools[all,pydantic]<2\n", "python3.9")]


def test_the_packages_for_typescript_come_from_npm(asked):
    document = {"Resources": {"A": function([TYPESCRIPT], "nodejs22.x")}}
    public_layers.substitute(document, lambda sentence: None)
    made = document["Resources"]["AWSLambdaPowertoolsTypeScriptV2nodejs22x"]
    with zipfile.ZipFile(made["Properties"]["Content"]) as archive:
        assert set(archive.namelist()) == {"nodejs/node_modules/powertools/main"}
    assert '"@aws-lambda-powertools/logger": "2"' in asked[0][0]


@pytest.mark.parametrize(
    "layers",
    [
        [OWN, {"Ref": "Mine"}, {"Fn::Sub": ["${A}:1", {"A": "x"}]}],
        ["arn:aws:lambda:us-east-1:580247275435:layer:LambdaInsightsExtension:14"],
        ["arn:aws:lambda:us-east-1:017000801446:layer:AWSLambdaPowertoolsPythonV9-python313-x86_64:1"],
        {"Fn::If": ["Yes", [PYTHON_V3], []]},
        [],
    ],
)
def test_other_layers_are_left_as_they_are(asked, layers):
    document = {
        "Globals": {"Function": {"Timeout": 3}},
        "Resources": {"A": function(layers), "Q": {"Type": "AWS::SQS::Queue"}, "Odd": None},
    }
    public_layers.substitute(document, asked.append)
    assert document["Resources"]["A"]["Properties"]["Layers"] == layers and len(document["Resources"]) == 3 and not asked
