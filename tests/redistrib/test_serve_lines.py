"""A branch office behind a bad line, a clock that is wrong, a disk that is full: agents still end with SUCCESS."""

from __future__ import annotations

import json
import random
import re
import subprocess
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio

from tests.programs.mirror import Mirror, command, join_as
from tests.programs.network_lines import BRANCH, MAIN, open_line
from tests.programs.processes import DISTD, REDISTRIB, child, distd_serve, plain_environment
from tests.programs.small_disk import fill_up, small_disk
from tests.programs.stock_agent import StockAgent
from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.programs.network_lines import NetworkLine
    from tests.redistrib.origin_program import Origin

NOISE = random.Random(5).randbytes(1_500_000)
SMALL = NOISE[:600_000]  # two or three seconds on the bad line
FRAGMENTS = 12
# So the downloads go on while the origin is away.
SLOW = {
    "download.frag_latency_s": 1,
    "download.cycle_latency_s": 0,
    "download.period_latency_s": 0,
    "agents.inventory_freq_days": -1,
    "mirrors.via": "direct",
}
AWAY_FRAGMENTS = 6  # that the mirror serves while the origin is away


def agentsim(root: Path, url: str, ca: Path, within: Sequence[str] = ()) -> tuple[list[str], Path]:
    """A native agent that runs once: command and log."""
    program = DISTD.replace("distd", "agentsim")
    options = ("--server", f"{url}/ocsinventory", "--ca", ca, "--state", root / "native", "--name", "native")
    return [*within, program, "agent", *map(str, options), "--once"], root / "native.log"


async def run(command_line: list[str], log: Path) -> None:
    async with child(command_line, log, env=plain_environment()) as process:
        with trio.fail_after(600):
            assert await process.wait() == 0, log.read_text()


@pytest.mark.line
async def test_a_branch_behind_a_bad_line(tmp_path: Path) -> None:
    """Slow and lossy, cut in the middle of a sync; then the origin is away in the middle of the downloads."""
    data = tmp_path / "origin"
    command(DISTD, "init", "--data", data, "--host", MAIN)
    source = tmp_path / "source.bin"
    source.write_bytes(SMALL)

    def distd(*words: object) -> Any:
        return command(DISTD, *words, "--data", data)

    with open_line() as line:
        line.shape(mbit_per_s=2, delay_ms=40, loss_percent=1)
        serve = partial(distd_serve, data, SLOW, http=f"{MAIN}:8080", https=f"{MAIN}:8443", within=line.main)
        url = f"https://{MAIN}:8443"
        async with serve() as origin:
            mirror = join_as(Mirror(tmp_path, "branch", BRANCH, line.branch), data, url, "--network", "10.213.0.0/24")
            package = ["--name", "x", "--os", "LINUX", "--action", "STORE", "--path", tmp_path / "there"]
            package += ["--priority", "1", "--fragments", str(FRAGMENTS)]
            package_id = distd("package", "build", source, *package)["id"]
            distd("package", "activate", package_id)
            async with mirror.serve():
                await until(lambda: len(list(mirror.data.joinpath("incoming").iterdir())) > 5, "fragments come")
                line.cut()
                cut_s = trio.current_time()  # nothing depends on how long it is
                await until(lambda: trio.current_time() > cut_s + 3, "the line was cut for a while")
                line.mend()
                await until(lambda: distd("mirror", "show", "branch")["ready"] == 1, "the mirror has it")
                # It went on where it was: about what a package costs, and not twice.
                assert len(SMALL) <= metric_within(line, mirror, "redistrib_bytes_fetched") < 1.3 * len(SMALL)
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
                        await running.until(f"Success downloading {package_id}-2")
                        await origin.kill()
                        served = sent(line, mirror)
                        await until(lambda: sent(line, mirror) >= served + AWAY_FRAGMENTS, "the mirror serves on")
                        async with serve():
                            with trio.fail_after(600):
                                report = await running.ended()
                            assert report.codes == ((package_id, "SUCCESS"),)
                            await until(lambda: columns(distd, package_id, "code") == ["SUCCESS"] * 2, "both succeed")
                            # What the branch fetched while the origin could not be told is known too.
                            await until(
                                lambda: columns(distd, package_id, "fragments_fetched") == [FRAGMENTS] * 2,
                                "all fragments are known",
                            )
    assert (tmp_path / "there" / "source.bin").read_bytes() == SMALL


