"""The handout's middle and end, by commands alone and by the API alone: search, groups, packages for them, parameters,
counters, validation; with the stock agent, and Windows agents that are emulated contact by contact."""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import pytest

from agentsim.fleet.computers import user_agent
from distd.domain.records import Dialect, DownloadRequest, InventoryRequest, PrologRequest
from distd.wire import ocs
from tests.interop.conftest import FAST, new_operator
from tests.interop.test_parameters import kept
from tests.programs.processes import distd_serve
from tests.programs.waiting import LIMIT_S
from tests.web.api.conftest import basic

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.conftest import Operator
    from tests.interop.fixture_types import NewComputer, Noise
    from tests.programs.processes import RunningServer
    from tests.programs.stock_agent import StockAgent

FRAG = "download.frag_latency_s"
PACKAGES = {"searched": "LINUX", "of a group": "WINDOWS", "by hand": "OTHER"}
COUNTS = ("waiting", "success", "failed", "archived")


@dataclass
class ByCommands:
    """An operator who has nothing but the command line."""

    operator: Operator
    address: str = ""

    def search(self, text: str) -> list[str]:
        return [each["device_id"] for each in self.operator.distd("computer", "list", text)["items"]]

    def create_group(self, name: str, text: str | None, *device_ids: str) -> int:
        chosen = [word for each in device_ids for word in ("--computer", each)]
        given = chosen if text is None else ["--filter", text]
        return int(self.operator.distd("group", "create", name, *given)["members"])

    def assign(self, package_id: str, **to: str) -> list[str]:
        words = [word for how, name in to.items() for word in (f"--{how}", name)]
        return list(self.operator.distd("assign", package_id, *words)["assigned"])

    def set_parameter(self, device_id: str, name: str, value: int) -> dict[str, Any]:
        done = self.operator.distd("computer", "set", device_id, f"{name}={value}")
        found: dict[str, Any] = done["parameters"][name]
        return found

    def states(self, package_id: str) -> dict[str, str]:
        rows = self.operator.distd("results", package_id)["items"]
        return {row["device_id"]: row["state"] for row in rows}

    def statistics(self, package_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.operator.distd("statistics", package_id)
        return found

    def validate_all(self, package_id: str) -> int:
        return len(self.operator.distd("archive", package_id, "--state", "SUCCESS")["items"])


@dataclass
class ByApi:
    """An operator who has nothing but the API."""

    operator: Operator
    address: str = ""
    login: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body)
        fields = self.login | ({} if data is None else {"Content-Type": "application/json"})
        with closing(http.client.HTTPConnection(self.address, timeout=LIMIT_S)) as connection:
            connection.request(method, f"/api/v1{path}", data, fields)
            answer = connection.getresponse()
            content = answer.read()
        assert answer.status < 300, content
        return json.loads(content)

    def search(self, text: str) -> list[str]:
        found = self.ask("GET", f"/computers?{urlencode({'filter': text})}")
        return [each["device_id"] for each in found["items"]]

    def create_group(self, name: str, text: str | None, *device_ids: str) -> int:
        given = {"computers": device_ids} if text is None else {"filter": text}
        return int(self.ask("POST", "/groups", {"name": name, **given})["members"])

    def assign(self, package_id: str, **to: str) -> list[str]:
        ((how, name),) = to.items()
        given = {"computers": [name]} if how == "computer" else {how: name}
        done = self.ask("POST", "/assignments", {"package": package_id, "to": given})
        return [item["device_id"] for item in done["items"] if item["outcome"] == "ASSIGNED"]

    def set_parameter(self, device_id: str, name: str, value: int) -> dict[str, Any]:
        done = self.ask("PUT", f"/computers/{quote(device_id)}/parameters", {name: value})
        found: dict[str, Any] = done["parameters"][name]
        return found

    def states(self, package_id: str) -> dict[str, str]:
        rows = self.ask("GET", f"/packages/{package_id}/results")["items"]
        return {row["device_id"]: row["state"] for row in rows}

    def statistics(self, package_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", f"/packages/{package_id}/statistics")
        return found

    def validate_all(self, package_id: str) -> int:
        return int(self.ask("POST", f"/packages/{package_id}/archive", {"states": ["SUCCESS"]})["computers"])


class WindowsAgent:
    """What a Windows agent posts, and what it is told."""

    def __init__(self, address: str, name: str) -> None:
        self.device_id = f"{name}-2026-11-27-08-00-00"
        self._address = address
        self._name = name

    def post(self, request: Any) -> bytes:
        fields = {"Content-Type": "application/x-compress", "User-Agent": user_agent(Dialect.WINDOWS)}
        with closing(http.client.HTTPConnection(self._address, timeout=LIMIT_S)) as connection:
            connection.request("POST", "/ocsinventory", ocs.write_request(request), fields)
            answer = connection.getresponse()
            content = answer.read()
        assert answer.status == 200, content
        return content

    def contact(self) -> list[str]:
        """A PROLOG; the ids of the packages that it lists."""
        return [pack.id for pack in ocs.read_prolog_reply(self.post(PrologRequest(self.device_id))).packs]

    def inventory(self, system: str) -> None:
        hardware = {"NAME": self._name.upper(), "OSNAME": system}
        self.post(InventoryRequest(self.device_id, hardware, {"TAG": "room 1"}, (), frozenset()))

    def report(self, package_id: str, code: str = "SUCCESS") -> None:
        self.post(DownloadRequest(self.device_id, package_id, code))


@pytest.mark.parametrize("kind", [ByCommands, ByApi])
async def test_from_search_to_validation(
    kind: type[ByCommands | ByApi], tmp_path: Path, new_computer: NewComputer, noise: Noise
) -> None:
    operator = new_operator(tmp_path)
    password = operator.distd("operator", "password", "admin")["password"]
    packages = {name: _publish(operator, noise, name, system) for name, system in PACKAGES.items()}
    async with distd_serve(operator.data, FAST) as server:
        by = kind(operator, server.http)
        if isinstance(by, ByApi):
            by.login = basic("admin", password)
        await _story(by, server, new_computer(operator, server), packages)


def _publish(operator: Operator, noise: Noise, name: str, system: str) -> str:
    where = ("--path", "INSTALL_PATH/stored", "--fragments", 2, "--os", system)
    return operator.publish("STORE", *where, source=noise(3000, f"{name}.bin"))


async def _story(by: ByCommands | ByApi, server: RunningServer, unix: StockAgent, packages: dict[str, str]) -> None:
    searched, grouped, by_hand = packages.values()
    windows = [WindowsAgent(server.http, name) for name in ("win7-1", "win10-2")]
    for agent, system in zip(windows, ("Microsoft Windows 7 Pro", "Microsoft Windows 10 Pro"), strict=True):
        agent.contact()
        agent.inventory(system)
    first, second = (agent.device_id for agent in windows)
    await unix.run()

    assert by.search('os ~ "*windows 1?*"') == [second]
    assert sorted(by.search("windows OR NOT os ~ windows")) == sorted([first, second, unix.device_id])
    assert by.create_group("Windows 10", 'os ~ "*windows 10*"') == 1
    assert by.create_group("Class A", None, first, unix.device_id) == 2
    assert sorted(by.search('group("class *")')) == sorted([first, unix.device_id])

    assert by.assign(searched, filter='group("Class A") AND NOT os ~ windows') == [unix.device_id]
    assert by.assign(grouped, group="Windows 10") == [second]
    assert by.assign(by_hand, computer=unix.device_id) == [unix.device_id]
    assert by.assign(by_hand, computer=second) == [second]
    assert counts(by, by_hand) == {"waiting": 2, "success": 0, "failed": 0, "archived": 0}
    assert by.set_parameter(unix.device_id, FRAG, 1) == {"value": 1, "origin": "computer"}
    waiting = {**by.states(searched), **by.states(grouped), **by.states(by_hand)}
    assert waiting == {unix.device_id: "WAITING", second: "WAITING"}

    report = await unix.run()
    while len(report.codes) < 2:  # a busy child gets new ones at the next contact (trap 14)
        report = await unix.run()
    assert kept(unix)["FRAG_LATENCY"] == 1
    assert by.states(searched) == {unix.device_id: "SUCCESS"}
    assert by.states(by_hand) == {unix.device_id: "SUCCESS", second: "WAITING"}
    assert counts(by, by_hand) == {"waiting": 1, "success": 1, "failed": 0, "archived": 0}

    assert [agent.contact() for agent in windows] == [[], [grouped, by_hand]]
    windows[0].inventory("Microsoft Windows 10 Pro")  # from now on it is in the group
    assert windows[0].contact() == [grouped]
    for agent in windows:
        agent.report(grouped)
    assert by.states(grouped) == {first: "SUCCESS", second: "SUCCESS"}

    windows[1].report(by_hand)
    assert counts(by, by_hand) == {"waiting": 0, "success": 2, "failed": 0, "archived": 0}
    assert by.statistics(by_hand)["by_code"] == {"SUCCESS": 2}
    assert by.validate_all(by_hand) == 2
    assert counts(by, by_hand) == {"waiting": 0, "success": 0, "failed": 0, "archived": 2}
    assert set(by.states(by_hand).values()) == {"ARCHIVED"}


def counts(by: ByCommands | ByApi, package_id: str) -> dict[str, int]:
    """The numbers that the operator watches."""
    found = by.statistics(package_id)
    return {name: found[name] for name in COUNTS}
