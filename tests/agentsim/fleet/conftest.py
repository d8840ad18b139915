"""Fleets against the server in memory: in virtual time, or over real sockets."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import pytest
import trio
from trio.testing import MockClock

from agentsim.fleet.options import FleetOptions
from agentsim.fleet.shard import Shard, run_shard
from agentsim.fleet.target import Target
from agentsim.fleet.totals import FleetTotals
from distd.domain.records import Action
from distd.lane.client.link import Endpoint
from tests.agentsim.faulty_server import FaultyServer
from tests.agentsim.fleet.virtual_network import HTTP, HTTPS, VirtualNetwork, run_in_virtual_time

if TYPE_CHECKING:
    from distd.domain.records import Dialect
    from tests.agentsim.faulty_server import Authority

CONTENT: Final = random.Random(1).randbytes(9000)
VIRTUAL_LIMIT_S: Final = 1e6
REAL_LIMIT_S: Final = 120


class Fleet:
    """Agents that check everything, against `server`, until they are through."""

    def __init__(self, server: FaultyServer) -> None:
        self.server = server

    def add(self, name: str = "17", *, fragments: int = 3, priority: int = 1) -> None:
        """A package."""
        self.server.add(name, CONTENT, Action.STORE, "/tmp/x", fragments, priority)

    def options(self, dialect: Dialect, agents: int, **values: Any) -> FleetOptions:
        given: dict[str, Any] = {"dialects": {dialect: 1.0}, "verify": 1.0} | values
        url = f"https://{self.server.https}/ocsinventory"
        return FleetOptions(url, self.server.authority.file.read_text(), agents, **given)

    def spoil(self, word: str, *, status: int = 0, delay_s: float = math.inf, from_s: float = 0.0) -> None:
        """From so many seconds on, requests for paths with `word` in them get that status, or wait for their answer."""
        answer, begun_s = self.server.answer, trio.current_time()

        async def spoiled(stream: trio.abc.Stream, method: str, path: str, fields: dict[str, str], body: bytes) -> bool:
            if word not in path or trio.current_time() < begun_s + from_s:
                return await answer(stream, method, path, fields, body)
            self.server.requests.append(f"{method} {path} spoiled")
            if status:
                await stream.send_all(f"HTTP/1.1 {status} X\r\nContent-Length: 2\r\n\r\nno".encode())
                return True
            await trio.sleep(delay_s)
            return await answer(stream, method, path, fields, body)

        self.server.answer = spoiled  # type: ignore[method-assign]


class VirtualFleet(Fleet):
    """In virtual time. `max_links`: connections at once. `refused`: "host:port" where nobody listens."""

    def __init__(self, server: FaultyServer) -> None:
        super().__init__(server)
        self.max_links = 1000
        self.refused: set[str] = set()

    def shard(self, options: FleetOptions) -> Shard:
        network = VirtualNetwork(self.server, self.max_links)
        network.refused = self.refused
        authority = self.server.authority
        endpoint = Endpoint("server.test", 443, True)
        target = Target(urlsplit(options.server), endpoint, authority.certificate, authority.client_context)
        return Shard(options, target, network, trio.current_time)

    async def run(
        self, dialect: Dialect, agents: int = 1, *, stop: trio.Event | None = None, **values: Any
    ) -> FleetTotals:
        totals = FleetTotals(agents)
        with trio.fail_after(VIRTUAL_LIMIT_S):
            await self.shard(self.options(dialect, agents, **values)).run(
                lambda message: totals.add("here", message), stop
            )
        return totals


class RealFleet(Fleet):
    """Over sockets of loopback."""

    async def run(
        self, dialect: Dialect, agents: int = 1, *, stop: trio.Event | None = None, **values: Any
    ) -> FleetTotals:
        totals = FleetTotals(agents)
        with trio.fail_after(REAL_LIMIT_S):
            await run_shard(self.options(dialect, agents, **values), lambda message: totals.add("here", message), stop)
        return totals


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that have a `VirtualFleet` run in virtual time."""
    for item in items:
        if isinstance(item, pytest.Function) and "fleet" in item.fixturenames:
            item.add_marker(pytest.mark.trio(run=run_in_virtual_time), append=False)


@pytest.fixture
async def fleet(authority: Authority) -> VirtualFleet:
    assert isinstance(trio.lowlevel.current_clock(), MockClock)
    return VirtualFleet(FaultyServer(authority, http=HTTP, https=HTTPS))


@pytest.fixture
async def real_fleet(server: FaultyServer) -> RealFleet:
    return RealFleet(server)
