"""Which packages are listed: cases for each trap of distd/docs/protocol.md section 4, and what always holds."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distd.domain.settings import DownloadConfig
from distd.origin.agents.listing import Agent, OpenAssignment, choose_packages, held_back

UNIX = "OCS-NG_unified_unix_agent_v2.10.0"
WINDOWS = "OCS-NG_WINDOWS_AGENT_v2.9.2.0"
NATIVE = "distd-agent/0.1"
CONFIG = DownloadConfig(frag_latency_s=15, cycle_latency_s=15, period_latency_s=15, period_length=10)
OFF = dataclasses.replace(CONFIG, on=False)


def waiting(package_id: Any, priority: Any = 5, **fields: Any) -> Any:
    return OpenAssignment(int(package_id), package_id, priority, **fields)


def notified(package_id: Any, priority: Any = 5, **fields: Any) -> Any:
    return waiting(package_id, priority, notified=True, **fields)


def agent(user_agent: Any = WINDOWS, *history: Any, inventoried: Any = True, proven: Any = True) -> Any:
    return Agent(user_agent, frozenset(history), inventoried, frozenset(history if proven else ()))


def ids(assignments: Any) -> Any:
    return " ".join(assignment.package_id for assignment in assignments)


# Contact at 1000 s; package 9 is deployed.
NOW = dataclasses.replace(agent(WINDOWS), now_s=1000.0, succeeded=frozenset("9"))

# name: (assignments, agent, config, listed, new, installed)
CASES = {
    "nothing": ([], agent(), CONFIG, "", "", ""),
    "new ones at once": ([waiting("1"), waiting("2")], agent(), CONFIG, "1 2", "1 2", ""),
    "known ones first, new ones by priority": (
        [waiting("1", 9), waiting("2", 3), notified("3")],
        agent(),
        CONFIG,
        "3 2 1",
        "2 1",
        "",
    ),
    "not active": ([waiting("1", active=False), waiting("2")], agent(), CONFIG, "2", "2", ""),
    "withdrawn before it was listed": ([waiting("1", withdrawn=True)], agent(), CONFIG, "", "", ""),
    # trap 2: what the agent has in its history
    "trap 2: in history": ([waiting("1"), waiting("2")], agent(UNIX, "1"), CONFIG, "2", "2", "1"),
    "trap 2: only claimed": (
        [waiting("1"), waiting("2")],
        agent(UNIX, "1", proven=False),
        CONFIG,
        "2",
        "2",
        "",
    ),
    "trap 2: in history, forced": ([waiting("1", force=True)], agent(UNIX, "1"), CONFIG, "1", "1", ""),
    "trap 2: in history, listed already": ([notified("1")], agent(UNIX, "1"), CONFIG, "1", "", ""),
    "trap 2: in history, not active": ([waiting("1", active=False)], agent(UNIX, "1"), CONFIG, "", "", ""),
    "trap 2: no inventory yet, one at a time": (
        [waiting("1", 9), waiting("2", 3), waiting("3", 3)],
        agent(inventoried=False),
        CONFIG,
        "2",
        "2",
        "",
    ),
    "trap 2: no inventory yet, none beside a known one": (
        [waiting("1"), notified("2")],
        agent(inventoried=False),
        CONFIG,
        "2",
        "",
        "",
    ),
    "trap 2: no inventory yet, the history by results": (
        [waiting("1", 3), waiting("2")],
        agent(UNIX, "1", inventoried=False),
        CONFIG,
        "2",
        "2",
        "1",
    ),
    # trap 3: what the agent was notified of stays
    "trap 3: withdrawn": ([notified("1", withdrawn=True)], agent(UNIX), CONFIG, "1", "", ""),
    "trap 3: not active any more": ([notified("1", active=False)], agent(UNIX), CONFIG, "1", "", ""),
    "trap 3: switched off": ([notified("1"), waiting("2")], agent(), OFF, "1", "", ""),
    "switched off, and in history": ([waiting("1"), waiting("2")], agent(UNIX, "1"), OFF, "", "", "1"),
    # trap 9: priority 0 is listed alone
    "trap 9: 0 goes first and alone": ([waiting("1", 5), waiting("2", 0)], agent(), CONFIG, "2", "2", ""),
    "trap 9: 0 waits for a known one, others for it": (
        [notified("1", 5), waiting("2", 0), waiting("3", 5)],
        agent(),
        CONFIG,
        "1",
        "",
        "",
    ),
    "trap 9: others wait for a known 0": ([notified("1", 0), waiting("2", 5)], agent(), CONFIG, "1", "", ""),
    "trap 9: one 0 at a time": ([waiting("1", 0), waiting("2", 0)], agent(), CONFIG, "1", "1", ""),
    "trap 9: a 0 in history blocks no other": (
        [waiting("1", 0), waiting("2")],
        agent(UNIX, "1"),
        CONFIG,
        "2",
        "2",
        "1",
    ),
    "trap 9: a 0 that is not active blocks no other": (
        [waiting("1", 0, active=False), waiting("2")],
        agent(),
        CONFIG,
        "2",
        "2",
        "",
    ),
    # trap 14: the Unix agent's child knows the PACK_LOCs of one PROLOG only
    "trap 14: several at once": ([waiting("1"), waiting("2")], agent(UNIX), CONFIG, "1 2", "1 2", ""),
    "trap 14: not while the child is busy": ([notified("1"), waiting("2")], agent(UNIX), CONFIG, "1", "", ""),
    "trap 14: forced, not either": ([notified("1"), waiting("2", force=True)], agent(UNIX), CONFIG, "1", "", ""),
    "trap 14: in history while the child is busy": (
        [notified("1"), waiting("2")],
        agent(UNIX, "2"),
        CONFIG,
        "1",
        "",
        "2",
    ),
    "trap 14: Windows takes it": ([notified("1"), waiting("2")], agent(WINDOWS), CONFIG, "1 2", "2", ""),
    # times, and packages that wait for others
    "not before": ([waiting("1", not_before_s=1001), waiting("2", not_before_s=1000)], NOW, CONFIG, "2", "2", ""),
    "not before, told already": ([notified("1", not_before_s=1001)], NOW, CONFIG, "1", "", ""),
    "a 0 that is not due blocks no other": (
        [waiting("1", 0, not_before_s=1001), waiting("2")],
        NOW,
        CONFIG,
        "2",
        "2",
        "",
    ),
    "not before, in history": ([waiting("1", not_before_s=2000)], agent(UNIX, "1"), CONFIG, "", "", "1"),
    "after a success": ([waiting("1", after="8"), waiting("2", after="9")], NOW, CONFIG, "2", "2", ""),
    "after, told already": ([notified("1", after="8")], NOW, CONFIG, "1", "", ""),
    "not after": ([waiting("1", not_after_s=999), waiting("2", not_after_s=1000)], NOW, CONFIG, "2", "2", ""),
    "not after, told already": ([notified("1", not_after_s=999)], NOW, CONFIG, "1", "", ""),
    "trap 14: the native agent too": ([notified("1"), waiting("2")], agent(NATIVE), CONFIG, "1 2", "2", ""),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_rules(case: Any) -> None:
    assignments, asking, config, listed, new, installed = case
    listing = choose_packages(assignments, asking, config)
    assert (ids(listing.listed), ids(listing.new), ids(listing.installed)) == (listed, new, installed)


def test_what_is_too_late_ends_unless_the_agent_was_notified() -> None:
    late = [waiting("1", not_after_s=999), notified("2", not_after_s=999), waiting("3", not_after_s=999, active=False)]
    assert ids(choose_packages(late, NOW, CONFIG).expired) == "1"
    assert ids(choose_packages(late, dataclasses.replace(NOW, history=frozenset("1")), CONFIG).expired) == ""


def _open(number: Any, **fields: Any) -> Any:
    return OpenAssignment(number, str(number), **fields)


TIMES = st.sampled_from([999.0, 1000.0, 1001.0])


@st.composite
def assignments(draw: Any) -> Any:
    flags = {name: st.booleans() for name in ("force", "notified", "withdrawn", "active")}
    count = draw(st.integers(0, 6))
    terms = {"not_before_s": TIMES, "not_after_s": TIMES, "after": st.sampled_from(["", "8", "9"])}
    return [
        _open(n, priority=draw(st.integers(0, 10)), **draw(st.fixed_dictionaries(flags, optional=terms)))
        for n in range(count)
    ]


agents = st.builds(
    Agent,
    st.sampled_from([UNIX, WINDOWS, NATIVE]),
    st.frozensets(st.integers(0, 5).map(str)),
    st.booleans(),
    st.frozensets(st.integers(0, 5).map(str)),
    st.sampled_from([frozenset(), frozenset("9")]),
    st.just(1000.0),
)


@given(assignments(), agents, st.booleans())
def test_what_always_holds(mine: Any, asking: Any, on: Any) -> None:
    listing = choose_packages(mine, asking, dataclasses.replace(CONFIG, on=on))
    known = [assignment for assignment in mine if assignment.notified]
    others = listing.new + listing.installed + listing.claimed + listing.expired
    assert len({id(each) for each in others}) == len(others)
    assert all(each.not_before_s <= 1000 <= each.not_after_s for each in listing.new)
    assert all(each.after in ("", *asking.succeeded) for each in listing.new)
    assert all(each.not_after_s < 1000 for each in listing.expired)
    assert listing.listed == known + listing.new
    assert not any(assignment.notified for assignment in others)
    assert all(assignment.active and not assignment.withdrawn for assignment in others)
    assert all(assignment.force or assignment.package_id not in asking.history for assignment in listing.new)
    assert all(assignment.package_id in asking.proven for assignment in listing.installed)
    assert not any(assignment.force or assignment.package_id in asking.proven for assignment in listing.claimed)
    if any(assignment.priority == 0 for assignment in listing.new):
        assert len(listing.listed) == 1


@given(assignments(), agents)
def test_everything_active_is_listed_or_installed_in_the_end(mine: Any, asking: Any) -> None:
    """An agent that reports on all that is listed has nothing left after some contacts: no rule blocks for ever. (An
    operator sees to what it only claims to have.)"""
    waiting = {item.id for item in mine if item.notified or (item.active and not item.withdrawn)}
    asking = dataclasses.replace(asking, now_s=1001.0, succeeded=frozenset("89"))
    for _ in range(len(mine) + 1):
        listing = choose_packages(mine, asking, CONFIG)
        done = {assignment.id for assignment in listing.listed + listing.installed + listing.claimed + listing.expired}
        mine = [assignment for assignment in mine if assignment.id not in done]
        waiting -= done
    assert waiting == set()


HELD = {
    "not active": ([waiting("1", active=False)], agent(), CONFIG, {1: "NOT_ACTIVE"}),
    "withdrawn": ([waiting("1", withdrawn=True, active=False)], agent(), CONFIG, {1: "WITHDRAWN"}),
    "installed": ([waiting("1")], agent(UNIX, "1"), CONFIG, {1: "INSTALLED"}),
    "claimed": ([waiting("1"), waiting("2")], agent(UNIX, "1", proven=False), CONFIG, {1: "CLAIMED"}),
    "too late": ([waiting("1", not_after_s=999.0)], NOW, CONFIG, {1: "TOO_LATE"}),
    "too early": ([waiting("1", not_before_s=1001.0)], NOW, CONFIG, {1: "TOO_EARLY"}),
    "waits": ([waiting("1", after="8"), waiting("2", after="9")], NOW, CONFIG, {1: "WAITS_FOR_PACKAGE"}),
    "off": ([waiting("1"), notified("2")], agent(), OFF, {1: "SWITCHED_OFF"}),
    "busy": ([waiting("1"), notified("2")], agent(UNIX), CONFIG, {1: "BUSY_CHILD"}),
    "priority 0": ([waiting("1", 0), waiting("2")], agent(), CONFIG, {2: "PRIORITY_ZERO"}),
    "no inventory": ([waiting("1"), waiting("2")], agent(inventoried=False), CONFIG, {2: "UNKNOWN_HISTORY"}),
    "nothing": ([waiting("1"), notified("2")], agent(), CONFIG, {}),
}


@pytest.mark.parametrize(("assignments", "told", "config", "held"), HELD.values(), ids=HELD)
def test_which_rule_holds_a_package_back(assignments: Any, told: Any, config: Any, held: Any) -> None:
    assert held_back(assignments, told, config) == held
    listed = {each.id for each in choose_packages(assignments, told, config).listed}
    assert {each.id for each in assignments} == listed | held.keys()
    assert not listed & held.keys()
