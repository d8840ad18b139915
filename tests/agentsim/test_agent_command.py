"""`agentsim agent` as a process of its own: kills, the lock, signals, bad usage."""

from __future__ import annotations

import hashlib
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
import trio

from distd.domain.records import Action
from tests.programs.processes import AGENTSIM, child, finish
from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.agentsim.faulty_server import FaultyServer

STORE = Action.STORE
ID = "1415269627"
CONTENT = b"".join(hashlib.sha256(bytes([n])).digest() for n in range(256)) * 40


def command(server: FaultyServer, state: Path, *more: str) -> list[str]:
    url = f"https://{server.https}/ocsinventory"
    arguments = ["--server", url, "--ca", str(server.authority.file), "--state", str(state), *more]
    return [AGENTSIM, "agent", *arguments]


async def run(arguments: list[str]) -> tuple[int, str]:
    status, _, errors = await finish(arguments)
    return status, errors


async def arrive(part: Path, size: int) -> None:
    await await_until(lambda: part.exists() and part.stat().st_size >= size, f"{part.name} has {size} bytes")


async def test_killed_inside_fragments_no_byte_that_came_is_fetched_twice(server: FaultyServer, tmp_path: Path) -> None:
    target, state = tmp_path / "srv", tmp_path / "state"
    server.add(ID, server.tar({"data": CONTENT}), STORE, target, 4)
    names = [f"{ID}-{n}" for n in (1, 2, 3)]
    half = len(server.files[f"/download/{ID}/{ID}-1"]) // 2
    server.faults = {f"/download/{ID}/{name}": ["hang"] for name in names}
    for name in names:
        async with child(command(server, state, "--once"), tmp_path / "log") as process:
            await arrive(state / "download" / ID / f"{name}.part", half)
            process.kill()
            await process.wait()
    status, log = await run(command(server, state, "--once"))
    assert status == 0, log
    assert server.results == [(ID, "SUCCESS")]
    assert (target / "data").read_bytes() == CONTENT
    asked = [request.partition(f"/download/{ID}/")[2] for request in server.requests if f"{ID}-" in request]
    assert asked == [*(request for name in names for request in (name, f"{name} bytes={half}-")), f"{ID}-4"]


@pytest.mark.parametrize("line", ["Retrieve info", "-2...OK", "Building package", "Storing package", "Sending message"])
async def test_killed_elsewhere_it_ends_in_one_result(server: FaultyServer, tmp_path: Path, line: str) -> None:
    target, state = tmp_path / "srv", tmp_path / "state"
    server.add(ID, server.tar({f"{n}": CONTENT + bytes([n]) for n in range(8)}), STORE, target, 3)
    process = await trio.lowlevel.open_process(command(server, state, "--once"), stderr=subprocess.PIPE)
    seen = b""
    assert process.stderr is not None
    while line.encode() not in seen:
        seen += bytes(await process.stderr.receive_some())
    process.kill()
    await process.wait()
    await process.stderr.aclose()
    status, log = await run(command(server, state, "--once"))
    assert status == 0, log
    # Killed after the server took the result and before that was on disk, it says the same once more.
    assert set(server.results) == {(ID, "SUCCESS")}
    assert len(server.results) == 1 or line == "Sending message"
    assert {path.name: path.read_bytes() for path in target.iterdir()} == {
        f"{n}": CONTENT + bytes([n]) for n in range(8)
    }


async def test_a_second_agent_is_refused(server: FaultyServer, tmp_path: Path) -> None:
    state = tmp_path / "state"
    process = await trio.lowlevel.open_process(command(server, state), stderr=subprocess.PIPE)
    seen = b""
    assert process.stderr is not None
    while b"contact latency" not in seen or not seen.endswith(b"\n"):
        seen += bytes(await process.stderr.receive_some())
    status, log = await run(command(server, state))
    assert (status, log) == (1, f"agentsim: --state: another agent runs on {state}\n")
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
    await process.stderr.aclose()
    assert (state / "agent.log").read_bytes() == seen


async def test_the_device_id_stays(server: FaultyServer, tmp_path: Path) -> None:
    for _ in range(2):
        assert (await run(command(server, tmp_path, "--once", "--name", "pc-1")))[0] == 0
    assert (tmp_path / "deviceid").read_text() == "pc-1"
    status, log = await run(command(server, tmp_path, "--once", "--name", "pc-2"))
    assert status == 1
    assert "--name" in log


async def test_a_state_that_was_open_to_others_is_closed(server: FaultyServer, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o755)
    server.add(ID, b"", Action.EXECUTE, f"touch {tmp_path}/proof", 0)
    status, log = await run(command(server, state, "--once", "--allow-execute"))
    assert status == 0, log
    assert f"{state} was open to others (mode 0755): it is 0700 now." in log
    assert (tmp_path / "proof").exists()


async def test_no_server(server: FaultyServer, tmp_path: Path) -> None:
    server.faults["/ocsinventory"] = [503]
    status, log = await run(command(server, tmp_path, "--once"))
    assert status == 1
    assert "Contacting the server...failed" in log


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--server", "ftp://x", "--server: expected https://host[:port]/ocsinventory, got ftp://x\n"),
        (
            *("--server", "http://ocs.example.org/ocsinventory"),
            "--server: expected https://host[:port]/ocsinventory, got http://ocs.example.org/ocsinventory; http:// is",
        ),
        ("--ca", "/nowhere", "--ca: expected a file that can be read"),
        ("--ca", "/etc/passwd", "--ca: expected a certificate in PEM form"),
        ("--state", "/proc/x", "--state: expected a directory that can be written to"),
        ("--max-unpacked", "much", "--max-unpacked: expected a size"),
    ],
)
async def test_bad_usage(server: FaultyServer, tmp_path: Path, option: str, value: str, says: str) -> None:
    status, log = await run(command(server, tmp_path, option, value))
    assert status == 2
    assert log.startswith(f"agentsim: {says}")
    assert log.count("\n") == 1


async def test_help_shows_an_example() -> None:
    _, out, _ = await finish([AGENTSIM, "agent", "--help"])
    assert "Example:\n    agentsim agent --server" in out
