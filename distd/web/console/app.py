"""The console as one application: a session before all pages, errors as pages, header fields that protect it."""

from __future__ import annotations

import gzip
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote

from jinja2 import StrictUndefined
from quart import Response, g, redirect, request
from werkzeug.exceptions import HTTPException

from distd.domain.errors import BadInput, Conflict, DistdError, NotFound, Unavailable
from distd.origin.operators import operators, sessions
from distd.web.console import language, protection, static_files
from distd.web.console.computer_words import COMPUTER_WORDS
from distd.web.console.criteria_words import CRITERIA_WORDS
from distd.web.console.event_words import EVENT_WORDS
from distd.web.console.faults import fault_text
from distd.web.console.frame import THEMES, Frame, current, page
from distd.web.console.help_pages import CERTIFICATE
from distd.web.console.operations import NotAllowed
from distd.web.console.setting_words import SETTING_WORDS
from distd.web.console.sign_in import COOKIE
from distd.web.console.words import TEMPLATE_WORDS
from distd.web.late_body import LateBodyApp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from quart_trio import QuartTrio
    from sqlalchemy import Connection
    from werkzeug.wrappers import Response as PlainResponse

    from distd.catalogue.reader import Reader
    from distd.catalogue.writer import Writer
    from distd.origin.operators.operators import KnownOperator
    from distd.origin.operators.sessions import ConsoleSession

TEMPLATES: Final = Path(__file__).parent / "templates"
MAX_FORM_BYTES: Final = 1_048_576
COMPRESSED_BYTES: Final = 1024  # smaller answers are sent as they are
OPEN_PATHS: Final = ("/login", "/preferences", static_files.PREFIX, CERTIFICATE)
STATUSES: Final = {NotFound: 404, Conflict: 409, BadInput: 400, Unavailable: 503}


class Pages(Protocol):
    """The pages of one noun."""

    def add_to(self, app: QuartTrio) -> None:
        """Add them."""


class Console:
    """Makes the application. `clock()` gives seconds since 1970, `idle_s()` how long a session may rest."""

    def __init__(self, reader: Reader, writer: Writer, clock: Callable[[], float], idle_s: Callable[[], float]) -> None:
        self._reader = reader
        self._writer = writer
        self._clock = clock
        self._idle_s = idle_s

    def make(self, pages: Iterable[Pages]) -> QuartTrio:
        """The application with these pages."""
        app = LateBodyApp("distd.web.console", template_folder=str(TEMPLATES), static_folder=None)
        app.config["MAX_CONTENT_LENGTH"] = MAX_FORM_BYTES
        app.url_map.merge_slashes = False
        app.jinja_env.is_async = False  # nothing in a template waits, and without that it takes half the time
        app.jinja_env.undefined = StrictUndefined
        app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
        app.jinja_env.globals.update(TEMPLATE_WORDS)
        app.jinja_env.globals.update(COMPUTER_WORDS)
        app.jinja_env.globals.update(CRITERIA_WORDS)
        app.jinja_env.globals.update(EVENT_WORDS)
        app.jinja_env.globals.update(SETTING_WORDS)
        app.before_request(self._begin)
        app.after_request(_finish)
        _add_errors(app)

        @app.get(f"{static_files.PREFIX}<path:key>")
        async def static_file(key: str) -> Response:
            found = static_files.answer(key)
            if found is None:
                raise NotFound("path", "a file of the console", key)
            return found

        for some in pages:
            some.add_to(app)
        return app

    async def _begin(self) -> Response | PlainResponse | None:
        cookies = request.cookies
        code = language.choose(
            request.args.get("lang"), cookies.get("lang"), request.headers.get("Accept-Language", "")
        )
        theme = cookies.get("theme", "")
        g.frame = Frame(language.load(code), theme if theme in THEMES else THEMES[0], self._clock())
        if request.path.startswith(static_files.PREFIX):
            return None
        if not protection.is_of_this_site(request.method, request.headers.get):
            return await _error_page(403)
        await self._find_session(cookies.get(COOKIE, ""))
        is_page = request.url_rule is not None  # else it is answered by 404, to anybody
        if is_page and g.frame.session is None and not request.path.startswith(OPEN_PATHS):
            return _to_login()
        return None

    async def _find_session(self, token: str) -> None:
        if not token:
            return
        frame = current()
        found = await self._reader.run(partial(find_session, token=token, now_s=frame.now_s, idle_s=self._idle_s()))
        if found is None:
            return
        frame.session, operator = found
        frame.access = operator.access
        if sessions.is_due(frame.session, frame.now_s):
            await self._writer.run(partial(sessions.note_use, session=frame.session, now_s=frame.now_s))


def find_session(
    conn: Connection, token: str, now_s: float, idle_s: float
) -> tuple[ConsoleSession, KnownOperator] | None:
    """The session of a token, and its operator; None: there is none, or it counts no longer."""
    session = sessions.find(conn, token, now_s, idle_s)
    operator = None if session is None else operators.find(conn, session.operator)
    return None if session is None or operator is None else (session, operator)


def _to_login() -> Response | PlainResponse:
    if request.headers.get("HX-Request") == "true":
        return Response("", 200, {"HX-Redirect": "/login"})
    full = request.full_path.rstrip("?") if request.method in protection.SAFE_METHODS else "/"
    return redirect(f"/login?next={quote(full)}" if full != "/" else "/login", 303)


async def _finish(response: Response) -> Response:
    for name, value in protection.FIELDS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    if response.content_type.startswith("text/html"):
        await _compress(response)
    return response


async def _compress(response: Response) -> None:
    response.headers["Vary"] = "Accept-Encoding, Accept-Language, Cookie"
    if "gzip" not in request.headers.get("Accept-Encoding", ""):
        return
    data = await response.get_data(as_text=False)
    if len(data) >= COMPRESSED_BYTES:
        response.set_data(gzip.compress(data, 5, mtime=0))
        response.headers["Content-Encoding"] = "gzip"


def _add_errors(app: QuartTrio) -> None:
    async def distd_error(error: Exception) -> Response:
        status = next((status for kind, status in STATUSES.items() if isinstance(error, kind)), 500)
        return await _error_page(status, fault_text(error) if isinstance(error, DistdError) else str(error))

    async def http_error(error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return await _error_page(error.code or 500)

    async def not_allowed(error: Exception) -> Response:
        return await page("not_allowed.html", 403, detail=current().language.sentence(str(error)))

    app.register_error_handler(NotAllowed, not_allowed)
    app.register_error_handler(DistdError, distd_error)
    app.register_error_handler(HTTPException, http_error)


async def _error_page(status: int, detail: str = "") -> Response:
    values: dict[str, Any] = {"code": status, "detail": detail}
    return await page("error.html", status, **values)
