from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.agentsim.faulty_server import Authority, FaultyServer, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


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
    found = []
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            stat = Path("/proc", name, "stat").read_text().rpartition(")")[2].split()
            if int(stat[1]) == parent and word in Path("/proc", name, "cmdline").read_text():
                found.append(int(name))
        except OSError:
            continue
    return sorted(found)


@pytest.fixture
def children() -> Callable[[int, str], list[int]]:
    """The processes that a parent has started with that word in their command, in the order of their start."""
    return _children
