"""What is fuzzed: what reads bytes from outside. Each target takes any bytes, and raises `Found` for a fault.

The same bytes give the same verdict. `loadtests/corpus` has a folder of small inputs for each: what an honest peer
sends, what attacks sent, and what was found. `make fuzz` begins with them, and so do the bounded tests.
"""

from __future__ import annotations

import itertools
import re
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from distd.domain.errors import BadInput, Corrupt
from distd.domain.records import InventoryRequest
from distd.origin.mirrors import reports
from distd.storage import pki
from distd.web.api import queries
from distd.web.api.auth import read_basic
from distd.wire import http, manifest, mirror_events, ocs, packing
from loadtests.fuzz_lane import answers_to
from tests.lane.http_cases import CASES
from tests.programs.h11_reference import Disagreement, compare_with_h11

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cryptography import x509

    from distd.domain.records import Request
    from distd.storage.pki import Signer

CORPUS: Final = Path(__file__).parent / "corpus"
MAX_INPUT_BYTES: Final = 4096
MAX_INFLATED_BYTES: Final = 1_048_576
MAX_DEVICE_ID: Final = 255
_DECIMAL: Final = re.compile("[0-9]{1,20}")


class Found(AssertionError):
    """A fault: what was expected of some bytes, and what came."""


@dataclass(frozen=True, slots=True)
class FuzzTarget:
    """`check` raises `Found`, or anything else that it should not. `words`: of the input's language, for mutations;
    `more`: inputs beside those of the corpus."""

    name: str
    reads: str
    check: Callable[[bytes], object]
    words: tuple[bytes, ...] = ()
    more: Callable[[], list[bytes]] = list

    def corpus(self) -> Iterator[tuple[str, bytes]]:
        """The inputs to begin with, with their names."""
        for path in sorted((CORPUS / self.name).iterdir()):
            yield path.name, path.read_bytes()
        for number, data in enumerate(self.more()):
            yield f"case-{number:03}", data[:MAX_INPUT_BYTES]


def demand(condition: object, what: str, got: object) -> None:
    """Raises `Found`."""
    if not condition:
        raise Found(f"expected {what}, got {got!r}"[:2000])


# --- HTTP --------------------------------------------------------------------------------------------------------


def check_head(data: bytes) -> None:
    """A head is read as h11 reads it, or refused."""
    http.parse_fields.cache_clear()  # or equal blocks would be parsed once only
    try:
        compare_with_h11(data)
    except Disagreement as error:
        raise Found(str(error)) from None


def check_stream(data: bytes) -> None:
    """Heads and bodies on a connection: however they are cut, the same is answered, and no memory is kept.

    The first byte says how the rest is cut.
    """
    size, stream = 1 + (data[0] if data else 0), data[1:]
    whole = answers_to([stream])
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
    cut = answers_to(pieces)
    for answers in (whole, cut):
        demand(not answers.errors, "no error of the server's own", answers.errors)
        demand(not answers.kept_bytes, "no bytes of bodies kept", answers.kept_bytes)
        demand(
            all(status < 500 or status in (501, 503, 505) for status in answers.statuses), "no 5xx", answers.statuses
        )
    demand(whole.statuses == cut.statuses, f"{whole.statuses} for pieces of {size}", cut.statuses)
    demand(whole.posts == cut.posts, f"{whole.posts} for pieces of {size}", cut.posts)


# --- agents ------------------------------------------------------------------------------------------------------


def _read_post(body: bytes) -> Request | None:
    try:
        return ocs.read_request(body, max_inflated_bytes=MAX_INFLATED_BYTES)
    except BadInput:
        return None


def check_post(data: bytes) -> None:
    """A body of an agent, as it is and compressed: it is refused, or what is read of it is within bounds and can be
    written and read again."""
    found = _read_post(data)
    if data[:1] == b"<":
        compressed = _read_post(zlib.compress(data, 1))
        demand(found == compressed, f"{found!r} of the compressed body", compressed)
    else:
        _check_request(_read_post(zlib.compress(data, 1)))
    _check_request(found)


def check_history(data: bytes) -> None:
    """The section of an inventory that says what a computer has deployed."""
    document = b"<REQUEST><CONTENT><DOWNLOAD><HISTORY>%s</HISTORY></DOWNLOAD></CONTENT>%s</REQUEST>" % (
        data,
        b"<DEVICEID>a</DEVICEID><QUERY>INVENTORY</QUERY>",
    )
    _check_request(_read_post(zlib.compress(document, 1)))


