"""Results: the latest assignment of a package to each computer, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from distd.catalogue.lists import count_rows, in_window, read_page
from distd.catalogue.schema import activations, assignments, computers, packages, progress, seconds
from distd.domain.actor import SYSTEM
from distd.domain.errors import BadInput, NotFound
from distd.domain.mirror_rules import has_variables
from distd.domain.results import REPLACED, Outcome, class_of, classify, meaning, meaning_unproven
from distd.origin.operators.restrictions import is_restricted, visible
from distd.origin.packages.counters import count_kept, is_latest, progress_of_assignment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection, Select

    from distd.domain.actor import Actor
    from distd.domain.page import Page, Window

PLACE: Final = (str, int)  # of a result in the list of a package: the DEVICEID, the id of the assignment
NOTIFIED: Final = "NOTIFIED"  # OCS's code of an assignment whose agent was notified


@dataclass(frozen=True, slots=True)
class Result:
    """The latest assignment of a package to a computer. `code` is what the agent reported (or OCS's code while it has
    reported nothing), `code_class` what it says, `meaning` a sentence about it; times in seconds, None: not yet.
    `fragments_fetched` None: nobody knows, for the fragments are on a server that is not of distd. `unproven`: only the
    agent claims to have the package (`proofs`). `origin_kind`, `origin_name`: what it was assigned by
    (`AssignmentOrigin`), `assigned_by`: by whom. `fetched_at_s`: the last fragment, from `mirror` ("": this server).
    `later_code`: another result that the agent reported after this one; it does not count."""

    device_id: str
    computer_name: str
    agent: str
    package_id: str
    package_name: str
    state: str
    unproven: bool
    code: str | None
    code_class: str
    meaning: str
    attempt: int
    withdrawn: bool
    cancelled: bool
    force: bool
    schedule: str
    postcmd: str
    not_before_s: float | None
    not_after_s: float | None
    after: str | None
    origin_kind: str
    origin_name: str
    assigned_by: str
    fragments_fetched: int | None
    fragments: int
    sent_bytes: int
    mirror: str
    assigned_at_s: float
    notified_at_s: float | None
    first_fetched_at_s: float | None
    fetched_at_s: float | None
    result_at_s: float | None
    archived_at_s: float | None
    later_code: str | None
    later_at_s: float | None

    @property
    def shown_state(self) -> str:
        """For people: "SUCCESS, unproven", "NOTIFIED, cancelled"."""
        also = {"unproven": self.unproven, "cancelled": self.cancelled, "contradicted": self.later_code is not None}
        return ", ".join((self.state, *(word for word, is_so in also.items() if is_so)))

    @property
    def since_s(self) -> float:
        """When the last of all this happened."""
        return self.archived_at_s or self.result_at_s or self.fetched_at_s or self.notified_at_s or self.assigned_at_s

    @property
    def progress(self) -> str:
        """ "3/12": fragments fetched, of all. Empty where there is nothing to say."""
        return f"{self.fragments_fetched}/{self.fragments}" if self.fragments_fetched is not None else ""


def results(
    conn: Connection,
    package_id: str,
    states: Sequence[Outcome],
    window: Window,
    *,
    unproven: bool = False,
    attempts: bool = False,
    actor: Actor = SYSTEM,
) -> Page[Result]:
    """The latest assignment on each computer that the package was assigned to, by DEVICEID; with `states` only those
    in one of them, with `unproven` only those. `attempts`: also the earlier ones, oldest first. Of computers
    that `actor` may see. Raises `NotFound`.

    A deleted package still has its results.
    """
    if conn.scalar(select(packages.c.id).where(packages.c.id == package_id)) is None:
        raise NotFound("package", "the id of a package", package_id)
    of_computers = assignments.join(computers, computers.c.id == assignments.c.computer_id)
    wanted = select(assignments.c.id, computers.c.device_id).select_from(of_computers)
    wanted = wanted.where(assignments.c.package_id == package_id, visible(conn, actor))
    if not attempts:
        wanted = wanted.where(is_latest())
    if states:
        wanted = wanted.where(assignments.c.state.in_(states))
    if unproven:
        wanted = wanted.where(assignments.c.unproven)

    def count() -> int:
        if attempts or is_restricted(conn, actor):
            return count_rows(conn, wanted)
        kept = count_kept(conn, [package_id]).items()
        return sum(
            number
            for position, number in kept
            if (not states or position.state in states) and (position.unproven or not unproven)
        )

    # First which rows are on the page, of the few columns that this takes; then what is shown of those.
    order = (computers.c.device_id, assignments.c.id)
    ids = in_window(wanted, order, window).subquery().c.id
    return read_page(conn, _select().where(assignments.c.id.in_(select(ids))), order, window, _result, count=count)


def of_computer(conn: Connection, computer_id: int) -> list[Result]:
    """The latest assignment of each package that was assigned to the computer, oldest first."""
    query = _select().where(assignments.c.computer_id == computer_id, is_latest()).order_by(assignments.c.id)
    return [_result(row) for row in conn.execute(query)]


def read_states(texts: Iterable[str], field: str) -> tuple[Outcome, ...]:
    """States by their names, in capitals or not. Raises `BadInput`."""
    found = []
    for text in texts:
        name = text.strip().upper()
        if name not in set(Outcome):
            raise BadInput(field, f"one of {', '.join(Outcome)}", text)
        found.append(Outcome(name))
    return tuple(found)


def _select() -> Select[Any]:
    return (
        select(
            assignments,
            computers.c.device_id,
            computers.c.name.label("computer_name"),
            computers.c.user_agent,
            packages.c.name.label("package_name"),
            packages.c.fragments.label("fragments"),
            progress.c.fragments.label("fetched"),
            progress.c.sent_bytes,
            progress.c.mirror,
            progress.c.last_at_us,
            activations.c.fragment_server,
        )
        .join(computers, computers.c.id == assignments.c.computer_id)
        .join(packages, packages.c.id == assignments.c.package_id)
        .outerjoin(progress, progress_of_assignment() & is_latest())
        .outerjoin(activations, activations.c.package_id == assignments.c.package_id)
    )


def _fetched(row: Any) -> int | None:
    is_elsewhere = row.fragment_server is not None and not has_variables(row.fragment_server)
    return None if not row.fetched and (is_elsewhere or not row.fragments) else row.fetched or 0


def _result(row: Any) -> Result:
    code: str | None = row.result or (None if row.notified_at_us is None else NOTIFIED)
    cancelled = row.cancelled_at_us is not None
    return Result(
        device_id=row.device_id,
        computer_name=row.computer_name or "",
        agent=row.user_agent or "",
        package_id=row.package_id,
        package_name=row.package_name,
        state=str(classify(code)) if row.state == REPLACED else row.state,
        unproven=bool(row.unproven),
        code=code,
        code_class=class_of(code, cancelled=cancelled),
        meaning=meaning_unproven(code) if row.unproven else meaning(code),
        attempt=row.attempt,
        withdrawn=row.withdrawn_at_us is not None,
        cancelled=cancelled,
        force=row.force,
        schedule=row.schedule,
        postcmd=row.postcmd,
        not_before_s=seconds(row.not_before_us),
        not_after_s=seconds(row.not_after_us),
        after=row.after_package_id,
        origin_kind=row.origin_kind,
        origin_name=row.origin_name,
        assigned_by=row.assigned_by,
        fragments_fetched=_fetched(row),
        fragments=row.fragments,
        sent_bytes=row.sent_bytes or 0,
        mirror=row.mirror or "",
        assigned_at_s=row.assigned_at_us / 1_000_000,
        notified_at_s=seconds(row.notified_at_us),
        first_fetched_at_s=seconds(row.first_fragment_at_us),
        fetched_at_s=seconds(row.last_at_us or row.last_fragment_at_us),
        result_at_s=seconds(row.result_at_us),
        archived_at_s=seconds(row.archived_at_us),
        later_code=row.later_code,
        later_at_s=seconds(row.later_at_us),
    )
