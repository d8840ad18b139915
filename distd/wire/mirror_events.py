"""Messages in a row of bytes: four bytes of length, most significant first, then a msgpack map.

So go the events from the origin to its mirrors, and what mirrors keep on their disk until the origin has it.
"""

from __future__ import annotations

import struct
from typing import Any, Final

import msgpack

from distd.domain.errors import Corrupt

MAX_FRAME_BYTES: Final = 16_777_216
_LENGTH: Final = struct.Struct(">I")

Message = dict[str, Any]


def encode(message: Message) -> bytes:
    """One frame. Raises `ValueError` for a message over the limit."""
    body = pack(message)
    if len(body) > MAX_FRAME_BYTES:
        raise ValueError(f"a message of {len(body)} bytes, at most {MAX_FRAME_BYTES}")
    return _LENGTH.pack(len(body)) + body


class Decoder:
    """Frames out of bytes that come in any pieces."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """The messages that are whole by now. Raises `Corrupt` for bytes that are none; then it is done for."""
        self._buffer += data
        messages, at = [], 0
        while len(self._buffer) - at >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer, at)
            if length > MAX_FRAME_BYTES:
                raise Corrupt("frame", f"at most {MAX_FRAME_BYTES} bytes", str(length))
            end = at + _LENGTH.size + length
            if len(self._buffer) < end:
                break
            messages.append(unpack(bytes(self._buffer[at + _LENGTH.size : end]), "frame"))
            at = end
        del self._buffer[:at]
        return messages

    @property
    def left_bytes(self) -> int:
        """Of a frame that has not come to its end."""
        return len(self._buffer)


def pack(message: Message) -> bytes:
    packed = msgpack.packb(message, use_bin_type=True)
    assert isinstance(packed, bytes)
    return packed


def unpack(data: bytes, what: str) -> Message:
    """Raises `Corrupt`, which says `what` it is not, for anything but a map with texts for keys."""
    try:
        value = msgpack.unpackb(data, raw=False, strict_map_key=True)
    except (ValueError, msgpack.UnpackException) as error:
        raise Corrupt(what, "msgpack", str(error)[:120] or type(error).__name__) from None
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise Corrupt(what, "a map by texts", type(value).__name__)
    return value
