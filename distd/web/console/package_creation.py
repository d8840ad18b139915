"""/packages/new: a package is created in two steps, and built by a job."""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import trio
from quart import redirect, request

from distd.domain import recipes, schedule
from distd.domain.cut_preview import course_of, cut_by_count, cut_by_size
from distd.domain.errors import BadInput, Conflict, DistdError, NotFound, TooLarge
from distd.domain.permissions import Act
from distd.domain.records import Dialect, OperatingSystem
from distd.domain.units import parse_size
from distd.operations import jobs as job_operations
from distd.origin.packages import previews
from distd.origin.packages.orders import FragmentOrder
from distd.web.console import package_audience
from distd.web.console.chart import line_chart
from distd.web.console.faults import fault_text
from distd.web.console.form_file import FORM_FILE_BYTES, read_form_with_file
from distd.web.console.frame import current, is_fragment, page
from distd.web.console.package_form import NEW, RECIPE, PackageForm, read_form
from distd.web.console.words import size_input

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quart import Response
    from quart_trio import QuartTrio
    from werkzeug.wrappers import Response as PlainResponse

    from distd.domain.cut_preview import Course, Cut
    from distd.domain.settings import DownloadConfig
    from distd.origin.packages.orders import PackageOrder
    from distd.origin.packages.previews import PackagePreview
    from distd.storage.uploads import Uploads
    from distd.web.console.operations import ConsoleOperations

FIRST: Final = "/packages/new"
SECOND: Final = "/packages/new/fragments"
# Lines for which the duration is said, in bytes a second; the chart is for the middle one.
LINES: Final = (250_000.0, 1_250_000.0, 12_500_000.0)
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
MAX_FORM_FILES: Final = 2  # forms with files that are received at once


class PackageCreationPages:
    """Both steps."""

    def __init__(self, operations: ConsoleOperations, uploads: Uploads) -> None:
        self._operations = operations
        self._uploads = uploads
        self._form_files = trio.CapacityLimiter(MAX_FORM_FILES)

    def add_to(self, app: QuartTrio) -> None:
        """Add the pages."""

        @app.get(FIRST)
        async def new_package() -> Response:
            self._operations.demand(Act.PACKAGES_WRITE)
            return await self._first(read_form(request.args) if request.args.get("os") else NEW, {})

        @app.post(FIRST)
        async def send_package() -> Response | PlainResponse:
            self._operations.demand(Act.PACKAGES_WRITE)
            async with self._form_files:
                return await self._send()

        @app.get(SECOND)
        async def new_fragments() -> Response | PlainResponse:
            self._operations.demand(Act.PACKAGES_WRITE)
            return await self._second(read_form(request.args), request.args, {})

        @app.post(SECOND)
        async def validate_package() -> Response | PlainResponse:
            self._operations.demand(Act.PACKAGES_WRITE)
            values = await request.form
            return await self._validate(read_form(values), values)

    async def _send(self) -> Response | PlainResponse:
        """The first step: the file is kept, all is checked."""
        form = NEW
        try:
            values = await read_form_with_file(self._uploads, self._operations)
            form = read_form(values)
            await self._preview(form.order())
            return redirect(f"{SECOND}?{form.query()}", 303)
        except DistdError as error:
            status = 413 if isinstance(error, TooLarge) else 400
            return await self._first(form, {form.input_of(error): fault_text(error)}, status)

    async def _preview(self, order: PackageOrder) -> PackagePreview:
        site = self._operations.site()
        return await self._operations.in_thread(previews.preview, site.data, order, site.settings.download)

    async def _first(self, form: PackageForm, faults: Mapping[str, str], status: int = 200) -> Response:
        limits = self._operations.site().settings.limits
        return await page(
            "package_new.html",
            status,
            form=form,
            faults=faults,
            systems=list(OperatingSystem),
            recipes=list(recipes.TABLE.values()),
            recipe_prefix=RECIPE,
            form_file_bytes=FORM_FILE_BYTES,
            upload_bytes=limits.upload_mib << 20,
        )

    async def _second(
        self, form: PackageForm, values: Mapping[str, str], faults: dict[str, str], status: int = 200
    ) -> Response | PlainResponse:
        """The second step; for htmx only what follows from the numbers."""
        try:
            order = form.order()
            if is_fragment():
                total_bytes = _number(values, "total")
                return await self._recalculated(form, order, values, total_bytes)
            found = await self._preview(order)
        except NotFound:
            return redirect(f"{FIRST}?{PackageForm({**form.values, 'upload': ''}).query()}", 303)
        except BadInput as error:
            return await self._first(form, {form.input_of(error): fault_text(error)}, 400)
        cut, faults = _cut(values, found.total_bytes, faults)
        shown = await self._forecast(order, cut, values.get("to", ""))
        template = "package_fragments.html"
        shown |= {"form": form, "found": found, "faults": faults, "was": _was(cut)}
        return await page(template, 400 if faults else status, **shown)

    async def _recalculated(
        self, form: PackageForm, order: PackageOrder, values: Mapping[str, str], total_bytes: int
    ) -> Response:
        cut, faults = _cut(values, total_bytes, {})
        was = {name: values.get(name, "") for name in ("was_size", "was_count", "by")} if faults else _was(cut, values)
        changed = [name for name in ("size", "count") if values.get(name, "") != values.get(f"was_{name}", "")]
        shown: dict[str, Any] = {
            "form": form,
            "faults": faults,
            "was": was,
            "changed": changed[0] if len(changed) == 1 else "",
        }
        return await page("package_forecast.html", **shown, **await self._forecast(order, cut, values.get("to", "")))

    async def _forecast(self, order: PackageOrder, cut: Cut, to: str) -> dict[str, Any]:
        """`to`: for which computers too; "": for one agent alone."""
        asked = self._operations.demand(Act.PACKAGES_WRITE)
        config = asked.site.settings.download
        courses = [(line, _course(cut, order, line, config)) for line in LINES]
        middle = courses[1][1]
        chart = None if cut.total_bytes == 0 else line_chart(middle.fetched, cut.count, middle.done_s)
        no_turn = schedule.gets_no_turn(order.priority, config)
        shown = {"cut": cut, "courses": courses, "chart": chart, "config": config, "order": order, "no_turn": no_turn}
        audience = None
        if to and not no_turn:
            counted = await self._operations.reader.run(partial(package_audience.count, asked=asked, chosen=to))
            audience = package_audience.audience_of(counted, middle, cut, asked.site.settings)
        offers = (
            [] if is_fragment() else await self._operations.reader.run(partial(package_audience.offers, asked=asked))
        )
        every_h = asked.site.settings.agents.prolog_freq_h
        more = {"audience": audience, "to": to, "offers": offers, "everybody": package_audience.ALL}
        return shown | more | {"contact_every_h": every_h}

    async def _validate(self, form: PackageForm, values: Mapping[str, str]) -> Response | PlainResponse:
        """A job builds it."""
        try:
            await self._check_stamp(form.order(), values.get("stamp", ""))
            fragments = FragmentOrder()
            total_bytes = _number(values, "total")
            if total_bytes:
                cut = _chosen(values, total_bytes)
                fragments = FragmentOrder(count=cut.count) if cut.by_count else FragmentOrder(cut.fragment_bytes)
            created = await self._operations.do(job_operations.BUILD, given=form.order(fragments))
        except NotFound:
            return redirect(f"{FIRST}?{PackageForm({**form.values, 'upload': ''}).query()}", 303)
        except DistdError as error:
            return await self._second(form, values, {form.input_of(error): fault_text(error)}, 400)
        back = form.query(size=values.get("size", ""), count=values.get("count", ""))
        return redirect(f"/jobs/{created.job}?{back}", 303)

    async def _check_stamp(self, order: PackageOrder, stamp: str) -> None:
        """Uploads go by the names of their files: somebody else may have sent another one meanwhile."""
        now = await self._operations.in_thread(previews.stamp_of, self._operations.site().data, order)
        if now != stamp:
            raise Conflict("source", current().language.text("The file was replaced meanwhile: look at it again."))


