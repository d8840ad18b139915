"""Who uploads files from a page of the console: the operator of a session, instead of one who signs in."""

from __future__ import annotations

import time
from functools import partial
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Final

from distd.domain import actor
from distd.web.api.auth import SignedIn
from distd.web.console.app import find_session
from distd.web.console.protection import is_of_this_site
from distd.web.console.sign_in import COOKIE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from distd.catalogue.reader import Reader

PATH: Final = "/packages/uploads"


class ConsoleAskers:
    """Knows who asks by the cookie of a session. `idle_s()`: see `web.console.app.Console`."""

    def __init__(self, reader: Reader, idle_s: Callable[[], float]) -> None:
        self._reader = reader
        self._idle_s = idle_s

    async def check(self, headers: Mapping[str, str], _address: str) -> SignedIn | None:
        """Who sent a request with these header fields; None: nobody who is known, or another site's page."""
        if not is_of_this_site("PUT", lambda name: headers.get(name.lower())):
            return None
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return None
        if cookie is None or not cookie.value:
            return None
        looked = partial(find_session, token=cookie.value, now_s=time.time(), idle_s=self._idle_s())
        found = await self._reader.run(looked)
        return None if found is None else SignedIn(actor.operator(found[1].name), found[1].access)
