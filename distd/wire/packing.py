"""msgpack, both ways, for all that distd writes in it: manifests, and what origin and mirrors tell each other.

The library `msgpack` packs: its bytes are in all manifests that are signed and kept. (msgspec's encoder gives the same
bytes, as a test shows, so only this module would change.) msgspec reads, straight into the declared type: a value of
another type is refused before anything is made of it (or 64 MiB of small arrays would become 4 GiB of objects), and
keys that are not declared are skipped, as the other side may be newer.
"""

from __future__ import annotations

import re
from typing import Final, TypeVar

import msgpack
import msgspec

from distd.domain.errors import Corrupt

Kind = TypeVar("Kind")

MAX_BYTES: Final = 16_777_216  # of a message
MAX_QUOTED: Final = 120  # characters of an error that may quote the message

# What msgspec says of the place: " - at `$.fragments[0]`", " - at `key` in `$`".
_PLACE: Final = re.compile(r" - at `(?:key` in `)?\$\.?")


def pack(value: object) -> bytes:
    """A struct, or plain values. The same value gives the same bytes."""
    packed = msgpack.packb(msgspec.to_builtins(value, builtin_types=(bytes,)), use_bin_type=True)
    assert isinstance(packed, bytes)
    return packed


def unpack(data: bytes, kind: type[Kind], what: str, max_bytes: int = MAX_BYTES) -> Kind:
    """One value of the type `kind`. Raises `Corrupt`, which names `what` it should be, for anything else."""
    if len(data) > max_bytes:
        raise Corrupt(what, f"at most {max_bytes} bytes", f"{len(data)} bytes")
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise _mismatch(what, str(error)) from None
    except (ValueError, RecursionError) as error:  # texts that are not UTF-8 raise a ValueError of their own
        raise Corrupt(what, "msgpack", str(error)) from None


def _mismatch(what: str, message: str) -> Corrupt:
    fault, *place = _PLACE.split(message.replace("\n", " "))
    where = f"{what} {place[0].rstrip('`')}".rstrip() if place else what
    expected, _, got = fault.replace("`", "").partition(", got ")
    if not expected.startswith("Expected "):
        return Corrupt(where, "its fields", expected[:MAX_QUOTED])
    return Corrupt(where, expected.removeprefix("Expected "), got or "something else")
