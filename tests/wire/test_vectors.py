"""The public AWS protocol vectors hold; `docs/wire-vectors.md` says which of them a server can hold."""

from pathlib import Path

import pytest
from tests.wire import protocol_vectors
from tools import write_vectors_table

pytestmark = pytest.mark.skipif(
    not protocol_vectors.cases(), reason="../shared/vectors/protocols is absent: the public vectors are not in the repository"
)


@pytest.mark.parametrize("case", protocol_vectors.cases(), ids=lambda case: case.id)
def test_a_vector_holds(case: protocol_vectors.Case) -> None:
    reason = protocol_vectors.NOT_FOR_SERVERS.get(case.case["id"])
    if reason:
        with pytest.raises(AssertionError):
            protocol_vectors.run(case)
        return
    protocol_vectors.run(case)


def test_the_table_in_the_docs_is_the_present_state() -> None:
    page = Path(__file__).parents[2] / "docs" / "wire-vectors.md"
    assert page.read_text() == write_vectors_table.page()
