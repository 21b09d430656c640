"""Filter patterns: text in, a test of messages out. Three languages, told apart by their first character:

    ERROR ?a -b "a phrase" %re.ex%      terms                      terms.py
    [ip, user, ..., status = 4*]        space-delimited fields     fields.py
    { $.level = "ERROR" && $.n > 3 }    JSON                       json.py

Source: CloudWatch Logs user guide, "Filter pattern syntax".
"""

from __future__ import annotations

from functools import lru_cache

from groundcloud.services.logs.patterns import fields, json, terms
from groundcloud.services.logs.patterns.pattern import Pattern, PatternError

__all__ = ["Pattern", "PatternError", "compiled"]


@lru_cache(maxsize=1024)
def compiled(text: str) -> Pattern:
    """Raises AwsError InvalidParameterException."""
    stripped = text.strip()
    if stripped.startswith("{"):
        return json.parse(stripped)
    if stripped.startswith("["):
        return fields.parse(stripped)
    return terms.parse(stripped)
