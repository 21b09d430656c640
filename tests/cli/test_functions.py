"""`ground invoke` and `ground logs`: a function by any of its names; its lines, wherever it writes them."""

import pytest
from tests.cli.test_deploy import project, run  # noqa: F401  (project is a fixture)
from tests.services.lambda_.conftest import make_function, make_role

from groundcloud.cli.functions import NAMES_SHOWN_MAX, _there_are
from groundcloud.cli.sources import Sources

SOURCE = "def handler(event, context): print('from', context.function_name)"


@pytest.fixture
def functions(project, client, clock):  # noqa: F811
    """Two that share a group of their choice and one with its own; each has run once."""
    lambda_, role_arn = client("lambda"), make_role(client("iam"), "logging")
    names = [make_function(lambda_, role_arn, SOURCE, LoggingConfig={"LogGroup": "/shared"}) for _ in range(2)]
    names.append(make_function(lambda_, role_arn, SOURCE))
    for name in names:
        lambda_.invoke(FunctionName=name)
    clock.settle()
    return names


@pytest.mark.slow
def test_a_function_is_shown_alone_from_a_group_that_it_shares(functions):
    for name in functions:
        result = run("logs", name)
        assert result.exit_code == 0
        assert [line.partition("from ")[2] for line in result.output.splitlines() if "from " in line] == [name]


@pytest.mark.slow
def test_all_functions_are_shown_with_their_names(functions):
    lines = [line.split() for line in run("logs").output.splitlines() if "from " in line]
    assert {words[1] for words in lines} == set(functions)
    assert all(words[1] == words[-1] for words in lines)


@pytest.mark.slow
def test_the_lines_of_a_function_are_found_by_its_arn_or_an_alias(functions, client):
    lambda_, name = client("lambda"), functions[0]
    lambda_.publish_version(FunctionName=name)
    lambda_.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    for reference in (lambda_.get_function_configuration(FunctionName=name)["FunctionArn"], f"{name}:live"):
        assert f"from {name}" in run("logs", reference).output


@pytest.mark.slow
def test_a_logical_id_takes_a_version_or_an_alias(project, client):  # noqa: F811
    template = project(source="def handler(event, context):\n    return context.function_version\n")
    assert run("deploy", template, "-s", "named").exit_code == 0
    lambda_ = client("lambda")
    name = lambda_.list_functions()["Functions"][0]["FunctionName"]
    lambda_.publish_version(FunctionName=name)
    lambda_.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    assert run("invoke", "Old").output.splitlines()[-1] == '"$LATEST"'
    for reference in (("Old:live",), ("Old:1", "-s", "named")):
        assert run("invoke", *reference).output.splitlines()[-1] == '"1"'
    missing = run("invoke", f"{name}:7")
    assert missing.exit_code == 1 and "Function not found: arn:aws:lambda:" in missing.output and missing.output.strip().endswith(":7")
    near = run("invoke", "Olt", "-s", "named")
    assert near.exit_code == 1 and "has no function 'Olt'; did you mean Old?" in near.output


def test_no_lines_are_said_to_be_none(project, client):  # noqa: F811
    name = make_function(client("lambda"), make_role(client("iam"), "silent"), SOURCE)
    assert "No lines in that time" in run("logs", name).output
    nowhere = run("logs", "-s", "nowhere")
    assert nowhere.exit_code == 1 and "There is no function of a stack 'nowhere'." in nowhere.output


@pytest.mark.parametrize(
    ("wanted", "names", "said"),
    [
        ("Helo", ["Hello", "Goodbye"], "did you mean Hello?"),
        ("hello", ["shop-Hello-1A2B3C", "shop-Bye-1A2B3C"], "did you mean shop-Hello-1A2B3C?"),
        ("zzz", [], "there are: none; `ground deploy` makes some."),
        ("zzz", [f"f{n}" for n in range(10)], f"there are: {', '.join(f'f{n}' for n in range(NAMES_SHOWN_MAX))} and 2 more."),
    ],
)
def test_a_function_that_is_not_there_is_answered_with_the_nearest(wanted, names, said):
    assert _there_are(wanted, names, "there are") == said


@pytest.mark.parametrize("shown", ["/var/task/app.mjs", "file:///var/task/app.mjs", f"file:///data/functions/{'0a' * 32}/app.mjs"])
def test_a_file_of_the_package_is_named_as_on_this_machine(tmp_path, monkeypatch, shown):
    (tmp_path / "app.mjs").touch()
    monkeypatch.chdir(tmp_path.parent)
    sources = Sources(None)
    sources._known["f"] = tmp_path
    assert sources.named("f", f"    at handler ({shown}:4:37)") == f"    at handler ({tmp_path.name}/app.mjs:4:37)"
