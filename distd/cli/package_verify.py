"""`distd package verify`."""

from __future__ import annotations

import os
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click
import trio

from distd.cli.package_making import wait_for
from distd.cli.package_repair import repair
from distd.cli.remote_site import RemoteSite
from distd.cli.site import LocalSite, ask_list, local_only, site_option
from distd.domain.errors import BadInput, Corrupt
from distd.domain.units import format_count
from distd.domain.visible import visible
from distd.lane.client.http_client import open_client
from distd.operations import jobs as job_operations
from distd.operations import packages as operations
from distd.operations.packages import PackageQuery
from distd.origin.packages import packages
from distd.packaging.verify import verify as verify_package
from distd.storage.trust_file import load_trust
from distd.terminal.lists import ListOptions
from distd.terminal.options import example, json_option
from distd.terminal.output import print_json, progress_bar
from distd.terminal.program import argument, command, option

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from distd.cli.site import SiteAccess
    from distd.origin.installation import Installation
    from distd.origin.packages.packages import Package


@command(epilog=example("distd package verify --data /srv/distd --repair-from https://mirror.example/download"))
@argument("package_ids", field="package", metavar="[PACKAGE]...", nargs=-1, hint="see `distd package list`")
@site_option
@option("--repair-from", "mirror", metavar="URL", help="Fetch bad files from this download folder of another server.")
@json_option
def verify(package_ids: tuple[str, ...], site: SiteAccess, mirror: str | None, as_json: bool) -> None:
    """Check the digests of packages on the disk: of the given ones, or of all.

    A package must be of the version that the catalogue has. Each fault is printed; the exit status is 1 if one remains.
    """
    if mirror is not None:
        _check_url(mirror)
    if isinstance(site, LocalSite):
        rows = _verify_here(site.installation, package_ids, mirror)
    else:
        rows = _verify_there(site, package_ids, mirror)
    if as_json:
        print_json(rows[0] if len(package_ids) == 1 else rows)
    good = [row for row in rows if row["good"]]
    if not as_json:
        for row in rows:
            for name in row["repaired"]:
                click.echo(f"{name} is repaired.")
        if len(rows) == 1 and good:
            click.echo(f"Package {rows[0]['id']} is good.")
        elif len(rows) != 1:
            click.echo(f"{len(good)} of {format_count(len(rows), 'package')} are good.")
    click.get_current_context().exit(0 if len(good) == len(rows) else 1)


def _verify_here(installation: Installation, package_ids: Sequence[str], mirror: str | None) -> list[dict[str, Any]]:
    with progress_bar("Verifying") as progress:
        with installation.catalogue.read() as conn:
            found = [packages.show(conn, package_id) for package_id in package_ids] or packages.read_all(conn)
        total = _TotalProgress(progress, sum(package.size_bytes for package in found))
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            return list(threads.map(lambda package: _verify(installation, package, mirror, total.part()), found))


def _verify_there(site: SiteAccess, package_ids: Sequence[str], mirror: str | None) -> list[dict[str, Any]]:
    """By a job of the server for each package, one after the other."""
    if mirror is not None:
        local_only(site, "--repair-from")
    assert isinstance(site, RemoteSite)
    if not package_ids:
        everything = ListOptions(limit=1, everything=True, wide=False, as_csv=False, as_json=False)
        package_ids = [row.id for row in reversed(ask_list(site, operations.LIST, everything, PackageQuery()).items)]
    rows = []
    for package_id in package_ids:
        with progress_bar(f"Verifying {package_id}") as show:
            job = wait_for(site, site.ask(job_operations.VERIFY, package_id).job, show)
        faults = [Corrupt(fault.what, fault.expected, fault.got) for fault in job.faults]
        rows.append(_row(package_id, faults, []))
    return rows


def _check_url(url: str) -> None:
    with suppress(ValueError):  # of a port that is none
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return
    raise BadInput("--repair-from", "http://HOST[:PORT]/PATH or https://…", url)


class _TotalProgress:
    """The progress of several threads together."""

    def __init__(self, progress: Callable[[int, int], None] | None, total_bytes: int) -> None:
        self._progress = progress
        self._total_bytes = total_bytes
        self._done_bytes = 0
        self._lock = threading.Lock()

    def part(self) -> Callable[[int, int], None] | None:
        """A function for the progress of one thread; None: nothing is shown."""
        before_bytes = 0

        def show(done_bytes: int, _total: int) -> None:
            nonlocal before_bytes
            with self._lock:
                self._done_bytes += done_bytes - before_bytes
                before_bytes = done_bytes
                assert self._progress is not None
                self._progress(self._done_bytes, self._total_bytes)

        return None if self._progress is None else show


def _verify(
    installation: Installation, package: Package, mirror: str | None, progress: Callable[[int, int], None] | None
) -> dict[str, Any]:
    ca = load_trust(installation.data)
    faults = verify_package(installation.data, package.id, ca, progress, version=package.version)
    repaired = []
    if faults and mirror is not None:
        repaired = trio.run(_repair, installation, package, list(faults), mirror)
        faults = verify_package(installation.data, package.id, ca, version=package.version)
    return _row(package.id, list(faults.values()), repaired)


def _row(package_id: str, faults: Sequence[Corrupt], repaired: list[str]) -> dict[str, Any]:
    for fault in faults:
        click.echo(f"distd: {visible(str(fault))}", err=True)
    return {
        "id": package_id,
        "good": not faults,
        "faults": [{"what": fault.what, "expected": fault.expected, "got": fault.got} for fault in faults],
        "repaired": repaired,
    }


async def _repair(installation: Installation, package: Package, names: list[str], mirror: str) -> list[str]:
    ca = load_trust(installation.data)
    async with open_client(ssl.create_default_context(cafile=installation.data.ca_certificate)) as client:
        return await repair(installation.data, package, names, ca, client, mirror)
