"""/packages/{id}/activate: at once from this server, by hand with two addresses that are tried, when mirrors are ready,
at a date."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import trio
from quart import redirect, request

from distd.domain.errors import BadInput, DistdError
from distd.domain.mirror_rules import Via
from distd.domain.units import parse_integer
from distd.operations import packages as operations
from distd.operations.packages import Activation
from distd.origin.mirrors.readiness import readiness
from distd.storage import package_dirs
from distd.storage.trust_file import load_trust
from distd.web.console.address_probe import probe
from distd.web.console.faults import fault_text
from distd.web.console.frame import is_fragment, now_s, page
from distd.web.console.package_looks import LOOKS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from quart import Response
    from quart_trio import QuartTrio
    from werkzeug.wrappers import Response as PlainResponse

    from distd.domain.records import Manifest
    from distd.web.console.address_probe import Probed
    from distd.web.console.operations import ConsoleOperations

WAYS: Final = ("automatic", "manual", "mirrors", "date")
MAX_PROBES: Final = 4  # at once
# The input of a field path, where it has another name.
INPUTS: Final = {"when_ready_percent": "percent", "sites": "site"}


class PackageActivationPages:
    """A page, with its four ways. `own_servers()`: "host:port" of this server by HTTP and by HTTPS, as agents are told
    it."""

    def __init__(self, asked: ConsoleOperations, own_servers: Callable[[], tuple[str, str]]) -> None:
        self._asked = asked
        self._own_servers = own_servers
        self._probes = trio.CapacityLimiter(MAX_PROBES)

    def add_to(self, app: QuartTrio) -> None:
        """Add the pages."""

        @app.get("/packages/<package_id>/activate")
        async def ask_activation(package_id: str) -> Response:
            way = request.args.get("how", WAYS[0])
            return await self._show(package_id, way if way in WAYS else WAYS[0], {}, {})

        @app.post("/packages/<package_id>/activate")
        async def activate_package(package_id: str) -> Response | PlainResponse:
            form = await request.form
            values = dict(form) | {"site": ",".join(form.getlist("site"))}
            way = values.get("how", "")
            try:
                await self._asked.do(operations.ACTIVATE, package_id, given=_activation(way, values))
            except DistdError as error:
                field = str(getattr(error, "field", ""))
                name = INPUTS.get(field, field)
                known = name if name in (*values, "site") else ""
                status = 400 if isinstance(error, BadInput) else 409
                return await self._show(package_id, way, values, {known: fault_text(error)}, status)
            return redirect(f"/packages/{package_id}", 303)

        @app.post("/packages/<package_id>/activate/probe")
        async def probe_activation(package_id: str) -> Response:
            self._asked.demand(operations.ACTIVATE.act)
            values = dict(await request.form)
            found = await self._probe(package_id, values)
            if is_fragment():
                return await page("package_probe.html", probed=found)
            return await self._show(package_id, "manual", values, {}, probed=found)

    async def _probe(self, package_id: str, values: Mapping[str, str]) -> list[Probed]:
        """What is found at the addresses that are typed. Raises `NotFound`, `Corrupt`."""
        data = self._asked.site().data
        await self._asked.do(operations.STATE, package_id)

        def manifest() -> Manifest:
            return package_dirs.read_manifest(data, package_id, load_trust(data))

        info_server, fragment_server = (
            values.get(name, "").strip().rstrip("/") for name in ("info_server", "fragment_server")
        )
        read = await self._asked.in_thread(manifest)
        async with self._probes:
            return await probe(info_server, fragment_server, read, data.ca_certificate)

    async def _show(
        self,
        package_id: str,
        way: str,
        values: Mapping[str, str],
        faults: Mapping[str, str],
        status: int = 200,
        probed: list[Probed] | None = None,
    ) -> Response:
        self._asked.demand(operations.ACTIVATE.act)
        package = await self._asked.do(operations.SHOW, package_id)
        mirrors = await self._asked.reader.run(partial(readiness, package_id=package_id, now_s=now_s()))
        settings = self._asked.site().settings
        http, https = self._own_servers()
        own = {"info_server": f"{https}/download", "fragment_server": f"{http}/download"}
        before = {"info_server": package.info_server or "", "fragment_server": package.fragment_server or ""}
        known = before if before["info_server"] else own
        return await page(
            "package_activate.html",
            status,
            package=package,
            way=way if way in WAYS else WAYS[0],
            values=known | {"percent": "100"} | dict(values),
            chosen=request_list("site", values),
            faults=faults,
            mirrors=mirrors,
            places=sorted({mirror.location for mirror in mirrors if mirror.location}),
            vias=list(Via),
            via=values.get("via", ""),
            default_via=settings.mirrors.via,
            probed=probed,
            looks=LOOKS,
        )


def request_list(name: str, values: Mapping[str, str]) -> list[str]:
    """The values of an input of which several can be chosen."""
    return [text for text in values.get(name, "").split(",") if text]


def _activation(way: str, values: Mapping[str, str]) -> Activation:
    """What is asked for. Raises `BadInput`."""
    given = {name: values.get(name, "").strip() for name in ("info_server", "fragment_server", "not_before", "latest")}
    via = Via(values["via"]) if values.get("via") in list(Via) else None
    match way:
        case "manual":
            for name in ("info_server", "fragment_server"):
                if not given[name]:
                    raise BadInput(name, '"host[:port]/path" without a scheme', "")
            return Activation(info_server=given["info_server"], fragment_server=given["fragment_server"], via=via)
        case "mirrors":
            text = values.get("percent", "").strip().removesuffix("%").strip()
            percent = parse_integer(text, "when_ready_percent", 1, 100)
            return Activation(
                when_ready_percent=percent, sites=_sites(values), latest=_moment(given["latest"]), via=via
            )
        case "date":
            if not given["not_before"]:
                raise BadInput("not_before", "a time such as 18:00, fri 18:00, 2026-11-27 18:00 or 2h", "")
            return Activation(not_before=_moment(given["not_before"]), via=via)
    return Activation(via=via)


def _sites(values: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(request_list("site", values))


def _moment(text: str) -> str | None:
    return text or None
