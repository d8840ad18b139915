"""A branch office behind a bad line, a clock that is wrong, a disk that is full: agents still end with SUCCESS."""

from __future__ import annotations

import contextlib
import json
import random
import re
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
import trio

from tests.programs.mirror import Mirror, command, join_as
from tests.programs.network_lines import BRANCH, MAIN, open_line
from tests.programs.processes import DISTD, REDISTRIB, child, distd_serve, plain_environment
from tests.programs.stock_agent import StockAgent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOISE = random.Random(5).randbytes(1_500_000)
FRAGMENTS = 22
# So the downloads last longer than the origin is away.
SLOW = {
    "download.frag_latency_s": 3,
    "download.cycle_latency_s": 0,
    "download.period_latency_s": 0,
    "agents.inventory_freq_days": -1,
    "mirrors.via": "direct",
}
AWAY_S = 60


def agentsim(root: Any, url: Any, ca: Any, within: Any = ()) -> Any:
    """A native agent that runs once: command and log."""
    program = DISTD.replace("distd", "agentsim")
    where = ("--server", f"{url}/ocsinventory", "--ca", ca, "--state", root / "native", "--name", "native")
    return [*within, program, "agent", *map(str, where), "--once"], root / "native.log"


async def run(command_line: Any, log: Any) -> None:
    async with child(command_line, log, env=plain_environment()) as process:
        with trio.fail_after(200):
            assert await process.wait() == 0, log.read_text()


@pytest.mark.line
async def test_a_branch_behind_a_bad_line(tmp_path: Path) -> None:
    """Slow and lossy, cut in the middle of a sync, then the origin away for a minute in the middle of the downloads."""
    data = tmp_path / "origin"
    subprocess.run([DISTD, "init", "--data", data, "--host", MAIN], check=True, capture_output=True)
    source = tmp_path / "source.bin"
    source.write_bytes(NOISE)

    def distd(*words: Any) -> Any:
        return command(DISTD, *words, "--data", data)

    with open_line() as line:
        line.shape(mbit_per_s=4, delay_ms=40, loss_percent=1)
        serve = {"http": f"{MAIN}:8080", "https": f"{MAIN}:8443", "within": line.main}
        url = f"https://{MAIN}:8443"
        async with distd_serve(data, SLOW, **serve) as origin:
            mirror = join_as(Mirror(tmp_path, "branch", BRANCH, line.branch), data, url, "--network", "10.213.0.0/24")
            async with mirror.serve():
                order = ("--name", "x", "--os", "LINUX", "--action", "STORE", "--path", tmp_path / "there")
                order += ("--priority", 1, "--fragments", FRAGMENTS)
                package_id = distd("package", "build", source, *order)["id"]
                distd("package", "activate", package_id)
                await until(lambda: len(list(mirror.data.joinpath("incoming").iterdir())) > 5)
                line.cut()
                await trio.sleep(3)
                line.mend()
                await until(lambda: distd("mirror", "show", "branch")["ready"] == 1)
                # It went on where it was: about what a package costs, and not twice.
                shown = subprocess.run(
                    [*line.branch, "curl", "-s", f"http://{mirror.http}/metrics"], capture_output=True
                )
                fetched = re.search(rb"^redistrib_bytes_fetched_total (\S+)$", shown.stdout, re.MULTILINE)
                assert fetched is not None
                assert 1_500_000 <= float(fetched[1]) < 1_900_000
                stock = StockAgent(
                    f"http://{MAIN}:8080/ocsinventory", data / "cacert.pem", tmp_path / "pc", within=line.branch
                )
                await stock.run()
                await run(*agentsim(tmp_path, url, data / "cacert.pem", line.branch))
                for computer in (stock.device_id, "native"):
                    distd("assign", package_id, "--computer", computer)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(run, *agentsim(tmp_path, url, data / "cacert.pem", line.branch))
                    async with stock.started() as running:
                        await running.until(f"Success downloading {package_id}-2", timeout_s=60)
                        await origin.kill()
                        await trio.sleep(AWAY_S)
                        async with distd_serve(data, SLOW, **serve):
                            with trio.fail_after(150):
                                report = await running.ended()
                            assert report.codes == ((package_id, "SUCCESS"),)
                            await until(lambda: codes(distd("results", package_id)) == {"SUCCESS"}, 60)
                            # What the branch fetched while nobody could be told is known too.
                            done = lambda: [row["fragments_fetched"] for row in distd("results", package_id)]  # noqa: E731
                            await until(lambda: done() == [FRAGMENTS] * 2, 60)
    assert (tmp_path / "there" / "source.bin").read_bytes() == NOISE


