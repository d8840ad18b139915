"""The JSON API as one application: a log-in before all routes, errors as JSON, the routes of each noun."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from quart import abort, request
from quart_schema import HttpSecurityScheme, Info, QuartSchema
from quart_schema.openapi import QUART_SCHEMA_SECURITY_ATTRIBUTE
from werkzeug.exceptions import HTTPException

from distd import __version__
from distd.domain.errors import DistdError
from distd.web.api import auth, mirror_protocol, openapi, queries
from distd.web.api.answer_fields import ANSWER_FIELDS
from distd.web.api.bodies import BODY_LIMIT
from distd.web.api.problems import UNAUTHORIZED, answer, content_of_error
from distd.web.late_body import LateBodyApp
from distd.wire.problem import content_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quart import Response
    from quart_trio import QuartTrio

    from distd.web.api.auth import Logins

MAX_BODY_BYTES: Final = 1_048_576


class Routes(Protocol):
    """The routes of one noun."""

    def add_to(self, app: QuartTrio) -> None:
        """Add them."""


def make_app(logins: Logins, routes: Iterable[Routes]) -> QuartTrio:
    """An application with these routes. Those under /api/ are for operators, but for those that mirrors use.

    A body is received after its sender has logged in, or when a route asks for it.
    """
    app = LateBodyApp("distd")
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    QuartSchema(
        app,
        openapi_path=openapi.PATH,
        openapi_provider_class=openapi.ApiDocument,
        redoc_ui_path=None,
        scalar_ui_path=None,
        swagger_ui_path=None,
        info=Info(title="distd", version=__version__),
        security_schemes={
            "operator": HttpSecurityScheme(scheme="basic"),
            "token": HttpSecurityScheme(scheme="bearer"),
            "mirror": HttpSecurityScheme(scheme="bearer"),
        },
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]  # details of events keep their order
    app.url_map.merge_slashes = False  # or //api/v1 would be answered by a redirect
    _add_log_in(app, logins)
    _add_checks(app)
    _add_errors(app)
    for some in routes:
        some.add_to(app)
    return app


def _add_log_in(app: QuartTrio, logins: Logins) -> None:
    @app.before_request
    async def log_in() -> Response | None:
        if not request.path.startswith("/api/") or request.path == openapi.PATH:
            return None
        if request.path.startswith(mirror_protocol.PREFIX):
            return None  # mirrors have keys of their own
        address = (request.scope.get("client") or ("",))[0]
        signed_in = await logins.check(auth.header_fields(request.scope["headers"]), address)
        if signed_in is None:
            return answer(content_of(401, UNAUTHORIZED))
        auth.use(signed_in)
        route = app.view_functions.get(request.endpoint or "")
        if route is not None:
            auth.demand(signed_in, auth.act_of(route))
        late: Any = request
        late.limit_body(getattr(route, BODY_LIMIT, MAX_BODY_BYTES))
        late.want_body()
        return None


def _add_checks(app: QuartTrio) -> None:
    @app.before_request
    async def check_request() -> None:
        """What no route wants: parameters that it does not have, and NUL in names, which no name has."""
        route = app.view_functions.get(request.endpoint or "")
        if hasattr(route, QUART_SCHEMA_SECURITY_ATTRIBUTE) and not request.path.startswith(mirror_protocol.PREFIX):
            queries.check_names(queries.query_of(route), request.query_string)
        if any("\0" in part for part in (request.view_args or {}).values()):
            abort(404)

    @app.after_request
    async def protect_answer(response: Response) -> Response:
        response.headers.update(ANSWER_FIELDS)
        return response


def _add_errors(app: QuartTrio) -> None:
    async def distd_error(error: Exception) -> Response:
        assert isinstance(error, DistdError)
        return answer(content_of_error(error))

    async def http_error(error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        status = error.code or 500
        if status == 404:
            return answer(content_of(404, f"there is nothing at {request.path}; see {openapi.PATH}"))
        headers = {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After")}
        return answer(content_of(status, error.description or ""), headers)

    app.register_error_handler(DistdError, distd_error)
    app.register_error_handler(HTTPException, http_error)
