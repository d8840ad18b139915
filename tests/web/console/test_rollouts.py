"""The pages of roll-outs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import update

from distd.catalogue.rollouts_schema import rollouts as table
from distd.catalogue.schema import packages
from distd.domain.assignment_terms import AssignmentOrigin, OriginKind
from distd.domain.rollout_plan import RolloutPlan, WaveBy, WavePlan
from distd.domain.rollout_state import RolloutAct
from distd.domain.settings import DownloadConfig
from distd.origin.deployments import rollout_members, rollouts
from distd.origin.deployments.rollouts import NewRollout
from tests.fixtures.rollouts import advance_rollouts
from tests.web.console.conftest import text_of

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin
    from tests.web.console.conftest import Browser

NEW = {"name": "Putty", "package": "17", "to": "filter", "who": 'device_id ~ "pc*"', "waves": "pilot: 1\nrest; by hand"}


@pytest.fixture
def site(origin: TestOrigin) -> TestOrigin:
    for name in ("pc1", "pc2", "pc3"):
        origin.prolog(name)
        origin.inventory(device_id=name)
    origin.package("17")
    return origin


async def sent(browser: Browser, path: str, status: int, **form: str) -> str:
    answer = await browser.post(path, form)
    assert answer.status_code == status
    return text_of(await answer.get_data(as_text=True))


async def test_it_is_rolled_back(browser: Browser, site: TestOrigin) -> None:
    site.package("16")
    await browser.sign_in()
    await sent(browser, "/rollouts/new", 303, step="do", **NEW | {"roll_back_to": "16"})
    await sent(browser, "/rollouts/1/start", 303)
    (result,) = site.results("17")
    site.listed(result.device_id)
    site.report("17", "SUCCESS", result.device_id)
    text = await browser.text("/rollouts/1")
    assert ("A roll-back gives package 16" in text, "Roll back" in text) == (True, True)
    await sent(browser, "/rollouts/1/rollback", 303)
    assert [each.device_id for each in site.results("16")] == [result.device_id]


async def test_waves_are_proposed_in_the_readers_words(browser: Browser) -> None:
    await browser.sign_in()
    assert "5 10% reste" in await browser.text("/rollouts/new?lang=fr")


async def test_from_a_look_at_its_waves_to_its_end(browser: Browser, site: TestOrigin) -> None:
    await browser.sign_in()
    assert "There are no roll-outs yet." in await browser.text("/rollouts")
    assert "package 17 (17)" in await browser.text("/rollouts/new")
    tried = await sent(browser, "/rollouts/new", 200, step="try", **NEW)
    assert "1. pilot 1 1 2. the rest 2" in tried
    assert "There are no roll-outs yet." in await browser.text("/rollouts")
    answer = await browser.post("/rollouts/new", NEW | {"step": "do"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/rollouts/1")
    text = await browser.text("/rollouts/1")
    assert "not started" in text
    assert "1. pilot" in text
    await sent(browser, "/rollouts/1/start", 303)
    advance_rollouts(site)
    text = await browser.text("/rollouts/1")
    assert "running" in text
    assert "Open the next wave now" in text
    assert "Roll-out created" in text or "Roll-out made" in text
    live = await (await browser.get("/rollouts/1", **{"HX-Request": "true"})).get_data(as_text=True)
    assert "<html" not in live
    assert "pilot" in live
    await sent(browser, "/rollouts/1/pause", 303)
    assert "Putty" in await sent(browser, "/rollouts/1/approve", 409)
    await sent(browser, "/rollouts/1/resume", 303)
    await sent(browser, "/rollouts/1/open", 303)
    assert "Open the next wave now" not in await browser.text("/rollouts/1")
    await sent(browser, "/rollouts/1/stop", 303)
    assert "stopped" in await browser.text("/rollouts")
    await sent(browser, "/rollouts/1/colour", 400)
    await sent(browser, "/rollouts/1/delete", 303)
    assert (await browser.get("/rollouts/1")).status_code == 404


@pytest.mark.parametrize(
    ("form", "status", "words"),
    [
        ({"waves": "soon"}, 400, "soon"),
        ({"waves": ""}, 400, "1 to"),
        ({"at_once": "many"}, 400, "Expected: a number. This is: many."),
        ({"package": ""}, 400, "Something below is not right yet."),
        ({"who": "memory >"}, 400, "Expected"),
        ({"to": "group", "who": "nobody"}, 404, ""),
        ({"to": "group", "who": " "}, 400, "Expected: a search, a group or a TAG."),
        ({"to": "colour"}, 400, "Expected: a search, a group or a TAG."),
    ],
)
async def test_what_is_wrong_stands_beside_its_input(
    browser: Browser, site: TestOrigin, form: dict[str, str], status: int, words: str
) -> None:
    await browser.sign_in()
    text = await sent(browser, "/rollouts/new", 400 if status == 404 else status, **(NEW | {"step": "do"} | form))
    assert words in text


async def test_a_name_that_is_taken(browser: Browser, site: TestOrigin) -> None:
    await browser.sign_in()
    await sent(browser, "/rollouts/new", 303, **NEW, step="do")
    text = await sent(browser, "/rollouts/new", 409, **NEW, step="do")
    assert "Putty" in text


async def test_who_may_only_look(viewer: Browser, site: TestOrigin) -> None:
    await viewer.sign_in()
    assert (await viewer.get("/rollouts/new")).status_code == 403
    assert "Create" not in (await viewer.page("/rollouts")).partition("<main")[2]


async def test_one_whose_package_was_deleted_is_shown(browser: Browser, site: TestOrigin) -> None:
    await browser.sign_in()
    await sent(browser, "/rollouts/new", 303, **NEW, step="do")
    await sent(browser, "/rollouts/1/start", 303)
    await sent(browser, "/rollouts/1/stop", 303)
    gone = update(packages).where(packages.c.id == "17").values(deleted_at_us=1)
    site.write(lambda conn: conn.execute(gone))
    for path in ("/rollouts", "/rollouts/1"):
        assert "package 17" in await browser.text(path)


@pytest.mark.parametrize("has_approval", [True, False])
async def test_only_what_can_be_done_is_offered(browser: Browser, site: TestOrigin, *, has_approval: bool) -> None:
    site.package("16")
    plan = RolloutPlan(
        (WavePlan(WaveBy.REST),),
        start_at_s=site.now_s + 1e9,
        approval=has_approval,
        roll_back_to="16",
    )
    new = NewRollout("Putty", "17", AssignmentOrigin(OriginKind.FILTER), plan)
    site.act(rollouts.create, new, site.now_s)

    async def offered() -> list[str]:
        found = re.findall(r'action="/rollouts/1/([a-z]+)"', await browser.page("/rollouts/1"))
        return [act for act in found if act != "delete"]

    await browser.sign_in()
    assert await offered() == ["start", *(["approve"] if has_approval else []), "stop"]
    if has_approval:
        site.act(rollouts.act, "putty", RolloutAct.START, site.now_s, DownloadConfig())
        assert await offered() == ["approve", "stop"]
        return
    await sent(browser, "/rollouts/1/start", 303)
    assert await offered() == ["pause", "stop"], "nobody has it that it could be rolled back on"
    await sent(browser, "/rollouts/1/stop", 303)
    assert await offered() == ["rollback"]


async def test_a_page_counts_once(browser: Browser, site: TestOrigin, monkeypatch: pytest.MonkeyPatch) -> None:
    await browser.sign_in()
    await sent(browser, "/rollouts/new", 303, **NEW, step="do")
    await sent(browser, "/rollouts/1/start", 303)
    site.write(lambda conn: conn.execute(update(table).values(forecast='{"begins_at_s": 1.0, "why": "few"}')))
    counts = []
    count = rollout_members.count

    def counted(*arguments: Any) -> Any:
        counts.append(1)
        return count(*arguments)

    monkeypatch.setattr(rollout_members, "count", counted)
    assert "Progress over time" in await browser.text("/rollouts/1")
    assert len(counts) == 1
