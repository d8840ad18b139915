"""The data directory of a mirror made by version 0.1.0 goes on with this one."""

from __future__ import annotations

import json
import tarfile
import urllib.request
from pathlib import Path

import pytest
import trio

from tests.programs.mirror import Mirror, command
from tests.programs.processes import REDISTRIB
from tests.redistrib.origin_program import Origin

STORED = Path(__file__).parent / "version_0_1" / "origin_and_mirror.tar.gz"
WHOLE, PARTIAL = "1795712727", "1795712749"
PARTIAL_BYTES = 40_243


@pytest.fixture
def stored(tmp_path: Path) -> tuple[Origin, Mirror]:
    """The origin and the mirror at the addresses of this run."""
    with tarfile.open(STORED) as archive:
        archive.extractall(tmp_path, filter="data")
    origin, mirror = Origin(tmp_path, tmp_path / "origin"), Mirror(tmp_path, "paris")
    identity = mirror.data / "keys" / "mirror.json"
    identity.write_text(json.dumps(json.loads(identity.read_text()) | {"origin": origin.url}))
    return origin, mirror


async def fetch(url: str) -> bytes:
    def ask() -> bytes:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return bytes(answer.read())

    return await trio.to_thread.run_sync(ask)


async def test_it_is_verified_served_and_followed(stored: tuple[Origin, Mirror]) -> None:
    origin, mirror = stored
    assert command(REDISTRIB, "verify", "--data", mirror.data) == [{"id": WHOLE, "good": True, "faults": []}]
    assert command(REDISTRIB, "status", "--data", mirror.data, status=1)
    arrived_bytes = next((mirror.data / "incoming").iterdir()).stat().st_size
    (batch,) = (mirror.data / "spool").iterdir()
    async with mirror.serve():  # while the origin is away
        fragment = await fetch(f"http://{mirror.http}/download/{WHOLE}/{WHOLE}-2")
        assert fragment == (origin.data / "download" / WHOLE / f"{WHOLE}-2").read_bytes()
        assert mirror.metric("redistrib_packages") == 1
    async with origin.serve(), mirror.serve():
        await origin.until_ready("paris", PARTIAL)
        assert mirror.metric("redistrib_bytes_fetched") == PARTIAL_BYTES - arrived_bytes
        third = origin.build(b"new" * 1000)
        await origin.until_ready("paris", third)
        await origin.until(lambda: not batch.exists(), "the origin knows who fetched what")
        assert all(origin.same(mirror, package_id) for package_id in (WHOLE, PARTIAL, third))
    assert all(row["good"] for row in command(REDISTRIB, "verify", "--data", mirror.data))
