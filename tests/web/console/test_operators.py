"""The pages of operators."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from distd.domain.permissions import Role
from distd.origin.operators import operators
from tests.web.console.conftest import text_of

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin
    from tests.web.console.conftest import Browser

NEW = {"name": "bob", "role": "viewer", "filter": 'tag = "site 4"', "password": ""}


async def sent(browser: Browser, path: str, status: int, **form: str) -> str:
    answer = await browser.post(path, form)
    assert answer.status_code == status
    return text_of(await answer.get_data(as_text=True))


async def test_one_is_added_with_a_password_that_is_shown_once(administrator: Browser, origin: TestOrigin) -> None:
    await administrator.sign_in()
    told = await sent(administrator, "/operators", 200, **NEW)
    password = re.search(r"Its password: (\S+)", told)
    assert password is not None
    assert origin.read(operators.check, "bob", password[1])
    text = await administrator.text("/operators")
    assert 'bob Viewer tag = "site 4" password here' in text
    assert password[1] not in text
    assert "there is an operator bob already" in await sent(administrator, "/operators", 409, **NEW)
    assert "Expected" in await sent(administrator, "/operators", 400, **(NEW | {"name": "c", "filter": "memory >"}))
    assert "1 to 255 printable" in await sent(administrator, "/operators", 400, **(NEW | {"name": "a:b"}))
    assert "one of viewer" in await sent(administrator, "/operators", 400, **(NEW | {"name": "c", "role": "king"}))


async def test_one_is_changed_and_deleted(administrator: Browser, origin: TestOrigin) -> None:
    origin.act(operators.create, "bob", "old", 0.0)
    await administrator.sign_in()
    await sent(administrator, "/operators/bob/role", 303, role="administrator", filter="")
    assert "This holds at once" in await administrator.text("/operators/bob?done=role")
    assert origin.read(operators.show, "bob").role == Role.ADMINISTRATOR
    await sent(administrator, "/operators/bob/password", 303, password="new")
    assert origin.read(operators.check, "bob", "new")
    assert "a password of at most" in await sent(administrator, "/operators/bob/password", 400, password="")
    assert "This is you." in await administrator.text("/operators/ada")
    await sent(administrator, "/operators/bob/delete", 303)
    assert (await administrator.get("/operators/bob")).status_code == 404
    origin.act(operators.delete, "admin", 0.0)
    last = await sent(administrator, "/operators/ada/delete", 409)
    assert "ada is the last administrator with a password here" in last


async def test_only_administrators(browser: Browser) -> None:
    await browser.sign_in()
    for path in ("/operators", "/operators/ada"):
        assert (await browser.get(path)).status_code == 403
    for path in ("/operators", "/operators/ada/role", "/operators/ada/delete"):
        assert (await browser.post(path, NEW)).status_code == 403
