"""What protects the console in a browser: header fields, and that only its own pages change anything.

A browser says with each request where it comes from (Sec-Fetch-Site, Origin); a change must come from the console
itself. Together with the cookie's SameSite this needs no token in every form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from distd.domain.addresses import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
FIELDS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def is_of_this_site(method: str, field: Callable[[str], str | None]) -> bool:
    """Whether a request may be obeyed: it changes nothing, or a page of this site has sent it. `field(name)` gives a
    field of its head."""
    if method in SAFE_METHODS:
        return True
    site = field("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    scheme, _, host = (field("Origin") or "").partition("://")
    if not host or host != field("Host"):
        return False
    return scheme == "https" or is_loopback(host.partition("]" if host.startswith("[") else ":")[0])
