"""What jobs do: a package and the end of its job are entered together, or neither."""

from __future__ import annotations

import io
import random
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from distd.domain.errors import BadInput, Conflict
from distd.domain.page import EVERYTHING
from distd.domain.settings import Settings
from distd.origin.installation import Installation
from distd.origin.jobs import jobs, work
from distd.origin.jobs.jobs import JobKind, JobState
from distd.origin.packages import overview
from distd.origin.packages.overview import WantedPackages

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin

ORDER = {"name": "Hello", "os": "LINUX", "action": "STORE", "target": "/opt/hello", "source": {"upload": "hello.txt"}}


@pytest.fixture
def site(origin: TestOrigin, data: Any) -> Installation:
    data.uploads.mkdir(exist_ok=True)
    (data.uploads / "hello.txt").write_bytes(random.Random(1).randbytes(5000))
    return Installation(data, Settings(), origin.catalogue)


def begin(origin: TestOrigin, kind: JobKind, request: dict[str, Any]) -> Any:
    origin.act(jobs.create, kind, request, 1.0)
    return origin.write(jobs.take, 2.0, 10)


def do(origin: TestOrigin, site: Installation, kind: JobKind, request: dict[str, Any]) -> Any:
    job = begin(origin, kind, request)
    told: list[tuple[int, int]] = []
    work.do(site, job, lambda *done: told.append(done))
    assert told
    return origin.read(jobs.show, str(job.id))


def packages(origin: TestOrigin) -> list[str]:
    return [row.id for row in origin.read(overview.list_packages, WantedPackages(), EVERYTHING).items]


def test_build_supersede_and_verify(origin: TestOrigin, site: Installation) -> None:
    built = do(origin, site, JobKind.BUILD, ORDER | {"fragments": {"count": 2}, "description": "for all"})
    assert built.state == JobState.DONE
    found = origin.read(overview.show, built.package)
    assert (found.name, found.fragments, found.description) == ("Hello", 2, "for all")
    again = do(origin, site, JobKind.BUILD, ORDER)
    assert again.warnings == [f"package {built.package} has the same name"]
    request = {"package": built.package, "source": {"upload": "hello.txt"}, "name": "Hello 2"}
    newer = do(origin, site, JobKind.SUPERSEDE, request)
    assert origin.read(overview.show, built.package).superseded_by == newer.package
    assert origin.read(overview.show, newer.package).fragments == 2
    assert do(origin, site, JobKind.VERIFY, {"package": newer.package}).faults == []
    (site.data.package(newer.package) / f"{newer.package}-1").write_bytes(b"x")
    faults = do(origin, site, JobKind.VERIFY, {"package": newer.package}).faults
    assert [f"fragment 1 of {newer.package}" in fault.what for fault in faults] == [True]


@pytest.mark.parametrize(
    ("order", "mode"), [({}, 0o644), ({"action": "LAUNCH", "target": "hello.txt"}, 0o755)], ids=["STORE", "LAUNCH"]
)
def test_an_upload_gets_the_mode_that_it_needs(
    origin: TestOrigin, site: Installation, order: dict[str, Any], mode: int
) -> None:
    (site.data.uploads / "hello.txt").chmod(0o600)
    built = do(origin, site, JobKind.BUILD, ORDER | order)
    content = (site.data.package(built.package) / f"{built.package}-1").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(content)) as packed:
        assert [(member.name, member.mode) for member in packed] == [("hello.txt", mode)]


def test_a_job_that_was_cancelled_leaves_nothing(origin: TestOrigin, site: Installation) -> None:
    job = begin(origin, JobKind.BUILD, ORDER)
    origin.act(jobs.cancel, str(job.id), 3.0)
    with pytest.raises(Conflict, match="ended meanwhile"):
        work.do(site, job, lambda *_: None)
    assert packages(origin) == []
    assert list(site.data.download.iterdir()) == []


def test_an_upload_that_is_gone(origin: TestOrigin, site: Installation) -> None:
    (site.data.uploads / "hello.txt").unlink()
    job = begin(origin, JobKind.BUILD, ORDER)
    with pytest.raises(BadInput, match=r"source\.upload: expected the name of an upload that is whole, got hello\.txt"):
        work.do(site, job, lambda *_: None)
    assert packages(origin) == []


def test_an_upload_goes_when_it_is_no_longer_wanted(origin: TestOrigin, site: Installation) -> None:
    upload = site.data.uploads / "hello.txt"
    do(origin, site, JobKind.BUILD, ORDER)
    assert upload.exists()
    built = do(origin, site, JobKind.BUILD, ORDER | {"source": {"upload": "hello.txt", "remove": True}})
    assert not upload.exists()
    upload.write_bytes(b"new")
    request = {"package": built.package, "source": {"upload": "hello.txt", "remove": True}}
    do(origin, site, JobKind.SUPERSEDE, request)
    assert not upload.exists()
