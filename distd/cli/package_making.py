"""Packages are made: here, in this process, or on a server, of a file that is uploaded."""

from __future__ import annotations

import json
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import msgspec

from distd.cli.actor import unix_actor
from distd.cli.remote_site import RemoteSite
from distd.cli.site import LocalSite
from distd.domain.errors import DistdError, NotFound
from distd.domain.records import OperatingSystem
from distd.operations import jobs as job_operations
from distd.operations import packages as operations
from distd.origin.jobs.jobs import JobState
from distd.origin.packages import publishing, versions
from distd.origin.packages.orders import SupersedeOrder, UploadSource, new_package
from distd.origin.packages.recovery import reconcile
from distd.packaging import archive
from distd.packaging.source import read_source
from distd.terminal.output import progress_bar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from distd.cli.site import SiteAccess
    from distd.origin.jobs.jobs import Job
    from distd.origin.packages.detail import PackageDetail
    from distd.origin.packages.orders import PackageOrder
    from distd.origin.packages.versions import Successor

PIECE_BYTES: Final = 1_048_576
FIRST_PAUSE_S: Final = 0.1  # between two looks at a job; each is longer than the one before
LONGEST_PAUSE_S: Final = 1.0


def build(site: SiteAccess, order: PackageOrder, source: Path | None) -> PackageDetail:
    """Make a package of a file or folder; with its warnings. Raises what `publishing.publish` raises."""
    if isinstance(site, LocalSite):
        installation = site.installation
        new = new_package(order, source, installation.settings.download)
        reconcile(installation.catalogue, installation.data)
        with progress_bar("Building") as progress:
            store = installation.package_store()
            package = publishing.publish(store, unix_actor(), new, time.time(), progress)
        return replace(site.ask(operations.SHOW, package.id), warnings=package.warnings)
    remote = _remote(site)
    if source is None:
        return _made(remote, remote.ask(job_operations.BUILD, given=order).job)
    # A recipe goes by the file's name; anything else is packed here, as it would be on the server: with its modes.
    system = None if order.recipe is not None else order.os
    with _uploaded(remote, source, system) as name:
        given = msgspec.structs.replace(order, source=UploadSource(name))
        return _made(remote, remote.ask(job_operations.BUILD, given=given).job)


def supersede(site: SiteAccess, package_id: str, successor: Successor) -> PackageDetail:
    """Make a package that takes the place of another; with its warnings. Raises what `versions.supersede` raises."""
    if isinstance(site, LocalSite):
        installation = site.installation
        reconcile(installation.catalogue, installation.data)
        with progress_bar("Building") as progress:
            store = installation.package_store()
            package = versions.supersede(store, unix_actor(), package_id, successor, time.time(), progress)
        return replace(site.ask(operations.SHOW, package.id), warnings=package.warnings)
    remote = _remote(site)
    old = remote.ask(operations.STATE, package_id)
    system = OperatingSystem(old.os) if old.recipe is None else None
    with _uploaded(remote, successor.source, system) as name:
        order = SupersedeOrder(UploadSource(name), successor.name, successor.target, successor.with_assignments)
        return _made(remote, remote.ask(job_operations.SUPERSEDE, package_id, given=order).job)


def wait_for(site: RemoteSite, job_id: int, show: Callable[[int, int], None] | None) -> Job:
    """The job when it is done. It is cancelled when the command is interrupted. Raises the error that it ended with."""
    pause_s = FIRST_PAUSE_S
    try:
        while True:
            job = site.ask(job_operations.SHOW, str(job_id))
            if job.state != JobState.RUNNING:
                break
            if show is not None and job.total_bytes:
                show(job.done_bytes, job.total_bytes)
            time.sleep(pause_s)
            pause_s = min(LONGEST_PAUSE_S, 1.5 * pause_s)
    except KeyboardInterrupt:
        with suppress(DistdError):
            site.ask(job_operations.CANCEL, str(job_id))
        raise
    if job.error is not None:
        raise site.error_of(job.error.status, json.dumps(asdict(job.error)).encode())
    return job


def _made(site: RemoteSite, job_id: int) -> PackageDetail:
    with progress_bar("Building") as show:
        job = wait_for(site, job_id, show)
    assert job.package is not None
    return replace(site.ask(operations.SHOW, job.package), warnings=tuple(job.warnings))


def _remote(site: SiteAccess) -> RemoteSite:
    assert isinstance(site, RemoteSite)
    return site


@contextmanager
def _uploaded(site: RemoteSite, source: Path, system: OperatingSystem | None) -> Iterator[str]:
    """The name of an upload of a source, packed for `system` where it is no archive (None: as it is); it is removed at
    the end."""
    with tempfile.TemporaryDirectory() as folder:
        path = source if system is None else _packed(source, Path(folder), system)
        name = path.name
        upload = f"/uploads/{quote(name, safe='')}"
        try:
            with progress_bar("Uploading") as show, path.open("rb") as file:
                size_bytes = path.stat().st_size
                pieces = _pieces(iter(lambda: file.read(PIECE_BYTES), b""), size_bytes, show)
                fields = {"Content-Type": "application/octet-stream", "Content-Length": str(size_bytes)}
                site.request("PUT", upload, pieces, fields)
        except (FileNotFoundError, IsADirectoryError) as error:
            raise NotFound("source", "a file or folder", f"{source}: {error.strerror}") from None
    try:
        yield name
    finally:
        with suppress(DistdError):
            site.request("DELETE", upload)


def _packed(source: Path, folder: Path, system: OperatingSystem) -> Path:
    """An archive of it, in `folder`; or the source itself, where it is one. Raises `BadInput`."""
    found = read_source(source, links=system is not OperatingSystem.WINDOWS, is_script=False)
    if found.facts.is_archive:
        return source
    suffix = ".zip" if system is OperatingSystem.WINDOWS else ".tar.gz"
    packed = folder / f"{source.resolve().name}{suffix}"
    archive.pack(found.members, packed, system, None)
    return packed


def _pieces(pieces: Iterator[bytes], total_bytes: int, show: Callable[[int, int], None] | None) -> Iterator[bytes]:
    done_bytes = 0
    for piece in pieces:
        yield piece
        done_bytes += len(piece)
        if show is not None:
            show(done_bytes, total_bytes)
