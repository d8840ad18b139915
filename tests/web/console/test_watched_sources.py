"""The page of watched sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.web.console.conftest import text_of

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin
    from tests.web.console.conftest import Browser

PATH = "/sources"
NEW = {"name": "Editor", "package": "17", "place": "https://example.org/editor.zip", "hours": "6"}


@pytest.fixture
def site(origin: TestOrigin) -> TestOrigin:
    origin.package("17", plan="count:1")
    return origin


async def test_from_a_new_one_to_its_end(administrator: Browser, site: TestOrigin) -> None:
    await administrator.sign_in()
    assert "No source is watched." in await administrator.text(PATH)
    answer = await administrator.post(PATH, NEW | {"with_assignments": "yes"})
    assert answer.status_code == 303, text_of(await answer.get_data(as_text=True))
    text = await administrator.text(PATH)
    assert "https://example.org/editor.zip" in text
    assert "every 6 h" in text
    assert "with its computers" in text
    form = {"name": "Editor", "place": "https://example.org/editor.zip", "hours": "6"}
    assert "Another place is looked at at once" in await administrator.text(f"{PATH}/Editor")
    assert (await administrator.post(f"{PATH}/Editor", form | {"hours": "12"})).status_code == 303
    text = await administrator.text(PATH)
    assert ("every 12 h" in text, "with its computers" in text) == (True, False)
    refused = await administrator.post(f"{PATH}/Editor", form | {"hours": "0"})
    assert (refused.status_code, "Expected: 1 to 720." in text_of(await refused.get_data(as_text=True))) == (400, True)
    assert (await administrator.post(f"{PATH}/Editor/check", {})).status_code == 303
    assert (await administrator.post(f"{PATH}/Editor/forget", {})).status_code == 303
    assert "No source is watched." in await administrator.text(PATH)
    assert (await administrator.post(f"{PATH}/Editor/check", {})).status_code == 404


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"name": ""}, "Give it a name."),
        ({"package": ""}, "Expected: a package."),
        ({"place": "http://example.org/x"}, "Expected"),
        ({"place": "/etc/passwd"}, "Expected"),
        ({"hours": "0"}, "Expected: 1 to 720."),
    ],
)
async def test_what_is_wrong_is_said(
    administrator: Browser, site: TestOrigin, form: dict[str, str], words: str
) -> None:
    await administrator.sign_in()
    answer = await administrator.post(PATH, NEW | form)
    assert answer.status_code == 400
    assert words in text_of(await answer.get_data(as_text=True))


async def test_who_may_only_look(viewer: Browser, site: TestOrigin) -> None:
    await viewer.sign_in()
    assert "Watch a source" not in await viewer.text(PATH)
    assert (await viewer.post(PATH, NEW)).status_code == 403
