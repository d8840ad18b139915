"""The replies to agents' POSTs: the batch handler behind `POST /ocsinventory`.

`read` runs before the transaction and `answer` within it; `catalogue.writer.open_batcher` calls both. Replies are sent
only after the commit, so nothing that was replied to is lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from distd.catalogue.event_log import Kind, Note
from distd.catalogue.schema import NAME_LIMIT, micros
from distd.domain import results
from distd.domain.actor import AGENT
from distd.domain.mirror_rules import Via, has_variables, substitute
from distd.domain.records import Dialect, DownloadRequest, InventoryRequest, Pack, PrologReply, PrologRequest
from distd.origin.agents import batch
from distd.origin.agents.inventories import pack_inventory
from distd.origin.agents.listing import NATIVE, Agent, choose_packages, may_switch_off
from distd.origin.mirrors.directory import EMPTY
from distd.wire import ocs, tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from distd.domain.records import Request
    from distd.domain.settings import Settings
    from distd.origin.agents.batch import ComputerState
    from distd.origin.agents.inventories import PackedInventory
    from distd.origin.agents.listing import OpenAssignment
    from distd.origin.mirrors.directory import MirrorDirectory

MAX_MIRRORS: Final = 8  # in a PACK line
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
class AgentRequest:
    """A POST that could be read: `request` is its body. `inventory`: that of an INVENTORY, as it is stored."""

    request: Request
    address: str
    user_agent: str
    now_s: float
    inventory: PackedInventory | None = None


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """What a body may be: see `wire.ocs.read_request`. An inventory's document is kept up to `document_bytes`."""

    inflated_bytes: int
    ratio: int
    document_bytes: int

    @classmethod
    def of_settings(cls, settings: Settings) -> ReadLimits:
        """The limits that are set."""
        limits = settings.limits
        return cls(limits.inflated_bytes, limits.inflation_ratio, settings.agents.keep_document_kib * 1024)


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP status and a body (application/x-compressed, or empty). `request`: what it answers."""

    status: int
    body: bytes
    request: Request


@dataclass(frozen=True, slots=True)
class ReplyContext:
    """What replies depend on beside the request. `http` and `https` are the "host:port" that agents get."""

    settings: Settings
    token_key: bytes
    http: str
    https: str
    directory: MirrorDirectory = EMPTY


def read(post: Post, limits: ReadLimits) -> AgentRequest:
    """Read the body. Raises `BadInput` when it is no request of an agent, `TooLarge` when it inflates too far."""
    request = ocs.read_request(post.body, max_inflated_bytes=limits.inflated_bytes, max_ratio=limits.ratio)
    inventory = None
    if isinstance(request, InventoryRequest):
        inventory = pack_inventory(request, post.body, max_document_bytes=limits.document_bytes)
    return AgentRequest(request, post.address[:NAME_LIMIT], post.user_agent[:NAME_LIMIT], post.now_s, inventory)


def answer(conn: Connection, posts: Sequence[AgentRequest], context: ReplyContext) -> list[Reply]:
    """One reply for each of `posts`, in their order; what they change is written to the catalogue."""
    newcomers = {post.request.device_id: post.now_s for post in posts if not isinstance(post.request, DownloadRequest)}
    computers = batch.load(conn, {post.request.device_id for post in posts}, newcomers)
    answers = _Answers(context)
    replies = [answers.reply(post, computers.get(post.request.device_id)) for post in posts]
    answers.changes.write(conn)
    return replies


@dataclass(slots=True)
class _Answers:
    context: ReplyContext
    changes: batch.Changes = field(default_factory=batch.Changes)
    encoded: dict[PrologReply, bytes] = field(default_factory=dict)  # most replies of a batch are equal

    def reply(self, post: AgentRequest, computer: ComputerState | None) -> Reply:
        match post.request:
            case DownloadRequest() as request:
                self.report(post, request, computer)
                # Trap 8: anything but a 2xx makes the agent send it again, and then with another code.
                return Reply(200, b"", request)
            case PrologRequest() as request:
                assert computer is not None
                return Reply(200, self.prolog(post, computer), request)
            case InventoryRequest() as request:
                assert computer is not None
                return Reply(200, self.inventory(post, request, computer), request)

    def prolog(self, post: AgentRequest, computer: ComputerState) -> bytes:
        self.mark_seen(post, computer)
        config, agent = self.context.settings.download, _agent(computer)
        listing = choose_packages(computer.open, agent, config)
        if not config.on and not may_switch_off(computer.open, agent):
            config = replace(config, on=True)
        for assignment in listing.installed:
            self.set_result(post, computer, assignment, ALREADY_IN_HISTORY)
        for assignment in listing.new:
            assignment.notified = True
            self.changes.notified[assignment.id] = micros(post.now_s)
            self.note(post, Kind.NOTIFIED, computer, assignment.package_id)
        reply = PrologReply(
            send_inventory=_wants_inventory(self.context.settings.agents.inventory_freq_days, computer, post.now_s),
            prolog_freq_h=self.context.settings.agents.prolog_freq_h,
            config=config,
            packs=tuple(_pack(assignment, computer, self.context) for assignment in listing.listed),
        )
        if reply not in self.encoded:
            self.encoded[reply] = ocs.write_prolog_reply(reply)
        return self.encoded[reply]

    def inventory(self, post: AgentRequest, request: InventoryRequest, computer: ComputerState) -> bytes:
        self.mark_seen(post, computer)
        computer.tag = request.account.get("TAG", "")[:NAME_LIMIT] or computer.tag
        computer.last_inventory_at_s = post.now_s
        self.changes.described[computer.id] = _described(request, computer)
        if post.inventory is not None:
            self.changes.inventories[computer.id] = post.inventory
        if request.history is not None:
            computer.history = set(request.history)
            self.changes.replace_history(computer.id, request.history)
        self.note(post, Kind.INVENTORY, computer, None)
        return ocs.write_account_update(computer.tag or "NA")

    def report(self, post: AgentRequest, request: DownloadRequest, computer: ComputerState | None) -> None:
        """Trap 8: nothing is refused, nothing is lost. The result of no assignment is an event nevertheless."""
        if computer is None:
            self.note(post, Kind.RESULT, None, request.package_id, **_ignored(request, "unknown computer"))
            return
        self.mark_seen(post, computer)
        final = results.is_final(request.code)
        if final and results.in_history(Dialect.of_user_agent(computer.user_agent), request.code):
            computer.history.add(request.package_id)
            self.changes.additions.add((computer.id, request.package_id))
        assignment = _notified(computer, request.package_id)
        if assignment is None or not final:
            why = "not final" if assignment else "no open assignment"
            self.note(post, Kind.RESULT, computer, request.package_id, **_ignored(request, why))
        else:
            self.set_result(post, computer, assignment, request.code[:NAME_LIMIT])

    def set_result(self, post: AgentRequest, computer: ComputerState, assignment: OpenAssignment, code: str) -> None:
        """The first final result counts: a later one finds no open assignment."""
        computer.open.remove(assignment)
        self.changes.results[assignment.id] = (code, micros(post.now_s))
        self.note(post, Kind.RESULT, computer, assignment.package_id, code=code)

    def mark_seen(self, post: AgentRequest, computer: ComputerState) -> None:
        computer.user_agent = post.user_agent or computer.user_agent
        self.changes.seen[computer.id] = {
            "last_seen_at_us": micros(post.now_s),
            "address": post.address,
            "user_agent": computer.user_agent,
        }

    def note(
        self, post: AgentRequest, kind: Kind, computer: ComputerState | None, package_id: str | None, **detail: Any
    ) -> None:
        if computer is None:
            detail["device_id"] = post.request.device_id
        self.changes.notes.append(Note(kind, AGENT, post.now_s, package_id, computer.id if computer else None, detail))


def _notified(computer: ComputerState, package_id: str) -> OpenAssignment | None:
    mine = (assignment for assignment in computer.open if assignment.notified and assignment.package_id == package_id)
    return next(mine, None)


def _ignored(request: DownloadRequest, why: str) -> dict[str, str]:
    return {"code": request.code[:NAME_LIMIT], "ignored": why}


def _agent(computer: ComputerState) -> Agent:
    return Agent(
        computer.user_agent,
        frozenset(computer.history),
        inventoried=computer.last_inventory_at_s is not None,
    )


def _wants_inventory(freq_days: int, computer: ComputerState, now_s: float) -> bool:
    """`freq_days`: 0: at every contact; -1: only once; else when the last one is older."""
    if computer.last_inventory_at_s is None or freq_days == 0:
        return True
    return freq_days > 0 and now_s - computer.last_inventory_at_s > freq_days * 86_400


def _pack(assignment: OpenAssignment, computer: ComputerState, context: ReplyContext) -> Pack:
    """The PACK line. Locations on this server or on a mirror have the computer's token in their path, so that it is
    known who fetches.

    distd's own agent gets all the mirrors that can serve it, the best first.
    """
    path = f"/download/~{tokens.make(context.token_key, computer.id)}"
    choices = context.directory.choices(computer.facts, assignment.package_id)
    best = choices[0].mirror if choices else None
    server = assignment.fragment_server
    via = context.directory.via.get(assignment.package_id, Via.ORIGIN) if server is None else Via.ORIGIN
    if best is not None and via is Via.DIRECT:
        fragments = best.http + path
    elif server is None or (best is None and has_variables(server)):
        fragments = context.http + path
    elif best is not None and has_variables(server):
        fragments = substitute(server, best)
    else:
        fragments = server
    native = computer.user_agent.startswith(NATIVE) and via is not Via.ORIGIN
    return Pack(
        assignment.package_id,
        assignment.info_server or context.https + path,
        fragments,
        assignment.force,
        assignment.schedule,
        assignment.postcmd,
        tuple(choice.mirror.http + path for choice in choices[:MAX_MIRRORS]) if native else (),
    )


def _subnets(request: InventoryRequest) -> str:
    """The subnets of the interfaces that are up, as many as fit into the column."""
    found = dict.fromkeys(interface.get("IPSUBNET", "").strip() for interface in request.networks)
    text = " ".join(subnet for subnet in found if subnet and " " not in subnet)
    return text if len(text) <= NAME_LIMIT else text[:NAME_LIMIT].rpartition(" ")[0]


def _described(request: InventoryRequest, computer: ComputerState) -> dict[str, Any]:
    """What an inventory says of its computer in columns."""
    row: dict[str, Any] = {
        column: request.hardware.get(element, "")[:NAME_LIMIT] for column, element in _HARDWARE.items()
    }
    row["tag"] = computer.tag
    row["subnets"] = _subnets(request)
    row["last_inventory_at_us"] = micros(computer.last_inventory_at_s or 0)
    return row
