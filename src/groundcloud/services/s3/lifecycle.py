"""Lifecycle rules: what a configuration may say, and what a rule does to a version at a moment. AWS: "Managing the lifecycle of objects".

S3 looks once a day: an action that falls due on a day happens at the following midnight UTC.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.services.s3 import errors
from groundcloud.services.s3.state import CONFIGURATIONS, Bucket, Upload, Version
from groundcloud.store import Transaction

RULES_MAX = 1000
DAY_MS = 86_400_000
TIMER = "s3.lifecycle"
PREFIX_BYTES_MAX = 1024
NEWER_MAX = 100
_INFREQUENT = ("STANDARD_IA", "ONEZONE_IA")
_WATERFALL = ("STANDARD_IA", "INTELLIGENT_TIERING", "ONEZONE_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE")
"""AWS: "Transitioning objects using Amazon S3 Lifecycle": an object moves downwards alone."""
_ACTIONS = (
    "Expiration",
    "Transitions",
    "NoncurrentVersionExpiration",
    "NoncurrentVersionTransitions",
    "AbortIncompleteMultipartUpload",
)


def checked(call: Call, document: dict[str, Any]) -> dict[str, Any]:
    """The rules as they are kept, each with an id. Raises InvalidRequest, InvalidArgument, MalformedXML."""
    rules = document.get("Rules") or []
    if not 1 <= len(rules) <= RULES_MAX:
        raise errors.malformed_xml()
    seen: set[str] = set()
    kept = []
    for rule in rules:
        rule = dict(rule)
        rule.setdefault("ID", call.new_id())
        if len(rule["ID"]) > 255:
            raise errors.invalid_argument("ID length should not exceed allowed limit of 255", "ID", rule["ID"])
        if rule["ID"] in seen:
            raise errors.invalid_argument("Rule ID must be unique. Found same ID for more than one rule", "ID", rule["ID"])
        seen.add(rule["ID"])
        _check_rule(rule)
        kept.append(rule)
    return {"Rules": kept}


def _check_rule(rule: dict[str, Any]) -> None:
    if "Filter" in rule and "Prefix" in rule:
        raise errors.malformed_xml()
    if "Filter" not in rule and "Prefix" not in rule:
        raise errors.malformed_xml()
    if len(rule.get("Filter") or {}) > 1:
        raise errors.malformed_xml()
    if not any(rule.get(action) for action in _ACTIONS):
        raise errors.invalid_request("At least one action needs to be specified in a rule")
    _check_filter(rule)
    _, tags, above, below = _filter(rule)
    sized = above >= 0 or below is not None
    if below is not None and above >= below:
        raise errors.invalid_request("'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'.")
    expiration = rule.get("Expiration")
    if expiration is not None:
        if tags and expiration.get("ExpiredObjectDeleteMarker"):
            raise errors.invalid_request("ExpiredObjectDeleteMarker cannot be specified with Tags.")
        if sized and expiration.get("ExpiredObjectDeleteMarker"):
            raise errors.invalid_request("ExpiredObjectDeleteMarker cannot be specified with Object Size.")
        if sum(name in expiration for name in ("Days", "Date", "ExpiredObjectDeleteMarker")) != 1:
            raise errors.malformed_xml()
        _check_days(expiration.get("Days"), "Expiration")
        _check_date(expiration.get("Date"))
    for transition in rule.get("Transitions") or ():
        if ("Days" in transition) == ("Date" in transition) or "StorageClass" not in transition:
            raise errors.malformed_xml()
        if transition.get("Days", 0) < 0:
            raise errors.invalid_argument("'Days' in Transition action must be nonnegative", "Days", transition["Days"])
        if transition["StorageClass"] in _INFREQUENT and transition.get("Days", 30) < 30:
            raise errors.invalid_argument(
                f"'Days' in Transition action must be greater than or equal to 30 for storageClass '{transition['StorageClass']}'",
                "Days",
                transition["Days"],
            )
        _check_date(transition.get("Date"))
    _check_transitions(rule)
    _check_noncurrent(rule)
    abort = rule.get("AbortIncompleteMultipartUpload")
    if abort is not None:
        _check_days(abort.get("DaysAfterInitiation"), "AbortIncompleteMultipartUpload")
        if tags:
            raise errors.invalid_request("AbortIncompleteMultipartUpload cannot be specified with Tags.")
        if sized:
            raise errors.invalid_request("AbortIncompleteMultipartUpload cannot be specified with Object Size.")


def _check_filter(rule: dict[str, Any]) -> None:
    """Its predicates: two at least below And, and each within its limits."""
    chosen = rule.get("Filter") or {}
    together = chosen.get("And")
    if together is not None:
        if (
            sum(name in together for name in ("Prefix", "ObjectSizeGreaterThan", "ObjectSizeLessThan")) + len(together.get("Tags") or ())
            < 2
        ):
            raise errors.malformed_xml()
        names = [tag["Key"] for tag in together.get("Tags") or ()]
        if len(set(names)) != len(names):
            raise errors.invalid_request("Duplicate Tag Keys are not allowed.")
        chosen = together
    if len(str(chosen.get("Prefix", rule.get("Prefix") or "")).encode("utf-8", "surrogatepass")) > PREFIX_BYTES_MAX:
        raise errors.invalid_request("The maximum size of a prefix is 1024.")
    for tag in [chosen["Tag"]] if "Tag" in chosen else chosen.get("Tags") or ():
        if not 1 <= len(tag["Key"]) <= 128:
            raise errors.invalid_request("A Tag's Key must be a length between 1 and 128.")
        if len(tag["Value"]) > 256:
            raise errors.invalid_request("A Tag's Value must be a length between 0 and 256.")
    if chosen.get("ObjectSizeGreaterThan", 0) < 0:
        raise errors.invalid_request("'ObjectSizeGreaterThan' has to be a value greater than or equal to 0.")
    if chosen.get("ObjectSizeLessThan", 1) <= 0:
        raise errors.invalid_request("'ObjectSizeLessThan' has to be a value greater than 0.")


def _check_noncurrent(rule: dict[str, Any]) -> None:
    expiration = rule.get("NoncurrentVersionExpiration")
    if expiration is not None:
        if "NoncurrentDays" not in expiration:
            raise errors.malformed_xml()
        _check_days(expiration["NoncurrentDays"], "NoncurrentVersionExpiration")
    transitions = rule.get("NoncurrentVersionTransitions") or ()
    for action, name in ((expiration, "NoncurrentVersionExpiration"), *((each, "NoncurrentVersionTransition") for each in transitions)):
        kept = (action or {}).get("NewerNoncurrentVersions")
        if kept is not None and not 1 <= kept <= NEWER_MAX:
            sentence = f"'NewerNoncurrentVersions' for {name} action must be between 1 and {NEWER_MAX}"
            raise errors.invalid_argument(sentence, "NewerNoncurrentVersions", kept)
    for transition in transitions:
        days, storage_class = transition.get("NoncurrentDays"), transition.get("StorageClass")
        if days is None or storage_class is None:
            raise errors.malformed_xml()
        if days < 0:
            raise errors.invalid_argument(
                "'NoncurrentDays' in NoncurrentVersionTransition action must be nonnegative", "NoncurrentDays", days
            )
        if storage_class in _INFREQUENT and days < 30:
            raise errors.invalid_argument(
                "'NoncurrentDays' in NoncurrentVersionTransition action must be greater than or equal to 30 for storageClass "
                f"'{storage_class}'",
                "NoncurrentDays",
                days,
            )
        if expiration is not None and expiration["NoncurrentDays"] <= days:
            sentence = (
                f"'NoncurrentDays' in the NoncurrentVersionExpiration action for filter '{_shown(rule)}' must be greater than 'NoncurrentDays' in "
                "the NoncurrentVersionTransition action"
            )
            raise errors.invalid_argument(sentence, "Prefix", prefix_of(rule))


def _check_transitions(rule: dict[str, Any]) -> None:
    """Each class once, and none after the expiration."""
    where = f"filter '{_shown(rule)}'"
    seen: set[str] = set()
    for transition in rule.get("Transitions") or ():
        if transition["StorageClass"] in seen:
            raise errors.invalid_request(f"'StorageClass' must be different for 'Transition' actions in same 'Rule' with {where}")
        seen.add(transition["StorageClass"])
    kinds = {"Date" if "Date" in transition else "Days" for transition in rule.get("Transitions") or ()}
    if len(kinds) > 1:
        raise errors.invalid_request(f"Found mixed 'Date' and 'Days' based Transition actions in lifecycle rule for {where}")
    kinds.update({"Days", "Date"} & set(rule.get("Expiration") or ()))
    if len(kinds) > 1:
        raise errors.invalid_request(f"Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule for {where}")
    for transition in rule.get("Transitions") or ():
        for name in ("Days", "Date"):
            end = (rule.get("Expiration") or {}).get(name)
            if end is not None and name in transition and end <= transition[name]:
                sentence = f"'{name}' in the Expiration action for {where} must be greater than '{name}' in the Transition action"
                raise errors.invalid_argument(sentence, "Prefix", prefix_of(rule))
    moves = sorted(rule.get("Transitions") or (), key=lambda each: _WATERFALL.index(each["StorageClass"]))
    for earlier, later in pairwise(moves):
        name = "Days" if "Days" in later else "Date"
        least = (30 if name == "Days" else 30 * DAY_MS // 1000) if earlier["StorageClass"] in _INFREQUENT else 0
        if later[name] - earlier[name] < least or later[name] <= earlier[name]:
            many = "30 days more than" if least else "greater than"
            sentence = (
                f"'{name}' in the 'Transition' action for StorageClass '{later['StorageClass']}' for {where} must be {many} '{where}' in the "
                f"'Transition' action for StorageClass '{earlier['StorageClass']}'"
            )
            raise errors.invalid_argument(sentence, "Prefix", prefix_of(rule))


def _shown(rule: dict[str, Any]) -> str:
    """A filter as S3's sentences have it: (prefix=logs/ and tag(a=b))."""
    prefix, tags, above, below = _filter(rule)
    parts = [f"prefix={prefix}"] if prefix or not tags else []
    parts += [f"tag({name}={value})" for name, value in tags.items()]
    parts += [f"objectsizegreaterthan={above}"] if above >= 0 else []
    parts += [f"objectsizelessthan={below}"] if below is not None else []
    return f"({' and '.join(parts)})"


