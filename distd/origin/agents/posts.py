"""The replies to agents' POSTs: the batch handler behind `POST /ocsinventory`.

`requests.read` runs before the transaction and `answer` within it; `catalogue.writer.open_batcher` calls both. Replies
are sent only after the commit, so nothing that was replied to is lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from distd.catalogue.event_log import Kind, Note
from distd.catalogue.schema import NAME_LIMIT, micros
from distd.domain import results
from distd.domain.actor import AGENT
from distd.domain.filters.fields import ReadSection
from distd.domain.records import Dialect, DownloadRequest, InventoryRequest, PrologReply, PrologRequest
from distd.domain.section_digests import NOTHING
from distd.origin.agents import agent_parameters, batch
from distd.origin.agents.admission import ELSEWHERE, Admission, may_come_from
from distd.origin.agents.authentication import KEY, LOG_IN, Judgement, hash_key, judge
from distd.origin.agents.batch import EndedAssignment
from distd.origin.agents.identities import identity_columns, update_identity
from distd.origin.agents.inventory_changes import TAG_KEY, Taken
from distd.origin.agents.listing import NATIVE, Agent, choose_packages, may_switch_off
from distd.origin.agents.open_assignments import load_assignments
from distd.origin.agents.pack_lines import pack_line
from distd.origin.agents.software_register import SoftwareRegister
from distd.origin.deployments.proofs import ALREADY_IN_HISTORY
from distd.origin.groups.directory import GroupDirectory
from distd.origin.groups.following import Contact, follow_contacts, follow_inventories
from distd.origin.mirrors.directory import EMPTY
from distd.wire import ocs, tokens

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from distd.domain.records import Pack, Request
    from distd.domain.settings import Settings
    from distd.origin.agents.agent_parameters import BatchParameters
    from distd.origin.agents.batch import ComputerState
    from distd.origin.agents.inventories import Facts
    from distd.origin.agents.listing import OpenAssignment
    from distd.origin.agents.requests import AgentRequest
    from distd.origin.mirrors.directory import MirrorDirectory


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
    admission: Admission = field(default_factory=Admission)
    register: SoftwareRegister = field(default_factory=SoftwareRegister)
    groups: GroupDirectory = field(default_factory=GroupDirectory)


def answer(conn: Connection, posts: Sequence[AgentRequest], context: ReplyContext) -> list[Reply]:
    """One reply for each of `posts`, in their order; what they change is written to the catalogue."""
    contacts = {post.request.device_id: post for post in posts if not isinstance(post.request, DownloadRequest)}
    refused: dict[str, str] = {}

    def refuse(unknown: Collection[str]) -> Collection[str]:
        places = {device_id: (contacts[device_id].address, contacts[device_id].now_s) for device_id in unknown}
        refused.update(context.admission.refuse(conn, places, context.settings.agents))
        return refused

    newcomers = {device_id: post.now_s for device_id, post in contacts.items()}
    waiting = context.settings.agents.waiting_room
    computers = batch.load(conn, {post.request.device_id for post in posts}, newcomers, refuse, waiting=waiting)
    groups = context.groups.current(conn)
    follow_contacts(conn, groups, _contacts(posts, computers))
    load_assignments(conn, computers.values())
    asking = {each.request.device_id for each in posts if isinstance(each.request, PrologRequest)}
    told = agent_parameters.load(conn, context.settings, {computers[name].id for name in asking & computers.keys()})
    senders = {post.request.device_id for post in posts if post.inventory is not None}
    batch.load_inventories(conn, [computers[device_id] for device_id in senders & computers.keys()])
    batch.load_ended(conn, computers, [each.request for each in posts if isinstance(each.request, DownloadRequest)])
    answers = _Answers(context, refused, told)
    replies = [answers.reply(post, computers.get(post.request.device_id)) for post in posts]
    answers.changes.write(conn, context.register, context.settings.agents.new_software_per_day)
    follow_inventories(conn, groups, answers.changes.inventories.sections, max(post.now_s for post in posts))
    return replies


def _contacts(posts: Sequence[AgentRequest], computers: Mapping[str, ComputerState]) -> Iterator[Contact]:
    """What memberships in groups may change by before it is answered."""
    for post in posts:
        computer = computers.get(post.request.device_id)
        if computer is not None and isinstance(post.request, PrologRequest):
            user_agent, known = post.user_agent or computer.user_agent, computer.identity
            has_moved = (known.address, known.user_agent) != (post.address, user_agent)
            yield Contact(computer.id, post.address, user_agent, post.now_s, computer.is_new, has_moved)


@dataclass(slots=True)
class _Answers:
    context: ReplyContext
    refused: Mapping[str, str]  # new DEVICEIDs that are not taken, and why
    parameters: BatchParameters  # of the computers that make a contact
    changes: batch.Changes = field(default_factory=batch.Changes)
    encoded: dict[PrologReply, bytes] = field(default_factory=dict)  # most replies of a batch are equal

    def reply(self, post: AgentRequest, computer: ComputerState | None) -> Reply:
        facts = None
        if computer is not None and post.inventory is not None:
            facts = post.inventory.parse_against(computer.digests)
            post = replace(post, request=facts.request) if facts is not None else post
        if computer is None:
            if post.request.device_id in self.refused:
                return self.refuse(post, None, 429, self.refused[post.request.device_id])
        elif computer.networks and not may_come_from(computer.networks, post.address):
            return self.refuse(post, computer, 403, ELSEWHERE)
        elif asked := self.authenticate(post, computer):
            return self.refuse(post, computer, 401, asked)
        elif computer.waiting:
            return Reply(200, self.hold(post, computer), post.request)
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
                return Reply(200, self.inventory(post, facts, computer), request)

    def refuse(self, post: AgentRequest, computer: ComputerState | None, status: int, why: str) -> Reply:
        who = post.address if computer is None else post.request.device_id
        if self.context.admission.is_news(who, why, post.now_s):
            self.note(post, Kind.CONTACT_REFUSED, computer, None, why=why, address=post.address)
        return Reply(status, f"{why}\n".encode(), post.request)

    def authenticate(self, post: AgentRequest, computer: ComputerState) -> str:
        """What is missing for the POST to be taken; empty: nothing."""
        agents, user_agent = self.context.settings.agents, post.user_agent or computer.user_agent
        match judge(post.request, post.proof, user_agent, computer.tag, computer.key_hash, agents):
            case Judgement.TAKE:
                return ""
            case Judgement.ENROL if isinstance(post.request, PrologRequest):
                if computer.user_agent and not computer.user_agent.startswith(NATIVE):
                    return LOG_IN  # a stock agent has this DEVICEID
                computer.key_hash = self.changes.key_hashes[computer.id] = hash_key(post.request.key)
                self.note(post, Kind.COMPUTER_ENROLLED, computer, None, login=post.proof.login, address=post.address)
                return ""
            case Judgement.ASK_KEY:
                return KEY
        return LOG_IN

    def hold(self, post: AgentRequest, computer: ComputerState) -> bytes:
        """In the waiting room: nothing but the contact itself is taken, and nothing is given."""
        self.mark_seen(post, computer)
        agents = self.context.settings.agents
        match post.request:
            case DownloadRequest() as request:
                self.note(
                    post, Kind.RESULT, computer, request.package_id, **_ignored(request, "it is in the waiting room")
                )
                return b""
            case InventoryRequest():
                return ocs.write_no_account_update()
            case PrologRequest():
                reply = PrologReply(
                    send_inventory=False,
                    prolog_freq_h=agents.prolog_freq_h,
                    config=self.context.settings.download,
                    packs=(),
                )
                return ocs.write_prolog_reply(reply)

    def prolog(self, post: AgentRequest, computer: ComputerState) -> bytes:
        self.mark_seen(post, computer)
        config = (told := self.parameters.of(computer.id)).download
        agent = agent_of(computer, post.now_s, trust_history=self.context.settings.agents.trust_history)
        listing = choose_packages(computer.open, agent, config)
        if not config.on and not may_switch_off(computer.open, agent):
            config = replace(config, on=True)
        for ended, code in ((listing.installed, ALREADY_IN_HISTORY), (listing.expired, results.EXPIRED)):
            for assignment in ended:
                self.set_result(post, computer, assignment, code, needs_proof=False)
        for assignment in listing.claimed:
            self.set_claimed(post, computer, assignment)
        for assignment in listing.new:
            self.changes.notify(assignment, micros(post.now_s))
            self.note(post, Kind.NOTIFIED, computer, assignment.package_id)
        reply = PrologReply(
            send_inventory=_wants_inventory(told.inventory_freq_days, computer, post.now_s),
            prolog_freq_h=told.prolog_freq_h,
            config=config,
            packs=self.packs(listing.listed, computer, post.now_s, config.timeout_days),
        )
        encoded = self.encoded.get(reply)
        if encoded is None:
            encoded = self.encoded[reply] = ocs.write_prolog_reply(reply)
        return encoded

    def packs(
        self, listed: Sequence[OpenAssignment], computer: ComputerState, now_s: float, timeout_days: int
    ) -> tuple[Pack, ...]:
        if not listed:
            return ()
        settings = self.context.settings
        last_day = tokens.last_day(now_s, timeout_days + settings.agents.token_extra_days)
        token = tokens.make(self.context.token_key, computer.id, last_day, computer.token_generation)
        path, context = f"/download/~{token}", self.context
        http, https = context.http + path, context.https + path
        return tuple(pack_line(each, computer, path, (http, https), context.directory) for each in listed)

    def inventory(self, post: AgentRequest, facts: Facts | None, computer: ComputerState) -> bytes:
        """`facts` is None where it is just the inventory that the catalogue has."""
        self.mark_seen(post, computer)
        trusted = self.context.settings.agents.trust_history and computer.last_inventory_at_s is None
        computer.last_inventory_at_s = post.now_s
        if facts is None:
            self.changes.inventories.keep(computer.id, post.now_s)
        else:
            self.take_over(post, facts, computer)
            history = facts.request.history
            if history is not None:
                computer.history = set(history)
                if trusted:
                    computer.trusted |= history
                self.changes.replace_history(computer.id, history, trusted=trusted)
        self.note(post, Kind.INVENTORY, computer, None)
        return ocs.write_account_update(computer.tag or "NA")

    def take_over(self, post: AgentRequest, facts: Facts, computer: ComputerState) -> None:
        assert post.inventory is not None
        serial = computer.identity.serial
        self.note_identity(post, computer)
        if computer.is_new:
            self.changes.inventories.sections[computer.id] = set(ReadSection)
        elif computer.identity.serial != serial:
            self.changes.inventories.sections[computer.id] = {ReadSection.BIOS}
        if TAG_KEY not in computer.fixed_accounts:
            computer.tag = facts.request.account.get("TAG", "")[:NAME_LIMIT] or computer.tag
        fixed, tag = computer.fixed_accounts, computer.tag or ""
        taken = Taken(post.inventory, facts, computer.digests, tag, fixed, post.address, post.now_s)
        computer.digests = self.changes.inventories.take_over(computer.id, taken)

    def report(self, post: AgentRequest, request: DownloadRequest, computer: ComputerState | None) -> None:
        """Trap 8: nothing is refused, nothing is lost. The result of no assignment is an event nevertheless."""
        if computer is None:
            self.note(post, Kind.RESULT, None, request.package_id, **_ignored(request, "unknown computer"))
            return
        self.mark_seen(post, computer)
        final = results.is_final(request.code)
        if final and results.in_history(Dialect.of_user_agent(computer.user_agent), request.code):
            computer.history.add(request.package_id)
            computer.digests = NOTHING
            self.changes.additions.add((computer.id, request.package_id))
        assignment = _notified(computer, request.package_id)
        if assignment is None or not final:
            why = "not final" if assignment else self.changes.ignore(computer, request, micros(post.now_s))
            self.note(post, Kind.RESULT, computer, request.package_id, **_ignored(request, why))
        else:
            is_success = request.code.startswith("SUCCESS") or results.classify(request.code) is results.Outcome.SUCCESS
            needs_proof = assignment.needs_proof and is_success
            self.set_result(post, computer, assignment, request.code[:NAME_LIMIT], needs_proof=needs_proof)

    def set_result(
        self,
        post: AgentRequest,
        computer: ComputerState,
        assignment: OpenAssignment,
        code: str,
        *,
        needs_proof: bool,
    ) -> None:
        """The first final result counts: a later one finds no open assignment."""
        computer.open.remove(assignment)
        self.changes.end(assignment, code, micros(post.now_s), needs_proof=needs_proof)
        computer.ended[assignment.package_id] = EndedAssignment(assignment.id, code)
        if results.classify(code) is results.Outcome.SUCCESS:
            computer.succeeded.add(assignment.package_id)
        self.note(post, Kind.RESULT, computer, assignment.package_id, code=code)

    def set_claimed(self, post: AgentRequest, computer: ComputerState, assignment: OpenAssignment) -> None:
        """Only the agent's history says that it has the package: the assignment waits for an operator."""
        if not assignment.claimed:
            self.changes.claim(assignment, micros(post.now_s))
            self.note(post, Kind.UNPROVEN, computer, assignment.package_id)

    def mark_seen(self, post: AgentRequest, computer: ComputerState) -> None:
        computer.user_agent = post.user_agent or computer.user_agent
        self.changes.seen[computer.id] = {
            "last_seen_at_us": micros(post.now_s),
            "address": post.address,
            "user_agent": computer.user_agent,
        }
        known = computer.identity
        if (known.address, known.user_agent) != (post.address, computer.user_agent):
            self.note_identity(post, computer)

    def note_identity(self, post: AgentRequest, computer: ComputerState) -> None:
        for change in update_identity(computer, post.address, post.request):
            detail = {"fact": str(change.fact), "before": change.before, "after": change.after}
            self.note(post, Kind.COMPUTER_CHANGED, computer, None, flagged=change.flagged, **detail)
        self.changes.identities[computer.id] = identity_columns(computer)

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


def agent_of(computer: ComputerState, now_s: float, *, trust_history: bool) -> Agent:
    """What its packages are chosen by, at a contact at `now_s`."""
    imported = {assignment.package_id for assignment in computer.open if trust_history and assignment.imported}
    return Agent(
        computer.user_agent,
        frozenset(computer.history),
        inventoried=computer.last_inventory_at_s is not None,
        proven=frozenset(computer.delivered | computer.trusted | imported),
        succeeded=frozenset(computer.succeeded),
        now_s=now_s,
    )


def _wants_inventory(freq_days: int, computer: ComputerState, now_s: float) -> bool:
    """`freq_days`: 0: at every contact; -1: only once; else when the last one is older."""
    if computer.last_inventory_at_s is None or freq_days == 0:
        return True
    return freq_days > 0 and now_s - computer.last_inventory_at_s > freq_days * 86_400
