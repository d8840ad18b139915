"""Runs the covering tests of each change in a fork, until the time is over."""

from __future__ import annotations

import ast
import gc
import importlib.machinery
import os
import random
import time
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, Final, TextIO

import pytest

from tests.mutants import mutations
from tests.mutants.covering import SOURCES, measure
from tests.mutants.report import Outcome, Verdict
from tests.mutants.session import (
    OPTIONS,
    STOPPED,
    Job,
    end_at_first_failure,
    forget_modules,
    run_in_forks,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.mutants.covering import Covering
    from tests.mutants.report import Key
    from tests.mutants.session import (
        Collected,
    )

BUDGET_S: Final = 25.0  # of tests for each change
FORGOTTEN: Final = ("distd", "redistrib", "agentsim", "tests", "loadtests")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done. `root`: the copy. `measured`: the modules whose covering tests are
    measured. `again`: only changes of these keys. `limit_s`: no fork begins after it."""

    root: Path
    folder: Path
    cache: Path
    modules: list[str]
    measured: list[str]
    again: set[Key] | None
    seed: int
    per_module: int
    parallel: int
    limit_s: float


@dataclass(frozen=True, slots=True)
class Mutant:
    """A change of a module, and the tests that execute it, in the order in which they are tried."""

    module: str
    index: int
    change: mutations.Change
    statement: str
    tests: list[str]
    budget_s: float


def run(plan: Plan, collected: Collected, out: TextIO) -> list[Verdict]:
    """All verdicts; those without one when the time was over are left out."""
    begun_s = time.monotonic()
    collected.items = {
        name: item for name, item in collected.items.items() if item.get_closest_marker("programs") is None
    }
    print(f"{len(collected.items)} tests start no program", file=out, flush=True)
    covering = measure(collected, plan.root, plan.measured, plan.cache, plan.parallel, plan.folder)
    print(f"measured after {time.monotonic() - begun_s:.0f} s", file=out, flush=True)
    for name in sorted(covering.failed):
        print(f"left out, it fails without any change: {name}", file=out, flush=True)
    sources = {module: (plan.root / module).read_text("utf-8") for module in _all_modules(plan)}
    members = mutations.enumerations(sources)
    mutants = _draw(plan, sources, members, covering)
    print(f"{len(mutants)} changes are tried", file=out, flush=True)
    return _Trial(plan, collected, sources, members, out).run(mutants)


class _Trial:
    def __init__(
        self,
        plan: Plan,
        collected: Collected,
        sources: dict[str, str],
        members: Mapping[str, list[str]],
        out: TextIO,
    ) -> None:
        self._plan = plan
        self._collected = collected
        self._sources = sources
        self._members = members
        self._out = out
        self._functions = _living_functions(plan)
        self._verdicts: list[Verdict] = []

    def run(self, mutants: list[Mutant]) -> list[Verdict]:
        gc.freeze()  # the collector would write to all pages that the forks share
        run_in_forks(self._jobs(mutants), self._plan.parallel, self._plan.folder)
        return self._verdicts

    def _jobs(self, mutants: list[Mutant]) -> Iterator[Job]:
        end_s = time.monotonic() + self._plan.limit_s
        for mutant in mutants:
            if time.monotonic() > end_s:
                print("the time is over", file=self._out, flush=True)
                return
            if not mutant.tests:
                self._note(mutant, Outcome.NOT_EXECUTED)
                continue
            try:
                path = str(self._plan.root / mutant.module)
                code = mutations.compiled(self._sources[mutant.module], path, mutant.index, self._members)
            except SyntaxError:
                continue
            swaps = swaps_of(mutant.module, mutant.change.function, code, self._functions)
            if swaps:
                yield Job(partial(self._try, mutant, swaps), 3 + 4 * mutant.budget_s, partial(self._end, mutant))
            else:
                yield Job(partial(self._try_anew, mutant, code), 30 + 4 * mutant.budget_s, partial(self._end, mutant))

    def _end(self, mutant: Mutant, status: int) -> None:
        outcome = {0: Outcome.SURVIVED, STOPPED: Outcome.TOO_LONG}.get(status, Outcome.NOTICED)
        self._note(mutant, outcome)

    def _note(self, mutant: Mutant, outcome: Outcome) -> None:
        change = mutant.change
        place = mutant.module, change.lines.start, _function(change), mutant.statement
        verdict = Verdict(*place, change.text, outcome, len(mutant.tests))
        self._verdicts.append(verdict)
        if outcome in (Outcome.SURVIVED, Outcome.NOT_EXECUTED):
            print(f"[{len(self._verdicts)}] {verdict.line}", file=self._out, flush=True)

    def _try(self, mutant: Mutant, swaps: list[tuple[FunctionType, CodeType]], folder: Path) -> None:
        for function, code in swaps:
            function.__code__ = code
        self._collected.run(mutant.tests, folder, end_at_first_failure)

    def _try_anew(self, mutant: Mutant, code: CodeType, folder: Path) -> None:
        path = str(self._plan.root / mutant.module)
        original = importlib.machinery.SourceFileLoader.get_code

        def get_code(loader: importlib.machinery.SourceFileLoader, name: str) -> CodeType | None:
            return code if loader.path == path else original(loader, name)

        importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[assignment, method-assign]
        forget_modules(FORGOTTEN)
        options = [*OPTIONS, "-x", "--basetemp", str(folder / "tmp")]
        status = pytest.main([*options, *mutant.tests])
        os._exit(0 if status == 0 else 1)


def swaps_of(
    module: str,
    outermost: tuple[str, int] | None,
    code: CodeType,
    living: Mapping[tuple[str, str, int], list[FunctionType]],
) -> list[tuple[FunctionType, CodeType]]:
    """The living functions of a module that a change is in, each with its code out of the changed module's `code`; none
    if it cannot be put there.

    `outermost`: name and first line of the function that the change is in; what is within it belongs to it, since a
    function that a decorator has made at the import is not made again.
    """
    changed = next((each for each in _codes(code) if (each.co_qualname, each.co_firstlineno) == outermost), None)
    if changed is None:
        return []
    swaps = [
        (function, new)
        for new in _codes(changed)
        for function in living.get((module, new.co_qualname, new.co_firstlineno), [])
    ]
    return [] if any(old.__code__.co_freevars != new.co_freevars for old, new in swaps) else swaps


def _all_modules(plan: Plan) -> list[str]:
    return [
        path.relative_to(plan.root).as_posix()
        for source in SOURCES
        for path in sorted((plan.root / source).rglob("*.py"))
    ]


def _draw(plan: Plan, sources: dict[str, str], members: Mapping[str, list[str]], covering: Covering) -> list[Mutant]:
    """So many of each module, in an order in which each module has its share whenever the time is over."""
    drawn: list[tuple[float, Mutant]] = []
    for module in plan.modules:
        found = list(enumerate(mutations.changes(ast.parse(sources[module]), members)))
        lines = sources[module].splitlines()
        if plan.again is not None:
            keys = plan.again
            found = [
                (index, change)
                for index, change in found
                if (module, _function(change), lines[change.lines.start - 1].strip(), change.text) in keys
            ]
        chance = random.Random(f"{plan.seed} {module}")
        chance.shuffle(found)
        found = found[: plan.per_module]
        for place, (index, change) in enumerate(found):
            tests, budget_s = _tests_of(module, change, covering)
            statement = lines[change.lines.start - 1].strip()
            drawn.append((place / len(found), Mutant(module, index, change, statement, tests, budget_s)))
    return [mutant for _, mutant in sorted(drawn, key=lambda pair: (pair[0], pair[1].module))]


def _function(change: mutations.Change) -> str:
    return change.function[0] if change.function else ""


def _tests_of(module: str, change: mutations.Change, covering: Covering) -> tuple[list[str], float]:
    """The tests that execute a change: those of the module first, then the quick ones, as many as the budget allows."""
    ids = covering.of_module(module) if change.function is None else covering.of(module, change.lines)
    name = "test_" + module.removeprefix("distd/").rpartition("/")[2].removesuffix(".py")
    room = "tests/" + module.removeprefix("distd/").rpartition("/")[0]
    ordered = sorted(
        ids,
        key=lambda each: (not each.startswith(f"{room}/{name}"), covering.duration_s.get(each, 0.0)),
    )
    chosen: list[str] = []
    total_s = 0.0
    for each in ordered:
        duration_s = covering.duration_s.get(each, 0.0)
        if total_s + duration_s <= BUDGET_S or not chosen:
            chosen.append(each)
            total_s += duration_s + 0.003
    return chosen, total_s


def _living_functions(plan: Plan) -> dict[tuple[str, str, int], list[FunctionType]]:
    """All functions of the modules, by module, qualified name and first line."""
    found: dict[tuple[str, str, int], list[FunctionType]] = defaultdict(list)
    prefix = f"{plan.root}/"
    for each in gc.get_objects():
        if isinstance(each, FunctionType) and each.__code__.co_filename.startswith(prefix):
            code = each.__code__
            found[code.co_filename.removeprefix(prefix), code.co_qualname, code.co_firstlineno].append(each)
    return found


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    constants: tuple[Any, ...] = code.co_consts
    for constant in constants:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
