"""Signing in and out, by name and password; the language and the theme that a browser keeps."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlsplit

from quart import redirect, request

from distd.domain.addresses import peer_of
from distd.domain.errors import Unavailable
from distd.origin.operators import sessions
from distd.web.console.frame import THEMES, current, now_s, page
from distd.web.console.language import LANGUAGES

if TYPE_CHECKING:
    from quart import Response
    from quart_trio import QuartTrio
    from werkzeug.wrappers import Response as PlainResponse

    from distd.catalogue.writer import Writer

COOKIE: Final = "__Host-distd"
YEAR_S: Final = 31_536_000
MAX_CHARACTERS: Final = 1024


class Passwords(Protocol):
    """What checks names and passwords."""

    async def check_password(self, name: str, password: str, address: str) -> str | None:
        """The name of the operator that has this name and password. Raises `Unavailable` where too many are tried."""


class SignInPages:
    """/login, /logout, /preferences."""

    def __init__(self, passwords: Passwords, writer: Writer) -> None:
        self._passwords = passwords
        self._writer = writer

    def add_to(self, app: QuartTrio) -> None:
        """Add the pages."""

        @app.get("/login")
        async def login() -> Response:
            return await page("login.html", next=_next(request.args.get("next", "")), name="", fault="")

        @app.post("/login")
        async def log_in() -> Response | PlainResponse:
            form = await request.form
            name, password = form.get("name", "").strip(), form.get("password", "")
            return await self._log_in(name, password, _next(form.get("next", "")))

        @app.post("/logout")
        async def log_out() -> PlainResponse:
            session = current().session
            if session is not None:
                await self._writer.run(partial(sessions.close, session=session))
            answer = redirect("/login", 303)
            answer.delete_cookie(COOKIE, secure=True, httponly=True)
            return answer

        @app.post("/preferences")
        async def prefer() -> PlainResponse:
            """Keep a language or a theme, and come back."""
            form = await request.form
            answer = redirect(_next(form.get("next", "")), 303)
            for name, known in (("lang", LANGUAGES), ("theme", THEMES)):
                if form.get(name) in known:
                    answer.set_cookie(name, form[name], max_age=YEAR_S, secure=True, httponly=True, samesite="Lax")
            return answer

    async def _log_in(self, name: str, password: str, goal: str) -> Response | PlainResponse:
        address = (request.scope.get("client") or ("",))[0]
        _ = current().language.text
        is_long = len(name) > MAX_CHARACTERS or len(password) > MAX_CHARACTERS
        try:
            operator = None if is_long else await self._passwords.check_password(name, password, address)
        except Unavailable:
            fault = _("Too many passwords are being tried. Wait a moment and try again.")
            return await page("login.html", 429, next=goal, name=name, fault=fault)
        if operator is None:
            fault = _("This name and this password do not belong together.")
            return await page("login.html", 401, next=goal, name=name[:MAX_CHARACTERS], fault=fault)
        return await open_session(self._writer, operator, goal)


async def open_session(writer: Writer, operator: str, goal: str) -> PlainResponse:
    """Sign this browser in, and send it to `goal`."""
    address, browser = (request.scope.get("client") or ("",))[0], request.headers.get("User-Agent", "")
    opened = partial(sessions.open_session, operator=operator, address=peer_of(address), browser=browser, now_s=now_s())
    answer = redirect(goal, 303)
    answer.set_cookie(COOKIE, await writer.run(opened), secure=True, httponly=True, samesite="Lax", path="/")
    return answer


def _next(text: str) -> str:
    """A page of this console; anything else is its first page."""
    parts = urlsplit(text[:MAX_CHARACTERS])
    is_ours = not (parts.scheme or parts.netloc) and text.startswith("/") and text[:2] not in ("//", "/\\")
    return text if is_ours and text.isprintable() and not text.startswith("/log") else "/"
