"""Pieces of which requests are made: heads, agents' bodies."""

from __future__ import annotations

import base64
import zlib
from typing import Final

AGENT: Final = b"User-Agent: OCS-NG_unified_unix_agent_v2.10.0\r\n"


def request(method: str, target: str, fields: bytes = b"", body: bytes = b"") -> bytes:
    """A request that is the last of its connection. `fields`: whole lines."""
    length = b"Content-Length: %d\r\n" % len(body) if body else b""
    return f"{method} {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n".encode() + fields + length + b"\r\n" + body


def post(xml: bytes, *, kept: bool = False, compressed: bytes | None = None) -> bytes:
    """An agent's POST of a document; `kept`: not the last of its connection; `compressed`: the body, if it is there."""
    body = zlib.compress(xml) if compressed is None else compressed
    if kept:
        return b"POST /ocsinventory HTTP/1.1\r\nHost: h\r\n%sContent-Length: %d\r\n\r\n%s" % (AGENT, len(body), body)
    return request("POST", "/ocsinventory", AGENT, body)


class Beginning:
    """The beginning of a body, compressed once for many that go on differently."""

    def __init__(self, data: bytes) -> None:
        self._compressor = zlib.compressobj()
        self._data = self._compressor.compress(data)

    def body(self, rest: bytes) -> bytes:
        """The whole body."""
        compressor = self._compressor.copy()
        return self._data + compressor.compress(rest) + compressor.flush()


def prolog(device_id: str) -> bytes:
    """The document of a contact."""
    return f"<REQUEST><DEVICEID>{device_id}</DEVICEID><QUERY>PROLOG</QUERY></REQUEST>".encode()


INVENTORY: Final = b"<REQUEST><CONTENT>"
"""How the document of an inventory begins; XML of its sections follows, then `end_of_inventory`."""


def end_of_inventory(device_id: str) -> bytes:
    """How it ends."""
    return f"</CONTENT><DEVICEID>{device_id}</DEVICEID><QUERY>INVENTORY</QUERY></REQUEST>".encode()


def basic(name: str, password: str) -> bytes:
    """A field with an operator's log-in."""
    return b"Authorization: Basic " + base64.b64encode(f"{name}:{password}".encode()) + b"\r\n"
