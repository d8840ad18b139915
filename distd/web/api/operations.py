"""The routes of operations: one for each record of `distd.operations`, with ETags and keys where it has them."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec
import trio
from blake3 import blake3
from quart import Response, request
from werkzeug.routing import BaseConverter

from distd.domain.errors import BadInput
from distd.operations.operation import LANGUAGES, Asked, DryRun, Way
from distd.origin import idempotency
from distd.origin.computers import saved_filters
from distd.origin.idempotency import Answered, KeyedRequest
from distd.web.api.auth import needs, signed_in
from distd.web.api.bodies import BODY_LIMIT, read_body
from distd.web.api.description import JSON, answers, header
from distd.web.api.problems import Changed, FromOtherSite
from distd.web.api.queries import takes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from quart_trio import QuartTrio
    from sqlalchemy import Connection

    from distd.catalogue.reader import Reader
    from distd.catalogue.writer import Writer
    from distd.operations.operation import Operation
    from distd.origin.installation import Installation

PREFIX: Final = "/api/v1"
MAX_THREADS: Final = 4  # that read files, or make transactions of their own
MAX_KEY: Final = 255  # characters
MAX_TAGS: Final = 1000  # characters of If-Match
IF_MATCH: Final = header("If-Match", "the ETag of what is to be changed, or `*`", maxLength=MAX_TAGS)
KEY: Final = header(
    idempotency.FIELD, "sent again within a day with this key, it is not done again", pattern="^[!-~]{1,255}$"
)

_PART: Final = re.compile(r"{(\w+)}")


class SavedName(BaseConverter):
    """The name of a saved filter in a path: what has a route of its own is none."""

    regex = f"(?!(?:{'|'.join(saved_filters.RESERVED)})$)[^/]+"


# Parts of paths that are not any text, by their names.
_CONVERTERS: Final = {"filter_name": SavedName}


class OperationRoutes:
    """`site()` is the installation with the settings in force."""

    def __init__(
        self,
        operations: Iterable[Operation[Any]],
        reader: Reader,
        writer: Writer,
        site: Callable[[], Installation],
    ) -> None:
        self._operations = operations
        self._reader = reader
        self._writer = writer
        self._site = site
        self._threads = trio.CapacityLimiter(MAX_THREADS)

    def add_to(self, app: QuartTrio) -> None:
        """Add the routes."""
        app.url_map.converters.update(_CONVERTERS)
        for operation in self._operations:
            if not operation.elsewhere:
                rule = PREFIX + _PART.sub(_rule_of, operation.path)
                app.add_url_rule(rule, operation.name, self._route(operation), methods=[operation.method])

    def _route(self, operation: Operation[Any]) -> Callable[..., Any]:
        parts = _PART.findall(operation.path)

        async def answer(*, query_args: Any = None, **names: str) -> Any:
            return await self._answer(operation, tuple(names[part] for part in parts), query_args)

        answer.__name__, answer.__doc__ = operation.name, operation.text
        route: Any = answer if operation.query is None else takes(operation.query)(answer)
        described: Callable[..., Any] = needs(operation.act)(_described(operation)(route))
        setattr(described, BODY_LIMIT, operation.max_body_bytes)
        return described

    async def _answer(self, operation: Operation[Any], names: tuple[str, ...], query: Any) -> Response:
        if operation.method != "GET":
            _refuse_other_sites()
        who = signed_in()
        language = request.accept_languages.best_match(LANGUAGES, LANGUAGES[0])
        asked = Asked(who.actor, who.access, time.time(), self._site(), language=language)
        given = query if operation.body is None else await read_body(operation.body)
        keyed = _keyed(operation, names, given)
        try:
            if keyed is not None and operation.check is not None:
                known = await self._reader.run(
                    partial(idempotency.find, actor=asked.actor, request=keyed, now_s=asked.now_s)
                )
                if known is not None:
                    return _response(operation, known.answer)
            if operation.check is not None:
                checked = await self._in_thread(operation.check, asked, *names, *operation.more(given))
                asked = replace(asked, checked=checked)
            done = await self._perform(operation, asked, names, given, keyed)
            if operation.after is not None and not isinstance(done, Answered):
                done = await self._in_thread(operation.after, asked, done)
        except DryRun as tried:
            return _response(operation, tried.answer, 200)
        return _response(operation, done.answer if isinstance(done, Answered) else done)

    async def _perform(
        self, operation: Operation[Any], asked: Asked, names: tuple[str, ...], given: Any, keyed: KeyedRequest | None
    ) -> Any:
        guard, wanted = operation.guarded_by, request.headers.get("If-Match")
        if guard is not None and wanted is not None and guard.way is Way.WORK:
            found = await self._in_thread(guard.run, asked, *names)
            _check_tag(guard, found, wanted)
            asked = replace(asked, seen=found)
        if guard is not None and wanted is not None and guard.way is Way.READ and operation.way is Way.WORK:
            _check_tag(guard, await self._reader.run(lambda conn: guard.run(conn, asked, *names)), wanted)
        if operation.way is Way.WORK:
            return await self._in_thread(operation.perform, None, asked, names, given)

        def act(conn: Connection) -> Any:
            if guard is not None and wanted is not None and guard.way is Way.READ:
                _check_tag(guard, guard.run(conn, asked, *names), wanted)
            if keyed is not None:
                known = idempotency.find(conn, asked.actor, keyed, asked.now_s)
                if known is not None:
                    return known
            done = operation.perform(conn, asked, names, given)
            if keyed is not None:
                kept = None if operation.secret else msgspec.to_builtins(done)
                idempotency.remember(conn, asked.actor, keyed, kept, asked.now_s)
            return done

        return await (self._reader if operation.way is Way.READ else self._writer).run(act)

    async def _in_thread(self, call: Callable[..., Any], *arguments: Any) -> Any:
        return await trio.to_thread.run_sync(partial(call, *arguments), limiter=self._threads)


def _rule_of(part: re.Match[str]) -> str:
    """A part of a path as werkzeug has it."""
    name = part[1]
    return f"<{name}:{name}>" if name in _CONVERTERS else f"<{name}>"


def etag_of(operation: Operation[Any], answer: Any) -> str:
    """The ETag of what was answered."""
    assert operation.tag_of is not None
    return f'"{blake3(msgspec.json.encode(operation.tag_of(answer))).hexdigest()[:32]}"'


def _check_tag(guard: Operation[Any], found: Any, wanted: str) -> None:
    """Raises `Changed`, `BadInput`."""
    tag = etag_of(guard, found)
    if len(wanted) > MAX_TAGS:
        raise BadInput("If-Match", f"at most {MAX_TAGS} characters", f"{len(wanted)} characters")
    if wanted.strip() != "*" and tag not in [text.strip() for text in wanted.split(",")]:
        raise Changed("If-Match", f"it is no longer as it was: its ETag is {tag}", "look at it again")


def _described(operation: Operation[Any]) -> Callable[[Any], Any]:
    """What the API's description says of it."""
    problems, parameters = set(operation.problems), []
    if operation.body is not None:
        problems |= {413, 415}
    if operation.guarded_by is not None:
        problems.add(412)
        parameters.append(IF_MATCH)
    if operation.keyed:
        problems |= {409, 422}
        parameters.append(KEY)
    return answers(
        operation.answer,
        body=operation.body,
        problems=tuple(sorted(problems)),
        parameters=tuple(parameters),
        status=operation.status,
        is_tried="dry_run" in getattr(operation.body, "__struct_fields__", ()),
        tagged=_tagger(operation) is not None,
    )


