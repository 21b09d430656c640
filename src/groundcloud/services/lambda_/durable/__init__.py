"""Durable functions: executions that outlive their invocations, driven by checkpoints that AWS's durable execution SDKs send.

`executions` starts, drives and ends an execution; `updates` is the state machine of its operations; `invocations` runs the function once; `documents` shows them.
"""
