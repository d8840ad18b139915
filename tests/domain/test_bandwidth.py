"""Rules of bandwidth as text; when and for which addresses they apply."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from distd.domain.bandwidth import Rule, parse
from distd.domain.errors import BadInput

WEEKDAYS = frozenset(range(5))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("2MB/s", Rule("2MB/s", 2e6)),
        ("2 MB/s mon-fri 8-18", Rule("2 MB/s mon-fri 8-18", 2e6, days=WEEKDAYS, begin_min=480, end_min=1080)),
        ("2MB/s 8-18h mon-fri", Rule("2MB/s 8-18h mon-fri", 2e6, days=WEEKDAYS, begin_min=480, end_min=1080)),
        ("500kB/s 10.1.0.0/16", Rule("500kB/s 10.1.0.0/16", 5e5, network=ipaddress.ip_network("10.1.0.0/16"))),
        ("1KiB/s fd00::/8 each", Rule("1KiB/s fd00::/8 each", 1024, True, ipaddress.ip_network("fd00::/8"))),
        ("16Mbit/s", Rule("16Mbit/s", 2e6)),
        ("0.5 gb/s", Rule("0.5 gb/s", 5e8)),
        ("100 B/s 192.0.2.7", Rule("100 B/s 192.0.2.7", 100, network=ipaddress.ip_network("192.0.2.7"))),
        ("1MiB/s 22:30-6", Rule("1MiB/s 22:30-6", 2**20, begin_min=1350, end_min=360)),
        ("1MB/s sat-mon,wed", Rule("1MB/s sat-mon,wed", 1e6, days=frozenset({5, 6, 0, 2}))),
        ("1MB/s 0-24", Rule("1MB/s 0-24", 1e6)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_rule(text: Any, rule: Any) -> None:
    assert parse(text, "bandwidth.rules") == (rule,)


def test_several_rules_and_none() -> None:
    assert [rule.bytes_per_s for rule in parse("2MB/s; 1MB/s each ;", "r")] == [2e6, 1e6]
    assert parse(" ", "r") == ()


@pytest.mark.parametrize(
    "text",
    [
        *("fast", "2MB", "MB/s", "0B/s", "2MB/s someday", "2MB/s 10.1.0.0/33", "2MB/s 10.1.2.3/16", "2MB/s 8-25"),
        *("2MB/s 8-8", "2MB/s 8:61-9", "2MB/s 24-8", "2MB/s each each", "2MB/s mon tue", "2MB/s 8-9 10-11"),
        "2MB/s 1.0.0.0/8 2.0.0.0/8",
    ],
)
def test_a_bad_rule_is_named(text: Any) -> None:
    with pytest.raises(BadInput) as caught:
        parse(f"1MB/s; {text}", "bandwidth.rules")
    assert str(caught.value).startswith("bandwidth.rules: expected ")
    assert text in str(caught.value)


def test_too_many_rules() -> None:
    with pytest.raises(BadInput, match="at most 64 rules"):
        parse("1MB/s;" * 65, "r")


@pytest.mark.parametrize(
    ("text", "address", "covered"),
    [
        ("1MB/s", "10.1.2.3", True),
        ("1MB/s 10.1.0.0/16", "10.1.255.255", True),
        ("1MB/s 10.1.0.0/16", "10.2.0.0", False),
        ("1MB/s 10.1.0.0/16", "fd00::1", False),
        ("1MB/s fd00::/8", "fd00::1", True),
        ("1MB/s 10.1.0.0/16", "", False),
    ],
)
def test_whom_a_rule_is_for(text: Any, address: Any, covered: Any) -> None:
    assert parse(text, "r")[0].covers(address) is covered


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("1MB/s mon-fri 8-18", {(0, 479): False, (0, 480): True, (4, 1079): True, (4, 1080): False, (5, 600): False}),
        ("1MB/s fri 22-6", {(4, 1320): True, (4, 100): False, (5, 359): True, (5, 360): False, (5, 1400): False}),
        ("1MB/s sun 22-6", {(6, 1439): True, (0, 0): True, (0, 360): False, (6, 0): False}),
        ("1MB/s", {(0, 0): True, (6, 1439): True}),
    ],
)
def test_when_a_rule_applies(text: Any, times: Any) -> None:
    rule = parse(text, "r")[0]
    assert {time: rule.applies(*time) for time in times} == times
