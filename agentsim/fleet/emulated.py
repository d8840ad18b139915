"""One emulated agent: the state machine of core, with a connection of the swarm for its hands.

It does what the machine says and keeps nothing of what it fetches but, where it verifies, a running digest.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, Final

from blake3 import blake3

from agentsim.fleet.checks import Each
from agentsim.fleet.counters import Deployment, Kind, State
from agentsim.fleet.fetching import Fetching
from agentsim.fleet.forecast import time_needed_s
from agentsim.fleet.partial_fragment import OK, PARTIAL, UNFIT, Rest
from distd.domain.agent_machine import (
    CONTACT,
    Agent,
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
from distd.domain.errors import BadInput, Corrupt
from distd.domain.records import Dialect, DownloadRequest, PrologRequest
from distd.domain.results import Outcome, classify
from distd.domain.schedule import Reason
from distd.wire import ocs

if TYPE_CHECKING:
    from agentsim.fleet.faults import Fate
    from agentsim.fleet.shard import Shard
    from distd.domain.agent_machine import Event
    from distd.domain.records import Info, Pack
    from distd.lane.client.link import Link

DONE: Final = Done()
MOST_IDLE: Final = 64  # pauses of no time, one after the other, before others have a turn
PATIENCE_S: Final = 1.0  # a contact that is under way at the run's end goes well, unless it has been stuck for so long
_LATENCIES: Final = frozenset(Reason)
_REDIRECT: Final = frozenset({301, 302, 303, 307, 308})


class Emulated(Fetching):
    """What an agent does. `number` is its own in the fleet."""

    __slots__ = ("_contact_is_good", "_finished_s", "_info", "_machine", "_pack", "_went_wrong")

    def __init__(self, shard: Shard, number: int, device_id: str, dialect: Dialect, fate: Fate | None) -> None:
        super().__init__(shard, number, dialect, fate)
        self._went_wrong = False  # a package did, for good
        self._contact_is_good = False  # the last one, so far
        self._finished_s: float | None = None  # when it had the last of its packages
        self._info = b""
        self._pack: Pack | None = None
        once = shard.order.duration_s is None
        jitter = random.Random(number).random if dialect is Dialect.NATIVE else _no_jitter
        self._machine = Agent(device_id, dialect, once=once, jitter=jitter)

    def begin(self, due_s: float) -> None:
        """Its first contact, which was due at `due_s`: that it is made later is charged."""
        self._due_s = due_s
        self._shard.tally.contacts_s.append(self._shard.since_s(due_s))
        self._step(Started())

    # --- the machine's actions

    def _step(self, event: Event) -> None:
        machine, now_s = self._machine, self._shard.machine_s()
        idle = 0
        while True:
            action = machine.next(event, now_s)
            kind = type(action)
            if kind is FetchFragment:
                self._fragment(action)  # type: ignore[arg-type]
                return
            if kind is Wait:
                if action.seconds > 0 or idle > MOST_IDLE:  # type: ignore[union-attr]
                    self._wait(action)  # type: ignore[arg-type]
                    return
                idle += 1
                event = DONE
            elif kind is Assemble:
                event = self._assemble(action.package_id)  # type: ignore[union-attr]
            elif kind is Discard:
                event = DONE
            elif kind is Finished:
                self._end()
                return
            else:
                _ASK[kind](self, action)
                return

    def _wait(self, action: Wait) -> None:
        shard = self._shard
        if action.seconds >= shard.order.keep_alive_s and self.link is not None:
            self.link.close()
        if action.reason == CONTACT or (self._state is not State.CONTACT and not self._machine.queue):
            self._enter(State.IDLE)
        elif action.reason in _LATENCIES:
            self._enter(State.DOWNLOADING)
        self._due_s = shard.swarm.now_s + action.seconds / shard.order.time_scale
        shard.swarm.at(self._due_s, self._wake)

    def _wake(self) -> None:
        self._step(DONE)

    def _end(self) -> None:
        """With nothing left to do."""
        self._leave_by_merit(good=self._is_good)

    def cut_off(self) -> None:
        """The run is over before it is: it has done well as long as nothing has gone wrong."""
        self._leave_by_merit(good=self._is_good and not self._is_stuck)

    def let_go(self) -> None:
        """The run is told to end before it is over: who has all that it was given has done well, and who is at it stays
        where it is."""
        if self._state is State.IDLE and self._is_good:
            self._leave_by_merit(good=True)

    def charge(self, now_s: float) -> None:
        """For an exchange that the end of the run cuts off."""
        self._shard.tally.cut_off(self._kind, now_s - self._due_s)

    def _leave_by_merit(self, *, good: bool) -> None:
        if good and self._finished_s is not None:
            self._shard.tally.finished_s.append(self._finished_s)
        self.leave(State.DONE if good else State.FAILED)

    @property
    def _is_good(self) -> bool:
        """All that it was given is deployed and told of, and its last contact has failed in nothing."""
        machine = self._machine
        return self._contact_is_good and not (self._went_wrong or machine.pending or machine.queue)

    @property
    def _is_stuck(self) -> bool:
        """In a contact: before the `info` of a package that it has been given, or waiting for long. A run's end comes
        upon some that are in the midst of a contact; with them nothing is wrong."""
        if self._state not in (State.CONTACT, State.ASLEEP):
            return False
        return type(self._asked) is FetchInfo or time.monotonic() - self._due_s >= PATIENCE_S

    # --- what the machine wants asked

    def _prolog(self, action: SendProlog) -> None:
        self._asked = action
        self._enter(State.CONTACT)
        self._post(Kind.PROLOG, ocs.write_request(PrologRequest(self._machine.device_id)))

    def _inventory(self, action: SendInventory) -> None:
        self._asked = action
        self._post(Kind.INVENTORY, self._shard.inventory(self.number, self._machine.history))

    def _result(self, action: SendResult) -> None:
        self._asked = action
        request = DownloadRequest(self._machine.device_id, action.package_id, action.code)
        self._post(Kind.RESULT, ocs.write_request(request))

    def _fetch_info(self, action: FetchInfo) -> None:
        self._asked = action
        self._pack = pack = action.pack
        self._info = b""  # of an earlier try, to which no manifest came
        self._get(Kind.INFO, "https", f"{pack.info_loc}/{pack.id}", "info", keep=True)

    # --- what comes back

    def answered(self, link: Link) -> None:
        status, kind = link.status, self._kind
        if status != OK and status != PARTIAL:
            if status in _REDIRECT and kind in (Kind.FRAGMENT, Kind.INFO):
                self._redirected(link)
            else:
                self._miss(f"HTTP {status}", link, status)
            return
        now_s, due_s = time.monotonic(), self._due_s
        self._due_s, self._hops = now_s, 0
        self._shard.tally.late_s[kind].append(now_s - due_s)
        event = _ANSWERED[kind](self, link)
        if event is DONE:
            self._step(event)
        elif event is not None:
            self._make_do(event, due_s, link, status)

    def failed(self, why: str, link: Link | None) -> None:
        self._miss(why, link, 0)

    def _miss(self, why: str, link: Link | None, answer: int) -> None:
        """The exchange failed. `answer`: the status, where there was a whole one."""
        now_s, due_s = time.monotonic(), self._due_s
        self._due_s, self._hops = now_s, 0
        self._shard.tally.late_s[self._kind].append(now_s - due_s)
        self._make_do(self._failure(why), due_s, link, answer)

    def _failure(self, why: str) -> Event:
        kind = self._kind
        self._shard.tally.errors[kind.value, why] += 1
        # A native agent asks for the info again, and reports it when it gives up; a Windows agent says nothing of it.
        if kind in (Kind.PROLOG, Kind.INVENTORY) or (kind is Kind.INFO and self._places is None):
            self._contact_is_good = False
        return Failed(why)

    def _make_do(self, event: Event, due_s: float, link: Link | None, answer: int) -> None:
        """With what came, or did not. What is tried again at once is charged from `due_s`, when it first was due: by a
        native agent at the next place, by a Windows agent at the same one."""
        if self._kind is not Kind.FRAGMENT:
            self._step(event)
            return
        now_s, asked = self._due_s, self._asked
        if self._places is not None:
            self._due_s = due_s
            if self._goes_on_elsewhere(link, answer):
                return
            self._due_s = now_s
        self._step(event)
        if self._dialect is Dialect.WINDOWS and self._asked == asked and self._due_s == now_s:
            self._due_s = due_s  # it did not wait, and its answer is yet to come

    def _prolog_answered(self, link: Link) -> Event | None:
        try:
            reply = ocs.read_prolog_reply(link.body)
        except BadInput as error:
            return self._failure(f"unreadable reply: {error.field}")
        self._contact_is_good = True
        shard, machine = self._shard, self._machine
        shard.hear(reply)
        if self._fate is not None and self._fate.stale:
            machine.history.update(pack.id for pack in reply.packs[:1])
        if self._places is not None:
            self._places = {pack.id: [*pack.mirrors, pack.pack_loc] for pack in reply.packs}
        return PrologAnswered(reply)

    def _info_answered(self, link: Link) -> Event | None:
        """A native agent then asks for the manifest."""
        pack, shard, checks = self._pack, self._shard, self._checks
        assert pack is not None
        try:
            if not isinstance(checks, Each):
                return self._enlist(shard.read_info(link.body))
            if not self._info:
                self._info = link.body
                self._get(Kind.INFO, "https", f"{pack.info_loc}/{pack.id}", "manifest", keep=True)
                return None
            body, self._info = self._info, b""
            manifest = shard.read_manifest(link.body)
            if manifest.info_blake3 != blake3(body).digest() or manifest.package_id != pack.id:
                return self._failure("a manifest of another info")
            checks.manifests[pack.id] = manifest
            return self._enlist(shard.read_info(body))
        except (BadInput, Corrupt) as error:
            self._info = b""
            return self._failure(f"unreadable: {type(error).__name__}")

    def _enlist(self, info: Info) -> Event:
        shard, config = self._shard, self._machine.config
        known = shard.tally.packages.get(info.id)
        if known is None:
            known = shard.tally.packages[info.id] = Deployment(info.priority, info.fragments)
        known.listed += 1
        if self._fate is not None:
            self._fate.settle(self._requests, info.fragments + 1)
        if self._checks is not None:
            self._checks.begin(info)
        shard.expect(shard.swarm.now_s + time_needed_s(self._dialect, config, info) / shard.order.time_scale)
        return InfoFetched(info)

    def _fragment_answered(self, link: Link) -> Event | None:
        tally = self._shard.tally
        package_id, number = self._asked.package_id, self._asked.number
        part, self._part = self._part, None
        if part is not None and self._checks is not None:
            if not self._checks.came(package_id, number, part):
                if isinstance(part, Rest) and part.status == UNFIT:
                    return self._failure(f"HTTP {PARTIAL}")
                tally.errors[self._kind.value, "corrupt"] += 1
                return Corrupted()
            tally.verified_bytes += part.length if self._verifies else 0
        flow = self._shard.flow(link.place)
        flow.fragments += 1
        flow.bytes += link.length
        deployment = tally.packages[package_id]
        deployment.fragments += 1
        deployment.bytes += link.length
        return DONE

    def _taken(self, _: Link) -> Event | None:
        return DONE

    def _result_taken(self, _: Link) -> Event | None:
        code = self._asked.code
        self._shard.tally.results[code] += 1
        if classify(code) is not Outcome.SUCCESS:
            self._went_wrong = True
        return DONE

    # --- what it was all for

    def _assemble(self, package_id: str) -> Event:
        shard = self._shard
        tally = shard.tally
        info = self._machine.queue[package_id].info
        if self._fate is not None and self._fate.corrupt:
            return Assembled("ERR_BAD_DIGEST")
        if self._verifies and info.fragments:
            tally.verified += 1
            if self._checks is not None and not self._checks.is_good(info):
                tally.bad += 1
                return Assembled("ERR_BAD_DIGEST")
        at_s = shard.since_s(shard.swarm.now_s)
        deployment = tally.packages[package_id]
        deployment.good += 1
        deployment.done_s.append(at_s)
        self._finished_s = at_s
        return Assembled("SUCCESS")


def _no_jitter() -> float:
    return 0.5


_ASK: Final[dict[type, Any]] = {
    SendProlog: Emulated._prolog,
    SendInventory: Emulated._inventory,
    SendResult: Emulated._result,
    FetchInfo: Emulated._fetch_info,
}
_ANSWERED: Final[dict[Kind, Any]] = {
    Kind.PROLOG: Emulated._prolog_answered,
    Kind.INFO: Emulated._info_answered,
    Kind.INVENTORY: Emulated._taken,
    Kind.FRAGMENT: Emulated._fragment_answered,
    Kind.RESULT: Emulated._result_taken,
}
