"""Whom a native agent trusts: the site's CA, less what it has revoked; asked for at contacts, and kept."""

from __future__ import annotations

from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import trio

from distd.domain.errors import BadInput, Corrupt, Unavailable
from distd.wire import manifest as manifest_format
from distd.wire.manifest import MAX_MANIFEST_BYTES
from distd.wire.trust import MAX_TRUST_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentsim.native.state import Folder
    from distd.domain.records import Manifest, Pack
    from distd.lane.client.http_client import Client
    from distd.storage.trust_file import TrustFile
    from distd.storage.version_floors import VersionFloors
    from distd.wire.trust import Trust

TRUST_PATH = "/api/v1/mirror/trust"
TRUST_S = 3600.0  # at a contact, the trust file is asked for so often at the most


class ManifestState(Enum):
    """What has become of a queued package's manifest."""

    GOOD = "it counts, or there is one now that does"
    LATER = "it does not count, and there was no answer: at the next contact"
    NONE = "the package is another one by now"


class TrustUpdates:
    """`trust` is what counts now. `server`: the URL that POSTs go to."""

    def __init__(self, server: str, file: TrustFile, client: Client, log: Callable[[str], None]) -> None:
        parts = urlsplit(server)
        self._url = f"{parts.scheme}://{parts.netloc}{TRUST_PATH}"
        self._file = file
        self._client = client
        self._log = log
        self._asked_s: float | None = None
        client.reconfigure_tls(file.use_in)

    @property
    def trust(self) -> Trust:
        """The CA, and what it has revoked."""
        return self._file.trust

    async def update(self) -> bool:
        """Have the origin's trust file; whether it was a later one. Without an answer the one that is here stays."""
        if self._asked_s is not None and trio.current_time() - self._asked_s < TRUST_S:
            return False
        self._asked_s = trio.current_time()
        try:
            response = await self._client.request("GET", self._url, max_body_bytes=MAX_TRUST_BYTES, downgrade=False)
            is_later = response.status == 200 and self._file.take(response.body)
        except (Unavailable, BadInput, Corrupt) as error:
            self._log(f"Retrieve trust file...failed: {error}")
            return False
        if is_later:
            self._log(f"The trust file is of epoch {self._file.epoch} now.")
            self._client.reconfigure_tls(self._file.use_in)
        return is_later

    async def renew_manifest(self, folder: Folder, pack: Pack, floors: VersionFloors) -> ManifestState:
        """Where a queued package's manifest does not count any more, have the one that was signed anew.

        What has come of the package stays of use if both say the same of it.
        """
        with suppress(Corrupt, OSError):
            folder.manifest(self.trust.undated())
            return ManifestState.GOOD
        url = f"https://{pack.info_loc}/{pack.id}/manifest"
        try:
            response = await self._client.request("GET", url, max_body_bytes=MAX_MANIFEST_BYTES, downgrade=False)
            if response.status != 200:
                raise Unavailable(url, f"HTTP {response.status}")
            manifest = manifest_format.read(response.body, self.trust)
            _check_same(manifest, folder.manifest(self.trust.ca), pack.id)
            floors.check(pack.id, manifest.version)
        except (Unavailable, BadInput) as error:
            self._log(f"Retrieve manifest...failed (pack {pack.id}): {error}")
            return ManifestState.LATER
        except (Corrupt, OSError) as error:
            self._log(f"Package <{pack.id}> is fetched anew: {error}")
            return ManifestState.NONE
        floors.raise_to({pack.id: manifest.version})
        folder.replace_manifest(response.body)
        return ManifestState.GOOD


def _check_same(new: Manifest, old: Manifest, package_id: str) -> None:
    if (new.package_id, new.info_blake3, new.fragments) != (package_id, old.info_blake3, old.fragments):
        raise Corrupt("manifest", f"one of package {package_id} with the same info and fragments", "another one")
