"""The keys of agents' tokens (`wire.tokens`): one that makes them, and earlier ones that are accepted for a while.

`token.key` is the one that makes them. `token-earlier.json` has the others, each with the time until which it counts:
an agent in the middle of a download goes on with the address that it was told.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from distd.domain.errors import BadInput
from distd.storage import atomic, pki

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EARLIER: Final = "token-earlier.json"
MAX_EARLIER: Final = 8
NEW_S: Final = 3600.0  # a new key is accepted for so long before it makes tokens, if the rotation is cut off

_Hex = Annotated[str, msgspec.Meta(pattern=r"\A([0-9a-f]{2}){32,64}\Z")]


class EarlierKey(msgspec.Struct, frozen=True):
    """A key that made tokens before: they count until `until_s` (Unix time)."""

    key: _Hex
    until_s: float


@dataclass(frozen=True, slots=True)
class TokenKeys:
    """`current` makes tokens."""

    current: bytes
    earlier: tuple[EarlierKey, ...] = ()

    def accepted(self, now_s: float) -> tuple[bytes, ...]:
        """The keys whose tokens count now; the first is the one that makes them."""
        still = (bytes.fromhex(one.key) for one in self.earlier if one.until_s > now_s)
        return tuple(dict.fromkeys((self.current, *still)))


def load(folder: Path) -> TokenKeys:
    """From a data directory's folder of keys. Raises `BadInput`."""
    current, path = pki.load_token_key(folder), folder / EARLIER
    try:
        earlier = msgspec.json.decode(path.read_bytes(), type=list[EarlierKey])
    except FileNotFoundError:
        earlier = []
    except (msgspec.DecodeError, UnicodeDecodeError, OSError) as error:
        raise BadInput("data", "the earlier keys of the agents' tokens", str(path), str(error)) from None
    return TokenKeys(current, tuple(earlier[:MAX_EARLIER]))


def rotate(folder: Path, keep_s: float, now_s: float, spread: Callable[[], None] = lambda: None) -> TokenKeys:
    """Make another key; tokens of the present one count for `keep_s` longer. At most eight earlier ones are kept.

    `spread()` waits until all serving processes accept the new key: only then does any of them make tokens with it.
    """
    old, new = load(folder), secrets.token_bytes(pki.TOKEN_KEY_BYTES)
    still = [one for one in old.earlier if one.until_s > now_s]
    if keep_s > 0:
        still.insert(0, EarlierKey(old.current.hex(), now_s + keep_s))
    kept = still[: MAX_EARLIER - 1]
    _write(folder, [EarlierKey(new.hex(), now_s + NEW_S), *kept])
    spread()
    atomic.write_file(folder / pki.TOKEN_KEY, new, mode=0o600)
    _write(folder, kept)
    return load(folder)


def _write(folder: Path, earlier: list[EarlierKey]) -> None:
    atomic.write_file(folder / EARLIER, msgspec.json.encode(earlier), mode=0o600)
