"""DynamoDB's numbers: decimal text of up to 38 significant digits, between 1E-130 and 9.99...E+125, and zero.

Pure. Every number is kept in its one normal form (plain decimal notation, no exponent, no needless zero), so equal numbers are
equal texts. `encode` gives bytes that order as the numbers do, for sort keys.
Source: Developer Guide, "Naming rules and data types" > Number.
"""

from __future__ import annotations

import re
from decimal import Context, Decimal

from groundcloud.services.dynamodb import errors

DIGITS_MAX = 38
EXPONENT_MAX = 125
EXPONENT_MIN = -130

_NUMBER = re.compile(r"([+-]?)(?:([0-9]+)(?:\.([0-9]*))?|\.([0-9]+))(?:[eE]([+-]?[0-9]+))?", re.ASCII)
_EXPONENT_DIGITS_MAX = 9
_EXACT = Context(prec=400)
"""Wide enough for any sum of two numbers in range, so that no rounding happens before the digits are counted."""

_PAIR_BYTES = {f"{pair:02d}": pair + 1 for pair in range(100)}


def normalize(text: str) -> str:
    """The normal form of a number's text. Raises ValidationException with AWS's sentence."""
    if len(text) <= DIGITS_MAX and text.isdecimal() and text.isascii() and (text[0] != "0" or len(text) == 1):
        return text
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise errors.validation("The parameter cannot be converted to a numeric value" + (f": {text}" if text else ""))
    sign, whole, fraction, bare_fraction, exponent_text = match.groups()
    fraction = fraction or bare_fraction or ""
    digits = ((whole or "") + fraction).lstrip("0")
    if not digits:
        return "0"
    if exponent_text and len(exponent_text.lstrip("+-0")) > _EXPONENT_DIGITS_MAX:
        raise _underflow() if exponent_text[0] == "-" else _overflow()
    exponent = int(exponent_text or 0) - len(fraction)
    significant = digits.rstrip("0")
    exponent += len(digits) - len(significant)
    return _format(sign == "-", significant, exponent)


def add(left: str, right: str) -> str:
    """The exact sum of two normal forms; raises ValidationException where it does not fit."""
    if len(left) < DIGITS_MAX and len(right) < DIGITS_MAX and "." not in left and "." not in right:
        return str(int(left) + int(right))
    return _from_decimal(_EXACT.add(Decimal(left), Decimal(right)))


def subtract(left: str, right: str) -> str:
    return _from_decimal(_EXACT.subtract(Decimal(left), Decimal(right)))


def less(left: str, right: str) -> bool:
    return Decimal(left) < Decimal(right)


def size_bytes(text: str) -> int:
    """What a number in normal form counts for: a byte, a byte for each pair of digits (base 100), one more where negative.

    Source: Developer Guide, "DynamoDB item sizes and formats".
    """
    if text == "0":
        return 1
    negative = text[0] == "-"
    whole, _, fraction = text[negative:].partition(".")
    if whole == "0":
        digits = fraction.lstrip("0")
        exponent = len(digits) - len(fraction) - 1
        count = len(digits)
    else:
        exponent = len(whole) - 1
        count = len(whole) + len(fraction) if fraction else len(whole.rstrip("0"))
    split_pair = 1 - (count | exponent) % 2  # an even run of digits that begins in the middle of a pair touches one pair more
    return 1 + (count + 1) // 2 + split_pair + negative


def encode(text: str) -> bytes:
    """Bytes of a normal form that compare as the numbers do.

    Zero is 01. A positive number is 02, its exponent, then its digits in pairs (each pair + 1, so that a shorter run of digits
    comes first). A negative number is 00 and the complement of the same, closed by FF, which puts the shorter run last.
    """
    if text == "0":
        return b"\x01"
    negative = text[0] == "-"
    if negative:
        text = text[1:]
    whole, _, fraction = text.partition(".")
    if whole == "0":
        digits = fraction.lstrip("0")
        exponent = len(digits) - len(fraction) - 1
    else:
        digits = whole + fraction
        exponent = len(whole) - 1
    digits = digits.rstrip("0")
    if len(digits) % 2:
        digits += "0"
    pairs = _PAIR_BYTES
    body = bytes([exponent - EXPONENT_MIN, *[pairs[digits[at : at + 2]] for at in range(0, len(digits), 2)]])
    if negative:
        return b"\x00" + bytes(255 - byte for byte in body) + b"\xff"
    return b"\x02" + body


def _from_decimal(number: Decimal) -> str:
    sign, digit_tuple, exponent = number.as_tuple()
    digits = "".join(map(str, digit_tuple)).lstrip("0")
    if not digits:
        return "0"
    significant = digits.rstrip("0")
    return _format(sign == 1, significant, int(exponent) + len(digits) - len(significant))


def _format(negative: bool, significant: str, exponent: int) -> str:
    magnitude = len(significant) - 1 + exponent
    if magnitude > EXPONENT_MAX:
        raise _overflow()
    if magnitude < EXPONENT_MIN:
        raise _underflow()
    if len(significant) > DIGITS_MAX:
        raise errors.validation("Attempting to store more than 38 significant digits in a Number")
    if exponent >= 0:
        text = significant + "0" * exponent
    elif -exponent < len(significant):
        text = f"{significant[:exponent]}.{significant[exponent:]}"
    else:
        text = "0." + "0" * (-exponent - len(significant)) + significant
    return "-" + text if negative else text


def _overflow() -> Exception:
    return errors.validation("Number overflow. Attempting to store a number with magnitude larger than supported range")


def _underflow() -> Exception:
    return errors.validation("Number underflow. Attempting to store a number with magnitude smaller than supported range")
