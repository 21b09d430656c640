"""Writes `docs/wire-vectors.md`: which of the public AWS protocol vectors hold, per protocol and direction.

python tools/write_vectors_table.py            # needs the vectors at ../shared/vectors
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DIRECTIONS = {"input": "requests parsed", "output": "results and errors serialised"}


def page() -> str:
    """The whole page."""
    sys.path[:0] = [entry for entry in (str(ROOT), str(ROOT / "src")) if entry not in sys.path]
    from tests.wire import protocol_vectors

    count: Counter[tuple[str, str, bool]] = Counter()
    missed = []
    for case, reason in protocol_vectors.verdicts():
        count[case.protocol, case.direction, not reason] += 1
        if reason:
            missed.append(f"| {case.protocol} | {case.direction} | `{case.case['id']}` | {reason.splitlines()[0]} |")
    lines = [
        "# Protocol vectors",
        "",
        "Written by `tools/write_vectors_table.py` from the public AWS protocol tests as botocore carries them; `tests/wire/test_vectors.py` runs them.",
        "A request's vector holds if the serialised request parses to the vector's parameters. A response's holds if botocore's own parser reads what",
        "we serialise as the vector's result or error (or, where botocore leaves a vector out, if the answer is the vector's byte for byte but for order).",
        "",
        "| protocol | direction | vectors | hold |",
        "|---|---|---|---|",
    ]
    for protocol, direction in sorted({(protocol, direction) for protocol, direction, _ in count}):
        held = count[protocol, direction, True]
        lines.append(f"| {protocol} | {DIRECTIONS[direction]} | {held + count[protocol, direction, False]} | {held} |")
    lines += ["", "## Those that do not", "", "| protocol | direction | vector | why |", "|---|---|---|---|", *missed, ""]
    return "\n".join(lines)


def main() -> None:
    (ROOT / "docs" / "wire-vectors.md").write_text(page())


if __name__ == "__main__":
    main()
