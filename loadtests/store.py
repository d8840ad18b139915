"""`make bench-store`: what the quota and the removal of a package cost, beside reading the whole content store.

A mirror with a quota asks before each fragment how much the store takes; and when a package goes, the store's fragments
that no other has go too. Each is measured as it was done at first (the store is read) and as it is done now.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from blake3 import blake3

from distd.storage.fragment_store import FragmentStore
from distd.storage.store_usage import StoreUsage

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS: Final = 20
OF_PACKAGE: Final = 100  # fragments of the package that is removed


def main() -> int:
    """Measure, and print a table; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fragments", type=int, default=10_000, help="in the store (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="on the disk to be measured (default: the temporary one)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        store, digests = _fill(Path(folder), options.fragments)
        usage, package = StoreUsage(Path(folder) / "fragments"), digests[:OF_PACKAGE]
        expected_bytes = store.used_bytes()
        time.sleep(0.2)  # so that the last change is no more of this tick of the file system's clock
        if usage.used_bytes() != expected_bytes:
            print("the running figure is wrong")
            return 1
        print(f"{options.fragments:,} fragments in the store, median of {ROUNDS} rounds:")
        _compare("used bytes", store.used_bytes, usage.used_bytes)
        _compare(f"remove a package of {OF_PACKAGE}", store.remove_unused, lambda: store.remove_unused(package))
    return 0


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


def _compare(name: str, reading: Callable[[], object], now: Callable[[], object]) -> None:
    before_ms, after_ms = (1000 * median(_timed(call) for _ in range(ROUNDS)) for call in (reading, now))
    print(f"  {name:<30} {before_ms:8.2f} ms by reading the store, {after_ms:6.2f} ms now")


def _timed(call: Callable[[], object]) -> float:
    begun_s = time.perf_counter()
    call()
    return time.perf_counter() - begun_s


if __name__ == "__main__":
    sys.exit(main())
