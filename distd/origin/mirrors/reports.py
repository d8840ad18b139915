"""The reports of mirrors: how far they are, what they have and repair, and which computers fetched what from them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import msgspec
from msgspec import UNSET, Meta
from sqlalchemy import select, update

from distd.catalogue import event_log
from distd.catalogue.mirrors_schema import mirrors
from distd.catalogue.schema import NAME_LIMIT, micros, packages
from distd.origin.computers import revocation
from distd.origin.deployments import progress
from distd.origin.mirrors import contents
from distd.wire import tokens
from distd.wire.mirror_events import Count, PackageId, Version  # noqa: TC001 - msgspec reads the annotations
from distd.wire.number_ranges import parse
from distd.wire.structs import convert

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from distd.origin.mirrors.identity import MirrorIdentity

MAX_ROWS: Final = 10_000  # of any list in a report
MAX_RANGES_CHARACTERS: Final = 1_048_576
MAX_SENT_BYTES: Final = 2**48  # of a row: sums of very many fit the catalogue
MAX_NUMBERS: Final = 1_000_000  # of fragments, in all rows of a report together; the rows beyond are ignored
MAX_FAULT_EVENTS: Final = 100  # of a report
MAX_UNNAMED: Final = 100  # addresses that came without a token, in a report; what the others fetched is one event
MAX_AGE_S: Final = 30 * 86_400.0
MAX_TIME_S: Final = 1e12

Row = TypeVar("Row")
Rows = Annotated[list[Row], Meta(max_length=MAX_ROWS)]
PackageVersion = tuple[PackageId, Version]
Time = Annotated[float, Meta(ge=0, le=MAX_TIME_S)]


class Status(msgspec.Struct, frozen=True):
    """What a mirror says of itself; a value that it leaves out stays as it was."""

    agents: Count | msgspec.UnsetType = UNSET
    free_bytes: Count | msgspec.UnsetType = UNSET
    missing_bytes: Count | msgspec.UnsetType = UNSET
    bytes_per_s: Count | msgspec.UnsetType = UNSET
    fragments_sent: Count | msgspec.UnsetType = UNSET
    sent_bytes: Count | msgspec.UnsetType = UNSET
    hits: Count | msgspec.UnsetType = UNSET
    misses: Count | msgspec.UnsetType = UNSET
    version: Annotated[str, Meta(max_length=64)] | msgspec.UnsetType = UNSET


class Fault(msgspec.Struct, frozen=True, array_like=True):
    """A bad file of a package on the mirror's disk; `healed`: it was replaced by a good one."""

    package_id: PackageId
    name: Annotated[str, Meta(max_length=64)]
    healed: bool


class Access(msgspec.Struct, frozen=True, array_like=True):
    """Fragments that were sent to an agent. `token` is empty when it came without; `ranges` is like "1-3,7"."""

    token: Annotated[str, Meta(max_length=64)]
    address: Annotated[str, Meta(max_length=NAME_LIMIT)]
    package_id: PackageId
    ranges: Annotated[str, Meta(max_length=MAX_RANGES_CHARACTERS)]
    sent_bytes: Annotated[int, Meta(ge=0, le=MAX_SENT_BYTES)]


class Report(msgspec.Struct, frozen=True):
    """A report. `seq` is the newest event that the mirror has processed.

    `have`: it has exactly these packages; None: only `ready` and `gone` have changed. `batch` names the rows of
    `access`, so that none is counted twice; they are of the time `at_s`, and the report of `now_s`, both in seconds by
    the mirror's clock.
    """

    seq: Count = 0
    status: Status = Status()
    have: Rows[PackageVersion] | None = None
    ready: Rows[PackageVersion] = []
    gone: Rows[PackageId] = []
    faults: Rows[Fault] = []
    batch: Annotated[str, Meta(max_length=64)] = ""
    access: Rows[Access] = []
    at_s: Time = 0.0
    now_s: Time = 0.0

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
        at_s = now_s - report.age_s
        check = _token_check(conn, report, token_keys, at_s)
        progress.record(conn, _fetches(report, mirror.name, check), at_s)
        status["batch"] = report.batch
    values = {"status": status, "heard_seq": max(report.seq, row.heard_seq), "seen_at_us": micros(now_s)}
    conn.execute(update(mirrors).where(mirrors.c.id == mirror.id).values(**values))
    if report.have is not None:
        contents.replace(conn, mirror, report.have, now_s)
    contents.remove(conn, mirror, report.gone, now_s)
    contents.add_ready(conn, mirror, report.ready, now_s)
    _record_faults(conn, mirror, report.faults, now_s)


def _record_faults(conn: Connection, mirror: MirrorIdentity, faults: list[Fault], now_s: float) -> None:
    """One event a file, of packages that there are: a mirror must not fill the event log with what it likes."""
    known = set(conn.scalars(select(packages.c.id).where(packages.c.id.in_({fault.package_id for fault in faults}))))
    files = dict.fromkeys(fault for fault in faults if fault.package_id in known)
    for fault in list(files)[:MAX_FAULT_EVENTS]:
        kind = event_log.Kind.MIRROR_HEALED if fault.healed else event_log.Kind.MIRROR_BAD
        where: dict[str, Any] = {"package_id": fault.package_id, "mirror": mirror.name, "name": fault.name}
        event_log.append(conn, kind, mirror.actor, at_s=now_s, **where)


def _token_check(
    conn: Connection, report: Report, token_keys: Sequence[bytes], at_s: float
) -> Callable[[str], int | None]:
    """A mirror takes every token; here it is seen whose it is, and whether it is revoked or had ended at `at_s`."""
    numbers = {number for access in report.access if (number := tokens.number_of(access.token)) is not None}
    generations = revocation.generations_of(conn, numbers)
    return partial(tokens.check_any, token_keys, today=tokens.day_of(at_s), generations=generations)


def _fetches(report: Report, mirror: str, check: Callable[[str], int | None]) -> list[progress.Fetched]:
    """Of agents with a valid token, or with none; several rows of a computer and package become one."""
    numbers: dict[tuple[int, str, str], set[int]] = {}
    sent_bytes: dict[tuple[int, str, str], int] = {}
    addresses: dict[tuple[int, str, str], str] = {}
    unnamed: set[str] = set()
    left = MAX_NUMBERS
    for access in report.access:
        computer_id = check(access.token) if access.token else 0
        fetched = _numbers(access.ranges, left)
        if computer_id is None or not fetched:
            continue
        left -= len(fetched)
        if not computer_id and len(unnamed) < MAX_UNNAMED:
            unnamed.add(access.address)
        address = access.address if computer_id or access.address in unnamed else ""
        key = computer_id, access.package_id, "" if computer_id else address
        numbers.setdefault(key, set()).update(fetched)
        sent_bytes[key] = sent_bytes.get(key, 0) + access.sent_bytes
        addresses[key] = address
    return [
        progress.Fetched(key[0], key[1], sorted(numbers[key]), sent_bytes[key], addresses[key], mirror)
        for key in numbers
    ]


def _numbers(ranges: str, limit: int) -> set[int]:
    """None at all where there are more than `limit`: "1-9999999999" must not fill the memory."""
    try:
        return parse(ranges, limit)
    except ValueError:
        return set()
