"""Fragments, info and manifest over the lane: whole, in ranges, under conditions, plain and under TLS."""

from __future__ import annotations

import os
import re
from typing import Any

import pytest
import trio
from blake3 import blake3

PACKAGE = "1700000001"
SMALL = bytes(range(256)) * 20
LARGE = bytes(i * 7 % 251 for i in range(300_000))
STOCK = "User-Agent: OCS-NG_unified_unix_agent_v2.10.0\r\n"
BODIES = {1: SMALL, 2: LARGE}


def fragment(number: Any, token: Any = "") -> Any:
    return f"/download/{token}{PACKAGE}/{PACKAGE}-{number}"


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("number", [1, 2], ids=["from memory", "from the file"])
async def test_a_whole_fragment(running: Any, number: Any, tls: Any) -> None:
    answer = await running.get(fragment(number), tls=tls)
    assert answer.status == 200
    assert answer.body == BODIES[number]
    assert answer["ETag"] == f'"{blake3(BODIES[number]).hexdigest()}"'
    assert answer["Accept-Ranges"] == "bytes"
    assert "content-encoding" not in answer.fields  # trap 6


@pytest.mark.parametrize("number", [1, 2])
async def test_head_tells_the_length_and_sends_nothing(running: Any, number: Any) -> None:
    async with running.connect() as peer:
        first = f"HEAD {fragment(number)} HTTP/1.1\r\nHost: h\r\n\r\n".encode()
        answer = await peer.ask(first, head=True)
        assert answer["Content-Length"] == str(len(BODIES[number]))
        # What comes next is the next answer's head, so no body was sent.
        assert (await peer.ask(first, head=True)).status == 200


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize(
    ("value", "begin", "stop"),
    [("0-0", 0, 1), ("100-199", 100, 200), ("4000-", 4000, None), ("-10", -10, None), ("5-99999999", 5, None)],
)
async def test_one_range(running: Any, number: Any, value: Any, begin: Any, stop: Any, tls: Any) -> None:
    body = BODIES[number]
    answer = await running.get(fragment(number), f"Range: bytes={value}\r\n", tls=tls)
    assert answer.status == 206
    assert answer.body == body[begin:stop]
    first = begin % len(body)
    assert answer["Content-Range"] == f"bytes {first}-{first + len(answer.body) - 1}/{len(body)}"


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
async def test_several_ranges_are_multipart(running: Any, tls: Any) -> None:
    answer = await running.get(fragment(2), "Range: bytes=0-9, 1000-1999, -5\r\n", tls=tls)
    assert answer.status == 206
    found = re.fullmatch(r"multipart/byteranges; boundary=(\w+)", answer["Content-Type"])
    assert found is not None
    boundary = found[1]
    first, *parts, last = answer.body.split(f"\r\n--{boundary}".encode())
    assert (first, last) == (b"", b"--\r\n")
    sent = [part.partition(b"\r\n\r\n")[2] for part in parts]
    assert sent == [LARGE[:10], LARGE[1000:2000], LARGE[-5:]]
    assert b"Content-Range: bytes 1000-1999/300000" in parts[1]


async def test_what_cannot_be_satisfied(running: Any) -> None:
    answer = await running.get(fragment(2), "Range: bytes=300000-\r\n")
    assert answer.status == 416
    assert answer["Content-Range"] == "bytes */300000"


async def test_if_range_resumes_only_the_same_bytes(running: Any) -> None:
    etag = (await running.get(fragment(2)))["ETag"]
    same = await running.get(fragment(2), f"Range: bytes=299990-\r\nIf-Range: {etag}\r\n")
    other = await running.get(fragment(2), 'Range: bytes=299990-\r\nIf-Range: "other"\r\n')
    assert (same.status, same.body) == (206, LARGE[299990:])
    assert (other.status, other.body) == (200, LARGE)


