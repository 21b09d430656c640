"""The checker of histories itself."""

from __future__ import annotations

from math import inf

import pytest
from tests.histories import Step, is_linearizable

W, R, S = "write", "read", "swap"


@pytest.mark.parametrize(
    ("steps", "possible"),
    [
        ([Step(W, 0, 1, value="a"), Step(R, 2, 3, result="a")], True),
        ([Step(W, 0, 1, value="a"), Step(R, 2, 3, result=None)], False),  # a stale read
        ([Step(W, 0, 3, value="a"), Step(R, 1, 2, result=None)], True),  # at once
        ([Step(W, 0, 9, value="a"), Step(R, 1, 2, result="a"), Step(R, 3, 4, result=None)], False),  # seen, then unseen
        ([Step(S, 0, 3, None, "a", True), Step(S, 1, 2, None, "b", True)], False),  # both won
        ([Step(S, 0, 3, None, "a", True), Step(S, 1, 2, None, "b", False)], True),
        ([Step(S, 0, 1, None, "a", False)], False),  # lost against nobody
        ([Step(W, 0, inf, value="a"), Step(R, 5, 6, result="a")], True),  # unheard, done
        ([Step(W, 0, inf, value="a"), Step(R, 5, 6, result=None)], True),  # unheard, not done
        ([Step(W, 0, inf, value="a"), Step(R, 5, 6, result="a"), Step(R, 7, 8, result=None)], False),
        ([Step(W, 0, 1, value="a"), Step(S, 2, inf, "a", "b"), Step(R, 3, 4, result="a"), Step(R, 5, 6, result="b")], True),
        ([Step(W, 0, 1, value="a"), Step(S, 2, inf, "z", "b"), Step(R, 3, 4, result="b")], False),
    ],
)
def test_a_history_is_possible_or_not(steps: list[Step], possible: bool) -> None:
    assert is_linearizable(steps) is possible
