"""`redistrib join`: from a one-time token to a mirror that knows its origin, and that its origin knows.

The token ends with the first digits of the SHA-256 of the CA's certificate. So the first contact, which nothing
guarantees yet, only brings the certificate; what follows is under TLS with that CA alone. Who is asked may be a mirror,
though, whose certificate is of that CA too: so the token is sealed to the origin's key, and the answer comes encrypted
(`storage.sealing`). The mirror's private key never leaves it.
"""

from __future__ import annotations

import re
import secrets
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlsplit

import msgspec
from cryptography import x509

from distd.domain.errors import BadInput, Conflict, Corrupt, Unavailable
from distd.lane.client.http_client import open_client
from distd.storage import atomic, issuing, pki, sealing
from distd.wire import packing
from redistrib.mirror_dir import Identity, MirrorDir, building_mirror, read_identity, write_identity
from redistrib.origin_client import fetch_origin_key
from redistrib.problem_text import reason_of

if TYPE_CHECKING:
    from pathlib import Path

_TOKEN: Final = re.compile(r"([0-9a-f]{32})\.([0-9a-f]{32})")


class JoinAnswer(msgspec.Struct):
    """What the origin gives a mirror that joins: `key` to prove itself by, `certificate` in PEM for its server.

    `certificate` is empty where the CA is offline; `hosts` are the names that it is to have.
    """

    name: str
    key: str
    certificate: bytes
    hosts: list[str] = []


class _SealedAnswer(msgspec.Struct):
    """The same, encrypted."""

    sealed: bytes


class _Fault(msgspec.Struct):
    """A field that is wrong, as a problem names it."""

    field: str
    expected: str
    got: str
    hint: str = ""


class _Problem(msgspec.Struct):
    """What an origin answers where it refuses."""

    errors: Annotated[list[_Fault], msgspec.Meta(min_length=1)]


async def join(origin: str, token: str, root: Path) -> Identity:
    """Join the origin at the URL `origin`, or the mirror that is there.

    Raises `BadInput`, `Conflict`, `Unavailable`, and `Corrupt` for another CA than the token's.
    """
    origin = _checked(origin)
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise BadInput("--token", "what `distd mirror add` printed", token)
    with building_mirror(root) as mirror:  # before the token is used: a folder that cannot be made does not cost it
        known = read_identity(MirrorDir(root))
        if known is not None:
            hint = "take another folder, or remove keys/mirror.json to join anew"
            raise Conflict("--data", f"{root} is the mirror {known.name} of {known.origin} already", hint)
        authority = await _fetch_ca(origin, match[2])
        request = pki.make_request(mirror.data.keys, "mirror")
        given = await _ask(origin, authority, {"token": match[1], "request": request})
        identity = Identity(given.name, origin, given.key, sealed=True)
        atomic.write_file(mirror.data.ca_certificate, authority)
        certificate = given.certificate or _placeholder(mirror, given)
        atomic.write_file(mirror.data.keys / pki.SERVER_CERTIFICATE, certificate)
        write_identity(mirror, identity)
    return identity


def _placeholder(mirror: MirrorDir, given: JoinAnswer) -> bytes:
    """Of an origin whose CA is offline: the mirror asks for its certificate while it serves."""
    key = pki.load_ec_key(mirror.data.keys / pki.SERVER_KEY)
    return issuing.placeholder(key, given.hosts or [given.name])


async def _ask(origin: str, authority: bytes, message: dict[str, Any]) -> JoinAnswer:
    """What the origin, which has the CA `authority`, gives. Nobody else reads the message, nor the answer."""
    context = ssl.create_default_context(cadata=authority.decode("ascii"))
    headers = [("Content-Type", "application/msgpack")]
    answer_key = secrets.token_bytes(sealing.KEY_BYTES)
    async with open_client(context, "redistrib") as client:
        origin_key = await fetch_origin_key(client, origin, x509.load_pem_x509_certificate(authority))
        sealed = origin_key.seal(packing.pack({**message, "answer_key": answer_key}), sealing.JOIN)
        body = packing.pack({"sealed": sealed})
        answer = await client.request("POST", f"{origin}/api/v1/mirror/join", body=body, headers=headers)
    if answer.status == 400:
        raise _refusal(answer.body)
    if answer.status != 200:
        raise Unavailable(origin, f"HTTP {answer.status}")
    answered = packing.unpack(answer.body, _SealedAnswer, "the answer to join")
    return packing.unpack(sealing.open_answer(answered.sealed, answer_key), JoinAnswer, "the answer to join")


def _refusal(body: bytes) -> BadInput:
    """What an answer says is wrong with the token: its problem (RFC 9457), or of an origin of 0.1 its error."""
    with suppress(msgspec.DecodeError, UnicodeDecodeError):  # a `ValidationError` is the first
        fault = msgspec.json.decode(body, type=_Problem).errors[0]
        if fault.field == "token":
            return BadInput("--token", fault.expected, fault.got, fault.hint)
    return BadInput("--token", "one that the origin accepts", reason_of(body))


async def _fetch_ca(origin: str, fingerprint: str) -> bytes:
    """The CA's certificate in PEM, from a server that need not be trusted: the token says which one it is."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    async with open_client(context, "redistrib") as client:
        answer = await client.request("GET", f"{origin}/api/v1/mirror/ca")
    if answer.status != 200:
        raise Unavailable(origin, f"HTTP {answer.status}; is it a distd origin, or a mirror of one?")
    try:
        got = pki.fingerprint(x509.load_pem_x509_certificate(answer.body))
    except ValueError as error:
        raise Corrupt("CA", "a certificate in PEM", str(error)) from None
    if got != fingerprint:
        raise Corrupt(f"CA of {origin}", f"{fingerprint}, as the token says", got)
    return answer.body


def _checked(origin: str) -> str:
    with suppress(ValueError):  # of a port that is none
        parts = urlsplit(origin)
        is_place = parts.scheme == "https" and parts.hostname and parts.port != 0
        if is_place and parts.path in ("", "/") and not parts.query:
            return origin.rstrip("/")
    raise BadInput("ORIGIN_URL", "https://HOST[:PORT]", origin)
