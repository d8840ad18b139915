"""Filters of computers in memory. That SQL finds the same is tested by `tests/origin/computers/test_filter_sql.py`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from distd.domain.computer_facts import Account, InstalledSoftware, Interface
from distd.domain.filters.facts import AssignedFacts, filter_facts
from distd.domain.filters.fields import ReadSection
from distd.domain.filters.judge import compile_filter
from distd.domain.filters.parse import parse
from distd.domain.units import parse_past
from distd.domain.versions import version_key
from tests.fixtures.filters import NOW_S

if TYPE_CHECKING:
    from distd.domain.filters.facts import FilterFacts

DAY_S = 86_400


@pytest.fixture(scope="module")
def pc() -> FilterFacts:
    columns: dict[str, Any] = {
        "name_key": "pc-lyon",
        "tag_key": "site 4",
        "os_name_key": "windows 10",
        "os_version": "10.0.19045",
        "os_version_key": "",
        "memory_bytes": 8 * 2**30,
        "cores": None,
        "last_seen_at_us": int((NOW_S - 7 * DAY_S) * 1e6),
    }
    columns["os_version_key"] = version_key(columns["os_version"])
    return filter_facts(
        columns,
        [
            Interface(ip="10.1.2.3", ip_key="40a010203", mac="00:1a:2b:3c:4d:5e"),
            Interface(ip="::1", ip_key="6" + "0" * 31 + "1"),
        ],
        {"room": Account("ROOM", "B12")},
        [InstalledSoftware("Mozilla Firefox", "115.0.2", "Mozilla"), InstalledSoftware("7-Zip", "", "")],
        [AssignedFacts("17", "putty", "FAILED")],
        ["Class A"],
    )


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("lyon", True),
        ("windows lyon", True),
        ("10.1.2", True),
        ("paris", False),
        ("tag = SITE\u20034", False),
        ('tag = "SITE 4"', True),
        ("tag != x", True),
        ("user != x", True),
        ("user = x", False),
        ("user is empty", True),
        ('user ~ "*"', False),
        ('user !~ "*"', True),
        ("cores < 8", False),
        ("not cores < 8", True),
        ("memory >= 8GiB", True),
        ("memory > 8GiB", False),
        ("os_version >= 10.0.9200", True),
        ("os_version = 10.0.019045", True),
        ('os_version ~ "10.0.1*"', True),
        ("ip in 10.1.0.0/16", True),
        ("ip != 10.1.2.3", False),
        ("ip != 10.9.9.9", True),
        ("ip in (10.9.0.0/16, ::1)", True),
        ("not ip in 10.1.0.0/16", False),
        ("mac = 00-1a-2b-3c-4d-5e", True),
        ('mac ~ "00-1A-*"', True),
        ("account.Room = b12", True),
        ("account.other is empty", True),
        ("software(firefox)", True),
        ('software("*firefox*", version >= 115)', True),
        ('software("*firefox*", version >= 115.10)', False),
        ("software(7-zip, version < 5)", False),
        ('software(7-zip, version != "5")', True),
        ("not software(firefox)", False),
        ("software(publisher = mozilla)", True),
        ("software(firefox, publisher = x)", False),
        ("package(17) = FAILED", True),
        ("package(17)", True),
        ("package(putty) in (SUCCESS, failed)", True),
        ("package(putt)", False),
        ('package("putt*") != FAILED', False),
        ("package(18) != FAILED", True),
        ('group("class a")', True),
        ("group(class)", False),
        ('group("class*")', True),
        ("last_contact < 7d", False),
        ("last_contact <= 7d", True),
        ("last_contact >= 7d", True),
        ("last_contact > 8d", True),
        ("last_contact > 2023-11-07", False),
        ("last_contact >= 2023-11-07", True),
        ("last_inventory > 9d", False),
        ("last_inventory is empty", True),
    ],
)
def test_what_holds(pc: FilterFacts, text: str, holds: bool) -> None:
    assert compile_filter(parse(text)).matches(pc, NOW_S) is holds


@pytest.mark.parametrize(
    ("op", "offset_us", "holds"), [("=", 0, True), ("=", -1, False), ("<", -1, True), ("<", 0, False)]
)
@pytest.mark.parametrize(("day", "length_us"), [("2023-11-07", 86_400_000_000), ('"2023-11-07 18:00"', 60_000_000)])
def test_a_moment_is_as_long_as_it_is_written(day: str, length_us: int, op: str, offset_us: int, holds: bool) -> None:
    """`=` holds within it, `<` before it, `<=` up to its end."""
    now = datetime.fromtimestamp(NOW_S)  # noqa: DTZ006 - local, as filters are
    start_us = int(parse_past(day.strip('"'), "x", now) * 1e6)
    assert _holds(f"last_contact {op} {day}", start_us + offset_us) is holds
    last_us = start_us + length_us - 1
    assert _holds(f"last_contact <= {day}", last_us)
    assert not _holds(f"last_contact <= {day}", last_us + 1)
    assert _holds(f"last_contact > {day}", last_us + 1)
    assert _holds(f"last_contact = {day}", last_us)


def _holds(text: str, last_seen_at_us: int) -> bool:
    return compile_filter(parse(text)).matches(filter_facts({"last_seen_at_us": last_seen_at_us}), NOW_S)


@pytest.mark.parametrize("op", ["<", "<=", ">", ">="])
def test_when_the_clock_alone_changes_what_holds(op: str) -> None:
    compiled = compile_filter(parse(f"tag is empty last_contact {op} 7d or last_inventory > 2023-11-07"))
    facts = filter_facts({"last_seen_at_us": int(NOW_S * 1e6)})
    now_s, changed_at_s = NOW_S, []
    while (then_s := compiled.next_change_s(facts, now_s)) is not None:
        if compiled.matches(facts, then_s) is not compiled.matches(facts, now_s):
            changed_at_s.append(then_s)
        now_s = then_s
    assert changed_at_s == [pytest.approx(NOW_S + 7 * DAY_S, abs=2e-6)]
    assert compiled.reads.by_clock


def test_no_clock() -> None:
    compiled = compile_filter(parse("last_contact > 2023-11-07 and software(x)"))
    assert not compiled.reads.by_clock
    assert compiled.next_change_s(filter_facts({"last_seen_at_us": 5}), NOW_S) is None


def test_what_a_filter_reads() -> None:
    reads = compile_filter(parse('lyon account.Room = a software(x) package(17) group("A*") not memory > 1GiB')).reads
    assert reads.fields == {"name", "tag", "user", "ip", "address", "os", "account.room", "memory"}
    assert reads.groups == {"A*"}
    assert reads.sections >= {
        ReadSection.SOFTWARE,
        ReadSection.ASSIGNMENTS,
        ReadSection.GROUPS,
        ReadSection.ACCOUNT,
        ReadSection.NETWORKS,
    }
    assert ReadSection.BIOS not in reads.sections