def _check_request(request: Request | None) -> None:
    if request is None:
        return
    demand(1 <= len(request.device_id) <= MAX_DEVICE_ID, "a DEVICEID within bounds", request.device_id)
    demand(request.device_id.isprintable(), "a printable DEVICEID", request.device_id)
    if isinstance(request, InventoryRequest) and request.history is not None:
        demand(all(map(_DECIMAL.fullmatch, request.history)), "decimal ids", request.history)
    # What is cut off may leave blanks at an end, which the next reader cuts off too: from then on nothing changes.
    again = _read_post(ocs.write_request(request))
    demand(again is not None, "what was written is read", request)
    assert again is not None
    third = _read_post(ocs.write_request(again))
    demand(third == again, repr(again), third)


# --- mirrors -----------------------------------------------------------------------------------------------------


@cache
def _keys() -> tuple[x509.Certificate, Signer]:
    """Of a site that is made once."""
    with TemporaryDirectory() as folder:
        keys, authority = Path(folder) / "keys", Path(folder) / "ca.pem"
        keys.mkdir()
        pki.create_keys(keys, authority, ["localhost"])
        return pki.load_ca(authority), pki.load_signer(keys)


def check_manifest(data: bytes) -> None:
    """A manifest by nobody is refused; a payload by the signer is refused too, or is what was signed."""
    authority, signer = _keys()
    try:
        found = manifest.read(data, authority)
    except Corrupt:
        pass
    else:
        raise Found(f"a manifest that nobody signed was read: {found!r}")
    envelope = {"payload": data, "signature": signer.key.sign(data), "certificate": signer.certificate_der}
    try:
        found = manifest.read(packing.pack(envelope), authority)
    except Corrupt:
        return
    demand(sum(fragment.length for fragment in found.fragments) == found.size, "the sum of the lengths", found.size)
    again = manifest.read(manifest.sign(found, signer.key, signer.certificate_der), authority)
    demand(again == found, repr(found), again)


def _payloads() -> list[bytes]:
    """Payloads of manifests, without a file and with two fragments."""
    digest = bytes(range(32))
    usual = {"format": 1, "id": "17", "version": 1, "md5": b"", "sha256": b"", "blake3": b"", "info": digest}
    return [
        packing.pack({**usual, "size": sum(lengths), "fragments": [(length, digest) for length in lengths]})
        for lengths in ((), (5, 3))
    ]


def check_frames(data: bytes) -> None:
    """Events for mirrors: in any pieces the same, or refused; and what was read can be written."""
    size, frames = 1 + (data[0] if data else 0), data[1:]
    whole = _decode([frames])
    cut = _decode([frames[start : start + size] for start in range(0, len(frames), size)])
    demand((whole is None) == (cut is None), "the same verdict in pieces", (whole, cut))
    # As texts: a number that is none equals nothing, not even itself.
    demand(whole is None or repr(whole) == repr(cut), repr(whole), cut)
    for event in whole or ():
        again = mirror_events.read(mirror_events.encode(event)[4:])
        demand(repr(again) == repr(event), repr(event), again)


def _decode(pieces: list[bytes]) -> list[mirror_events.Event] | None:
    """None: they were refused."""
    decoder, events = mirror_events.Decoder(), []
    try:
        for piece in pieces:
            events += decoder.feed(piece)
    except Corrupt:
        return None
    demand(decoder.pending_bytes <= sum(map(len, pieces)), "no more than came", decoder.pending_bytes)
    return events


def check_report(data: bytes) -> None:
    """A mirror's report is refused, or its numbers and lists are within bounds."""
    try:
        report = reports.read(packing.unpack(data, dict[str, Any], "body"))
    except (Corrupt, BadInput):
        return
    demand(0 <= report.seq < 2**62, "a number of an event", report.seq)
    for rows in (report.have or [], report.ready, report.gone, report.faults, report.access):
        demand(len(rows) <= reports.MAX_ROWS, f"at most {reports.MAX_ROWS} rows", len(rows))


def _reports() -> list[bytes]:
    usual: dict[str, Any] = {"seq": 7, "status": {"agents": 2, "version": "1"}, "ready": [["17", 1]], "now_s": 1.0}
    access = {"batch": "a", "access": [["", "10.0.0.1", "17", "1-3,7", 9]], "at_s": 1.0, "now_s": 2.0}
    return [packing.pack(each) for each in (usual, access, {"have": [["17", 1]], "faults": [["17", "17-1", True]]})]


