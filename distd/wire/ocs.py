"""The bodies of the OCS protocol: zlib and XML, both ways (distd/docs/protocol.md, section 1).

Reading is incremental: the body is inflated piece by piece and each piece is parsed at once. So a decompression bomb
costs the memory of one piece, and an inventory is never in memory as a whole. What a body costs is in proportion to
what was sent: neither its size nor its elements may be many times as much.
"""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, Final

from distd.domain.errors import BadInput, TooLarge
from distd.domain.records import DownloadRequest, InventoryRequest, Pack, PrologReply, PrologRequest
from distd.domain.settings import DownloadConfig
from distd.wire import ocs_inventory, xml
from distd.wire.ocs_inventory import PACKAGE_ID, leaves

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from distd.domain.records import Request

PIECE_BYTES: Final = 65_536
INPUT_BYTES: Final = 16_384
# Larger bodies than honest agents send are inflated once before they are parsed: to inflate what is too large keeps the
# interpreter from nobody, to parse it does.
MEASURED_BYTES: Final = 65_536
MAX_REPLY_BYTES: Final = 1_048_576
MAX_VALUE_CHARACTERS: Final = 4096  # of DEVICEID, QUERY, ID and ERR; what is longer is cut off
MAX_DEVICE_ID_CHARACTERS: Final = 255
# How many times as large as the body its XML may be: 6 to 9 are usual, 20 were seen. `FREE_BYTES` are for nothing.
MAX_RATIO: Final = 50
FREE_BYTES: Final = 16_384
# Elements for each byte of a body; usual is one for 5. `FREE_ELEMENTS` are for nothing.
MAX_ELEMENTS_PER_BYTE: Final = 1
FREE_ELEMENTS: Final = 1024
# Higher levels gain nothing with small bodies.
_COMPRESSION: Final = 6

_DECLARATION: Final = "<?xml version='1.0' encoding='UTF-8'?>\n"
_TOP: Final = ("DEVICEID", "QUERY", "ID", "ERR", "KEY")


def inflate(body: bytes, *, max_inflated_bytes: int, max_ratio: int = MAX_RATIO) -> Iterator[bytes]:
    """The XML of a body, in pieces. A body that starts with "<" is taken as it is.

    Raises `TooLarge` when it inflates to more than `max_inflated_bytes`, or `max_ratio` times its own size, and
    `BadInput` when it is no zlib stream.
    """
    if body[:1] == b"<":
        if len(body) > max_inflated_bytes:
            raise TooLarge("body", f"at most {max_inflated_bytes} bytes", f"{len(body)} bytes")
        for start in range(0, len(body), PIECE_BYTES):
            yield body[start : start + PIECE_BYTES]
        return
    limit_bytes = min(max_inflated_bytes, FREE_BYTES + max_ratio * len(body))
    inflater = zlib.decompressobj()
    rest, start, size_bytes = b"", 0, 0
    while not inflater.eof:
        if not rest:
            # Not the whole body: what is not inflated yet is copied each time.
            rest, start = body[start : start + INPUT_BYTES], start + INPUT_BYTES
        try:
            piece = inflater.decompress(rest, PIECE_BYTES)
        except zlib.error as error:
            raise BadInput("body", "a zlib stream", str(error)) from None
        size_bytes += len(piece)
        if size_bytes > limit_bytes:
            raise TooLarge("body", f"at most {limit_bytes} bytes when inflated", "more")
        if not piece and not inflater.eof and start >= len(body):
            raise BadInput("body", "a whole zlib stream", f"{len(body)} bytes that end early")
        rest = inflater.unconsumed_tail
        yield piece
    unused_bytes = len(inflater.unused_data) + max(len(body) - start, 0)
    if unused_bytes:
        raise BadInput("body", "one zlib stream", f"{unused_bytes} bytes after it")


# --- requests ----------------------------------------------------------------------------------------------------


def read_request(body: bytes, *, max_inflated_bytes: int, max_ratio: int = MAX_RATIO) -> Request:
    """The request in the body of an agent's POST. Raises `BadInput`; `TooLarge` when it inflates beyond the limits, or
    has too many elements."""
    if len(body) > MEASURED_BYTES:
        for _ in inflate(body, max_inflated_bytes=max_inflated_bytes, max_ratio=max_ratio):
            pass
    reader = _RequestReader()
    pieces = inflate(body, max_inflated_bytes=max_inflated_bytes, max_ratio=max_ratio)
    xml.read(pieces, reader, "body", max_elements=FREE_ELEMENTS + MAX_ELEMENTS_PER_BYTE * len(body))
    return reader.request()


