"""What came of each change: the score by module, and those that no test noticed."""

from __future__ import annotations

import json
import tomllib
from collections import Counter, defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from pathlib import Path

Key: TypeAlias = tuple[str, str, str, str]  # module, function, line, before → after

WANTED_PERCENT: Final = 90.0  # over all
WANTED_OF_A_MODULE_PERCENT: Final = 80.0


class Outcome(StrEnum):
    """What the tests said of a change. Too long: they did not end, which somebody would notice."""

    NOTICED = "noticed"
    TOO_LONG = "too long"
    SURVIVED = "not noticed"
    NOT_EXECUTED = "not executed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a change. `statement`: the line of the source where it begins, in `function`. `tests`: how many
    are tried."""

    module: str
    line_number: int
    function: str
    statement: str
    change: str
    outcome: Outcome
    tests: int

    @property
    def key(self) -> Key:
        """What it is known by while lines move."""
        return self.module, self.function, self.statement, self.change

    @property
    def line(self) -> str:
        """For the report."""
        tests = "no test executes it" if self.outcome is Outcome.NOT_EXECUTED else f"tests: {self.tests}"
        return f"{self.module}:{self.line_number}: {self.change}   ({tests})"


def read_equivalent(path: Path) -> dict[Key, str]:
    """Changes that change nothing, by key, with the reason. Raises `KeyError` for one without all of these fields."""
    rows = tomllib.loads(path.read_text("utf-8")).get("change", [])
    return {(row["module"], row["function"], row["line"], row["text"]): row["reason"] for row in rows}


def print_report(verdicts: list[Verdict], equivalent_path: Path) -> int:
    """Print it; the exit status, 1 where the tests notice less than they should."""
    equivalent = read_equivalent(equivalent_path)
    counted = [verdict for verdict in verdicts if not _is_equivalent(verdict, equivalent)]
    by_module: dict[str, Counter[Outcome]] = defaultdict(Counter)
    for verdict in counted:
        by_module[verdict.module][verdict.outcome] += 1
    print("\nNot noticed:")
    for verdict in sorted(counted, key=lambda verdict: (verdict.module, verdict.line_number)):
        if verdict.outcome in (Outcome.SURVIVED, Outcome.NOT_EXECUTED):
            print(f"  {verdict.line}")
    print(f"\n{'module':<42}{'changes':>8}{'noticed':>9}{'too long':>9}{'not':>5}{'not executed':>13}{'score':>8}")
    for module, counts in sorted(by_module.items()):
        _print_row(module, counts)
    total = sum(by_module.values(), Counter[Outcome]())
    _print_row("all", total)
    print(f"{len(verdicts) - len(counted)} changes that change nothing are left out ({equivalent_path.name})")
    low = [module for module, counts in by_module.items() if score_percent(counts) < WANTED_OF_A_MODULE_PERCENT]
    return 1 if low or score_percent(total) < WANTED_PERCENT else 0


def score_percent(counts: Counter[Outcome]) -> float:
    """Of the changes, those that tests notice."""
    return 100.0 * (counts[Outcome.NOTICED] + counts[Outcome.TOO_LONG]) / (sum(counts.values()) or 1)


def _print_row(name: str, counts: Counter[Outcome]) -> None:
    print(
        f"{name:<42}{sum(counts.values()):>8}{counts[Outcome.NOTICED]:>9}{counts[Outcome.TOO_LONG]:>9}"
        f"{counts[Outcome.SURVIVED]:>5}{counts[Outcome.NOT_EXECUTED]:>13}{score_percent(counts):>7.1f}%"
    )


def _is_equivalent(verdict: Verdict, equivalent: dict[Key, str]) -> bool:
    return verdict.key in equivalent and verdict.outcome in (Outcome.SURVIVED, Outcome.NOT_EXECUTED)


def write_last(cache: Path, verdicts: list[Verdict]) -> None:
    """Keep what was not noticed, for `--again`; of other modules stays what is known."""
    tried = {verdict.module for verdict in verdicts}
    kept = [key for key in _last(cache) if key[0] not in tried]
    kept += [verdict.key for verdict in verdicts if verdict.outcome in (Outcome.SURVIVED, Outcome.NOT_EXECUTED)]
    (cache / "last.json").write_text(json.dumps(kept, ensure_ascii=False, indent=0))


def read_last(cache: Path, modules: list[str]) -> set[Key]:
    """The changes of these modules that no test noticed the last time."""
    return {key for key in _last(cache) if key[0] in modules}


def _last(cache: Path) -> list[Key]:
    path = cache / "last.json"
    if not path.is_file():
        return []
    return [(row[0], row[1], row[2], row[3]) for row in json.loads(path.read_text()) if len(row) == 4]