# --- the API -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AnyQuery:
    """A parameter of each kind."""

    limit: int | None = queries.limit_parameter()
    cursor: str | None = queries.cursor_parameter()
    name: str | None = queries.parameter("a text", max_length=20)
    after: int | None = queries.parameter("a number", low=-5, high=5)
    wide: bool | None = queries.parameter("yes or no")
    states: tuple[str, ...] = queries.parameter("several", default=(), choices=("a", "b"))


def check_api(data: bytes) -> None:
    """A query string, and the value of an Authorization: refused, or within the declared bounds."""
    name, password = read_basic(data.decode("latin-1"))
    demand(isinstance(name, str) and isinstance(password, str), "texts", (name, password))
    try:
        query = queries.read_query(AnyQuery, data)
    except BadInput as error:
        demand(str(error), "a message", error)
        return
    demand(query.after is None or -5 <= query.after <= 5, "-5 to 5", query.after)
    demand(query.name is None or (len(query.name) <= 20 and min(query.name, default=" ") >= " "), "a text", query.name)
    demand(query.wide in (None, True, False), "yes or no", query.wide)


TARGETS: Final = (
    FuzzTarget(
        "head",
        "heads of requests, beside h11",
        check_head,
        (
            *(b"Host: h", b"Content-Length: ", b"Transfer-Encoding: chunked", b"Connection: close", b"Range: bytes="),
            *(b"If-Range: ", b"If-Match: ", b"If-None-Match: ", b"HTTP/1.0", b"HTTP/1.1", b"http://", b"%2e", b"\r\n"),
        ),
        lambda: [case.raw for case in CASES],
    ),
    FuzzTarget(
        "stream",
        "requests with bodies on a connection, cut anywhere",
        check_stream,
        (
            b"POST /ocsinventory HTTP/1.1\r\n",
            b"Content-Length: 5\r\n",
            b"Expect: 100-continue\r\n",
            b"\r\n\r\n",
            b"hello",
        ),
        lambda: [bytes([number % 60]) + case.raw for number, case in enumerate(CASES)],
    ),
    FuzzTarget(
        "post",
        "bodies of agents: zlib and XML",
        check_post,
        (b"<REQUEST>", b"<CONTENT>", b"<HARDWARE>", b"<NETWORKS>", b"<DEVICEID>", b"<QUERY>", b"&#10;", b"<![CDATA["),
    ),
    FuzzTarget(
        "history",
        "the packages that an inventory claims",
        check_history,
        (b"<PACKAGE ID=", b"<PACKAGE>", b"<ID>", b"</HISTORY>", b"</DOWNLOAD>", b"'1700000001'"),
    ),
    FuzzTarget(
        "manifest",
        "signed manifests and their payloads",
        check_manifest,
        (b"\xa6format\x01", b"\xa9fragments", b"\xa7version", b"\xa4size", b"\xa2id", b"\xc4\x20"),
        _payloads,
    ),
    FuzzTarget(
        "frames",
        "the event stream that mirrors follow",
        check_frames,
        (b"\xa4kind", b"\xa5state", b"\xa7package", b"\xa4beat", b"\xa3seq", b"\xa8packages", b"\0\0\0\x10"),
    ),
    FuzzTarget(
        "report",
        "reports of mirrors",
        check_report,
        (b"\xa6access", b"\xa5ready", b"\xa4have", b"\xa6status", b"\xa5batch", b"\xcf" + b"\xff" * 8, b"\xcb\x7f\xf8"),
        _reports,
    ),
    FuzzTarget(
        "api",
        "query strings and log-ins of the API",
        check_api,
        (b"limit=", b"cursor=", b"after=-", b"states=a,b", b"wide=true", b"%00", b"&", b"Basic ", b"w6k6w6k="),
    ),
)
BY_NAME: Final = {target.name: target for target in TARGETS}


def words_of(target: FuzzTarget) -> list[bytes]:
    """For mutations: its own words, and single bytes that matter in most languages."""
    return [*target.words, *(bytes([byte]) for byte in b"\0\r\n <>&\"'=:,;%/.-019\x7f\x80\xff")]


def mutated(data: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    """With some bytes at each place (a share of the length) replaced."""
    for share, removed, piece in itertools.islice(changes, 8):
        at = int(share * (len(data) + 1))
        data = data[:at] + piece + data[at + removed :]
    return data[:MAX_INPUT_BYTES]
