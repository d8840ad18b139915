"""A `distd serve` whose console is looked at, and the agents of its computers."""

from __future__ import annotations

import contextlib
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import trio

from tests.interop.conftest import FAST, Address, introduce, new_operator
from tests.interop.test_handout import WindowsAgent
from tests.programs.processes import listening, plain_environment, serve_command
from tests.programs.stock_agent import StockAgent
from tests.programs.waiting import LIMIT_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page

    from tests.interop.conftest import Operator
    from tests.programs.stock_agent import StockReport


@dataclass
class ConsoleSite:
    """`http`: "localhost:port" for agents; `url`: of the console; `password`: that of admin."""

    operator: Operator
    http: str
    https: str
    password: str
    folder: Path
    computers: int = 0

    @property
    def url(self) -> str:
        return f"https://{self.https}"

    def distd(self, *words: object) -> Any:
        return self.operator.distd(*words)

    def windows_computer(self, name: str, system: str = "Microsoft Windows 11 Pro") -> WindowsAgent:
        """A computer with an emulated agent, which the server knows."""
        agent = WindowsAgent(self.http, name)
        agent.contact()
        agent.inventory(system)
        return agent

    def unix_computer(self) -> StockAgent:
        """A computer with Debian's agent, which the server knows."""
        self.computers += 1
        url = f"http://{self.http}/ocsinventory"
        agent = StockAgent(url, self.operator.ca, self.folder / f"computer{self.computers}")
        introduce(Address(self.http, self.https), agent.device_id)
        return agent

    def sign_in(self, page: Page) -> None:
        """By the page, where the operator is asked for it: its buttons have names in both languages."""
        page.goto("/login")
        page.locator("#name").fill("admin")
        page.locator("#password").fill(self.password)
        page.locator("#password").press("Enter")
        page.wait_for_url("**/")


def run_agent(agent: StockAgent) -> StockReport:
    """One contact. Playwright has this thread."""

    async def contact() -> StockReport:
        return await agent.run()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(trio.run, contact).result()


@contextlib.contextmanager
def open_console_site(folder: Path) -> Iterator[ConsoleSite]:
    """Its server, for as long as the block lasts; it may log no traceback."""
    operator = new_operator(folder)
    password = operator.distd("operator", "password", "admin")["password"]
    log = folder / "serve.log"
    settings = {**FAST, "server.host": "localhost"}
    command = serve_command(operator.data, settings, "127.0.0.1:0", "127.0.0.1:0")
    with (
        log.open("wb") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=plain_environment(), text=True) as server,
    ):
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            assert line, log.read_text()
            http, https = (f"localhost:{each.rpartition(':')[2]}" for each in listening(line))
            yield ConsoleSite(operator, http, https, password, folder)
        finally:
            server.terminate()
            try:
                status = server.wait(LIMIT_S)
            finally:
                server.kill()
    assert status == 0, log.read_text()
    assert "Traceback" not in log.read_text()
