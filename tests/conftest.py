"""For all tests: no deadline of examples, a limit under trio, the mark `programs` for tests that start some."""

from __future__ import annotations

import inspect
import sys
from shutil import which
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.programs import processes
from tests.time_limit import limit

if TYPE_CHECKING:
    from collections.abc import Iterator

# A property is decided by what an example shows, not by how long it takes.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# Under coverage programs are started as they are: it follows those.
processes.FORKING = "coverage" not in sys.modules

HELPERS = ("tests.programs.", "loadtests.")
HELPERS_THAT_START_NOTHING = {
    "tests.programs.h11_reference",
    "tests.programs.stock_agent_log",
    "tests.programs.waiting",
}


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
    starting = {name for name in {module for item in items for module in _modules_of(item)} if _starts_programs(name)}
    for item in items:
        if not starting.isdisjoint(_modules_of(item)):
            item.add_marker("programs")


def _leave_out_missing(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests with the mark `needs("program")`, where the program is not installed."""
    missing = [item for item in items if any(which(mark.args[0]) is None for mark in item.iter_markers("needs"))]
    if missing:
        config.hook.pytest_deselected(items=missing)
        items[:] = [item for item in items if item not in missing]


def _modules_of(item: pytest.Item) -> Iterator[str]:
    if isinstance(item, pytest.Function):
        yield item.module.__name__
        definitions = item._fixtureinfo.name2fixturedefs
        yield from (
            definition.func.__module__ for name in item.fixturenames for definition in definitions.get(name, ())
        )


def _starts_programs(module: str) -> bool:
    """Whether anything in the module's namespace is from a helper, or is one."""
    values = vars(sys.modules[module]).values() if module in sys.modules else ()
    origins = {getattr(value, "__module__", None) or getattr(value, "__name__", None) for value in values}
    names = {name for name in origins if isinstance(name, str)} - HELPERS_THAT_START_NOTHING
    return any(name.startswith(HELPERS) for name in names)
