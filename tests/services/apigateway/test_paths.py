"""Which route a path finds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundcloud.services.apigateway.gateway import paths


def tree(*templates: str) -> paths.Node:
    root = paths.Node()
    for template in templates:
        method, _, path = template.partition(" ")
        paths.add(root, path, method, template)
    return root


def found(root: paths.Node, method: str, path: str):
    segments = path[1:].split("/") if path != "/" else []
    hit = paths.find(root, segments, lambda methods: methods.get(method) or methods.get("ANY"))
    return None if hit is None else (hit[0], hit[1])


DOCUMENTED = tree("GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}")
"""AWS: "Create routes for HTTP APIs in API Gateway", routing API requests."""


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/pets/dog/1", ("GET /pets/dog/1", [])),
        ("GET", "/pets/dog/2", ("GET /pets/dog/{id}", ["2"])),
        ("GET", "/pets/cat/1", ("GET /pets/{proxy+}", ["cat/1"])),
        ("POST", "/test/5", ("ANY /{proxy+}", ["test/5"])),
        ("POST", "/pets/dog/1", ("ANY /{proxy+}", ["pets/dog/1"])),
        ("GET", "/", None),
    ],
)
def test_the_documented_example(method, path, expected):
    assert found(DOCUMENTED, method, path) == expected


@pytest.mark.parametrize(
    ("templates", "method", "path", "expected"),
    [
        (["GET /"], "GET", "/", ("GET /", [])),
        (["GET /a"], "GET", "/a/", None),
        (["GET /a/{b}"], "GET", "/a/", None),
        (["GET /a/{b+}"], "GET", "/a/", None),
        (["GET /a/{b+}"], "GET", "/a", None),
        (["GET /a/{b}/c", "GET /a/x/d"], "GET", "/a/x/c", ("GET /a/{b}/c", ["x"])),
        (["GET /a", "ANY /a"], "GET", "/a", ("GET /a", [])),
        (["GET /a", "ANY /a"], "PUT", "/a", ("ANY /a", [])),
        (["GET /{x}/{y}", "GET /{p+}"], "GET", "/1/2", ("GET /{x}/{y}", ["1", "2"])),
        (["GET /{x}/{y}", "GET /{p+}"], "GET", "/1/2/3", ("GET /{p+}", ["1/2/3"])),
    ],
)
def test_the_most_specific_route_wins(templates, method, path, expected):
    assert found(tree(*templates), method, path) == expected


def test_variables_are_named_by_their_route():
    assert paths.variable_names("/pets/{id}/toys/{proxy+}") == ("id", "proxy")


@given(st.lists(st.sampled_from(["a", "b", "", "{", "ab"]), max_size=8))
def test_a_catch_all_takes_every_path_but_the_empty_one(segments):
    root = tree("ANY /{proxy+}")
    path = "/" + "/".join(segments)
    hit = found(root, "GET", path)
    assert hit == (("ANY /{proxy+}", [path[1:]]) if path != "/" else None)