def codes(rows: Any) -> Any:
    return {row["code"] for row in rows}


async def until(condition: Any, seconds: Any = 60) -> None:
    with trio.fail_after(seconds):
        while not condition():
            await trio.sleep(0.2)


@pytest.mark.clock
@pytest.mark.parametrize("offset", ["+1h", "-1h"])
async def test_a_clock_an_hour_off(world: Any, tmp_path: Path, offset: Any) -> None:
    async with world.serve(mirrors__via="direct"):
        wrong = ("env", "DONT_FAKE_MONOTONIC=1", "faketime", "-f", offset)
        mirror = join_as(Mirror(tmp_path, "paris", within=wrong), world.data, world.url, "--network", "127.0.0.0/8")
        async with mirror.serve():
            package_id = world.build(NOISE[:300_000], "--fragments", "3", target=tmp_path / "there")
            world.distd("package", "activate", package_id)
            await world.until_told(1)
            where = agentsim(tmp_path, world.url, world.data / "cacert.pem")
            await run(*where)
            world.distd("assign", package_id, "--computer", "native")
            await run(*where)
            assert mirror.metric("redistrib_fragments_sent") == 3
            shown = json.loads(mirror.data.joinpath("status.json").read_text())
            assert 3500 < abs(shown["at_s"] - time.time()) < 3700
            await world.until(lambda: world.distd("results", package_id)[0]["fragments_fetched"] == 3)
    assert (tmp_path / "there" / "source.bin").read_bytes() == NOISE[:300_000]


@pytest.mark.line
async def test_a_full_disk(world: Any, tmp_path: Path) -> None:
    """What does not fit is fetched nowhere, agents get it from the origin; what has come stays good."""
    async with world.serve():
        with small_disk(tmp_path / "paris", "4m"):
            mirror = join_as(Mirror(tmp_path, "paris"), world.data, world.url)
            async with mirror.serve(store__keep_free_mib=0):
                fits = world.build(NOISE[:1_000_000], "--fragments", "3")
                world.distd("package", "activate", fits)  # else it would make room
                await world.until_ready("paris", fits)
                large = world.build(random.Random(6).randbytes(6_000_000), "--fragments", 6, target=tmp_path / "there")
                world.distd("package", "activate", large)
                await world.until(lambda: "bytes more than may be taken" in mirror.log())
                # The disk is full at once, whatever was planned: every write from here on fails.
                (mirror.data / "filler").write_bytes(b"")
                with contextlib.suppress(OSError), (mirror.data / "filler").open("wb") as filler:
                    while True:
                        filler.write(bytes(4096))
                where = agentsim(tmp_path, world.url, world.data / "cacert.pem")
                await run(*where)
                world.distd("assign", large, "--computer", "native")
                await run(*where)
                assert world.same(mirror, fits)
                (mirror.data / "filler").unlink()
                smaller = world.build(random.Random(7).randbytes(500_000))
                await world.until_ready("paris", smaller)
                await mirror_is_whole(mirror)
    assert (tmp_path / "there" / "source.bin").read_bytes() == random.Random(6).randbytes(6_000_000)


async def mirror_is_whole(mirror: Any) -> None:
    rows = await trio.to_thread.run_sync(command, REDISTRIB, "verify", "--data", mirror.data)
    assert [row["good"] for row in rows] == [True, True]


@contextlib.contextmanager
def small_disk(folder: Any, size: Any) -> Iterator[Any]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