def _check_days(days: int | None, action: str) -> None:
    if days is not None and days <= 0:
        raise errors.invalid_argument(f"'Days' for {action} action must be a positive integer", "Days", days)


def _check_date(date: float | None) -> None:
    if date is not None and int(date) * 1000 % DAY_MS:
        from groundcloud.wire.timestamps import iso8601_milliseconds

        raise errors.invalid_argument("'Date' must be at midnight GMT", "Date", iso8601_milliseconds(date))


def schedule(call: Call, tx: Transaction, bucket: Bucket) -> None:
    """The next look at this bucket: the coming midnight UTC. One timer, whoever asked from wherever."""
    home = tx.at(bucket.account, bucket.region)
    call.schedule(midnight_after(call.clock.now_ms()), TIMER, bucket.bucket_name, key=bucket.bucket_name, tx=home)


def unschedule(call: Call, tx: Transaction, bucket: Bucket) -> None:
    call.unschedule(TIMER, bucket.bucket_name, tx=tx.at(bucket.account, bucket.region))


def midnight_after(at_ms: int) -> int:
    return at_ms - at_ms % DAY_MS + DAY_MS


def due_ms(since_ms: int, days: int) -> int:
    """When `days` from a moment are over, as S3 counts: the midnight that follows."""
    at_ms = since_ms + days * DAY_MS
    return at_ms if at_ms % DAY_MS == 0 else midnight_after(at_ms)


