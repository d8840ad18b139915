"""Sources that are watched, and what was found of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue.event_log import Kind
from distd.catalogue.recurring_schema import watched_sources as table
from distd.domain.errors import BadInput, Conflict, NotFound
from distd.domain.page import EVERYTHING
from distd.domain.watched_source import SETTLED_S, PlaceKind, SourceVersion
from distd.origin.jobs import jobs
from distd.origin.packages import references, watched_sources
from distd.origin.packages.watched_sources import FAILING_S, LOOK_AT_JOB_S, DueSource, NewSource, SourceChanges
from distd.wire.problem import content_of

if TYPE_CHECKING:
    from distd.origin.packages.watched_sources import WatchedSource
    from tests.fixtures.origin import TestOrigin

ONE = SourceVersion("1" * 64, 10, "first")
TWO = SourceVersion("2" * 64, 20, "second")
LEASE_S = 100.0
EVERY_S = 600


@pytest.fixture
def site(origin: TestOrigin) -> TestOrigin:
    for package_id in ("17", "18"):
        origin.package(package_id)
    watch(origin)
    return origin


def watch(origin: TestOrigin, name: str = "Putty", **more: Any) -> WatchedSource:
    values = {"name": name, "package_id": "17", "place": "https://h/putty.exe", "every_s": EVERY_S, **more}
    made: WatchedSource = origin.act(watched_sources.create, NewSource(**values), origin.now_s)
    return made


def take_due(site: TestOrigin, later_s: float = 0.0) -> list[DueSource]:
    site.now_s += later_s
    return list(site.write(watched_sources.take_due, site.now_s, LEASE_S))


def take(site: TestOrigin, later_s: float = 0.0) -> list[str]:
    return [each.hint for each in take_due(site, later_s)]


def taken(site: TestOrigin) -> DueSource:
    """What was taken last."""
    (row,) = site.rows(table)
    return DueSource(row["id"], row["name"], PlaceKind(row["kind"]), "", row["hint"], row["leased_to_us"] or 0)


def find(site: TestOrigin, version: SourceVersion | None, due: DueSource | None = None) -> int | None:
    job: int | None = site.write(watched_sources.found, due or taken(site), version, "/p", site.now_s)
    return job


def fail(site: TestOrigin, due: DueSource | None = None) -> bool:
    return bool(site.write(watched_sources.failed, due or taken(site), "404", site.now_s))


def shown(site: TestOrigin) -> WatchedSource:
    found: WatchedSource = site.read(watched_sources.show, "putty")
    return found


def of_sources(site: TestOrigin) -> list[Kind]:
    return [event.kind for event in site.events() if event.kind.startswith("SOURCE_")]


def new_version(site: TestOrigin) -> int:
    """A job that makes a package of a new version."""
    assert take(site) == [""]
    assert find(site, ONE) is None, "what is there first is what the package was made of"
    assert take(site, EVERY_S) == ["first"]
    job_id = find(site, TWO)
    assert job_id is not None
    return job_id


def test_one_process_looks_at_a_time(site: TestOrigin) -> None:
    assert take(site) == [""]
    assert take(site) == []
    assert take(site, LEASE_S + 1) == [""], "the other one has died"
    assert find(site, None) is None
    assert shown(site).next_at_s == site.now_s + EVERY_S
    assert not site.read(watched_sources.is_due, site.now_s)


def test_a_new_version_counts_when_its_job_is_done(site: TestOrigin) -> None:
    job_id = new_version(site)
    assert (shown(site).job, shown(site).digest) == (job_id, ONE.digest)
    job = site.write(jobs.take, site.now_s, 1)
    assert job.request == {
        "package": "17",
        "path": "/p",
        "kind": "URL",
        "digest": TWO.digest,
        "with_assignments": True,
    }
    assert take(site, LOOK_AT_JOB_S) == []
    site.write(references.follow_package, "17", "18")
    site.write(jobs.finish, job_id, "18", {}, site.now_s)
    assert take(site, LOOK_AT_JOB_S) == []
    assert (shown(site).job, shown(site).digest, shown(site).package_id) == (None, TWO.digest, "18")
    assert take(site, EVERY_S) == ["second"]
    assert find(site, TWO) is None
    assert of_sources(site) == [Kind.SOURCE_WATCHED, Kind.SOURCE_CHANGED]


def test_a_job_that_fails_is_tried_again_and_told_once(site: TestOrigin) -> None:
    job_id = new_version(site)
    site.write(jobs.fail, job_id, content_of(409, "17 is not active"), site.now_s)
    assert take(site, LOOK_AT_JOB_S) == []
    assert shown(site).why == f"job {job_id}: 17 is not active"
    assert take(site, EVERY_S) == [""], "without a hint: it is read again"
    again = find(site, TWO)
    assert again is not None
    site.write(jobs.fail, again, content_of(409, "17 is not active"), site.now_s)
    assert take(site, LOOK_AT_JOB_S) == []
    assert of_sources(site).count(Kind.SOURCE_FAILED) == 1
    assert take(site, EVERY_S) == [], "no package is made of it every minute, for ever"
    assert take(site, FAILING_S) == [""]
    assert find(site, ONE) is None
    assert (shown(site).failing_since_s, shown(site).why) == (None, "")
    assert of_sources(site)[-1] is Kind.SOURCE_RECOVERED


def test_an_outage_is_told_once(site: TestOrigin) -> None:
    begun_s = site.now_s
    take(site)
    assert fail(site)
    take(site, EVERY_S)
    assert not fail(site)
    assert shown(site).failing_since_s == begun_s
    take(site, EVERY_S)
    find(site, ONE)
    take(site, EVERY_S)
    assert fail(site)
    assert of_sources(site).count(Kind.SOURCE_FAILED) == 2


def test_a_source_that_is_deleted_meanwhile(site: TestOrigin) -> None:
    (due,) = take_due(site)
    assert site.read(watched_sources.ids) == {1}
    assert site.act(watched_sources.delete, "PUTTY", site.now_s).name == "Putty"
    assert find(site, ONE, due) is None
    assert not fail(site, due)
    assert site.read(watched_sources.ids) == set()
    with pytest.raises(NotFound):
        shown(site)


def test_it_is_looked_at_when_asked(site: TestOrigin) -> None:
    take(site)
    find(site, ONE)
    assert site.write(watched_sources.check_soon, "putty", site.now_s).next_at_s == site.now_s
    assert take(site) == ["first"]


def test_what_is_being_looked_at_is_not_looked_at_twice_when_asked(site: TestOrigin) -> None:
    take(site)
    find(site, ONE)
    (due,) = take_due(site, EVERY_S)
    site.write(watched_sources.check_soon, "putty", site.now_s)
    assert take(site) == [], "somebody is looking"
    job_id = find(site, TWO, due)
    assert job_id is not None
    assert site.write(watched_sources.check_soon, "putty", site.now_s).job == job_id
    assert take(site) == []


def test_who_comes_too_late_is_not_heard(site: TestOrigin) -> None:
    take(site)
    find(site, ONE)
    (late,) = take_due(site, EVERY_S)
    (due,) = take_due(site, LEASE_S + 1)
    assert find(site, TWO, late) is None
    assert not fail(site, late)
    site.write(watched_sources.settling, late, "~", site.now_s)
    job_id = find(site, TWO, due)
    assert job_id is not None
    assert find(site, TWO, due) is None, "one version, one job"
    assert [job.id for job in site.read(jobs.list_jobs, EVERYTHING).items] == [job_id]
    site.write(jobs.finish, job_id, "18", {}, site.now_s)
    take(site, LOOK_AT_JOB_S)
    assert shown(site).digest == TWO.digest


def test_what_settles_is_looked_at_soon(site: TestOrigin) -> None:
    take(site)
    site.write(watched_sources.settling, taken(site), "~first", site.now_s)
    assert shown(site).next_at_s == site.now_s + SETTLED_S
    assert take(site, SETTLED_S) == ["~first"]


def test_a_job_that_is_forgotten_has_failed(site: TestOrigin) -> None:
    new_version(site)
    site.write(lambda conn: conn.exec_driver_sql("DELETE FROM jobs"))
    take(site, LOOK_AT_JOB_S)
    assert "not known any more" in shown(site).why


@pytest.mark.parametrize(
    ("more", "error", "field"),
    [
        ({"name": "a/b"}, BadInput, "name"),
        ({"name": "PUTTY"}, Conflict, "name"),
        ({"package_id": "99"}, NotFound, "package"),
        ({"place": "http://h/a"}, BadInput, "place"),
        ({"every_s": 5}, BadInput, "every_s"),
        ({"package_id": "18"}, Conflict, "package"),
    ],
)
def test_what_cannot_be(site: TestOrigin, more: dict[str, Any], error: type[Exception], field: str) -> None:
    site.write(lambda conn: conn.exec_driver_sql("UPDATE packages SET superseded_by = '17' WHERE id = '18'"))
    with pytest.raises(error) as raised:
        watch(site, **({"name": "Other"} | more))
    assert getattr(raised.value, "field", "") == field


def test_there_are_not_too_many(site: TestOrigin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched_sources, "MAX_SOURCES", 2)
    watch(site, "B")
    with pytest.raises(Conflict, match="2 sources are watched already"):
        watch(site, "C")
    assert [each.name for each in site.read(watched_sources.list_sources, EVERYTHING).items] == ["B", "Putty"]


def test_a_query_is_shown_nowhere(site: TestOrigin) -> None:
    """It may hold a key."""
    place = "https://h/setup.exe?key=secret"
    made = site.act(watched_sources.create, NewSource("keyed", "17", place, 60), site.now_s)
    assert made.place == "https://h/setup.exe?…"
    (taken,) = [each for each in site.write(watched_sources.take_due, site.now_s, 1.0) if each.name == "keyed"]
    assert taken.place == place
    assert site.write(watched_sources.failed, taken, f"{place}: answers 404", site.now_s)
    assert site.read(watched_sources.show, "keyed").why == "https://h/setup.exe?…: answers 404"
    assert "secret" not in str(site.events())


def edit(site: TestOrigin, **changes: Any) -> WatchedSource:
    done: WatchedSource = site.act(watched_sources.edit, "putty", SourceChanges(**changes), site.now_s)
    return done


def test_it_is_looked_at_as_often_as_is_said_now(site: TestOrigin) -> None:
    take(site)
    find(site, ONE)
    looked_s = site.now_s
    site.now_s += 100
    changed = edit(site, every_s=1200, name="Editor", with_assignments=False)
    assert (changed.name, changed.next_at_s, changed.with_assignments) == ("Editor", looked_s + 1200, False)
    (event,) = site.events(Kind.SOURCE_EDITED)
    assert event.detail["after"] == {"name": "Editor", "every_s": 1200, "with_assignments": False}
    assert event.detail["before"] == {"name": "Putty", "every_s": EVERY_S, "with_assignments": True}


def test_other_content_at_another_place_is_a_new_version(site: TestOrigin) -> None:
    take(site)
    find(site, ONE)
    take(site, EVERY_S)  # somebody looks at the old place
    edit(site, place="https://h/new/putty.exe?key=secret")
    assert find(site, ONE, DueSource(1, "Putty", PlaceKind.URL, "", "", taken(site).leased_to_us)) is None
    assert take(site) == [""], "at once, and whatever was known of the old place"
    assert find(site, ONE) is None, "the same content"
    assert "secret" not in str(site.events(Kind.SOURCE_EDITED))
    edit(site, place="https://h/newer/putty.exe")
    take(site)
    assert find(site, TWO) is not None


def test_while_its_package_is_made_only_the_next_look_is_another(site: TestOrigin) -> None:
    take(site)
    find(site, ONE)
    take(site, EVERY_S)
    job = find(site, TWO)
    changed = edit(site, place="https://h/new/putty.exe", every_s=600)
    assert (changed.job, changed.next_at_s) == (job, site.now_s + LOOK_AT_JOB_S)


@pytest.mark.parametrize(
    ("changes", "error", "field"),
    [
        ({"name": "/"}, BadInput, "name"),
        ({"name": "Other"}, Conflict, "name"),
        ({"place": "http://h/x"}, BadInput, "place"),
        ({"every_s": 1}, BadInput, "every_s"),
    ],
)
def test_what_it_cannot_become(site: TestOrigin, changes: dict[str, Any], error: type[Exception], field: str) -> None:
    watch(site, "Other", package_id="18")
    before = site.read(watched_sources.show, "putty")
    with pytest.raises(error) as caught:
        edit(site, **changes)
    assert getattr(caught.value, "field", "") == field
    assert site.read(watched_sources.show, "putty") == before
    assert edit(site, name="PUTTY").name == "PUTTY", "its own name in other letters"
