"""What mirrors report: how far they are, what they have and heal, and which computers fetched what from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select, update

from distd.catalogue import event_log
from distd.catalogue.schema import NAME_LIMIT, micros, mirrors
from distd.domain.errors import BadInput
from distd.origin.deployments import progress
from distd.origin.mirrors import mirrors as use_cases
from distd.wire import tokens
from distd.wire.number_ranges import parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

MAX_ROWS: Final = 10_000  # of any list in a report

MAX_FRAGMENTS: Final = 1_000_000
OLDEST_S: Final = 30 * 86_400.0

_STATUS: Final = {
    "agents": int,
    "free_bytes": int,
    "missing_bytes": int,
    "bytes_per_s": int,
    "fragments_sent": int,
    "sent_bytes": int,
    "hits": int,
    "misses": int,
    "version": str,
}


@dataclass(frozen=True, slots=True)
class Report:
    """A report that could be read. `have`: exactly these (id, version); None: only `ready` and `gone` have changed.

    `access`: (token, address, package id, fragments "1-3,7", bytes), as of `age_s` ago; `batch` numbers it, so that
    none counts twice.
    """

    seq: int
    status: dict[str, Any]
    have: tuple[tuple[str, int], ...] | None
    ready: tuple[tuple[str, int], ...]
    gone: tuple[str, ...]
    faults: tuple[tuple[str, str, bool], ...]
    batch: str
    access: tuple[tuple[str, str, str, str, int], ...]
    age_s: float


def read(message: dict[str, Any]) -> Report:
    """Raises `BadInput` for what is none."""
    status = message.get("status", {})
    known = {name: status[name] for name, kind in _STATUS.items() if type(status.get(name)) is kind}
    have = message.get("have")
    return Report(
        seq=_checked(message, "seq", 0, lambda value: type(value) is int and 0 <= value < 2**62),
        status=known,
        have=None if have is None else _rows(message, "have", _PAIR),
        ready=_rows(message, "ready", _PAIR),
        gone=tuple(_checked(message, "gone", [], _is_texts)),
        faults=_rows(message, "faults", (str, str, bool)),
        batch=_checked(message, "batch", "", lambda value: isinstance(value, str) and len(value) <= 64),
        access=_rows(message, "access", (str, str, str, str, int)),
        age_s=_age_s(message),
    )


_PAIR: Final = (str, int)


def take(conn: Connection, mirror: tuple[int, str], report: Report, token_key: bytes, now_s: float) -> None:
    """All that follows from a report, in one transaction."""
    row = conn.execute(select(mirrors).where(mirrors.c.id == mirror[0])).one()
    status = row.status | report.status
    if report.access and report.batch != row.status.get("batch"):
        progress.record(conn, _fetches(report, mirror[1], token_key), now_s - report.age_s)
        status["batch"] = report.batch
    values = {"status": status, "heard_seq": max(report.seq, row.heard_seq), "seen_at_us": micros(now_s)}
    conn.execute(update(mirrors).where(mirrors.c.id == mirror[0]).values(**values))
    if report.have is not None:
        use_cases.note_all(conn, mirror, report.have, now_s)
    use_cases.note_gone(conn, mirror, report.gone, now_s)
    use_cases.note_ready(conn, mirror, report.ready, now_s)
    for package_id, name, healed in report.faults:
        kind = event_log.Kind.MIRROR_HEALED if healed else event_log.Kind.MIRROR_BAD
        event_log.append(conn, kind, at_s=now_s, package_id=package_id[:20], mirror=mirror[1], name=name[:64])


def _fetches(report: Report, mirror: str, token_key: bytes) -> list[progress.Fetched]:
    """Of those who had a token of ours, or none at all; several rows of a computer and package are one."""
    found: dict[tuple[int, str, str], progress.Fetched] = {}
    for token, address, package_id, ranges, sent_bytes in report.access:
        computer_id = tokens.check(token_key, token) if token else 0
        if computer_id is None or not package_id.isdecimal() or len(package_id) > 20:
            continue
        key = computer_id, package_id, "" if computer_id else address
        before = found.get(key)
        numbers = sorted(_numbers(ranges) | set(before.numbers if before else ()))
        total = sent_bytes + (before.sent_bytes if before else 0)
        found[key] = progress.Fetched(computer_id, package_id, numbers, total, address[:NAME_LIMIT], mirror)
    return [one for one in found.values() if one.numbers]


def _age_s(message: dict[str, Any]) -> float:
    """Both by the mirror's clock, which may be wrong."""
    at_s, now_s = message.get("at_s"), message.get("now_s")
    if not isinstance(at_s, float) or not isinstance(now_s, float):
        return 0.0
    return min(max(now_s - at_s, 0.0), OLDEST_S)


def _numbers(ranges: str) -> set[int]:
    """Bounded: "1-9999999999" must not fill the memory."""
    try:
        return parse(ranges, MAX_FRAGMENTS)
    except ValueError:
        return set()


def _checked(message: dict[str, Any], name: str, default: Any, fits: Callable[[Any], bool]) -> Any:
    value = message.get(name, default)
    if not fits(value):
        raise BadInput(f"report/{name}", f"something like {default!r}", value)
    return value


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= MAX_ROWS and all(isinstance(one, str) for one in value)


def _rows(message: dict[str, Any], name: str, kinds: tuple[type, ...]) -> tuple[Any, ...]:
    rows = message.get(name, [])
    if not isinstance(rows, list) or len(rows) > MAX_ROWS:
        raise BadInput(f"report/{name}", f"a list of at most {MAX_ROWS}", rows)
    for row in rows:
        if not isinstance(row, list) or [type(value) for value in row] != list(kinds):
            raise BadInput(f"report/{name}", f"rows of {', '.join(kind.__name__ for kind in kinds)}", row)
    return tuple(tuple(row) for row in rows)
