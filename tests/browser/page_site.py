"""Something on every page: packages in several states, computers with results, a group, a roll-out, a mirror."""

from __future__ import annotations

import http.client
import json
import ssl
from contextlib import closing
from typing import TYPE_CHECKING

from tests.programs.waiting import LIMIT_S, wait_until
from tests.web.api.conftest import basic

if TYPE_CHECKING:
    from tests.browser.console_site import ConsoleSite

BUILD = ("package", "build", "--os", "WINDOWS", "--action", "EXECUTE", "--command")


def fill(site: ConsoleSite) -> dict[str, str]:
    """What is on the site then, by the names that addresses of pages have."""
    computers = [site.windows_computer(f"pages-{number}") for number in range(3)]
    active, planned, gone = (
        site.distd(*BUILD, f"setup {name} /S", "--name", name)["id"] for name in ("Active", "Planned", "Withdrawn")
    )
    site.distd("mirror", "add", "lyon", "--url", "http://mirror.example.org:8080", "--location", "room 1")
    site.distd("package", "activate", active)
    site.distd("package", "activate", gone)
    site.distd("package", "withdraw", gone)
    site.distd("group", "create", "Class A", "--filter", "pages")
    site.distd("filter", "save", "Class A", "pages")
    site.distd("rollout", "create", "by waves", planned, "--filter", "pages", "--wave", "50%", "--wave", "rest")
    site.distd("set", "create", "New computer", active, planned)
    site.distd("recurrence", "create", active, "--every-days", "7")
    site.distd("source", "watch", "editor", active, "https://downloads.example/editor.exe", "--every", "1d")
    site.distd("assign", active, *(word for each in computers for word in ("--computer", each.device_id)))
    for agent, code in zip(computers, ("SUCCESS", "ERR_EXECUTE"), strict=False):
        agent.contact()
        agent.report(active, code)
    found = {"package": active, "group": "Class%20A"}
    found |= {"computer": computers[0].device_id, "other_computer": computers[1].device_id}
    return found | {"job": _verify(site, active)}


def _verify(site: ConsoleSite, package_id: str) -> str:
    """The id of a job that has ended."""
    context = ssl.create_default_context(cafile=str(site.operator.ca))
    fields = basic("admin", site.password)

    def ask(method: str, path: str) -> dict[str, str]:
        with closing(http.client.HTTPSConnection(site.https, timeout=LIMIT_S, context=context)) as connection:
            connection.request(method, f"/api/v1{path}", headers=fields)
            found: dict[str, str] = json.loads(connection.getresponse().read())
        return found

    job = ask("POST", f"/packages/{package_id}/verify")["job"]
    wait_until(lambda: ask("GET", f"/jobs/{job}")["state"] != "RUNNING", "the package is verified")
    return job
