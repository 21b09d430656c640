"""Lines and records out of the log pipe's bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from groundcloud.runtime.inside.frames import MARK, log_record
from groundcloud.runtime.log_lines import LineAssembler, Tail

pieces = st.lists(
    st.one_of(
        st.tuples(st.just("print"), st.binary(max_size=30).filter(lambda b: b"\n" not in b and b"\0" not in b)),
        st.tuples(st.just("record"), st.binary(max_size=30)),
    ),
    max_size=8,
)


@given(pieces, st.lists(st.integers(1, 40), max_size=20))
def test_lines_do_not_depend_on_how_the_bytes_arrive(parts: list[tuple[str, bytes]], cuts: list[int]) -> None:
    text = b"".join(content + b"\n" if kind == "print" else log_record(content) for kind, content in parts)
    expected = [content for _, content in parts]
    assembler = LineAssembler()
    lines: list[bytes] = []
    start = 0
    for cut in cuts:
        lines += assembler.feed(text[start : start + cut])
        start += cut
    lines += assembler.feed(text[start:])
    assert lines == expected
    assert assembler.flush() == []


def test_an_unfinished_line_ends_where_a_record_begins() -> None:
    assembler = LineAssembler()
    assert assembler.feed(b"part" + log_record(b"a\nb") + b"rest") == [b"part", b"a\nb"]
    assert assembler.flush() == [b"rest"]


@given(st.lists(st.binary(max_size=50), max_size=10))
def test_no_bytes_of_a_function_break_the_assembler(chunks: list[bytes]) -> None:
    assembler = LineAssembler()
    for chunk in chunks:
        assembler.feed(chunk.replace(b"\1", MARK))
    assembler.flush()


def test_a_forged_record_of_any_length_holds_back_one_event_at_most() -> None:
    assembler = LineAssembler()
    assembler.feed(MARK + b"\xff\xff\xff\xff")
    held = 0
    for _ in range(64):
        held += 65536 - sum(map(len, assembler.feed(b"x" * 65536)))
        assert held <= 400_000


def test_lines_longer_than_an_event_are_cut() -> None:
    assembler = LineAssembler()
    lines = assembler.feed(b"x" * 600_000)
    assert [len(line) for line in lines] == [262_144, 262_144]
    assert [len(line) for line in assembler.feed(b"\n")] == [75_712]


def test_the_tail_keeps_the_end() -> None:
    tail = Tail()
    for number in range(10_000):
        tail.add(b"%d" % number)
    text = tail.take()
    assert len(text) == 4096 and text.endswith(b"9998\n9999\n")
    assert tail.take() == b""
