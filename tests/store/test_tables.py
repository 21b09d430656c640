"""Tables against a simple model: a dictionary that is sorted whenever it is scanned."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from groundcloud.store import Record, Store, Table
from groundcloud.store.engines.memory import MemoryEngine
from groundcloud.store.engines.rocks import RocksEngine


class Message(Record, kw_only=True):
    queue_name: str
    sequence: int
    body: str = ""
    tags: dict[str, str] = {}


MESSAGES = Table("test/messages", Message, key=("queue_name", "sequence"))
NEIGHBOURS = Table("test/messages2", Message, key=("queue_name", "sequence"))
INDEX = Table("test/index", None, key=("queue_name", "at_ms", "sequence"))
BODIES = Table("test/bodies", bytes, key=1)
COUNTS = Table("test/counts", int, key=2, scope="account")
GLOBAL = Table("test/global", str, key=1, scope="global")


def message(queue_name: str, sequence: int, body: str = "") -> Message:
    return Message(queue_name=queue_name, sequence=sequence, body=body)


def test_a_record_is_kept_by_its_fields(store: Store) -> None:
    with store.transaction("1", "r") as tx:
        MESSAGES.put(tx, message("q", 1, "hello"))
        assert MESSAGES.get(tx, "q", 1) == message("q", 1, "hello")
    tx = store.transaction("1", "r")
    assert MESSAGES.get(tx, "q", 1) == message("q", 1, "hello")
    assert MESSAGES.has(tx, "q", 1)
    assert not MESSAGES.has(tx, "q", 2)
    assert MESSAGES.get(tx, "q", 2) is None


def test_a_record_is_changed_by_replace() -> None:
    assert message("q", 1).replace(body="new") == message("q", 1, "new")
    with pytest.raises(AttributeError):
        message("q", 1).body = "x"  # type: ignore[misc]


def test_fields_added_later_have_their_defaults(store: Store) -> None:
    class Old(Record, kw_only=True):
        queue_name: str
        sequence: int

    with store.transaction("1", "r") as tx:
        Table("test/messages", Old, key=("queue_name", "sequence")).put(tx, Old(queue_name="q", sequence=1))
    assert MESSAGES.get(store.transaction("1", "r"), "q", 1) == message("q", 1)


def test_tables_accounts_and_regions_are_apart(store: Store) -> None:
    with store.transaction("1", "r") as tx:
        MESSAGES.put(tx, message("q", 1))
        NEIGHBOURS.put(tx, message("q", 2))
        COUNTS.put(tx, "a", 1, 7)
        GLOBAL.put(tx, "name", "owner")
    for account, region in [("1", "s"), ("2", "r"), ("", "")]:
        assert list(MESSAGES.scan(store.transaction(account, region))) == []
    assert list(MESSAGES.scan(store.transaction("1", "r"))) == [message("q", 1)]
    assert COUNTS.get(store.transaction("1", "elsewhere"), "a", 1) == 7
    assert COUNTS.get(store.transaction("2", "r"), "a", 1) is None
    assert GLOBAL.get(store.transaction("2", "s"), "name") == "owner"


def test_an_index_holds_keys_alone(store: Store) -> None:
    with store.transaction("1", "r") as tx:
        for at_ms, sequence in [(30, 1), (10, 2), (20, 3), (-5, 4)]:
            INDEX.put(tx, "q", at_ms, sequence)
        INDEX.put(tx, "p", 1, 9)
    tx = store.transaction("1", "r")
    assert list(INDEX.keys(tx, "q")) == [("q", -5, 4), ("q", 10, 2), ("q", 20, 3), ("q", 30, 1)]
    assert list(INDEX.keys(tx, "q", stop=20)) == [("q", -5, 4), ("q", 10, 2)]
    assert list(INDEX.keys(tx, "q", after=(10, 2), limit=1)) == [("q", 20, 3)]
    assert INDEX.has(tx, "q", 30, 1)


def test_values_that_are_no_records(store: Store) -> None:
    with store.transaction("1", "r") as tx:
        BODIES.put(tx, "k", b"\x00raw")
        COUNTS.put(tx, "a", 2, -3)
    tx = store.transaction("1", "r")
    assert BODIES.get(tx, "k") == b"\x00raw"
    assert list(COUNTS.items(tx)) == [(("a", 2), -3)]


def test_an_exception_undoes_what_was_written(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.transaction("1", "r") as tx:
        MESSAGES.put(tx, message("q", 1))
        raise ZeroDivisionError
    assert not MESSAGES.has(store.transaction("1", "r"), "q", 1)


def test_an_unknown_scope_is_refused() -> None:
    with pytest.raises(ValueError, match="no such scope"):
        Table("x", bytes, key=1, scope="planet")


NAMES = st.sampled_from(["", "a", "a\x00", "ab", "b", "\x00", "\xff", "é", "\U0001f600"])
SEQUENCES = st.integers(-3, 3) | st.sampled_from([-(2**63), 2**63 - 1])


class TableMachine(RuleBasedStateMachine):
    """Puts and deletes in and out of transactions; scans of every kind agree with the model, uncommitted writes included."""

    engine_of: Any = staticmethod(lambda folder: MemoryEngine())

    @initialize()
    def open(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.store = Store(self.engine_of(Path(self.folder.name)))
        self.committed: dict[tuple[str, int], Message] = {}
        self.begin()

    def begin(self) -> None:
        self.tx = self.store.transaction("1", "r")
        self.sibling = self.tx.at("2", "s").at("1", "r")
        self.model = dict(self.committed)

    @rule(name=NAMES, sequence=SEQUENCES, body=st.text(max_size=3), through=st.booleans())
    def put(self, name: str, sequence: int, body: str, through: bool) -> None:
        MESSAGES.put(self.sibling if through else self.tx, message(name, sequence, body))
        self.model[name, sequence] = message(name, sequence, body)

    @rule(name=NAMES, sequence=SEQUENCES)
    def delete(self, name: str, sequence: int) -> None:
        MESSAGES.delete(self.tx, name, sequence)
        self.model.pop((name, sequence), None)

    @rule()
    def commit(self) -> None:
        self.tx.commit()
        self.committed = self.model
        self.begin()

    @rule()
    def commit_and_go_on(self) -> None:
        self.tx.commit()
        self.committed = dict(self.model)

    @rule()
    def roll_back(self) -> None:
        self.begin()

    @rule(name=NAMES, sequence=SEQUENCES)
    def get(self, name: str, sequence: int) -> None:
        assert MESSAGES.get(self.sibling, name, sequence) == self.model.get((name, sequence))

    @rule(
        prefix=st.none() | NAMES,
        after=st.none() | SEQUENCES,
        start=st.none() | SEQUENCES,
        stop=st.none() | SEQUENCES,
        reverse=st.booleans(),
        limit=st.none() | st.integers(0, 4),
    )
    def scan(self, prefix: str | None, after: Any, start: Any, stop: Any, reverse: bool, limit: int | None) -> None:
        def bound(value: Any) -> Any:
            return value if prefix is not None or value is None else ("a", value)

        after, start, stop = bound(after), bound(start), bound(stop)
        wanted = []
        for key in sorted(self.model, reverse=reverse):
            if prefix is not None and key[0] != prefix:
                continue
            rest = key[1] if prefix is not None else key
            if (start is not None and rest < start) or (stop is not None and rest >= stop):
                continue
            if after is not None and (rest >= after if reverse else rest <= after):
                continue
            wanted.append(key)
        wanted = wanted if limit is None else wanted[:limit]
        head = () if prefix is None else (prefix,)
        bounds: dict[str, Any] = {"after": after, "start": start, "stop": stop, "reverse": reverse, "limit": limit}
        assert list(MESSAGES.keys(self.tx, *head, **bounds)) == wanted
        assert list(MESSAGES.scan(self.sibling, *head, **bounds)) == [self.model[key] for key in wanted]
        assert list(MESSAGES.items(self.tx, *head, **bounds)) == [(key, self.model[key]) for key in wanted]

    @invariant()
    def other_transactions_see_what_was_committed(self) -> None:
        if hasattr(self, "store"):
            assert list(MESSAGES.keys(self.store.transaction("1", "r"))) == sorted(self.committed)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            self.folder.cleanup()


class RocksTableMachine(TableMachine):
    engine_of = staticmethod(RocksEngine)


TestTablesInMemory = TableMachine.TestCase
TestTablesInMemory.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestTablesOnRocks = pytest.mark.slow(RocksTableMachine.TestCase)
TestTablesOnRocks.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
