"""Agents that ask this server for a fragment are sent to the best mirror of this moment, or get an empty one.

A stock agent knows one address for all fragments of a package. It is this server's, and each fragment is answered with
a 302: so agents leave a mirror that fails, in the middle of a package. An agent that asks again for the same fragment
did not get it from the mirror that it was sent to: that mirror is left out for this agent for a while.

For whom a package is cancelled, all its fragments are empty: so both stock agents end it (ADR 27).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from distd.domain.errors import Unavailable
from distd.domain.lru import Lru
from distd.domain.mirror_rules import Via
from distd.lane.backend import LOCAL, Located
from distd.lane.file_cache import OpenFile
from distd.origin.mirrors.directory import EMPTY, load_computers
from distd.server.repeating import Faults

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from distd.catalogue.reader import Reader
    from distd.domain.mirror_rules import ComputerFacts, MirrorFacts
    from distd.lane.backend import FileRequest
    from distd.origin.mirrors.directory import MirrorDirectory

MAX_COMPUTERS: Final = 100_000  # that are kept in memory
MAX_WAITING: Final = 10_000  # requests of computers that are looked up; further ones are served by this server
AVOID_S: Final = 300.0  # so long a mirror is left out for a computer after a failed download
MAX_AGE_S: Final = 3600.0  # then what is known of a computer is read again


@dataclass(slots=True)
class _Agent:
    """A computer that fetches: `fragment` (package id, number) is the last one for which it was sent to a mirror, and
    `mirror_id` that mirror; 0: none. `avoid`: mirrors by id, and until when they are left out.
    """

    facts: ComputerFacts
    read_at_s: float
    fragment: tuple[str, int] = ("", 0)
    mirror_id: int = 0
    avoid: dict[int, float] = field(default_factory=dict)


class Steering:
    """Decides for each request. `asked` are the packages for whose fragments it must be asked.

    All but `run` returns at once.
    """

    def __init__(self, reader: Reader, log: logging.Logger) -> None:
        self.directory: MirrorDirectory = EMPTY
        self.asked: frozenset[str] = frozenset()
        self._steered: frozenset[str] = frozenset()
        self._cancelled: frozenset[tuple[int, str]] = frozenset()
        self._empty = Located(file=_empty_file())
        self._reader = reader
        self._faults = Faults(log)
        self._agents: Lru[int, _Agent] = Lru(MAX_COMPUTERS)
        self._waiting: list[tuple[FileRequest, Callable[[Located], None]]] = []
        self._wake = trio.Event()

    def use(self, directory: MirrorDirectory) -> None:
        """Use this directory from now on."""
        self.directory = directory
        self._steered = frozenset(
            package_id
            for package_id, via in directory.via.items()
            if via is Via.STEER and directory.ready.get(package_id)
        )
        self._join()

    def cancel(self, pairs: frozenset[tuple[int, str]]) -> None:
        """From now on these computers get empty fragments of these packages."""
        self._cancelled = pairs
        self._join()

    def _join(self) -> None:
        self.asked = self._steered | {package_id for _, package_id in self._cancelled}

    def find(self, wanted: FileRequest, answer: Callable[[Located], None]) -> Located | None:
        """See `lane.backend`: the computer's mirror at once, or later by `answer` when it must be looked up."""
        if wanted.number and (wanted.computer_id, wanted.package_id) in self._cancelled:
            return self._empty
        if wanted.package_id not in self._steered:
            return LOCAL
        agent = self._agents.get(wanted.computer_id)
        now_s = trio.current_time()
        if agent is not None and now_s - agent.read_at_s < MAX_AGE_S:
            return self._direct(agent, wanted, now_s)
        if len(self._waiting) >= MAX_WAITING:
            return LOCAL
        self._waiting.append((wanted, answer))
        self._wake.set()
        return None

    async def run(self) -> None:
        """Look up the computers that are not in memory, for ever."""
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            waiting, self._waiting = self._waiting, []
            ids = sorted({wanted.computer_id for wanted, _ in waiting})
            try:
                known = await self._reader.run(partial(load_computers, ids=ids))
            except Unavailable:
                known = {}
            except Exception as error:  # those who wait are answered all the same
                self._faults.tell(error, "agents are not sent to mirrors")
                known = {}
            now_s = trio.current_time()
            for computer_id, facts in known.items():
                self._keep(computer_id, facts, now_s)
            for wanted, answer in waiting:
                agent = self._agents.get(wanted.computer_id)
                answer(self._direct(agent, wanted, now_s) if agent is not None else LOCAL)

    def _keep(self, computer_id: int, facts: ComputerFacts, now_s: float) -> None:
        agent = self._agents.get(computer_id)
        if agent is None:
            self._agents.put(computer_id, _Agent(facts, now_s))
        else:
            agent.facts, agent.read_at_s = facts, now_s

    def _direct(self, agent: _Agent, wanted: FileRequest, now_s: float) -> Located:
        fragment = wanted.package_id, wanted.number
        if agent.fragment == fragment and agent.mirror_id:
            agent.avoid[agent.mirror_id] = now_s + AVOID_S
        agent.avoid = {mirror_id: until_s for mirror_id, until_s in agent.avoid.items() if until_s > now_s}
        mirror = self._best(agent, wanted.package_id)
        agent.fragment, agent.mirror_id = fragment, 0 if mirror is None else mirror.id
        if mirror is None:
            return LOCAL
        host = mirror.https if wanted.scheme == "https" else mirror.http
        return Located(location=f"{wanted.scheme}://{host}/download/~{wanted.token}/{wanted.key}")

    def _best(self, agent: _Agent, package_id: str) -> MirrorFacts | None:
        for choice in self.directory.choices(agent.facts, package_id):
            if choice.mirror.id not in agent.avoid:
                return choice.mirror
        return None


def _empty_file() -> OpenFile:
    """It counts as nobody's fragment."""
    fd = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    return OpenFile(fd, os.fstat(fd), "empty", b'"cancelled"', 0.0)