def _course(cut: Cut, order: PackageOrder, line: float, config: DownloadConfig) -> Course:
    dialect = Dialect.WINDOWS if order.os is OperatingSystem.WINDOWS else Dialect.UNIX
    return course_of(cut, order.priority, dialect, config, line)


def _was(cut: Cut, typed: Mapping[str, str] = NOTHING) -> dict[str, str]:
    """What stands in the inputs, to be sent back with them: so it is known which one was changed. `typed`: the one that
    is meant stays as it was typed."""
    size = size_input(cut.fragment_bytes)
    if cut.by_count:
        return {"was_size": size, "was_count": typed.get("count", str(cut.count)), "by": "count"}
    return {"was_size": typed.get("size", size), "was_count": str(cut.count), "by": "size"}


def _cut(values: Mapping[str, str], total_bytes: int, faults: dict[str, str]) -> tuple[Cut, dict[str, str]]:
    """As it is chosen; the default, and what is wrong, for what cannot be."""
    try:
        return _chosen(values, total_bytes), faults
    except BadInput as error:
        return cut_by_size(total_bytes), faults | {PackageForm().input_of(error): fault_text(error)}


def _chosen(values: Mapping[str, str], total_bytes: int) -> Cut:
    """Of size and number, which are bound to each other, the one that is not as it was is meant."""
    size, count = values.get("size", "").strip(), values.get("count", "").strip()
    is_count_new = count != values.get("was_count", "").strip()
    is_size_new = size != values.get("was_size", "").strip()
    by_count = is_count_new if is_count_new != is_size_new else values.get("by") == "count"
    if count and by_count:
        return cut_by_count(total_bytes, _number(values, "count", "fragments.count"))
    return cut_by_size(total_bytes, parse_size(size, "fragments.size_bytes") if size else None)


def _number(values: Mapping[str, str], name: str, path: str = "") -> int:
    text = values.get(name, "").strip()
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise BadInput(path or name, "a number", text)
    return int(text)
