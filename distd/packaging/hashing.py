"""Bytes that go from a reader into files, with the digest of the whole computed beside.

That digest is serial, and as slow as all the rest together, so it has a thread: the *reader* fills a block, passes it
on and hashes it, while the caller cuts, hashes and writes the same bytes. What is written is what was hashed, even if
the source changes meanwhile. Blocks are few and used again, so memory does not grow with the size.

Resource handling: the thread lives within the `with` block. Error handling: what `read` raises is raised by
`read_pieces` or `end`; whatever ends the `with` block ends the thread, within one block of bytes.
"""

from __future__ import annotations

import hashlib
import os
import queue
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol

from distd.domain.records import Digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    Read = Callable[[memoryview], int]

BLOCK_BYTES: Final = 1_048_576  # stays in the processor's cache between reading, hashing and writing
BLOCKS: Final = 8


# OpenSSL's names of what agents check.
_ALGORITHMS: Final = {Digest.MD5: "md5", Digest.SHA1: "sha1", Digest.SHA256: "sha256"}


class Hash(Protocol):
    """What hashlib and blake3 give."""

    def update(self, data: memoryview, /) -> object:
        """Hash these bytes after those before."""


def new_hash(digest: Digest) -> Any:
    """OpenSSL's hash object, which releases the interpreter's lock while it works."""
    return hashlib.new(_ALGORITHMS[digest], usedforsecurity=False)


class HashingReader:
    """The caller's end: `read_pieces` all that is expected, then `end`. Made by `open_hashing_reader`."""

    def __init__(self, read: Read, thread_hash: Hash, caller_hashes: Sequence[Hash]) -> None:
        self._read = read
        self._thread_hash = thread_hash
        self._caller_hashes = caller_hashes
        self._free: queue.SimpleQueue[memoryview | None] = queue.SimpleQueue()
        self._full: queue.SimpleQueue[tuple[memoryview, int] | BaseException] = queue.SimpleQueue()
        self._block: memoryview | None = None  # the one that the caller takes from,
        self._left = memoryview(b"")  # and the rest of it
        self._is_at_end = False
        self._is_stopped = False
        for _ in range(BLOCKS):
            self._free.put(memoryview(bytearray(BLOCK_BYTES)))

    def read_pieces(self, size_bytes: int) -> Iterator[memoryview]:
        """The next `size_bytes` in pieces, each good until the next is asked for. Raises `EOFError` at the end."""
        while size_bytes:
            if not self._left and not self._next_block():
                raise EOFError
            piece = self._left[:size_bytes]
            self._left = self._left[len(piece) :]
            size_bytes -= len(piece)
            yield piece

    def end(self) -> None:
        """To be called when all is taken: the hashes are ready then. Raises `ValueError` when there is more."""
        if self._left or self._next_block():
            raise ValueError("more bytes than expected")

    def _next_block(self) -> bool:
        """False: there is none, and the reader has hashed all."""
        if self._is_at_end:
            return False
        if self._block is not None:
            self._free.put(self._block)
        arrived = self._full.get()
        if isinstance(arrived, BaseException):
            self._is_at_end = True
            raise arrived
        self._block, size_bytes = arrived
        self._left = self._block[:size_bytes]
        self._is_at_end = not size_bytes
        for digest in self._caller_hashes:
            digest.update(self._left)
        return not self._is_at_end

    # --- the thread ----------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Read and hash until the end, or until `stop`: what the thread does."""
        try:
            while (block := self._free.get()) is not None and not self._is_stopped:
                size_bytes = self._fill(block)
                self._full.put((block, size_bytes))
                if not size_bytes:
                    return
                self._thread_hash.update(block[:size_bytes])
        except BaseException as error:  # it is raised in the caller
            self._full.put(error)

    def stop(self) -> None:
        """Have the thread end, within one block."""
        self._is_stopped = True
        self._free.put(None)

    def _fill(self, block: memoryview) -> int:
        """Small files that follow one another share a block."""
        size_bytes = 0
        while size_bytes < len(block) and (count := self._read(block[size_bytes:])):
            size_bytes += count
        return size_bytes


@contextmanager
def open_hashing_reader(read: Read, thread_hash: Hash, caller_hashes: Sequence[Hash] = ()) -> Iterator[HashingReader]:
    """A `HashingReader` of what `read` gives. `read` fills a buffer as `readinto` does, and gives 0 at the end.

    `thread_hash` hashes the whole in the thread, `caller_hashes` do in the caller's.
    """
    hashing_reader = HashingReader(read, thread_hash, caller_hashes)
    thread = threading.Thread(target=hashing_reader.run, name="reader")
    thread.start()
    try:
        yield hashing_reader
    finally:
        hashing_reader.stop()
        thread.join()


@contextmanager
def chained(paths: Iterable[Path]) -> Iterator[Read]:
    """Files after one another as one stream, as a `Read`; one is open at a time. Reading it raises `OSError`."""
    chain = _Chain(iter(paths))
    try:
        yield chain.readinto
    finally:
        chain.close()


class _Chain:
    """Descriptors rather than file objects: with small fragments opening is most of the work."""

    def __init__(self, paths: Iterator[Path]) -> None:
        self._paths = paths
        self._fd = -1

    def readinto(self, buffer: memoryview) -> int:
        while True:
            if self._fd >= 0 and (count := os.readv(self._fd, [buffer])):
                return count
            self.close()
            path = next(self._paths, None)
            if path is None:
                return 0
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
