"""The pages of computers: the search with its filters, completion, columns, exports and saved filters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from quart import redirect, request

from distd.domain.errors import BadInput, Conflict, NotFound
from distd.domain.filters import rows
from distd.domain.filters.fields import FIELDS, Kind
from distd.domain.filters.parse import MAX_TEXT, BadFilter
from distd.domain.filters.render import render
from distd.domain.filters.rows import Join, RowGroup
from distd.domain.page import Window, read_window
from distd.domain.permissions import Act
from distd.origin.computers import filter_completion, saved_filters
from distd.origin.computers.columns import column_name, read_columns
from distd.origin.computers.saved_filters import NewFilter
from distd.origin.computers.search import Search, read_sort
from distd.web import exports
from distd.web.console import criteria
from distd.web.console.chosen_computers import shown_ones
from distd.web.console.counted_search import CountedSearch
from distd.web.console.faults import fault_text, faults_of
from distd.web.console.frame import current, is_fragment, page
from distd.web.console.language import NO_BREAK
from distd.web.console.links import address, of_computer
from distd.web.console.recent import RecentAnswers

if TYPE_CHECKING:
    from quart import Response
    from quart_trio import QuartTrio
    from sqlalchemy import Connection
    from werkzeug.wrappers import Response as PlainResponse

    from distd.domain.filters.fields import FilterField
    from distd.operations.operation import Asked
    from distd.origin.computers.saved_filters import SavedFilter
    from distd.origin.computers.search import Found, Sort
    from distd.web.console.criteria import SentCriteria
    from distd.web.console.use_cases import UseCases

PAGE_SIZE: Final = 50
PATH: Final = "/computers"
DEFAULT_COLUMNS: Final = "name,tag,os,user,ip,agent_version,last_contact"
MAX_SAVED_SHOWN: Final = 100
COMPLETED_KEPT_S: Final = 30.0  # who types soon types the same again
# A filter of each kind, for who has not learned them.
EXAMPLES: Final = (
    "windows",
    "os = *linux* and memory < 8GiB",
    "last_contact < 30d",
    'software("Firefox*", version < "128")',
    'package("*") = FAILED',
)


@dataclass(frozen=True, slots=True)
class ListOfComputers:
    """What a list's address says: its filter, the order, the columns (with commas between), which page. `show`: only
    those in the waiting room, or of whose identity something has changed."""

    filter: str = ""
    sort: str = "device_id"
    columns: str = ""
    cursor: str = ""
    show: str = ""

    @property
    def kept(self) -> dict[str, str]:
        """The parameters of its address, without those that are as always."""
        sort = "" if self.sort == "device_id" else self.sort
        return {"filter": self.filter, "sort": sort, "columns": self.columns, "show": self.show}

    def link(self, **changes: Any) -> str:
        """The address of a changed list, on its first page."""
        return address(PATH, self.kept, **changes)

    @property
    def fields(self) -> tuple[FilterField, ...]:
        """The columns that are shown. Raises `BadInput`."""
        return read_columns(self.columns or DEFAULT_COLUMNS)


def read_list() -> ListOfComputers:
    """What the address of this request says."""
    values = request.args
    columns = ",".join(text for text in values.getlist("columns") if text)
    return ListOfComputers(
        values.get("filter", "").strip(),
        values.get("sort") or "device_id",
        columns,
        values.get("cursor", ""),
        values.get("show", ""),
    )


def search_of(conn: Connection, asked: Asked, wanted: ListOfComputers) -> Search:
    """What is searched for. Raises `BadInput`."""
    tree = saved_filters.read_filter(conn, asked.actor, wanted.filter)
    device_id = FIELDS["device_id"]
    columns = tuple({field.name: field for field in (device_id, *wanted.fields)}.values())
    return Search(asked.now_s, tree, read_sort(wanted.sort), columns, shown_ones(wanted.show), asked.actor)


class ComputerListPages:
    """/computers, what completes filters, exports, saved filters."""

    def __init__(self, use_cases: UseCases) -> None:
        self._use_cases = use_cases
        self._search = CountedSearch(use_cases)
        self._completions = RecentAnswers(COMPLETED_KEPT_S)

    def add_to(self, app: QuartTrio) -> None:
        """Add the pages."""

        @app.get(PATH)
        async def computers() -> Response | PlainResponse:
            wanted = read_list()
            return await self._show_criteria(wanted) if criteria.is_sent(request.args) else await self._show(wanted, {})

        @app.get("/search/completion")
        async def complete_filter() -> Response:
            return await self._complete(request.args.get("filter", "")[:MAX_TEXT], request.args.get("at", ""))

        @app.get("/search/export.<form>")
        async def export(form: str) -> Response:
            if form not in ("csv", "json"):
                raise NotFound("path", "csv or json", form)
            wanted = read_list()
            asked = await self._use_cases.read(Act.COMPUTERS_READ, partial(search_of, wanted=wanted))
            return await exports.stream(self._use_cases.reader, asked, form)

        @app.post("/search/filters")
        async def save_filter() -> Response | PlainResponse:
            return await self._save()

        @app.post("/search/filters/delete")
        async def delete_filter() -> PlainResponse:
            name = (await request.form).get("name", "")

            def delete(conn: Connection, asked: Asked) -> SavedFilter:
                return saved_filters.delete(conn, asked.actor, name, asked.now_s)

            await self._use_cases.write(Act.FILTERS_WRITE, delete)
            return redirect(PATH, 303)

    async def _show_criteria(self, wanted: ListOfComputers) -> Response | PlainResponse:
        """What the rows say. Once nothing of them is to be completed, the address has it as a filter's text."""
        sent = criteria.read_criteria(request.args)
        wanted = replace(wanted, filter="" if sent.read.tree is None else render(sent.read.tree))
        if sent.is_settled and not is_fragment():
            return redirect(wanted.link(), 303)
        answer = await self._show(wanted, {}, sent=sent)
        if is_fragment():
            answer.headers["HX-Push-Url"] = wanted.link() if sent.is_settled else "false"
        return answer

    async def _show(
        self,
        wanted: ListOfComputers,
        faults: dict[str, str],
        form: dict[str, str] | None = None,
        sent: SentCriteria | None = None,
    ) -> Response:
        """A wrong filter is shown where it is wrong, beside an empty list. `sent`: rows to be shown as they are."""
        found: Found | None = None
        sort: Sort | None = None
        fields: tuple[FilterField, ...] = ()
        status, wrong = 409 if faults else 200, None

        shown_rows = None if sent is None else sent.group

        def read(conn: Connection, asked: Asked) -> tuple[Search, Window]:
            nonlocal shown_rows
            query = search_of(conn, asked, wanted)
            shown_rows = shown_rows or rows.rows_of(query.tree)
            return query, read_window(PAGE_SIZE, wanted.cursor or None, query.sort.place)

        try:
            fields = wanted.fields
            found, sort = await self._search.find(read)
        except BadFilter as error:
            status, wrong = 400, error
            faults = {"filter": fault_text(BadInput("filter", error.expected, error.got, error.advice))}
        except BadInput as error:
            if error.field not in ("filter", "sort", "columns", "cursor"):
                raise
            status, faults = 400, faults | faults_of(error)
        values = await self._values(wanted)
        if wrong is not None:
            shown_rows = RowGroup()
        return await page(
            "computers.html",
            status,
            **values,
            criteria=shown_rows and criteria.show_group(shown_rows, sent.read.faults if sent else None),
            found=found,
            sort=wanted.sort if sort is None else sort.name,
            fields=fields,
            column_names=[field.name for field in fields],
            is_usual=not wanted.columns,
            faults=faults,
            wrong=None if wrong is None else _marked(wrong),
            form=form or {},
        )

    async def _values(self, wanted: ListOfComputers) -> dict[str, Any]:
        def list_saved(conn: Connection, asked: Asked) -> list[SavedFilter]:
            return saved_filters.list_filters(conn, asked.actor, Window(MAX_SAVED_SHOWN)).items

        accounts = await self._use_cases.read(Act.FILTERS_READ, criteria.account_fields)
        menus = criteria.field_groups(accounts)
        return {
            "menus": menus,
            "all_names": [name for _, names in menus for name in names],
            "joins": list(Join),
            "version_operators": rows.VERSION_OPERATORS,
            "max_levels": rows.MAX_LEVELS,
            "wanted": wanted,
            "sorted_link": lambda name: wanted.link(sort=name),
            "computer_link": of_computer,
            "exports": [(form.upper(), address(f"/search/export.{form}", wanted.kept)) for form in ("csv", "json")],
            "host": request.host,
            "filter": wanted.filter,
            "kept_by_search": [(key, value) for key, value in wanted.kept.items() if key != "filter" and value],
            "saved": await self._use_cases.read(Act.FILTERS_READ, list_saved),
            "all_fields": FIELDS,
            "examples": EXAMPLES,
            "shown": shown,
            "is_sortable": lambda field: not field.many or field.name == "ip",
            "said": _said(),
        }

    async def _complete(self, text: str, at: str) -> Response:
        place = min(int(at), len(text)) if at.isascii() and at.isdecimal() and len(at) < 6 else len(text)

        def complete(conn: Connection, asked: Asked) -> filter_completion.Completion:
            return filter_completion.complete(conn, text, place, asked.actor)

        self._use_cases.operations.demand(Act.FILTERS_READ)
        frame = current()
        make = partial(self._use_cases.read, Act.FILTERS_READ, complete)
        try:
            found = await self._completions.get((text[:place], frame.access), frame.now_s, make)
        except BadInput:
            found = filter_completion.Completion(0, [])  # the search itself says what is wrong
        before, after = text[: found.start], text[place:]
        offers = [(each, f"{before}{each.text} ", after.lstrip()) for each in found.suggestions]
        return await page("completions.html", offers=offers)

    async def _save(self) -> Response | PlainResponse:
        form = await request.form
        text, name = form.get("filter", "").strip(), form.get("name", "")
        new = NewFilter(name, text, form.get("shared") == "yes")

        def save(conn: Connection, asked: Asked) -> SavedFilter:
            return saved_filters.save(conn, asked.actor, new, asked.now_s)

        try:
            found = await self._use_cases.write(Act.FILTERS_WRITE, save)
        except (BadInput, Conflict) as error:
            if error.field not in ("name", "filter"):
                raise
            faults = {"saved_name" if error.field == "name" else "filter": fault_text(error)}
            return await self._show(ListOfComputers(text), faults, {"name": name})
        return redirect(address(PATH, {"filter": f'@"{found.name}"'}), 303)


def shown(field: FilterField, item: dict[str, Any]) -> Any:
    """A value as text; of a time, seconds."""
    value = item[column_name(field)]
    match field.kind:
        case Kind.SIZE:
            return "" if value is None else current().language.size(value)
        case Kind.NUMBER:
            return "" if value is None else current().language.number(value)
        case Kind.TIME:
            return value
    return ", ".join(value) if isinstance(value, list) else value


def _marked(error: BadFilter) -> tuple[str, str, str]:
    """A wrong filter: what is before the place, what is wrong, what follows."""
    whole, end = error.text, error.at + error.length
    return whole[: error.at], whole[error.at : end] or NO_BREAK, whole[end:]


def _said() -> str:
    """What was done on the page before."""
    number = request.args.get("n", "")
    count = int(number) if number.isascii() and number.isdecimal() and len(number) < 9 else 0
    plural = current().language.plural
    match request.args.get("said"):
        case "deleted":
            return plural("{number} computer deleted.", "{number} computers deleted.", count)
        case "set":
            return plural("Values of {number} computer set.", "Values of {number} computers set.", count)
        case "parameters":
            return plural("Settings of {number} computer set.", "Settings of {number} computers set.", count)
    return ""
