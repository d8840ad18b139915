"""Roll-outs in a catalogue: make, start, advance, halt, go on, roll back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert, update

from distd.catalogue import groups_schema, rollouts_schema, schema
from distd.catalogue.event_log import Kind
from distd.domain import rollout
from distd.domain.assignment_terms import AssignmentOrigin, OriginKind
from distd.domain.errors import BadInput, Conflict, NotFound
from distd.domain.page import EVERYTHING
from distd.domain.results import OPEN
from distd.domain.rollout_plan import RolloutHalts, RolloutLimits, RolloutPlan, WaveBy, WavePlan
from distd.domain.rollout_state import RolloutAct
from distd.domain.settings import DownloadConfig
from distd.origin.computers import computers
from distd.origin.deployments import acts, rollout_advance, rollout_rows, rollouts
from distd.origin.deployments.acts import ChosenAssignments
from distd.origin.deployments.rollouts import NewRollout
from distd.origin.groups import groups
from distd.origin.groups.groups import GroupChanges
from distd.origin.packages import counters, packages, publishing
from tests.fixtures.origin import ADMIN
from tests.fixtures.rollouts import advance_rollouts, join_rollouts

if TYPE_CHECKING:
    from distd.origin.deployments.rollouts import Rollout
    from distd.origin.packages.publishing import PackageStore
    from tests.fixtures.origin import TestOrigin

CONFIG = DownloadConfig(frag_latency_s=0)
ALL = AssignmentOrigin(OriginKind.FILTER)
PLAN = RolloutPlan((WavePlan(WaveBy.NUMBER, "2", "pilot"), WavePlan(WaveBy.REST, after_s=60)), halts=RolloutHalts(50))
NAMES = [f"pc{number}" for number in range(6)]


@pytest.fixture
def site(origin: TestOrigin) -> TestOrigin:
    """Package 17, six computers, the first two in a group."""
    origin.package("17")
    for device_id in NAMES:
        origin.prolog(device_id)
        origin.inventory(device_id=device_id)
    ids = {row["device_id"]: row["id"] for row in origin.rows(schema.computers)}
    key = {"name": "Class A", "name_key": "class a"}
    origin.write(lambda conn: conn.execute(insert(groups_schema.groups).values(id=1, **key)))
    rows = [{"group_id": 1, "computer_id": ids[name]} for name in NAMES[:2]]
    origin.write(lambda conn: conn.execute(insert(groups_schema.group_members), rows))
    return origin


def make(site: TestOrigin, plan: RolloutPlan = PLAN, who: AssignmentOrigin = ALL, **more: Any) -> Rollout:
    made: Rollout = site.act(rollouts.create, NewRollout("Putty", "17", who, plan, **more), site.now_s)
    return made


def do(site: TestOrigin, what: RolloutAct) -> Rollout:
    left_out = site.act(rollouts.act, "putty", what, site.now_s, CONFIG).left_out
    done: Rollout = site.read(rollouts.show, "putty", site.now_s)
    return replace(done, left_out=left_out)


def start(site: TestOrigin, plan: RolloutPlan = PLAN, **more: Any) -> Rollout:
    make(site, plan, **more)
    return do(site, RolloutAct.START)


def advance(site: TestOrigin, seconds: float = 5) -> Rollout:
    site.now_s += seconds
    for _ in range(5):
        advance_rollouts(site, CONFIG)
    assert site.write(counters.recount_all) == {}
    found: Rollout = site.read(rollouts.show, "Putty", site.now_s)
    return found


def assigned(site: TestOrigin) -> list[str]:
    return [result.device_id for result in site.results("17") if result.state in OPEN]


def report(site: TestOrigin, code: str, *device_ids: str) -> None:
    for device_id in device_ids:
        assert site.listed(device_id) == ["17"]
        if code.startswith("SUCCESS"):
            site.fetch("17", device_id)
        site.report("17", code, device_id)


def test_waves_one_after_the_other(site: TestOrigin) -> None:
    made = make(site)
    assert [(wave.name, wave.who, wave.members) for wave in made.waves] == [("pilot", "2", 2), ("", "rest", 4)]
    assert (made.phase, assigned(site)) == ("DRAFT", [])
    started = do(site, RolloutAct.START)
    assert (started.phase, started.opened) == ("RUNNING", 1)
    pilots = assigned(site)
    assert len(pilots) == 2
    report(site, "SUCCESS", *pilots)
    assert advance(site).opened == 1
    ended = advance(site, 60)
    assert (ended.opened, ended.waves[0].success, ended.waves[1].active) == (2, 2, 4)
    report(site, "SUCCESS", *assigned(site))
    assert advance(site).phase == "FINISHED"
    opened = site.events(Kind.ROLLOUT_WAVE_OPENED)[1]
    assert (str(opened.actor), opened.package_id) == ("system", "17")
    assert opened.detail | {"wanted_percent": 90, "success": 2, "members": 2, "wave": 2} == opened.detail
    results = site.results("17")
    assert {(result.origin_kind, result.origin_name) for result in results} == {("rollout", "Putty")}


def test_it_halts_takes_back_and_goes_on(site: TestOrigin) -> None:
    start(site)
    first, second = assigned(site)
    report(site, "ERR_EXECUTE", first)
    halted = advance(site)
    assert (halted.phase, halted.reason) == (
        "HALTED",
        "wave 1: 1 failed of 1 with a result, of 2; limit 50 %",
    )
    assert (assigned(site), site.listed(second)) == ([], [])
    assert len(site.events(Kind.UNASSIGNED)) == 1
    resumed = do(site, RolloutAct.RESUME)
    assert (resumed.phase, assigned(site)) == ("RUNNING", [second])
    report(site, "SUCCESS", second)
    assert advance(site, 60).opened == 2


def test_what_was_found_due_is_not_done_once_an_operator_has_changed_it(site: TestOrigin) -> None:
    start(site)
    report(site, "SUCCESS", *assigned(site))
    site.now_s += 60
    due = site.read(rollout_advance.find_due, 1, site.now_s, CONFIG)
    assert due is not None
    do(site, RolloutAct.PAUSE)
    assert site.write(rollout_advance.advance_due, due, site.now_s, CONFIG) == 0
    do(site, RolloutAct.RESUME)
    found = site.read(rollouts.show, "Putty", site.now_s)
    assert (found.opened, len(assigned(site))) == (2, 4)
    assert site.write(rollout_advance.advance_due, due, site.now_s, CONFIG) == 0
    assert site.read(rollout_advance.find_due, 1, site.now_s, CONFIG) is None


def test_who_joins_is_looked_at_again(site: TestOrigin) -> None:
    start(site, replace(PLAN, dynamic=True))
    site.prolog("new")
    site.prolog("gone")
    joining = site.read(rollout_advance.find_joining, 1, site.now_s)
    site.act(computers.delete, ["gone"], site.now_s)
    assert site.write(rollout_advance.join_found, joining, site.now_s) == 1
    assert site.write(rollout_advance.join_found, joining, site.now_s) == 0
    do(site, RolloutAct.PAUSE)
    site.prolog("late")
    assert site.read(rollout_advance.list_running) == []


def test_retries(site: TestOrigin) -> None:
    start(site, replace(PLAN, retries=1, halts=RolloutHalts(100)))
    first, second = assigned(site)
    report(site, "ERR_DOWNLOAD_PACK", first)
    assert advance(site).waves[0].active == 2
    do(site, RolloutAct.PAUSE)
    assert advance(site).waves[0].failed == 1
    do(site, RolloutAct.RESUME)
    report(site, "ERR_DOWNLOAD_PACK", first)
    report(site, "SUCCESS", second)
    found = advance(site)
    assert (found.phase, found.waves[0].failed, site.listed(first)) == ("HALTED", 1, [])
    assert [event.detail["computers"] for event in site.events(Kind.ROLLOUT_RETRIED)] == [1, 1]


def test_what_a_user_refused_is_not_tried_again(site: TestOrigin) -> None:
    start(site, replace(PLAN, retries=1))
    report(site, "ERR_ABORTED", assigned(site)[0])
    assert (advance(site).phase, site.events(Kind.ROLLOUT_RETRIED)) == ("HALTED", [])


def test_limits_and_stop(site: TestOrigin) -> None:
    plan = RolloutPlan((WavePlan(WaveBy.REST),), RolloutLimits(at_once=3))
    start(site, plan)
    assert len(assigned(site)) == 3
    site.listed(assigned(site)[0])
    stopped = do(site, RolloutAct.STOP)
    assert (stopped.phase, len(assigned(site))) == ("STOPPED", 1)
    with pytest.raises(Conflict, match="it is stopped, so it cannot be started"):
        do(site, RolloutAct.START)


def test_a_rate_limits_how_many(site: TestOrigin) -> None:
    """A fragment of 10/3 bytes a second each."""
    start(site, RolloutPlan((WavePlan(WaveBy.REST),), RolloutLimits(bytes_per_s=7)))
    assert len(assigned(site)) == 2


def test_pause_and_resume(site: TestOrigin) -> None:
    start(site)
    before = assigned(site)
    assert (do(site, RolloutAct.PAUSE).phase, assigned(site)) == ("PAUSED", [])
    assert advance(site).phase == "PAUSED"
    do(site, RolloutAct.RESUME)
    assert assigned(site) == before


def test_groups_filters_and_tags(site: TestOrigin) -> None:
    waves = (
        WavePlan(WaveBy.GROUP, "class a"),
        WavePlan(WaveBy.FILTER, "device_id = pc5"),
        WavePlan(WaveBy.REST),
    )
    made = make(site, RolloutPlan(waves), AssignmentOrigin(OriginKind.FILTER, "NOT device_id = pc4"))
    assert [wave.members for wave in made.waves] == [2, 1, 2]
    do(site, RolloutAct.START)
    assert assigned(site) == NAMES[:2]
    grouped = NewRollout("B", "17", AssignmentOrigin(OriginKind.GROUP, "Class A"), RolloutPlan(waves[:1]))
    assert site.act(rollouts.create, grouped, site.now_s).waves[0].members == 2
    assert [each.name for each in site.read(rollouts.list_rollouts, EVERYTHING).items] == ["B", "Putty"]


def test_those_that_begin_to_match_join(site: TestOrigin) -> None:
    start(site, replace(PLAN, dynamic=True))
    site.prolog("new")
    site.inventory(device_id="new")
    assert (join_rollouts(site), join_rollouts(site)) == (1, 0)
    assert [wave.members for wave in advance(site).waves] == [2, 5]
    (event,) = site.events(Kind.ROLLOUT_JOINED)
    assert (event.detail["wave"], event.detail["computers"]) == (2, 1)


def test_a_package_that_is_not_active_halts_it(site: TestOrigin) -> None:
    make(site)
    site.act(packages.deactivate, "17", site.now_s)
    halted = do(site, RolloutAct.START)
    assert halted.phase == "HALTED"
    assert halted.reason.startswith("the package cannot be assigned: package: 17 is not active")


def test_it_goes_on_with_the_superseding_package_from_the_first_wave(site: TestOrigin) -> None:
    start(site)
    first, _ = assigned(site)
    report(site, "ERR_EXECUTE", first)
    assert advance(site).phase == "HALTED"
    site.package("18")
    old = update(schema.packages).where(schema.packages.c.id == "17")
    site.write(lambda conn: conn.execute(old.values(superseded_by="18")))
    assert advance(site).package_id == "18"
    resumed = do(site, RolloutAct.RESUME)
    assert (resumed.phase, resumed.opened, resumed.waves[0].active) == ("RUNNING", 1, 2)
    (event,) = site.events(Kind.ROLLOUT_RESTARTED)
    assert (event.detail["before"], event.detail["after"]) == ("17", "18")


def test_roll_back(site: TestOrigin) -> None:
    site.package("16")
    start(site, replace(PLAN, roll_back_to="16"))
    first, _ = assigned(site)
    report(site, "SUCCESS", first)
    assert do(site, RolloutAct.ROLL_BACK).phase == "STOPPED"
    assert [result.device_id for result in site.results("16")] == [first]
    assert site.prolog(first).packs[0].force


def test_a_large_roll_back_goes_on_after_a_kill(site: TestOrigin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part is a transaction: one that is not committed is done again, and nobody gets it twice."""
    site.package("16")
    start(site, RolloutPlan((WavePlan(WaveBy.REST),), roll_back_to="16"))
    report(site, "SUCCESS", *NAMES[:5])
    monkeypatch.setattr(rollout, "MAX_STEP", 2)
    assert do(site, RolloutAct.ROLL_BACK).phase == "ROLLING_BACK"
    assert (len(site.results("16")), assigned(site)) == (2, ["pc5"])
    with pytest.raises(Conflict, match="it is being rolled back; try again in a minute"):
        site.act(rollouts.delete, "Putty", site.now_s)
    with pytest.raises(Conflict, match="it is being rolled back, so nothing of it changes"):
        site.act(rollouts.change, "putty", {"roll_back_to": ""}, site.now_s)

    def killed(conn: Any) -> None:
        due = rollout_advance.find_due(conn, 1, site.now_s, CONFIG)
        assert due is not None
        rollout_advance.advance_due(conn, due, site.now_s, CONFIG)
        raise RuntimeError

    for parts in (3, 5, 5):
        with pytest.raises(RuntimeError):
            site.write(killed)
        advance_rollouts(site, CONFIG)
        assert len(site.results("16")) == parts
    advance_rollouts(site, CONFIG)
    assert (site.read(rollouts.show, "Putty", site.now_s).phase, assigned(site)) == ("STOPPED", [])
    assert sorted(each.device_id for each in site.results("16")) == NAMES[:5]
    events = site.events(Kind.ROLLOUT_ROLLED_BACK)
    assert [(str(each.actor), each.detail["wanted"], each.detail["computers"]) for each in events] == [
        ("operator:admin", 5, 2),
        ("system", 3, 1),
        ("system", 2, 2),
    ]
    assert len(site.events(Kind.ROLLOUT_STOPPED)) == 1


