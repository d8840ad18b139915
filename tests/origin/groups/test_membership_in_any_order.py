"""Computers, groups, assignments and contacts in any order, beside a model that knows no database and no clever order.

The model judges every computer by every filter each time; what it knows of filters is one function for each.
`make state-machine` runs it for 10,000 steps; here are fewer.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import func, select

from distd.catalogue.engine import create_catalogue, open_catalogue
from distd.catalogue.schema import assignments
from distd.domain.errors import Conflict
from distd.domain.records import DownloadRequest
from distd.origin.computers import computers
from distd.origin.deployments.acts import ChosenAssignments
from distd.origin.groups import following, given_packages, groups
from distd.origin.groups.directory import compiled
from distd.origin.groups.groups import GroupChanges
from distd.origin.packages import packages
from tests.fixtures.origin import TestOrigin
from tests.origin.groups.conftest import Site

if TYPE_CHECKING:
    from pathlib import Path

STEPS: Final = int(os.environ.get("DISTD_STATE_MACHINE_STEPS", "300"))
DAY_S: Final = 86_400.0
PCS: Final = ("a", "b", "c")
PACKAGES: Final = ("17", "18")
SYSTEMS: Final = ("Windows 10", "Debian")
TAGS: Final = ("", "room 1", "room 2")
PROGRAMS: Final = ("Firefox", "7-Zip")


@dataclass
class Pc:
    """What the model knows of a computer. `packages`: state, giver ("": by hand) and time of the latest
    assignments, and the one before."""

    os: str = ""
    tag: str = ""
    programs: frozenset[str] = frozenset()
    first_s: float = 0.0
    last_s: float = 0.0
    packages: dict[str, list[Any]] = field(default_factory=dict)


Wanted = Callable[["Model", str], bool]


@dataclass
class Model:
    now_s: float
    pcs: dict[str, Pc] = field(default_factory=dict)
    members: dict[str, set[str]] = field(default_factory=dict)

    def state(self, name: str, package_id: str) -> str:
        return str(self.pcs[name].packages.get(package_id, [""])[0])


# By the text of a filter what it means. Groups are asked for by their names.
FILTERS: Final[dict[str, Wanted]] = {
    "os ~ windows": lambda model, pc: "Windows" in model.pcs[pc].os,
    "NOT os ~ windows": lambda model, pc: "Windows" not in model.pcs[pc].os,
    'tag ~ "room*"': lambda model, pc: model.pcs[pc].tag.startswith("room"),
    'software("firefox")': lambda model, pc: "Firefox" in model.pcs[pc].programs,
    'NOT software("firefox") AND tag = "room 1"': lambda model, pc: (
        "Firefox" not in model.pcs[pc].programs and model.pcs[pc].tag == "room 1"
    ),
    "first_contact < 3d": lambda model, pc: model.pcs[pc].first_s < model.now_s - 3 * DAY_S,
    "last_contact < 2d OR os ~ debian": lambda model, pc: (
        model.pcs[pc].last_s < model.now_s - 2 * DAY_S or "Debian" in model.pcs[pc].os
    ),
    "package(17) in (NOTIFIED, SUCCESS, FAILED)": lambda model, pc: (
        model.state(pc, "17")
        in (
            "NOTIFIED",
            "SUCCESS",
            "FAILED",
        )
    ),
    'group("g0")': lambda model, pc: pc in model.members.get("g0", ()),
    'NOT group("g1") AND os ~ debian': lambda model, pc: (
        pc not in model.members.get("g1", ()) and "Debian" in model.pcs[pc].os
    ),
}
NAMES: Final = ("g0", "g1", "g2", "g3")
# A group asks for those with a lower number only, so there are no circles.
ASKS: Final = {'group("g0")': 0, 'NOT group("g1") AND os ~ debian': 1}


_PC, _GROUP, _PACKAGE = st.sampled_from(PCS), st.sampled_from(NAMES), st.sampled_from(PACKAGES)
_PROGRAMS = st.frozensets(st.sampled_from(PROGRAMS))
MOVES: Final = st.one_of(
    st.tuples(st.just("inventory"), _PC, st.sampled_from(SYSTEMS), st.sampled_from(TAGS), _PROGRAMS),
    st.tuples(st.just("contact"), _PC),
    st.tuples(st.just("contact"), _PC),
    st.tuples(st.just("result"), _PC, _PACKAGE, st.sampled_from(["SUCCESS", "ERR_X"])),
    st.tuples(st.just("result"), _PC, _PACKAGE, st.sampled_from(["SUCCESS", "ERR_X"])),
    st.tuples(st.just("wait"), st.sampled_from([1.0, 2.5])),
    st.tuples(st.just("create"), _GROUP, st.sampled_from([None, *FILTERS]), st.frozensets(_PC)),
    st.tuples(st.just("edit"), _GROUP, st.sampled_from([*FILTERS])),
    st.tuples(st.just("pick"), _GROUP, _PC, st.sampled_from(["add", "remove", "reset"])),
    st.tuples(st.just("pick"), _GROUP, _PC, st.sampled_from(["add", "remove", "reset"])),
    st.tuples(st.just("assign_group"), _GROUP, _PACKAGE),
    st.tuples(st.just("unassign_group"), _GROUP, _PACKAGE),
    st.tuples(st.just("assign"), _PC, _PACKAGE),
    st.tuples(st.just("delete"), _PC),
)


class Groups(RuleBasedStateMachine):
    folder: Path
    counter = 0

    @initialize(
        systems=st.lists(st.sampled_from(SYSTEMS), min_size=len(PCS), max_size=len(PCS)),
        texts=st.tuples(
            *(st.sampled_from([text for text in FILTERS if ASKS.get(text, -1) < place]) for place in (0, 1))
        ),
    )
    def begin(self, systems: list[str], texts: tuple[str, str]) -> None:
        Groups.counter += 1
        place = self.folder / f"{Groups.counter}.db"
        create_catalogue(place)
        self.catalogue = open_catalogue(place)
        self.site = Site(TestOrigin(self.catalogue.__enter__()))
        self.origin = self.site.origin
        for package_id in PACKAGES:
            self.origin.package(package_id, plan="size:10")
        self.filters: dict[str, str | None] = {}
        self.picks: dict[str, dict[str, bool]] = {}
        self.gives: dict[str, dict[str, float]] = {}  # by group the packages, and since when
        self.model = Model(self.origin.now_s)
        for pc, system in zip(PCS, systems, strict=True):
            self.inventory(pc, system, "room 1", frozenset())
        for group, text in zip(NAMES, texts, strict=False):
            self.create(group, text, frozenset())
        self.assign_group("g0", "18")

    def teardown(self) -> None:
        if hasattr(self, "catalogue"):
            self.catalogue.__exit__(None, None, None)

    # --- the model -----------------------------------------------------------------------------------------------

    def judge(self, *names: str) -> None:
        """These computers are judged by every group; who comes gets packages, who leaves loses them."""
        for group in NAMES:
            if self.filters.get(group) is not None:
                for pc in names:
                    is_in = self.picks[group].get(pc, FILTERS[self.filters[group] or ""](self.model, pc))
                    self.put(group, pc, is_in=is_in)

    def put(self, group: str, pc: str, *, is_in: bool) -> None:
        members = self.model.members.setdefault(group, set())
        if is_in and pc not in members:
            members.add(pc)
            for package_id in self.gives[group]:
                self.give(group, pc, package_id)
        elif not is_in and pc in members:
            members.discard(pc)
            self.take(group, pc, told=False)

    def give(self, group: str, pc: str, package_id: str) -> None:
        """What has failed before it was assigned to the group gets another attempt."""
        known = self.model.pcs[pc].packages.get(package_id)
        if known is None or (known[0] == "FAILED" and known[2] < self.gives[group][package_id]):
            self.model.pcs[pc].packages[package_id] = ["WAITING", group, self.model.now_s, known]

    def take(self, group: str, pc: str, *, told: bool, only: str = "") -> None:
        for package_id, (state, giver, _, before) in list(self.model.pcs[pc].packages.items()):
            if giver == group and state == "WAITING" and only in ("", package_id):
                del self.model.pcs[pc].packages[package_id]
                if before is not None:  # the attempt before counts again
                    self.model.pcs[pc].packages[package_id] = before
                for other in NAMES:
                    if pc in self.model.members.get(other, ()) and package_id in self.gives.get(other, {}):
                        self.give(other, pc, package_id)

    @rule(move=MOVES)
    def do(self, move: tuple[str, ...]) -> None:
        """One rule for all: of several ones hypothesis leaves some out in each run."""
        getattr(self, move[0])(*move[1:])

    # --- what happens --------------------------------------------------------------------------------------------

    def new(self, pc: str) -> Pc:
        return self.model.pcs.setdefault(pc, Pc(first_s=self.model.now_s))

    def inventory(self, pc: str, os: str, tag: str, programs: frozenset[str]) -> None:
        self.site.inventory(pc, os, *sorted(programs), **({"TAG": tag} if tag else {}))
        known = self.new(pc)
        known.os, known.programs, known.last_s = os, programs, self.model.now_s
        known.tag = tag or known.tag  # an agent that says none has none in its configuration
        self.follow()

    def contact(self, pc: str) -> None:
        listed = self.origin.listed(pc)
        self.new(pc).last_s = self.model.now_s
        self.judge(pc)
        for package_id, each in self.model.pcs[pc].packages.items():
            if each[0] == "WAITING" and package_id in listed:
                each[0] = "NOTIFIED"
        told = [package_id for package_id, each in self.model.pcs[pc].packages.items() if each[0] == "NOTIFIED"]
        assert sorted(listed) == sorted(told)

    def result(self, pc: str, package_id: str, code: str) -> None:
        if pc not in self.model.pcs or self.model.state(pc, package_id) != "NOTIFIED":
            return
        self.origin.fetch(package_id, pc)
        self.origin.post(DownloadRequest(pc, package_id, code))
        self.model.pcs[pc].packages[package_id][0] = "SUCCESS" if code == "SUCCESS" else "FAILED"
        self.model.pcs[pc].last_s = self.model.now_s
        self.follow()

    def wait(self, days: float) -> None:
        self.model.now_s = self.origin.now_s = self.origin.now_s + days * DAY_S
        self.follow()

    def create(self, group: str, text: str | None, pcs: frozenset[str]) -> None:
        chosen = [pc for pc in sorted(pcs) if pc in self.model.pcs]
        if group in self.filters or ASKS.get(text or "", -1) >= NAMES.index(group):
            return
        self.site.create(group, text, *chosen)
        self.filters[group], self.gives[group] = text, {}
        self.picks[group] = {} if text is None else dict.fromkeys(chosen, True)
        if text is None:
            for pc in chosen:
                self.put(group, pc, is_in=True)
        self.settle()

    def edit(self, group: str, text: str) -> None:
        if self.filters.get(group) is None or ASKS.get(text, -1) >= NAMES.index(group) or self.asks_back(group, text):
            return
        self.origin.act(groups.edit, group, GroupChanges(filter=text), self.model.now_s)
        self.filters[group] = text
        self.settle()

    def pick(self, group: str, pc: str, how: str) -> None:
        is_static = self.filters.get(group, "") is None
        if group not in self.filters or pc not in self.model.pcs or (is_static and how == "reset"):
            return
        self.site.set_members(group, **{how: [pc]})
        if is_static:
            self.put(group, pc, is_in=how == "add")
        elif how == "reset":
            self.picks[group].pop(pc, None)
        else:
            self.picks[group][pc] = how == "add"
        self.settle()

    def assign_group(self, group: str, package_id: str) -> None:
        if group not in self.filters:
            return
        self.tick()
        if self.asks_back(group, self.filters[group] or "", {package_id}):
            with pytest.raises(Conflict):
                self.site.give(package_id, group)
            return
        self.site.give(package_id, group)
        self.gives[group][package_id] = self.model.now_s
        for pc in sorted(self.model.members.get(group, ())):
            self.give(group, pc, package_id)
        self.follow()

    def unassign_group(self, group: str, package_id: str) -> None:
        if group not in self.filters:
            return
        chosen = ChosenAssignments(("WAITING",), group=group)  # type: ignore[arg-type]
        run = given_packages.take_from_group
        self.origin.act(run, package_id, group, chosen, self.model.now_s, dry_run=False)
        self.gives[group].pop(package_id, None)
        for pc in self.model.pcs:
            self.take(group, pc, told=False, only=package_id)
        self.follow()

    def assign(self, pc: str, package_id: str) -> None:
        if pc not in self.model.pcs or self.model.state(pc, package_id) in ("WAITING", "NOTIFIED", "SUCCESS"):
            return
        self.tick()
        self.origin.assign(package_id, pc)
        before = self.model.pcs[pc].packages.get(package_id)
        self.model.pcs[pc].packages[package_id] = ["WAITING", "", self.model.now_s, before]
        self.follow()

    def delete(self, pc: str) -> None:
        if pc not in self.model.pcs:
            return
        self.origin.act(computers.delete, [pc], self.model.now_s)
        del self.model.pcs[pc]
        for group in self.filters:
            self.model.members.get(group, set()).discard(pc)
            self.picks[group].pop(pc, None)

    # --- helpers -------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """So that what was before an assignment to a group is before it."""
        self.model.now_s = self.origin.now_s = self.origin.now_s + 1.0

    def asks_back(self, group: str, text: str, given: set[str] | None = None) -> bool:
        """A filter on a package's state in a group that gives it."""
        return "package(17)" in text and "17" in (given if given is not None else self.gives[group])

    def follow(self) -> None:
        """What a server does every minute, of the groups that no contact and no operator tells of; until nothing more
        follows: packages that groups give have states, too."""
        for _ in range(4):
            dynamic = self.origin.read(compiled)
            found = self.origin.read(following.find_others, dynamic, dynamic.volatile, self.model.now_s)
            self.origin.write(following.follow_found, dynamic, found, self.model.now_s)
            self.judge(*sorted(self.model.pcs))

    settle = follow

    # --- what must hold ------------------------------------------------------------------------------------------

    @invariant()
    def members_are_those_of_the_model(self) -> None:
        if not hasattr(self, "model"):
            return
        found = {group: set(self.site.members(group)) for group in self.filters}
        assert found == {group: self.model.members.get(group, set()) for group in self.filters}

    @invariant()
    def assignments_are_those_of_the_model(self) -> None:
        if not hasattr(self, "model"):
            return
        found = {package_id: self.site.holders(package_id) for package_id in PACKAGES}
        assert found == {
            package_id: {
                pc: known.packages[package_id][0]
                for pc, known in self.model.pcs.items()
                if package_id in known.packages
            }
            for package_id in PACKAGES
        }
        for package_id in PACKAGES:
            counted = self.origin.read(packages.show, package_id)
            assert counted.active
        rows = select(func.count()).select_from(assignments).where(assignments.c.state != "REPLACED")
        assert self.origin.read(lambda conn: conn.scalar(rows)) == sum(map(len, found.values()))


def test_groups_are_those_of_the_model(tmp_path: Path) -> None:
    Groups.folder = tmp_path
    steps = 50
    found = settings(
        max_examples=max(1, STEPS // steps),
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        phases=[Phase.generate],  # to make an example short takes minutes
    )
    run_state_machine_as_test(Groups, settings=found)