class _RequestReader:
    """Keeps the few values that are used. DOWNLOAD has attributes, the other requests have child elements."""

    def __init__(self) -> None:
        self.top: dict[str, str] = {}
        self._content = ocs_inventory.ContentReader()
        self._start_in_content = self._content.start
        self._end_in_content = self._content.end

    def start(self, path: tuple[str, ...], attributes: dict[str, str]) -> None:
        if len(path) > 2:
            if path[1] == "CONTENT":
                self._start_in_content(path, attributes)
        elif len(path) == 1:
            if path[0] != "REQUEST":
                raise BadInput("body", "the element REQUEST", path[0])
            self.top.update({name: attributes[name][:MAX_VALUE_CHARACTERS] for name in _TOP if name in attributes})

    def end(self, path: tuple[str, ...], text: str) -> None:
        if len(path) > 2:
            if path[1] == "CONTENT":
                self._end_in_content(path, text)
        elif len(path) == 2 and path[1] in _TOP:
            self.top[path[1]] = text.strip()[:MAX_VALUE_CHARACTERS]

    def request(self) -> Request:
        device_id = self._device_id()
        match self.top.get("QUERY", ""):
            case "PROLOG":
                return PrologRequest(device_id, self.top.get("KEY", ""))
            case "DOWNLOAD":
                return DownloadRequest(device_id, self._package_id(), self.top.get("ERR", ""))
            case "INVENTORY":
                return self._content.request(device_id)
            case other:
                raise BadInput("REQUEST/QUERY", "PROLOG, INVENTORY or DOWNLOAD", other)

    def _device_id(self) -> str:
        device_id = self.top.get("DEVICEID", "")
        if not 1 <= len(device_id) <= MAX_DEVICE_ID_CHARACTERS or not device_id.isprintable():
            raise BadInput("REQUEST/DEVICEID", f"1 to {MAX_DEVICE_ID_CHARACTERS} printable characters", device_id)
        return device_id

    def _package_id(self) -> str:
        package_id = self.top.get("ID", "")
        if not PACKAGE_ID.fullmatch(package_id):
            raise BadInput("REQUEST/ID", "decimal digits", package_id)
        return package_id


def write_request(request: Request) -> bytes:
    """The body of an agent's POST."""
    match request:
        case PrologRequest():
            content = xml.leaf("DEVICEID", request.device_id) + xml.leaf("QUERY", "PROLOG")
            content += xml.leaf("KEY", request.key) if request.key else ""
            return _deflate(_DECLARATION + xml.element("REQUEST", {}, content))
        case DownloadRequest():
            attributes = {
                "DEVICEID": request.device_id,
                "ERR": request.code,
                "ID": request.package_id,
                "QUERY": "DOWNLOAD",
            }
            return _deflate(xml.element("REQUEST", attributes))
        case InventoryRequest():
            content = xml.element("CONTENT", {}, ocs_inventory.write(request))
            content += xml.leaf("DEVICEID", request.device_id) + xml.leaf("QUERY", "INVENTORY")
            return _deflate(_DECLARATION + xml.element("REQUEST", {}, content))


def _deflate(text: str) -> bytes:
    return zlib.compress(text.encode(), _COMPRESSION)


# --- replies -----------------------------------------------------------------------------------------------------


def write_prolog_reply(reply: PrologReply) -> bytes:
    """The answer to a PROLOG."""
    params = [xml.element("PARAM", {"TYPE": "CONF", **_conf(reply.config)})]
    params += [xml.element("PARAM", {"TYPE": "PACK", **_pack(pack)}) for pack in reply.packs]
    content = (
        xml.leaf("RESPONSE", "SEND" if reply.send_inventory else "STOP"),
        xml.leaf("PROLOG_FREQ", str(reply.prolog_freq_h)),
        xml.leaf("INVENTORY_ON_STARTUP", "1" if reply.inventory_on_startup else "0"),
        xml.element("OPTION", {}, xml.leaf("NAME", "DOWNLOAD") + "".join(params)),
    )
    return _deflate(_DECLARATION + xml.element("REPLY", {}, "".join(content)))


def _conf(config: DownloadConfig) -> dict[str, str]:
    return {"ON": "1" if config.on else "0", **{name: str(getattr(config, field)) for name, field in _CONF.items()}}


_CONF: Final = {
    "CYCLE_LATENCY": "cycle_latency_s",
    "FRAG_LATENCY": "frag_latency_s",
    "PERIOD_LATENCY": "period_latency_s",
    "PERIOD_LENGTH": "period_length",
    "TIMEOUT": "timeout_days",
    "EXECUTION_TIMEOUT": "execution_timeout_min",
}
# What an agent takes when the server does not say it.
_AGENTS_OWN: Final = DownloadConfig(
    frag_latency_s=10,
    cycle_latency_s=10,
    period_latency_s=0,
    period_length=10,
    timeout_days=30,
    execution_timeout_min=120,
)


