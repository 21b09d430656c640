"""PartiQL as DynamoDB speaks it: SELECT, INSERT, UPDATE, DELETE and EXISTS over one table, with `?` for parameters.

Pure: text to a `Statement`, whose conditions and updates are trees of `expressions`, so both languages mean the same by the same code.
Source: Developer Guide, "PartiQL - a SQL-compatible query language for Amazon DynamoDB".
"""

from __future__ import annotations

from groundcloud.services.dynamodb.partiql.parser import parse
from groundcloud.services.dynamodb.partiql.statements import Delete, Exists, Insert, Select, Statement, Update

__all__ = ["Delete", "Exists", "Insert", "Select", "Statement", "Update", "parse"]