def test_a_roll_back_to_what_cannot_be_assigned_halts(site: TestOrigin, monkeypatch: pytest.MonkeyPatch) -> None:
    site.package("16")
    start(site, RolloutPlan((WavePlan(WaveBy.REST),), roll_back_to="16"))
    report(site, "SUCCESS", *NAMES)
    monkeypatch.setattr(rollout, "MAX_STEP", 4)
    do(site, RolloutAct.ROLL_BACK)
    site.act(packages.deactivate, "16", site.now_s)
    halted = advance(site)
    assert (halted.phase, "16 is not active" in halted.reason) == ("HALTED", True)
    site.act(packages.activate, "16", None, None, site.now_s)
    again = do(site, RolloutAct.ROLL_BACK)
    assert (again.phase, again.reason, len(site.results("16"))) == ("STOPPED", "", 6)


def test_what_operators_take_back_counts_no_more(site: TestOrigin) -> None:
    start(site)
    first, second = assigned(site)
    site.act(acts.unassign, "17", ChosenAssignments(device_ids=[first]), site.now_s)
    report(site, "SUCCESS", second)
    site.act(acts.archive, "17", ChosenAssignments(), site.now_s)
    found = advance(site, 60)
    assert (found.waves[0].members, found.waves[0].success, found.opened) == (1, 1, 2)


