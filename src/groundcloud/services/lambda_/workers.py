"""What runs by itself: asynchronous events as they fall due, deliveries from other services."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call, Delivery
from groundcloud.kernel.service import target, timer
from groundcloud.services.lambda_ import destinations, events, execution, names, provisioning, reclaiming, snapshots
from groundcloud.services.lambda_.durable import executions, invocations
from groundcloud.services.lambda_.durable.journal import Journal
from groundcloud.services.lambda_.queue_pollers import QueuePoller
from groundcloud.services.lambda_.state import MAPPINGS, SCALED, VERSIONS
from groundcloud.services.lambda_.stream_pollers import StreamPoller


@timer("lambda.event")
async def event(call: Call, event_id: str) -> None:
    await events.process(call, event_id)


@target("lambda")
def into_function(call: Call, delivery: Delivery) -> None:
    """S3 notifications, SNS, EventBridge, destinations: an event in the function's queue, if its policy or the sender's lets it in."""
    call.authorize("lambda:InvokeFunction", delivery.target_arn)
    trace = delivery.attributes.get("AWSTraceHeader", "")
    events.accept(call, names.from_arn(delivery.target_arn), delivery.payload, source_arn=delivery.source_arn, trace=trace)


@timer("lambda.poll", background=True)
async def poll(call: Call, mapping: list[str]) -> None:
    """One generation of an event source mapping, from its start to its end."""
    mapping_id, generation = mapping
    found = MAPPINGS.get(call.reading(), mapping_id)
    if found is not None and found.enabled and found.generation == generation:
        poller = QueuePoller if ":sqs:" in found.source_arn else StreamPoller
        await poller(call, found).run()


@timer("lambda.provision", background=True)
async def provision(call: Call, config: list[str]) -> None:
    """One generation of a provisioned concurrency configuration, from its start to its end."""
    await provisioning.keep(call, *config)


@timer("lambda.scale", background=True)
async def scale(call: Call, config: list[str]) -> None:
    """The same of a version on a capacity provider."""
    await provisioning.keep(call, *config, table=SCALED)


@timer("lambda.snapshot", background=True)
async def snapshot(call: Call, version: list[Any]) -> None:
    await snapshots.keep(call, *version)


@timer("lambda.idle")
async def idle(call: Call, place: list[Any]) -> None:
    """A version that may have been idle for long."""
    executor = execution.of_server(call)
    with call.transaction() as tx:
        version = VERSIONS.get(tx, *place)
        if version is None:
            return
        name = names.FunctionName(call.account, call.region, version.function_name, version.text)
        reclaimed = reclaiming.reclaim(tx, call, version, executor.used_ms(name, version))
    if reclaimed:
        await executor.retire(name, version)


@timer("lambda.restore")
def restore(call: Call, place: list[Any]) -> None:
    """An inactive version that somebody called."""
    version = VERSIONS.get(call.tx, *place)
    if version is not None and version.state == "Pending":
        VERSIONS.put(call.tx, reclaiming.active(version))
        reclaiming.expect(call.tx, call, version)


@timer("lambda.to-bucket")
async def to_bucket(call: Call, record: list[Any]) -> None:
    """A destination's record for a bucket; tried again until it is there."""
    await destinations.to_bucket(call, *record)


@timer("lambda.durable")
async def invoke_durable(call: Call, execution_id: str) -> None:
    await invocations.drive(call, execution_id)


@timer("lambda.durable.chain")
async def chain(call: Call, operation: list[Any]) -> None:
    """A chained invocation of a function that is not durable."""
    await invocations.chain(call, *operation)


@timer("lambda.durable.due")
def durable_operation_due(call: Call, operation: list[Any]) -> None:
    execution_id, sequence, what = operation
    journal = Journal.opened(call, call.tx, execution_id)
    if journal is not None:
        executions.fell_due(journal, sequence, what)


@timer("lambda.durable.timeout")
def durable_execution_timeout(call: Call, execution_id: str) -> None:
    journal = Journal.opened(call, call.tx, execution_id)
    if journal is not None:
        executions.time_out(journal)


@timer("lambda.durable.forget")
def forget_durable_execution(call: Call, execution_id: str) -> None:
    executions.forget(call, call.tx, execution_id)
