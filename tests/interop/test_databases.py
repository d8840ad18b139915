"""The catalogue moves from the file to PostgreSQL in the midst of a deployment: agents and mirrors go on."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio

from tests.programs import commands
from tests.programs.mirror import join
from tests.programs.processes import DISTD
from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.fixture_types import NewComputer, Noise, Slow
    from tests.programs.postgresql import Cluster


@pytest.mark.needs("pg_ctlcluster")
async def test_the_catalogue_moves_while_an_agent_downloads(
    slow: Slow, new_computer: NewComputer, noise: Noise, tmp_path: Path, postgresql_cluster: Cluster
) -> None:
    operator, serve = slow
    source, stored = noise(20_000), tmp_path / "stored"
    url = postgresql_cluster.url(postgresql_cluster.create_database())
    async with serve() as server:
        mirror = join(operator.data, server.https_url, tmp_path, "paris", "--network", "10.99.0.0/16")
        package_id = operator.publish("STORE", "--path", stored, "--fragments", 4, source=source)
        computer = new_computer(operator, server)
        operator.assign(package_id, computer)
        async with mirror.serve(), computer.started() as running:
            await await_until(mirror.fragment(package_id, 4).exists, "the mirror has the package")
            await running.until(f"Success downloading {package_id}-1")
            server.process.terminate()
            await server.process.wait()
            move = ("db", "copy", "--from", operator.data, "--to", url, "--switch")
            report = await trio.to_thread.run_sync(partial(commands.command, DISTD, *move))
            (operator.data / "catalogue.db").rename(tmp_path / "before.db")
            assert report["switched"] == str(operator.data)
            async with serve(http=server.http, https=server.https):
                done = await running.ended()
                second = operator.publish("STORE", "--path", stored, source=noise(5000, "second.bin"))
                await await_until(mirror.fragment(second, 1).exists, "the mirror has what came after")
                operator.assign(second, computer)
                assert (await computer.run()).codes == ((second, "SUCCESS"),)

    assert done.codes == ((package_id, "SUCCESS"),)
    assert (stored / source.name).read_bytes() == source.read_bytes()
    assert operator.result(package_id, computer) == ("SUCCESS", "SUCCESS")
    assert operator.result(second, computer) == ("SUCCESS", "SUCCESS")
    assert operator.distd("db", "check")["faults"] == []
    numbers = [event["seq"] for event in operator.distd("events", "--all")["items"]]
    assert numbers == sorted(numbers)
    assert len(numbers) == len(set(numbers))
