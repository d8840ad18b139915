"""The server that a fleet talks to, and the heads of the requests that it gets."""

from __future__ import annotations

import ssl
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from cryptography import x509

from agentsim.fleet.computers import user_agent
from agentsim.fleet.context import Location
from distd.domain.errors import BadInput, Unavailable
from distd.domain.records import Dialect
from distd.lane.client.link import Endpoint, reason
from distd.lane.client.pool import look_up

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from agentsim.fleet.options import FleetOptions

MAX_LOCATIONS: Final = 1024  # kept by `RequestHeads`
_PORTS: Final = {"http": 80, "https": 443}


class Target(NamedTuple):
    """The server's URL in parts, where to connect to for it, the CA, and a TLS context that trusts this CA alone."""

    parts: SplitResult
    endpoint: Endpoint
    ca: x509.Certificate
    context: ssl.SSLContext


def find_target(options: FleetOptions) -> Target:
    """Raises `BadInput` for what cannot be used, `Unavailable` where the server's host is not found."""
    options.check()
    try:
        parts = urlsplit(options.server)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError(f"expected http or https and a host, got {options.server}")
        endpoint = _endpoint(parts.scheme, parts)
        look_up(endpoint)
    except ValueError:
        raise BadInput("--server", "http://host[:port]/ocsinventory or https://…", options.server) from None
    except OSError as error:
        raise Unavailable(f"--server {options.server}", reason(error)) from None
    try:
        ca = x509.load_pem_x509_certificate(options.ca_pem.encode())
        return Target(parts, endpoint, ca, ssl.create_default_context(cadata=options.ca_pem))
    except (ValueError, ssl.SSLError):
        raise BadInput("--ca", "a certificate in PEM form", "something else") from None


class RequestHeads:
    """As the stock agents send them. `posts`: of each dialect, to the server; "%d" stands for the body's length."""

    def __init__(self, server: SplitResult) -> None:
        self.posts: dict[Dialect, bytes] = {}
        self._get_ends: dict[Dialect, str] = {}
        for dialect in Dialect:
            fields = f"User-Agent: {user_agent(dialect)}\r\nTE: deflate,gzip;q=0.3\r\nConnection: TE\r\n"
            self.posts[dialect] = (
                f"POST {server.path or '/'} HTTP/1.1\r\nHost: {server.netloc}\r\n{fields}"
                "Content-Type: application/x-compress\r\nContent-Length: "
            ).replace("%", "%%").encode() + b"%d\r\n\r\n"
            self._get_ends[dialect] = f"{fields}\r\n"
        self.location = lru_cache(MAX_LOCATIONS)(self._location)

    def _location(self, scheme: str, folder: str, dialect: Dialect) -> Location:
        """Of "name:port/path". What is no address is a endpoint of port 0, where connecting fails."""
        host, slash, path = folder.partition("/")
        try:
            endpoint = _endpoint(scheme, urlsplit(f"//{host}"))
        except ValueError:
            endpoint = Endpoint(host, 0, scheme == "https")
        start = f"GET {slash}{path}/" if slash else "GET /"
        return Location(endpoint, start, f"Host: {host}\r\n{self._get_ends[dialect]}")


def _endpoint(scheme: str, parts: SplitResult) -> Endpoint:
    """Raises `ValueError` for an invalid port."""
    port = parts.port
    return Endpoint(parts.hostname or "", _PORTS[scheme] if port is None else port, scheme == "https")
