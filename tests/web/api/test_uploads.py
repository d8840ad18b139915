"""Uploads: in parts or as a whole, cut off and gone on with, by the right people, within the limits."""

from __future__ import annotations

import base64
import json
import os
from collections import deque
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from blake3 import blake3

from distd.domain import actor
from distd.domain.errors import NoSpace
from distd.domain.permissions import OperatorRights, Role
from distd.storage import uploads as store
from distd.storage.data_dir import DataDir
from distd.storage.quota import DiskLimits
from distd.storage.uploads import Uploads
from distd.web.api import uploads as web
from distd.web.api.answer_fields import ANSWER_FIELDS
from distd.web.api.auth import SignedIn, read_basic
from distd.web.api.uploads import UploadsApi

if TYPE_CHECKING:
    from pathlib import Path

GOOD = "Basic " + base64.b64encode(b"admin:secret").decode()


class AdminOnly:
    """Stands for `Logins`."""

    async def check(self, fields: Any, address: Any) -> Any:
        if read_basic(fields.get("authorization", "")) != ("admin", "secret"):
            return None
        return SignedIn(actor.operator("admin"), OperatorRights(Role.ADMINISTRATOR))


PROTECTED = {(name.lower().encode(), value.encode()) for name, value in ANSWER_FIELDS.items()}


async def other(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 418, "headers": []})
    await send({"type": "http.response.body", "body": b'"not ours"'})


class Client:
    def __init__(self, data: Any, max_bytes: Any = 1_000_000, room: Any = DiskLimits()) -> None:  # noqa: B008
        self.data = data
        self.uploads = Uploads(data, max_bytes, room)
        logins: Any = AdminOnly()
        self.api = UploadsApi(other, self.uploads, logins)

    async def __call__(
        self, method: Any, path: Any, *pieces: Any, headers: Any = None, login: Any = GOOD, gone: Any = False
    ) -> Any:
        """(status, JSON) of a request whose body comes in `pieces`; `gone`: then the client vanishes."""
        fields = {"authorization": login, "content-length": str(sum(map(len, pieces)))} | (headers or {})
        messages = deque({"type": "http.request", "body": piece, "more_body": True} for piece in pieces)
        messages.append({"type": "http.disconnect"} if gone else {"type": "http.request", "body": b""})
        sent = []

        async def receive() -> Any:
            return messages.popleft()

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": [(name.encode(), value.encode()) for name, value in fields.items() if value is not None],
        }
        await self.api(scope, receive, send)
        if not sent:
            return None, None
        start, body = sent
        assert start["status"] == 418 or set(start["headers"]) >= PROTECTED
        return start["status"], json.loads(body["body"])

    async def put(self, name: Any, *pieces: Any, **kwargs: Any) -> Any:
        return await self("PUT", f"/api/v1/uploads/{name}", *pieces, **kwargs)

    async def part(self, name: Any, first: Any, total: Any, *pieces: Any, **kwargs: Any) -> Any:
        last = first + sum(map(len, pieces)) - 1
        headers = {"content-range": f"bytes {first}-{last}/{total}"} | kwargs.pop("headers", {})
        return await self.put(name, *pieces, headers=headers, **kwargs)


@pytest.fixture
def data(tmp_path: Path) -> Any:
    data = DataDir(tmp_path / "data")
    data.download.mkdir(parents=True)
    return data


@pytest.fixture
def client(data: Any) -> Any:
    return Client(data)


def left(data: Any) -> Any:
    return sorted(path.name for path in data.uploads.iterdir()) if data.uploads.exists() else []


async def test_a_whole_file(client: Any, data: Any) -> None:
    status, told = await client.put("setup.zip", b"abc", b"", b"def", headers={"blake3": blake3(b"abcdef").hexdigest()})
    assert status == 201
    assert told == {
        "name": "setup.zip",
        "size_bytes": 6,
        "path": str(data.uploads / "setup.zip"),
        "blake3": blake3(b"abcdef").hexdigest(),
    }
    assert (data.uploads / "setup.zip").read_bytes() == b"abcdef"
    assert left(data) == ["setup.zip"]


@pytest.mark.parametrize("restarted", [False, True])
async def test_part_after_part(client: Any, data: Any, restarted: Any) -> None:
    content = os.urandom(3000)
    for first in range(0, 3000, 1000):
        if restarted:
            client = Client(data)  # another process knows no more than the disk
        digest = {"blake3": blake3(content).hexdigest()}
        status, told = await client.part("a", first, 3000, content[first : first + 1000], headers=digest)
        assert (status, told["size_bytes"]) == ((202, first + 1000) if first < 2000 else (201, 3000))
    assert (data.uploads / "a").read_bytes() == content


