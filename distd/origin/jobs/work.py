"""What jobs do: packages built, superseded (as asked, or by a new version of their source), verified. It takes long and
much CPU: a server has it done by a process of its own.

The end of a job is written in the transaction that enters the package: either both are there, or none.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from distd.domain.watched_source import PlaceKind, read_folders
from distd.origin.jobs import jobs
from distd.origin.jobs.jobs import JobKind
from distd.origin.packages import packages, publishing, versions
from distd.origin.packages.orders import PackageOrder, SupersedeOrder, new_package, successor_of
from distd.origin.packages.recovery import reconcile
from distd.origin.packages.versions import Successor
from distd.packaging import source_version
from distd.packaging.verify import verify
from distd.storage import uploads

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection

    from distd.origin.installation import Installation
    from distd.origin.jobs.jobs import TakenJob
    from distd.origin.packages.orders import UploadSource
    from distd.origin.packages.packages import Package
    from distd.packaging.progress import Progress

    Work = Callable[[Installation, TakenJob, Progress], None]

MAX_FAULTS: Final = 1000  # of a package, that are kept


def do(site: Installation, job: TakenJob, progress: Progress) -> None:
    """Do a job, and write that it is done. Raises what the use case raises; then nothing of it is left."""
    _WORK[job.kind](site, job, progress)


def _build(site: Installation, job: TakenJob, progress: Progress) -> None:
    order = msgspec.convert(job.request, PackageOrder)
    source = None if order.source is None else uploads.find_whole(site.data, order.source.upload)
    new = new_package(order, source, site.settings.download)
    reconcile(site.catalogue, site.data)
    publishing.publish(site.package_store(), job.actor, new, time.time(), progress, finish=_finish(job))
    _forget(source, order.source)


def _supersede(site: Installation, job: TakenJob, progress: Progress) -> None:
    request = dict(job.request)
    package_id = request.pop("package")
    order = msgspec.convert(request, SupersedeOrder)
    source = uploads.find_whole(site.data, order.source.upload)
    successor = successor_of(order, source)
    reconcile(site.catalogue, site.data)
    versions.supersede(
        site.package_store(), job.actor, package_id, successor, time.time(), progress, finish=_finish(job)
    )
    _forget(source, order.source)


def _follow(site: Installation, job: TakenJob, progress: Progress) -> None:
    """Supersede by a file or folder, if what is packed is still what was found."""
    request, path = job.request, Path(job.request["path"])
    is_fetched = request["kind"] == PlaceKind.URL
    try:
        if not is_fetched:
            folders = read_folders(site.settings.sources.folders, "sources.folders")
            real = source_version.resolve(path, folders, site.data.root)
        else:
            real = path.resolve()
        successor = Successor(
            real,
            with_assignments=request["with_assignments"],
            file_mode_of_server=is_fetched,
            digest=request["digest"],
        )
        reconcile(site.catalogue, site.data)
        store = site.package_store()
        versions.supersede(store, job.actor, request["package"], successor, time.time(), progress, finish=_finish(job))
    finally:
        if is_fetched:
            path.unlink(missing_ok=True)


def _forget(path: Path | None, source: UploadSource | None) -> None:
    """The upload goes, where it is no longer wanted."""
    if path is not None and source is not None and source.remove:
        path.unlink(missing_ok=True)


def _finish(job: TakenJob) -> Callable[[Connection, Package], None]:
    def finish(conn: Connection, package: Package) -> None:
        jobs.finish(conn, job.id, package.id, {"warnings": list(package.warnings)}, time.time())

    return finish


def _verify(site: Installation, job: TakenJob, progress: Progress) -> None:
    package_id = job.request["package"]
    with site.catalogue.read() as conn:
        package = packages.show(conn, package_id)
    found = verify(site.data, package_id, site.package_store().ca, progress, version=package.version)
    faults = [
        {"what": fault.what, "expected": fault.expected, "got": fault.got}
        for fault in list(found.values())[:MAX_FAULTS]
    ]
    with site.catalogue.write() as conn:
        jobs.finish(conn, job.id, package_id, {"faults": faults}, time.time())


_WORK: Final[Mapping[JobKind, Work]] = {
    JobKind.BUILD: _build,
    JobKind.SUPERSEDE: _supersede,
    JobKind.FOLLOW: _follow,
    JobKind.VERIFY: _verify,
}
