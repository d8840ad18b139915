"""The API for mirrors: join, report. (Their event stream: `server.mirror_streams`.) For operators: how mirrors fare."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from quart import Response, request
from quart_schema import hide, security_scheme, validate_response

from distd.domain.errors import BadInput, Corrupt
from distd.origin.mirrors import directory, mirrors, reports
from distd.origin.mirrors.directory import Explanation
from distd.origin.mirrors.mirrors import Mirror
from distd.origin.packages import planned_activations
from distd.origin.packages.planned_activations import Planned
from distd.storage import pki
from distd.wire import mirror_events

if TYPE_CHECKING:
    from collections.abc import Callable

    from quart_trio import QuartTrio
    from sqlalchemy import Connection

    from distd.catalogue.reader import Reader
    from distd.catalogue.writer import Writer
    from distd.domain.mirror_rules import Via
    from distd.storage.data_dir import DataDir

PREFIX: Final = "/api/v1/mirror/"
TYPE: Final = "application/msgpack"


class MirrorsApi:
    """Adds its routes to an application. Mirrors prove themselves by their key, so the
    operators' guard lets them by."""

    def __init__(
        self, data: DataDir, reader: Reader, writer: Writer, token_key: bytes, default_via: Callable[[], Via]
    ) -> None:
        self._data = data
        self._reader = reader
        self._writer = writer
        self._token_key = token_key
        self._default_via = default_via

    def add_to(self, app: QuartTrio) -> None:
        self._add_for_mirrors(app)
        self._add_for_operators(app)

    def _add_for_mirrors(self, app: QuartTrio) -> None:
        @app.get(f"{PREFIX}ca")
        @hide
        async def ca() -> Response:
            """The CA's certificate, which the join token names by its digest."""
            return Response(self._data.ca_certificate.read_bytes(), content_type="application/x-pem-file")

        @app.post(f"{PREFIX}join")
        @hide
        async def join() -> Response:
            """{token, request: a PKCS #10 request in PEM} → {name, key, certificate: PEM}."""
            message = await _message()
            token, csr = message.get("token"), message.get("request")
            if not isinstance(token, str) or not isinstance(csr, bytes):
                raise BadInput("join", "a token and a certificate request", sorted(message))
            public_key = pki.read_request(csr)
            name, hosts, key = await self._writer.run(partial(mirrors.join, secret=token, now_s=time.time()))
            certificate = pki.certify_mirror(self._data.keys, self._data.ca_certificate, public_key, hosts)
            return _reply({"name": name, "key": key, "certificate": certificate})

        @app.post(f"{PREFIX}report")
        @hide
        async def report() -> Response:
            """See `origin.reports.Report`."""
            scheme, _, key = request.headers.get("Authorization", "").partition(" ")
            mirror = await self._reader.run(partial(mirrors.identify, key=key)) if scheme == "Bearer" else None
            if mirror is None:
                return Response("expected the key of a mirror\n", 401)
            read = reports.read(await _message())
            take = partial(reports.take, mirror=mirror, report=read, token_key=self._token_key, now_s=time.time())
            await self._writer.run(take)
            return _reply({})

    def _add_for_operators(self, app: QuartTrio) -> None:
        operator = security_scheme([{"operator": []}])

        @app.get("/api/v1/mirrors")
        @operator
        @validate_response(list[Mirror])
        async def list_mirrors() -> Any:
            """All redistribution servers: who is on the line, what they have, how far behind they are."""
            return await self._reader.run(partial(mirrors.list_mirrors, now_s=time.time()))

        @app.get("/api/v1/mirrors/<name>")
        @operator
        @validate_response(Mirror)
        async def show_mirror(name: str) -> Any:
            """One redistribution server."""
            return await self._reader.run(partial(mirrors.show, name=name, now_s=time.time()))

        @app.get("/api/v1/computers/<device_id>/mirrors/<package_id>")
        @operator
        @validate_response(Explanation)
        async def explain(device_id: str, package_id: str) -> Any:
            """Which mirrors a computer would get a package from now, and why."""
            default, now_s = self._default_via(), time.time()

            def read(conn: Connection) -> Explanation:
                return directory.explain(conn, device_id, package_id, default, now_s)

            return await self._reader.run(read)

        @app.get("/api/v1/activations/planned")
        @operator
        @validate_response(list[Planned])
        async def list_planned() -> Any:
            """Activations that wait for mirrors, or for their date."""
            return await self._reader.run(planned_activations.list_planned)


async def _message() -> dict[str, Any]:
    try:
        body: Any = await request.get_data(as_text=False)
        return mirror_events.unpack(body, "body")
    except Corrupt as error:
        raise BadInput("body", "a msgpack map", str(error)) from None


def _reply(message: dict[str, Any]) -> Response:
    return Response(mirror_events.pack(message), content_type=TYPE)
