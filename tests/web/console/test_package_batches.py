"""Acts on several packages of the list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from distd.origin.packages import overview
from tests.web.console.conftest import text_of

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin
    from tests.web.console.conftest import Browser

TWO: dict[str, Any] = {"package": ["17", "18"]}


@pytest.fixture
def two(origin: TestOrigin) -> TestOrigin:
    for package_id in ("17", "18"):
        origin.package(package_id)
    return origin


async def sent(browser: Browser, status: int, **form: Any) -> str:
    answer = await browser.post("/package-acts", form)
    assert answer.status_code == status
    return text_of(await answer.get_data(as_text=True))


def states(origin: TestOrigin) -> list[str]:
    return [str(origin.read(overview.show, package_id).state) for package_id in ("17", "18")]


async def test_some_are_deactivated_after_it_was_said_whom_that_touches(browser: Browser, two: TestOrigin) -> None:
    two.prolog("pc1")
    two.assign("17", "pc1")
    await browser.sign_in()
    page = await sent(browser, 200, act="deactivate", **TWO)
    assert "package 17 17 Active 1" in page
    assert "Deactivate 2 packages" in page
    assert states(two) == ["ACTIVE", "ACTIVE"]
    answer = await browser.post("/package-acts", TWO | {"act": "deactivate", "step": "do"})
    assert "2 packages deactivated." in await browser.text(answer.headers["Location"])
    assert states(two) == ["INACTIVE", "INACTIVE"]
    assert "It will probably be refused in this state." in await sent(browser, 200, act="deactivate", **TWO)
    answer = await browser.post("/package-acts", TWO | {"act": "activate", "step": "do"})
    assert "2 packages activated." in await browser.text(answer.headers["Location"])
    assert states(two) == ["ACTIVE", "ACTIVE"]


async def test_what_is_refused_is_told_beside_it(browser: Browser, two: TestOrigin) -> None:
    await browser.sign_in()
    await sent(browser, 303, act="deactivate", step="do", package="17")
    page = await sent(browser, 409, act="delete", step="do", package=["18"])
    assert "1 package was refused." in page
    assert "17" not in page.replace("1795", "")
    assert "1 to 100 packages" in await sent(browser, 400, act="delete")
    assert "one of activate" in await sent(browser, 400, act="explode", **TWO)
    assert "the id of a package" in await sent(browser, 404, act="delete", package="99")


async def test_who_only_looks_does_nothing(viewer: Browser, two: TestOrigin) -> None:
    await viewer.sign_in()
    await sent(viewer, 403, act="deactivate", step="do", **TWO)
    assert '/package-acts">\n  <div class="batch"' not in await viewer.page("/packages")
    assert states(two) == ["ACTIVE", "ACTIVE"]


@pytest.mark.parametrize("form", ["csv", "json"])
async def test_the_list_is_exported(browser: Browser, two: TestOrigin, form: str) -> None:
    await browser.sign_in()
    text = await browser.page(f"/package-list.{form}?name=17")
    assert "package 17" in text
    assert "package 18" not in text
    assert (await browser.get("/package-list.xml")).status_code == 404
