"""The API: packages, computers, results. Read-only so far; JSON; for operators (HTTP Basic, the admin of `init`)."""

from __future__ import annotations

import json
import secrets
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import trio
from blake3 import blake3
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from quart import Response, request
from quart_schema import HttpSecurityScheme, Info, QuartSchema, hide, security_scheme, validate_response
from quart_trio import QuartTrio

from distd import __version__
from distd.domain.errors import BadInput, Conflict, NotFound, Unavailable
from distd.origin.computers import computers
from distd.origin.computers.computers import Computer, Detail
from distd.origin.deployments import assignments
from distd.origin.deployments.assignments import Result
from distd.origin.operators import operators
from distd.origin.packages import packages
from distd.origin.packages.packages import Package
from distd.web.api.mirrors import PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from distd.catalogue.reader import Reader

    T = TypeVar("T")

MAX_BODY_BYTES: Final = 1_048_576
# Argon2 takes 50 ms on purpose. Who was let in is known for so long.
LOGINS_REMEMBERED: Final = 64
LOGIN_S: Final = 60.0

_CHALLENGE: Final = {"WWW-Authenticate": 'Basic realm="distd"'}
_STATUS: Final = {NotFound: 404, BadInput: 400, Conflict: 409, Unavailable: 503}


class Logins:
    """Checks operators' passwords, one at a time, and remembers the good ones for a while."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._key = secrets.token_bytes(32)
        self._until_s: dict[bytes, float] = {}
        self._turn = trio.Lock()

    async def check(self, name: str, password: str) -> bool:
        proof = blake3(f"{name}\0{password}".encode(), key=self._key).digest()
        if self._until_s.get(proof, 0) > trio.current_time():
            return True
        async with self._turn:
            good = await self._reader.run(partial(operators.check, name=name, password=password))
        if good:
            while len(self._until_s) >= LOGINS_REMEMBERED:
                del self._until_s[next(iter(self._until_s))]
            self._until_s[proof] = trio.current_time() + LOGIN_S
        return good


class Part(Protocol):
    def add_to(self, app: QuartTrio) -> None:
        """Add its routes."""


def make_app(reader: Reader, logins: Logins, metrics: Callable[[], bytes], parts: Iterable[Part]) -> QuartTrio:
    """The application over a catalogue that it only reads, and `parts` with routes of their own. `metrics()` is what
    /metrics answers."""
    app = QuartTrio("distd")
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    QuartSchema(
        app,
        openapi_path="/api/v1/openapi.json",
        redoc_ui_path=None,
        scalar_ui_path=None,
        swagger_ui_path=None,
        info=Info(title="distd", version=__version__),
        security_schemes={"operator": HttpSecurityScheme(scheme="basic")},
    )
    _add_guard(app, logins)
    _add_errors(app)
    _add_health(app, reader, metrics)
    _add_routes(app, reader)
    for part in parts:
        part.add_to(app)
    return app


def _add_guard(app: QuartTrio, logins: Logins) -> None:
    @app.before_request
    async def guard() -> Response | None:
        if not request.path.startswith("/api/") or request.path == "/api/v1/openapi.json":
            return None
        if request.path.startswith(PREFIX):
            return None  # for mirrors, who have keys of their own
        login = request.authorization
        if login is None or login.type != "basic" or not await logins.check(login.username or "", login.password or ""):
            return _problem(401, "expected an operator's name and password", _CHALLENGE)
        return None


def _add_errors(app: QuartTrio) -> None:
    async def answer(error: Exception) -> Response:
        status = next(status for kind, status in _STATUS.items() if isinstance(error, kind))
        return _problem(status, str(error), {})

    for kind in _STATUS:
        app.register_error_handler(kind, answer)

    async def missing(_: Exception) -> Response:
        return _problem(404, f"there is nothing at {request.path}; see /api/v1/openapi.json", {})

    app.register_error_handler(404, missing)


def _problem(status: int, message: str, headers: dict[str, str]) -> Response:
    return Response(json.dumps({"error": message}), status, headers, content_type="application/json")


def _add_health(app: QuartTrio, reader: Reader, metrics: Callable[[], bytes]) -> None:
    @app.get("/metrics")
    @hide
    async def show_metrics() -> Response:
        """Counters for Prometheus; no name of a computer or package is in them."""
        return Response(metrics(), content_type=CONTENT_TYPE_PLAIN_0_0_4)

    @app.get("/healthz")
    @hide
    async def health() -> str:
        """The process answers."""
        return "ok\n"

    @app.get("/readyz")
    @hide
    async def ready() -> str:
        """And so does its catalogue."""
        await reader.run(packages.list_packages)
        return "ok\n"


def _add_routes(app: QuartTrio, reader: Reader) -> None:
    operator = security_scheme([{"operator": []}])

    @app.get("/api/v1/packages")
    @operator
    @validate_response(list[Package])
    async def list_packages() -> Any:
        """All packages, oldest first."""
        return await reader.run(packages.list_packages)

    @app.get("/api/v1/packages/<package_id>")
    @operator
    @validate_response(Package)
    async def show_package(package_id: str) -> Any:
        """One package."""
        return await reader.run(partial(packages.show, package_id=package_id))

    @app.get("/api/v1/packages/<package_id>/results")
    @operator
    @validate_response(list[Result])
    async def show_results(package_id: str) -> Any:
        """How a package fares on each computer that it was assigned to."""
        return await reader.run(partial(assignments.results, package_id=package_id))

    @app.get("/api/v1/computers")
    @operator
    @validate_response(list[Computer])
    async def list_computers() -> Any:
        """All computers, by DEVICEID."""
        return await reader.run(computers.list_computers)

    @app.get("/api/v1/computers/<device_id>")
    @operator
    @validate_response(Detail)
    async def show_computer(device_id: str) -> Any:
        """One computer: its inventory, assignments and history."""
        return await reader.run(partial(computers.show, device_id=device_id))
