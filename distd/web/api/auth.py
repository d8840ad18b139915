"""Operators log in by HTTP Basic."""

from __future__ import annotations

import base64
import secrets
from functools import partial
from typing import TYPE_CHECKING, Final

import trio
from blake3 import blake3
from quart import request
from quart_schema import security_scheme

from distd.domain import actor
from distd.domain.addresses import peer_of
from distd.domain.lru import Lru
from distd.origin.operators import operators
from distd.web.api.background_thread import BackgroundThread
from distd.web.api.login_queue import LoginQueue
from distd.web.api.problems import TooManyAttempts

if TYPE_CHECKING:
    from collections.abc import Callable

    from distd.catalogue.reader import Reader
    from distd.domain.actor import Actor
    from distd.domain.login_pauses import LoginPauses
    from distd.web.api.login_record import LoginRecord

# Argon2 takes 50 ms on purpose; a good password is not checked again for so long.
LOGIN_S: Final = 60.0
MAX_LOGINS: Final = 64

# Marks a route as one for operators: in the API's description, and for the check of its query's names.
for_operators: Final = security_scheme([{"operator": []}])


class Logins:
    """Checks operators' passwords, one at a time, and keeps the good ones (as a MAC) for a while.

    Log-ins and wrong passwords are recorded; `on_success(peer)` hears of each request with a good one.
    """

    def __init__(
        self, reader: Reader, record: LoginRecord, pauses: LoginPauses, on_success: Callable[[str], None]
    ) -> None:
        self._reader = reader
        self._record = record
        self._on_success = on_success
        self._key = secrets.token_bytes(32)
        self._valid_until_s: Lru[bytes, float] = Lru(MAX_LOGINS)
        self._queue = LoginQueue(self._verify, pauses)
        self._thread = BackgroundThread()

    async def check(self, authorization: str, address: str) -> bool:
        """Whether this field `Authorization`, which came from there, is that of an operator.

        Raises `Unavailable`, and `TooManyAttempts` where so many are tried that this one has no place.
        """
        name, password = read_basic(authorization)
        return bool(name) and await self.check_password(name, password, address)

    async def check_password(self, name: str, password: str, address: str) -> bool:
        """Whether an operator has this name and password; raises as `check` does."""
        peer = peer_of(address)
        login = blake3(repr((name, password)).encode(), key=self._key).digest()
        if (self._valid_until_s.get(login) or 0.0) > trio.current_time():
            self._on_success(peer)
            return True
        try:
            good = await self._queue.check(peer, name, password)
        except TooManyAttempts:
            self._record.not_checked(peer, name)
            raise
        if good:
            self._valid_until_s.put(login, trio.current_time() + LOGIN_S)
            self._record.succeeded(peer, name)
            self._on_success(peer)
        else:
            self._record.failed(peer, name)
        return good

    async def _verify(self, name: str, password: str) -> bool:
        known = await self._reader.run(partial(operators.password_hash, name=name))
        return await self._thread.run(operators.verify, known, password)


def acting_operator() -> Actor:
    """The operator of this request, who has logged in."""
    return actor.operator(read_basic(request.headers.get("Authorization", ""))[0])


def read_basic(authorization: str) -> tuple[str, str]:
    """The name and the password of HTTP Basic (RFC 7617); both empty for anything else."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return (name, password) if scheme.lower() == "basic" else ("", "")
