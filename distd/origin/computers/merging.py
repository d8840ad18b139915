"""Two DEVICEIDs of one computer become one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select, update

from distd.catalogue import event_log
from distd.catalogue.access_schema import parameters
from distd.catalogue.rollouts_schema import rollout_members
from distd.catalogue.schema import assignments, computer_accounts, computers, events, history, progress
from distd.domain.errors import Conflict
from distd.domain.folding import fold
from distd.domain.parameters import Level
from distd.domain.results import Outcome
from distd.origin.agents.inventory_changes import TAG_KEY, forget_documents
from distd.origin.computers.computers import OF_INVENTORIES
from distd.origin.deployments.named_computers import find_computers
from distd.origin.groups import membership
from distd.origin.groups.following import follow_computers
from distd.origin.packages import attempts
from distd.origin.packages.counters import forget_computers

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from distd.domain.actor import Actor


def merge(conn: Connection, actor: Actor, old: str, new: str, now_s: float) -> None:
    """The computer `old` is `new` now, after it was installed anew: `new` gets its assignments, results and events, and
    the account info that it has not itself; then `old` is deleted. What is open is told to the agent of `new` as if it
    had never been told. An agent that comes as `old` again is a new computer.

    Raises `NotFound` where one of them is unknown, `Conflict` where both are the same.
    """
    found = find_computers(conn, [old, new], actor)
    if old == new:
        raise Conflict("new", "another computer than the old one", new)
    old_id, new_id = found[old].id, found[new].id
    _move_assignments(conn, old_id, new_id)
    _move_accounts(conn, old_id, new_id)
    _move_parameters(conn, old_id, new_id)
    _move_rollouts(conn, old_id, new_id)
    membership.move(conn, old_id, new_id)
    conn.execute(update(events).where(events.c.computer_id == old_id).values(computer_id=new_id))
    first = conn.scalar(select(computers.c.first_seen_at_us).where(computers.c.id == old_id))
    later = computers.c.id == new_id, computers.c.first_seen_at_us > first
    conn.execute(update(computers).where(*later).values(first_seen_at_us=first))
    membership.forget(conn, [old_id])
    for table in (*OF_INVENTORIES, rollout_members, history, progress, assignments):
        conn.execute(delete(table).where(table.c.computer_id == old_id))
    conn.execute(delete(computers).where(computers.c.id == old_id))
    forget_documents(conn, [new_id])
    follow_computers(conn, [new_id], now_s)
    event_log.append(conn, event_log.Kind.COMPUTER_MERGED, actor, at_s=now_s, computer_id=new_id, device_id=old)


def _move_parameters(conn: Connection, old_id: int, new_id: int) -> None:
    """Those that `new` has itself stay."""
    level = parameters.c.level == str(Level.COMPUTER)
    theirs = select(parameters.c.name).where(level, parameters.c.subject_id == new_id)
    mine = level, parameters.c.subject_id == old_id
    conn.execute(update(parameters).where(*mine, parameters.c.name.not_in(theirs)).values(subject_id=new_id))
    conn.execute(delete(parameters).where(*mine))


def _move_rollouts(conn: Connection, old_id: int, new_id: int) -> None:
    """Where `new` is in a roll-out itself, it stays as it is there."""
    theirs = select(rollout_members.c.rollout_id).where(rollout_members.c.computer_id == new_id)
    mine = rollout_members.c.computer_id == old_id, rollout_members.c.rollout_id.not_in(theirs)
    conn.execute(update(rollout_members).where(*mine).values(computer_id=new_id))


def _move_assignments(conn: Connection, old_id: int, new_id: int) -> None:
    """What is open of a package that `new` has had assigned itself stays behind."""
    forget_computers(conn, [old_id, new_id])
    theirs = select(assignments.c.package_id).where(assignments.c.computer_id == new_id)
    of_old, is_open = assignments.c.computer_id == old_id, assignments.c.result.is_(None)
    conn.execute(delete(assignments).where(of_old, is_open, assignments.c.package_id.in_(theirs)))
    opened = select(assignments.c.package_id).where(of_old, is_open)
    sent_to_new = select(progress.c.package_id).where(progress.c.computer_id == new_id)
    of_results = progress.c.package_id.not_in(opened), progress.c.package_id.not_in(sent_to_new)
    conn.execute(update(progress).where(progress.c.computer_id == old_id, *of_results).values(computer_id=new_id))
    untold: dict[str, Any] = {"notified_at_us": None, "claimed_at_us": None}
    untold |= {"state": Outcome.WAITING, "unproven": False}
    withdrawn = assignments.c.withdrawn_at_us.is_not(None)
    conn.execute(delete(assignments).where(of_old, is_open, withdrawn))
    conn.execute(update(assignments).where(of_old, is_open).values(computer_id=new_id, **untold))
    conn.execute(update(assignments).where(of_old).values(computer_id=new_id))
    attempts.order(conn, new_id)


def _move_accounts(conn: Connection, old_id: int, new_id: int) -> None:
    """What an operator has set counts more than what an agent says."""
    table = computer_accounts
    rows = {row.key_key: row for row in conn.execute(select(table).where(table.c.computer_id == old_id))}
    known = {row.key_key: row for row in conn.execute(select(table).where(table.c.computer_id == new_id))}
    for key, row in rows.items():
        if key in known and (known[key].by_operator or not row.by_operator):
            continue
        conn.execute(delete(table).where(table.c.computer_id == new_id, table.c.key_key == key))
        conn.execute(
            update(table).where(table.c.computer_id == old_id, table.c.key_key == key).values(computer_id=new_id)
        )
        if key == TAG_KEY:
            tag = {"tag": row.value, "tag_key": fold(row.value)}
            conn.execute(update(computers).where(computers.c.id == new_id).values(**tag))
