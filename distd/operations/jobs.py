"""Work that takes long: packages built from uploads, superseded, verified. The answer names a job to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from distd.domain.page import Page, read_window
from distd.domain.permissions import Act
from distd.operations.operation import Operation, Way
from distd.origin.jobs import jobs
from distd.origin.jobs.jobs import Job, JobKind
from distd.origin.packages import packages, publishing, versions
from distd.origin.packages.orders import PackageOrder, SupersedeOrder, new_package, successor_of
from distd.storage import uploads
from distd.wire.query import cursor_parameter, limit_parameter

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from distd.operations.operation import Asked


@dataclass
class JobQuery:
    """Which page of jobs."""

    limit: int | None = limit_parameter()
    cursor: str | None = cursor_parameter()


@dataclass(frozen=True, slots=True)
class JobPage(Page[Job]):
    """Jobs, the newest first."""


@dataclass(frozen=True, slots=True)
class JobCreated:
    """The id of the job: GET /jobs/{job_id} says how far it is."""

    job: int


def _list(conn: Connection, _: Asked, query: JobQuery) -> JobPage:
    page = jobs.list_jobs(conn, read_window(query.limit, query.cursor, jobs.PLACE))
    return JobPage(page.items, page.next, page.total)


def _show(conn: Connection, _: Asked, job_id: str) -> Job:
    return jobs.show(conn, job_id)


def _cancel(conn: Connection, asked: Asked, job_id: str) -> Job:
    return jobs.cancel(conn, asked.actor, job_id, asked.now_s)


def _check_build(asked: Asked, order: PackageOrder) -> None:
    """All that can be known before it is built is answered at once."""
    site = asked.site
    source = None if order.source is None else uploads.find_whole(site.data, order.source.upload)
    publishing.check(new_package(order, source, site.settings.download), site.settings.download)


def _build(conn: Connection, asked: Asked, order: PackageOrder) -> JobCreated:
    return JobCreated(jobs.create(conn, asked.actor, JobKind.BUILD, _plain(order), asked.now_s))


def _check_supersede(asked: Asked, package_id: str, order: SupersedeOrder) -> None:
    store = asked.site.package_store()
    source = uploads.find_whole(asked.site.data, order.source.upload)
    _, new = versions.plan_successor(store, package_id, successor_of(order, source))
    publishing.check(new, store.config)


def _supersede(conn: Connection, asked: Asked, package_id: str, order: SupersedeOrder) -> JobCreated:
    request = {"package": package_id, **_plain(order)}
    return JobCreated(jobs.create(conn, asked.actor, JobKind.SUPERSEDE, request, asked.now_s))


def _verify(conn: Connection, asked: Asked, package_id: str) -> JobCreated:
    packages.show(conn, package_id)
    request = {"package": package_id}
    return JobCreated(jobs.create(conn, asked.actor, JobKind.VERIFY, request, asked.now_s, package_id))


def _plain(order: msgspec.Struct) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(order)
    return found


_ONE: Final = "/jobs/{job_id}"

BUILD: Final = Operation(
    "build_package",
    "POST",
    "/packages",
    """Make a package of a file that was uploaded: archive, fragments, digests, signed manifest.

    What cannot be is refused at once. The upload stays, until it is removed.""",
    JobCreated,
    _build,
    Act.PACKAGES_WRITE,
    Way.WRITE,
    body=PackageOrder,
    check=_check_build,
    status=202,
    problems=(404, 409),
    keyed=True,
)
SUPERSEDE: Final = Operation(
    "supersede_package",
    "POST",
    "/packages/{package_id}/supersede",
    """Make a new package of a file that was uploaded, which takes the place of this one.

    This one is deactivated; agents that were told of it finish it first.""",
    JobCreated,
    _supersede,
    Act.PACKAGES_WRITE,
    Way.WRITE,
    body=SupersedeOrder,
    check=_check_supersede,
    status=202,
    problems=(409, 500),
    keyed=True,
)
VERIFY: Final = Operation(
    "verify_package",
    "POST",
    "/packages/{package_id}/verify",
    "Check the digests of a package on the server's disk. A job that is DONE says in `faults` what is wrong.",
    JobCreated,
    _verify,
    Act.PACKAGES_WRITE,
    Way.WRITE,
    status=202,
    problems=(409,),
)
LIST: Final = Operation(
    "list_jobs",
    "GET",
    "/jobs",
    "Jobs, the newest first. The last thousand are kept.",
    JobPage,
    _list,
    Act.PACKAGES_READ,
    query=JobQuery,
)
SHOW: Final = Operation(
    "show_job", "GET", _ONE, "How far a job is, and what has become of it.", Job, _show, Act.PACKAGES_READ
)
CANCEL: Final = Operation(
    "cancel_job",
    "DELETE",
    _ONE,
    "End a job: it has FAILED then. Nothing is left of what it made.",
    Job,
    _cancel,
    Act.PACKAGES_WRITE,
    Way.WRITE,
    problems=(409,),
)
ALL: Final = (BUILD, SUPERSEDE, VERIFY, LIST, SHOW, CANCEL)
