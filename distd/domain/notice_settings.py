"""The settings `notices.*`: of what, and how, somebody is told."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from distd.domain.addresses import is_loopback
from distd.domain.errors import BadInput
from distd.domain.setting import setting

_HOST: Final = re.compile(
    r"(?=.{1,253}\.?$)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?|[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*(%\S+)?"
)
_ADDRESS: Final = re.compile(r"[^\s<>@,;:\"()\\]+@[^\s<>@,;:\"()\\]+")
MAX_RECIPIENTS: Final = 50


def _is_host(text: str) -> bool:
    """Whether it may be a name or an address: no label is empty or over 63 characters."""
    return _HOST.fullmatch(text) is not None


def _check_url(text: str, where: str) -> None:
    try:
        url = urlsplit(text)
        is_local = url.scheme == "http" and is_loopback(url.hostname or "")
        is_good = (
            _is_host(url.hostname or "")
            and (url.scheme == "https" or is_local)
            and url.username is None
            and url.port != 0
        )
    except ValueError:
        is_good = False
    if text and not (is_good and text.isascii() and text.isprintable() and " " not in text):
        raise BadInput(where, "https://HOST/…", text)


def _check_server(text: str, where: str) -> None:
    host, colon, port = text.rpartition(":")
    if text and not (
        _is_host(host.strip("[]")) and colon and port.isdecimal() and len(port) <= 5 and 0 < int(port) <= 65_535
    ):
        raise BadInput(where, "HOST:PORT", text)


def _check_addresses(text: str, where: str) -> None:
    addresses = text.split()
    if len(addresses) > MAX_RECIPIENTS or not all(map(_ADDRESS.fullmatch, addresses)) or not text.isascii():
        raise BadInput(where, f"at most {MAX_RECIPIENTS} mail addresses, with spaces between", text)


def _check_address(text: str, where: str) -> None:
    if text and (_ADDRESS.fullmatch(text) is None or not text.isascii()):
        raise BadInput(where, "a mail address", text)


@dataclass(frozen=True, slots=True)
class NoticeSettings:
    """Of what, and how, somebody is told."""

    webhook_url: str = setting("", "where notices are posted: https://HOST/…", check=_check_url)
    webhook_secret_file: str = setting(
        "", "a file with the secret that signs them (or the variable DISTD_WEBHOOK_SECRET)"
    )
    webhook_ca: str = setting(
        "", "a file with the CAs of that server, PEM, from the data directory on; empty: the system's"
    )
    mail_to: str = setting("", "who gets notices by mail, with spaces between", check=_check_addresses)
    mail_from: str = setting("", "the sender of these mails", check=_check_address)
    mail_server: str = setting("", "the mail server that takes them: HOST:PORT", check=_check_server)
    mail_security: str = setting(
        "starttls", "how the connection to it is protected", choices=("starttls", "tls", "none")
    )
    mail_ca: str = setting("", "a file with its CAs, PEM, from the data directory on; empty: the system's")
    mail_user: str = setting("", "the name by which one signs in there; empty: one does not")
    mail_password_file: str = setting("", "a file with the password (or the variable DISTD_MAIL_PASSWORD)")
    language: str = setting("en", "the language of notices", choices=("en", "fr"))
    timeout_s: int = setting(20, "seconds that a server of these may take", low=1, high=120)
    disk_mib: int = setting(5000, "MiB free for packages below which the disk is low")
    certificate_days: int = setting(30, "days before its end from which on a certificate's end is told", high=3650)
    mirror_lost_min: int = setting(5, "minutes for which a mirror is offline until that is told", high=10_080)
    stalled_percent: int = setting(
        20, "percent of the computers that fetch a package from which that stalls is told; 0: never", high=100
    )
    stalled_h: int = setting(24, "hours without a fragment after which a computer counts as stalled", low=1, high=8760)
    stalled_from: int = setting(10, "computers that fetch a package, below which stalls are not told", low=1)


NO_NOTICES: Final = NoticeSettings()
