"""The API's mirrors, for operators. What mirrors themselves ask: `web.api.mirror_protocol`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from quart_schema import validate_response

from distd.domain.page import read_window
from distd.domain.permissions import Act
from distd.origin.mirrors import explanation, mirrors
from distd.origin.mirrors.explanation import Explanation
from distd.origin.mirrors.mirrors import Mirror
from distd.web.api.auth import acting_operator, needs
from distd.web.api.queries import PATTERN, cursor_parameter, limit_parameter, parameter, takes

if TYPE_CHECKING:
    from collections.abc import Callable

    from quart_trio import QuartTrio
    from sqlalchemy import Connection

    from distd.catalogue.reader import Reader
    from distd.domain.mirror_rules import Via


@dataclass
class MirrorQuery:
    """Which redistribution servers, and which page of them."""

    name: str | None = parameter(f"name: {PATTERN}")
    limit: int | None = limit_parameter()
    cursor: str | None = cursor_parameter()


@dataclass
class MirrorPage:
    """Redistribution servers, by name."""

    items: list[Mirror]
    next: str | None
    total: int


class MirrorRoutes:
    """List, show, and why a computer gets which. `default_via()`: where an activation does not say how."""

    def __init__(self, reader: Reader, default_via: Callable[[], Via]) -> None:
        self._reader = reader
        self._default_via = default_via

    def add_to(self, app: QuartTrio) -> None:
        """Add the routes."""

        @app.get("/api/v1/mirrors")
        @needs(Act.MIRRORS_READ)
        @takes(MirrorQuery)
        @validate_response(MirrorPage)
        async def list_mirrors(query_args: MirrorQuery) -> Any:
            """Redistribution servers: which are online, what they have, how far behind they are."""
            window = read_window(query_args.limit, query_args.cursor, mirrors.PLACE)
            read = partial(mirrors.list_mirrors, name=query_args.name, window=window, now_s=time.time())
            page = await self._reader.run(read)
            return MirrorPage(page.items, page.next, page.total)

        @app.get("/api/v1/mirrors/<name>")
        @needs(Act.MIRRORS_READ)
        @validate_response(Mirror)
        async def show_mirror(name: str) -> Any:
            """One redistribution server."""
            return await self._reader.run(partial(mirrors.show, name=name, now_s=time.time()))

        @app.get("/api/v1/computers/<device_id>/mirrors/<package_id>")
        @needs(Act.MIRRORS_READ)
        @validate_response(Explanation)
        async def explain(device_id: str, package_id: str) -> Any:
            """Which mirrors a computer would get a package from now, and why."""
            default, now_s, actor = self._default_via(), time.time(), acting_operator()

            def read(conn: Connection) -> Explanation:
                return explanation.explain(conn, device_id, package_id, default, now_s, actor)

            return await self._reader.run(read)
