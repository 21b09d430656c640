"""Timers and deliveries against a memory store: exactly once, in order, across failures and restarts."""

import asyncio

import msgspec
import pytest

from groundcloud.auth.principals import Principal
from groundcloud.base.clock import Clock
from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call, Delivery
from groundcloud.kernel.ground import Ground, memory_settings
from groundcloud.kernel.service import Timer
from groundcloud.store.engines.memory import MemoryEngine

ROOT = Principal("root", "arn:aws:iam::111111111111:root", "111111111111")
NOW_MS = 1_800_000_000_000


class Bench:
    """A Ground whose rooms are the functions that a test registers."""

    def __init__(self, engine=None):
        self.clock = Clock(lambda: NOW_MS * 1_000_000)
        self.ground = Ground(memory_settings(seed=1), {}, clock=self.clock, engine=engine or MemoryEngine())
        self.handlers = {}
        self.targets = {}
        self.ground.timer_handler = lambda name: self.ground.outbox.handlers.get(name) or self.handlers[name]
        self.ground.outbox._target = lambda arn: (self.targets.get(arn), False)
        self.ground.outbox._call = lambda parent, delivery: Call(
            self.ground, None, "deliver", "111111111111", "us-east-1", Principal("service", delivery.principal)
        )
        self.call = Call(self.ground, None, "test", "111111111111", "us-east-1", ROOT)

    def on(self, name, function, *, background=False):
        self.handlers[name] = Timer(function, asyncio.iscoroutinefunction(function), background)

    def schedule(self, after_ms, name, payload=None, **options):
        with self.call.transaction():
            self.call.schedule(NOW_MS + after_ms, name, payload, **options)


def on_a_ground(test):
    async def run():
        bench = Bench()
        bench.ground.start()
        try:
            await test(bench)
        finally:
            await bench.ground.close()

    def wrapper():
        asyncio.run(run())

    wrapper.__name__ = test.__name__
    return wrapper


@on_a_ground
async def test_timers_run_in_the_order_of_their_due_times_when_the_clock_advances(bench):
    seen = []
    bench.on("x.note", lambda call, payload: seen.append((payload, call.now_ms - NOW_MS)))
    for after in (3000, 1000, 2000):
        bench.schedule(after, "x.note", after)
    assert await bench.ground.timers.advance_to(NOW_MS + 2500)
    assert seen == [(1000, 1000), (2000, 2000)]
    assert await bench.ground.timers.advance_to(NOW_MS + 10_000)
    assert seen[2] == (3000, 3000)
    assert bench.clock.now_ms() == NOW_MS + 10_000


@on_a_ground
async def test_timers_that_are_due_at_once_run_in_the_order_in_which_they_were_put(bench):
    seen = []
    bench.on("t", lambda call, payload: seen.append(payload))
    for number in range(100):
        bench.schedule(5_000, "t", number)
    assert await bench.ground.timers.advance_to(NOW_MS + 10_000)
    assert seen == list(range(100))


@on_a_ground
async def test_a_timer_that_comes_before_all_known_ones_is_seen(bench):
    seen = []
    bench.on("x.note", lambda call, payload: seen.append(payload))
    bench.schedule(9000, "x.note", "far")
    assert await bench.ground.timers.settle()
    assert bench.ground.timers.next_due_ms() == NOW_MS + 9000
    bench.schedule(1000, "x.note", "near")
    assert bench.ground.timers.next_due_ms() == NOW_MS + 1000
    assert await bench.ground.timers.advance_to(NOW_MS + 5000)
    bench.schedule(-1000, "x.note", "late")
    assert await bench.ground.timers.settle()
    assert seen == ["near", "late"]
    assert await bench.ground.timers.advance_to(NOW_MS + 9000)
    assert seen == ["near", "late", "far"] and bench.ground.timers.next_due_ms() is None


@on_a_ground
async def test_a_delivery_may_be_handed_over_by_its_room(bench):
    seen = []
    bench.targets["arn:aws:sqs:us-east-1:111111111111:q"] = lambda call, delivery: seen.append(delivery.text)
    delivery = Delivery("arn:aws:sqs:us-east-1:111111111111:q", b"text", "events.amazonaws.com")
    with bench.call.transaction():
        assert bench.ground.outbox.takes(delivery.target_arn) and not bench.ground.outbox.is_async(delivery.target_arn)
        bench.ground.outbox.take(bench.call, delivery)
        with pytest.raises(AwsError):
            bench.ground.outbox.take(bench.call, msgspec.structs.replace(delivery, target_arn="arn:aws:sqs:us-east-1:111111111111:other"))
    assert seen == ["text"]


@on_a_ground
async def test_a_timer_of_the_same_key_replaces_the_earlier_one(bench):
    seen = []
    bench.on("x.note", lambda call, payload: seen.append(payload))
    bench.schedule(1000, "x.note", "first", key="k")
    bench.schedule(2000, "x.note", "second", key="k")
    await bench.ground.timers.advance_to(NOW_MS + 5000)
    assert seen == ["second"]


