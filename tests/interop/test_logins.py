"""Agents that must log in: the stock one by HTTP Basic, distd's own once, and then by its key."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

import trio

from tests.interop.conftest import FAST, new_operator
from tests.programs.processes import distd_serve
from tests.programs.stock_agent import StockAgent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.interop.conftest import Operator
    from tests.interop.fixture_types import NewComputer, Noise
    from tests.programs.processes import RunningServer

NEEDED = {"agents.login_networks": "127.0.0.0/8 ::1/128", "agents.native_keys": True}


@contextlib.asynccontextmanager
async def guarded(folder: Path) -> AsyncIterator[tuple[Operator, str, RunningServer]]:
    """A server whose agents must log in as "school", with a password."""
    operator = new_operator(folder)
    password = operator.distd("login", "set", "school")["password"]
    async with distd_serve(operator.data, FAST | NEEDED) as server:
        yield operator, password, server


def kinds(operator: Operator, kind: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = operator.distd("events", "--kind", kind)["items"]
    return found


async def test_the_stock_agent_logs_in_and_fetches_without(
    new_computer: NewComputer, noise: Noise, tmp_path: Path
) -> None:
    async with guarded(tmp_path) as (operator, password, server):
        url = f"https://localhost:{server.https.rpartition(':')[2]}/ocsinventory"
        stranger = StockAgent(url, operator.ca, tmp_path / "stranger")
        await stranger.run()
        wrong = StockAgent(url, operator.ca, tmp_path / "wrong", login=("school", "guess", "distd"))
        await wrong.run()
        assert operator.distd("computer", "list")["items"] == []

        computer = StockAgent(url, operator.ca, tmp_path / "computer", login=("school", password, "distd"))
        await computer.run()
        source = noise(9000)
        package_id = operator.publish("STORE", "--path", tmp_path / "stored", "--fragments", 3, source=source)
        operator.assign(package_id, computer)
        assert (await computer.run()).codes == ((package_id, "SUCCESS"),)
        assert (tmp_path / "stored" / source.name).read_bytes() == source.read_bytes()
        await operator.fetched(package_id, computer, 3)
        assert not operator.row(package_id, computer)["unproven"]


async def test_a_native_agent_enrols_once(tmp_path: Path) -> None:
    async with guarded(tmp_path) as (operator, password, server):
        url = f"https://localhost:{server.https.rpartition(':')[2]}/ocsinventory"
        (tmp_path / "password").write_text(f"{password}\n")
        state = tmp_path / "state"

        async def contact(*more: object) -> int | None:
            arguments = ["--server", url, "--ca", operator.ca, "--state", state, "--name", "pc", "--once", *more]
            program = [sys.executable, "-c", "from agentsim.cli import main; main()", "agent"]
            done = await trio.run_process([*program, *map(str, arguments)], check=False, capture_stderr=True)
            return done.returncode

        assert await contact() == 1
        assert operator.distd("computer", "list")["items"] == []
        assert await contact("--user", "school", "--password-file", tmp_path / "password") == 0
        assert [event["device_id"] for event in kinds(operator, "COMPUTER_ENROLLED")] == ["pc"]
        assert (state / "key").stat().st_mode & 0o777 == 0o600
        assert await contact() == 0  # by its key

        (state / "enrolled").rename(state / "lost")
        assert await contact() == 1
        (state / "lost").rename(state / "enrolled")
        operator.distd("computer", "revoke", "pc")
        assert await contact() == 1
        assert await contact("--user", "school", "--password-file", tmp_path / "password") == 1  # it forgets the key
        assert await contact("--user", "school", "--password-file", tmp_path / "password") == 0
        assert len(kinds(operator, "COMPUTER_ENROLLED")) == 2
