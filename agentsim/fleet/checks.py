"""What an emulated agent checks of what it fetches, while it comes, without keeping it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from agentsim.fleet.partial_fragment import Part
from distd.domain.errors import BadInput
from distd.wire import ocs_info as info_format

if TYPE_CHECKING:
    from distd.domain.records import Info, Manifest


class Whole:
    """A stock agent's: one digest over all fragments in their order."""

    __slots__ = ("_hashes",)

    def __init__(self) -> None:
        self._hashes: dict[str, Any] = {}

    def begin(self, info: Info) -> None:
        """Raises `BadInput` for a digest that nobody knows."""
        try:
            self._hashes[info.id] = hashlib.new(info.digest_algo.lower())
        except ValueError:
            raise BadInput("DIGEST_ALGO", "a digest that OpenSSL knows", info.digest_algo) from None

    def part(self, package_id: str) -> Part:
        """Of a copy: what is fetched in vain must not count."""
        return Part(self._hashes[package_id].copy())

    def came(self, package_id: str, _: int, part: Part) -> bool:
        self._hashes[package_id] = part.hash
        return True

    def is_good(self, info: Info) -> bool:
        return info_format.is_digest(info, self._hashes.pop(info.id).digest())


class Each:
    """A native agent's: each fragment by the signed manifest; its BLAKE3 too, if it `hashes`."""

    __slots__ = ("_hashes", "manifests")

    def __init__(self, *, hashes: bool) -> None:
        self._hashes = hashes
        self.manifests: dict[str, Manifest] = {}

    def begin(self, info: Info) -> None:
        """The manifest is known."""

    def part(self, _: str) -> Part:
        return Part(blake3() if self._hashes else None)

    def came(self, package_id: str, number: int, part: Part) -> bool:
        fragment = self.manifests[package_id].fragments[number - 1]
        return part.length == fragment.length and (part.hash is None or part.hash.digest() == fragment.blake3)

    def is_good(self, _: Info) -> bool:
        """All of its fragments were."""
        return True
