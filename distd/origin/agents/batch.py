"""A batch of posts in the catalogue: few statements for many computers.

`load` reads what is known of the computers, the posts are then answered one by one from these records alone, and
`Changes.write` writes what they have changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Row, delete, select

from distd.catalogue import dialect, event_log
from distd.catalogue.dialect import many_rows
from distd.catalogue.schema import (
    NAME_LIMIT,
    assignments,
    computers,
    history,
    micros,
)
from distd.domain.actor import AGENT
from distd.domain.folding import fold
from distd.domain.identity_facts import UNKNOWN, IdentityFacts
from distd.domain.results import classify, is_final
from distd.domain.section_digests import NOTHING
from distd.origin.agents.inventories import known_digests
from distd.origin.agents.inventory_changes import InventoryChanges, fixed_accounts, forget_documents
from distd.origin.mirrors import directory
from distd.origin.packages.counters import Position, Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from sqlalchemy import Connection

    from distd.domain.mirror_rules import ComputerFacts
    from distd.domain.records import DownloadRequest
    from distd.domain.section_digests import SectionDigests
    from distd.origin.agents.listing import OpenAssignment
    from distd.origin.agents.software_register import SoftwareRegister


@dataclass(slots=True)
class ComputerState:
    """A computer after those posts of the batch that are answered already.

    `history` holds only packages with an open assignment, and those that this batch has added; `delivered` are those of
    them that this server has delivered, `trusted` those that count as if it had. `succeeded` are deployed packages that
    others wait for; `ended` has the assignments that are closed, of packages that a post of the batch reports on.
    `row` is as it was before the batch; `identity` and `changed` are kept up to date. `is_new`: the batch has inserted
    it. `last_inventory_at_s` is None before the first inventory. `digests` and `fixed_accounts` are only known of those
    that send one now (`load_inventories`).
    """

    id: int
    user_agent: str
    tag: str | None
    last_inventory_at_s: float | None
    row: Row[Any]
    open: list[OpenAssignment] = field(default_factory=list)
    history: set[str] = field(default_factory=set)
    token_generation: int = 0
    identity: IdentityFacts = UNKNOWN
    changed: set[str] = field(default_factory=set)
    networks: str = ""
    waiting: bool = False
    key_hash: str = ""
    trusted: set[str] = field(default_factory=set)
    delivered: set[str] = field(default_factory=set)
    digests: SectionDigests = NOTHING
    fixed_accounts: set[str] = field(default_factory=set)
    succeeded: set[str] = field(default_factory=set)
    ended: dict[str, EndedAssignment] = field(default_factory=dict)
    is_new: bool = False

    @property
    def facts(self) -> ComputerFacts:
        """What its mirrors are chosen by: hardly any contact needs them."""
        return directory.computer_of(self.row)


@dataclass(frozen=True, slots=True)
class EndedAssignment:
    """An assignment with its result."""

    id: int
    code: str


def load(
    conn: Connection,
    device_ids: Collection[str],
    newcomers: Mapping[str, float],
    refuse: Callable[[Collection[str]], Collection[str]] = lambda _: (),
    *,
    waiting: bool = False,
) -> dict[str, ComputerState]:
    """The computers by DEVICEID, without what `open_assignments` reads. Those of `newcomers` (DEVICEID: time in
    seconds) that are unknown are inserted, but for those that `refuse` gives back; `waiting`: into the waiting room."""
    rows, new = _computers(conn, device_ids), dict[str, Row[Any]]()
    unknown = {device_id: at_s for device_id, at_s in newcomers.items() if device_id not in rows}
    for device_id in refuse(unknown) if unknown else ():
        del unknown[device_id]
    if unknown:
        new = _insert(conn, unknown, waiting=waiting)
    known = {device_id: _state(row) for device_id, row in rows.items()}
    return known | {device_id: _state(row, is_new=True) for device_id, row in new.items()}


def load_inventories(conn: Connection, states: Collection[ComputerState]) -> None:
    """What is known of the inventories of these computers, which send one now."""
    by_id = {state.id: state for state in states}
    if not by_id:
        return
    for computer_id, digests in known_digests(conn, by_id).items():
        by_id[computer_id].digests = digests
    for computer_id, keys in fixed_accounts(conn, by_id).items():
        by_id[computer_id].fixed_accounts = keys


def load_ended(conn: Connection, states: Mapping[str, ComputerState], reports: Collection[DownloadRequest]) -> None:
    """Fill `ended`: of the reported packages that have no assignment a result could be of."""
    pairs = {}
    for report in reports:
        state = states.get(report.device_id)
        if state is not None and not any(each.notified and each.package_id == report.package_id for each in state.open):
            pairs[state.id, report.package_id] = state
    query = select(assignments.c.id, assignments.c.computer_id, assignments.c.package_id, assignments.c.result)
    for some in dialect.chunks(sorted(pairs), dialect.MAX_PAIRS):
        of_these = dialect.are_pairs(assignments.c.computer_id, assignments.c.package_id, some)
        for row in conn.execute(query.where(of_these, assignments.c.result.is_not(None)).order_by(assignments.c.id)):
            pairs[row.computer_id, row.package_id].ended[row.package_id] = EndedAssignment(row.id, row.result)


_COLUMNS: Final = (
    *("id", "user_agent", "last_inventory_at_us", "token_generation", "serial", "macs", "changed"),
    *("networks", "waiting", "key_hash"),
)
_COMPUTERS: Final = select(*(computers.c[name] for name in (*_COLUMNS, *directory.COLUMNS))).where(
    many_rows.is_one_of(computers.c.device_id, "device_ids")
)


def _computers(conn: Connection, device_ids: Collection[str]) -> dict[str, Row[Any]]:
    return {row.device_id: row for row in conn.execute(_COMPUTERS, {"device_ids": list(device_ids)})}


def _insert(conn: Connection, unknown: Mapping[str, float], *, waiting: bool) -> dict[str, Row[Any]]:
    seen = {device_id: micros(at_s) for device_id, at_s in unknown.items()}
    new = [
        {
            "device_id": device_id,
            "device_id_key": fold(device_id),
            "first_seen_at_us": at_us,
            "last_seen_at_us": at_us,
            "waiting": waiting,
        }
        for device_id, at_us in seen.items()
    ]
    many_rows.insert_rows(conn, computers, new)
    rows = _computers(conn, unknown)
    kind = event_log.Kind.COMPUTER_SEEN
    event_log.append_many(
        conn,
        [event_log.Note(kind, AGENT, at_s, None, rows[name].id, {"device_id": name}) for name, at_s in unknown.items()],
    )
    return rows


def _state(row: Any, *, is_new: bool = False) -> ComputerState:
    return ComputerState(
        row.id,
        row.user_agent or "",
        row.tag,
        None if row.last_inventory_at_us is None else row.last_inventory_at_us / 1_000_000,
        row,
        token_generation=row.token_generation,
        identity=IdentityFacts(
            row.address or "",
            row.user_agent or "",
            row.serial or "",
            frozenset(row.macs.split()) if row.macs else UNKNOWN.macs,
        ),
        changed=set(row.changed.split()),
        networks=row.networks,
        waiting=row.waiting,
        key_hash=row.key_hash or "",
        is_new=is_new,
    )


@dataclass(slots=True)
class Changes:
    """What a batch is going to write. The last values of a computer or an assignment count."""

    seen: dict[int, dict[str, Any]] = field(default_factory=dict)
    inventories: InventoryChanges = field(default_factory=InventoryChanges)
    identities: dict[int, dict[str, Any]] = field(default_factory=dict)
    key_hashes: dict[int, str] = field(default_factory=dict)  # of computers
    notified: dict[int, dict[str, Any]] = field(default_factory=dict)  # by assignments, as the next three
    results: dict[int, dict[str, Any]] = field(default_factory=dict)
    claimed: dict[int, dict[str, Any]] = field(default_factory=dict)
    later: dict[int, dict[str, Any]] = field(default_factory=dict)  # results after the first
    tally: Tally = field(default_factory=Tally)
    histories: dict[int, set[str]] = field(default_factory=dict)  # computer: all packages that it has
    trusted: set[int] = field(default_factory=set)  # computers of whose history the new rows are trusted
    additions: set[tuple[int, str]] = field(default_factory=set)  # computer, package: one more that it has
    notes: list[event_log.Note] = field(default_factory=list)

    def ignore(self, computer: ComputerState, report: DownloadRequest, at_us: int) -> str:
        """Why a report is no result, where there is no assignment that it could be of. The first result counts; one
        that contradicts it is kept beside it."""
        if any(each.package_id == report.package_id for each in computer.open):
            return "the agent has not been notified of the assignment"
        ended, code = computer.ended.get(report.package_id), report.code[:NAME_LIMIT]
        if ended is None:
            return "no open assignment"
        if code == ended.code:
            return "it has this result already"
        if is_final(code) and classify(code) is not classify(ended.code):
            self.later[ended.id] = {"later_code": code, "later_at_us": at_us}
        return f"it has the result {ended.code}"

    def replace_history(self, computer_id: int, package_ids: Iterable[str], *, trusted: bool = False) -> None:
        """The computer has these packages and no others."""
        self.histories[computer_id] = set(package_ids)
        if trusted:
            self.trusted.add(computer_id)
        self.additions = {(other, package_id) for other, package_id in self.additions if other != computer_id}

    def notify(self, assignment: OpenAssignment, at_us: int) -> None:
        """The agent is told of it now."""
        before = _position(assignment)
        assignment.notified, assignment.unproven = True, False
        self.notified[assignment.id] = {"notified_at_us": at_us, "state": assignment.state, "unproven": False}
        self.tally.move(before, _position(assignment))

    def claim(self, assignment: OpenAssignment, at_us: int) -> None:
        """Only the agent claims to have it."""
        before = _position(assignment)
        assignment.claimed = assignment.unproven = True
        self.claimed[assignment.id] = {"claimed_at_us": at_us, "unproven": True}
        self.tally.move(before, _position(assignment))

    def end(self, assignment: OpenAssignment, code: str, at_us: int, *, needs_proof: bool) -> None:
        """It has its result."""
        unproven, state = needs_proof and not assignment.fetched, classify(code)
        proof = {"unproven_at_us": at_us if unproven else None, "unproven": unproven}
        self.results[assignment.id] = {"result": code, "result_at_us": at_us, "state": state, **proof}
        self.tally.move(_position(assignment), Position(assignment.package_id, state, code, unproven))

    def write(self, conn: Connection, register: SoftwareRegister, new_software_per_day: int) -> None:
        """One statement for all computers of each kind of change; none where nothing has changed."""
        many_rows.update_rows(conn, computers, self.seen)
        many_rows.update_rows(conn, computers, self.identities)
        left_out = self.inventories.write(conn, register, new_software_per_day)
        for note in self.notes:
            if note.kind is event_log.Kind.INVENTORY and note.computer_id in left_out:
                note.detail["software_left_out"] = left_out[note.computer_id]
        many_rows.update_rows(
            conn, computers, {key: {"key_hash": key_hash} for key, key_hash in self.key_hashes.items()}
        )
        for rows in (self.claimed, self.notified, self.results, self.later):
            many_rows.update_rows(conn, assignments, rows)
        self.tally.write(conn)
        self._write_history(conn)
        forget_documents(conn, {computer_id for computer_id, _ in self.additions})
        event_log.append_many(conn, self.notes)

    def _write_history(self, conn: Connection) -> None:
        known: set[tuple[int, str]] = set()
        if self.histories:
            query = select(history.c.computer_id, history.c.package_id)
            rows = conn.execute(query.where(history.c.computer_id.in_(self.histories)))
            known = {(computer_id, package_id) for computer_id, package_id in rows}
        wanted = {(key, package_id) for key, package_ids in self.histories.items() for package_id in package_ids}
        if gone := known - wanted:
            for pairs in dialect.chunks(sorted(gone), dialect.MAX_PAIRS):
                conn.execute(
                    delete(history).where(dialect.are_pairs(history.c.computer_id, history.c.package_id, pairs))
                )
        new = sorted((wanted | self.additions) - known)
        added = [
            {"computer_id": computer_id, "package_id": package_id, "trusted": computer_id in self.trusted}
            for computer_id, package_id in new
        ]
        many_rows.insert_rows(conn, history, added, missing_only=True)


def _position(assignment: OpenAssignment) -> Position:
    return Position(assignment.package_id, assignment.state, unproven=assignment.unproven)
