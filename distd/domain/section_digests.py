"""What an inventory was taken over from, in digests: only a section whose digest has changed is taken over again. Pure.

`document` and `software` are digests of XML, which are compared before anything is parsed; the others are of what the
sections mean, in plain values.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec
from blake3 import blake3

SIZE: Final = 16
# Another number where the same document means something else than it did: all inventories are taken over anew.
MEANING: Final = b"1"


class SectionDigests(NamedTuple):
    """Each is `SIZE` bytes; empty: not known, so it is equal to none. `columns` are those of `computers`."""

    document: bytes = b""
    software: bytes = b""
    columns: bytes = b""
    interfaces: bytes = b""
    drives: bytes = b""
    accounts: bytes = b""

    def pack(self) -> bytes:
        """All of them, as the catalogue keeps them."""
        return b"".join(each or bytes(SIZE) for each in self)

    @classmethod
    def unpack(cls, packed: bytes | None) -> SectionDigests:
        """The opposite of `pack`; None: nothing is known."""
        if packed is None or len(packed) != SIZE * len(cls._fields):
            return NOTHING
        parts = (packed[at : at + SIZE] for at in range(0, len(packed), SIZE))
        return cls(*(b"" if part == bytes(SIZE) else part for part in parts))


NOTHING: Final = SectionDigests()


def digest_of_bytes(*parts: bytes) -> bytes:
    """Of all of them together."""
    hasher = blake3(MEANING)
    for part in parts:
        hasher.update(part)
    return hasher.digest(SIZE)


def digest_of_values(values: Any) -> bytes:
    """Of plain values: mappings, tuples, texts, numbers."""
    return digest_of_bytes(msgspec.json.encode(values))
