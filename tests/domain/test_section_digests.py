"""Digests of the sections of an inventory, as they are kept."""

from __future__ import annotations

import pytest

from distd.domain.section_digests import NOTHING, SIZE, SectionDigests, digest_of_bytes, digest_of_values


def test_packing_and_unpacking() -> None:
    digests = SectionDigests(document=digest_of_bytes(b"x"), drives=digest_of_values(["y"]))
    assert SectionDigests.unpack(digests.pack()) == digests
    assert len(digests.pack()) == SIZE * len(digests)


@pytest.mark.parametrize("packed", [None, b"", b"too short", bytes(SIZE * len(NOTHING))])
def test_what_is_not_known_is_equal_to_nothing_that_comes(packed: bytes | None) -> None:
    assert SectionDigests.unpack(packed) == NOTHING
    assert digest_of_bytes(b"") not in NOTHING


def test_parts_are_as_the_whole() -> None:
    assert digest_of_bytes(b"ab", b"c") == digest_of_bytes(b"abc") != digest_of_bytes(b"abd")
