from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.agentsim.faulty_server import Authority, FaultyServer, serving
from tests.fixtures.disk_steps import steps

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

__all__ = ["steps"]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
async def server(authority: Authority) -> AsyncIterator[FaultyServer]:
    """A server that listens on loopback."""
    server = FaultyServer(authority)
    async with serving(server):
        yield server


def _children(parent: int, word: str) -> list[int]:
    """Those that were forked (`tests.programs.forked`) are the parent's too."""
    processes = {int(name): _process(name) for name in filter(str.isdecimal, os.listdir("/proc"))}
    parents = {parent} | {
        number
        for number, (its_parent, command) in processes.items()
        if its_parent == parent and "forkserver" in command
    }
    return sorted(
        number for number, (its_parent, command) in processes.items() if its_parent in parents and word in command
    )


def _process(number: str) -> tuple[int, str]:
    """The parent of a process, and its name and command; 0: it has ended."""
    try:
        stat = Path("/proc", number, "stat").read_text()
        parent = int(stat.rpartition(")")[2].split()[1])
        return parent, f"{stat.partition('(')[2].rpartition(')')[0]} {Path('/proc', number, 'cmdline').read_text()}"
    except OSError:
        return 0, ""


@pytest.fixture
def children() -> Callable[[int, str], list[int]]:
    """The processes that a parent has started with that word in their command, in the order of their start."""
    return _children
