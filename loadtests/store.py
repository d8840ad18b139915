"""`make bench-store`: what the quota and the removal of a package cost, beside reading the whole content store.

A mirror with a quota asks before each fragment how much the store takes; and when a package goes, the store's fragments
that no other has go too. Each is measured as it was done at first (the store is read) and as it is done now.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

import click
from blake3 import blake3

from distd.storage.fragment_store import FragmentStore
from distd.storage.store_usage import StoreUsage
from loadtests.results import finish, goal_row, goal_table, publish

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS: Final = 20
OF_PACKAGE: Final = 100  # fragments of the package that is removed
GOAL_MS: Final = 10.0


def measure(folder: Path, fragments: int) -> list[list[str]]:
    """Rows of goals."""
    store, digests = _fill(folder, fragments)
    usage, package = StoreUsage(folder / "fragments"), digests[:OF_PACKAGE]
    expected_bytes = store.used_bytes()
    time.sleep(0.2)  # so that the last change is no more of this tick of the file system's clock
    is_right = usage.used_bytes() == expected_bytes
    return [
        goal_row("the running figure", f"{usage.used_bytes():,} bytes", f"{expected_bytes:,}", is_right),
        *_compare("used bytes", store.used_bytes, usage.used_bytes),
        *_compare(f"remove a package of {OF_PACKAGE}", store.remove_unused, lambda: store.remove_unused(package)),
    ]


def _fill(folder: Path, count: int) -> tuple[FragmentStore, list[bytes]]:
    """A store with so many fragments of 1 KiB, each linked from a package."""
    store, digests = FragmentStore(folder / "fragments"), []
    (folder / "17").mkdir()
    for number in range(1, count + 1):
        content, file = os.urandom(1024), folder / "17" / f"17-{number}"
        file.write_bytes(content)
        digests.append(blake3(content).digest())
        store.add(file, digests[-1])
    return store, digests


def _compare(name: str, reading: Callable[[], object], now: Callable[[], object]) -> list[list[str]]:
    before_ms, after_ms = (1000 * median(_timed(call) for _ in range(ROUNDS)) for call in (reading, now))
    return [
        goal_row(f"{name}, by reading the store, ms", f"{before_ms:.2f}"),
        goal_row("… as it is done, ms", f"{after_ms:.2f}", f"≤ {GOAL_MS:g}", after_ms <= GOAL_MS),
    ]


def _timed(call: Callable[[], object]) -> float:
    begun_s = time.perf_counter()
    call()
    return time.perf_counter() - begun_s


@click.command()
@click.option("--fragments", default=10_000, show_default=True, type=click.IntRange(1000), help="In the store.")
@click.option("--folder", type=click.Path(path_type=Path), help="On the disk to be measured.  [default: /tmp]")
def main(fragments: int, folder: Path | None) -> None:
    """Measure what quota and removal cost."""
    with tempfile.TemporaryDirectory(dir=folder) as made:
        rows = measure(Path(made), fragments)
    table = goal_table(f"{fragments:,} fragments in the store, medians of {ROUNDS} rounds", rows)
    publish("store", "Quota and removal", "make bench-store", [table])
    finish([table])


if __name__ == "__main__":
    main()
