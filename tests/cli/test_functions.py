"""`ground logs`: lines of one function, wherever it writes them."""

import pytest
from tests.cli.test_deploy import project, run  # noqa: F401  (project is a fixture)
from tests.services.lambda_.conftest import make_function, make_role

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
