"""What the server answers to agents' POSTs: the batch handler behind `POST /ocsinventory`.

`read` runs before the transaction and `answer` within it; `catalogue.writer.open_batcher` calls both. Answers go out
after the commit only, so what was answered is not lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from distd.catalogue.event_log import Kind, Note
from distd.catalogue.schema import NAME_LIMIT, micros
from distd.domain import results
from distd.domain.mirror_rules import Via, has_place, substitute
from distd.domain.records import DownloadRequest, InventoryRequest, Pack, PrologReply, PrologRequest
from distd.origin.agents import batch as desk
from distd.origin.agents.listing import NATIVE, Agent, choose, learns, may_switch_off
from distd.origin.mirrors.directory import EMPTY
from distd.wire import ocs, tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from distd.domain.records import Request
    from distd.domain.settings import Settings
    from distd.origin.agents.batch import Standing
    from distd.origin.agents.listing import Open
    from distd.origin.mirrors.directory import Directory

MOST_MIRRORS: Final = 8  # that an agent is told of
ALREADY_IN_HISTORY: Final = "SUCCESS_ALREADY_IN_HISTORY"

# A column of `computers`, and the HARDWARE element of an INVENTORY that fills it.
_HARDWARE: Final = {
    "name": "NAME",
    "os_name": "OSNAME",
    "os_version": "OSVERSION",
    "ip": "IPADDR",
    "workgroup": "WORKGROUP",
    "userid": "USERID",
}


@dataclass(frozen=True, slots=True)
class Post:
    """A POST as it came: `address` is the peer's, `now_s` seconds since 1970."""

    body: bytes
    address: str
    user_agent: str
    now_s: float


@dataclass(frozen=True, slots=True)
class Heard:
    """A POST that could be read."""

    request: Request
    address: str
    user_agent: str
    now_s: float


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP status and a body (application/x-compressed, may be empty)."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Site:
    """What replies say of this server. `http` and `https` are the advertised "host:port"."""

    settings: Settings
    token_key: bytes
    http: str
    https: str
    directory: Directory = EMPTY


def read(post: Post, *, max_inflated_bytes: int) -> Heard:
    """Raises `BadInput` for a body that is no request of an agent, `TooLarge` for one that inflates beyond bounds."""
    request = ocs.read_request(post.body, max_inflated_bytes=max_inflated_bytes)
    return Heard(request, post.address[:NAME_LIMIT], post.user_agent[:NAME_LIMIT], post.now_s)


def answer(conn: Connection, heard: Sequence[Heard], site: Site) -> list[Reply]:
    """One reply for each of `heard`, in their order, and all that follows from them in the catalogue."""
    newcomers = {one.request.device_id: one.now_s for one in heard if not isinstance(one.request, DownloadRequest)}
    standings = desk.load(conn, {one.request.device_id for one in heard}, newcomers)
    batch = _Batch(site)
    replies = [batch.reply(one, standings.get(one.request.device_id)) for one in heard]
    batch.changes.write(conn)
    return replies


