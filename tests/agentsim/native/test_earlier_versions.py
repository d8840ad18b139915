"""The state directory of an earlier version goes on with this one. How it was made: data/README.md."""

from __future__ import annotations

import io
import shutil
import tarfile
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from agentsim.native.agent import NativeAgent
from agentsim.native.state import open_state
from distd.domain.settings import DownloadConfig
from distd.lane.client.http_client import open_client

if TYPE_CHECKING:
    from tests.agentsim.faulty_server import FaultyServer

DATA = Path(__file__).with_name("data")
DEVICE_ID = "pc-2026-01-02-03-04-05"
VERSIONS = sorted(path.name for path in DATA.iterdir() if path.is_dir())
LONG_AGO_DAYS = 36_500  # the packages must not time out


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_agent_goes_on_where_it_was(server: FaultyServer, tmp_path: Path, version: str) -> None:
    data = DATA / version
    state = tmp_path / "state"
    shutil.copytree(data / "state", state)
    server.config = DownloadConfig(True, 0, 0, 0, 10, timeout_days=LONG_AGO_DAYS)
    server.files |= {f"/download/17/{path.name}": path.read_bytes() for path in (data / "served").iterdir()}
    for package_id in ("15", "17"):
        server.list(package_id)
    ca = x509.load_pem_x509_certificate((data / "cacert.pem").read_bytes())
    with open_state(state) as held:
        device_id = held.device_id("other", datetime(2027, 1, 1))  # noqa: DTZ001
        async with open_client(server.authority.client_context) as client:
            url = f"https://{server.https}/ocsinventory"
            agent = NativeAgent(url, ca, held, client, device_id, lambda line: None)
            summary = await agent.run(once=True)
    assert (device_id, summary.reached) == (DEVICE_ID, True)
    # The result that was refused is sent; the package in the history is not run again; the download goes on in place.
    assert server.results == [("16", "ERR_EXECUTE"), ("15", "SUCCESS_ALREADY_SETUP"), ("17", "SUCCESS")]
    fetched = [request for request in server.requests if "/17/" in request]
    assert fetched == ["GET /download/17/17-2 bytes=1000-", "GET /download/17/17-3"]
    archive = b"".join((data / "served" / f"17-{number}").read_bytes() for number in (1, 2, 3))
    with tarfile.open(fileobj=io.BytesIO(archive)) as tape:
        member = tape.extractfile("data")
        assert member is not None
        assert (state / "stored/data").read_bytes() == member.read()
    assert (state / "history").read_text().split() == ["15", "17"]
    assert list((state / "download").iterdir()) == []
