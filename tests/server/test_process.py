"""A serving process, attacked by inventories that inflate; and what it does beside serving."""

from __future__ import annotations

import contextlib
import http.client
import re
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio
from sqlalchemy import text

from distd.domain.errors import Unavailable
from distd.origin.installation import open_installation
from distd.server import process
from tests.programs.processes import distd_serve

if TYPE_CHECKING:
    import pytest

    from tests.programs.processes import RunningServer

MB = 1_000_000


def inventories(content: bytes, number: int) -> list[bytes]:
    """The bodies of so many computers' inventories with this content."""
    deflater = zlib.compressobj(9)
    begin = deflater.compress(b"<REQUEST><CONTENT>" + content + b"</CONTENT>")
    bodies = []
    for computer in range(number):
        end = deflater.copy()
        text = f"<DEVICEID>evil-{len(content)}-{computer}</DEVICEID><QUERY>INVENTORY</QUERY></REQUEST>"
        bodies.append(begin + end.compress(text.encode()) + end.flush())
    return bodies


def post(server: RunningServer, body: bytes) -> int:
    with contextlib.closing(http.client.HTTPConnection(server.http, timeout=60)) as connection:
        connection.request("POST", "/ocsinventory", body, {"Content-Type": "application/x-compress"})
        return connection.getresponse().status


async def post_all(server: RunningServer, bodies: list[bytes]) -> list[int]:
    """At once; the statuses of the answers."""
    statuses: list[int] = []

    async def post_one(body: bytes) -> None:
        statuses.append(await trio.to_thread.run_sync(post, server, body))

    async with trio.open_nursery() as nursery:
        for body in bodies:
            nursery.start_soon(post_one, body)
    return statuses


def memory_bytes(pid: int, of: str) -> int:
    match = re.search(rf"{of}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert match is not None
    return int(match[1]) * 1024


async def test_inventories_that_inflate_take_neither_memory_nor_disk(data: Any) -> None:
    """21 of 90 kB made a catalogue of 637 MB and took 1.3 GB of memory."""
    fields = b"".join(b"<F%d>%s</F%d>" % (number, b"ab" * 2000, number) for number in range(8))
    too_far = inventories(b"<NETWORKS>%s</NETWORKS>" % fields * 1000, 21)  # 32 MB
    row = b"<SOFTWARES><NAME>%06d%s</NAME><PUBLISHER>%s</PUBLISHER></SOFTWARES>"
    just_far_enough = inventories(b"".join(row % (n, b"n" * 40, b"p" * 30) for n in range(10_000)), 5)  # 1.3 MB
    prolog = zlib.compress(b"<REQUEST><DEVICEID>good</DEVICEID><QUERY>PROLOG</QUERY></REQUEST>")
    async with distd_serve(data.root) as server:
        assert await post_all(server, [prolog]) == [200]
        before_bytes = memory_bytes(server.process.pid, "VmRSS")
        assert await post_all(server, too_far) == [413] * 21
        assert await post_all(server, [*just_far_enough, prolog]) == [200] * 6
        grown_bytes = memory_bytes(server.process.pid, "VmHWM") - before_bytes
        stored_bytes = sum(path.stat().st_size for path in data.root.glob("catalogue.db*"))
    assert grown_bytes < 50 * MB
    assert stored_bytes < 5 * MB  # the log of changes has up to 4 of them
    with open_installation(data.root) as installation, installation.catalogue.read() as conn:
        query = "SELECT device_id, length(content) FROM computers LEFT JOIN inventories ON computers.id = computer_id"
        found = {row[0]: row[1] for row in conn.execute(text(query))}
    assert len(found) == 6, "those that were refused are not known"
    sent_bytes = max(map(len, just_far_enough))
    assert found.pop("good") is None
    assert max(found.values()) < 2 * sent_bytes


async def test_the_log_of_changes_is_kept_small_for_ever(
    autojump_clock: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after a time at which it could not be."""
    outcomes: list[Exception | None] = [Unavailable("catalogue", "locked"), None, None]

    class FakeCatalogue:
        def limit_log(self) -> None:
            if not outcomes:
                raise KeyboardInterrupt
            if (error := outcomes.pop(0)) is not None:
                raise error

    async def in_this_thread(call: Any) -> None:
        call()

    monkeypatch.setattr(trio.to_thread, "run_sync", in_this_thread)
    with contextlib.suppress(KeyboardInterrupt):
        await process.limit_log(FakeCatalogue())  # type: ignore[arg-type]
    assert outcomes == []
    assert trio.current_time() >= 3 * process.LOG_S
    assert [record.getMessage() for record in caplog.records] == [
        "the log of changes is not shortened: catalogue: locked"
    ]