def columns(distd: Callable[..., Any], package_id: str, name: str) -> list[Any]:
    return [row[name] for row in distd("results", package_id)["items"]]


def metric_within(line: NetworkLine, mirror: Mirror, name: str) -> float:
    """A figure of the mirror's `/metrics`, asked for in its own network."""
    command_line = [*line.branch, "curl", "-s", f"http://{mirror.http}/metrics"]
    shown = subprocess.run(command_line, capture_output=True, text=True, check=True).stdout
    found = re.search(rf"^{name}_total (\S+)$", shown, re.MULTILINE)
    assert found is not None, shown
    return float(found[1])


def sent(line: NetworkLine, mirror: Mirror) -> float:
    return metric_within(line, mirror, "redistrib_fragments_sent")


async def until(condition: Callable[[], object], what: str) -> None:
    await await_until(condition, what, limit_s=300, interval_s=0.2)


@pytest.mark.clock
@pytest.mark.parametrize("offset", ["+1h", "-1h"])
async def test_a_clock_an_hour_off(origin: Origin, tmp_path: Path, offset: str) -> None:
    async with origin.serve(mirrors__via="direct"):
        wrong = ("env", "DONT_FAKE_MONOTONIC=1", "faketime", "-f", offset)
        mirror = join_as(Mirror(tmp_path, "paris", within=wrong), origin.data, origin.url, "--network", "127.0.0.0/8")
        async with mirror.serve():
            package_id = origin.build(NOISE[:300_000], "--fragments", "3", target=tmp_path / "there")
            origin.distd("package", "activate", package_id)
            await origin.until_known(1)
            agent = agentsim(tmp_path, origin.url, origin.data / "cacert.pem")
            await run(*agent)
            origin.distd("assign", package_id, "--computer", "native")
            await run(*agent)
            assert mirror.metric("redistrib_fragments_sent") == 3
            shown = json.loads(mirror.data.joinpath("status.json").read_text())
            assert 3500 < abs(shown["at_s"] - time.time()) < 3700
            await origin.until(lambda: origin.distd("results", package_id)["items"][0]["fragments_fetched"] == 3)
    assert (tmp_path / "there" / "source.bin").read_bytes() == NOISE[:300_000]


@pytest.mark.line
async def test_a_full_disk(origin: Origin, tmp_path: Path) -> None:
    """What does not fit is not fetched: agents get it from the origin. What has come stays good."""
    async with origin.serve():
        with small_disk(tmp_path / "paris", "4m"):
            mirror = join_as(Mirror(tmp_path, "paris"), origin.data, origin.url)
            async with mirror.serve(store__keep_free_mib=0):
                fits = origin.build(NOISE[:1_000_000], "--fragments", "3")
                origin.distd("package", "activate", fits)  # else it would make room
                await origin.until_ready("paris", fits)
                large = origin.build(random.Random(6).randbytes(6_000_000), "--fragments", 6, target=tmp_path / "there")
                origin.distd("package", "activate", large)
                await origin.until(lambda: "bytes more than may be taken" in mirror.log())
                # The disk is full at once, whatever was planned: every write from here on fails.
                fill_up(mirror.data / "filler")
                agent = agentsim(tmp_path, origin.url, origin.data / "cacert.pem")
                await run(*agent)
                origin.distd("assign", large, "--computer", "native")
                await run(*agent)
                assert origin.same(mirror, fits)
                (mirror.data / "filler").unlink()
                smaller = origin.build(random.Random(7).randbytes(500_000))
                await origin.until_ready("paris", smaller)
                await mirror_is_whole(mirror)
    assert (tmp_path / "there" / "source.bin").read_bytes() == random.Random(6).randbytes(6_000_000)


async def mirror_is_whole(mirror: Mirror) -> None:
    rows = await trio.to_thread.run_sync(command, REDISTRIB, "verify", "--data", mirror.data)
    assert [row["good"] for row in rows] == [True, True]
