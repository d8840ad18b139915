"""Bad files of a package, each made good from the content store or from a mirror."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

import trio
from blake3 import blake3

from distd.domain.errors import Corrupt, Unavailable
from distd.packaging.verify import verify
from distd.storage import atomic
from distd.storage import package_dirs as directories
from distd.storage.fragment_store import FragmentStore, hash_file
from distd.wire import manifest as manifest_format
from distd.wire.manifest import MAX_MANIFEST_BYTES
from distd.wire.ocs_info import MAX_INFO_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from cryptography import x509

    from distd.domain.records import Fragment
    from distd.lane.client.http_client import Client
    from distd.storage.data_dir import DataDir

TIMEOUT_S: Final = 60.0  # for a small file, and for the next bytes of a fragment


async def repair(
    data: DataDir, package_id: str, names: Iterable[str], ca: x509.Certificate, client: Client, mirror: str
) -> list[str]:
    """Make the files called `names` in a package's folder good; gives those that were.

    `mirror` is the URL of a download folder. Only what matches the signed manifest is taken, file by file, and each
    takes the place of the bad one in one step. Raises `Unavailable` and `Corrupt` when the mirror has nothing better.
    """
    bench = _Bench(data, package_id, ca, client, f"{mirror.rstrip('/')}/{package_id}")
    names = set(names)
    made_good = []
    if "manifest" in names:
        await bench.manifest()
        made_good.append("manifest")
        names = {*(await trio.to_thread.run_sync(verify, data, package_id, ca))}
    manifest = directories.read_manifest(data, package_id, ca)
    if "info" in names:
        await bench.info(manifest.info_blake3)
        made_good.append("info")
    for fragment in manifest.fragments:
        name = f"{package_id}-{fragment.number}"
        if name in names:
            await bench.fragment(name, fragment)
            made_good.append(name)
    return made_good


class _Bench:
    def __init__(self, data: DataDir, package_id: str, ca: x509.Certificate, client: Client, url: str) -> None:
        self._folder = data.package(package_id)
        self._store = FragmentStore(data.fragments)
        self._ca = ca
        self._client = client
        self._url = url

    async def manifest(self) -> None:
        text = await self._get("manifest", MAX_MANIFEST_BYTES)
        manifest = manifest_format.read(text, self._ca)
        if manifest.package_id != self._folder.name:
            raise Corrupt(f"{self._url}/manifest", f"id {self._folder.name}", f"id {manifest.package_id}")
        atomic.write_file(self._folder / "manifest", text)

    async def info(self, expected: bytes) -> None:
        text = await self._get("info", MAX_INFO_BYTES)
        digest = blake3(text)
        if digest.digest() != expected:
            raise Corrupt(f"{self._url}/info", expected.hex(), digest.hexdigest())
        atomic.write_file(self._folder / "info", text)

    async def fragment(self, name: str, fragment: Fragment) -> None:
        """From the store when it is good there, as a repair of another package may have left it."""
        file, kept = self._folder / name, self._store.path(fragment.blake3)
        with suppress(OSError):
            is_good = await trio.to_thread.run_sync(hash_file, kept) == (fragment.length, fragment.blake3)
            if is_good and self._store.fetch(fragment.blake3, file):
                return
        new = file.with_name(f"{atomic.NEW}{name}-{os.getpid()}")
        try:
            await self._download(name, fragment, new)
            new.replace(file)
        finally:
            new.unlink(missing_ok=True)
        atomic.sync_folder(self._folder)
        self._store.keep(file, fragment.blake3)

    async def _download(self, name: str, fragment: Fragment, new: Path) -> None:
        url, digest, length = f"{self._url}/{name}", blake3(), 0
        with new.open("xb") as out:
            os.fchmod(out.fileno(), 0o644)
            async with _patience(url) as scope, self._client.stream("GET", url) as answer:
                if answer.status != 200:
                    raise Unavailable(url, f"HTTP {answer.status}")
                async for chunk in answer:
                    scope.deadline = trio.current_time() + TIMEOUT_S
                    length += len(chunk)
                    if length > fragment.length:
                        raise Corrupt(url, f"{fragment.length} bytes", "more")
                    digest.update(chunk)
                    out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
        if (length, digest.digest()) != (fragment.length, fragment.blake3):
            got = f"{length} bytes, {digest.hexdigest()}"
            raise Corrupt(url, f"{fragment.length} bytes, {fragment.blake3.hex()}", got)

    async def _get(self, name: str, limit_bytes: int) -> bytes:
        url = f"{self._url}/{name}"
        async with _patience(url):
            answer = await self._client.request("GET", url, max_body_bytes=limit_bytes)
        if answer.status != 200:
            raise Unavailable(url, f"HTTP {answer.status}")
        return answer.body


@asynccontextmanager
async def _patience(url: str) -> AsyncIterator[trio.CancelScope]:
    """A time-out, which the block may put off."""
    with trio.move_on_after(TIMEOUT_S) as scope:
        yield scope
    if scope.cancelled_caught:
        raise Unavailable(url, f"nothing has come for {TIMEOUT_S:g} s")
