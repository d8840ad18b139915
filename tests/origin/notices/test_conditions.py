"""The conditions that are so now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from distd.catalogue.rollouts_schema import rollouts as rollouts_table
from distd.domain.assignment_terms import AssignmentOrigin, OriginKind
from distd.domain.conditions import Condition, ConditionKind
from distd.domain.notice_settings import NoticeSettings
from distd.domain.rollout_plan import RolloutPlan, WaveBy, WavePlan
from distd.domain.rollout_state import RolloutAct
from distd.domain.settings import DownloadConfig, settings_of
from distd.origin.deployments import rollouts
from distd.origin.deployments.rollouts import NewRollout
from distd.origin.mirrors import mirrors
from distd.origin.mirrors.mirrors import NewMirror
from distd.origin.notices import conditions
from distd.storage import quota

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin

HOUR_S = 3600.0
SETTINGS = NoticeSettings(stalled_from=2, stalled_percent=50, stalled_h=2)


def found(origin: TestOrigin, settings: NoticeSettings = SETTINGS) -> list[Condition]:
    seen: list[Condition] = origin.read(conditions.of_catalogue, settings, origin.now_s)
    return seen


def test_a_roll_out_that_is_halted(origin: TestOrigin) -> None:
    origin.package("17")
    origin.prolog()
    who, plan = AssignmentOrigin(OriginKind.FILTER), RolloutPlan((WavePlan(WaveBy.REST),))
    made = origin.act(rollouts.create, NewRollout("a", "17", who, plan), origin.now_s)
    origin.act(rollouts.act, "a", RolloutAct.START, origin.now_s, DownloadConfig())
    assert found(origin) == []
    values = {"phase": "HALTED", "reason": "9 % failed"}
    origin.write(lambda conn: conn.execute(rollouts_table.update().values(**values)))
    facts = {"package_id": "17", "reason": "9 % failed"}
    assert found(origin) == [Condition(ConditionKind.ROLLOUT_HALTED, str(made.id), "a", origin.now_s, facts)]


def test_a_mirror_that_is_lost(origin: TestOrigin) -> None:
    for name in ("paris", "lyon"):
        origin.act(mirrors.add, NewMirror(name, f"http://{name}:8081"), origin.now_s)
    assert found(origin) == [], "they have not joined yet"
    joined = "UPDATE mirrors SET joined_at_us = 1000000, seen_at_us = {}, connected = {}"
    origin.write(lambda conn: conn.exec_driver_sql(joined.format(int(origin.now_s * 1e6), "true")))
    assert found(origin) == []
    origin.write(lambda conn: conn.exec_driver_sql(joined.format(2_000_000, "false") + " WHERE name = 'paris'"))
    assert found(origin) == [Condition(ConditionKind.MIRROR_LOST, "paris", "paris", 2.0, {})]
    origin.act(mirrors.revoke, "paris", origin.now_s)
    assert found(origin) == []


@pytest.mark.parametrize(
    ("settings", "is_told"),
    [
        (SETTINGS, True),
        (NoticeSettings(stalled_from=4, stalled_percent=50, stalled_h=2), False),
        (NoticeSettings(stalled_from=2, stalled_percent=70, stalled_h=2), False),
        (NoticeSettings(stalled_from=2, stalled_percent=50, stalled_h=4), False),
        (NoticeSettings(stalled_from=2, stalled_percent=0, stalled_h=2), False),
    ],
)
def test_a_deployment_that_stalls(origin: TestOrigin, settings: NoticeSettings, is_told: bool) -> None:
    origin.package("17")
    for name in ("a", "b", "c"):
        origin.prolog(name)
        origin.inventory(device_id=name)
        origin.assign("17", name)
        origin.listed(name)
    origin.fetch("17", "a")
    origin.now_s += 3 * HOUR_S
    origin.fetch("17", "b")
    seen = found(origin, settings)
    assert [(each.kind, each.subject, each.name, dict(each.facts)) for each in seen] == (
        [(ConditionKind.DEPLOYMENT_STALLED, "17", "package 17", {"stalled": 2, "fetching": 3})] if is_told else []
    )


def test_deployments_that_stall_are_found_by_one_search(origin: TestOrigin) -> None:
    for package_id in ("17", "18", "19"):
        origin.package(package_id)
    for name in ("a", "b"):
        origin.prolog(name)
        origin.inventory(device_id=name)
        for package_id in ("17", "18", "19"):
            origin.assign(package_id, name)
        origin.listed(name)
    origin.now_s += 3 * HOUR_S
    origin.fetch("18", "a")
    origin.fetch("18", "b")
    statements: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    engine = origin.catalogue._engine
    event.listen(engine, "before_cursor_execute", note)
    seen = found(origin)
    event.remove(engine, "before_cursor_execute", note)
    assert [each.subject for each in seen] == ["17", "19"]
    assert len([each for each in statements if "FROM assignments" in each]) == 1


def test_the_disk_and_the_certificate_of_a_server(data: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    values: dict[str, Any] = {"server.host": "origin", "notices.disk_mib": 100, "notices.certificate_days": 30}
    monkeypatch.setattr(quota, "free_bytes", lambda *_: 100 * 1_048_576)
    assert conditions.of_server(data, settings_of(values), "node", 0.0) == []
    monkeypatch.setattr(quota, "free_bytes", lambda *_: 7)
    (disk,) = conditions.of_server(data, settings_of(values), "node", 5.0)
    assert disk == Condition(ConditionKind.DISK_LOW, "node", "origin", 5.0, {"free_bytes": 7})

    def broken(*_: object) -> int:
        raise OSError("stale")

    monkeypatch.setattr(quota, "free_bytes", broken)
    (ends,) = conditions.of_server(data, settings_of(values), "node", 1e10)
    assert (ends.kind, float(ends.facts["ends_at_s"]) < 1e10) == (ConditionKind.CERTIFICATE_ENDS, True)