@on_a_ground
async def test_a_handler_that_raises_leaves_nothing_and_is_run_again(bench):
    from groundcloud.store import Table

    marks = Table("test/marks", int, key=1)
    tries = []

    def fail_twice(call, payload):
        marks.put(call.tx, f"try-{len(tries)}", 1)
        tries.append(call.now_ms - NOW_MS)
        if len(tries) < 3:
            raise RuntimeError("not yet")

    bench.on("x.try", fail_twice)
    bench.schedule(0, "x.try")
    await bench.ground.timers.advance_to(NOW_MS + 60_000)
    assert tries == [0, 1000, 3000]
    assert [key for (key,) in marks.keys(bench.ground.store.transaction("111111111111", "us-east-1"))] == ["try-2"]


@on_a_ground
async def test_settling_waits_for_work_but_not_for_background_loops(bench):
    done = []

    async def work(call, payload):
        await asyncio.sleep(0.01)
        done.append(payload)

    async def loop(call, payload):
        await call.sleep_until(NOW_MS + 10**9)

    bench.on("x.work", work)
    bench.on("x.loop", loop, background=True)
    bench.schedule(0, "x.work", "w")
    bench.schedule(0, "x.loop")
    assert await bench.ground.timers.settle(5)
    assert done == ["w"]


def test_asynchronous_work_that_a_crash_cut_short_runs_again():
    engine = MemoryEngine()
    started = []

    async def first():
        bench = Bench(engine)
        bench.ground.start()

        async def never(call, payload):
            started.append(payload)
            await asyncio.Event().wait()

        bench.on("x.work", never)
        bench.schedule(0, "x.work", "p")
        bench.ground.timers.run_due()
        await asyncio.sleep(0.01)
        # The process dies here: nothing is closed.

    async def second():
        bench = Bench(engine)

        async def finish(call, payload):
            started.append("again " + payload)

        bench.on("x.work", finish)
        bench.ground.start()
        assert await bench.ground.timers.settle(5)
        assert await bench.ground.timers.settle(5)
        await bench.ground.close()

    asyncio.run(first())
    asyncio.run(second())
    assert started == ["p", "again p"]


@on_a_ground
async def test_a_delivery_is_tried_until_its_target_takes_it(bench):
    taken = []

    def target(call, delivery):
        if delivery.attempt < 3:
            raise AwsError("ServiceUnavailable", "not now")
        taken.append((delivery.text, delivery.attempt, call.principal.arn))

    bench.targets["arn:aws:sqs:us-east-1:111111111111:q"] = target
    with bench.call.transaction():
        bench.call.deliver("arn:aws:sqs:us-east-1:111111111111:q", "hello", principal="s3.amazonaws.com")
    await bench.ground.timers.advance_to(NOW_MS + 60_000)
    assert taken == [("hello", 3, "s3.amazonaws.com")]


@on_a_ground
async def test_a_delivery_that_never_succeeds_goes_to_its_dead_letter_with_the_reason(bench):
    dead = []

    def refuse(call, delivery):
        raise AwsError("AccessDenied", "no")

    bench.targets["arn:aws:sqs:us-east-1:111111111111:q"] = refuse
    bench.targets["arn:aws:sqs:us-east-1:111111111111:dead"] = lambda call, delivery: dead.append(delivery.attributes["ERROR_CODE"])
    with bench.call.transaction():
        bench.call.deliver(
            "arn:aws:sqs:us-east-1:111111111111:q",
            "x",
            principal="events.amazonaws.com",
            max_attempts=3,
            dead_letter_arn="arn:aws:sqs:us-east-1:111111111111:dead",
        )
    await bench.ground.timers.advance_to(NOW_MS + 600_000)
    assert dead == ["AccessDenied"]


@on_a_ground
async def test_nothing_is_delivered_when_the_transaction_is_rolled_back(bench):
    taken = []
    bench.targets["arn:aws:sqs:us-east-1:111111111111:q"] = lambda call, delivery: taken.append(1)
    with pytest.raises(RuntimeError), bench.call.transaction():
        bench.call.deliver("arn:aws:sqs:us-east-1:111111111111:q", "x", principal="s3.amazonaws.com")
        raise RuntimeError("after all, no")
    await bench.ground.timers.advance_to(NOW_MS + 60_000)
    assert taken == []


@on_a_ground
async def test_a_wait_ends_with_the_commit_that_touches_its_key_or_with_time(bench):
    from groundcloud.store import Table

    marks = Table("test/marks", int, key=1)
    watch = marks.watch(bench.call, "a")
    waiter = asyncio.create_task(bench.call.wait(watch, until_ms=NOW_MS + 1000))
    await asyncio.sleep(0)
    with bench.call.transaction() as tx:
        marks.put(tx, "b", 1)
    await asyncio.sleep(0)
    assert not waiter.done()
    with bench.call.transaction() as tx:
        marks.put(tx, "a", 1)
    assert await waiter is True
    waiter = asyncio.create_task(bench.call.wait(watch, until_ms=NOW_MS + 1000))
    await asyncio.sleep(0)
    await bench.ground.timers.advance_to(NOW_MS + 1000)
    assert await waiter is False


def test_payloads_may_be_any_message_pack_value():
    assert msgspec.msgpack.decode(msgspec.msgpack.encode({"a": [1, "b", b"c"]})) == {"a": [1, "b", b"c"]}