def _pack(pack: Pack) -> dict[str, str]:
    mirrors = {"MIRRORS": " ".join(pack.mirrors)} if pack.mirrors else {}
    return mirrors | {
        "ID": pack.id,
        "INFO_LOC": pack.info_loc,
        "PACK_LOC": pack.pack_loc,
        "CERT_PATH": "INSTALL_PATH",
        "CERT_FILE": "INSTALL_PATH/cacert.pem",
        "SCHEDULE": pack.schedule,
        "POSTCMD": pack.postcmd,
        "FORCE": "1" if pack.force else "0",
    }


def write_account_update(tag: str) -> bytes:
    """The answer to an INVENTORY: the computer's TAG ("NA" when it has none)."""
    account = xml.element("ACCOUNTINFO", {}, leaves({"KEYNAME": "TAG", "KEYVALUE": tag or "NA"}))
    return _deflate(_DECLARATION + xml.element("REPLY", {}, xml.leaf("RESPONSE", "ACCOUNT_UPDATE") + account))


def write_no_account_update() -> bytes:
    """The answer to an INVENTORY that changes nothing of the account."""
    return _deflate(_DECLARATION + xml.element("REPLY", {}, xml.leaf("RESPONSE", "NO_ACCOUNT_UPDATE")))


def read_prolog_reply(body: bytes, *, max_inflated_bytes: int = MAX_REPLY_BYTES) -> PrologReply:
    """A server's answer to a PROLOG. Values that it leaves out are the agents' defaults. Raises `BadInput`."""
    reader = _ReplyReader()
    xml.read(inflate(body, max_inflated_bytes=max_inflated_bytes), reader, "reply")
    response = reader.top.get("RESPONSE", "")
    if response not in ("SEND", "STOP"):
        raise BadInput("REPLY/RESPONSE", "SEND or STOP", response)
    return PrologReply(
        send_inventory=response == "SEND",
        prolog_freq_h=_whole(reader.top.get("PROLOG_FREQ", "24"), "REPLY/PROLOG_FREQ"),
        config=_read_conf(reader.conf),
        packs=tuple(_read_pack(pack) for pack in reader.packs),
        inventory_on_startup=reader.top.get("INVENTORY_ON_STARTUP", "1") == "1",
    )


def read_inventory_reply(body: bytes, *, max_inflated_bytes: int = MAX_REPLY_BYTES) -> dict[str, str]:
    """The account values that an answer to an INVENTORY sets; none for NO_ACCOUNT_UPDATE. Raises `BadInput`."""
    reader = _ReplyReader()
    xml.read(inflate(body, max_inflated_bytes=max_inflated_bytes), reader, "reply")
    return reader.account


class _ReplyReader:
    def __init__(self) -> None:
        self.top: dict[str, str] = {}
        self.conf: dict[str, str] = {}
        self.packs: list[dict[str, str]] = []
        self.account: dict[str, str] = {}
        self._key = ""

    def start(self, path: tuple[str, ...], attributes: dict[str, str]) -> None:
        if path[0] != "REPLY":
            raise BadInput("reply", "the element REPLY", path[0])
        if path[1:] == ("OPTION", "PARAM"):
            match attributes.get("TYPE"):
                case "CONF":
                    self.conf = attributes
                case "PACK":
                    self.packs.append(attributes)

    def end(self, path: tuple[str, ...], text: str) -> None:
        match path[1:]:
            case (name,):
                self.top[name] = text.strip()
            case ("ACCOUNTINFO", "KEYNAME"):
                self._key = text
            case ("ACCOUNTINFO", "KEYVALUE"):
                self.account[self._key] = text


def _read_conf(values: Mapping[str, str]) -> DownloadConfig:
    numbers = {
        field: _whole(values[name], f"CONF/{name}") if values.get(name) else getattr(_AGENTS_OWN, field)
        for name, field in _CONF.items()
    }
    return DownloadConfig(on=values.get("ON", "1") != "0", **numbers)


def _read_pack(values: Mapping[str, str]) -> Pack:
    package_id = values.get("ID", "")
    if not PACKAGE_ID.fullmatch(package_id):
        raise BadInput("PACK/ID", "decimal digits", package_id)
    return Pack(
        id=package_id,
        info_loc=values.get("INFO_LOC", ""),
        pack_loc=values.get("PACK_LOC", ""),
        force=values.get("FORCE") == "1",
        schedule=values.get("SCHEDULE", ""),
        postcmd=values.get("POSTCMD", ""),
        mirrors=tuple(values.get("MIRRORS", "").split()),
    )


def _whole(text: str, field: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text.strip()):
        raise BadInput(field, "a whole number", text)
    return int(text)
