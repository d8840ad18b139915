"""How an emulated agent fetches fragments, and what it checks of them while they come, without keeping them.

A stock agent asks the one place that it was told; a native one asks the first of several, and goes on at the next
place, inside the fragment, where one fails.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from blake3 import blake3

from agentsim.fleet.counters import Kind
from agentsim.fleet.partial_fragment import PARTIAL, WRONG_RANGE, PartialFragment, ResumedFragment, resume
from distd.domain.errors import BadInput, Corrupt, Unavailable
from distd.wire import ocs_info

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentsim.fleet.exchange import Exchange
    from distd.domain.agent_actions import (
        FetchFragment,
    )
    from distd.domain.records import Info, Manifest, Pack
    from distd.lane.client.link import Link


class StockFragments:
    """A stock agent's. With `verify` it has one digest over all fragments of a package in their order."""

    __slots__ = ("_hashes", "_partial", "verify")

    def __init__(self, *, verify: bool) -> None:
        self.verify = verify
        self._hashes: dict[str, Any] = {}
        self._partial: PartialFragment | None = None

    def begin(self, info: Info) -> None:
        """A package is to be fetched. Raises `BadInput` for an unknown digest."""
        if self.verify:
            try:
                self._hashes[info.id] = hashlib.new(info.digest_algo.lower())
            except ValueError:
                raise BadInput("DIGEST_ALGO", "a digest that OpenSSL knows", info.digest_algo) from None

    def fetch(self, exchange: Exchange, action: FetchFragment) -> None:
        """Ask for the fragment."""
        package_id, number, folder, scheme = action
        partial = self._start(package_id) if self.verify else None
        exchange.get(Kind.FRAGMENT, scheme, folder, f"{package_id}/{package_id}-{number}", keep=False, digest=partial)

    def follow(self, exchange: Exchange, link: Link, action: FetchFragment) -> None:
        """Ask where a redirect leads; its own body does not count."""
        exchange.follow(link, keep=False, digest=self._start(action.package_id) if self.verify else None)

    def _start(self, package_id: str) -> PartialFragment:
        """On a copy of the digest: a fragment that does not come must not count."""
        self._partial = PartialFragment(self._hashes[package_id].copy())
        return self._partial

    def accept(self, action: FetchFragment) -> int:
        """The fragment has come whole; how many bytes are verified with it."""
        partial, self._partial = self._partial, None
        if partial is None:
            return 0
        self._hashes[action.package_id] = partial.hash
        return partial.length

    def is_good(self, info: Info) -> bool:
        """Whether the whole package is what `info` says."""
        return not self.verify or ocs_info.is_digest(info, self._hashes.pop(info.id).digest())


UNVERIFIED: Final = StockFragments(verify=False)  # has no state: all agents that verify nothing share it


class NativeFragments:
    """A native agent's. Each fragment has the length of the signed manifest; with `verify` its BLAKE3 too.

    `info`: that of the next package, as it came, while the agent asks for its manifest.
    """

    __slots__ = ("_manifests", "_partial", "_places", "_tries", "info", "verify")

    def __init__(self, *, verify: bool) -> None:
        self.verify = verify
        self.info = b""
        self._manifests: dict[str, Manifest] = {}
        self._places: dict[str, list[str]] = {}  # of each package, the one to ask next first
        self._partial: PartialFragment | None = None  # of the fragment that is under way, or that failed
        self._tries = 0  # places asked for the present fragment, less one

    def set_places(self, packs: Iterable[Pack]) -> None:
        """The server has named the places of each package."""
        self._places = {pack.id: [*pack.mirrors, pack.pack_loc] for pack in packs}

    def add_manifest(self, manifest: Manifest) -> None:
        """The manifest of a package is known."""
        self._manifests[manifest.package_id] = manifest

    def begin(self, info: Info) -> None:
        """A package is to be fetched, whose manifest is known."""

    def fetch(self, exchange: Exchange, action: FetchFragment) -> None:
        """Ask the first place for the fragment, or for what is missing of it."""
        self._tries = 0
        self._ask(exchange, action)

    def fetch_elsewhere(self, exchange: Exchange, action: FetchFragment, link: Link | None, status: int) -> bool:
        """Where the request failed: ask the next place for what is missing. False: there is none; the next turn will.

        `link` and `status`: as in `Requester.failed`.
        """
        self._partial = resume(self._partial, link, status, exchange, _name(action))
        places = self._places.get(action.package_id, [])
        self._tries += 1
        if self._tries >= len(places):
            return False
        places.append(places.pop(0))
        self._ask(exchange, action)
        return True

    def _ask(self, exchange: Exchange, action: FetchFragment) -> None:
        name, fields = _name(action), ""
        partial = self._partial
        if isinstance(partial, ResumedFragment) and partial.name == name:
            fields = partial.fields
        else:
            partial = self._start()
        folder = (self._places.get(action.package_id) or [action.pack_loc])[0]
        path = f"{action.package_id}/{name}"
        exchange.get(Kind.FRAGMENT, action.proto, folder, path, keep=False, digest=partial, fields=fields)

    def follow(self, exchange: Exchange, link: Link, _: FetchFragment) -> None:
        """Ask where a redirect leads; its own body does not count."""
        partial = self._partial
        if isinstance(partial, ResumedFragment):
            partial = self._partial = ResumedFragment(partial, exchange, partial.name, partial.tag)
            exchange.follow(link, keep=False, digest=partial, fields=partial.fields)
        else:
            exchange.follow(link, keep=False, digest=self._start())

    def _start(self) -> PartialFragment:
        self._partial = PartialFragment(blake3() if self.verify else None)
        return self._partial

    def accept(self, action: FetchFragment) -> int:
        """The answer has come whole; how many bytes are verified with it. Raises `Corrupt` for a fragment that is not
        the manifest's, `Unavailable` for an answer that is no part of it."""
        partial, self._partial = self._partial, None
        assert partial is not None
        if isinstance(partial, ResumedFragment) and partial.status == WRONG_RANGE:
            raise Unavailable(_name(action), f"HTTP {PARTIAL}")
        fragment = self._manifests[action.package_id].fragments[action.number - 1]
        digest = fragment.blake3 if partial.hash is None else partial.hash.digest()
        if (partial.length, digest) != (fragment.length, fragment.blake3):
            expected = f"{fragment.length} bytes, {fragment.blake3.hex()}"
            raise Corrupt(_name(action), expected, f"{partial.length} bytes, {digest.hex()}")
        return partial.length if self.verify else 0

    def is_good(self, _: Info) -> bool:
        """Whether the whole package is: all of its fragments were."""
        return True


def _name(action: FetchFragment) -> str:
    return f"{action.package_id}-{action.number}"
