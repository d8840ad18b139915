"""/notices: what is wrong now and was lately, whom that was sent to, and a test of how it is sent."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from quart import redirect, request

from distd.domain.conditions import ConditionKind, NoticePhase
from distd.domain.errors import Conflict
from distd.domain.notice_texts import describe
from distd.operations import notices as operations
from distd.operations.notices import NoticeQuery
from distd.origin.notices import notices as use_cases
from distd.web.console.faults import fault_text
from distd.web.console.frame import current, page
from distd.web.console.links import address

if TYPE_CHECKING:
    from quart import Response
    from quart_trio import QuartTrio
    from werkzeug.wrappers import Response as PlainResponse

    from distd.operations.notices import NoticesTested
    from distd.origin.notices.notices import Notice
    from distd.web.console.operations import ConsoleOperations

PATH: Final = "/notices"
PAGE_SIZE: Final = 50


class NoticePages:
    """That page."""

    def __init__(self, asked: ConsoleOperations) -> None:
        self._asked = asked

    def add_to(self, app: QuartTrio) -> None:
        """Add it."""

        @app.get(PATH)
        async def notices() -> Response:
            return await self._list()

        @app.post(f"{PATH}/test")
        async def test_notices() -> Response | PlainResponse:
            try:
                tested = await self._asked.do(operations.TEST)
            except Conflict as error:
                return await self._list(fault=fault_text(error))
            return await self._list(tested=tested)

        @app.get(f"{PATH}/test")
        async def after_test() -> PlainResponse:
            return redirect(PATH, 303)  # whoever loads the answer to the form again

    async def _list(self, tested: NoticesTested | None = None, fault: str = "") -> Response:
        query = NoticeQuery(PAGE_SIZE, request.args.get("cursor") or None)
        found = await self._asked.do(operations.LIST, given=query)
        open_ones = await self._asked.reader.run(use_cases.list_open)
        link = partial(address, PATH, {})
        return await page(
            "notices.html",
            409 if fault else 200,
            found=found,
            open_ones=open_ones[::-1],
            told=_told,
            channels=use_cases.channels(self._asked.site().settings.notices),
            next=link(cursor=found.next) if found.next else "",
            first=link() if query.cursor else "",
            tested=tested,
            fault=fault,
        )


def _told(notice: Notice) -> tuple[str, str]:
    """A sentence, and what else there is to say, in the language of the request."""
    kind, phase = ConditionKind(notice.kind), NoticePhase.BEGAN if notice.ended_at_s is None else NoticePhase.ENDED
    code = current().language.code
    return describe(kind, notice.subject, notice.name, phase, notice.since_s, notice.facts, code)
