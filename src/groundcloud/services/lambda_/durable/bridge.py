"""EventBridge hears of executions that start and end, on the default bus. AWS: "Monitoring durable functions", EventBridge events."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from groundcloud.services.lambda_.durable import identifiers
from groundcloud.services.lambda_.durable.state import Execution
from groundcloud.store import Transaction
from groundcloud.wire.timestamps import iso8601_milliseconds

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call


def tell(call: Call, tx: Transaction, execution: Execution) -> None:
    """Writes the delivery of the status that the execution has now."""
    function_arn = f"arn:aws:lambda:{tx.region}:{tx.account}:function:{execution.function_name}"
    detail = {
        "durableExecutionArn": identifiers.arn_of(tx.account, tx.region, execution),
        "durableExecutionName": execution.execution_name,
        "functionArn": f"{function_arn}:{execution.version}",
        "status": execution.status,
        "startTimestamp": iso8601_milliseconds(execution.started_ms / 1000),
    }
    if execution.ended_ms:
        detail["endTimestamp"] = iso8601_milliseconds(execution.ended_ms / 1000)
    event = {"source": "aws.lambda", "detail-type": "Durable Execution Status Change", "resources": [], "detail": detail}
    bus_arn = f"arn:aws:events:{tx.region}:{tx.account}:event-bus/default"
    call.deliver(bus_arn, json.dumps(event), principal="lambda.amazonaws.com", source_arn=function_arn, tx=tx)
