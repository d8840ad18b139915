"""The page of notices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from distd.domain.conditions import Condition, ConditionKind
from distd.domain.notice_settings import NoticeSettings
from distd.origin.notices import notices
from distd.web.console.notices import PAGE_SIZE
from tests.web.console.conftest import text_of

if TYPE_CHECKING:
    import pytest

    from tests.fixtures.origin import TestOrigin
    from tests.web.console.conftest import Browser

PATH = "/notices"
FACTS = {"package_id": "17", "reason": "10 % of errors"}
HALTED = Condition(ConditionKind.ROLLOUT_HALTED, "1", "lab", 1_700_000_000.0, FACTS)


async def test_what_is_wrong_now_and_was_lately(browser: Browser, origin: TestOrigin) -> None:
    await browser.sign_in()
    assert "Nothing is wrong." in await browser.text(PATH)
    settings = NoticeSettings(webhook_url="https://example.org/hook")
    origin.write(notices.take_note, [HALTED], settings, "origin", origin.now_s)
    text = await browser.text(PATH)
    assert "Roll-out lab is halted: 10 % of errors" in text
    assert "now" in text
    french = await browser.text(PATH, **{"Accept-Language": "fr"})
    assert "Le déploiement par vagues lab est arrêté" in french
    origin.now_s += 60
    origin.write(notices.take_note, [], settings, "origin", origin.now_s)
    assert "Roll-out lab is not halted any more" in await browser.text(PATH)
    assert "Nothing is wrong." in await browser.text(PATH)


async def test_what_is_wrong_for_long_is_not_hidden_by_what_came_and_went(browser: Browser, origin: TestOrigin) -> None:
    await browser.sign_in()
    settings = NoticeSettings()
    origin.write(notices.take_note, [HALTED], settings, "origin", origin.now_s)
    for number in range(2, PAGE_SIZE + 3):
        other = Condition(ConditionKind.ROLLOUT_HALTED, str(number), f"other {number}", 1_700_000_000.0, FACTS)
        for found in ([HALTED, other], [HALTED]):
            origin.now_s += 60
            origin.write(notices.take_note, found, settings, "origin", origin.now_s)
    text = await browser.text(PATH)
    assert "Nothing is wrong." not in text
    assert "Roll-out lab is halted: 10 % of errors" in text


async def test_a_test_says_how_it_went(administrator: Browser, origin: TestOrigin) -> None:
    await administrator.sign_in()
    assert "Notices are sent to nobody." in await administrator.text(PATH)
    answer = await administrator.post(f"{PATH}/test", {})
    assert answer.status_code == 409
    assert "no notices are sent" in text_of(await answer.get_data(as_text=True))
    assert (await administrator.get(f"{PATH}/test")).status_code == 303


async def test_where_nobody_answers(origin: TestOrigin, request: pytest.FixtureRequest) -> None:
    origin.values["notices.webhook_url"] = "https://127.0.0.1:1/hook"
    administrator: Browser = request.getfixturevalue("administrator")  # its settings are those of now
    await administrator.sign_in()
    assert "Notices are sent by webhook." in await administrator.text(PATH)
    answer = await administrator.post(f"{PATH}/test", {})
    assert answer.status_code == 200
    assert "webhook:" in text_of(await answer.get_data(as_text=True))


async def test_who_may_only_look(viewer: Browser, origin: TestOrigin) -> None:
    await viewer.sign_in()
    assert "Nothing is wrong." in await viewer.text(PATH)
    assert (await viewer.post(f"{PATH}/test", {})).status_code == 403
