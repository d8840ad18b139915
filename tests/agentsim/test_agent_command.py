"""`agentsim agent` as a process of its own: kills, the lock, signals, bad usage."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import trio

from distd.domain.records import Action

if TYPE_CHECKING:
    from pathlib import Path

STORE = Action.STORE
ID = "1415269627"
CONTENT = b"".join(hashlib.sha256(bytes([n])).digest() for n in range(256)) * 40


def command(site: Any, state: Path, *more: str) -> list[str]:
    server = f"https://{site.https}/ocsinventory"
    arguments = ["--server", server, "--ca", str(site.authority.file), "--state", str(state), *more]
    return [sys.executable, "-c", "from agentsim.cli import main; main()", "agent", *arguments]


async def run(arguments: list[str]) -> tuple[int | None, str]:
    done = await trio.run_process(arguments, check=False, capture_stderr=True, capture_stdout=True)
    return done.returncode, done.stderr.decode()


async def arrive(part: Path, size: int) -> None:
    while not part.exists() or part.stat().st_size < size:
        await trio.sleep(0.002)


async def test_killed_inside_fragments_no_byte_that_came_is_fetched_twice(site: Any, tmp_path: Path) -> None:
    target, state = tmp_path / "srv", tmp_path / "state"
    site.add(ID, site.tar({"data": CONTENT}), STORE, target, 4)
    names = [f"{ID}-{n}" for n in (1, 2, 3)]
    half = len(site.files[f"/download/{ID}/{ID}-1"]) // 2
    site.faults = {f"/download/{ID}/{name}": ["hang"] for name in names}
    for name in names:
        process = await trio.lowlevel.open_process(command(site, state, "--once"), stderr=subprocess.DEVNULL)
        await arrive(state / "download" / ID / f"{name}.part", half)
        process.kill()
        await process.wait()
    status, log = await run(command(site, state, "--once"))
    assert status == 0, log
    assert site.results == [(ID, "SUCCESS")]
    assert (target / "data").read_bytes() == CONTENT
    asked = [request.partition(f"/download/{ID}/")[2] for request in site.requests if f"{ID}-" in request]
    assert asked == [*(one for name in names for one in (name, f"{name} bytes={half}-")), f"{ID}-4"]


@pytest.mark.parametrize("line", ["Retrieve info", "-2...OK", "Building package", "Storing package", "Sending message"])
async def test_killed_elsewhere_it_ends_in_one_result(site: Any, tmp_path: Path, line: str) -> None:
    target, state = tmp_path / "srv", tmp_path / "state"
    site.add(ID, site.tar({f"{n}": CONTENT + bytes([n]) for n in range(8)}), STORE, target, 3)
    process = await trio.lowlevel.open_process(command(site, state, "--once"), stderr=subprocess.PIPE)
    seen = b""
    assert process.stderr is not None
    while line.encode() not in seen:
        seen += bytes(await process.stderr.receive_some())
    process.kill()
    await process.wait()
    await process.stderr.aclose()
    status, log = await run(command(site, state, "--once"))
    assert status == 0, log
    # Killed after the server took the result and before that was on disk, it says the same once more.
    assert set(site.results) == {(ID, "SUCCESS")}
    assert len(site.results) == 1 or line == "Sending message"
    assert {path.name: path.read_bytes() for path in target.iterdir()} == {
        f"{n}": CONTENT + bytes([n]) for n in range(8)
    }


async def test_a_second_agent_is_refused(site: Any, tmp_path: Path) -> None:
    state = tmp_path / "state"
    process = await trio.lowlevel.open_process(command(site, state), stderr=subprocess.PIPE)
    seen = b""
    assert process.stderr is not None
    while b"contact latency" not in seen or not seen.endswith(b"\n"):
        seen += bytes(await process.stderr.receive_some())
    status, log = await run(command(site, state))
    assert (status, log) == (1, f"agentsim: --state: another agent runs on {state}\n")
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
    await process.stderr.aclose()
    assert (state / "agent.log").read_bytes() == seen


async def test_the_device_id_stays(site: Any, tmp_path: Path) -> None:
    for _ in range(2):
        assert (await run(command(site, tmp_path, "--once", "--name", "pc-1")))[0] == 0
    assert (tmp_path / "deviceid").read_text() == "pc-1"
    status, log = await run(command(site, tmp_path, "--once", "--name", "pc-2"))
    assert status == 1
    assert "--name" in log


async def test_no_server(site: Any, tmp_path: Path) -> None:
    site.faults["/ocsinventory"] = [503]
    status, log = await run(command(site, tmp_path, "--once"))
    assert status == 1
    assert "Contacting the server...failed" in log


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--server", "ftp://x", "--server: expected http"),
        ("--ca", "/nowhere", "--ca: expected a file that can be read"),
        ("--ca", "/etc/passwd", "--ca: expected a certificate in PEM form"),
        ("--state", "/proc/x", "--state: expected a directory that can be written to"),
    ],
)
async def test_bad_usage(site: Any, tmp_path: Path, option: str, value: str, says: str) -> None:
    status, log = await run(command(site, tmp_path, option, value))
    assert status == 2
    assert log.startswith(f"agentsim: {says}")
    assert log.count("\n") == 1


async def test_help_shows_an_example() -> None:
    done = await trio.run_process(
        [sys.executable, "-c", "from agentsim.cli import main; main()", "agent", "--help"], capture_stdout=True
    )
    assert b"Example:\n    agentsim agent --server" in done.stdout
