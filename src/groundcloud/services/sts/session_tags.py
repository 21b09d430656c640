"""Session tags, those of the request and those that a chain of roles hands on."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from groundcloud.kernel.identity import Session
from groundcloud.services.sts import errors, limits

TRANSITIVE = "groundcloud:TransitiveTagKeys"
"""Member of a session's context that holds the keys, one a line: no AWS condition key gives them to a later call."""

_KEY = re.compile(r"[\w .:/=+@\-]+").fullmatch


class SessionTags(NamedTuple):
    """`given`: of the request alone, which conditions see; `tags`: with the inherited ones."""

    given: dict[str, str]
    tags: dict[str, str]
    transitive: tuple[str, ...] = ()

    @property
    def conditions(self) -> dict[str, Any]:
        """aws:RequestTag, aws:TagKeys and sts:TransitiveTagKeys."""
        context: dict[str, Any] = {f"aws:RequestTag/{key}": value for key, value in self.given.items()}
        if self.given:
            context["aws:TagKeys"] = list(self.given)
        if self.transitive:
            context["sts:TransitiveTagKeys"] = list(self.transitive)
        return context

    @property
    def context(self) -> dict[str, str]:
        """What the session must remember beside its tags."""
        return {TRANSITIVE: "\n".join(self.transitive)} if self.transitive else {}


def of_request(request: dict[str, Any], session: Session | None) -> SessionTags:
    """Raises ValidationError."""
    given = checked([(tag["Key"], tag["Value"]) for tag in request.get("Tags") or ()])
    lower = {key.lower(): key for key in given}
    transitive: list[str] = []
    for wanted in request.get("TransitiveTagKeys") or ():
        if wanted.lower() not in lower:
            raise errors.validation("The specified transitive tag key must be included in the requested tags.")
        transitive.append(lower[wanted.lower()])
    inherited = _inherited(session)
    if any(key.lower() in lower for key in inherited):
        raise errors.validation(
            "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session."
        )
    return SessionTags(given, {**inherited, **given}, (*inherited, *transitive))


def checked(pairs: list[tuple[str, str]]) -> dict[str, str]:
    tags: dict[str, str] = {}
    seen: set[str] = set()
    for key, value in pairs:
        if not 1 <= len(key) <= limits.SESSION_TAG_KEY_CHARACTERS_MAX or not _KEY(key) or key.lower().startswith("aws:"):
            raise errors.validation(f"The tag key {key!r} is not valid.")
        if len(value) > limits.SESSION_TAG_VALUE_CHARACTERS_MAX:
            raise errors.validation(f"The value of the tag {key!r} is longer than {limits.SESSION_TAG_VALUE_CHARACTERS_MAX} characters.")
        if key.lower() in seen:
            raise errors.validation("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
        seen.add(key.lower())
        tags[key] = value
    return tags


def _inherited(session: Session | None) -> dict[str, str]:
    if session is None or TRANSITIVE not in session.context:
        return {}
    return {key: session.tags[key] for key in session.context[TRANSITIVE].split("\n") if key in session.tags}
