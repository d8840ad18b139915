"""A server that is asked by its API: operations as HTTP requests, problems as the errors that they came from."""

from __future__ import annotations

import base64
import http.client
import ipaddress
import json
import os
import ssl
import sys
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote, urlsplit

import click
import msgspec

from distd.domain.errors import BadInput, Conflict, DigestMismatch, DistdError, NoSpace, NotFound, TooLarge, Unavailable
from distd.wire.problem import CONTENT_TYPE
from distd.wire.query import write_query

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from distd.operations.operation import Operation

T = TypeVar("T")

PREFIX: Final = "/api/v1"
TIMEOUT_S: Final = 180.0  # a forecast takes up to two minutes
MAX_ANSWER_BYTES: Final = 1 << 30
_FIELDS: Final[Mapping[int, type[BadInput]]] = {404: NotFound, 413: TooLarge, 422: DigestMismatch}


class Refused(DistdError):
    """The server does not let one do it, or has failed; the text is its own."""


class RemoteSite:
    """`authorization` is the value of that header field; `ca` a file, None: the system's CAs."""

    def __init__(self, url: str, authorization: str, ca: str | None) -> None:
        self.url = url.rstrip("/")
        self._parts = urlsplit(self.url)
        self._authorization = authorization
        self._ca = ca
        self._context: ssl.SSLContext | None = None

    @classmethod
    def of_options(cls, url: str, token: str | None, operator: str | None, ca: str | None) -> RemoteSite:
        """Of the options of a command. Raises `BadInput`."""
        _check_url(url)
        return cls(url, f"Bearer {token}" if token is not None else _basic(operator), ca)

    @property
    def where(self) -> str:
        """The option that names it."""
        return f"--server {self.url}"

    def ask(self, operation: Operation[T], *names: str, given: Any = None) -> T:
        """See `cli.site.SiteAccess.ask`."""
        path = operation.path
        for name in names:
            before, _, rest = path.partition("{")
            path = before + quote(name, safe="") + rest.partition("}")[2]
        if operation.query is not None and given is not None:
            path = f"{path}?{write_query(given)}".rstrip("?")
        body = msgspec.json.encode(given) if operation.body is not None else None
        headers = {} if body is None else {"Content-Type": "application/json"}
        content = self.request(operation.method, path, body, headers)
        try:
            answer: T = msgspec.json.decode(content, type=operation.answer)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Unavailable(self.url, f"its answer is not of this version: {error}") from None
        return answer

    def request(
        self, method: str, path: str, body: bytes | Iterable[bytes] | None = None, headers: Mapping[str, str] = {}
    ) -> bytes:
        """The body of the answer to a request for `path`, below /api/v1. Raises the error that a problem is of."""
        with closing(self._connect()) as connection:
            try:
                fields = {"Authorization": self._authorization, "User-Agent": "distd", **headers}
                # A server that refuses a body answers before it has come, and closes.
                with suppress(BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
                    connection.request(method, self._parts.path + PREFIX + path, body, fields)
                answer = connection.getresponse()
                content = answer.read(MAX_ANSWER_BYTES)
            except (OSError, http.client.HTTPException) as error:
                raise Unavailable(self.url, _reason(error)) from None
        if answer.status < 400:
            return content
        raise _error_of(self.url, answer.status, answer.headers.get("Content-Type", ""), content)

    def error_of(self, status: int, problem: bytes) -> DistdError:
        """The error that a problem is of, as if it had been raised here."""
        return _error_of(self.url, status, CONTENT_TYPE, problem)

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
        if self._context is None:
            try:
                self._context = ssl.create_default_context(cafile=self._ca)
            except OSError as error:
                raise BadInput("--ca", "a file with certificates in PEM", self._ca, error.strerror or "") from None
        return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=self._context)


def _check_url(url: str) -> None:
    expected = "https://HOST[:PORT]"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadInput("--server", expected, url) from None
    is_here = parts.hostname == "localhost" or _is_loopback(parts.hostname or "")
    good = parts.scheme == "https" or (parts.scheme == "http" and is_here)
    if not good or not parts.hostname or port == 0 or parts.query or parts.username:
        hint = "a password or token is sent there, so not by http" if parts.scheme == "http" else ""
        raise BadInput("--server", expected, url, hint)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _basic(operator: str | None) -> str:
    """By name and password (RFC 7617)."""
    if operator is None:
        raise BadInput("--token", "a token, or an operator by --operator", "neither")
    password = os.environ.get("DISTD_PASSWORD")
    if password is None:
        if not sys.stdin.isatty():
            raise BadInput("--operator", "a password in the variable DISTD_PASSWORD, as there is no terminal", "none")
        password = click.prompt(f"Password of {operator}", hide_input=True, err=True)
    return "Basic " + base64.b64encode(f"{operator}:{password}".encode()).decode()


def _error_of(url: str, status: int, content_type: str, content: bytes) -> DistdError:
    """The error that the server has answered with, as if it had been raised here."""
    problem: Any = {}
    if content_type.startswith(CONTENT_TYPE):
        try:
            problem = json.loads(content)
        except ValueError:
            problem = {}
    detail = str(problem.get("detail", f"HTTP {status}"))
    if status == 401:
        return BadInput("--token", "a token or a password that the server knows", "another", f"{url} says: {detail}")
    fields = problem.get("errors") or [{}]
    field, hint = str(fields[0].get("field", "")), str(fields[0].get("hint", ""))
    if status in (409, 412) and field:
        message = detail.removeprefix(f"{field}: ")
        return Conflict(field, message.removesuffix(f"; {hint}") if hint else message, hint)
    if status in (400, 404, 413, 422) and field:
        kind = _FIELDS.get(status, BadInput)
        return kind(field, str(fields[0].get("expected", "")), str(fields[0].get("got", "")), hint)
    if status in (429, 503, 507):
        what, colon, why = detail.partition(": ")
        return (NoSpace if status == 507 else Unavailable)(what if colon else url, why if colon else detail)
    return Refused(detail if status == 500 and problem else f"{url}: {detail}")


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}; see --ca"
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT_S:g} s"
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
