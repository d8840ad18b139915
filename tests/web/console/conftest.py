"""A console over a test origin, asked without a network as a browser would."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from distd.domain.errors import Unavailable
from distd.domain.settings import settings_of
from distd.origin.installation import Installation
from distd.origin.operators import operators
from distd.storage.data_dir import DataDir
from distd.web.console.app import Console
from distd.web.console.components import ComponentPages
from distd.web.console.operations import ConsoleOperations
from distd.web.console.packages import PackagePages
from distd.web.console.sign_in import SignInPages
from distd.web.console.site_pages import site_pages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from quart_trio import QuartTrio

    from distd.web.console.app import Pages
    from tests.fixtures.origin import TestOrigin

NOW_S = 1_795_757_777.0
IDLE_S = 3600.0
SAME_SITE = {"Sec-Fetch-Site": "same-origin"}


class FakePasswords:
    """Knows ada, whose password is "secret"; "flood" finds too many others."""

    async def check_password(self, name: str, password: str, _address: str) -> str | None:
        if name == "flood":
            raise Unavailable("log-in", "too many")
        return "ada" if (name, password) == ("ada", "secret") else None


class Browser:
    """Keeps cookies; texts of pages without tags."""

    def __init__(self, app: QuartTrio) -> None:
        self.client: Any = app.test_client()

    async def get(self, path: str, **fields: str) -> Any:
        return await self.client.get(path, headers=fields, scheme="https")

    async def post(self, path: str, form: Mapping[str, str | Sequence[str]], **fields: str) -> Any:
        headers = SAME_SITE | {"Content-Type": "application/x-www-form-urlencoded"} | fields
        return await self.client.post(path, data=urlencode(form, doseq=True), headers=headers, scheme="https")

    async def sign_in(self) -> None:
        answer = await self.post("/login", {"name": "ada", "password": "secret"})
        assert answer.status_code == 303

    async def text(self, path: str, **fields: str) -> str:
        answer = await self.get(path, **fields)
        assert answer.status_code == 200
        return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", await answer.get_data(as_text=True)))


@pytest.fixture
def clock() -> list[float]:
    """The time; a test may change it."""
    return [NOW_S]


@pytest.fixture
def app(reader: Any, writer: Any, clock: list[float], origin: TestOrigin, tmp_path: Path) -> QuartTrio:
    site = Installation(DataDir(tmp_path), settings_of(origin.values), origin.catalogue)
    operations = ConsoleOperations(reader, writer, lambda: site)
    pages: tuple[Pages, ...] = (
        SignInPages(FakePasswords(), writer),
        PackagePages(reader),
        *site_pages(operations, writer),
        ComponentPages(),
    )
    return Console(reader, writer, lambda: clock[0], lambda: IDLE_S).make(pages)


@pytest.fixture
def browser(app: QuartTrio, origin: TestOrigin) -> Browser:
    origin.act(operators.create, "ada", "secret", 0.0)
    return Browser(app)
