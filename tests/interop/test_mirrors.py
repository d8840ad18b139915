"""The stock agent fetches from redistribution servers, and does not notice when one dies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

from tests.interop.conftest import FAST
from tests.programs.mirror import join, metric
from tests.programs.processes import distd_serve

if TYPE_CHECKING:
    from pathlib import Path


async def until_ready(site: Any, count: Any) -> None:
    """So many mirrors have the package, and the server knows it when the next agent asks."""
    with trio.fail_after(30):
        while metric(site.http, "distd_mirrors_ready") < count:
            await trio.sleep(0.1)


def url_of(site: Any) -> Any:
    return f"https://localhost:{site.https.rpartition(':')[2]}"


@pytest.mark.parametrize("via", ["direct", "steer"])
async def test_fragments_come_from_the_mirror(
    slow: Any, new_computer: Any, noise: Any, tmp_path: Path, via: Any
) -> None:
    operator, _ = slow
    source = noise(20_000)
    async with distd_serve(operator.data, FAST | {"mirrors.via": via}) as site:
        mirror = join(operator.data, url_of(site), tmp_path, "paris", "--network", "127.0.0.0/8")
        package_id = operator.publish("STORE", "--path", tmp_path / "stored", "--fragments", 4, source=source)
        computer = new_computer(operator, site)
        operator.assign(package_id, computer)
        async with mirror.serve():
            await until_ready(site, 1)
            report = await computer.run()
            assert mirror.metric("redistrib_fragments_sent") == 4
            await operator.fetched(package_id, computer, 4)  # the mirror has told
    assert report.codes == ((package_id, "SUCCESS"),)
    assert (tmp_path / "stored" / source.name).read_bytes() == source.read_bytes()


@pytest.mark.parametrize("mirrors", [1, 2])
async def test_a_mirror_dies_in_the_middle(
    slow: Any, new_computer: Any, noise: Any, tmp_path: Path, mirrors: Any
) -> None:
    """With "steer" its agents are sent to the next mirror, or get the rest from the origin."""
    operator, serve = slow
    source = noise(40_000)
    async with serve() as site:
        names = ["paris", "lyon"][:mirrors]
        there = [join(operator.data, url_of(site), tmp_path, name) for name in names]
        package_id = operator.publish("STORE", "--path", tmp_path / "stored", "--fragments", 8, source=source)
        computer = new_computer(operator, site)
        operator.assign(package_id, computer)
        async with trio.open_nursery() as nursery:
            sites = {one: await nursery.start(_keep, one.serve) for one in there}
            await until_ready(site, mirrors)
            async with computer.started() as running:
                await running.until(f"Success downloading {package_id}-2")
                used = max(there, key=lambda one: one.metric("redistrib_fragments_sent"))
                assert used.metric("redistrib_fragments_sent") >= 2
                await sites[used].kill()
                report = await running.ended()
            nursery.cancel_scope.cancel()
    assert report.codes == ((package_id, "SUCCESS"),)
    assert (tmp_path / "stored" / source.name).read_bytes() == source.read_bytes()


async def _keep(serve: Any, *, task_status: Any) -> None:
    async with serve() as site:
        task_status.started(site)
        await trio.sleep_forever()


async def test_nginx_on_a_mirrors_folder(
    slow: Any, new_computer: Any, noise: Any, tmp_path: Path, start_nginx: Any
) -> None:
    """An open activation: the folder is laid out as OCS has it, and $IP$ stands for the mirror's address."""
    operator, _ = slow
    source = noise(20_000)
    async with distd_serve(operator.data, FAST) as site:
        mirror = join(operator.data, url_of(site), tmp_path, "paris", "--ip", "127.0.0.1")
        async with mirror.serve(), start_nginx(mirror.data / "download") as web:
            package_id = operator.publish(
                *("STORE", "--path", tmp_path / "stored", "--fragments", 4),
                source=source,
                info_server=f"{site.https}/download",
                fragment_server=f"$IP$:{web.http.rpartition(':')[2]}/download",
            )
            computer = new_computer(operator, site)
            operator.assign(package_id, computer)
            await until_ready(site, 1)
            report = await computer.run()
    assert report.codes == ((package_id, "SUCCESS"),)
    assert (tmp_path / "stored" / source.name).read_bytes() == source.read_bytes()
    assert web.asked() == [(f"/download/{package_id}/{package_id}-{number}", 200) for number in range(1, 5)]
