"""The report of a simulated deployment as tables. The page: `simulation_page`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from distd.domain.units import format_duration, format_rate, format_volume
from distd.report.page import Table
from distd.simulation.records import SHARES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from distd.simulation.records import Finish, Load, Summary

MAX_ROWS: Final = 20


def tables(summary: Summary) -> Iterator[Table]:
    """When all agents are through, and what each line and mirror carries."""
    head = ("Package", "agents", *(f"{share} %" for share in SHARES), "never")
    rows = [_finish_row(name, finish) for name, finish in summary.packages.items()]
    if len(rows) > 1:
        rows.append(_finish_row("all", summary.all))
    yield Table("Through after", head, rows)
    if any(summary.contact_wait_s.values()):
        waits = [format_duration(summary.contact_wait_s[share]) for share in SHARES]
        yield Table("First contacts", ("", *head[2:-1]), [["answered within", *waits]])
    head = ("Line", "bytes", "peak", "after")
    yield Table("Most in a minute", head, [_load_row(summary.origin), *_largest("line of ", summary.lines)])
    if summary.mirrors:
        yield Table("Mirrors", head, _largest("mirror of ", summary.mirrors))


def _finish_row(name: str, finish: Finish) -> list[str]:
    times = [format_duration(finish.after_s[share]) for share in SHARES]
    return [name, f"{finish.done + finish.never:,}", *times, f"{finish.never:,}" if finish.never else ""]


def _largest(kind: str, loads: Sequence[Load]) -> list[list[str]]:
    chosen = sorted(loads, key=lambda load: -load.peak_bytes_per_s)
    rows = [_load_row(load, kind) for load in chosen[:MAX_ROWS]]
    if len(chosen) > MAX_ROWS:
        rows.append([f"and {len(chosen) - MAX_ROWS} with less", "", "", ""])
    return rows


def _load_row(load: Load, kind: str = "") -> list[str]:
    return [
        kind + load.name,
        format_volume(load.bytes),
        format_rate(load.peak_bytes_per_s),
        format_duration(load.peak_after_s),
    ]