async def test_trap_1_a_stock_agent_never_gets_304(running: Any) -> None:
    first = await running.get(fragment(1), STOCK)
    conditions = (
        f"If-Modified-Since: {first['Date']}\r\n",
        f"If-None-Match: {first['ETag']}\r\n",
        "If-None-Match: *\r\n",
    )
    for condition in conditions:
        answer = await running.get(fragment(1), STOCK + condition)
        assert (answer.status, answer.body) == (200, SMALL)
    # A cache may have its 304, but for If-Modified-Since, which only mirroring agents send.
    assert (await running.get(fragment(1), conditions[0])).status == 200
    assert (await running.get(fragment(1), conditions[1])).status == 304


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/download/{PACKAGE}/info", 200),
        (f"/download/{PACKAGE}/manifest", 200),
        (f"/download/{PACKAGE}/{PACKAGE}-3", 404),
        (f"/download/{PACKAGE}/{PACKAGE}-0", 404),
        (f"/download/{PACKAGE}/{PACKAGE}-01", 404),
        (f"/download/{PACKAGE}/1700000002-1", 404),
        ("/download/1700000002/info", 404),
        (f"/download/{PACKAGE}/", 404),
        ("/download/", 404),
        (f"/download/../download/{PACKAGE}/info", 404),
        (f"/download/{PACKAGE}/%2e%2e/{PACKAGE}/info", 404),
        (f"/download//{PACKAGE}/info", 404),
        (f"/download/{PACKAGE}/info%00", 404),
        ("/download/%31700000001/info", 200),
        (f"http://any.host/download/{PACKAGE}/info", 200),
        (f"/download/{PACKAGE}/info?x=1", 200),
        (f"/download/~1a-0123456789abcdef0123/{PACKAGE}/info", 200),
        (f"/download/%7E1a-0123456789abcdef0123/{PACKAGE}/info", 200),
        (f"/download/~1a-0123456789abcdef0124/{PACKAGE}/info", 403),
        (f"/download/~1a/{PACKAGE}/info", 404),
    ],
)
async def test_paths(running: Any, path: Any, status: Any) -> None:
    answer = await running.get(path)
    assert answer.status == status
    assert answer.body.startswith(b"<DOWNLOAD") == (status == 200 and "info" in path)


async def test_trap_5_an_error_is_an_error_also_for_head(running: Any) -> None:
    async with running.connect() as peer:
        for _ in range(2):
            answer = await peer.ask(b"HEAD /download/1/info HTTP/1.1\r\nHost: h\r\n\r\n", head=True)
            assert answer.status == 404


async def test_other_methods_are_told_which_are_allowed(running: Any) -> None:
    answer = await running.get(fragment(1), method="DELETE")
    assert (answer.status, answer["Allow"]) == (405, "GET, HEAD")


async def test_fetches_are_told_when_the_end_was_sent(running: Any) -> None:
    token = "~1a-0123456789abcdef0123/"
    await running.get(fragment(1, token))
    await running.get(fragment(2), "Range: bytes=100-\r\n")
    await running.get(fragment(2), "Range: bytes=100-200\r\n")
    await running.get(fragment(1), method="HEAD")
    await running.get(f"/download/{token}{PACKAGE}/info")
    assert running.backend.fetches == [(46, PACKAGE, 1, len(SMALL)), (0, PACKAGE, 2, len(LARGE))]


async def test_a_file_changed_on_disk_is_noticed(running: Any, download: Any, autojump_clock: Any) -> None:
    path = download / PACKAGE / f"{PACKAGE}-1"
    assert (await running.get(fragment(1))).body == SMALL
    path.write_bytes(b"other")
    await trio.sleep(2)
    assert (await running.get(fragment(1))).body == b"other"
    path.unlink()
    await trio.sleep(2)
    assert (await running.get(fragment(1))).status == 404


async def test_a_deleted_package_is_still_sent_to_its_end(running: Any, download: Any) -> None:
    path = download / PACKAGE / f"{PACKAGE}-2"
    big = os.urandom(30_000_000)
    path.write_bytes(big)
    async with running.connect() as peer:
        await peer.send(f"GET {fragment(2)} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        await trio.testing.wait_all_tasks_blocked()
        path.unlink()
        assert (await peer.answer()).body == big


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
async def test_trap_4_a_file_that_shrinks_breaks_the_connection(running: Any, download: Any, tls: Any) -> None:
    path = download / PACKAGE / f"{PACKAGE}-2"
    path.write_bytes(bytes(30_000_000))
    async with running.connect(tls=tls) as peer:
        await peer.send(f"GET {fragment(2)} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        await trio.testing.wait_all_tasks_blocked()
        os.truncate(path, 0)
        with pytest.raises((EOFError, trio.BrokenResourceError)):
            await peer.answer()
