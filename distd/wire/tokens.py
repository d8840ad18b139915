"""Tokens of computers in the path: /download/~<token>/… says which computer fetches a fragment.

A token is the computer's number in base 36, "-", four hexadecimal digits of the last day on which it counts (days since
1970), and 16 of a keyed BLAKE3 of number, day and generation. The generation of a computer is not in the token: when
the server counts it up, the tokens of before are revoked. A token gives no access that the plain path does not give, so
it is not secret; but nobody can make one for another computer.

Tokens of distd 0.1 had no day: 20 digits of a keyed BLAKE3 of the number. They count as long as the generation is 0.
"""

from __future__ import annotations

import hmac
import re
import struct
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from blake3 import blake3

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_ID: Final = 2**53
DAY_S: Final = 86_400
# Last days are multiples of it: an agent is told the same path for so long.
STEP_DAYS: Final = 16

_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_TOKEN: Final = re.compile(r"([1-9a-z][0-9a-z]{0,10})-([0-9a-f]{20})")
_CONTENT: Final = struct.Struct(">QHI")
_DAY_DIGITS: Final = 4
_MAC_DIGITS: Final = 16
_NO_GENERATIONS: Final[Mapping[int, int]] = MappingProxyType({})


def day_of(now_s: float) -> int:
    """The day (since 1970, UTC) of a time in seconds."""
    return int(now_s // DAY_S)


def last_day(now_s: float, life_days: int) -> int:
    """The last day of a token that is to count for `life_days` at least."""
    return -(-(day_of(now_s) + life_days) // STEP_DAYS) * STEP_DAYS


def make(key: bytes, computer_id: int, last_day: int, generation: int = 0) -> str:
    """The token of a computer. `key` is 32 bytes, `computer_id` from 1 to 2^53, `last_day` below 65,536."""
    if not 1 <= computer_id <= MAX_ID:
        raise ValueError(f"computer_id: expected 1 to {MAX_ID}, got {computer_id}")
    return f"{_base36(computer_id)}-{last_day:04x}{_mac(key, computer_id, last_day, generation)}"


def make_endless(key: bytes, computer_id: int) -> str:
    """A token as distd 0.1 made it: without a last day."""
    return f"{_base36(computer_id)}-{_old_mac(key, computer_id)}"


def number_of(token: str) -> int | None:
    """The number of the computer that a token claims to be of, unchecked; None for what is no token."""
    match = _TOKEN.fullmatch(token)
    return None if match is None or int(match[1], 36) > MAX_ID else int(match[1], 36)


def check(key: bytes, token: str, today: int = 0, generations: Mapping[int, int] = _NO_GENERATIONS) -> int | None:
    """The computer that a token is for, on the day `today`; None for a token that was not made with this key, or that
    has ended or is revoked. `generations` are those of the computers that have another than 0.
    """
    computer_id = number_of(token)
    if computer_id is None:
        return None
    digits = token.rpartition("-")[2]
    generation = generations.get(computer_id, 0)
    last = int(digits[:_DAY_DIGITS], 16)
    if hmac.compare_digest(digits[_DAY_DIGITS:], _mac(key, computer_id, last, generation)):
        return computer_id if today <= last else None
    is_old = not generation and hmac.compare_digest(digits, _old_mac(key, computer_id))
    return computer_id if is_old else None


def check_any(
    keys: Sequence[bytes], token: str, today: int = 0, generations: Mapping[int, int] = _NO_GENERATIONS
) -> int | None:
    """The same with several keys: the one that makes tokens, and earlier ones that are accepted for a while."""
    for key in keys:
        computer_id = check(key, token, today, generations)
        if computer_id is not None:
            return computer_id
    return None


def _mac(key: bytes, computer_id: int, last_day: int, generation: int) -> str:
    return blake3(_CONTENT.pack(computer_id, last_day, generation), key=key).hexdigest()[:_MAC_DIGITS]


def _old_mac(key: bytes, computer_id: int) -> str:
    return blake3(computer_id.to_bytes(8, "big"), key=key).hexdigest()[: _DAY_DIGITS + _MAC_DIGITS]


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits
