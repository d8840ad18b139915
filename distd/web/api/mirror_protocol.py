"""What mirrors ask by msgpack: the CA, to join, to report. Their event stream: `server.mirror_streams`.

A mirror authenticates by its key, so the log-in of operators lets these paths pass.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from quart import Response, request
from quart_schema import security_scheme

from distd.domain.errors import BadInput, Corrupt
from distd.origin.mirrors import certificates, identity, reports
from distd.storage import issuing, pki
from distd.storage.issuing import CertificateRequest
from distd.storage.sealing import JOIN, KEY_BYTES, OriginKey, seal_answer
from distd.web.api.description import answers
from distd.web.api.problems import UnsupportedCoding, answer
from distd.wire import packing
from distd.wire.problem import content_of
from distd.wire.structs import convert

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cryptography import x509
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
    """The name of the mirror, the key by which it authenticates from now on, its certificate in PEM, its names."""

    name: str
    key: str
    certificate: bytes
    hosts: list[str]


@dataclass
class CertificateReply:
    """A certificate in PEM, or nothing yet."""

    certificate: bytes


class RenewalRequest(msgspec.Struct, frozen=True):
    """A certificate request (PKCS #10 in PEM), and the serial number (hexadecimal) of the certificate before it."""

    request: bytes
    replaces: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{0,40}\Z")] = ""


class JoinRequest(msgspec.Struct, frozen=True):
    """The join token of a mirror, and its certificate request (PKCS #10 in PEM).

    `answer_key` (32 bytes): the answer is encrypted with it. Empty: the mirror is of an earlier version.
    """

    token: str
    request: bytes
    answer_key: bytes = b""


class SealedMessage(msgspec.Struct, frozen=True):
    """A message that is sealed to the origin's key (`storage.sealing`)."""

    sealed: bytes


class MirrorProtocolRoutes:
    """`token_keys()`: those of the tokens in paths of fragments, which mirrors report. `certificate_days()`: for how
    long certificates of mirrors are valid."""

    def __init__(
        self,
        data: DataDir,
        reader: Reader,
        writer: Writer,
        token_keys: Callable[[], Sequence[bytes]],
        certificate_days: Callable[[], int],
    ) -> None:
        self._data = data
        self._reader = reader
        self._writer = writer
        self._token_keys = token_keys
        self._certificate_days = certificate_days
        self._key = OriginKey(data)

    def add_to(self, app: QuartTrio) -> None:
        """Add the routes."""
        self._add_for_everybody(app)
        self._add_for_mirrors(app)

    def _add_for_everybody(self, app: QuartTrio) -> None:
        """What is asked for by those who have no key yet, and by agents."""

        @app.get(f"{PREFIX}ca")
        @answers(content_type=PEM)
        async def ca() -> Response:
            """The CA's certificate; the join token has its digest."""
            return Response(self._data.ca_certificate.read_bytes(), content_type=PEM)

        @app.get(f"{PREFIX}key")
        @answers(content_type=TYPE)
        async def key() -> Response:
            """The origin's key, which mirrors seal their tokens and keys to, signed by the signer of manifests."""
            return Response(self._key.announce(time.time()), content_type=TYPE)

        @app.get(f"{PREFIX}trust")
        @answers(content_type=PEM, problems=(404,))
        async def trust() -> Response:
            """What the CA has revoked, as a list that it has signed; mirrors and distd's own agents keep the latest."""
            try:
                return Response(self._data.trust_file.read_bytes(), content_type=PEM)
            except FileNotFoundError:
                return answer(content_of(404, "nothing has been revoked yet"))

        @app.post(f"{PREFIX}join")
        @answers(JoinReply, content_type=TYPE, body=JoinRequest, problems=(400, 413, 415, 503))
        async def join() -> Response:
            """A mirror joins: for its join token and its certificate request it gets a key and a certificate.

            Where the CA is offline, the certificate is empty: the mirror asks for one later. Both messages may be
            sealed: then each is a map of `sealed` alone.
            """
            late: Any = request
            late.limit_body(MAX_JOIN_BYTES)  # whoever sends it has not shown yet who it is
            message = self._read_join(await _message())
            public_key, issue = pki.read_request(message.request), self._issuer()
            joined = await self._writer.run(partial(identity.join, secret=message.token, now_s=time.time()))
            certificate = b""
            if issue is not None:
                names = tuple(pki.with_local_names(joined.hosts))
                certificate = await self._record(joined.name, issue(CertificateRequest(public_key, names[0], names)))
            reply = {"name": joined.name, "key": joined.key, "certificate": certificate, "hosts": joined.hosts}
            if message.answer_key:
                reply = {"sealed": seal_answer(packing.pack(reply), message.answer_key)}
            return _reply(reply)

    def _add_for_mirrors(self, app: QuartTrio) -> None:
        """What a mirror's key is needed for."""

        @app.post(f"{PREFIX}certificate")
        @security_scheme([{"mirror": []}])
        @answers(CertificateReply, content_type=TYPE, body=RenewalRequest, problems=(400, 401, 413, 415, 503))
        async def certificate() -> Response:
            """A mirror renews its certificate. Empty: the CA has yet to sign it; the mirror asks again later."""
            mirror = await self._mirror("certificate")
            if mirror is None:
                return answer(content_of(401, "expected the key of a mirror"), BEARER)
            message = convert(await _message(), RenewalRequest, "certificate")
            renew = partial(
                certificates.renew,
                mirror=mirror,
                request_pem=message.request,
                replaces=int(message.replaces or "0", 16),
                issue=self._issuer(),
                now_s=time.time(),
            )
            return _reply({"certificate": await self._writer.run(renew)})

        @app.post(f"{PREFIX}report")
        @security_scheme([{"mirror": []}])
        @answers(dict[str, str], content_type=TYPE, body=reports.Report, problems=(400, 401, 413, 415, 503))
        async def report() -> Response:
            """A mirror reports how far it is, what it has, and which computers fetched what; the answer is empty."""
            mirror = await self._mirror("report")
            if mirror is None:
                return answer(content_of(401, "expected the key of a mirror"), BEARER)
            found = reports.read(await _message())
            apply = partial(
                reports.apply_report, mirror=mirror, report=found, token_keys=self._token_keys(), now_s=time.time()
            )
            await self._writer.run(apply)
            return _reply({})

    async def _record(self, name: str, issued: x509.Certificate) -> bytes:
        """A mirror's certificate in PEM, which can be revoked from now on."""
        return await self._writer.run(partial(certificates.record, name=name, certificate=issued, now_s=time.time()))

    async def _mirror(self, name: str) -> identity.MirrorIdentity | None:
        """Who asks at the path of this name; None: nobody who has a mirror's key, or it has sent another body."""
        authorization = request.headers.get("Authorization", "")
        proof = self._key.proof_of(authorization, "POST", f"{PREFIX}{name}", time.time())
        mirror = await self._reader.run(partial(identity.identify, key=proof.key)) if proof else None
        if proof is None or mirror is None:
            return None
        body: Any = await request.get_data(as_text=False)
        return mirror if proof.covers(body) else None

    def _issuer(self) -> Callable[[CertificateRequest], x509.Certificate] | None:
        """What issues certificates; None: the CA's key is not here."""
        if not (self._data.keys / pki.CA_KEY).exists():
            return None
        ca, ca_key = pki.load_ca(self._data.ca_certificate), pki.load_ca_key(self._data.keys / pki.CA_KEY)
        return partial(issuing.issue, ca=ca, ca_key=ca_key, days=self._certificate_days())

    def _read_join(self, message: dict[str, Any]) -> JoinRequest:
        if "sealed" not in message:
            return convert(message, JoinRequest, "join")
        sealed = convert(message, SealedMessage, "join").sealed
        try:
            opened = packing.unpack(self._key.open(sealed, JOIN), dict[str, Any], "join")
        except Corrupt as error:
            raise BadInput("sealed", "a msgpack map", str(error)) from None
        found = convert(opened, JoinRequest, "join")
        if len(found.answer_key) != KEY_BYTES:
            raise BadInput("join/answer_key", f"{KEY_BYTES} bytes", f"{len(found.answer_key)} bytes")
        return found


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
