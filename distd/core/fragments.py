"""Fragment plans: into what lengths a package is cut. The concatenation of the fragments is the package."""

from __future__ import annotations

import re
from typing import Final

from distd.core.errors import BadInput

MIN_FRAGMENT_BYTES: Final = 1024
MAX_FRAGMENTS: Final = 1_000_000

_UNITS: Final = {
    "": 1,
    "b": 1,
    "k": 1024,
    "kb": 1000,
    "kib": 1024,
    "m": 1024**2,
    "mb": 1000**2,
    "mib": 1024**2,
    "g": 1024**3,
    "gb": 1000**3,
    "gib": 1024**3,
}
_SIZE: Final = re.compile(r"([0-9]{1,15})\s*([a-zA-Z]*)")


def by_size(size_bytes: int, fragment_bytes: int) -> list[int]:
    """Lengths of the fragments in order: all of `fragment_bytes` but the last.

    A file of no bytes still has one fragment, of no bytes: FRAGS=0 is for a command without a file.
    """
    if fragment_bytes < MIN_FRAGMENT_BYTES:
        raise BadInput("--fragment-size", "at least 1024 bytes (1KiB)", fragment_bytes)
    full, rest = divmod(size_bytes, fragment_bytes)
    count = full + bool(rest or not full)
    if count > MAX_FRAGMENTS:
        smallest = -(-size_bytes // MAX_FRAGMENTS)
        hint = f"for this file use at least {smallest} bytes"
        raise BadInput("--fragment-size", f"at most {MAX_FRAGMENTS} fragments", f"{count} fragments", hint)
    return [fragment_bytes] * full + [rest] * (count - full)


def by_count(size_bytes: int, count: int) -> list[int]:
    """Lengths of exactly `count` fragments, as even as can be: the first ones are a byte longer."""
    most = min(MAX_FRAGMENTS, max(1, size_bytes // MIN_FRAGMENT_BYTES))
    if not 1 <= count <= most:
        raise BadInput("--fragments", f"1 to {most} for {size_bytes} bytes, each of at least 1024", count)
    length, longer = divmod(size_bytes, count)
    return [length + 1] * longer + [length] * (count - longer)


def parse_size(text: str, field: str) -> int:
    """ "1MiB", "512kB", "64 KiB", "1000" in bytes. Raises `BadInput` that names `field`."""
    match = _SIZE.fullmatch(text.strip())
    unit = _UNITS.get(match[2].lower()) if match else None
    if match is None or unit is None:
        raise BadInput(field, "a size such as 1MiB, 512KiB or 65536", text)
    return int(match[1]) * unit
