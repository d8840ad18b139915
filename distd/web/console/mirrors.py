"""The pages of redistribution servers: the list, live; a new one, with the token by which it joins; and one with what
it has and how it does."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from quart import redirect, request

from distd.catalogue.event_log import Kind
from distd.domain.errors import BadInput, Conflict
from distd.domain.page import Window, read_window
from distd.domain.permissions import Act
from distd.domain.units import parse_integer
from distd.operations import mirrors as operations
from distd.operations.mirrors import MirrorQuery, MirrorRequest
from distd.origin.mirrors.readiness import PLACE, packages_of
from distd.origin.operators import events
from distd.origin.operators.events import Wanted
from distd.web.console.faults import fault_status, fault_text
from distd.web.console.frame import is_fragment, page
from distd.web.console.links import address, of_mirror

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quart import Response
    from quart_trio import QuartTrio
    from sqlalchemy import Connection
    from werkzeug.wrappers import Response as PlainResponse

    from distd.operations.operation import Asked
    from distd.origin.mirrors.mirrors import Mirror
    from distd.origin.operators.events import LoggedEvent
    from distd.web.console.operations import OwnServers
    from distd.web.console.use_cases import UseCases

PATH: Final = "/mirrors"
PAGE_SIZE: Final = 50
MAX_EVENTS: Final = 12
MAX_SEARCHED: Final = 400  # events of redistribution servers, among which its own are
KINDS: Final = (
    *(Kind.MIRROR_ADDED, Kind.MIRROR_JOINED, Kind.MIRROR_REVOKED, Kind.MIRROR_CONNECTED, Kind.MIRROR_LOST),
    *(Kind.MIRROR_READY, Kind.MIRROR_GONE, Kind.MIRROR_HEALED, Kind.MIRROR_BAD),
)
TEXTS: Final = ("name", "url", "address", "location", "workgroup", "userid", "tag")
MAX_PORT: Final = 65_535


class MirrorPages:
    """/mirrors and what is below it."""

    def __init__(self, use_cases: UseCases, own_servers: OwnServers) -> None:
        self._use_cases = use_cases
        self._asked = use_cases.operations
        self._own_servers = own_servers

    def add_to(self, app: QuartTrio) -> None:
        """Add the pages."""

        @app.get(PATH)
        async def mirrors() -> Response:
            name = request.args.get("name", "").strip()
            query = MirrorQuery(name or None, PAGE_SIZE, request.args.get("cursor") or None)
            found = await self._asked.do(operations.LIST, given=query)
            link = partial(address, PATH, {"name": name})
            return await page(
                "mirrors_now.html" if is_fragment() else "mirrors.html",
                found=found,
                name=name,
                here_now=link(cursor=query.cursor),
                next=link(cursor=found.next) if found.next else "",
                first=link() if query.cursor else "",
                link_of=of_mirror,
                hits_of=hit_share,
            )

        @app.get(f"{PATH}/new")
        async def new_mirror() -> Response:
            self._asked.demand(Act.MIRRORS_WRITE)
            again = request.args.get("again", "")
            known = _form_of(await self._asked.do(operations.SHOW, again)) if again else {"https_port": "8443"}
            return await page("mirror_new.html", values=known, again=again, faults={})

        @app.post(f"{PATH}/new")
        async def add_mirror() -> Response:
            self._asked.demand(Act.MIRRORS_WRITE)
            form = await request.form
            try:
                added = await self._asked.do(operations.ADD, given=_request(form))
            except (BadInput, Conflict) as error:
                faults = {error.field: fault_text(error)}
                return await page("mirror_new.html", fault_status(error), values=form, again="", faults=faults)
            server = f"https://{self._own_servers()[1]}"
            return await page("mirror_token.html", added=added, server=server, path=of_mirror(added.name))

        @app.get(f"{PATH}/<name>")
        async def mirror(name: str) -> Response:
            return await self._show(name)

        @app.post(f"{PATH}/<name>/revoke")
        async def revoke_mirror(name: str) -> Response | PlainResponse:
            try:
                await self._asked.do(operations.REVOKE, name)
            except Conflict as error:
                return await self._show(name, fault_text(error), 409)
            return redirect(of_mirror(name), 303)

    async def _show(self, name: str, fault: str = "", status: int = 200) -> Response:
        cursor = request.args.get("cursor")
        window = read_window(PAGE_SIZE, cursor, PLACE)

        def read(conn: Connection, asked: Asked) -> list[LoggedEvent]:
            wanted = Wanted(kinds=KINDS, reader=asked.actor)
            told = events.newest(conn, wanted, Window(MAX_SEARCHED)).items
            return [each for each in told if each.detail.get("mirror") == name][:MAX_EVENTS]

        found = await self._asked.do(operations.SHOW, name)
        had = await self._use_cases.read(Act.MIRRORS_READ, lambda conn, _: packages_of(conn, name, window))
        link = partial(address, of_mirror(name), {})
        return await page(
            "mirror_live.html" if is_fragment() else "mirror.html",
            status,
            mirror=found,
            path=of_mirror(name),
            packages=had,
            here_now=link(cursor=cursor),
            next=link(cursor=had.next) if had.next else "",
            first=link() if cursor else "",
            events=await self._use_cases.read(Act.EVENTS_READ, read),
            hits_of=hit_share,
            fault=fault,
        )


def hit_share(mirror: Mirror) -> float | None:
    """Of the fragments that agents asked it for, those that it had; None: nobody has asked."""
    hits, misses = mirror.status.get("hits", 0), mirror.status.get("misses", 0)
    return hits / (hits + misses) if hits + misses else None


def _request(form: Mapping[str, str]) -> MirrorRequest:
    """Raises `BadInput`."""
    port = parse_integer(
        form.get("https_port", "").strip() or "8443", "https_port", 1, MAX_PORT, "a port from 1 to 65535"
    )
    return MirrorRequest(
        https_port=port,
        networks=tuple(form.get("networks", "").replace(",", " ").split()),
        local=form.get("local") == "yes",
        **{name: form.get(name, "").strip() for name in TEXTS},
    )


def _form_of(known: Mirror) -> dict[str, str]:
    """What was given for it, as inputs have it."""
    texts = {name: getattr(known, name) for name in TEXTS if name != "url"}
    port = known.https.rpartition(":")[2]
    return texts | {
        "url": f"http://{known.http}",
        "https_port": port,
        "networks": " ".join(known.networks),
        "local": "yes" if known.local else "",
    }
