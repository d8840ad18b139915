"""The page of a package."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlalchemy import update

from distd.catalogue import schema
from distd.domain.records import Notify
from distd.origin.jobs import jobs
from distd.origin.jobs.jobs import JobKind
from distd.origin.packages import packages, publishing, versions
from distd.origin.packages.versions import PackageChanges

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin
    from tests.web.console.conftest import Browser


async def test_what_is_known_of_it(browser: Browser, publish: Any, origin: TestOrigin) -> None:
    package = publish(name="Putty <1>", notify=Notify(user=True, text="Save <now>", countdown_s=30, can_delay=True))
    origin.act(packages.activate, package.id, "info.example/d", "files.example/d", origin.now_s)
    await browser.sign_in()
    text = await browser.text(f"/packages/{package.id}")
    for word in ("Putty <1>", package.id, package.md5, "/opt/hello", "BLAKE3", "Save <now>", "30 s", "delay it"):
        assert word in text
    assert f"info.example/d/{package.id}" in text
    assert "It is assigned to no computer yet." in text
    page = await browser.page(f"/packages/{package.id}")
    for act in ("edit", "supersede", "verify", "deactivate", "withdraw", "delete"):
        assert f'href="/packages/{package.id}/{act}"' in page
        assert (await browser.get(f"/packages/{package.id}/{act}")).status_code == 200
    assert f'href="/packages/{package.id}/activate"' not in page


async def test_counters_are_its_statistics(browser: Browser, publish: Any, pc: TestOrigin) -> None:
    package = publish()
    pc.act(packages.activate, package.id, None, None, pc.now_s)
    pc.assign(package.id)
    await browser.sign_in()
    text = await browser.text(f"/packages/{package.id}", **{"Accept-Language": "fr"})
    for word in ("1 ordinateur", "attente notification", "Statistiques", "Actif"):
        assert word in text
    for path in ("", "/deployment", "/deployment/computers"):
        page = await browser.page(f"/packages/{package.id}{path}")
        (others,) = set(re.findall(r'href="(/computers\?filter=not[^"]*)"', page))
        assert "0 computers found" in await browser.text(others)


async def test_a_viewer_finds_no_buttons(viewer: Browser, publish: Any) -> None:
    package = publish()
    await viewer.sign_in()
    page = await viewer.page(f"/packages/{package.id}")
    for act in ("edit", "withdraw", "activate"):
        assert f"/{act}" not in page


async def test_what_has_become_of_it(browser: Browser, publish: Any, package_store: Any, origin: TestOrigin) -> None:
    old, new = publish(name="old"), publish(name="new")
    origin.write(
        lambda conn: conn.execute(
            update(schema.packages).where(schema.packages.c.id == old.id).values(superseded_by=new.id)
        )
    )
    await browser.sign_in()
    assert f'href="/packages/{new.id}"' in await browser.page(f"/packages/{old.id}")
    from tests.fixtures.origin import ADMIN

    versions.withdraw(package_store, ADMIN, old.id, origin.now_s)
    text = await browser.text(f"/packages/{old.id}")
    assert "It was withdrawn" in text
    assert "Edit" not in text
    publishing.delete(package_store, ADMIN, new.id, origin.now_s)
    assert "Its results are kept." in await browser.text(f"/packages/{new.id}")


async def test_files_that_cannot_be_read_are_said(browser: Browser, origin: TestOrigin) -> None:
    origin.package("17")
    await browser.sign_in()
    assert "Its files cannot be read:" in await browser.text("/packages/17")
    assert (await browser.get("/packages/18")).status_code == 404


async def test_the_job_that_made_it_has_warnings(browser: Browser, publish: Any, origin: TestOrigin) -> None:
    package = publish()
    job_id = origin.act(jobs.create, JobKind.BUILD, {}, 1.0)
    origin.write(jobs.take, 2.0, 10)
    result = {"warnings": ["a Unix agent needs unzip for it; a tar.gz it unpacks itself"]}
    origin.write(jobs.finish, job_id, package.id, result, 3.0)
    await browser.sign_in()
    made = await browser.text(f"/packages/{package.id}?job={job_id}", **{"Accept-Language": "fr"})
    assert "Le paquet est créé." in made
    assert "un agent Unix a besoin d'unzip" in made
    for other in ("", "?job=99", "?job=x"):
        assert "The package is built." not in await browser.text(f"/packages/{package.id}{other}")


async def test_an_edit_shows_its_version(
    browser: Browser, publish: Any, package_store: Any, origin: TestOrigin
) -> None:
    from tests.fixtures.origin import ADMIN

    package = publish()
    changes = PackageChanges(lambda notify: notify, priority=7, description="one\ntwo")
    versions.edit(package_store, ADMIN, package.id, changes, origin.now_s)
    await browser.sign_in()
    text = await browser.text(f"/packages/{package.id}")
    assert "version 2" in text
    assert "one two" in text
