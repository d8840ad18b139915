"""One fragment from the network into its file, going on where an earlier try was cut off."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from blake3 import blake3

from agentsim.native.state import sync_directory, write_file
from distd.domain.errors import Corrupt, Unavailable

if TYPE_CHECKING:
    from pathlib import Path

    from distd.domain.records import Fragment
    from distd.lane.client.http_client import Client, Stream


class Part:
    """A fragment on its way: `<id>-N.part`, with the ETag of its origin in `<id>-N.etag`."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.path = file.with_name(f"{file.name}.part")
        self._tag = file.with_name(f"{file.name}.etag")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def tag(self) -> str:
        return self._tag.read_text() if self._tag.exists() else ""

    def begin(self, tag: str) -> None:
        """Start anew. Only a strong ETag lets a later try go on (RFC 9110, 13.1.5)."""
        self.discard()
        if tag.startswith('"'):
            write_file(self._tag, tag.encode())
        self.path.touch()

    def append(self, chunk: bytes) -> None:
        with self.path.open("ab") as out:
            out.write(chunk)

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self._tag.unlink(missing_ok=True)

    def finish(self, fragment: Fragment) -> None:
        """Give it its name when it is what the manifest says; else discard it and raise `Corrupt`."""
        size, digest = self.size, blake3(max_threads=1).update_mmap(self.path).digest()
        if (size, digest) != (fragment.length, fragment.blake3):
            self.discard()
            raise Corrupt(
                self.file.name, f"{fragment.length} bytes, {fragment.blake3.hex()}", f"{size} bytes, {digest.hex()}"
            )
        with self.path.open("rb") as data:
            os.fsync(data.fileno())
        self.path.rename(self.file)
        sync_directory(self.file.parent)
        self._tag.unlink(missing_ok=True)


async def fetch_part(client: Client, url: str, fragment: Fragment, part: Part) -> None:
    """Bring the part to the fragment's length. Raises `Unavailable`, and `Corrupt` for a body that is too long.

    206 goes on, 200 starts anew; after a 416, or a 206 that does not fit, the next try starts anew.
    """
    if part.path.exists() and part.size == fragment.length:
        return
    if part.size > fragment.length or not part.tag:
        part.discard()
    headers = [("Range", f"bytes={part.size}-"), ("If-Range", part.tag)] if part.size else []
    async with client.stream("GET", url, headers) as answer:
        _take_up(answer, part)
        async for chunk in answer:
            part.append(chunk)
            if part.size > fragment.length:
                size = part.size
                part.discard()
                raise Corrupt(part.file.name, f"{fragment.length} bytes", f"{size} bytes or more")


def _take_up(answer: Stream, part: Part) -> None:
    if answer.status == 206 and _continues(answer, part):
        return
    if answer.status == 200:
        part.begin(answer.headers.get("etag", ""))
        return
    if answer.status in (206, 416):
        part.discard()
    raise Unavailable(answer.url, f"HTTP {answer.status}")


def _continues(answer: Stream, part: Part) -> bool:
    span = re.match(r"bytes (\d+)-", answer.headers.get("content-range", ""))
    return span is not None and int(span[1]) == part.size > 0 and answer.headers.get("etag", part.tag) == part.tag
