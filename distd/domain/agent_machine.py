"""One agent's life as a state machine: events in, actions out, no I/O, no clock.

    action = agent.next(Started(), now_s)
    while not isinstance(action, Finished):
        action = agent.next(perform(action), now_s)

========================  ===========================================================
action                    the events that may answer it
========================  ===========================================================
`SendProlog`              `PrologAnswered`, `Failed`
`FetchInfo`               `InfoFetched`, `Failed`
`SendInventory`           `Done`, `Failed`
`FetchFragment`           `Done`, `Corrupted`, `Failed` (with a `code`: for good)
`Assemble`                `Assembled`, `Failed` (with a `code`: for good)
`SendResult`              `Done`, `Failed`
`Discard`, `Wait`         `Done`
`Finished`                none
========================  ===========================================================

The order is the stock agents': PROLOG, `info` of each new package, INVENTORY if asked for, downloads by the scheduler,
results; then a pause until the next contact. One that falls due during the downloads is made between two turns. Where
the dialects differ, the stock agents' published sources (2.10) are followed; `Dialect.NATIVE` differs from `UNIX` in
that it retries with back-off, drops a package that is no longer listed, and has none of the faults.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from distd.domain.records import Dialect, DownloadConfig
from distd.domain.results import in_history
from distd.domain.schedule import Reason, Turn, never, turns

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping

    from distd.domain.records import Info, Pack, PrologReply

RESULT_TRIES = 5  # then at the next contact
INFO_TRIES = 3  # native only; the others have one
CORRUPT_TRIES = 5  # of one fragment, then ERR_BAD_DIGEST
WINDOWS_RETRIES = 5  # at once, within a turn
BACKOFF_FIRST_S, BACKOFF_LAST_S = 10, 3600
PROLOG_FREQ_H = 24  # until a reply says otherwise
DAY_S, HOUR_S = 86_400, 3600
ALREADY = "SUCCESS_ALREADY_SETUP"
RETRY, CONTACT = "retry latency", "contact latency"


@dataclass(frozen=True, slots=True)
class Started:
    pass


@dataclass(frozen=True, slots=True)
class Done:
    pass


@dataclass(frozen=True, slots=True)
class PrologAnswered:
    reply: PrologReply


@dataclass(frozen=True, slots=True)
class InfoFetched:
    info: Info


@dataclass(frozen=True, slots=True)
class Assembled:
    """The package was run, or could not be: `code` is its result."""

    code: str


@dataclass(frozen=True, slots=True)
class Corrupted:
    """A fragment came whole, but is not what the manifest says; it has been thrown away."""


@dataclass(frozen=True, slots=True)
class Failed:
    """It did not work this time; with a result `code`, it never will."""

    why: str = ""
    code: str = ""


Event = Started | Done | PrologAnswered | InfoFetched | Assembled | Corrupted | Failed


@dataclass(frozen=True, slots=True)
class SendProlog:
    pass


@dataclass(frozen=True, slots=True)
class FetchInfo:
    pack: Pack


@dataclass(frozen=True, slots=True)
class SendInventory:
    pass


class FetchFragment(NamedTuple):  # the one that there are very many of
    package_id: str
    number: int
    pack_loc: str
    proto: str


@dataclass(frozen=True, slots=True)
class Assemble:
    package_id: str


@dataclass(frozen=True, slots=True)
class SendResult:
    package_id: str
    code: str


@dataclass(frozen=True, slots=True)
class Discard:
    """The package was withdrawn: nothing of it need be kept."""

    package_id: str


@dataclass(frozen=True, slots=True)
class Wait:
    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class Finished:
    """Only with `once`: nothing is left to do before a next contact."""


_wait = lru_cache(maxsize=1024)(Wait)  # agents have few different pauses

Action = SendProlog | FetchInfo | SendInventory | FetchFragment | Assemble | SendResult | Discard | Wait | Finished


@dataclass(slots=True)
class Package:
    """A package in the queue. The first `fetched` fragments are there; `since_s` is when it was first seen."""

    info: Info
    pack_loc: str
    since_s: float
    fetched: int = 0
    corrupt: int = 0


class Agent:
    """The machine. `queue`, `history` and `pending` (results not yet accepted, id → code) may be looked at.

    `say` is told what the stock agent would log and the actions do not show; `jitter` gives numbers from 0 to 1.
    """

    __slots__ = (
        "_dead",
        "_due_s",
        "_failures",
        "_jitter",
        "_life",
        "_now_s",
        "_once",
        "_priorities",
        "_say",
        "config",
        "device_id",
        "dialect",
        "history",
        "pending",
        "prolog_freq_h",
        "queue",
    )

    def __init__(
        self,
        device_id: str,
        dialect: Dialect = Dialect.NATIVE,
        *,
        history: Iterable[str] = (),
        queue: Iterable[Package] = (),
        pending: Mapping[str, str] | None = None,
        config: DownloadConfig | None = None,
        once: bool = False,
        jitter: Callable[[], float] = lambda: 0.5,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.device_id = device_id
        self.dialect = dialect
        self.history = set(history)
        self.queue = {package.info.id: package for package in queue}
        self.pending = dict(pending or {})
        self.config = config or DownloadConfig()
        self.prolog_freq_h = PROLOG_FREQ_H
        self._priorities = {name: package.info.priority for name, package in self.queue.items()}
        self._once, self._jitter, self._say = once, jitter, say
        self._now_s = self._due_s = 0.0
        self._failures = 0
        self._dead = False
        self._life = self._live()

    def next(self, event: Event, now_s: float) -> Action:
        """What to do after `event`, at `now_s` (seconds, from any epoch that is the same for the restored state)."""
        self._now_s = now_s
        return next(self._life) if isinstance(event, Started) else self._life.send(event)

    def _live(self) -> Generator[Action, Event, None]:
        while True:
            reached = yield from self._contact()
            if not self._dead and (reached or self.dialect is Dialect.NATIVE):
                yield from self._downloads()
            while self._once:
                yield Finished()
            if self._now_s < self._due_s:
                yield Wait(self._due_s - self._now_s, CONTACT)

    # -- a contact

    def _contact(self) -> Generator[Action, Event, bool]:
        """Returns whether the server answered."""
        self._dead = False
        answer = yield SendProlog()
        if not isinstance(answer, PrologAnswered):
            self._put_off()
            return False
        reply = answer.reply
        self._failures, self.config, self.prolog_freq_h = 0, reply.config, max(reply.prolog_freq_h, 1)
        self._due_s = self._now_s + self.prolog_freq_h * HOUR_S
        # The server wrote its reply before it had the results that go out now: what it lists of them is old.
        settled = set(self.pending)
        yield from self._report_all()
        if reply.config.on:
            yield from self._read_packs([pack for pack in reply.packs if pack.id not in settled])
        if reply.send_inventory:
            yield SendInventory()
        return True

    def _put_off(self) -> None:
        """When to try again after a PROLOG without an answer: a stock agent only at its next regular contact."""
        delay_s = self.prolog_freq_h * float(HOUR_S)
        if self.dialect is Dialect.NATIVE:
            backoff_s = min(BACKOFF_FIRST_S * 2 ** min(self._failures, 20), BACKOFF_LAST_S)
            delay_s = min(delay_s, backoff_s * (0.5 + self._jitter()))
        self._failures += 1
        self._due_s = self._now_s + delay_s

    def _read_packs(self, packs: list[Pack]) -> Generator[Action, Event, None]:
        for pack in packs:
            if pack.id.isascii() and pack.id.isdigit():  # agents pass over other ids
                yield from self._read_pack(pack)
        if self.dialect is Dialect.NATIVE:
            yield from self._withdraw({pack.id for pack in packs})

    def _read_pack(self, pack: Pack) -> Generator[Action, Event, None]:
        if pack.id in self.queue:
            if self.dialect is not Dialect.WINDOWS:  # that one keeps what came with the info
                self.queue[pack.id].pack_loc = pack.pack_loc
        elif pack.id in self.history and not pack.force:
            # The stock Unix agent then dies by a division by zero as soon as it has another package to schedule.
            self._dead = self.dialect is Dialect.UNIX
            yield from self._conclude(pack.id, ALREADY)
        else:
            yield from self._enqueue(pack)

    def _enqueue(self, pack: Pack) -> Generator[Action, Event, None]:
        info = yield from self._info(pack)
        if info is None:
            if self.dialect is not Dialect.WINDOWS:  # that one says nothing
                yield from self._conclude(pack.id, "ERR_DOWNLOAD_INFO")
        elif info.id != pack.id:
            yield from self._conclude(pack.id, "ERR_BAD_ID")
        else:
            self.queue[pack.id] = Package(info, pack.pack_loc, self._now_s)
            self._priorities[pack.id] = info.priority
            self._say(f"Package <{pack.id}> added to download queue")
            if never(info.priority, self.config):
                self._say(f"Package <{pack.id}> gets no turn: no cycle reaches its priority {info.priority}")

    def _info(self, pack: Pack) -> Generator[Action, Event, Info | None]:
        for left in reversed(range(INFO_TRIES if self.dialect is Dialect.NATIVE else 1)):
            answer = yield FetchInfo(pack)
            if isinstance(answer, InfoFetched):
                return answer.info
            if left:
                yield Wait(self.config.frag_latency_s, RETRY)
        return None

    def _withdraw(self, listed: set[str]) -> Generator[Action, Event, None]:
        for package_id in [one for one in self.queue if one not in listed]:
            self._say(f"Package <{package_id}> is withdrawn")
            self._drop(package_id)
            yield Discard(package_id)

    # -- the downloads

    def _downloads(self) -> Generator[Action, Event, None]:
        schedule = turns(self.dialect, lambda: self.config, self._priorities)
        starting = True
        while True:
            if not self._once and self._now_s >= self._due_s:
                yield from self._contact()
            if starting:
                yield from self._expire()
                if self._idle():
                    return
                self._say(f"New period. Nb of cycles: {self.config.period_length}")
                asked = missed = 0  # fragments, in this period
            step = next(schedule, None)
            if step is None:
                return
            if isinstance(step, Turn):
                package = self.queue[step.package_id]
                asked += package.fetched < package.info.fragments
                missed += not (yield from self._turn(package))
                starting = False
            else:
                starting = step.reason is Reason.PERIOD
                if starting and self.dialect is Dialect.WINDOWS and missed > 2 * asked // 3:
                    self._say("All package action failed during this session, exiting")
                    return  # until its next contact
                if step.seconds or starting:  # a period's end is a pause in any case, or nothing might ever be
                    yield _wait(step.seconds, step.reason)
            if self.dialect is Dialect.NATIVE and not self.queue:
                return

    def _idle(self) -> bool:
        """Whether no period need be begun. The native agent begins none in which nothing can have a turn."""
        if not self.config.on or not self.queue:
            return True
        return self.dialect is Dialect.NATIVE and all(never(one, self.config) for one in self._priorities.values())

    def _expire(self) -> Generator[Action, Event, None]:
        for package_id, package in list(self.queue.items()):
            if self._now_s - package.since_s > self.config.timeout_days * DAY_S:
                self._say(f"Timeout Reached for {package_id}.")
                yield from self._conclude(package_id, "ERR_TIMEOUT")

    def _turn(self, package: Package) -> Generator[Action, Event, bool]:
        """Returns False for a fragment that did not come."""
        if package.fetched < package.info.fragments:
            return (yield from self._fetch(package))
        answer = yield Assemble(package.info.id)
        code = answer.code if isinstance(answer, Assembled | Failed) else ""
        if code:
            yield from self._conclude(package.info.id, code)
        return True

    def _fetch(self, package: Package) -> Generator[Action, Event, bool]:
        info = package.info
        for _ in range(1 + (WINDOWS_RETRIES if self.dialect is Dialect.WINDOWS else 0)):
            answer = yield FetchFragment(info.id, package.fetched + 1, package.pack_loc, info.proto.lower())
            if not isinstance(answer, Failed) or answer.code:
                break
        if isinstance(answer, Done):
            package.fetched, package.corrupt = package.fetched + 1, 0
        elif isinstance(answer, Corrupted):
            package.corrupt += 1
            if package.corrupt >= CORRUPT_TRIES:
                yield from self._conclude(info.id, "ERR_BAD_DIGEST")
        elif isinstance(answer, Failed) and answer.code:
            yield from self._conclude(info.id, answer.code)
        return isinstance(answer, Done)

    # -- results

    def _conclude(self, package_id: str, code: str) -> Generator[Action, Event, None]:
        self._drop(package_id)
        self.pending[package_id] = code
        if in_history(self.dialect, code):
            self.history.add(package_id)
        yield from self._report(package_id)

    def _report(self, package_id: str) -> Generator[Action, Event, None]:
        """Send the result, again after a fragment latency; when that does not help, it waits for the next contact."""
        for left in reversed(range(RESULT_TRIES)):
            answer = yield SendResult(package_id, self.pending[package_id])
            if isinstance(answer, Done):
                del self.pending[package_id]
                return
            if left:
                yield Wait(self.config.frag_latency_s, RETRY)

    def _report_all(self) -> Generator[Action, Event, None]:
        for package_id in list(self.pending):
            yield from self._report(package_id)

    def _drop(self, package_id: str) -> None:
        self.queue.pop(package_id, None)
        self._priorities.pop(package_id, None)
