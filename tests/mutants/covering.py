"""Which test executes which line, and how long each takes: measured by coverage.py in a fork for each test file.

What was measured is kept in a cache for as long as neither the source, nor what tests share, nor the test file changes.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import coverage

from tests.mutants.session import Job, run_in_forks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pytest

    from tests.mutants.session import Collected

SOURCES: Final = ("distd", "redistrib", "agentsim")
FILE_LIMIT_S: Final = 240.0
VERSION: Final = 1  # of what is kept


@dataclass(slots=True)
class Covering:
    """`lines`: module → line → ids of the tests that execute it. `duration_s`: by id. `failed`: tests that fail now."""

    lines: dict[str, dict[int, set[str]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(set)))
    duration_s: dict[str, float] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)

    def add(self, measured: dict[str, Any]) -> None:
        """Add what was measured of a test file."""
        self.duration_s |= measured["duration_s"]
        self.failed |= set(measured["failed"])
        for module, lines in measured["lines"].items():
            for line, ids in lines.items():
                self.lines[module][int(line)] |= set(ids) - self.failed

    def of(self, module: str, lines: Iterable[int]) -> set[str]:
        """The tests that execute any of these lines."""
        executed = self.lines.get(module, {})
        return set[str]().union(*(executed.get(line, set()) for line in lines))

    def of_module(self, module: str) -> set[str]:
        """The tests that execute anything of a module."""
        return self.of(module, list(self.lines.get(module, {})))


def measure(collected: Collected, root: Path, modules: list[str], cache: Path, parallel: int, folder: Path) -> Covering:
    """Measure these modules with all test files that were collected; what the cache has is taken from there."""
    covering = Covering()
    by_file: dict[str, list[str]] = defaultdict(list)
    for name in collected.items:
        by_file[name.partition("::")[0]].append(name)
    shared = _digest_of_shared(root) + repr(modules).encode()
    cache.mkdir(parents=True, exist_ok=True)

    def jobs() -> Iterator[Job]:
        for file, ids in by_file.items():
            digest = hashlib.sha256((root / file).read_bytes() + shared + repr(ids).encode()).hexdigest()
            kept = cache / f"{digest}.json"
            if kept.is_file():
                covering.add(json.loads(kept.read_text()))
                continue
            done = partial(_take, covering, kept, folder, ids)
            yield Job(partial(_measure_file, collected, ids, root, modules, kept), FILE_LIMIT_S, done)

    run_in_forks(jobs(), parallel, folder)
    return covering


def _take(covering: Covering, kept: Path, folder: Path, ids: list[str], status: int) -> None:
    if status == 0:
        covering.add(json.loads(kept.read_text()))
    else:  # it has hung or crashed: without these tests
        error = folder / "last-error"
        print("not measured:", ids[0].partition("::")[0], status, error.read_text() if error.is_file() else "")
        covering.failed |= set(ids)


def _measure_file(
    collected: Collected, ids: list[str], root: Path, modules: list[str], kept: Path, folder: Path
) -> None:
    measured = coverage.Coverage(
        data_file=str(folder / "coverage"), include=[str(root / module) for module in modules], config_file=False
    )
    duration_s: dict[str, float] = defaultdict(float)
    failed: set[str] = set()

    def seen(report: pytest.TestReport) -> None:
        duration_s[report.nodeid] += report.duration
        if report.failed:
            failed.add(report.nodeid)

    measured.set_option("run:disable_warnings", ["no-data-collected"])
    measured.start()
    for name in ids:
        measured.switch_context(name)
        collected.run([name], folder, seen)
        measured.switch_context("")
    measured.stop()
    data = measured.get_data()
    lines = {
        Path(file).relative_to(root).as_posix(): {
            str(line): [name for name in names if name] for line, names in data.contexts_by_lineno(file).items()
        }
        for file in data.measured_files()
    }
    text = json.dumps({"duration_s": duration_s, "failed": sorted(failed), "lines": lines})
    part = kept.with_suffix(f".{time.time_ns()}")
    part.write_text(text)
    part.replace(kept)


def _digest_of_shared(root: Path) -> bytes:
    """Of the source, and of the files of tests that are no tests."""
    digest = hashlib.sha256(str(VERSION).encode())
    for path in sorted([path for name in (*SOURCES, "tests") for path in (root / name).rglob("*.py")]):
        if not path.name.startswith("test_") and "mutants" not in path.parts:
            digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.digest()
