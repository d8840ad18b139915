"""What mirrors ask by msgpack: the CA, to join, to report. Their event stream: `server.mirror_streams`.

A mirror authenticates by its key, so the log-in of operators lets these paths pass.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec
from quart import Response, request
from quart_schema import hide

from distd.domain.errors import BadInput, Corrupt
from distd.origin.mirrors import identity, reports
from distd.storage import pki
from distd.wire import packing
from distd.wire.structs import convert

if TYPE_CHECKING:
    from quart_trio import QuartTrio

    from distd.catalogue.reader import Reader
    from distd.catalogue.writer import Writer
    from distd.storage.data_dir import DataDir

PREFIX: Final = "/api/v1/mirror/"
TYPE: Final = "application/msgpack"


class JoinRequest(msgspec.Struct, frozen=True):
    """The join token of a mirror, and its certificate request (PKCS #10 in PEM)."""

    token: str
    request: bytes


class MirrorProtocolRoutes:
    """`token_key` is the one of the tokens in paths of fragments, which mirrors report."""

    def __init__(self, data: DataDir, reader: Reader, writer: Writer, token_key: bytes) -> None:
        self._data = data
        self._reader = reader
        self._writer = writer
        self._token_key = token_key

    def add_to(self, app: QuartTrio) -> None:
        """Add the routes."""

        @app.get(f"{PREFIX}ca")
        @hide
        async def ca() -> Response:
            """The CA's certificate; the join token has its digest."""
            return Response(self._data.ca_certificate.read_bytes(), content_type="application/x-pem-file")

        @app.post(f"{PREFIX}join")
        @hide
        async def join() -> Response:
            """A `JoinRequest` → {name, key, certificate: PEM}."""
            message = convert(await _message(), JoinRequest, "join")
            public_key = pki.read_request(message.request)
            joined = await self._writer.run(partial(identity.join, secret=message.token, now_s=time.time()))
            certificate = pki.certify_mirror(self._data.keys, self._data.ca_certificate, public_key, joined.hosts)
            return _reply({"name": joined.name, "key": joined.key, "certificate": certificate})

        @app.post(f"{PREFIX}report")
        @hide
        async def report() -> Response:
            """An `origin.mirrors.reports.Report` → {}."""
            scheme, _, key = request.headers.get("Authorization", "").partition(" ")
            mirror = await self._reader.run(partial(identity.identify, key=key)) if scheme == "Bearer" else None
            if mirror is None:
                return Response("expected the key of a mirror\n", 401)
            found = reports.read(await _message())
            apply = partial(
                reports.apply_report, mirror=mirror, report=found, token_key=self._token_key, now_s=time.time()
            )
            await self._writer.run(apply)
            return _reply({})


async def _message() -> dict[str, Any]:
    try:
        body: Any = await request.get_data(as_text=False)
        return packing.unpack(body, dict[str, Any], "body")
    except Corrupt as error:
        raise BadInput("body", "a msgpack map", str(error)) from None


def _reply(message: dict[str, Any]) -> Response:
    return Response(packing.pack(message), content_type=TYPE)
