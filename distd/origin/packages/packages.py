"""Packages in the catalogue: show, activate, deactivate. `origin.packages.publishing` makes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, select, update

from distd.catalogue import dialect, event_log
from distd.catalogue.schema import NAME_LIMIT, activations, assignments, micros, packages, planned_activations, seconds
from distd.domain.errors import BadInput, Conflict, NotFound
from distd.origin.packages import attempts

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection, Row, Select

    from distd.domain.actor import Actor
    from distd.domain.records import Info

_SERVER: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?(/[^\s?#]*)?")
_PLACEHOLDERS: Final = re.compile(r"\$(IP|NAME)\$")


@dataclass(frozen=True, slots=True)
class Package:
    """A package of the catalogue. `active`: agents may be notified of it; servers None while active: this server.

    `md5` is empty where agents check another digest. `version` counts the changes of its info from 1. `plan` says how
    it was cut (`domain.fragment_plan`), `recipe` and `arguments` how its target was made. `warnings` are those of its
    build; empty when it is read from the catalogue.
    """

    id: str
    name: str
    os: str
    action: str
    priority: int
    target: str
    fragments: int
    size_bytes: int
    md5: str
    created_at_s: float
    active: bool = False
    info_server: str | None = None
    fragment_server: str | None = None
    via: str = ""
    version: int = 1
    plan: str = ""
    recipe: str | None = None
    arguments: str | None = None
    superseded_by: str | None = None
    withdrawn_at_s: float | None = None
    description: str = ""
    warnings: tuple[str, ...] = ()


def read_all(conn: Connection) -> list[Package]:
    """All but the deleted ones, oldest first."""
    return list(map(package_of, conn.execute(_select().order_by(packages.c.created_at_us, packages.c.id))))


def show(conn: Connection, package_id: str) -> Package:
    """One package. Raises `NotFound`, also for a deleted one."""
    row = conn.execute(_select().where(packages.c.id == package_id)).one_or_none()
    if row is None:
        raise NotFound("package", "the id of a package", package_id)
    return package_of(row)


def activate(
    conn: Connection,
    actor: Actor,
    package_id: str,
    info_server: str | None,
    fragment_server: str | None,
    now_s: float,
    via: str = "",
) -> Package:
    """From now on agents are told where the package is: on this server (both None), or on those given.

    A server is "host[:port]/path" without a scheme: `<server>/<id>/info` is fetched by HTTPS, fragments by HTTP. In
    that of the fragments $IP$ and $NAME$ stand for the best mirror's. `via` is a `domain.mirror_rules.Via`; empty: the
    setting.
    """
    if show(conn, package_id).withdrawn_at_s is not None:
        raise Conflict("package", f"{package_id} is withdrawn: its files are gone", "supersede it, or build it anew")
    if (info_server is None) != (fragment_server is None):
        given, other = ("fragment_server", "info") if info_server is None else ("info_server", "fragments")
        raise BadInput(given, f"the server of the {other} beside it, or neither for this one", "only this one")
    values = {
        "info_server": _server("info_server", info_server),
        "fragment_server": _server("fragment_server", fragment_server),
        "via": via,
        "activated_at_us": micros(now_s),
        "deactivated_at_us": None,
    }
    dialect.upsert(conn, activations, [{"package_id": package_id, **values}])
    detail: dict[str, Any] = {name: values[name] for name in ("info_server", "fragment_server", "via")}
    event_log.append(conn, event_log.Kind.PACKAGE_ACTIVATED, actor, at_s=now_s, package_id=package_id, **detail)
    return show(conn, package_id)


def deactivate(conn: Connection, actor: Actor, package_id: str, now_s: float) -> None:
    """No more agents are notified of it; those that were may finish it (distd/docs/protocol.md, trap 3).

    Raises `NotFound`, `Conflict`.
    """
    if not show(conn, package_id).active:
        raise Conflict("package", f"{package_id} is not active")
    conn.execute(
        update(activations).where(activations.c.package_id == package_id).values(deactivated_at_us=micros(now_s))
    )
    event_log.append(conn, event_log.Kind.PACKAGE_DEACTIVATED, actor, at_s=now_s, package_id=package_id)


def mark_edited(conn: Connection, actor: Actor, info: Info, version: int, now_s: float) -> None:
    """Write what the new info of a package says."""
    values = {"priority": info.priority, "target": info.target, "version": version}
    conn.execute(update(packages).where(packages.c.id == info.id).values(**values))
    event_log.append(conn, event_log.Kind.PACKAGE_EDITED, actor, at_s=now_s, package_id=info.id, version=version)


def mark_withdrawn(conn: Connection, actor: Actor, package_id: str, version: int, now_s: float) -> None:
    """No more agents are notified of it, now or as planned; where one was, the package stays listed until it reports a
    result."""
    at_us = micros(now_s)
    mine, is_open = assignments.c.package_id == package_id, assignments.c.result.is_(None)
    unheard = conn.execute(select(assignments).where(mine, is_open, assignments.c.notified_at_us.is_(None)))
    attempts.remove(conn, unheard.all())
    for statement in (
        delete(planned_activations).where(planned_activations.c.package_id == package_id),
        update(packages).where(packages.c.id == package_id).values(withdrawn_at_us=at_us, version=version),
        update(activations)
        .where(activations.c.package_id == package_id, activations.c.deactivated_at_us.is_(None))
        .values(deactivated_at_us=at_us),
        update(assignments).where(mine, is_open, assignments.c.withdrawn_at_us.is_(None)).values(withdrawn_at_us=at_us),
    ):
        conn.execute(statement)
    event_log.append(conn, event_log.Kind.PACKAGE_WITHDRAWN, actor, at_s=now_s, package_id=package_id, version=version)


def _select() -> Select[Any]:
    return (
        select(packages, activations)
        .outerjoin(activations, activations.c.package_id == packages.c.id)
        .where(packages.c.deleted_at_us.is_(None))
    )


def package_of(row: Row[Any]) -> Package:
    """The package in a row of the joined tables `packages` and `activations`."""
    return Package(
        row.id,
        row.name,
        row.os,
        row.action,
        row.priority,
        row.target,
        row.fragments,
        row.size_bytes,
        row.md5,
        row.created_at_us / 1_000_000,
        active=row.activated_at_us is not None and row.deactivated_at_us is None,
        info_server=row.info_server,
        fragment_server=row.fragment_server,
        via=row.via or "",
        version=row.version,
        plan=row.plan,
        recipe=row.recipe,
        arguments=row.arguments,
        superseded_by=row.superseded_by,
        withdrawn_at_s=seconds(row.withdrawn_at_us),
        description=row.description,
    )


def _server(field: str, server: str | None) -> str | None:
    if server is None:
        return None
    match = _SERVER.fullmatch(_PLACEHOLDERS.sub("x", server))
    if match is None or len(server) > NAME_LIMIT or int((match[2] or ":1")[1:]) not in range(1, 65536):
        raise BadInput(field, '"host[:port]/path" without a scheme', server)
    return server.rstrip("/")


def names_of(conn: Connection, package_ids: Collection[str]) -> dict[str, str]:
    """The names of packages by their ids, of those that were deleted too."""
    found: dict[str, str] = {}
    for ids in dialect.chunks(sorted(package_ids)):
        rows = conn.execute(select(packages.c.id, packages.c.name).where(packages.c.id.in_(ids)))
        found |= {row.id: row.name for row in rows}
    return found
