"""One emulated agent: does what the state machine of the domain says, and keeps nothing of what it fetches."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, ClassVar, Final

from blake3 import blake3

from agentsim.fleet.counters import Kind, State
from agentsim.fleet.exchange import Exchange
from agentsim.fleet.forecast import time_needed_s
from agentsim.fleet.fragments import UNVERIFIED, NativeFragments, StockFragments
from agentsim.fleet.messages import PackageCounters
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
from distd.domain.agent_machine import CONTACT, Agent
from distd.domain.errors import BadInput, Corrupt, Unavailable
from distd.domain.records import Dialect, DownloadRequest, PrologRequest
from distd.domain.results import Outcome, classify
from distd.domain.schedule import Reason
from distd.wire import ocs

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentsim.fleet.context import Context
    from agentsim.fleet.faults import Fault
    from distd.domain.agent_actions import (
        Event,
    )
    from distd.domain.records import Info, Pack
    from distd.lane.client.link import Link

DONE: Final = Done()
MAX_IDLE_TURNS: Final = 64  # pauses of no time, one after the other, before others have a turn
STUCK_S: Final = 1.0  # a contact that is under way at the run's end has failed when it has been for so long
_LATENCIES: Final = frozenset(Reason)


class EmulatedAgent:
    """What an agent does, over one `Exchange`. `number` is its own in the fleet; `verify`: it checks digests."""

    __slots__ = (
        "_action",
        "_contact_is_good",
        "_context",
        "_exchange",
        "_finished_s",
        "_fragments",
        "_has_failed",
        "_machine",
        "_state",
    )

    def __init__(
        self, context: Context, number: int, device_id: str, dialect: Dialect, *, fault: Fault | None, verify: bool
    ) -> None:
        self._context = context
        self._exchange = Exchange(context, self, number, dialect, fault)
        self._fragments: StockFragments | NativeFragments = UNVERIFIED
        jitter: Callable[[], float] = _no_jitter
        if dialect is Dialect.NATIVE:
            self._fragments = NativeFragments(verify=verify)
            jitter = random.Random(number).random
        elif verify:
            self._fragments = StockFragments(verify=True)
        self._machine = Agent(device_id, dialect, once=context.once, jitter=jitter)
        self._state = State.AWAITED
        self._action: Any = None  # the last one that asked for something
        self._has_failed = False  # a package has, for good
        self._contact_is_good = False  # nothing of its last contact has failed, so far
        self._finished_s: float | None = None  # when it had the last of its packages

    def begin(self, due_s: float) -> None:
        """Make the first contact, which was due at `due_s`: that it is made later is charged."""
        self._exchange.due_s = due_s
        self._context.counters.contacts_s.append(self._context.elapsed_s(due_s))
        self._step(Started())

    # --- the machine's actions

    def _step(self, event: Event) -> None:
        machine, now_s = self._machine, self._context.machine_s()
        idle = 0
        while True:
            action = machine.next(event, now_s)
            kind = type(action)
            if kind is FetchFragment:
                self._action = action
                if self._state is not State.DOWNLOADING:
                    self._enter(State.DOWNLOADING)
                self._fragments.fetch(self._exchange, action)  # type: ignore[arg-type]
                return
            if kind is Wait:
                if action.seconds > 0 or idle > MAX_IDLE_TURNS:  # type: ignore[union-attr]
                    self._wait(action)  # type: ignore[arg-type]
                    return
                idle += 1
                event = DONE
            elif kind is Assemble:
                event = self._assemble(action.package_id)  # type: ignore[union-attr]
            elif kind is Discard:
                event = DONE
            elif kind is Finished:
                self._finish(good=self._is_good)
                return
            else:
                self._action = action
                self._REQUESTS[kind](self, action)
                return

    def _wait(self, action: Wait) -> None:
        context, network = self._context, self._context.network
        if action.seconds >= context.keep_alive_s:
            self._exchange.close()
        if action.reason == CONTACT or (self._state is not State.CONTACT and not self._machine.queue):
            self._enter(State.IDLE)
        elif action.reason in _LATENCIES:
            self._enter(State.DOWNLOADING)
        due_s = self._exchange.due_s = network.now_s + action.seconds / context.time_scale
        network.at(due_s, self._wake)

    def _wake(self) -> None:
        self._step(DONE)

    def _prolog(self, _: SendProlog) -> None:
        self._enter(State.CONTACT)
        self._exchange.post(Kind.PROLOG, ocs.write_request(PrologRequest(self._machine.device_id)))

    def _inventory(self, _: SendInventory) -> None:
        self._exchange.post(Kind.INVENTORY, self._context.inventory(self._exchange.number, self._machine.history))

    def _result(self, action: SendResult) -> None:
        request = DownloadRequest(self._machine.device_id, action.package_id, action.code)
        self._exchange.post(Kind.RESULT, ocs.write_request(request))

    def _fetch_info(self, action: FetchInfo) -> None:
        if isinstance(self._fragments, NativeFragments):
            self._fragments.info = b""  # of an earlier try, to which no manifest came
        pack = action.pack
        self._exchange.get(Kind.INFO, "https", pack.info_loc, f"{pack.id}/info", keep=True)

    # --- what comes of an exchange

    def answered(self, link: Link, due_s: float) -> None:
        """As `Requester` says."""
        event = self._ANSWERS[self._exchange.kind](self, link)
        if event is DONE:
            self._step(event)
        elif event is not None:
            self._handle_outcome(event, due_s, link, link.status)

    def failed(self, why: str, link: Link | None, status: int, due_s: float) -> None:
        """As `Requester` says."""
        self._handle_outcome(self._failure(why), due_s, link, status)

    def redirected(self, link: Link) -> None:
        """As `Requester` says."""
        if self._exchange.kind is Kind.FRAGMENT:
            self._fragments.follow(self._exchange, link, self._action)
        else:
            self._exchange.follow(link, keep=True)

    def _failure(self, why: str) -> Event:
        kind = self._exchange.kind
        self._context.counters.errors[kind.value, why] += 1
        # A native agent asks for the info again, and reports it when it gives up; a Windows agent says nothing of it.
        is_native = self._machine.dialect is Dialect.NATIVE
        if kind in (Kind.PROLOG, Kind.INVENTORY) or (kind is Kind.INFO and not is_native):
            self._contact_is_good = False
        return Failed(why)

    def _handle_outcome(self, event: Event, due_s: float, link: Link | None, status: int) -> None:
        """Go on after an exchange that was due at `due_s`. What is tried again at once is charged from then, when it
        first was due: by a native agent at the next place, by a Windows agent at the same one."""
        exchange, action = self._exchange, self._action
        if exchange.kind is not Kind.FRAGMENT:
            self._step(event)
            return
        now_s, fragments = exchange.due_s, self._fragments
        if isinstance(fragments, NativeFragments):
            exchange.due_s = due_s
            if fragments.fetch_elsewhere(exchange, action, link, status):
                self._context.counters.retries += 1
                return
            exchange.due_s = now_s
        self._step(event)
        if self._machine.dialect is Dialect.WINDOWS and self._action == action and exchange.due_s == now_s:
            exchange.due_s = due_s  # it did not wait, and its answer is yet to come

    def _prolog_answered(self, link: Link) -> Event | None:
        try:
            reply = ocs.read_prolog_reply(link.body)
        except BadInput as error:
            return self._failure(f"unreadable reply: {error.field}")
        self._contact_is_good = True
        self._context.note_settings(reply)
        fault = self._exchange.fault
        if fault is not None and fault.stale:
            self._machine.history.update(pack.id for pack in reply.packs[:1])
        if isinstance(self._fragments, NativeFragments):
            self._fragments.set_places(reply.packs)
        return PrologAnswered(reply)

    def _info_answered(self, link: Link) -> Event | None:
        """A native agent then asks for the manifest."""
        pack: Pack = self._action.pack
        context, fragments = self._context, self._fragments
        try:
            if not isinstance(fragments, NativeFragments):
                return self._add_package(context.read_info(link.body))
            if not fragments.info:
                fragments.info = link.body
                self._exchange.get(Kind.INFO, "https", pack.info_loc, f"{pack.id}/manifest", keep=True)
                return None
            info, fragments.info = fragments.info, b""
            manifest = context.read_manifest(link.body)
            if manifest.info_blake3 != blake3(info).digest() or manifest.package_id != pack.id:
                return self._failure("a manifest of another info")
            fragments.add_manifest(manifest)
            return self._add_package(context.read_info(info))
        except (BadInput, Corrupt) as error:
            return self._failure(f"unreadable: {type(error).__name__}")

    def _add_package(self, info: Info) -> Event:
        context, machine = self._context, self._machine
        counters = context.counters.packages.get(info.id)
        if counters is None:
            counters = context.counters.packages[info.id] = PackageCounters(info.priority, info.fragments)
        counters.listed += 1
        if self._exchange.fault is not None:
            self._exchange.fault.schedule(info.fragments + 1)
        self._fragments.begin(info)
        needed_s = time_needed_s(machine.dialect, machine.config, info) / context.time_scale
        context.expect_until(context.network.now_s + needed_s)
        return InfoFetched(info)

    def _fragment_answered(self, link: Link) -> Event:
        counters, action = self._context.counters, self._action
        try:
            counters.verified_bytes += self._fragments.accept(action)
        except Unavailable as error:
            return self._failure(error.why)
        except Corrupt:
            counters.errors[Kind.FRAGMENT.value, "corrupt"] += 1
            return Corrupted()
        transfers = self._context.transfers(link.endpoint)
        transfers.fragments += 1
        transfers.bytes += link.length
        package = counters.packages[action.package_id]
        package.fragments += 1
        package.bytes += link.length
        return DONE

    def _inventory_answered(self, _: Link) -> Event:
        return DONE

    def _result_answered(self, _: Link) -> Event:
        code = self._action.code
        self._context.counters.results[code] += 1
        if classify(code) is not Outcome.SUCCESS:
            self._has_failed = True
        return DONE

    # --- deploying

    def _assemble(self, package_id: str) -> Event:
        context = self._context
        counters = context.counters
        info = self._machine.queue[package_id].info
        if self._exchange.fault is not None and self._exchange.fault.corrupt:
            return Assembled("ERR_BAD_DIGEST")
        if self._fragments.verify and info.fragments:
            counters.verified += 1
            if not self._fragments.is_good(info):
                counters.bad += 1
                return Assembled("ERR_BAD_DIGEST")
        at_s = context.elapsed_s(context.network.now_s)
        package = counters.packages[package_id]
        package.good += 1
        package.done_s.append(at_s)
        self._finished_s = at_s
        return Assembled("SUCCESS")

    # --- states, and the end

    def _enter(self, state: State) -> None:
        if state is not self._state:
            self._context.counters.move(self._state, state)
            self._state = state

    def suspend(self, until_s: float, resume: Callable[[], None]) -> None:
        """As `Requester` says."""
        before = self._state
        self._enter(State.ASLEEP)

        def wake() -> None:
            self._enter(before)
            resume()

        self._context.network.at(until_s, wake)

    def vanish(self) -> None:
        """As `Requester` says."""
        self._leave(State.VANISHED)

    def cut_off(self, now_s: float) -> None:
        """The run is over before the agent is: it is done as long as nothing has gone wrong."""
        self._finish(good=self._is_good and not self._is_stuck(now_s))

    def stop(self) -> None:
        """The run is told to end before it is over: an agent that has all that it was given is done, and one that is
        at work stays in its state."""
        if self._state is State.IDLE and self._is_good:
            self._finish(good=True)

    def _finish(self, *, good: bool) -> None:
        if good and self._finished_s is not None:
            self._context.counters.finished_s.append(self._finished_s)
        self._leave(State.DONE if good else State.FAILED)

    def _leave(self, state: State) -> None:
        self._exchange.close()
        self._enter(state)
        self._context.remove(self)

    @property
    def _is_good(self) -> bool:
        """All that it was given is deployed and reported, and nothing of its last contact has failed."""
        machine = self._machine
        return self._contact_is_good and not (self._has_failed or machine.pending or machine.queue)

    def _is_stuck(self, now_s: float) -> bool:
        """In a contact: before the `info` of a package that it has been given, or waiting for long. A run's end comes
        upon some that are in the middle of a contact; with them nothing is wrong."""
        if self._state not in (State.CONTACT, State.ASLEEP):
            return False
        return type(self._action) is FetchInfo or now_s - self._exchange.due_s >= STUCK_S

    _REQUESTS: ClassVar[dict[type, Any]] = {
        SendProlog: _prolog,
        SendInventory: _inventory,
        SendResult: _result,
        FetchInfo: _fetch_info,
    }
    _ANSWERS: ClassVar[dict[Kind, Any]] = {
        Kind.PROLOG: _prolog_answered,
        Kind.INFO: _info_answered,
        Kind.INVENTORY: _inventory_answered,
        Kind.FRAGMENT: _fragment_answered,
        Kind.RESULT: _result_answered,
    }


def _no_jitter() -> float:
    return 0.5