async def test_what_has_come_when_the_client_goes_is_kept(client: Any, data: Any) -> None:
    assert await client.put("a", b"abc", headers={"content-length": "6"}, gone=True) == (None, None)
    assert await client("GET", "/api/v1/uploads/a") == (200, {"name": "a", "size_bytes": 3, "path": "", "blake3": ""})
    status, told = await client.part("a", 0, 6, b"ab", headers={"content-range": "bytes 1-2/6"})
    assert (status, told["size_bytes"]) == (409, 3)
    status, _ = await client.part("a", 3, 6, b"def", headers={"blake3": blake3(b"abcdef").hexdigest()})
    assert status == 201


async def test_from_the_beginning_is_anew(client: Any, data: Any) -> None:
    await client.part("a", 0, 6, b"abc")
    assert (await client.put("a", b"xy"))[0] == 201
    assert (data.uploads / "a").read_bytes() == b"xy"
    assert left(data) == ["a"]


async def test_another_digest_leaves_nothing(client: Any, data: Any) -> None:
    status, told = await client.put("a", b"abc", headers={"blake3": "0" * 64})
    assert status == 422
    assert told["detail"].startswith("Blake3: expected ")
    assert left(data) == []


async def test_a_wrong_digest_leaves_what_was_there_before(client: Any, data: Any) -> None:
    await client.put("a", b"before")
    assert (await client.put("a", b"abc", headers={"blake3": "0" * 64, "if-match": "*"}))[0] == 422
    assert (data.uploads / "a").read_bytes() == b"before"


async def test_a_whole_file_is_replaced_only_with_if_match(client: Any, data: Any) -> None:
    assert (await client.put("Ü 1%.zip", b"old"))[0] == 201
    status, told = await client.put("Ü 1%.zip", b"new")
    assert (status, told["errors"][0]["field"]) == (409, "name")
    assert "there is an upload Ü 1%.zip already" in told["detail"]
    assert (data.uploads / "Ü 1%.zip").read_bytes() == b"old"
    assert (await client.part("Ü 1%.zip", 0, 4, b"ne", headers={"if-match": "*"}))[0] == 202
    assert (await client.part("Ü 1%.zip", 2, 4, b"w!"))[0] == 201
    assert (data.uploads / "Ü 1%.zip").read_bytes() == b"new!"
    assert (await client.put("b", b"x", headers={"if-match": "*"}))[0] == 412
    assert left(data) == ["Ü 1%.zip"]


async def test_a_list_and_a_removal(client: Any, data: Any) -> None:
    await client.put("b", b"abc")
    await client.part("a", 0, 6, b"ab")
    status, listed = await client("GET", "/api/v1/uploads")
    assert (status, [(one["name"], one["size_bytes"], bool(one["path"])) for one in listed["items"]]) == (
        200,
        [("a", 2, False), ("b", 3, True)],
    )
    assert await client("DELETE", "/api/v1/uploads/b") == (200, {"name": "b"})
    assert (await client("DELETE", "/api/v1/uploads/b"))[0] == 404
    assert (await client("GET", "/api/v1/uploads/b"))[0] == 404
    assert left(data) == [".part-a"]


REFUSED = {
    "no length": ({"content-length": None}, 411, "Content-Length: expected the length of the body"),
    "compressed": ({"content-encoding": "gzip"}, 415, "Content-Encoding: expected the file as it is, got gzip"),
    "no range": ({"content-range": "bytes 0-2"}, 400, "Content-Range: expected bytes FIRST-LAST/TOTAL"),
    "a range of another length": ({"content-range": "bytes 0-3/10"}, 400, "Content-Range: expected 3 bytes"),
    "a range beyond the total": ({"content-range": "bytes 8-10/10"}, 400, "Content-Range: expected bytes FIRST-LAST"),
    "a total that is not known": ({"content-range": "bytes 0-2/*"}, 400, "Content-Range: expected bytes FIRST-LAST"),
    "behind the end": ({"content-range": "bytes 5-7/10"}, 409, "0 bytes of a have come, the part begins at 5"),
    "no digest": ({"blake3": "abc"}, 400, "Blake3: expected 64 hexadecimal digits"),
    "too large": ({"content-range": "bytes 0-2/1000001"}, 413, "at most 1000000 bytes"),
}