def _tagger(operation: Operation[Any]) -> Operation[Any] | None:
    """The operation by which its answer gets an ETag: itself, or the one whose resource it gives changed."""
    guard = operation.guarded_by
    if operation.tag_of is not None:
        return operation
    return guard if guard is not None and guard.answer is operation.answer else None


def _response(operation: Operation[Any], answer: Any, status: int | None = None) -> Response:
    """`status` None: that of the operation."""
    tagger = _tagger(operation)
    headers = {} if tagger is None else {"ETag": etag_of(tagger, answer)}
    return Response(msgspec.json.encode(answer), status or operation.status, headers, content_type=JSON)


def _keyed(operation: Operation[Any], names: tuple[str, ...], given: Any) -> KeyedRequest | None:
    key = request.headers.get(idempotency.FIELD)
    if key is None or not operation.keyed:
        return None
    if not 1 <= len(key) <= MAX_KEY or not all("!" <= letter <= "~" for letter in key):
        raise BadInput(idempotency.FIELD, f"1 to {MAX_KEY} characters of ASCII without spaces", key)
    content = msgspec.json.encode([operation.name, names, given])
    return KeyedRequest(key, blake3(content).hexdigest())


def _refuse_other_sites() -> None:
    """A browser sends the log-in that it knows also for a page of another site, but says so."""
    if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise FromOtherSite("Sec-Fetch-Site", "a page of another site sends it", "use the API from its own pages")
