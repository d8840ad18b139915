"""Pages that list what there is, with a form for another one that is about a package."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from quart import redirect, request

from distd.domain.errors import BadInput, Conflict, NotFound
from distd.domain.page import Window
from distd.origin.packages import overview
from distd.web.console.faults import fault_status, faults_of
from distd.web.console.frame import page
from distd.web.console.links import address

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from quart import Response
    from werkzeug.wrappers import Response as PlainResponse

    from distd.domain.errors import DistdError
    from distd.operations.operation import Operation
    from distd.origin.packages.overview import WantedPackages
    from distd.web.console.operations import ConsoleOperations

PAGE_SIZE: Final = 50
MAX_CHOICES: Final = 1000  # packages that can be chosen from, the newest


class FormList:
    """The page at `path`. `template` gets `found`, the page of the list; `packages`, those that can be chosen; `form`,
    what was typed, and `faults` by field."""

    def __init__(
        self,
        asked: ConsoleOperations,
        path: str,
        template: str,
        listing: tuple[Operation[Any], Callable[[int, str | None], Any]],
        wanted: WantedPackages,
    ) -> None:
        """`listing`: the operation that lists, and the record of its query of a page's size and a cursor."""
        self._asked = asked
        self._path = path
        self._template = template
        self._list, self._query = listing
        self._wanted = wanted

    async def show(self, form: Mapping[str, str], error: DistdError | None = None) -> Response:
        """The page that was asked for."""
        cursor = request.args.get("cursor") or None
        found = await self._asked.do(self._list, given=self._query(PAGE_SIZE, cursor))
        read = partial(overview.list_packages, wanted=self._wanted, window=Window(MAX_CHOICES))
        link = partial(address, self._path, {})
        return await page(
            self._template,
            fault_status(error),
            found=found,
            packages=(await self._asked.reader.run(read)).items,
            next=link(cursor=found.next) if found.next else "",
            first=link() if cursor else "",
            form=form,
            faults=faults_of(error),
        )

    async def create(
        self, operation: Operation[Any], read: Callable[[Mapping[str, str]], Any]
    ) -> Response | PlainResponse:
        """Make what the form says. `read`: the operation's record out of it; raises `BadInput`."""
        form = await request.form
        try:
            await self._asked.do(operation, given=read(form))
        except (BadInput, Conflict, NotFound) as error:
            return await self.show(form, error)
        return redirect(self._path, 303)
