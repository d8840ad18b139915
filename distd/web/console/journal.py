"""/events: what happened and who did it, with filters, a page at a time."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from quart import request

from distd.catalogue.event_log import Kind
from distd.domain.errors import BadInput
from distd.domain.page import Page, read_window
from distd.domain.permissions import Act, missing
from distd.domain.units import parse_past
from distd.origin.operators import events
from distd.origin.operators.events import Wanted, read_kinds
from distd.web.console.event_words import event_name
from distd.web.console.faults import faults_of
from distd.web.console.frame import page
from distd.web.console.links import address, of_computer

if TYPE_CHECKING:
    from quart import Response
    from quart_trio import QuartTrio
    from sqlalchemy import Connection

    from distd.operations.operation import Asked
    from distd.origin.operators.events import LoggedEvent
    from distd.web.console.use_cases import UseCases

PAGE_SIZE: Final = 50
PATH: Final = "/events"
TEXTS: Final = ("kind", "actor", "package", "computer", "since", "people")
MAX_CHARACTERS: Final = 500
EMPTY: Final[Page[LoggedEvent]] = Page([], None, 0)


class JournalPages:
    """That page."""

    def __init__(self, use_cases: UseCases) -> None:
        self._use_cases = use_cases

    def add_to(self, app: QuartTrio) -> None:
        """Add it."""

        @app.get(PATH)
        async def journal() -> Response:
            kept = {name: request.args.get(name, "").strip()[:MAX_CHARACTERS] for name in TEXTS}
            cursor = request.args.get("cursor") or None
            faults: dict[str, str] = {}

            def read(conn: Connection, asked: Asked) -> Page[LoggedEvent]:
                window = read_window(PAGE_SIZE, cursor, events.PLACE)
                return events.newest(conn, _wanted(kept, asked), window)

            try:
                found = await self._use_cases.read(Act.EVENTS_READ, read)
            except BadInput as error:
                if error.field not in (*TEXTS, "cursor"):
                    raise
                found, faults = EMPTY, faults_of(error)
            link = partial(address, PATH, kept)
            return await page(
                "journal.html",
                400 if faults else 200,
                found=found,
                kept=kept,
                faults=faults,
                kinds=sorted(((str(kind), event_name(kind)) for kind in Kind), key=lambda pair: pair[1].casefold()),
                next=link(cursor=found.next) if found.next else "",
                first=link() if cursor else "",
                people_link=link(people="yes"),
                computer_link=of_computer,
            )


def _wanted(kept: dict[str, str], asked: Asked) -> Wanted:
    now = datetime.fromtimestamp(asked.now_s)  # noqa: DTZ006 - "fri 18:00" is local
    return Wanted(
        kept["package"] or None,
        kept["computer"] or None,
        kept["actor"] or None,
        read_kinds((kept["kind"],), "kind") if kept["kind"] else (),
        parse_past(kept["since"], "since", now) if kept["since"] else None,
        kept["people"] == "yes",
        asked.actor,
        not missing(asked.access, Act.AUDIT_READ),
    )
