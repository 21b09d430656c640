"""What the kernel does for resource types."""

from __future__ import annotations

from typing import Any

import pytest

from groundcloud.kernel.resource import ResourceRequest, coerced

SHAPES: dict[str, Any] = {
    "In": {
        "type": "structure",
        "members": {
            "Name": {"shape": "S"},
            "Size": {"shape": "I"},
            "On": {"shape": "B"},
            "Rate": {"shape": "F"},
            "Tags": {"shape": "M"},
            "Ids": {"shape": "L"},
            "Free": {"shape": "D"},
        },
    },
    "S": {"type": "string"},
    "I": {"type": "integer"},
    "B": {"type": "boolean"},
    "F": {"type": "double"},
    "M": {"type": "map", "key": {"shape": "S"}, "value": {"shape": "S"}},
    "L": {"type": "list", "member": {"shape": "I"}},
    "D": {"type": "structure", "document": True, "members": {}},
}


@pytest.mark.parametrize(
    ("value", "fitting"),
    [
        ({"Size": "5"}, {"Size": 5}),
        ({"Size": "-5"}, {"Size": -5}),
        ({"Size": 5.0}, {"Size": 5}),
        ({"Size": "five"}, {"Size": "five"}),
        ({"Size": "9" * 40}, {"Size": "9" * 40}),
        ({"On": "True"}, {"On": True}),
        ({"On": "maybe"}, {"On": "maybe"}),
        ({"Rate": "0.5"}, {"Rate": 0.5}),
        ({"Name": 12}, {"Name": "12"}),
        ({"Name": True}, {"Name": "true"}),
        ({"Tags": {"a": 1}}, {"Tags": {"a": "1"}}),
        ({"Ids": ["1", 2]}, {"Ids": [1, 2]}),
        ({"Free": {"n": "5"}}, {"Free": {"n": "5"}}),
        ({"Unknown": "5"}, {"Unknown": "5"}),
        ({"Name": ["a"]}, {"Name": ["a"]}),
    ],
)
def test_a_templates_values_are_made_to_fit_the_operations_shape(value: Any, fitting: Any) -> None:
    assert coerced(SHAPES, "In", value) == fitting


def test_a_generated_name_is_cut_to_fit() -> None:
    request = ResourceRequest("AWS::SQS::Queue", "Orders", {}, stack_name="shop", random_suffix="ABCDEFGHIJKLMNOP")
    assert request.generated_name() == "shop-Orders-ABCDEFGHIJKL"
    assert request.generated_name(20, lower=True) == "shop-or-abcdefghijkl"
