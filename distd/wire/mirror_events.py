"""The events that an origin tells its mirrors, as one stream of bytes.

An event is a frame: four bytes of length, most significant first, then a msgpack map with `kind` and `seq`, the number
of the newest event in the origin's log, which only ever grows. Either side may be of another version: unknown keys are
skipped, and an event of an unknown kind counts as a heartbeat.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType  # noqa: TC002 - msgspec reads the annotations

from distd.domain.errors import Corrupt
from distd.wire.packing import MAX_BYTES, pack, unpack

if TYPE_CHECKING:
    from collections.abc import Mapping

_LENGTH: Final = struct.Struct(">I")

MAX_PACKAGES: Final = 100_000  # of an event
MAX_MIRRORS: Final = 10_000
MAX_PLACE_CHARACTERS: Final = 300  # of "host:port"
MAX_WAIT_S: Final = 2**31
MAX_TIME_S: Final = 2**40  # Unix time

PackageId: TypeAlias = Annotated[str, Meta(pattern=r"\A[0-9]{1,20}\Z")]
Version: TypeAlias = Annotated[int, Meta(ge=0, lt=2**31)]  # of a package
Count: TypeAlias = Annotated[int, Meta(ge=0, le=2**62)]  # of bytes, events or what else is counted
_Time: TypeAlias = Annotated[int, Meta(ge=-1, le=MAX_TIME_S)] | Annotated[float, Meta(ge=-1, le=MAX_TIME_S)]
_Place: TypeAlias = Annotated[str, Meta(max_length=MAX_PLACE_CHARACTERS)]
_Places: TypeAlias = Annotated[list[_Place], Meta(max_length=MAX_MIRRORS)]


class WantedPackage(Struct, frozen=True, array_like=True):
    """A package that mirrors are to have. `needed`: agents may fetch it; the others are kept while there is space."""

    package_id: PackageId
    version: Version
    size_bytes: Count
    needed: bool


_Wanted: TypeAlias = Annotated[list[WantedPackage], Meta(max_length=MAX_PACKAGES)]


class State(Struct, frozen=True, tag_field="kind", tag="state"):
    """All packages that a mirror is to have; others are to go.

    `mirrors`: "host:port" of the other mirrors that are online; unset: nothing is said of them. `http`, `https`: the
    origin's own addresses. `trust_epoch`: of the trust file that the origin has. Certificates of mirrors that were made
    before `renew_before_s` (Unix time) are to be renewed. Both are unset by an origin of an earlier version.
    """

    seq: Count
    packages: _Wanted
    mirrors: _Places | UnsetType = UNSET
    http: _Place = ""
    https: _Place = ""
    trust_epoch: Count | UnsetType = UNSET
    renew_before_s: _Time | UnsetType = UNSET


class PackageChange(Struct, frozen=True, tag_field="kind", tag="package"):
    """What has changed: `packages` are new or have another version, `gone` are no longer wanted.

    The mirror is to wait `wait_s` before it fetches, so that not all do at once. The rest is as in `State`.
    """

    seq: Count
    packages: _Wanted
    gone: Annotated[list[PackageId], Meta(max_length=MAX_PACKAGES)] = []
    mirrors: _Places | UnsetType = UNSET
    wait_s: Annotated[int, Meta(ge=0, le=MAX_WAIT_S)] | Annotated[float, Meta(ge=0, le=MAX_WAIT_S)] = 0
    http: _Place = ""
    https: _Place = ""
    trust_epoch: Count | UnsetType = UNSET
    renew_before_s: _Time | UnsetType = UNSET


class Heartbeat(Struct, frozen=True, tag_field="kind", tag="beat"):
    """The origin is there, and has nothing to say."""

    seq: Count


Event: TypeAlias = State | PackageChange | Heartbeat


class _Head(Struct):
    kind: str
    seq: Count


_KINDS: Final[Mapping[str, type[State | PackageChange]]] = {"state": State, "package": PackageChange}


def encode(event: Event) -> bytes:
    """One frame. Raises `ValueError` for an event over the limit."""
    body = pack(event)
    if len(body) > MAX_BYTES:
        raise ValueError(f"an event of {len(body)} bytes, at most {MAX_BYTES}")
    return _LENGTH.pack(len(body)) + body


def read(body: bytes, what: str = "event") -> Event:
    """An event without its length. Raises `Corrupt`, which names `what` it should be."""
    head = unpack(body, _Head, what)
    kind = _KINDS.get(head.kind)
    return Heartbeat(head.seq) if kind is None else unpack(body, kind, what)


class Decoder:
    """Events out of bytes that come in any pieces."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Event]:
        """The events that are complete by now. Raises `Corrupt` for bytes that are none; it cannot go on then."""
        self._buffer += data
        events, at = [], 0
        while len(self._buffer) - at >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer, at)
            if length > MAX_BYTES:
                raise Corrupt("frame", f"at most {MAX_BYTES} bytes", str(length))
            end = at + _LENGTH.size + length
            if len(self._buffer) < end:
                break
            events.append(read(bytes(self._buffer[at + _LENGTH.size : end])))
            at = end
        del self._buffer[:at]
        return events

    @property
    def pending_bytes(self) -> int:
        """Of a frame that has not come to its end."""
        return len(self._buffer)
