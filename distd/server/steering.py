"""Where an agent that asks this server for a fragment is sent: to the best mirror now.

A stock agent knows one address for all fragments of a package. So it is this server's, and each fragment is answered
with a 302: that moves agents away from a mirror that has died, in the middle of a package. An agent that asks again for
the same fragment has not got it where it was sent: that mirror is left out for it for a while.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from distd.domain.errors import Unavailable
from distd.domain.mirror_rules import Via
from distd.lane.backend import LOCAL, Located
from distd.origin.mirrors.directory import EMPTY, load_computers

if TYPE_CHECKING:
    from collections.abc import Callable

    from distd.catalogue.reader import Reader
    from distd.domain.mirror_rules import Computer, Mirror
    from distd.lane.backend import FileRequest
    from distd.origin.mirrors.directory import Directory

REMEMBERED: Final = 100_000  # computers
WAITING: Final = 10_000  # requests of computers that are being looked up; further ones are served here
# So long a mirror is left out for a computer that came back from it with empty hands.
AVOID_S: Final = 300.0
FRESH_S: Final = 3600.0  # what is known of a computer is read anew


@dataclass(slots=True)
class _Agent:
    """A computer that fetches. `sent`: the last fragment that it was sent for, and to whom."""

    computer: Computer
    known_s: float
    sent: tuple[str, int] = ("", 0)
    to: int = 0
    avoid: dict[int, float] = field(default_factory=dict)


class Steering:
    """The decisions; all but `run` returns at once."""

    def __init__(self, reader: Reader) -> None:
        self.directory: Directory = EMPTY
        self.steered: frozenset[str] = frozenset()
        self._reader = reader
        self._agents: OrderedDict[int, _Agent] = OrderedDict()
        self._waiting: list[tuple[FileRequest, Callable[[Located], None]]] = []
        self._wake = trio.Event()

    def use(self, directory: Directory) -> None:
        """Another directory from now on."""
        self.directory = directory
        ways = directory.via.items()
        self.steered = frozenset(one for one, via in ways if via is Via.STEER and directory.ready.get(one))

    def find(self, wanted: FileRequest, answer: Callable[[Located], None]) -> Located | None:
        """See `distd.lane.backend.Backend.find`."""
        agent = self._agents.get(wanted.computer_id)
        now_s = trio.current_time()
        if agent is not None and now_s - agent.known_s < FRESH_S:
            return self._direct(agent, wanted, now_s)
        if len(self._waiting) >= WAITING:
            return LOCAL
        self._waiting.append((wanted, answer))
        self._wake.set()
        return None

    async def run(self) -> None:
        """Look computers up that are not known yet, for ever."""
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            waiting, self._waiting = self._waiting, []
            ids = sorted({wanted.computer_id for wanted, _ in waiting})
            try:
                known = await self._reader.run(partial(load_computers, ids=ids))
            except Unavailable:
                known = {}
            now_s = trio.current_time()
            for computer_id, computer in known.items():
                self._remember(computer_id, computer, now_s)
            for wanted, answer in waiting:
                agent = self._agents.get(wanted.computer_id)
                answer(self._direct(agent, wanted, now_s) if agent is not None else LOCAL)

    def _remember(self, computer_id: int, computer: Computer, now_s: float) -> None:
        known = self._agents.get(computer_id)
        if known is not None:
            known.computer, known.known_s = computer, now_s
            return
        while len(self._agents) >= REMEMBERED:
            self._agents.popitem(last=False)
        self._agents[computer_id] = _Agent(computer, now_s)

    def _direct(self, agent: _Agent, wanted: FileRequest, now_s: float) -> Located:
        fragment = wanted.package_id, wanted.number
        if agent.sent == fragment and agent.to:
            agent.avoid[agent.to] = now_s + AVOID_S
        agent.avoid = {mirror: until_s for mirror, until_s in agent.avoid.items() if until_s > now_s}
        mirror = self._best(agent, wanted.package_id)
        agent.sent, agent.to = fragment, 0 if mirror is None else mirror.id
        if mirror is None:
            return LOCAL
        host = mirror.https if wanted.scheme == "https" else mirror.http
        return Located(location=f"{wanted.scheme}://{host}/download/~{wanted.token}/{wanted.key}")

    def _best(self, agent: _Agent, package_id: str) -> Mirror | None:
        for choice in self.directory.choices(agent.computer, package_id):
            if choice.mirror.id not in agent.avoid:
                return choice.mirror
        return None
