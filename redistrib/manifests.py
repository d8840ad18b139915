"""Manifests and infos of packages that are on their way, from the sources that fragments come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import trio

from distd.domain.errors import BadInput, Corrupt, Unavailable
from distd.domain.lru import Lru
from distd.storage import incoming
from distd.wire.manifest import MAX_MANIFEST_BYTES
from distd.wire.ocs_info import MAX_INFO_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from distd.domain.errors import DistdError
    from distd.domain.records import Manifest
    from distd.wire.trust import Authority
    from redistrib.download import Downloader

MAX_REMEMBERED: Final = 64


@dataclass(frozen=True, slots=True)
class Description:
    """What describes a package: its checked manifest, the manifest's bytes as they were signed, the info's bytes."""

    manifest: Manifest
    signed: bytes
    info: bytes


class ManifestFetcher:
    """`sources()` gives the URLs of download folders, the best first; `ca`: whose manifests count."""

    def __init__(self, downloader: Downloader, sources: Callable[[], Sequence[str]], ca: Authority) -> None:
        self._downloader = downloader
        self._sources = sources
        self._ca = ca
        self._remembered: Lru[str, Description] = Lru(MAX_REMEMBERED)
        self._threads = trio.CapacityLimiter(1)

    async def fetch(self, package_id: str, version: int) -> Description:
        """Raises `Unavailable`, and `Corrupt` when no source has a good one of this version."""
        known = self._remembered.get(package_id)
        if known is not None and known.manifest.version == version:
            return known
        error: DistdError = Unavailable("manifest", "no source is known")
        for base in self._sources():
            try:
                description = await self._fetch(f"{base}/{package_id}", package_id, version)
            except (Unavailable, Corrupt, BadInput) as failure:
                error = failure
                continue
            self._remembered.put(package_id, description)
            return description
        raise error

    async def _fetch(self, url: str, package_id: str, version: int) -> Description:
        signed = await self._downloader.get_small(f"{url}/manifest", MAX_MANIFEST_BYTES)
        manifest = await trio.to_thread.run_sync(
            incoming.read_manifest, signed, package_id, version, self._ca, limiter=self._threads
        )
        info = await self._downloader.get_small(f"{url}/info", MAX_INFO_BYTES)
        incoming.check_info(manifest, info)
        return Description(manifest, signed, info)

    def forget_all(self) -> None:
        """Whose manifests count has changed."""
        self._remembered = Lru(MAX_REMEMBERED)

    def forget(self, package_id: str) -> None:
        """The package is here."""
        self._remembered.pop(package_id)
