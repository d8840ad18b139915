"""For all tests: no deadline of examples, a limit under trio, the mark `programs` for tests that start some."""

from __future__ import annotations

import inspect
import os
import sys
from functools import cache
from shutil import which
from types import CodeType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from tests.fixtures.compiled_once import share_statements
from tests.fixtures.databases import database, empty_sqlite, postgresql_cluster
from tests.programs import processes
from tests.time_limit import limit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["database", "empty_sqlite", "postgresql_cluster"]

# A property is decided by what an example shows, not by how long it takes.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# Under coverage programs are started as they are: it follows those.
processes.FORKING = "coverage" not in sys.modules

HELPERS = ("tests.programs.", "tests.redistrib.origin_program", "loadtests.")
HELPERS_THAT_START_NOTHING = {
    "tests.programs.h11_reference",
    "tests.programs.stock_agent_log",
    "tests.programs.waiting",
}


@pytest.fixture(scope="session", autouse=True)
def _statements_are_compiled_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        share_statements(patch)
        yield


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Limit the time of tests under trio; mark those that start programs; leave out what needs one that is missing."""
    timeout_s = float(config.getoption("timeout") or config.getini("timeout"))
    for item in items:
        if (
            isinstance(item, pytest.Function)
            and inspect.iscoroutinefunction(item.obj)
            and not hasattr(item.obj, "hypothesis")
        ):
            item.obj = limit(item.obj, 0.9 * timeout_s)
    _leave_out_missing(config, items)
    for item in items:
        if isinstance(item, pytest.Function) and _starts_programs(item):
            item.add_marker("programs")


def _leave_out_missing(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests with the mark `needs("program")`, where it is not installed; `needs("root")`, for other users."""
    missing = [item for item in items if any(not _is_there(mark.args[0]) for mark in item.iter_markers("needs"))]
    if missing:
        config.hook.pytest_deselected(items=missing)
        items[:] = [item for item in items if item not in missing]


def _is_there(need: str) -> bool:
    return os.geteuid() == 0 if need == "root" else which(need) is not None


def _starts_programs(item: pytest.Function) -> bool:
    """Whether anything in the test's module is from a helper, or anything that one of its fixtures uses."""
    if any(map(_is_helper, vars(item.module).values())):
        return True
    definitions = item._fixtureinfo.name2fixturedefs
    fixtures = (each.func for name in item.fixturenames for each in _used(definitions.get(name, ()), name))
    return any(_uses_helpers(function) for function in fixtures)


def _used(definitions: Sequence[pytest.FixtureDef[Any]], name: str) -> Iterator[pytest.FixtureDef[Any]]:
    """Of the fixtures of one name the nearest; those that it overrides only if it asks for them by its own name."""
    for each in reversed(definitions):
        yield each
        if name not in each.argnames:
            return


@cache
def _uses_helpers(function: Callable[..., Any]) -> bool:
    """Whether a fixture uses a helper, by itself or through other functions and classes of its module."""
    module = sys.modules.get(function.__module__)
    names, seen = list(_names_in(getattr(function, "__code__", None))), set[str]()
    while names:
        if (name := names.pop()) in seen or module is None:
            continue
        seen.add(name)
        value = vars(module).get(name)
        if _is_helper(value):
            return True
        if getattr(value, "__module__", None) == module.__name__:
            parts = (
                vars(value).values() if isinstance(value, type) else [inspect.unwrap(value)] if callable(value) else []
            )
            names += [used for part in parts for used in _names_in(getattr(part, "__code__", None))]
    return False


def _names_in(code: CodeType | None) -> Iterator[str]:
    if code is not None:
        yield from code.co_names
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                yield from _names_in(constant)


def _is_helper(value: object) -> bool:
    """Whether it is from a module that starts programs, or is one."""
    name = getattr(value, "__module__", None) or getattr(value, "__name__", None)
    return isinstance(name, str) and name.startswith(HELPERS) and name not in HELPERS_THAT_START_NOTHING
