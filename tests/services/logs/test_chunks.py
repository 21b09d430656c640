"""Chunks: whatever is put in whatever order comes back in the order of time, forward and backward, from any place."""

from hypothesis import given
from hypothesis import strategies as st

from groundcloud.services.logs import chunks
from groundcloud.services.logs.state import Chunk, put_chunk
from groundcloud.store import Store
from groundcloud.store.engines.memory import MemoryEngine

batches = st.lists(st.tuples(st.integers(1, 3), st.lists(st.integers(0, 60_000), min_size=1, max_size=20)), min_size=0, max_size=12)


@given(batches, st.integers(0, 60_000), st.integers(0, 60_000), st.sets(st.integers(1, 3)))
def test_merged_chunks_are_the_sorted_events(given_batches, start_ms, stop_ms, wanted):
    tx = Store(MemoryEngine()).transaction("1", "r")
    expected = []
    sequence = 0
    for stream, times in given_batches:
        events = [(at_ms, str(at_ms)) for at_ms in sorted(times)]
        for run in chunks.cut(events):
            assert run[-1][0] - run[0][0] <= chunks.SPAN_MS
            sequence += 1
            put_chunk(tx, Chunk(group_number=1, first_ms=run[0][0], sequence=sequence, stream_number=stream, ingested_ms=0, events=run))
            expected += [
                (at_ms, sequence, position) for position, (at_ms, _) in enumerate(run) if start_ms <= at_ms < stop_ms and stream in wanted
            ]
    tx.commit()
    expected.sort()
    numbers = sorted(wanted)
    if numbers:
        assert [event[:3] for event in chunks.forward(tx, 1, numbers, start_ms, stop_ms)] == expected
        assert [event[:3] for event in chunks.backward(tx, 1, numbers, start_ms, stop_ms)] == expected[::-1]
    if wanted == {1, 2, 3}:
        assert [event[:3] for event in chunks.forward(tx, 1, None, start_ms, stop_ms)] == expected
        assert [event[:3] for event in chunks.backward(tx, 1, None, start_ms, stop_ms)] == expected[::-1]


@given(st.integers(0, 1 << 44), st.integers(0, 1 << 40), st.integers(0, 10_000))
def test_an_event_id_tells_its_place(at_ms, sequence, position):
    text = chunks.event_id((at_ms, sequence, position))
    assert len(text) >= 56
    assert chunks.place_of(text) == (at_ms, sequence, position)
