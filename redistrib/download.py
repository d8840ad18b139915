"""Files by HTTP that come piece by piece, into a `PartialFile`, and go on where an earlier try was cut off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import trio

from distd.domain.errors import Corrupt, TooLarge, Unavailable
from distd.wire import content_range

if TYPE_CHECKING:
    from distd.lane.client.http_client import Client, Stream
    from distd.storage.partial_file import PartialFile

GATHER_BYTES: Final = 1_048_576  # so much is gathered before a thread writes and hashes it
STALL_LIMIT_S: Final = 30.0  # without a byte for so long a source is given up
WRITERS: Final = 2


@dataclass(slots=True)
class Traffic:
    """What was fetched so far."""

    fragments: int = 0
    received_bytes: int = 0
    requests: int = 0


@dataclass(slots=True)
class Download:
    """A file that is being downloaded. `length`, in bytes: None where only the source knows it. It may have
    `limit_bytes`; None: any number.

    `etag`: the quoted ETag of what has come so far; empty: the source is not asked to go on where it was.
    """

    file: PartialFile
    length: int | None = None
    etag: str = ""
    limit_bytes: int | None = None


class Downloader:
    """Downloads with `client`, and counts it in `traffic`. `same_host`: redirects to other hosts are not followed."""

    def __init__(self, client: Client, traffic: Traffic, *, same_host: bool = False) -> None:
        self.traffic = traffic
        self._same_host = same_host
        self._client = client
        self._threads = trio.CapacityLimiter(WRITERS)

    async def get_small(self, url: str, limit_bytes: int) -> bytes:
        """The body of a small file. Raises `Unavailable`, `TooLarge`."""
        with trio.move_on_after(STALL_LIMIT_S):
            answer = await self._client.request("GET", url, max_body_bytes=limit_bytes)
            if answer.status != 200:
                raise Unavailable(url, f"HTTP {answer.status}")
            return answer.body
        raise Unavailable(url, f"nothing has come for {STALL_LIMIT_S:g} s")

    async def append_rest(self, url: str, download: Download) -> None:
        """Ask for what is missing of a file, and append it.

        Raises `Unavailable` when not all of it has come: what has come is kept, and `download` can go on with it.
        Raises `Corrupt` for an answer that cannot be right, `TooLarge` for one over the limit, `OSError` when the file
        cannot be written.
        """
        file = download.file
        start = file.size_bytes if download.etag else 0
        headers = [("Range", f"bytes={start}-"), ("If-Range", download.etag)] if start else []
        self.traffic.requests += 1
        with trio.move_on_after(STALL_LIMIT_S) as stall_limit:
            async with self._client.stream(
                "GET", url, headers, downgrade=not self._same_host, same_host=self._same_host
            ) as answer:
                await self._check_head(answer, download)
                await self._receive(answer, download, stall_limit)
        if stall_limit.cancelled_caught:
            raise Unavailable(url, f"nothing has come for {STALL_LIMIT_S:g} s")
        if download.length is not None and file.size_bytes < download.length:
            got_bytes = file.size_bytes
            await self._restart(file)  # the source says that it is whole: what it sent is not what is wanted
            raise Corrupt(url, f"{download.length} bytes", f"{got_bytes} bytes")

    async def _check_head(self, answer: Stream, download: Download) -> None:
        """206 goes on, 200 begins anew. An answer that cannot be right is refused before its body is read."""
        file = download.file
        if answer.status == 206:
            if not _is_rest(answer, download):
                await self._restart(file)
                got = answer.headers.get("content-range", "no Content-Range")
                raise Corrupt(answer.url, "the rest of the file", got)
        elif answer.status == 200:
            if None not in (answer.length, download.length) and answer.length != download.length:
                raise Corrupt(answer.url, f"{download.length} bytes", f"{answer.length} bytes")
            _check_limit(answer.url, download, answer.length or 0)
            if file.size_bytes:
                await self._restart(file)
        else:
            if answer.status == 416:
                await self._restart(file)
            raise Unavailable(answer.url, f"HTTP {answer.status}")
        if download.length is None:
            etag = answer.headers.get("etag", "")
            # A weak one does not guarantee the bytes; one that is not ASCII cannot be sent.
            download.etag = "" if etag.startswith("W/") or not etag.isascii() else etag

    async def _receive(self, answer: Stream, download: Download, stall_limit: trio.CancelScope) -> None:
        """Append what comes. What has come is written, however it ends."""
        file = download.file
        gathered: list[bytes] = []
        gathered_bytes = 0
        try:
            async for piece in answer:
                stall_limit.deadline = trio.current_time() + STALL_LIMIT_S
                self.traffic.received_bytes += len(piece)
                gathered.append(piece)
                gathered_bytes += len(piece)
                _check_limit(answer.url, download, file.size_bytes + gathered_bytes)
                if gathered_bytes >= GATHER_BYTES:
                    ready, gathered, gathered_bytes = gathered, [], 0
                    await trio.to_thread.run_sync(file.append, ready, limiter=self._threads)
        finally:
            if gathered:
                with trio.CancelScope(shield=True):
                    await trio.to_thread.run_sync(file.append, gathered, limiter=self._threads)

    async def _restart(self, file: PartialFile) -> None:
        await trio.to_thread.run_sync(file.restart, limiter=self._threads)


def _check_limit(url: str, download: Download, size_bytes: int) -> None:
    if download.limit_bytes is not None and size_bytes > download.limit_bytes:
        raise TooLarge(url, f"at most {download.limit_bytes} bytes", "more")


def _is_rest(answer: Stream, download: Download) -> bool:
    """Whether a 206 is what follows what has come, to the end of the file."""
    sent = content_range.parse(answer.headers.get("content-range", ""))
    if sent is None or not download.file.size_bytes or sent.first != download.file.size_bytes:
        return False
    if sent.total is not None and sent.last != sent.total - 1:
        return False
    return download.length is None or sent.total == download.length