def applies(rule: dict[str, Any], key: str, version: Version) -> bool:
    prefix, tags, above, below = _filter(rule)
    return (
        key.startswith(prefix)
        and all(version.tags.get(name) == value for name, value in tags.items())
        and version.size_bytes > above
        and (below is None or version.size_bytes < below)
    )


def prefix_of(rule: dict[str, Any]) -> str:
    return _filter(rule)[0]


def _filter(rule: dict[str, Any]) -> tuple[str, dict[str, str], int, int | None]:
    """Prefix, tags, size above, size below."""
    chosen = rule.get("Filter")
    if chosen is None:
        return rule.get("Prefix", ""), {}, -1, None
    chosen = chosen.get("And") or chosen
    tags = [chosen["Tag"]] if "Tag" in chosen else chosen.get("Tags") or []
    return (
        chosen.get("Prefix", ""),
        {tag["Key"]: tag["Value"] for tag in tags},
        chosen.get("ObjectSizeGreaterThan", -1),
        chosen.get("ObjectSizeLessThan"),
    )


def expires_ms(rule: dict[str, Any], version: Version) -> int | None:
    """When the rule expires a current version."""
    expiration = rule.get("Expiration") or {}
    if "Days" in expiration:
        return due_ms(version.modified_ms, expiration["Days"])
    if "Date" in expiration:
        return int(expiration["Date"]) * 1000
    return None


