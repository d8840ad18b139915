"""Bytes cut into the fragments of a package: one pass that hashes and writes.

The digest that stock agents need, the slowest by far, runs in a thread of its own (`packaging.hashing`); BLAKE3 of the
whole and of each fragment and the writing in another.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from blake3 import blake3

from distd.domain.records import Digest, Fragment, Manifest
from distd.packaging.hashing import new_hash, open_hashing_reader
from distd.storage.write_back import WriteBack, write

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from distd.packaging.hashing import HashingReader, Read
    from distd.packaging.progress import ProgressMeter


@dataclass(frozen=True, slots=True)
class FragmentSet:
    """The fragments of a package, and the digest and BLAKE3 of the whole (the latter empty: not computed)."""

    fragments: tuple[Fragment, ...]
    digest: bytes
    blake3: bytes

    def manifest(self, package_id: str, digest: Digest) -> Manifest:
        """The manifest of these fragments, whose digest is a `digest`; its info is still to be named."""
        return Manifest(
            package_id=package_id,
            version=1,
            size=sum(fragment.length for fragment in self.fragments),
            md5=self.digest if digest is Digest.MD5 else b"",
            sha256=self.digest if digest is Digest.SHA256 else b"",
            blake3=self.blake3,
            info_blake3=b"",
            fragments=self.fragments,
        )


# What a command without a file has. Its digest is an MD5, whatever was asked for.
NO_FRAGMENTS: Final = FragmentSet((), hashlib.md5(usedforsecurity=False).digest(), blake3().digest())


def cut(
    read: Read, lengths: Sequence[int], folder: Path, package_id: str, digest: Digest, meter: ProgressMeter
) -> FragmentSet:
    """Write what `read` gives as fragments of these lengths into `folder`, hashing it all.

    BLAKE3 of the whole is computed beside MD5, which leaves time for it, and not beside the quicker digests.
    Raises `EOFError` when there is less, `ValueError` when there is more.
    """
    thread_hash = new_hash(digest)
    whole = blake3()
    caller_hashes = (whole,) if digest is Digest.MD5 else ()
    fragments = []
    with open_hashing_reader(read, thread_hash, caller_hashes) as reader:
        for number, length in enumerate(lengths, 1):
            fragments.append(_write_fragment(reader, f"{folder}/{package_id}-{number}", number, length, meter))
        reader.end()
    return FragmentSet(tuple(fragments), thread_hash.digest(), whole.digest() if caller_hashes else b"")


def _write_fragment(reader: HashingReader, file: str, number: int, length: int, meter: ProgressMeter) -> Fragment:
    digest, write_back, written = blake3(), WriteBack(), 0
    fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        os.fchmod(fd, 0o644)  # whatever the umask says
        for piece in reader.read_pieces(length):
            digest.update(piece)
            _write_all(fd, piece)
            written += len(piece)
            write_back.wrote(fd, written, is_last=written == length)
            meter.add(len(piece))
    finally:
        os.close(fd)
    return Fragment(number, length, digest.digest())


def _write_all(fd: int, data: memoryview) -> None:
    while data:
        data = data[write(fd, data) :]
