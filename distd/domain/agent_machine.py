"""An agent as a state machine: events in, actions out, no I/O, no clock.

    action = agent.next(Started(), now_s)
    while not isinstance(action, Finished):
        action = agent.next(perform(action), now_s)

The order is the stock agents': PROLOG, `info` of each new package, INVENTORY if asked for, downloads by the scheduler,
results; then a pause until the next contact. A contact that falls due during the downloads is made between two turns.
Where the dialects differ, the stock agents' published sources (2.10) are followed; `Dialect.NATIVE` differs from `UNIX`
in that it retries with back-off, drops a package that is no longer listed, and has none of the faults.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from distd.domain.agent_actions import (
    Assemble,
    Assembled,
    Corrupted,
    Discard,
    Done,
    Failed,
    FetchFragment,
    FetchInfo,
    Finished,
    InfoFetched,
    PrologAnswered,
    SendInventory,
    SendProlog,
    SendResult,
    Started,
    Wait,
)
from distd.domain.backoff import Backoff
from distd.domain.records import Dialect
from distd.domain.results import in_history
from distd.domain.schedule import Reason, Turn, gets_no_turn, turns
from distd.domain.settings import DownloadConfig
from distd.domain.units import DAY_S, HOUR_S

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping

    from distd.domain.agent_actions import Action, Event
    from distd.domain.records import Info, Pack

RESULT_TRIES = 5  # then at the next contact
INFO_TRIES = 3  # of a native agent; the others try once
CORRUPT_TRIES = 5  # of one fragment, then ERR_BAD_DIGEST
WINDOWS_RETRIES = 5  # without a pause, within a turn
BACKOFF_FIRST_S, BACKOFF_LONGEST_S = 10, 3600
PROLOG_FREQ_H = 24  # until a reply says otherwise
ALREADY_SET_UP = "SUCCESS_ALREADY_SETUP"
RETRY, CONTACT = "retry latency", "contact latency"

_wait = lru_cache(maxsize=1024)(Wait)  # agents have few different pauses


@dataclass(slots=True)
class QueuedPackage:
    """A package in the queue. The first `fetched` fragments are there; `since_s` is when it was first listed."""

    info: Info
    pack_loc: str
    since_s: float
    fetched: int = 0
    corrupt: int = 0


@dataclass(frozen=True, slots=True)
class SavedState:
    """What an agent kept when its process ended: see `Agent`."""

    history: Iterable[str] = ()
    queue: Iterable[QueuedPackage] = ()
    pending: Mapping[str, str] = field(default_factory=dict)
    config: DownloadConfig | None = None  # None: it has never had an answer


class _State:
    """What the parts of the machine share: the contact, the downloads, the results."""

    __slots__ = (
        "backoff",
        "config",
        "crashed",
        "device_id",
        "dialect",
        "due_s",
        "history",
        "log",
        "now_s",
        "once",
        "pending",
        "priorities",
        "prolog_freq_h",
        "queue",
    )

    def __init__(
        self, dialect: Dialect, saved: SavedState, once: bool, jitter: Callable[[], float], log: Callable[[str], None]
    ) -> None:
        self.dialect = dialect
        self.history = set(saved.history)
        self.queue = {package.info.id: package for package in saved.queue}
        self.pending = dict(saved.pending)
        self.config = saved.config or DownloadConfig()
        self.prolog_freq_h = PROLOG_FREQ_H
        self.priorities = {name: package.info.priority for name, package in self.queue.items()}
        self.once, self.log = once, log
        self.now_s = self.due_s = 0.0
        self.crashed = False  # the stock Unix agent's process, which has died
        is_native = dialect is Dialect.NATIVE
        self.backoff = Backoff(BACKOFF_FIRST_S, BACKOFF_LONGEST_S, jitter=jitter) if is_native else None

    def drop(self, package_id: str) -> None:
        """Take a package out of the queue."""
        self.queue.pop(package_id, None)
        self.priorities.pop(package_id, None)


class Agent(_State):
    """The machine. `queue`, `history` and `pending` (results not yet accepted, id → code) may be read.

    `once`: it ends before its next contact. `log` gets the lines that a stock agent would log and that the actions do
    not show; `jitter` gives numbers from 0 to 1.
    """

    __slots__ = ("_actions",)

    def __init__(
        self,
        device_id: str,
        dialect: Dialect = Dialect.NATIVE,
        saved: SavedState | None = None,
        *,
        once: bool = False,
        jitter: Callable[[], float] = lambda: 0.5,
        log: Callable[[str], None] = lambda line: None,
    ) -> None:
        super().__init__(dialect, saved or SavedState(), once, jitter, log)
        self.device_id = device_id
        self._actions = _run(self)

    def next(self, event: Event, now_s: float) -> Action:
        """What to do after `event`, at `now_s` (seconds, from any epoch that is the same for the saved state)."""
        self.now_s = now_s
        return next(self._actions) if isinstance(event, Started) else self._actions.send(event)


def _run(state: _State) -> Generator[Action, Event, None]:
    while True:
        answered = yield from _contact(state)
        if not state.crashed and (answered or state.dialect is Dialect.NATIVE):
            yield from _downloads(state)
        while state.once:
            yield Finished()
        if state.now_s < state.due_s:
            yield Wait(state.due_s - state.now_s, CONTACT)


# --- a contact ---------------------------------------------------------------------------------------------------


def _contact(state: _State) -> Generator[Action, Event, bool]:
    """Returns whether the server answered."""
    state.crashed = False
    answer = yield SendProlog()
    if not isinstance(answer, PrologAnswered):
        _plan_retry(state)
        return False
    reply = answer.reply
    if state.backoff is not None:
        state.backoff.reset()
    state.config, state.prolog_freq_h = reply.config, max(reply.prolog_freq_h, 1)
    state.due_s = state.now_s + state.prolog_freq_h * HOUR_S
    # The server wrote its reply before it had the results that go out now: what it lists of them is out of date.
    reported = set(state.pending)
    yield from _report_all(state)
    if reply.config.on:
        yield from _take_packs(state, [pack for pack in reply.packs if pack.id not in reported])
    if reply.send_inventory:
        yield SendInventory()
    return True


def _plan_retry(state: _State) -> None:
    """When to try again after a PROLOG without an answer: a stock agent only at its next regular contact."""
    delay_s = state.prolog_freq_h * float(HOUR_S)
    if state.backoff is not None:
        delay_s = min(delay_s, state.backoff.next_s())
    state.due_s = state.now_s + delay_s


def _take_packs(state: _State, packs: list[Pack]) -> Generator[Action, Event, None]:
    for pack in packs:
        if pack.id.isascii() and pack.id.isdigit():  # agents ignore other ids
            yield from _take_pack(state, pack)
    if state.dialect is Dialect.NATIVE:
        yield from _discard_unlisted(state, {pack.id for pack in packs})


def _take_pack(state: _State, pack: Pack) -> Generator[Action, Event, None]:
    if pack.id in state.queue:
        if state.dialect is not Dialect.WINDOWS:  # a Windows agent keeps the place that it was told first
            state.queue[pack.id].pack_loc = pack.pack_loc
    elif pack.id in state.history and not pack.force:
        # The stock Unix agent then dies by a division by zero as soon as it has another package to schedule.
        state.crashed = state.dialect is Dialect.UNIX
        yield from _conclude(state, pack.id, ALREADY_SET_UP)
    else:
        yield from _enqueue(state, pack)


def _enqueue(state: _State, pack: Pack) -> Generator[Action, Event, None]:
    info = yield from _info(state, pack)
    if info is None:
        if state.dialect is not Dialect.WINDOWS:  # a Windows agent reports nothing
            yield from _conclude(state, pack.id, "ERR_DOWNLOAD_INFO")
    elif info.id != pack.id:
        yield from _conclude(state, pack.id, "ERR_BAD_ID")
    else:
        state.queue[pack.id] = QueuedPackage(info, pack.pack_loc, state.now_s)
        state.priorities[pack.id] = info.priority
        state.log(f"Package <{pack.id}> added to download queue")
        if gets_no_turn(info.priority, state.config):
            state.log(f"Package <{pack.id}> gets no turn: no cycle reaches its priority {info.priority}")


def _info(state: _State, pack: Pack) -> Generator[Action, Event, Info | None]:
    for tries_left in reversed(range(INFO_TRIES if state.dialect is Dialect.NATIVE else 1)):
        answer = yield FetchInfo(pack)
        if isinstance(answer, InfoFetched):
            return answer.info
        if tries_left:
            yield Wait(state.config.frag_latency_s, RETRY)
    return None


def _discard_unlisted(state: _State, listed: set[str]) -> Generator[Action, Event, None]:
    for package_id in [package_id for package_id in state.queue if package_id not in listed]:
        state.log(f"Package <{package_id}> is withdrawn")
        state.drop(package_id)
        yield Discard(package_id)


# --- the downloads -----------------------------------------------------------------------------------------------


def _downloads(state: _State) -> Generator[Action, Event, None]:
    schedule = turns(state.dialect, lambda: state.config, state.priorities)
    period_begins = True
    while True:
        if not state.once and state.now_s >= state.due_s:
            yield from _contact(state)
        if period_begins:
            yield from _expire(state)
            if _nothing_to_download(state):
                return
            state.log(f"New period. Nb of cycles: {state.config.period_length}")
            wanted = missed = 0  # fragments, in this period
        step = next(schedule, None)
        if step is None:
            return
        if isinstance(step, Turn):
            package = state.queue[step.package_id]
            wanted += package.fetched < package.info.fragments
            missed += not (yield from _take_turn(state, package))
            period_begins = False
        else:
            period_begins = step.reason is Reason.PERIOD
            if period_begins and state.dialect is Dialect.WINDOWS and missed > 2 * wanted // 3:
                state.log("All package action failed during this session, exiting")
                return  # until its next contact
            if step.seconds or period_begins:  # at the end of a period even without a latency: else it may never end
                yield _wait(step.seconds, step.reason)
        if state.dialect is Dialect.NATIVE and not state.queue:
            return


def _nothing_to_download(state: _State) -> bool:
    """Whether no period is to begin. The native agent begins none in which no package can have a turn."""
    if not state.config.on or not state.queue:
        return True
    if state.dialect is not Dialect.NATIVE:
        return False
    return all(gets_no_turn(priority, state.config) for priority in state.priorities.values())


def _expire(state: _State) -> Generator[Action, Event, None]:
    for package_id, package in list(state.queue.items()):
        if state.now_s - package.since_s > state.config.timeout_days * DAY_S:
            state.log(f"Timeout Reached for {package_id}.")
            yield from _conclude(state, package_id, "ERR_TIMEOUT")


def _take_turn(state: _State, package: QueuedPackage) -> Generator[Action, Event, bool]:
    """Returns False for a fragment that was not fetched."""
    if package.fetched < package.info.fragments:
        return (yield from _fetch(state, package))
    answer = yield Assemble(package.info.id)
    code = answer.code if isinstance(answer, Assembled | Failed) else ""
    if code:
        yield from _conclude(state, package.info.id, code)
    return True


def _fetch(state: _State, package: QueuedPackage) -> Generator[Action, Event, bool]:
    info = package.info
    for _ in range(1 + (WINDOWS_RETRIES if state.dialect is Dialect.WINDOWS else 0)):
        answer = yield FetchFragment(info.id, package.fetched + 1, package.pack_loc, info.proto.lower())
        if not isinstance(answer, Failed) or answer.code:
            break
    if isinstance(answer, Done):
        package.fetched, package.corrupt = package.fetched + 1, 0
    elif isinstance(answer, Corrupted):
        package.corrupt += 1
        if package.corrupt >= CORRUPT_TRIES:
            yield from _conclude(state, info.id, "ERR_BAD_DIGEST")
    elif isinstance(answer, Failed) and answer.code:
        yield from _conclude(state, info.id, answer.code)
    return isinstance(answer, Done)


# --- results -----------------------------------------------------------------------------------------------------


def _conclude(state: _State, package_id: str, code: str) -> Generator[Action, Event, None]:
    state.drop(package_id)
    state.pending[package_id] = code
    if in_history(state.dialect, code):
        state.history.add(package_id)
    yield from _report(state, package_id)


def _report(state: _State, package_id: str) -> Generator[Action, Event, None]:
    """Send the result, again after a fragment latency; if that does not help, it waits for the next contact."""
    for tries_left in reversed(range(RESULT_TRIES)):
        answer = yield SendResult(package_id, state.pending[package_id])
        if isinstance(answer, Done):
            del state.pending[package_id]
            return
        if tries_left:
            yield Wait(state.config.frag_latency_s, RETRY)


def _report_all(state: _State) -> Generator[Action, Event, None]:
    for package_id in list(state.pending):
        yield from _report(state, package_id)