SMALL_BYTES = 128 * 1024
VARYING = "varies_by_storage_class"


def may_move(rule: dict[str, Any], version: Version, storage_class: str, smallest: str) -> bool:
    """Whether a transition takes a version of this size. AWS: below 128 KB it does not, unless the rule's filter has sizes, or the configuration says
    that it varies by storage class and the class is one of the archives."""
    chosen = rule.get("Filter") or {}
    chosen = chosen.get("And") or chosen
    if version.size_bytes >= SMALL_BYTES or "ObjectSizeGreaterThan" in chosen or "ObjectSizeLessThan" in chosen:
        return True
    return smallest == VARYING and storage_class in ("GLACIER", "DEEP_ARCHIVE")


def storage_class_at(rule: dict[str, Any], version: Version, now_ms: int) -> str | None:
    """The class into which the rule has moved a current version by now."""
    latest: tuple[int, str] | None = None
    for transition in rule.get("Transitions") or ():
        at_ms = due_ms(version.modified_ms, transition["Days"]) if "Days" in transition else int(transition["Date"]) * 1000
        if at_ms <= now_ms and (latest is None or at_ms > latest[0]):
            latest = (at_ms, transition["StorageClass"])
    return latest[1] if latest is not None else None


def abortion(tx: Transaction, bucket_name: str, upload: Upload) -> tuple[int, str] | None:
    """When an upload in progress will be aborted, in milliseconds, and by which rule; the soonest."""
    document = CONFIGURATIONS.get(tx, bucket_name, "lifecycle", "") or {}
    found = [
        (due_ms(upload.initiated_ms, rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"]), str(rule["ID"]))
        for rule in document.get("Rules", ())
        if rule["Status"] == "Enabled" and rule.get("AbortIncompleteMultipartUpload") and upload.key.startswith(prefix_of(rule))
    ]
    return min(found, default=None)


def expiration_header(tx: Transaction, bucket: Bucket, key: str, version: Version) -> str | None:
    """`x-amz-expiration`: when and by which rule the object will expire; the soonest."""
    from groundcloud.wire.timestamps import rfc822

    document = CONFIGURATIONS.get(tx, bucket.bucket_name, "lifecycle", "")
    soonest: tuple[int, str] | None = None
    for rule in (document or {}).get("Rules", ()):
        if rule["Status"] != "Enabled" or not applies(rule, key, version):
            continue
        at_ms = expires_ms(rule, version)
        if at_ms is not None and (soonest is None or at_ms < soonest[0]):
            soonest = (at_ms, rule["ID"])
    return f'expiry-date="{rfc822(soonest[0] // 1000)}", rule-id="{soonest[1]}"' if soonest is not None else None
