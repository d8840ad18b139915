"""Tokens of computers in the path: /download/~<token>/… says which computer fetches a fragment.

A token is the computer's number in base 36, "-", and 20 hexadecimal digits of a keyed BLAKE3 of that number. It gives
no access that the plain path does not give, so it is not secret; but nobody can make one for another computer.
"""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING, Final

from blake3 import blake3

if TYPE_CHECKING:
    from collections.abc import Sequence

MAC_DIGITS: Final = 20
MAX_ID: Final = 2**53

_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_TOKEN: Final = re.compile(r"([1-9a-z][0-9a-z]{0,10})-([0-9a-f]{20})")


def make(key: bytes, computer_id: int) -> str:
    """The token of a computer. `key` is 32 bytes, `computer_id` from 1 to 2^53."""
    if not 1 <= computer_id <= MAX_ID:
        raise ValueError(f"computer_id: expected 1 to {MAX_ID}, got {computer_id}")
    return f"{_base36(computer_id)}-{_mac(key, computer_id)}"


def check(key: bytes, token: str) -> int | None:
    """The computer that a token is for; None for an unknown token, which was not made with this key."""
    match = _TOKEN.fullmatch(token)
    if match is None:
        return None
    computer_id = int(match[1], 36)
    if computer_id > MAX_ID or not hmac.compare_digest(match[2], _mac(key, computer_id)):
        return None
    return computer_id


def check_any(keys: Sequence[bytes], token: str) -> int | None:
    """The same with several keys: the one that makes tokens, and earlier ones that are accepted for a while."""
    for key in keys:
        computer_id = check(key, token)
        if computer_id is not None:
            return computer_id
    return None


def _mac(key: bytes, computer_id: int) -> str:
    return blake3(computer_id.to_bytes(8, "big"), key=key).hexdigest()[:MAC_DIGITS]


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits
