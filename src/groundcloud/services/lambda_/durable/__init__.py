"""Durable functions: executions that outlive their invocations, driven by checkpoints that AWS's durable execution SDKs send.

`executions` starts, drives and ends an execution; `updates` is the state machine of its operations; `invocations` runs the function once; `documents` shows them.

Missing: CloudWatch's metrics of executions, encryption of payloads under DurableConfig's KMSKeyArn (kept and shown), tenants and
functions of other accounts in chained invocations (refused by name). A function that is not durable may be chained; it is invoked at least once. AWS publishes neither how
often an invocation that breaks is made again nor the sentences of most refusals: FAILURES_MAX and those sentences are ours.
"""
