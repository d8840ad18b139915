"""The overview."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert

from distd.catalogue.notices_schema import notices
from distd.domain.assignment_terms import AssignmentOrigin, OriginKind
from distd.domain.records import InventoryRequest
from distd.domain.rollout_plan import RolloutPlan, WaveBy, WavePlan
from distd.domain.rollout_state import RolloutAct
from distd.domain.settings import DownloadConfig
from distd.origin.deployments import rollouts
from distd.origin.deployments.rollouts import NewRollout
from distd.origin.operators import operators
from tests.fixtures.origin import ADMIN

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.origin import TestOrigin
    from tests.web.console.conftest import Browser


async def text_of(answer: Any, status: int = 200) -> str:
    assert answer.status_code == status
    text: str = await answer.get_data(as_text=True)
    return text


async def test_where_nothing_is_yet(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "cacert.pem").write_text("the certificate")
    await browser.sign_in()
    page = await text_of(await browser.get("/"))
    assert "Nothing is being deployed." in page
    assert "Operator added" not in page, "it is of the audit trail"
    assert "First steps" in page
    assert "ocsinventory-agent --server=https://origin:8443/ocsinventory --ca=cacert.pem" in page
    for path in set(re.findall(r'(?:href|action|hx-get)="(/[^"#]*)"', page)):
        assert (await browser.get(path.replace("&amp;", "&"))).status_code in (200, 204, 303, 405), path


async def test_what_runs_and_what_needs_attention(browser: Browser, origin: TestOrigin, clock: list[float]) -> None:
    origin.now_s = clock[0]
    origin.package("17")
    for device_id in ("one", "two"):
        origin.prolog(device_id)
        origin.post(InventoryRequest(device_id, {"NAME": "PC"}, {}, (), frozenset(), bios={"SSN": "ABC1234"}))
        origin.assign("17", device_id)
    origin.prolog("one")
    origin.fetch("17", "one")
    origin.report("17", "ERR_OUT_OF_SPACE", "one")
    await browser.sign_in()
    page = await browser.text("/")
    assert re.search(r"\b2 computers", page)
    assert "package 17" in page
    assert "with an error of package 17" in page
    assert "2 to do serial numbers" in await browser.text("/overview/duplicates")
    assert "<html" not in await text_of(await browser.get("/overview/now"))


async def test_answers_are_each_operators_own(browser: Browser, origin: TestOrigin, clock: list[float]) -> None:
    origin.prolog("one")
    await browser.sign_in()
    assert re.search(r"\b1 computers", await browser.text("/"))
    await text_of(await browser.get("/overview/duplicates"))  # is kept
    origin.write(operators.change, ADMIN, "ada", 0.0, filter_="tag = x")
    clock[0] += 20
    assert re.search(r"\b0 computers", await browser.text("/"))
    await text_of(await browser.get("/overview/duplicates"), 403)


async def test_who_sees_some_computers_is_told_of_no_roll_out_and_no_condition(
    browser: Browser, origin: TestOrigin, clock: list[float]
) -> None:
    origin.package("17")
    origin.prolog("one")
    plan = RolloutPlan((WavePlan(WaveBy.REST),), approval=True)
    origin.act(rollouts.create, NewRollout("Secret", "17", AssignmentOrigin(OriginKind.FILTER), plan), origin.now_s)
    origin.act(rollouts.act, "secret", RolloutAct.START, origin.now_s, DownloadConfig())
    row = {"kind": "MIRROR_LOST", "subject": "paris", "name": "Hidden", "facts": {}, "since_us": 1, "found_at_us": 1}
    origin.write(lambda conn: conn.execute(insert(notices).values(**row)))
    await browser.sign_in()
    page = await browser.text("/overview/now")
    assert "Secret" in page
    assert "Hidden" in page
    origin.write(operators.change, ADMIN, "ada", 0.0, filter_="tag = x")
    clock[0] += 20
    page = await browser.text("/overview/now")
    assert "Nothing needs attention." in page
    assert "Secret" not in page
    assert "Hidden" not in page
