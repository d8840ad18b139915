"""What a diagnosis reads, on both databases."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from distd.domain import bandwidth
from distd.domain.settings import Settings, settings_of
from distd.origin.deployments import diagnoses, diagnosis_facts
from distd.origin.deployments.diagnosis_facts import DiagnosisContext, line_rate, read_context
from tests.fixtures.mirrors import add_mirror
from tests.fixtures.origin import NOW_S

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin

MAX_STATEMENTS = 30


def context(origin: TestOrigin) -> DiagnosisContext:
    return DiagnosisContext(settings_of(origin.values), "origin:8080", "origin:8443", ("origin",), math.inf)


def test_of_a_computer_with_everything(origin: TestOrigin) -> None:
    add_mirror(origin, "lyon", networks=("10.0.0.0/8",))
    origin.values["bandwidth.rules"] = "1MB/s"
    origin.prolog()
    origin.inventory()
    for package_id in ("17", "18"):
        origin.package(package_id, plan="x")
    origin.assign("18")
    origin.assign("17", after="18", not_before_s=origin.now_s + 60)
    assert origin.listed() == ["18"]
    origin.fetch("18")
    facts = origin.read(diagnosis_facts.read_facts, context(origin), "pc", "17", origin.now_s)
    assert (facts.held, facts.others) == ("TOO_EARLY", (("18", 5),))
    assert facts.assignment.after_state == "DOWNLOADING"
    assert (facts.fetches.count, facts.fetches.missing) == (0, 1)
    assert (facts.mirror.name, facts.mirror.online, facts.mirror.ready) == ("lyon", True, False)
    assert facts.server.line_bytes_per_s == 1e6
    of_other = origin.read(diagnosis_facts.read_facts, context(origin), "pc", "18", origin.now_s)
    assert (of_other.fetches.count, of_other.fetches.missing, of_other.fetches.repeated) == (1, 2, 0)
    assert [cause.kind for cause in origin.read(diagnoses.why, context(origin), "pc", None, origin.now_s)] == [
        "TOO_EARLY",
        "ON_SCHEDULE",
    ]


def test_a_whole_package_takes_few_statements(origin: TestOrigin) -> None:
    origin.package("17", plan="x")
    for number in range(20):
        origin.prolog(f"pc{number}")
        origin.assign("17", f"pc{number}")
    with origin.catalogue.read() as conn:
        counted: list[str] = []

        def count(*_: Any) -> None:
            counted.append("")

        event.listen(conn, "before_cursor_execute", count)
        groups = diagnoses.group_by_cause(conn, context(origin), "17", origin.now_s, "en")
    assert [(group.kind, group.computers) for group in groups] == [("LISTED_NEXT", 20)]
    assert len(counted) <= MAX_STATEMENTS


@pytest.mark.parametrize(
    ("rules", "sharing", "rate"),
    [
        ("", 5, None),
        ("1MB/s", 5, 2e5),
        ("1MB/s", 0, 1e6),
        ("1MB/s; 64kB/s each", 5, 64e3),
        ("1kB/s 192.168.0.0/16", 5, None),
        ("1MB/s 10.0.0.0/8", 1, 1e6),
    ],
)
def test_what_the_bandwidth_rules_leave(rules: str, sharing: int, rate: float | None) -> None:
    assert line_rate(bandwidth.parse(rules, "rules"), "10.0.0.9", sharing, NOW_S) == rate


def test_the_servers_certificate(data: Any) -> None:
    found = read_context(data, Settings())
    assert found.names is not None
    assert {"localhost", "127.0.0.1"} <= set(found.names)
    assert found.ends_at_s is not None
    assert found.https == "localhost:8443"
    (data.keys / "server.pem").write_bytes(b"nothing")
    assert read_context(data, Settings()).names is None
