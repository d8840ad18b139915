"""The reports of mirrors: how far they are, what they have and repair, and which computers fetched what from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import msgspec
from msgspec import UNSET, Meta
from sqlalchemy import select, update

from distd.catalogue import event_log
from distd.catalogue.schema import NAME_LIMIT, micros, mirrors
from distd.origin.deployments import progress
from distd.origin.mirrors import contents
from distd.wire import tokens
from distd.wire.number_ranges import parse
from distd.wire.structs import convert

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from distd.origin.mirrors.identity import MirrorIdentity

MAX_ROWS: Final = 10_000  # of any list in a report
MAX_FRAGMENTS: Final = 1_000_000
MAX_AGE_S: Final = 30 * 86_400.0

Row = TypeVar("Row")
Rows = Annotated[list[Row], Meta(max_length=MAX_ROWS)]
PackageVersion = tuple[str, int]


class Status(msgspec.Struct, frozen=True):
    """What a mirror says of itself; a value that it leaves out stays as it was."""

    agents: int | msgspec.UnsetType = UNSET
    free_bytes: int | msgspec.UnsetType = UNSET
    missing_bytes: int | msgspec.UnsetType = UNSET
    bytes_per_s: int | msgspec.UnsetType = UNSET
    fragments_sent: int | msgspec.UnsetType = UNSET
    sent_bytes: int | msgspec.UnsetType = UNSET
    hits: int | msgspec.UnsetType = UNSET
    misses: int | msgspec.UnsetType = UNSET
    version: str | msgspec.UnsetType = UNSET


class Fault(msgspec.Struct, frozen=True, array_like=True):
    """A bad file of a package on the mirror's disk; `healed`: it was replaced by a good one."""

    package_id: str
    name: str
    healed: bool


class Access(msgspec.Struct, frozen=True, array_like=True):
    """Fragments that were sent to an agent. `token` is empty when it came without; `ranges` is like "1-3,7"."""

    token: str
    address: str
    package_id: str
    ranges: str
    sent_bytes: int


class Report(msgspec.Struct, frozen=True):
    """A report. `seq` is the newest event that the mirror has processed.

    `have`: it has exactly these packages; None: only `ready` and `gone` have changed. `batch` names the rows of
    `access`, so that none is counted twice; they are of the time `at_s`, and the report of `now_s`, both in seconds by
    the mirror's clock.
    """

    seq: Annotated[int, Meta(ge=0, lt=2**62)] = 0
    status: Status = Status()
    have: Rows[PackageVersion] | None = None
    ready: Rows[PackageVersion] = []
    gone: Rows[str] = []
    faults: Rows[Fault] = []
    batch: Annotated[str, Meta(max_length=64)] = ""
    access: Rows[Access] = []
    at_s: float = 0.0
    now_s: float = 0.0

    @property
    def age_s(self) -> float:
        """How long ago the rows of `access` were written. The mirror's clock may be wrong, but is so both times."""
        return min(max(self.now_s - self.at_s, 0.0), MAX_AGE_S) if self.at_s else 0.0


def read(message: dict[str, Any]) -> Report:
    """The report in a message. Raises `BadInput`."""
    return convert(message, Report, "report")


def apply_report(
    conn: Connection, mirror: MirrorIdentity, report: Report, token_keys: Sequence[bytes], now_s: float
) -> None:
    """Write all that a report changes, in one transaction."""
    row = conn.execute(select(mirrors).where(mirrors.c.id == mirror.id)).one()
    status = row.status | msgspec.to_builtins(report.status)
    if report.access and report.batch != row.status.get("batch"):
        progress.record(conn, _fetches(report, mirror.name, token_keys), now_s - report.age_s)
        status["batch"] = report.batch
    values = {"status": status, "heard_seq": max(report.seq, row.heard_seq), "seen_at_us": micros(now_s)}
    conn.execute(update(mirrors).where(mirrors.c.id == mirror.id).values(**values))
    if report.have is not None:
        contents.replace(conn, mirror, report.have, now_s)
    contents.remove(conn, mirror, report.gone, now_s)
    contents.add_ready(conn, mirror, report.ready, now_s)
    for fault in report.faults:
        kind = event_log.Kind.MIRROR_HEALED if fault.healed else event_log.Kind.MIRROR_BAD
        package_id, name = fault.package_id[:20], fault.name[:64]
        event_log.append(conn, kind, mirror.actor, at_s=now_s, package_id=package_id, mirror=mirror.name, name=name)


def _fetches(report: Report, mirror: str, token_keys: Sequence[bytes]) -> list[progress.Fetched]:
    """Of agents with a valid token, or with none; several rows of a computer and package become one."""
    found: dict[tuple[int, str, str], progress.Fetched] = {}
    for access in report.access:
        computer_id = tokens.check_any(token_keys, access.token) if access.token else 0
        package_id = access.package_id
        if computer_id is None or not package_id.isdecimal() or len(package_id) > 20:
            continue
        key = computer_id, package_id, "" if computer_id else access.address
        before = found.get(key)
        numbers = sorted(_numbers(access.ranges) | set(before.numbers if before else ()))
        total = access.sent_bytes + (before.sent_bytes if before else 0)
        found[key] = progress.Fetched(computer_id, package_id, numbers, total, access.address[:NAME_LIMIT], mirror)
    return [fetched for fetched in found.values() if fetched.numbers]


def _numbers(ranges: str) -> set[int]:
    """Limited: "1-9999999999" must not fill the memory."""
    try:
        return parse(ranges, MAX_FRAGMENTS)
    except ValueError:
        return set()
