"""`distd package verify --repair-from URL`: fetch bad files of a package from a mirror."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import trio

from distd.domain.errors import Unavailable
from distd.origin.packages.repair import PackageRepair
from distd.packaging.verify import verify
from distd.wire.manifest import MAX_MANIFEST_BYTES
from distd.wire.ocs_info import MAX_INFO_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from distd.domain.records import Fragment
    from distd.lane.client.http_client import Client
    from distd.origin.packages.packages import Package
    from distd.storage.data_dir import DataDir
    from distd.wire.trust import Authority

TIMEOUT_S: Final = 60.0  # for a small file, and for the next bytes of a fragment


async def repair(
    data: DataDir, found: Package, names: Iterable[str], ca: Authority, client: Client, mirror: str
) -> list[str]:
    """Replace the files called `names` in a package's folder; gives the names of those that were replaced.

    `found`: the package as the catalogue has it. `mirror` is the URL of a download folder. Fragments that are still
    good in the fragment store are not fetched. Raises `Unavailable`, and `Corrupt` when the mirror's files are bad too,
    or of another version.
    """
    package_id = found.id
    package = PackageRepair(data, package_id, found.version, ca)
    url = f"{mirror.rstrip('/')}/{package_id}"
    names = set(names)
    replaced = []
    if "manifest" in names:
        package.replace_manifest(await _get(client, f"{url}/manifest", MAX_MANIFEST_BYTES), f"{url}/manifest")
        replaced.append("manifest")
        names = {*(await trio.to_thread.run_sync(verify, data, package_id, ca))}
    if "info" in names:
        package.replace_info(await _get(client, f"{url}/info", MAX_INFO_BYTES), f"{url}/info")
        replaced.append("info")
    for fragment in package.manifest().fragments:
        name = package.name(fragment)
        if name in names:
            if not await trio.to_thread.run_sync(package.restore_fragment, fragment):
                await _download(client, f"{url}/{name}", package, fragment)
            replaced.append(name)
    return replaced


async def _get(client: Client, url: str, limit_bytes: int) -> bytes:
    async with _time_out(url):
        answer = await client.request("GET", url, max_body_bytes=limit_bytes)
    if answer.status != 200:
        raise Unavailable(url, f"HTTP {answer.status}")
    return answer.body


async def _download(client: Client, url: str, package: PackageRepair, fragment: Fragment) -> None:
    with package.replace_fragment(fragment) as file:
        async with _time_out(url) as scope, client.stream("GET", url) as answer:
            if answer.status != 200:
                raise Unavailable(url, f"HTTP {answer.status}")
            async for chunk in answer:
                scope.deadline = trio.current_time() + TIMEOUT_S
                file.append([chunk])


@asynccontextmanager
async def _time_out(url: str) -> AsyncIterator[trio.CancelScope]:
    """The block may extend it. Raises `Unavailable`."""
    with trio.move_on_after(TIMEOUT_S) as scope:
        yield scope
    if scope.cancelled_caught:
        raise Unavailable(url, f"nothing has come for {TIMEOUT_S:g} s")
