"""A console over a test origin, asked without a network as a browser would."""

from __future__ import annotations

import html
import io
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from werkzeug.datastructures import FileStorage

from distd.domain.errors import Unavailable
from distd.domain.permissions import Role
from distd.domain.settings import settings_of
from distd.origin.deployments import forecasts
from distd.origin.installation import Installation
from distd.origin.operators import operators
from distd.storage.data_dir import DataDir
from distd.storage.quota import DiskLimits
from distd.storage.uploads import Uploads
from distd.web.console.account import AccountPages
from distd.web.console.app import Console
from distd.web.console.components import ComponentPages
from distd.web.console.operations import ConsoleOperations
from distd.web.console.packages import package_pages
from distd.web.console.sign_in import SignInPages
from distd.web.console.site_pages import site_pages
from tests.fixtures.databases import sqlite_database

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from quart_trio import QuartTrio

    from distd.origin.deployments.forecasts import Plan, Question
    from distd.simulation.world import World
    from distd.web.console.app import Pages
    from tests.fixtures.origin import TestOrigin

# Pages call use cases, which are tested on each database; they know no SQL.
__all__ = ["sqlite_database"]

NOW_S = 1_795_757_777.0
IDLE_S = 3600.0
OWN_SERVERS = ("origin:8080", "origin:8443")
SAME_SITE = {"Sec-Fetch-Site": "same-origin"}


class FakePasswords:
    """Knows ada, whose password is "secret"; "flood" finds too many others."""

    async def check_password(self, name: str, password: str, _address: str) -> str | None:
        if name == "flood":
            raise Unavailable("log-in", "too many")
        return "ada" if (name, password) == ("ada", "secret") else None

    async def is_password(self, name: str, password: str, address: str) -> bool:
        return await self.check_password(name, password, address) is not None

    async def hash_password(self, password: str) -> str:
        return f"hash of {password}"


class Browser:
    """Keeps cookies; texts of pages without tags."""

    def __init__(self, app: QuartTrio) -> None:
        self.client: Any = app.test_client()

    async def get(self, path: str, **fields: str) -> Any:
        return await self.client.get(path, headers=fields, scheme="https")

    async def post(self, path: str, form: Mapping[str, str | Sequence[str]], **fields: str) -> Any:
        headers = SAME_SITE | {"Content-Type": "application/x-www-form-urlencoded"} | fields
        return await self.client.post(path, data=urlencode(form, doseq=True), headers=headers, scheme="https")

    async def send(self, path: str, form: dict[str, str], name: str, content: bytes) -> Any:
        """A form with a file, as a browser without scripts sends it."""
        files = {"file": FileStorage(io.BytesIO(content), filename=name)}
        return await self.client.post(path, form=form, files=files, headers=SAME_SITE, scheme="https")

    async def page(self, path: str, **fields: str) -> str:
        """The HTML of a page that is there."""
        answer = await self.get(path, **fields)
        assert answer.status_code == 200, (path, answer.status_code)
        return str(await answer.get_data(as_text=True))

    async def sign_in(self) -> None:
        answer = await self.post("/login", {"name": "ada", "password": "secret"})
        assert answer.status_code == 303

    async def text(self, path: str, **fields: str) -> str:
        return text_of(await self.page(path, **fields))


def text_of(page: str) -> str:
    """The texts of a page, without tags."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page)))


async def forecast_here(world: World, question: Question, name: str) -> Plan:
    """In this process."""
    return forecasts.forecast(world, question, name)


@pytest.fixture
def clock() -> list[float]:
    """The time; a test may change it."""
    return [NOW_S]


@pytest.fixture
def app(
    request: pytest.FixtureRequest, reader: Any, writer: Any, clock: list[float], origin: TestOrigin, tmp_path: Path
) -> QuartTrio:
    """Over the data directory, where a test has one; to make keys takes long."""
    data = request.getfixturevalue("data") if "data" in request.fixturenames else DataDir(tmp_path)
    settings = settings_of({} if "data" in request.fixturenames else origin.values)
    operations = ConsoleOperations(reader, writer, lambda: Installation(data, settings, origin.catalogue))
    uploads = Uploads(data, 1 << 30, DiskLimits())
    pages: tuple[Pages, ...] = (
        SignInPages(FakePasswords(), writer),
        AccountPages(operations, FakePasswords()),
        *package_pages(operations, uploads, lambda: OWN_SERVERS),
        *site_pages(operations, writer, lambda: OWN_SERVERS, forecast_here),
        ComponentPages(),
    )
    return Console(reader, writer, lambda: clock[0], lambda: IDLE_S).make(pages)


@pytest.fixture
def administrator(browser: Browser, origin: TestOrigin) -> Browser:
    """Whose operator may do everything."""
    origin.act(operators.change, "ada", 0.0, role=Role.ADMINISTRATOR)
    return browser


@pytest.fixture
def viewer(browser: Browser, origin: TestOrigin) -> Browser:
    """Whose operator may only look."""
    origin.act(operators.change, "ada", 0.0, role=Role.VIEWER)
    return browser


@pytest.fixture
def browser(app: QuartTrio, origin: TestOrigin) -> Browser:
    origin.act(operators.create, "ada", "secret", 0.0)
    return Browser(app)
