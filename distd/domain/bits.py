"""Numbers as sets: the places of the bits that are set, from 0."""

from __future__ import annotations


def places_of(bits: int) -> list[int]:
    """The places of the bits that are set in a number from 0 on, ascending."""
    found = []
    while bits:
        lowest = bits & -bits
        found.append(lowest.bit_length() - 1)
        bits ^= lowest
    return found
