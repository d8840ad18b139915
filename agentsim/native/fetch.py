"""One fragment from the network into its file, going on where an earlier try was cut off.

While it comes it is `<id>-N.part`, and the strong ETag of what has come is in `<id>-N.etag`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from distd.domain.errors import Corrupt, Unavailable
from distd.storage import atomic
from distd.storage.partial_file import PartialFile
from distd.wire import content_range

if TYPE_CHECKING:
    from pathlib import Path

    from distd.domain.records import Fragment
    from distd.lane.client.http_client import Client, Stream


async def fetch_fragment(
    client: Client, url: str, fragment: Fragment, path: Path, limiter: trio.CapacityLimiter
) -> None:
    """Bring the fragment into the file `path`, and make sure that it is what the manifest says.

    Raises `Unavailable` where it did not come, or not all of it: the next try goes on where this one ended. Raises
    `Corrupt` for a wrong or too long body, which is removed; `OSError` for a full disk. `limiter`: of threads.
    """
    tag = _Tag(path)
    partial = await trio.to_thread.run_sync(
        lambda: PartialFile(path, limit_bytes=fragment.length), limiter=limiter
    )  # reads what is there
    with partial:
        try:
            if partial.size_bytes < fragment.length or not fragment.length:
                await _fetch_rest(client, url, partial, tag)
            partial.check(fragment.length, fragment.blake3)
        except Corrupt:
            partial.discard()
            tag.clear()
            raise
        await trio.to_thread.run_sync(lambda: partial.commit(durable=True), limiter=limiter)
    tag.clear()


class _Tag:
    """The ETag of what has come of a file, on the disk. Only a strong one in ASCII is kept: others do not let a later
    try go on (RFC 9110, 13.1.5), or cannot be sent."""

    def __init__(self, path: Path) -> None:
        self._file = path.with_name(f"{path.name}.etag")

    @property
    def text(self) -> str:
        text = self._file.read_text("latin-1") if self._file.exists() else ""
        return text if text.isascii() and text.isprintable() else ""

    def set(self, text: str) -> None:
        self.clear()
        if text.startswith('"') and text.isascii():
            atomic.write_file(self._file, text.encode())

    def clear(self) -> None:
        self._file.unlink(missing_ok=True)


async def _fetch_rest(client: Client, url: str, partial: PartialFile, tag: _Tag) -> None:
    """206 goes on, 200 starts again; after a 416, or a 206 that does not fit, the next try starts again."""
    text = tag.text
    if not text:
        partial.restart()
    headers = [("Range", f"bytes={partial.size_bytes}-"), ("If-Range", text)] if partial.size_bytes else []
    async with client.stream("GET", url, headers) as answer:
        if answer.status == 200:
            partial.restart()
            tag.set(answer.headers.get("etag", ""))
        elif answer.status != 206 or not _continues(answer, partial, text):
            if answer.status in (206, 416):
                partial.restart()
                tag.clear()
            raise Unavailable(answer.url, f"HTTP {answer.status}")
        async for chunk in answer:
            partial.append((chunk,))


def _continues(answer: Stream, partial: PartialFile, tag: str) -> bool:
    span = content_range.parse(answer.headers.get("content-range", ""))
    return span is not None and span.first == partial.size_bytes > 0 and answer.headers.get("etag", tag) == tag
