"""A fleet in this process against the site in memory, and what may be wrong with that."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest
import trio

from agentsim.fleet.options import Order
from agentsim.fleet.shard import Shard
from agentsim.fleet.totals import Picture
from distd.domain.records import Action

CONTENT = random.Random(1).randbytes(9000)


class Fleet:
    def __init__(self, site: Any) -> None:
        self.site = site
        self.shard = None

    def add(self, name: Any = "17", **values: Any) -> None:
        """A package of three fragments."""
        self.site.add(name, CONTENT, Action.STORE, "/tmp/x", **({"fragments": 3} | values))

    async def run(self, dialect: Any, agents: Any = 1, *, stop: Any = None, **values: Any) -> Any:
        """Agents that check everything, until they are through; a contact an hour."""
        order = Order(
            f"https://{self.site.https}/ocsinventory",
            self.site.authority.file.read_text(),
            agents,
            **({"dialects": {dialect: 1.0}, "verify": 1.0} | values),
        )
        picture = Picture(agents)
        self.shard = Shard(order)
        with trio.fail_after(30):
            await self.shard.run(lambda message: picture.hear("here", message), stop)
        return picture

    def spoil(self, word: Any, what: Any, from_s: Any = 0.0) -> None:
        """From so many seconds on, requests for paths with `word` in them get that status (a whole number), wait so
        long for their answer (a broken one), or get none (None)."""
        answer, begun_s = self.site.answer, trio.current_time()

        async def spoiled(stream: Any, method: Any, path: Any, *rest: Any) -> Any:
            if word not in path or trio.current_time() < begun_s + from_s:
                return await answer(stream, method, path, *rest)
            self.site.requests.append(f"{method} {path} spoiled")
            if isinstance(what, int):
                await stream.send_all(f"HTTP/1.1 {what} X\r\nContent-Length: 2\r\n\r\nno".encode())
                return True
            await trio.sleep(float("inf") if what is None else what)
            return await answer(stream, method, path, *rest)

        self.site.answer = spoiled


@pytest.fixture
async def fleet(site: Any) -> Any:
    return Fleet(site)


def _children(parent: Any, word: Any) -> Any:
    """The processes that `parent` has started with `word` in their command, in the order of their start."""
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
def children() -> Any:
    return _children
