"""The stock agent fetches from redistribution servers, and does not notice when one dies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from tests.interop.conftest import FAST
from tests.programs.mirror import join, metric
from tests.programs.processes import distd_serve
from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.fixture_types import NewComputer, Noise, Server, Slow, StartNginx, StartServer
    from tests.programs.processes import RunningServer


async def until_ready(server: Server, count: int) -> None:
    """Wait until the server knows of so many mirrors that have the package."""
    await await_until(lambda: metric(server.http, "distd_mirrors_ready") >= count, f"{count} mirrors are ready")


@pytest.mark.parametrize("via", ["direct", "steer"])
async def test_fragments_come_from_the_mirror(
    slow: Slow, new_computer: NewComputer, noise: Noise, tmp_path: Path, via: str
) -> None:
    operator, _ = slow
    source = noise(20_000)
    async with distd_serve(operator.data, FAST | {"mirrors.via": via}) as server:
        mirror = join(operator.data, server.https_url, tmp_path, "paris", "--network", "127.0.0.0/8")
        package_id = operator.publish("STORE", "--path", tmp_path / "stored", "--fragments", 4, source=source)
        computer = new_computer(operator, server)
        operator.assign(package_id, computer)
        async with mirror.serve():
            await until_ready(server, 1)
            report = await computer.run()
            assert mirror.metric("redistrib_fragments_sent") == 4
            await operator.fetched(package_id, computer, 4)  # the mirror has reported them
    assert report.codes == ((package_id, "SUCCESS"),)
    assert (tmp_path / "stored" / source.name).read_bytes() == source.read_bytes()


@pytest.mark.parametrize("count", [1, 2])
async def test_a_mirror_dies_in_the_middle(
    slow: Slow, new_computer: NewComputer, noise: Noise, tmp_path: Path, count: int
) -> None:
    """With "steer" its agents are sent to the next mirror, or get the rest from the origin."""
    operator, serve = slow
    source = noise(40_000)
    async with serve() as server:
        names = ["paris", "lyon"][:count]
        mirrors = [join(operator.data, server.https_url, tmp_path, name) for name in names]
        package_id = operator.publish("STORE", "--path", tmp_path / "stored", "--fragments", 8, source=source)
        computer = new_computer(operator, server)
        operator.assign(package_id, computer)
        async with trio.open_nursery() as nursery:
            servers = {mirror: await nursery.start(_keep, mirror.serve) for mirror in mirrors}
            await until_ready(server, count)
            async with computer.started() as running:
                await running.until(f"Success downloading {package_id}-2")
                # Of two, the computer's own load may have sent it to the other one for its second fragment.
                sent = {mirror: mirror.metric("redistrib_fragments_sent") for mirror in mirrors}
                assert sum(sent.values()) >= 2
                await servers[max(sent, key=sent.__getitem__)].kill()
                report = await running.ended()
            nursery.cancel_scope.cancel()
    assert report.codes == ((package_id, "SUCCESS"),)
    assert (tmp_path / "stored" / source.name).read_bytes() == source.read_bytes()


async def _keep(serve: StartServer, *, task_status: trio.TaskStatus[RunningServer]) -> None:
    async with serve() as server:
        task_status.started(server)
        await trio.sleep_forever()


async def test_nginx_on_a_mirrors_folder(
    slow: Slow, new_computer: NewComputer, noise: Noise, tmp_path: Path, start_nginx: StartNginx
) -> None:
    """An open activation: the folder is laid out as OCS has it, and $IP$ stands for the mirror's address."""
    operator, _ = slow
    source = noise(20_000)
    async with distd_serve(operator.data, FAST) as server:
        mirror = join(operator.data, server.https_url, tmp_path, "paris", "--ip", "127.0.0.1")
        async with mirror.serve(), start_nginx(mirror.data / "download") as web:
            package_id = operator.publish(
                *("STORE", "--path", tmp_path / "stored", "--fragments", 4),
                source=source,
                info_server=f"{server.https}/download",
                fragment_server=f"$IP$:{web.http.rpartition(':')[2]}/download",
            )
            computer = new_computer(operator, server)
            operator.assign(package_id, computer)
            await until_ready(server, 1)
            report = await computer.run()
    assert report.codes == ((package_id, "SUCCESS"),)
    assert (tmp_path / "stored" / source.name).read_bytes() == source.read_bytes()
    assert web.requests() == [(f"/download/{package_id}/{package_id}-{number}", 200) for number in range(1, 5)]