def test_a_computer_that_is_deleted_is_no_member(site: TestOrigin) -> None:
    start(site)
    site.act(computers.delete, [assigned(site)[0]], site.now_s)
    assert advance(site).waves[0].members == 1


def test_another_operator_approves(site: TestOrigin) -> None:
    started = start(site, replace(PLAN, approval=True))
    assert (started.phase, assigned(site)) == ("AWAITING_APPROVAL", [])
    with pytest.raises(Conflict, match="operator:admin made it"):
        do(site, RolloutAct.APPROVE)


REFUSED: dict[str, tuple[type[Exception], str, dict[str, Any]]] = {
    "an unknown package": (NotFound, "package", {"package_id": "99"}),
    "no name": (BadInput, "name", {"name": " "}),
    "a plan": (BadInput, "waves", {"plan": RolloutPlan(())}),
    "a group": (NotFound, "group", {"who": AssignmentOrigin(OriginKind.GROUP, "none")}),
    "a filter": (BadInput, "filter", {"who": AssignmentOrigin(OriginKind.FILTER, "memroy > 1")}),
    "nobody": (BadInput, "who", {"who": AssignmentOrigin(OriginKind.TAG, "none")}),
    "a kind": (BadInput, "who", {"who": AssignmentOrigin(OriginKind.HAND, "none")}),
    "the package before": (NotFound, "roll_back_to", {"plan": replace(PLAN, roll_back_to="99")}),
}


