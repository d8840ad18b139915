"""Operators log in by HTTP Basic."""

from __future__ import annotations

import base64
import secrets
from functools import partial
from typing import TYPE_CHECKING, Final

import trio
from blake3 import blake3
from quart_schema import security_scheme

from distd.domain.lru import Lru
from distd.origin.operators import operators

if TYPE_CHECKING:
    from distd.catalogue.reader import Reader

# Argon2 takes 50 ms on purpose; a good password is not checked again for so long.
LOGIN_S: Final = 60.0
MAX_LOGINS: Final = 64

# Marks a route as one for operators: in the API's description, and for the check of its query's names.
for_operators: Final = security_scheme([{"operator": []}])


class Logins:
    """Checks operators' passwords, one at a time, and keeps the good ones (as a MAC) for a while."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._key = secrets.token_bytes(32)
        self._valid_until_s: Lru[bytes, float] = Lru(MAX_LOGINS)
        self._turn = trio.Lock()

    async def check(self, authorization: str) -> bool:
        """Whether this field `Authorization` is that of an operator. Raises `Unavailable`."""
        name, password = read_basic(authorization)
        if not name:
            return False
        login = blake3(repr((name, password)).encode(), key=self._key).digest()
        if (self._valid_until_s.get(login) or 0.0) > trio.current_time():
            return True
        async with self._turn:
            good = await self._reader.run(partial(operators.check, name=name, password=password))
        if good:
            self._valid_until_s.put(login, trio.current_time() + LOGIN_S)
        return good


def read_basic(authorization: str) -> tuple[str, str]:
    """The name and the password of HTTP Basic (RFC 7617); both empty for anything else."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return (name, password) if scheme.lower() == "basic" else ("", "")
