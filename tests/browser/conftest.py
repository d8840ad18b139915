"""A server with a console, and a browser, for all tests of a process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.console_site import open_console_site
from tests.programs.chromium import open_chromium

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from tests.browser.console_site import ConsoleSite


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleSite]:
    with open_console_site(tmp_path_factory.mktemp("browser")) as site:
        yield site


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with open_chromium() as browser:
        yield browser
