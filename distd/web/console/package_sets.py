"""The pages of sets of packages: the list, a new one, and one to change, assign or delete."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from quart import redirect, request

from distd.domain.errors import BadInput, Conflict, NotFound
from distd.domain.page import Window
from distd.domain.permissions import Act
from distd.operations import package_sets as operations
from distd.operations import several_packages
from distd.operations.deployments import AssignmentTarget
from distd.operations.package_sets import NewSet, SetEdit, SetQuery
from distd.operations.several_packages import NewAssignments
from distd.origin.packages import overview
from distd.origin.packages.overview import WantedPackages
from distd.web.console.faults import fault_status, faults_of
from distd.web.console.frame import page
from distd.web.console.links import address, of_set

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quart import Response
    from quart_trio import QuartTrio
    from werkzeug.datastructures import MultiDict
    from werkzeug.wrappers import Response as PlainResponse

    from distd.domain.errors import DistdError
    from distd.operations.several_packages import SeveralAssigned
    from distd.origin.packages.package_sets import PackageSet
    from distd.web.console.operations import ConsoleOperations

PATH: Final = "/sets"
PAGE_SIZE: Final = 50
MAX_CHOICES: Final = 1000  # packages that can be chosen from, the newest
MORE_PLACES: Final = 4  # for further packages
TARGETS: Final = ("filter", "group", "tag")
NOTHING: Final[dict[str, str]] = {}


class PackageSetPages:
    """/sets and what is below it."""

    def __init__(self, asked: ConsoleOperations) -> None:
        self._asked = asked

    def add_to(self, app: QuartTrio) -> None:
        """Add the pages."""

        @app.get(PATH)
        async def package_sets() -> Response:
            query = SetQuery(PAGE_SIZE, request.args.get("cursor") or None)
            found = await self._asked.do(operations.LIST, given=query)
            link = partial(address, PATH, {})
            following = link(cursor=found.next) if found.next else ""
            first = link() if query.cursor else ""
            return await page("package_sets.html", found=found, next=following, first=first, link_of=of_set)

        @app.get(f"{PATH}/new")
        async def new_package_set() -> Response:
            self._asked.demand(Act.PACKAGES_WRITE)
            return await self._form(None)

        @app.post(f"{PATH}/new")
        async def create_package_set() -> Response | PlainResponse:
            form = await request.form
            try:
                made = await self._asked.do(operations.CREATE, given=NewSet(**_content(form)))
            except (BadInput, Conflict, NotFound) as error:
                return await self._form(None, form, error)
            return redirect(of_set(made.name), 303)

        @app.get(f"{PATH}/<name>")
        async def package_set(name: str) -> Response:
            found = await self._asked.do(operations.SHOW, name)
            return await self._form(found)

        @app.post(f"{PATH}/<name>/<any(edit,delete,assign):act>")
        async def act_on_package_set(name: str, act: str) -> Response | PlainResponse:
            found, form = await self._asked.do(operations.SHOW, name), await request.form
            try:
                if act == "delete":
                    await self._asked.do(operations.DELETE, name)
                    return redirect(PATH, 303)
                if act == "edit":
                    changed = await self._asked.do(operations.EDIT, name, given=SetEdit(**_content(form)))
                    return redirect(of_set(changed.name), 303)
                return await self._assign(found, form)
            except (BadInput, Conflict, NotFound) as error:
                return await self._form(found, form, error)

    async def _assign(self, found: PackageSet, form: MultiDict[str, str]) -> Response | PlainResponse:
        """Without `step` it is only tried."""
        kind, who, is_tried = form.get("to", ""), form.get("who", "").strip(), form.get("step") != "do"
        if kind not in TARGETS or not who:
            raise BadInput("who", "a search, a group or a TAG", who)
        targets: dict[str, Any] = {kind: who}
        given = NewAssignments(
            AssignmentTarget(**targets),
            set=found.name,
            chain=form.get("chain") == "yes",
            skip_unfit=form.get("skip_unfit") == "yes",
            dry_run=is_tried,
        )
        done = await self._asked.do(several_packages.ASSIGN, given=given)
        if is_tried:
            return await self._form(found, form, tried=done)
        return redirect(address(of_set(found.name), {"said": "assigned"}), 303)

    async def _form(
        self,
        found: PackageSet | None,
        form: Mapping[str, str] = NOTHING,
        error: DistdError | None = None,
        tried: SeveralAssigned | None = None,
    ) -> Response:
        wanted = WantedPackages(None, None)
        read = partial(overview.list_packages, wanted=wanted, window=Window(MAX_CHOICES))
        packages = (await self._asked.reader.run(read)).items
        chosen = form.getlist("package") if hasattr(form, "getlist") and "package" in form else None
        if chosen is None:
            chosen = [each.package_id for each in found.packages] if found else []
        chosen = [each for each in chosen if each]
        values: dict[str, Any] = {
            "name": form.get("name", found.name if found else ""),
            "description": form.get("description", found.description if found else ""),
            "chain": form.get("chain") == "yes" if form else bool(found and found.chain),
        }
        return await page(
            "package_set.html",
            fault_status(error),
            found=found,
            path="" if found is None else of_set(found.name),
            form=form,
            values=values,
            places=[*chosen, *[""] * MORE_PLACES],
            names={each.id: each.name for each in packages} | {each.package_id: each.name for each in _items(found)},
            faults=faults_of(error),
            known=("name", "description", "packages", "who", "to.filter", "to.group", "to.tag"),
            tried=tried,
            is_assigned=request.args.get("said") == "assigned",
        )


def _items(found: PackageSet | None) -> list[Any]:
    return [] if found is None else list(found.packages)


def _content(form: MultiDict[str, str]) -> dict[str, Any]:
    return {
        "name": form.get("name", "").strip(),
        "packages": tuple(each for each in form.getlist("package") if each),
        "chain": form.get("chain") == "yes",
        "description": form.get("description", "").strip(),
    }
