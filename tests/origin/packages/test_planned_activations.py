"""Activations that wait for a time, and for mirrors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue.event_log import Kind
from distd.domain.errors import BadInput, Conflict
from distd.domain.mirror_rules import Via
from distd.origin.packages import packages, planned_activations, references
from distd.origin.packages.planned_activations import Conditions
from tests.fixtures.mirrors import add_mirror, report

if TYPE_CHECKING:
    from distd.origin.packages.planned_activations import Planned
    from tests.fixtures.origin import TestOrigin


def plan(origin: TestOrigin, percent: int = 90, after_s: float = 0.0, **conditions: Any) -> Planned:
    wanted = Conditions(percent, origin.now_s + after_s, **conditions)
    planned: Planned = origin.act(planned_activations.plan, "17", Via.STEER, wanted, origin.now_s)
    return planned


def activate_due(origin: TestOrigin, after_s: float = 0.0) -> list[str]:
    activated: list[str] = origin.write(planned_activations.activate_due, origin.now_s + after_s)
    return activated


def test_it_waits_for_the_share_of_mirrors(origin: TestOrigin) -> None:
    origin.package("17", active=False)
    a, b, _ = (add_mirror(origin, name, location="FR") for name in "abc")
    other_site = add_mirror(origin, "d", location="DE")
    planned = plan(origin, percent=50, sites=("fr",))
    assert (planned.ready, planned.count, planned.needed) == (0, 3, 2)
    report(origin, other_site, have=[["17", 1]])
    report(origin, a, have=[["17", 1]])
    assert activate_due(origin) == []
    report(origin, b, have=[["17", 1]])
    assert activate_due(origin) == ["17"]
    assert origin.read(packages.show, "17").via == Via.STEER
    assert origin.read(packages.show, "17").active
    assert origin.read(planned_activations.list_planned) == []


def test_it_waits_no_longer_than_it_may(origin: TestOrigin) -> None:
    origin.package("17", active=False)
    add_mirror(origin, "a")
    plan(origin, latest_s=origin.now_s + 60)
    assert activate_due(origin, 59) == []
    assert activate_due(origin, 60) == ["17"]


def test_a_time_needs_no_mirrors(origin: TestOrigin) -> None:
    origin.package("17", active=False)
    plan(origin, percent=0, after_s=60)
    assert activate_due(origin, 59) == []
    assert activate_due(origin, 60) == ["17"]


def test_a_second_plan_replaces_the_first_and_can_be_cancelled(origin: TestOrigin) -> None:
    origin.package("17", active=False)
    plan(origin, percent=0, after_s=60)
    plan(origin, percent=0, after_s=120)
    assert activate_due(origin, 60) == []
    assert origin.act(planned_activations.cancel, "17", origin.now_s)
    assert not origin.act(planned_activations.cancel, "17", origin.now_s)
    assert activate_due(origin, 120) == []


@pytest.mark.parametrize("values", [{}, {"percent": 0, "latest_s": 1.0}, {"percent": 0, "sites": ("x" * 100_000,)}])
def test_bad_conditions_are_refused(origin: TestOrigin, values: dict[str, Any]) -> None:
    origin.package("17", active=False)
    with pytest.raises(BadInput):
        plan(origin, **values)


def test_a_withdrawn_package_is_refused(origin: TestOrigin) -> None:
    origin.package("17", active=False)
    origin.act(packages.mark_withdrawn, "17", 2, origin.now_s)
    with pytest.raises(Conflict):
        plan(origin, percent=0)


def test_a_package_that_is_withdrawn_waits_no_longer(origin: TestOrigin) -> None:
    origin.package("17", active=False)
    plan(origin, percent=0, after_s=60)
    origin.act(packages.mark_withdrawn, "17", 2, origin.now_s)
    assert origin.read(planned_activations.list_planned) == []
    assert activate_due(origin, 60) == []


def test_what_follows_or_forgets_a_package_has_its_plan(origin: TestOrigin) -> None:
    for package_id in ("17", "18"):
        origin.package(package_id, active=False)
    plan(origin, percent=0, after_s=60)
    origin.write(references.follow_package, "17", "18")
    assert [planned.package_id for planned in origin.read(planned_activations.list_planned)] == ["18"]
    origin.write(references.forget_package, "18")
    assert activate_due(origin, 60) == []


def test_what_is_impossible_is_cancelled_and_the_others_are_activated(origin: TestOrigin) -> None:
    for package_id in ("17", "18", "19"):
        origin.package(package_id, active=False)
        wanted = Conditions(0, origin.now_s)
        origin.act(planned_activations.plan, package_id, None, wanted, origin.now_s)
    for column, package_id in (("withdrawn_at_us", "17"), ("deleted_at_us", "18")):  # as versions before left them
        statement = f"UPDATE packages SET {column} = 1 WHERE id = '{package_id}'"
        origin.write(lambda conn, statement=statement: conn.exec_driver_sql(statement))
    assert activate_due(origin) == ["19"]
    assert origin.read(planned_activations.list_planned) == []
    found = {event.package_id: event.detail["why"] for event in origin.events(Kind.ACTIVATION_CANCELLED)}
    assert "is withdrawn" in found["17"]
    assert "got 18" in found["18"]