@pytest.mark.parametrize(("error", "field", "values"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_changes_nothing(
    site: TestOrigin, error: type[Exception], field: str, values: dict[str, Any]
) -> None:
    with pytest.raises(error) as caught:
        site.act(rollouts.create, replace(NewRollout("Putty", "17", ALL, PLAN), **values), site.now_s)
    assert getattr(caught.value, "field", "") == field
    assert site.read(rollouts.list_rollouts, EVERYTHING).total == 0


def test_there_are_not_too_many(site: TestOrigin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollouts, "MAX_ROLLOUTS", 1)
    make(site)
    with pytest.raises(Conflict, match="name: there are 1 roll-outs already; delete some that have ended"):
        site.act(rollouts.create, NewRollout("Other", "17", ALL, PLAN), site.now_s)


def test_names_are_unique_and_known(site: TestOrigin) -> None:
    make(site)
    with pytest.raises(Conflict, match="there is a roll-out Putty already"):
        make(site)
    with pytest.raises(NotFound):
        site.act(rollouts.act, "other", RolloutAct.START, site.now_s, CONFIG)


def test_what_is_changed_counts_from_the_next_step_on(site: TestOrigin) -> None:
    start(site, replace(PLAN, limits=RolloutLimits(at_once=1)))
    assert len(assigned(site)) == 1
    changed = site.act(rollouts.change, "putty", {"limits": RolloutLimits(), "retries": 1}, site.now_s)
    assert (changed.phase, changed.opened) == ("RUNNING", 1)
    advance(site)
    assert len(assigned(site)) == 2
    (event,) = site.events(Kind.ROLLOUT_CHANGED)
    assert event.detail["after"] == {"limits": {"at_once": None, "bytes_per_s": None}, "retries": 1}
    site.act(rollouts.change, "putty", {"retries": 1}, site.now_s)
    assert len(site.events(Kind.ROLLOUT_CHANGED)) == 1, "nothing was different"


def test_what_is_approved_stays_as_it_is(site: TestOrigin) -> None:
    make(site, replace(PLAN, approval=True))
    site.act(rollouts.change, "putty", {"retries": 1}, site.now_s)
    do(site, RolloutAct.START)
    with pytest.raises(Conflict, match="it is approved as it is, or will be"):
        site.act(rollouts.change, "putty", {"retries": 2}, site.now_s)


def test_one_that_ended_is_forgotten_with_its_computers(site: TestOrigin) -> None:
    start(site)
    with pytest.raises(Conflict, match="it is running; stop it first"):
        site.act(rollouts.delete, "putty", site.now_s)
    pilots = assigned(site)
    site.listed(pilots[0])
    do(site, RolloutAct.STOP)
    site.act(rollouts.delete, "putty", site.now_s)
    assert assigned(site) == [pilots[0]], "its agent was told"
    assert site.rows(rollouts_schema.rollout_members) == site.rows(rollouts_schema.rollout_waves) == []
    assert make(site).phase == "DRAFT", "the name is free"


def delete_package(site: TestOrigin, package_id: str) -> None:
    """As a version before could do it."""
    gone = update(schema.packages).where(schema.packages.c.id == package_id).values(deleted_at_us=1)
    site.write(lambda conn: conn.execute(gone))


def test_a_package_is_not_deleted_while_its_roll_out_goes_on(site: TestOrigin, package_store: PackageStore) -> None:
    site.package("16")
    start(site, replace(PLAN, start_at_s=site.now_s + 600, roll_back_to="16"))
    for package_id in ("17", "16"):
        with pytest.raises(Conflict, match=f"{package_id} is needed by the roll-out Putty; stop the roll-out first"):
            publishing.delete(package_store, ADMIN, package_id, site.now_s)
    do(site, RolloutAct.STOP)
    publishing.delete(package_store, ADMIN, "16", site.now_s)


def test_one_whose_package_is_gone_holds_nobody_up_and_can_be_stopped(site: TestOrigin) -> None:
    start(site, replace(PLAN, start_at_s=site.now_s + 600))
    site.package("18")
    other = NewRollout("Other", "18", ALL, replace(PLAN, start_at_s=site.now_s + 600))
    site.act(rollouts.create, other, site.now_s)
    site.act(rollouts.act, "Other", RolloutAct.START, site.now_s, CONFIG)
    delete_package(site, "17")
    halted = advance(site, 600)
    assert (halted.phase, halted.reason[:31]) == ("HALTED", "the package cannot be assigned:")
    assert site.read(rollouts.show, "Other", site.now_s).phase == "RUNNING"
    assert do(site, RolloutAct.STOP).phase == "STOPPED"


def test_a_successor_that_was_deleted_is_passed_over(site: TestOrigin) -> None:
    start(site)
    for package_id, after in (("17", "18"), ("18", "19")):
        site.package(after)
        old = update(schema.packages).where(schema.packages.c.id == package_id)
        site.write(lambda conn, old=old, after=after: conn.execute(old.values(superseded_by=after)))
    delete_package(site, "19")
    assert advance(site).package_id == "18"


def test_what_is_wrong_with_one_halts_it_and_no_other(site: TestOrigin, monkeypatch: pytest.MonkeyPatch) -> None:
    start(site)

    def read_facts(conn: Any, found: Any, *more: Any) -> Any:
        if found.name == "Putty":
            raise NotFound("package", "a package", "17")
        return rollout_rows.read_facts(conn, found, *more)

    other = NewRollout("Other", "17", ALL, replace(PLAN, start_at_s=site.now_s + 5))
    site.act(rollouts.create, other, site.now_s)
    site.act(rollouts.act, "Other", RolloutAct.START, site.now_s, CONFIG)
    monkeypatch.setattr("distd.origin.deployments.rollout_advance.read_facts", read_facts)
    assert advance(site).phase == "HALTED"
    assert site.read(rollouts.show, "Other", site.now_s).phase == "RUNNING"


def test_the_group_of_a_dynamic_one_gets_another_name_and_stays(site: TestOrigin) -> None:
    waves = WavePlan(WaveBy.GROUP, "Class A"), WavePlan(WaveBy.REST)
    who = AssignmentOrigin(OriginKind.GROUP, "class a")
    start(site, replace(PLAN, waves=waves, dynamic=True), who=who)
    site.act(groups.edit, "Class A", GroupChanges(name="Class B"), site.now_s)
    found = site.read(rollouts.show, "Putty", site.now_s)
    assert (found.who, found.plan["waves"][0]["value"]) == ("Class B", "Class B")
    site.act(groups.set_members, "Class B", [NAMES[2]], now_s=site.now_s)
    assert join_rollouts(site) == 1
    with pytest.raises(Conflict, match="Class B is needed by the roll-out Putty; stop the roll-out first"):
        site.act(groups.delete, "class b", site.now_s)
    do(site, RolloutAct.STOP)
    site.act(groups.delete, "class b", site.now_s)


def test_the_groups_of_its_filters_get_another_name_and_stay(site: TestOrigin) -> None:
    waves = WavePlan(WaveBy.FILTER, 'group("class a") AND device_id ~ "pc0"'), WavePlan(WaveBy.REST)
    start(
        site,
        replace(PLAN, waves=waves, dynamic=True),
        who=AssignmentOrigin(OriginKind.FILTER, 'group("Class A") OR group("Class*")'),
    )
    site.act(groups.edit, "Class A", GroupChanges(name="Lab 1"), site.now_s)
    found = site.read(rollouts.show, "Putty", site.now_s)
    assert found.who == 'group("Lab 1") OR group("Class*")'
    assert found.plan["waves"][0]["value"] == 'group("Lab 1") AND device_id ~ "pc0"'
    site.act(groups.set_members, "Lab 1", [NAMES[2]], now_s=site.now_s)
    assert join_rollouts(site) == 1
    with pytest.raises(Conflict, match="Lab 1 is needed by the roll-out Putty; stop the roll-out first"):
        site.act(groups.delete, "Lab 1", site.now_s)


def test_one_whose_group_is_gone_halts_and_others_are_joined(site: TestOrigin) -> None:
    start(site, replace(PLAN, dynamic=True), who=AssignmentOrigin(OriginKind.GROUP, "class a"))
    other = NewRollout("Other", "17", ALL, replace(PLAN, dynamic=True))
    site.act(rollouts.create, other, site.now_s)
    site.act(rollouts.act, "Other", RolloutAct.START, site.now_s, CONFIG)
    site.write(lambda conn: conn.execute(update(groups_schema.groups).values(name="B", name_key="b")))
    site.prolog("new")
    assert join_rollouts(site) == 1
    halted = site.read(rollouts.show, "Putty", site.now_s)
    assert (halted.phase, "group: expected the name of a group" in halted.reason) == ("HALTED", True)


def make_other(site: TestOrigin, plan: RolloutPlan, name: str = "Other") -> None:
    site.act(rollouts.create, NewRollout(name, "17", ALL, plan), site.now_s)
    site.act(rollouts.act, name, RolloutAct.START, site.now_s, CONFIG)


def test_what_another_one_of_the_package_assigned_stays(site: TestOrigin) -> None:
    start(site)
    mine = assigned(site)
    make_other(site, RolloutPlan((WavePlan(WaveBy.REST),)))
    assert len(assigned(site)) == 6
    site.act(rollouts.act, "Other", RolloutAct.STOP, site.now_s, CONFIG)
    assert assigned(site) == mine
    do(site, RolloutAct.PAUSE)
    assert assigned(site) == []


def test_what_is_taken_back_when_it_stops_is_in_parts(site: TestOrigin, monkeypatch: pytest.MonkeyPatch) -> None:
    start(site, RolloutPlan((WavePlan(WaveBy.REST),)))
    monkeypatch.setattr(rollout, "MAX_STEP", 4)
    assert (do(site, RolloutAct.STOP).phase, len(assigned(site))) == ("STOPPED", 2)
    with pytest.raises(Conflict, match="its assignments are still being taken back; try again in a minute"):
        site.act(rollouts.delete, "putty", site.now_s)
    advance_rollouts(site, CONFIG)
    assert assigned(site) == []
    assert site.read(rollout_advance.list_active) == []
    site.act(rollouts.delete, "putty", site.now_s)


def test_it_goes_on_with_a_successor_when_all_is_taken_back(site: TestOrigin, monkeypatch: pytest.MonkeyPatch) -> None:
    start(site, RolloutPlan((WavePlan(WaveBy.REST),)))
    monkeypatch.setattr(rollout, "MAX_STEP", 4)
    site.package("18")
    old = update(schema.packages).where(schema.packages.c.id == "17")
    site.write(lambda conn: conn.execute(old.values(superseded_by="18")))
    advance_rollouts(site, CONFIG)
    assert (site.read(rollouts.show, "Putty", site.now_s).package_id, len(assigned(site))) == ("17", 2)
    assert (advance(site).package_id, assigned(site)) == ("18", [])
    assert len(site.results("18")) == 6


def test_all_but_those_that_are_paused_go_on(site: TestOrigin) -> None:
    for name in "abcde":
        make_other(site, replace(PLAN, start_at_s=site.now_s + 60), name)
    site.act(rollouts.act, "a", RolloutAct.PAUSE, site.now_s, CONFIG)
    site.now_s += 60
    advance_rollouts(site, CONFIG)
    phases = {each.name: each.phase for each in site.read(rollouts.list_rollouts, EVERYTHING).items}
    assert phases == {"a": "PAUSED", **dict.fromkeys("bcde", "RUNNING")}


def test_computers_are_chosen_anew_when_it_starts(site: TestOrigin) -> None:
    make(site, RolloutPlan((WavePlan(WaveBy.GROUP, "class a"), WavePlan(WaveBy.REST))))
    site.prolog("new")
    site.act(groups.set_members, "Class A", [NAMES[2]], [NAMES[0]], now_s=site.now_s)
    site.act(computers.delete, [NAMES[5]], site.now_s)
    assert [wave.members for wave in do(site, RolloutAct.START).waves] == [2, 4]
    assert assigned(site) == NAMES[1:3]
