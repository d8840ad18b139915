"""A native agent and a signer that is revoked: while it downloads, while it is away, while the server is away."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import trio

from agentsim.native.trust_updates import TRUST_PATH
from distd.domain.records import Action

if TYPE_CHECKING:
    from pathlib import Path

    from tests.agentsim.faulty_server import FaultyServer

ID = "1415269627"
RANDOM = b"".join(hashlib.sha256(bytes([n])).digest() for n in range(256)) * 8


def add(server: FaultyServer, target: Path) -> None:
    server.add(ID, server.tar({"data": RANDOM}), Action.STORE, target, 3)


async def interrupted(server: FaultyServer, state: Path) -> None:
    """An agent that is killed while it fetches the second fragment of three."""
    server.faults[f"/download/{ID}/{ID}-2"] = ["hang"]
    with trio.move_on_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.run, state)
            while not server.count(f"{ID}-2"):
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()


async def test_an_agent_that_was_away_goes_on_with_what_it_has(server: FaultyServer, tmp_path: Path) -> None:
    """Fragments that had come are not fetched again: the new manifest says the same of them."""
    add(server, tmp_path / "srv")
    await interrupted(server, tmp_path / "state")
    server.change_signer()
    lines: list[str] = []
    summary = await server.run(tmp_path / "state", lines.append)
    assert summary.is_good
    assert (tmp_path / "srv/data").read_bytes() == RANDOM
    assert server.count(f"GET /download/{ID}/{ID}-1") == 1
    assert "The trust file is of epoch 1 now." in lines


async def test_what_a_revoked_signer_signed_is_refused_and_told(server: FaultyServer, tmp_path: Path) -> None:
    """With the signing key that leaked anybody could have signed it, in any version."""
    add(server, tmp_path / "srv")
    leaked = server.files[f"/download/{ID}/manifest"]
    server.change_signer()
    server.files[f"/download/{ID}/manifest"] = leaked
    lines: list[str] = []
    await server.run(tmp_path / "state", lines.append)
    assert server.results == [(ID, "ERR_DOWNLOAD_INFO")]
    assert "manifest signer: expected a certificate that is not revoked" in "\n".join(lines)
    assert not (tmp_path / "srv").exists()


async def test_what_was_revoked_stays_revoked(server: FaultyServer, tmp_path: Path) -> None:
    """Whoever is between serves the earlier trust file, or none, and the leaked signer's manifest."""
    add(server, tmp_path / "srv")
    leaked, first = server.files[f"/download/{ID}/manifest"], server.authority
    server.change_signer()
    earlier = server.files[TRUST_PATH]
    server.authority = first
    server.change_signer()
    await server.run(tmp_path / "state")
    assert server.results == [(ID, "SUCCESS")]
    for served in (earlier, None, b"nonsense"):
        server.files.pop(TRUST_PATH)
        if served is not None:
            server.files[TRUST_PATH] = served
        else:
            server.files[TRUST_PATH] = b""
        server.files[f"/download/{ID}/manifest"] = leaked
        server.list(ID, force=True)
        await server.run(tmp_path / "state")
        assert server.results[-1] == (ID, "ERR_DOWNLOAD_INFO")


async def test_a_package_that_is_another_one_by_now_is_fetched_anew(server: FaultyServer, tmp_path: Path) -> None:
    add(server, tmp_path / "srv")
    await interrupted(server, tmp_path / "state")
    server.change_signer()
    server.add(ID, server.tar({"data": RANDOM[::-1]}), Action.STORE, tmp_path / "srv", 3)
    server.set_version(ID, 3)
    assert (await server.run(tmp_path / "state")).is_good
    assert (tmp_path / "srv/data").read_bytes() == RANDOM[::-1]


async def test_without_an_answer_it_waits_and_deploys_nothing(server: FaultyServer, tmp_path: Path) -> None:
    add(server, tmp_path / "srv")
    await interrupted(server, tmp_path / "state")
    server.change_signer()
    server.faults[f"/download/{ID}/manifest"] = [503]
    lines: list[str] = []
    with trio.move_on_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.run, tmp_path / "state", lines.append)
            while not any("has ended" in line or "not revoked" in line for line in lines) and len(lines) < 40:
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
    assert not (tmp_path / "srv").exists()
    summary = await server.run(tmp_path / "state")
    assert summary.is_good
