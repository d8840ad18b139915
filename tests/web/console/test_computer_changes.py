"""Parameters, groups and merges of computers that were chosen in the list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue import access_schema, schema
from distd.catalogue.groups_schema import group_members
from distd.domain.permissions import Role
from distd.origin.groups import groups
from distd.origin.groups.groups import NewComputerGroup
from distd.origin.operators import operators
from tests.web.console.conftest import text_of

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin
    from tests.web.console.conftest import Browser

BOTH: dict[str, Any] = {"computer": ["pc1", "pc2"]}


@pytest.fixture
def two(origin: TestOrigin) -> TestOrigin:
    for device_id in ("pc1", "pc2"):
        origin.prolog(device_id)
        origin.inventory(device_id=device_id)
    return origin


async def sent(browser: Browser, path: str, status: int = 200, **form: Any) -> str:
    answer = await browser.post(path, form)
    assert answer.status_code == status
    return text_of(await answer.get_data(as_text=True))


async def test_parameters(browser: Browser, two: TestOrigin) -> None:
    await browser.sign_in()
    path = "/computer-parameters"
    assert "Nothing is changed before you confirm it." in await sent(browser, path, **BOTH)
    form = BOTH | {"download.frag_latency_s": "7"}
    tried = await sent(browser, path, step="try", **form)
    assert "Pause between fragments: 0 s settings → 7 s this computer , 2 computers" in tried
    assert two.rows(access_schema.parameters) == []
    answer = await browser.post(path, form | {"step": "do"})
    assert "Settings of 2 computers set." in await browser.text(answer.headers["Location"])
    tried = await sent(browser, path, step="try", **form)
    assert "No computer would get another value." in tried
    inherited = BOTH | {"inherit.download.frag_latency_s": "yes", "download.on": "inherit"}
    assert "7 s this computer → 0 s settings" in await sent(browser, path, step="try", **inherited)
    assert "Expected: a value" in await sent(browser, path, 400, step="try", **BOTH)
    wrong = BOTH | {"download.frag_latency_s": "much"}
    assert "much" in await sent(browser, path, 400, step="do", **wrong)


async def test_too_many_want_a_group(browser: Browser, two: TestOrigin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distd.web.console.computer_changes.MAX_WITH_OWN", 1)
    await browser.sign_in()
    form = BOTH | {"download.frag_latency_s": "7", "step": "try"}
    assert "Put them into a group" in await sent(browser, "/computer-parameters", 400, **form)


async def test_groups(browser: Browser, two: TestOrigin) -> None:
    two.act(groups.create, NewComputerGroup("Class A", "", None, ("pc1",)), two.now_s)
    await browser.sign_in()
    path, form = "/computer-groups", BOTH | {"group": "Class A"}
    assert "Class A (1)" in await sent(browser, path, **BOTH)
    assert "1 computer would come" in await sent(browser, path, step="try", **form)
    assert len(two.rows(group_members)) == 1
    answer = await browser.post(path, form | {"step": "do"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/groups/Class%20A")
    assert len(two.rows(group_members)) == 2
    assert "2 would leave" in await sent(browser, path, step="try", how="remove", **form)
    assert "which is static" in await sent(browser, path, 400, step="do", how="reset", **form)
    assert "the name of a new one" in await sent(browser, path, 400, step="try", **BOTH)
    assert "New: 2 computers would come" in (await sent(browser, path, step="try", new="New", **BOTH)).replace(
        " :", ":"
    )
    await sent(browser, path, 303, step="do", new="New", **BOTH)
    assert len(two.rows(group_members)) == 4
    assert "Class A" in await sent(browser, path, 409, step="do", new="Class A", **BOTH)
    assert "gone" in await sent(browser, path, 404, step="try", computer="pc1", group="gone")


async def test_merge(browser: Browser, two: TestOrigin) -> None:
    await browser.sign_in()
    path = "/computer-merges"
    assert "two computers that are one" in await sent(browser, path, 400, computer="pc1")
    page = await sent(browser, path, **BOTH)
    assert "The one that stays" in page
    assert len(two.rows(schema.computers)) == 2
    answer = await browser.post(path, BOTH | {"new": "pc2", "step": "do"})
    assert answer.headers["Location"] == "/computers/pc2"
    assert [row["device_id"] for row in two.rows(schema.computers)] == ["pc2"]


async def test_who_only_looks_changes_nothing(viewer: Browser, two: TestOrigin) -> None:
    await viewer.sign_in()
    for path in ("/computer-parameters", "/computer-groups", "/computer-merges"):
        answer = await viewer.post(path, BOTH | {"step": "do", "new": "pc1", "download.on": "false"})
        assert answer.status_code == 403
    page = await viewer.page("/computers")
    assert "/computer-merges" not in page


async def test_a_restricted_operator_does_not_reach_others(browser: Browser, two: TestOrigin) -> None:
    two.act(operators.change, "ada", 0.0, role=Role.OPERATOR, filter_="device_id = pc1")
    await browser.sign_in()
    form = BOTH | {"download.frag_latency_s": "7", "step": "do", "new": "pc2"}
    for path in ("/computer-parameters", "/computer-merges"):
        assert (await browser.post(path, form)).status_code in (400, 404)
    assert two.rows(access_schema.parameters) == []
    assert (await browser.post("/computer-groups", form)).status_code == 403
    assert len(two.rows(schema.computers)) == 2
