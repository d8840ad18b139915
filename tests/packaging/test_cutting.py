"""Cutting: the fragments that were asked for, their digests, and what does not add up."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING

import pytest
from blake3 import blake3

from distd.domain.records import Digest, Fragment
from distd.packaging.cutting import NO_FRAGMENTS, cut
from distd.packaging.progress import ProgressMeter

if TYPE_CHECKING:
    from pathlib import Path

CONTENT = bytes(range(250))


@pytest.mark.parametrize("digest", Digest)
def test_fragments_and_digests(tmp_path: Path, digest: Digest) -> None:
    lengths = [100, 0, 150]
    found = cut(io.BytesIO(CONTENT).readinto, lengths, tmp_path, "17", digest, ProgressMeter(None, 250))
    pieces = [CONTENT[:100], b"", CONTENT[100:]]
    assert [(tmp_path / f"17-{number}").read_bytes() for number in (1, 2, 3)] == pieces
    assert found.fragments == tuple(
        Fragment(number, len(piece), blake3(piece).digest()) for number, piece in enumerate(pieces, 1)
    )
    assert found.digest == hashlib.new(digest.value, CONTENT).digest()
    assert found.blake3 == (blake3(CONTENT).digest() if digest is Digest.MD5 else b"")
    manifest = found.manifest("17", digest)
    assert (manifest.package_id, manifest.version, manifest.size) == ("17", 1, 250)
    assert bool(manifest.md5) is (digest is Digest.MD5)
    assert bool(manifest.sha256) is (digest is Digest.SHA256)


@pytest.mark.parametrize(("lengths", "error"), [([251], EOFError), ([100, 151], EOFError), ([249], ValueError)])
def test_other_lengths_than_there_are_bytes(tmp_path: Path, lengths: list[int], error: type[Exception]) -> None:
    with pytest.raises(error):
        cut(io.BytesIO(CONTENT).readinto, lengths, tmp_path, "17", Digest.MD5, ProgressMeter(None, 250))


def test_no_fragments_have_the_digests_of_nothing() -> None:
    manifest = NO_FRAGMENTS.manifest("17", Digest.MD5)
    assert (manifest.size, manifest.fragments) == (0, ())
    assert (manifest.md5, manifest.blake3) == (hashlib.md5(b"").digest(), blake3(b"").digest())