@pytest.mark.parametrize(("headers", "expected", "message"), REFUSED.values(), ids=REFUSED)
async def test_what_cannot_be_is_refused(client: Any, data: Any, headers: Any, expected: Any, message: Any) -> None:
    status, told = await client.put("a", b"abc", headers=headers)
    assert status == expected
    assert message in told["detail"]
    assert left(data) == []


@pytest.mark.parametrize("name", ["..", ".part-a", "a/b", "a\x00", "", "x" * 201, "\ufffd", "a "])
async def test_names_that_are_none(client: Any, data: Any, name: Any) -> None:
    status, _ = await client.put(name, b"abc")
    assert status in (400, 405)
    assert left(data) == []


@pytest.mark.parametrize("login", [None, "Basic !", "Bearer x", "Basic " + base64.b64encode(b"admin:no").decode()])
async def test_for_operators_only(client: Any, data: Any, login: Any) -> None:
    assert (await client.put("a", b"abc", login=login))[0] == 401
    assert (await client("GET", "/api/v1/uploads", login=login))[0] == 401
    assert left(data) == []


async def test_what_is_not_ours_goes_on(client: Any) -> None:
    assert await client("GET", "/api/v1/packages") == (418, "not ours")
    assert await client("GET", "/api/v1/uploadsx") == (418, "not ours")
    assert (await client("POST", "/api/v1/uploads/a"))[0] == 405


async def test_two_at_once_do_not_mix(client: Any, data: Any) -> None:
    with client.uploads.open("a", 0, 6) as part:
        part.append(b"abc")
        status, told = await client.part("a", 3, 6, b"xyz")
    assert (status, told["detail"]) == (409, "uploads: a is being uploaded right now")
    assert (await client.part("a", 3, 6, b"def"))[0] == 201


async def test_unfinished_ones_are_counted(client: Any, data: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MAX_UNFINISHED", 2)
    for name in "ab":
        await client.part(name, 0, 6, b"abc")
    status, told = await client.part("c", 0, 6, b"abc")
    assert (status, told["detail"]) == (409, "uploads: 2 are unfinished; finish or delete some")
    assert (await client.part("a", 3, 6, b"def"))[0] == 201


async def test_no_room(data: Any) -> None:
    client = Client(data, room=DiskLimits(keep_free_bytes=2**60))
    status, told = await client.put("a", b"abc")
    assert status == 507
    assert "are needed beside" in told["detail"]
    assert left(data) == []


async def test_a_disk_that_fills_up_keeps_what_was_written(
    client: Any, data: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = store.UnfinishedUpload.append

    def full(part: Any, content: Any) -> None:
        written(part, content[:2])
        raise NoSpace("data directory", "the disk is full")

    monkeypatch.setattr(store.UnfinishedUpload, "append", full)
    status, told = await client.put("a", b"abc")
    assert (status, told["detail"]) == (507, "data directory: the disk is full")
    monkeypatch.undo()
    assert (await client.part("a", 2, 3, b"c", headers={"blake3": blake3(b"abc").hexdigest()}))[0] == 201


async def test_unfinished_ones_are_given_up_after_a_week(client: Any, data: Any) -> None:
    await client.part("old", 0, 6, b"abc")
    await client.part("new", 0, 6, b"abc")
    long_ago_s = (data.uploads / ".part-old").stat().st_mtime - 8 * 86_400
    os.utime(data.uploads / ".part-old", (long_ago_s, long_ago_s))
    client.uploads.remove_stale()
    assert left(data) == [".part-new"]


async def test_the_next_bytes_are_asked_for_when_the_last_are_written(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "WRITE_BYTES", 1000)
    asked, held = 0, trio.Event()

    async def receive() -> Any:
        nonlocal asked
        asked += 1
        return {"type": "http.request", "body": bytes(1000), "more_body": asked < 5}

    stuck = store.UnfinishedUpload.append

    def slow(part: Any, content: Any) -> None:
        trio.from_thread.run(held.wait)
        stuck(part, content)

    monkeypatch.setattr(store.UnfinishedUpload, "append", slow)
    fields = [(b"authorization", GOOD.encode()), (b"content-length", b"5000")]
    scope = {"type": "http", "method": "PUT", "path": "/api/v1/uploads/a", "headers": fields}
    sent = []

    async def send(message: Any) -> None:
        sent.append(message)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.api, scope, receive, send)
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert asked == 1
        held.set()
    assert (asked, sent[0]["status"]) == (5, 201)
