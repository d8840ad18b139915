"""What mirrors ask by msgpack: the CA, to join, to report. Their event stream: `server.mirror_streams`.

A mirror authenticates by its key, so the log-in of operators lets these paths pass.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec
from quart import Response, request
from quart_schema import security_scheme

from distd.domain.errors import BadInput, Corrupt
from distd.origin.mirrors import identity, reports
from distd.storage import pki
from distd.web.api.description import answers
from distd.web.api.problems import UnsupportedCoding, answer
from distd.wire import packing
from distd.wire.problem import content_of
from distd.wire.structs import convert

if TYPE_CHECKING:
    from quart_trio import QuartTrio

    from distd.catalogue.reader import Reader
    from distd.catalogue.writer import Writer
    from distd.storage.data_dir import DataDir

PREFIX: Final = "/api/v1/mirror/"
TYPE: Final = "application/msgpack"
PEM: Final = "application/x-pem-file"
MAX_JOIN_BYTES: Final = 65_536
BEARER: Final = {"WWW-Authenticate": 'Bearer realm="distd"'}


@dataclass
class JoinReply:
    """The name of the mirror, the key by which it authenticates from now on, and its certificate in PEM."""

    name: str
    key: str
    certificate: bytes


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
        @answers(content_type=PEM)
        async def ca() -> Response:
            """The CA's certificate; the join token has its digest."""
            return Response(self._data.ca_certificate.read_bytes(), content_type=PEM)

        @app.post(f"{PREFIX}join")
        @answers(JoinReply, content_type=TYPE, body=JoinRequest, problems=(400, 413, 415, 503))
        async def join() -> Response:
            """A mirror joins: for its join token and its certificate request it gets a key and a certificate."""
            late: Any = request
            late.limit_body(MAX_JOIN_BYTES)  # whoever sends it has not shown yet who it is
            message = convert(await _message(), JoinRequest, "join")
            public_key = pki.read_request(message.request)
            joined = await self._writer.run(partial(identity.join, secret=message.token, now_s=time.time()))
            certificate = pki.certify_mirror(self._data.keys, self._data.ca_certificate, public_key, joined.hosts)
            return _reply({"name": joined.name, "key": joined.key, "certificate": certificate})

        @app.post(f"{PREFIX}report")
        @security_scheme([{"mirror": []}])
        @answers(dict[str, str], content_type=TYPE, body=reports.Report, problems=(400, 401, 413, 415, 503))
        async def report() -> Response:
            """A mirror reports how far it is, what it has, and which computers fetched what; the answer is empty."""
            scheme, _, key = request.headers.get("Authorization", "").partition(" ")
            mirror = await self._reader.run(partial(identity.identify, key=key)) if scheme == "Bearer" else None
            if mirror is None:
                return answer(content_of(401, "expected the key of a mirror"), BEARER)
            found = reports.read(await _message())
            apply = partial(
                reports.apply_report, mirror=mirror, report=found, token_key=self._token_key, now_s=time.time()
            )
            await self._writer.run(apply)
            return _reply({})


async def _message() -> dict[str, Any]:
    coding = request.headers.get("Content-Encoding", "identity")
    if coding.strip().lower() != "identity":
        raise UnsupportedCoding("Content-Encoding", "the message as it is", coding)
    try:
        body: Any = await request.get_data(as_text=False)
        return packing.unpack(body, dict[str, Any], "body")
    except Corrupt as error:
        raise BadInput("body", "a msgpack map", str(error)) from None


def _reply(message: dict[str, Any]) -> Response:
    return Response(packing.pack(message), content_type=TYPE)
