"""Text messages: settings, numbers that want none, the sandbox. All of it is kept; one-time passwords are in the kept messages (`keeping.py`)."""

from __future__ import annotations

import re
from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.sns import errors, keeping
from groundcloud.services.sns.state import OPTED_OUT, SANDBOX_NUMBERS, SMS_ATTRIBUTES, Kept, SandboxNumber

SANDBOX_NUMBERS_MAX = 10  # AWS: "up to 10 verified destination phone numbers"
PAGE = 100

_PHONE_NUMBER = re.compile(r"\+?[0-9]{5,20}")
_ATTRIBUTES = {
    "MonthlySpendLimit",
    "DeliveryStatusIAMRole",
    "DeliveryStatusSuccessSamplingRate",
    "DefaultSenderID",
    "DefaultSMSType",
    "UsageReportS3Bucket",
}
_SENDER_ID = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9\-]{1,11}")

Request = dict[str, Any]


@operation()
def set_sms_attributes(call: Call, request: Request) -> Request:
    for name, value in request["attributes"].items():
        _check(name, value)
    for name, value in request["attributes"].items():
        if value:
            SMS_ATTRIBUTES.put(call.tx, name, value)
        else:
            SMS_ATTRIBUTES.delete(call.tx, name)
    return {}


@operation()
def get_sms_attributes(call: Call, request: Request) -> Request:
    found = {"MonthlySpendLimit": "1"} | {name: value for (name,), value in SMS_ATTRIBUTES.items(call.tx)}
    wanted = request.get("attributes")
    return {"attributes": {name: value for name, value in found.items() if not wanted or name in wanted}}


@operation()
def check_if_phone_number_is_opted_out(call: Call, request: Request) -> Request:
    return {"isOptedOut": OPTED_OUT.has(call.tx, _number(request["phoneNumber"]))}


@operation()
def list_phone_numbers_opted_out(call: Call, request: Request) -> Request:
    found = [number for (number,) in OPTED_OUT.keys(call.tx, after=request.get("nextToken"), limit=PAGE + 1)]
    answer: Request = {"phoneNumbers": found[:PAGE]}
    if len(found) > PAGE:
        answer["nextToken"] = found[PAGE - 1]
    return answer


@operation()
def opt_in_phone_number(call: Call, request: Request) -> Request:
    OPTED_OUT.delete(call.tx, _number(request["phoneNumber"]))
    return {}


@operation()
def list_origination_numbers(call: Call, request: Request) -> Request:
    """None: numbers are bought elsewhere."""
    return {"PhoneNumbers": []}


@operation()
def get_sms_sandbox_account_status(call: Call, request: Request) -> Request:
    """Never in it: text messages go nowhere anyway."""
    return {"IsInSandbox": False}


@operation()
def create_sms_sandbox_phone_number(call: Call, request: Request) -> Request:
    number = _number(request["PhoneNumber"])
    known = SANDBOX_NUMBERS.get(call.tx, number)
    if known is None and sum(1 for _ in SANDBOX_NUMBERS.keys(call.tx)) >= SANDBOX_NUMBERS_MAX:
        raise errors.user_error("You have reached the maximum number of destination phone numbers in the SMS sandbox.")
    password = f"{call.random.randrange(1_000_000):06d}"
    if known is not None and known.verified:
        raise errors.user_error("The phone number is already verified.")
    SANDBOX_NUMBERS.put(call.tx, SandboxNumber(phone_number=number, password=password, created_ms=call.now_ms))
    text = f"Your verification code is {password}"
    kept = Kept(protocol="sms", sequence=0, sent_ms=call.now_ms, endpoint=number, message_id=call.new_id(), text=text)
    keeping.put(call, call.tx, kept)
    return {}


@operation()
def verify_sms_sandbox_phone_number(call: Call, request: Request) -> Request:
    known = _sandboxed(call, request)
    if known.password != request["OneTimePassword"]:
        raise errors.verification_failed("Pending")
    SANDBOX_NUMBERS.put(call.tx, known.replace(verified=True))
    return {}


@operation()
def delete_sms_sandbox_phone_number(call: Call, request: Request) -> Request:
    SANDBOX_NUMBERS.delete(call.tx, _sandboxed(call, request).phone_number)
    return {}


@operation()
def list_sms_sandbox_phone_numbers(call: Call, request: Request) -> Request:
    limit = request.get("MaxResults", PAGE)
    found = list(SANDBOX_NUMBERS.scan(call.tx, after=request.get("NextToken"), limit=limit + 1))
    answer: Request = {
        "PhoneNumbers": [{"PhoneNumber": each.phone_number, "Status": "Verified" if each.verified else "Pending"} for each in found[:limit]]
    }
    if len(found) > limit:
        answer["NextToken"] = found[limit - 1].phone_number
    return answer


def _sandboxed(call: Call, request: Request) -> SandboxNumber:
    known = SANDBOX_NUMBERS.get(call.tx, _number(request["PhoneNumber"]))
    if known is None:
        raise errors.phone_number_not_found()
    return known


def _number(text: str) -> str:
    if not _PHONE_NUMBER.fullmatch(text):
        raise errors.invalid_parameter(f"PhoneNumber Reason: {text} is not valid to publish to")
    return text


def _check(name: str, value: str) -> None:
    if name not in _ATTRIBUTES:
        raise errors.invalid_parameter(f"{name} is not a valid attribute")
    if name == "DefaultSMSType" and value not in ("", "Promotional", "Transactional"):
        raise errors.invalid_parameter("DefaultSMSType is invalid")
    if name == "DefaultSenderID" and value and not _SENDER_ID.fullmatch(value):
        raise errors.invalid_parameter("DefaultSenderID is invalid")
    if name in ("MonthlySpendLimit", "DeliveryStatusSuccessSamplingRate") and value and not value.isdigit():
        raise errors.invalid_parameter(f"{name} is invalid")