@dataclass(slots=True)
class _Batch:
    site: Site
    changes: desk.Changes = field(default_factory=desk.Changes)
    written: dict[PrologReply, bytes] = field(default_factory=dict)  # most replies of a batch are alike

    def reply(self, heard: Heard, computer: Standing | None) -> Reply:
        match heard.request:
            case DownloadRequest() as request:
                self.report(heard, request, computer)
                # Trap 8: anything but a 2xx makes the agent send it again, and then with another code.
                return Reply(200, b"")
            case PrologRequest():
                assert computer is not None
                return Reply(200, self.prolog(heard, computer))
            case InventoryRequest() as request:
                assert computer is not None
                return Reply(200, self.inventory(heard, request, computer))

    def prolog(self, heard: Heard, computer: Standing) -> bytes:
        self.see(heard, computer)
        config, agent = self.site.settings.download, _agent(heard, computer)
        listing = choose(computer.open, agent, config)
        if not config.on and not may_switch_off(computer.open, agent):
            config = replace(config, on=True)
        for one in listing.settled:
            self.settle(heard, computer, one, ALREADY_IN_HISTORY)
        for one in listing.new:
            one.notified = True
            self.changes.notified[one.id] = micros(heard.now_s)
            self.note(heard, Kind.NOTIFIED, computer, one.package_id)
        reply = PrologReply(
            send_inventory=_wants_inventory(self.site.settings["agents.inventory_freq_days"], computer, heard.now_s),
            prolog_freq_h=self.site.settings["agents.prolog_freq_h"],
            config=config,
            packs=tuple(_pack(one, computer, self.site) for one in listing.listed),
        )
        if reply not in self.written:
            self.written[reply] = ocs.write_prolog_reply(reply)
        return self.written[reply]

    def inventory(self, heard: Heard, request: InventoryRequest, computer: Standing) -> bytes:
        self.see(heard, computer)
        computer.tag = request.account.get("TAG", "")[:NAME_LIMIT] or computer.tag
        computer.last_inventory_at_s = heard.now_s
        self.changes.inventories[computer.id] = _inventory_row(request, computer)
        if request.history is not None:
            computer.history = set(request.history)
            self.changes.replace_history(computer.id, request.history)
        self.note(heard, Kind.INVENTORY, computer, None)
        return ocs.write_account_update(computer.tag or "NA")

    def report(self, heard: Heard, request: DownloadRequest, computer: Standing | None) -> None:
        """Trap 8: nothing is refused, nothing is lost. What is nobody's result is an event at least."""
        if computer is None:
            self.note(heard, Kind.RESULT, None, request.package_id, **_ignored(request, "unknown computer"))
            return
        self.see(heard, computer)
        final = results.is_final(request.code)
        if final and learns(computer.user_agent, request.code):
            computer.history.add(request.package_id)
            self.changes.learnt.add((computer.id, request.package_id))
        one = next((one for one in computer.open if one.notified and one.package_id == request.package_id), None)
        if one is None or not final:
            why = "not final" if one else "no open assignment"
            self.note(heard, Kind.RESULT, computer, request.package_id, **_ignored(request, why))
        else:
            self.settle(heard, computer, one, request.code[:NAME_LIMIT])

    def settle(self, heard: Heard, computer: Standing, one: Open, code: str) -> None:
        """The first final result stands: what comes later finds no open assignment."""
        computer.open.remove(one)
        self.changes.results[one.id] = (code, micros(heard.now_s))
        self.note(heard, Kind.RESULT, computer, one.package_id, code=code)

    def see(self, heard: Heard, computer: Standing) -> None:
        computer.user_agent = heard.user_agent or computer.user_agent
        self.changes.seen[computer.id] = {
            "last_seen_at_us": micros(heard.now_s),
            "address": heard.address,
            "user_agent": computer.user_agent,
        }

    def note(self, heard: Heard, kind: Kind, computer: Standing | None, package_id: str | None, **detail: Any) -> None:
        if computer is None:
            detail["device_id"] = heard.request.device_id
        self.changes.notes.append(Note(kind, heard.now_s, package_id, computer.id if computer else None, detail))


def _ignored(request: DownloadRequest, why: str) -> dict[str, str]:
    return {"code": request.code[:NAME_LIMIT], "ignored": why}


def _agent(heard: Heard, computer: Standing) -> Agent:
    return Agent(
        computer.user_agent,
        frozenset(computer.history),
        inventoried=computer.last_inventory_at_s is not None,
    )


def _wants_inventory(freq_days: int, computer: Standing, now_s: float) -> bool:
    """`freq_days`: 0 at every contact, -1 only the first, else when the last one is older."""
    if computer.last_inventory_at_s is None or freq_days == 0:
        return True
    return freq_days > 0 and now_s - computer.last_inventory_at_s > freq_days * 86_400


def _pack(one: Open, computer: Standing, site: Site) -> Pack:
    """Served from here or from a mirror, locations carry the computer's token: so it is known whose fragments they are.

    distd's own agent gets all the mirrors that can serve it, the best first.
    """
    path = f"/download/~{tokens.make(site.token_key, computer.id)}"
    choices = site.directory.choices(computer.place, one.package_id)
    best = choices[0].mirror if choices else None
    mine = one.fragment_server is None
    via = site.directory.via.get(one.package_id, Via.ORIGIN) if mine else Via.ORIGIN
    fragments = site.http + path if mine or (best is None and has_place(one.fragment_server)) else one.fragment_server
    if best is not None and via is Via.DIRECT:
        fragments = best.http + path
    elif best is not None and has_place(one.fragment_server):
        fragments = substitute(one.fragment_server or "", best)
    native = computer.user_agent.startswith(NATIVE) and via is not Via.ORIGIN
    return Pack(
        one.package_id,
        one.info_server or site.https + path,
        fragments or "",
        one.force,
        one.schedule,
        one.postcmd,
        tuple(choice.mirror.http + path for choice in choices[:MOST_MIRRORS]) if native else (),
    )


def _subnets(request: InventoryRequest) -> str:
    """Of the interfaces that are up, as many as there is room for."""
    found = dict.fromkeys(one.get("IPSUBNET", "").strip() for one in request.networks)
    text = " ".join(one for one in found if one and " " not in one)
    return text if len(text) <= NAME_LIMIT else text[:NAME_LIMIT].rpartition(" ")[0]


def _inventory_row(request: InventoryRequest, computer: Standing) -> dict[str, Any]:
    row: dict[str, Any] = {
        column: request.hardware.get(element, "")[:NAME_LIMIT] for column, element in _HARDWARE.items()
    }
    row["tag"] = computer.tag
    row["subnets"] = _subnets(request)
    row["last_inventory_at_us"] = micros(computer.last_inventory_at_s or 0)
    row["inventory"] = {
        "hardware": request.hardware,
        "account": request.account,
        "networks": list(request.networks),
    }
    return row
