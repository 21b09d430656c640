"""Moments in the forms of the protocols."""

import pytest

from groundcloud.wire import timestamps


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2014-04-29T18:30:38Z", 1398796238),
        ("2014-04-29T18:30:38.250Z", 1398796238.25),
        ("2014-04-29T20:30:38+02:00", 1398796238),
        ("2014-04-29T16:30:38-0200", 1398796238),
        ("20140429T183038Z", 1398796238),
        ("2014-04-29", 1398729600),
        ("Tue, 29 Apr 2014 18:30:38 GMT", 1398796238),
        ("Sun, 02 Jan 2000 20:34:56.456 GMT", 946845296.456),
        ("1398796238", 1398796238),
        ("1398796238.5", 1398796238.5),
        (1398796238, 1398796238),
        ("-1", -1),
        ("1969-12-31T23:59:59Z", -1),
        ("9999-12-31T23:59:59Z", 253402300799),
    ],
)
def test_any_form_is_read(text: str | int, seconds: float) -> None:
    assert timestamps.parse(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "2014-13-01T00:00:00Z",
        "2014-04-29T25:00:00Z",
        "nan",
        "inf",
        "1e400",
        "Tue, 99 Apr 2014 18:30:38 GMT",
        "0000-00-00T00:00:00Z",
    ],
)
def test_what_is_no_moment_is_refused(text: str | float) -> None:
    with pytest.raises(ValueError):
        timestamps.parse(text)


@pytest.mark.parametrize(
    ("seconds", "iso", "milliseconds", "rfc"),
    [
        (0, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z", "Thu, 01 Jan 1970 00:00:00 GMT"),
        (1398796238, "2014-04-29T18:30:38Z", "2014-04-29T18:30:38.000Z", "Tue, 29 Apr 2014 18:30:38 GMT"),
        (1398796238.25, "2014-04-29T18:30:38.250Z", "2014-04-29T18:30:38.250Z", "Tue, 29 Apr 2014 18:30:38 GMT"),
        (-62135596800, "0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z", "Mon, 01 Jan 0001 00:00:00 GMT"),
        (253402300799, "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000Z", "Fri, 31 Dec 9999 23:59:59 GMT"),
    ],
)
def test_each_form_is_written(seconds: float, iso: str, milliseconds: str, rfc: str) -> None:
    assert timestamps.iso8601(seconds) == iso
    assert timestamps.iso8601_milliseconds(seconds) == milliseconds
    assert timestamps.rfc822(seconds) == rfc
    assert timestamps.epoch(seconds) == seconds
