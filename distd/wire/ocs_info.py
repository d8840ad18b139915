"""The `info` of a package: one XML element with attributes, which an agent fetches before the fragments."""

from __future__ import annotations

import base64
import re
from typing import Final

from distd.domain.errors import BadInput, TooLarge
from distd.domain.records import Action, Info, Notify
from distd.wire import xml

MAX_INFO_BYTES: Final = 65_536

# The attribute that holds the target of each action.
TARGETS: Final = {Action.STORE: "PATH", Action.LAUNCH: "NAME", Action.EXECUTE: "COMMAND"}


def render(info: Info) -> bytes:
    """The bytes of `info`. Raises `BadInput` for a text that XML cannot carry."""
    return (xml.element("DOWNLOAD", _attributes(info)) + "\n").encode()


def encoded(digest: bytes, encode: str) -> str:
    """A digest as DIGEST has it, by DIGEST_ENCODE."""
    return base64.b64encode(digest).decode() if encode.lower() == "base64" else digest.hex()


def is_digest(info: Info, digest: bytes) -> bool:
    """Whether it is the digest of `info`: hexadecimal in any case, Base64 with or without its padding."""
    if info.digest_encode.lower() == "base64":
        return encoded(digest, info.digest_encode).rstrip("=") == info.digest.rstrip("=")
    return digest.hex() == info.digest.lower()


def _attributes(info: Info) -> dict[str, str]:
    notify = info.notify
    return {
        "ID": info.id,
        "PRI": str(info.priority),
        "ACT": info.action.value,
        "DIGEST": info.digest,
        "PROTO": info.proto,
        "FRAGS": str(info.fragments),
        "DIGEST_ALGO": info.digest_algo,
        "DIGEST_ENCODE": info.digest_encode,
        TARGETS[info.action]: info.target,
        "NOTIFY_USER": _flag(notify.user),
        "NOTIFY_TEXT": notify.text,
        "NOTIFY_COUNTDOWN": str(notify.countdown_s) if notify.countdown_s else "",
        "NOTIFY_CAN_ABORT": _flag(notify.can_abort),
        "NOTIFY_CAN_DELAY": _flag(notify.can_delay),
        "NEED_DONE_ACTION": _flag(notify.done_action),
        "NEED_DONE_ACTION_TEXT": notify.done_action_text,
        "GARDEFOU": "rien",  # every real server's info ends with it
    }


def _flag(value: bool) -> str:
    return "1" if value else "0"


def parse(data: bytes) -> Info:
    """Read an `info`. Required values must be right; others may be missing or unknown. Raises `BadInput`."""
    values = _read_element(data)
    action = _action(values.get("ACT", ""))
    package_id = values.get("ID", "")
    if not re.fullmatch("[0-9]{1,20}", package_id):
        raise BadInput("info/ID", "decimal digits", package_id)
    fragments = _number(values, "FRAGS")
    digest = values.get("DIGEST", "")
    if fragments and not digest:
        raise BadInput("info/DIGEST", "a digest, since there are fragments", digest)
    return Info(
        id=package_id,
        priority=_number(values, "PRI"),
        action=action,
        target=values.get(TARGETS[action], ""),
        fragments=fragments,
        digest=digest,
        digest_algo=values.get("DIGEST_ALGO", "MD5"),
        digest_encode=values.get("DIGEST_ENCODE", "Hexa"),
        proto=values.get("PROTO", "HTTP"),
        notify=Notify(
            user=values.get("NOTIFY_USER") == "1",
            text=values.get("NOTIFY_TEXT", ""),
            countdown_s=_number(values, "NOTIFY_COUNTDOWN") if values.get("NOTIFY_COUNTDOWN") else 0,
            can_abort=values.get("NOTIFY_CAN_ABORT") == "1",
            can_delay=values.get("NOTIFY_CAN_DELAY") == "1",
            done_action=values.get("NEED_DONE_ACTION") == "1",
            done_action_text=values.get("NEED_DONE_ACTION_TEXT", ""),
        ),
    )


def _read_element(data: bytes) -> dict[str, str]:
    if len(data) > MAX_INFO_BYTES:
        raise TooLarge("info", f"at most {MAX_INFO_BYTES} bytes", f"{len(data)} bytes")
    reader = _Reader()
    xml.read([data], reader, "info")
    if len(reader.elements) != 1 or reader.elements[0][0] != "DOWNLOAD":
        raise BadInput("info", "one element, DOWNLOAD", ", ".join(name for name, _ in reader.elements[:5]))
    return reader.elements[0][1]


class _Reader:
    def __init__(self) -> None:
        self.elements: list[tuple[str, dict[str, str]]] = []

    def start(self, path: tuple[str, ...], attributes: dict[str, str]) -> None:
        self.elements.append((path[-1], attributes))

    def end(self, path: tuple[str, ...], text: str) -> None:
        pass


def _action(text: str) -> Action:
    try:
        return Action(text)
    except ValueError:
        raise BadInput("info/ACT", "STORE, LAUNCH or EXECUTE", text) from None


def _number(values: dict[str, str], name: str) -> int:
    text = values.get(name, "")
    if not re.fullmatch("[0-9]{1,9}", text):
        raise BadInput(f"info/{name}", "a whole number", text)
    return int(text)
