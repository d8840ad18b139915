"""How an emulated agent fetches a fragment: a stock one from its place, a native one from the first of several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentsim.fleet.asking import Asking
from agentsim.fleet.checks import Each, Whole
from agentsim.fleet.counters import Kind, State
from agentsim.fleet.partial_fragment import Rest, rest_of
from distd.domain.records import Dialect

if TYPE_CHECKING:
    from agentsim.fleet.faults import Fate
    from agentsim.fleet.partial_fragment import Part
    from agentsim.fleet.shard import Shard
    from distd.domain.agent_machine import FetchFragment
    from distd.lane.client.link import Link


class Fetching(Asking):
    """A caller of the swarm, up to what it makes of a fragment. `_places`: of each package, a native agent's alone."""

    __slots__ = ("_asked", "_checks", "_part", "_places", "_tries", "_verifies")

    def __init__(self, shard: Shard, number: int, dialect: Dialect, fate: Fate | None) -> None:
        super().__init__(shard, number, dialect, fate)
        self._verifies = shard.verifies(number)
        self._asked: Any = None  # the action that is being performed
        self._checks: Whole | Each | None = Whole() if self._verifies else None
        if dialect is Dialect.NATIVE:
            self._checks = Each(hashes=self._verifies)
        self._places: dict[str, list[str]] | None = {} if dialect is Dialect.NATIVE else None
        self._part: Part | None = None  # of the fragment that is under way, or that failed
        self._tries = 0  # of the places of a fragment

    def _fragment(self, action: FetchFragment) -> None:
        self._asked = action
        if self._state is not State.DOWNLOADING:
            self._enter(State.DOWNLOADING)
        package_id = action.package_id
        self._tries = 0
        folder, name = f"{self._nearest(action)}/{package_id}", f"{package_id}-{action.number}"
        if self._part is None:
            self._get(Kind.FRAGMENT, action.proto, folder, name, keep=False, digest=self._new_part())
        else:
            self._go_on(action.proto, folder, name)

    def _nearest(self, action: FetchFragment) -> str:
        if self._places is None:
            return action.pack_loc
        return (self._places.get(action.package_id) or [action.pack_loc])[0]

    def _new_part(self) -> Part | None:
        self._part = None if self._checks is None else self._checks.part(self._asked.package_id)
        return self._part

    def _go_on(self, proto: str, folder: str, name: str) -> None:
        """After a failure: behind what is there of that fragment, or anew."""
        part, fields = self._part, ""
        if isinstance(part, Rest) and part.name == name:
            fields = part.fields
        else:
            part = self._new_part()
        self._get(Kind.FRAGMENT, proto, folder, name, keep=False, digest=part, fields=fields)

    def _goes_on_elsewhere(self, link: Link | None, answer: int) -> bool:
        """A native agent's next place goes on inside the fragment, and so does its next turn. Whether there is such a
        place. `answer`: the status, where there was a whole one."""
        action = self._asked
        assert self._places is not None
        name = f"{action.package_id}-{action.number}"
        self._part = rest_of(self._part, link, answer, self, name)
        places = self._places.get(action.package_id, [])
        self._tries += 1
        if self._tries >= len(places):
            return False
        places.append(places.pop(0))
        self._shard.tally.retries += 1
        self._go_on(action.proto, f"{places[0]}/{action.package_id}", name)
        return True

    def _redirected(self, link: Link) -> None:
        part: Part | None = None
        fields = ""
        if self._kind is Kind.FRAGMENT:  # what the redirect itself said does not count
            part = self._part
            if isinstance(part, Rest):
                self._part = part = Rest(part, self, part.name, part.tag)
                fields = part.fields
            else:
                part = self._new_part()
        why = self._follow(link, keep=self._kind is Kind.INFO, digest=part, fields=fields)
        if why:
            self.failed(why, link)
