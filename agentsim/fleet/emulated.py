"""One emulated agent: the state machine of core, with a connection of the swarm for its hands.

It does what the machine says and keeps nothing of what it fetches but, where it verifies, a running digest.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, Final

from blake3 import blake3

from agentsim.fleet.asking import Asking
from agentsim.fleet.checks import Each, Whole
from agentsim.fleet.forecast import time_needed_s
from agentsim.fleet.tally import Deployment, Kind, State
from distd.core import ocs
from distd.core.agent import (
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
from distd.core.errors import BadInput, Corrupt
from distd.core.records import Dialect, DownloadRequest, PrologRequest
from distd.core.results import Outcome, classify

if TYPE_CHECKING:
    from agentsim.fleet.checks import Part
    from agentsim.fleet.fates import Fate
    from agentsim.fleet.shard import Shard
    from distd.core.agent import Event
    from distd.core.records import Info, Pack
    from distd.lane.link import Link

DONE: Final = Done()
MOST_IDLE: Final = 64  # pauses of no time, one after the other, before others have a turn
_REDIRECT: Final = frozenset({301, 302, 303, 307, 308})
_OK, _PARTIAL = 200, 206


class Emulated(Asking):
    """What an agent does. `number` is its own in the fleet."""

    __slots__ = (
        "_asked",
        "_checks",
        "_info",
        "_machine",
        "_pack",
        "_part",
        "_places",
        "_reached",
        "_tries",
        "_verifies",
        "_went_wrong",
    )

    def __init__(self, shard: Shard, number: int, device_id: str, dialect: Dialect, fate: Fate | None) -> None:
        super().__init__(shard, number, dialect, fate)
        self._verifies = shard.verifies(number)
        self._asked: Any = None  # the action that is being performed
        self._checks: Whole | Each | None = Whole() if self._verifies else None
        if dialect is Dialect.NATIVE:
            self._checks = Each(hashes=self._verifies)
        self._places: dict[str, list[str]] | None = {} if dialect is Dialect.NATIVE else None
        self._part: Part | None = None
        self._tries = 0  # of the places of a fragment
        self._went_wrong = self._reached = False
        self._info = b""
        self._pack: Pack | None = None
        once = shard.order.duration_s is None
        jitter = random.Random(number).random if dialect is Dialect.NATIVE else _no_jitter
        self._machine = Agent(device_id, dialect, once=once, jitter=jitter)

    def begin(self) -> None:
        self._due_s = self._shard.swarm.now_s
        self._shard.tally.contacts_s.append(self._shard.since_s(self._due_s))
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
        if self._state is not State.CONTACT and not self._machine.queue:
            self._enter(State.IDLE)
        self._due_s = shard.swarm.now_s + action.seconds / shard.order.time_scale
        shard.swarm.at(self._due_s, self._wake)

    def _wake(self) -> None:
        self._step(DONE)

    def _end(self) -> None:
        """With nothing left to do."""
        machine = self._machine
        good = self._reached and not (self._went_wrong or machine.pending or machine.queue)
        self.leave(State.DONE if good else State.FAILED)

    @property
    def verdict(self) -> State:
        """How it stands when the run is over before it is: it goes well as long as nothing has gone wrong."""
        machine = self._machine
        if self._went_wrong or machine.pending or machine.queue or not self._reached:
            return State.FAILED
        return State.DONE

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
        self._get(Kind.INFO, "https", f"{pack.info_loc}/{pack.id}", "info", keep=True)

    def _fragment(self, action: FetchFragment) -> None:
        self._asked = action
        if self._state is not State.DOWNLOADING:
            self._enter(State.DOWNLOADING)
        package_id = action.package_id
        self._tries = 0
        folder, name = f"{self._nearest(action)}/{package_id}", f"{package_id}-{action.number}"
        self._get(Kind.FRAGMENT, action.proto, folder, name, keep=False, digest=self._new_part())

    def _new_part(self) -> Part | None:
        self._part = None if self._checks is None else self._checks.part(self._asked.package_id)
        return self._part

    def _nearest(self, action: FetchFragment) -> str:
        if self._places is None:
            return action.pack_loc
        return (self._places.get(action.package_id) or [action.pack_loc])[0]

    # --- what comes back

    def answered(self, link: Link) -> None:
        shard = self._shard
        now_s = time.monotonic()
        status = link.status
        if status in _REDIRECT and self._kind in (Kind.FRAGMENT, Kind.INFO):
            self._redirected(link)
            return
        late_s, self._due_s, self._hops = now_s - self._due_s, now_s, 0
        shard.tally.late_s[self._kind].append(late_s)
        if status in (_OK, _PARTIAL):
            event = _ANSWERED[self._kind](self, link)
            if event is None:
                return
        else:
            event = self._failure(f"HTTP {status}")
        self._step(event)

    def failed(self, why: str, link: Link | None) -> None:
        self._hops = 0
        self._due_s = time.monotonic()
        event = self._failure(why)
        if self._kind is Kind.FRAGMENT and self._places is not None and self._goes_on_elsewhere(link):
            return
        self._step(event)

    def _failure(self, why: str) -> Event:
        self._shard.tally.errors[self._kind.value, why] += 1
        return Failed(why)

    def _goes_on_elsewhere(self, link: Link | None) -> bool:
        """A native agent's next place goes on inside the fragment. Whether there is one."""
        action, part = self._asked, self._part
        assert self._places is not None
        places = self._places.get(action.package_id, [])
        self._tries += 1
        if self._tries >= len(places) or part is None:
            return False
        places.append(places.pop(0))
        tag = link.field(b"etag") if link is not None else ""
        resumes = part.length and tag.startswith('"')
        if not resumes:
            part = self._new_part()
        self._shard.tally.retries += 1
        fields = f"Range: bytes={part.length}-\r\nIf-Range: {tag}\r\n" if resumes and part else ""
        folder, name = f"{places[0]}/{action.package_id}", f"{action.package_id}-{action.number}"
        self._get(Kind.FRAGMENT, action.proto, folder, name, keep=False, digest=part, fields=fields)
        return True

    def _redirected(self, link: Link) -> None:
        is_fragment = self._kind is Kind.FRAGMENT
        # What the redirect itself said does not count.
        why = self._follow(link, keep=not is_fragment, digest=self._new_part() if is_fragment else None)
        if why:
            self.failed(why, link)

    def _prolog_answered(self, link: Link) -> Event | None:
        try:
            reply = ocs.read_prolog_reply(link.body)
        except BadInput as error:
            return self._failure(f"unreadable reply: {error.field}")
        self._reached = True
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
        if len(self._machine.queue) == 1:
            tally.finished_s.append(at_s)
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
