"""The log-in of agents by HTTP Basic: Argon2 once for each name and password, and then from memory.

Argon2 takes 50 ms of a core. So a password that was right is remembered as a MAC as long as the login has it; a wrong
one is remembered too; and each address has few tries that are not. All checks wait in one queue with a limit.
"""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING, Final

import trio
from blake3 import blake3

from distd.catalogue import event_log
from distd.catalogue.event_log import Kind
from distd.catalogue.outage import warn
from distd.domain.errors import Unavailable
from distd.domain.identity_facts import ADDRESS_BITS, network_of
from distd.domain.lru import Lru
from distd.domain.token_bucket import TokenBucket
from distd.origin.agents import logins
from distd.web.api.background_thread import BackgroundThread

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection

    from distd.catalogue.event_watch import EventWatch

    Settle = Callable[[str], None]

MAX_REMEMBERED: Final = 4096
MAX_WAITING: Final = 1024  # POSTs that wait for Argon2
MAX_QUEUED: Final = 64  # different names and passwords among them
MAX_ADDRESSES: Final = 50_000
TRIES: Final = 10  # of one address at once; then one in so many seconds:
TRY_AGAIN_S: Final = 6.0
RETRY_S: Final = 1.0
_KINDS: Final = (Kind.AGENT_LOGIN_SET, Kind.AGENT_LOGIN_DELETED)


class AgentLogins:
    """`check` is called on the trio thread and returns at once. `read` comes before the first check; `run` follows
    what changes."""

    def __init__(self) -> None:
        self._hashes: Mapping[str, str] = {}
        self._seq = 0
        self._key = secrets.token_bytes(32)
        self._right: Lru[bytes, str] = Lru(MAX_REMEMBERED)  # the hash that the password was right for
        self._wrong: Lru[bytes, str] = Lru(MAX_REMEMBERED)  # the hash that it was wrong for
        self._tries: Lru[str, TokenBucket] = Lru(MAX_ADDRESSES)
        self._queue: dict[bytes, tuple[str, str, list[Settle]]] = {}
        self._waiting = 0
        self._wake = trio.Event()
        self._thread = BackgroundThread()

    def check(self, authorization: str, address: str, settle: Settle) -> None:
        """`settle(name)` is called, now or later, with the login's name; "": the password is wrong, or there is none.

        Raises `Unavailable` when too many wait.
        """
        name, password = read_basic(authorization)
        if not name:
            settle("")
            return
        digest = blake3(repr((name, password)).encode(), key=self._key).digest()
        known = self._hashes.get(name, "-")
        if self._right.get(digest) == known:
            settle(name)
        elif self._wrong.get(digest) == known:
            settle("")
        else:
            self._put(digest, name, password, address, settle)

    def _put(self, digest: bytes, name: str, password: str, address: str, settle: Settle) -> None:
        if self._waiting >= MAX_WAITING or (digest not in self._queue and len(self._queue) >= MAX_QUEUED):
            raise Unavailable("log-in", "too many wait for it")
        if digest not in self._queue:
            now_s, place = trio.current_time(), network_of(address, ADDRESS_BITS)
            bucket = self._tries.get(place) or TokenBucket(1 / TRY_AGAIN_S, TRIES, now_s)
            self._tries.put(place, bucket)
            if not bucket.take(1, now_s):
                raise Unavailable("log-in", "too many tries from this address")
            self._queue[digest] = (name, password, [])
        self._queue[digest][2].append(settle)
        self._waiting += 1
        self._wake.set()

    def read(self, conn: Connection) -> None:
        """Read the logins."""
        self._seq, self._hashes = event_log.newest(conn), logins.hashes(conn)

    async def run(self, watch: EventWatch, log: logging.Logger) -> None:
        """Check what waits, and follow changes, for ever."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow, watch, log)
            while True:
                await self._wake.wait()
                self._wake = trio.Event()
                while self._queue:
                    await self._check_next()

    async def _check_next(self) -> None:
        digest, (name, password, waiting) = next(iter(self._queue.items()))
        known = self._hashes.get(name)
        is_right = await self._thread.run(logins.verify, known, password)
        del self._queue[digest]
        self._waiting -= len(waiting)
        (self._right if is_right else self._wrong).put(digest, known or "-")
        for settle in waiting:
            settle(name if is_right else "")

    async def _follow(self, watch: EventWatch, log: logging.Logger) -> None:
        while True:
            newest = await watch.beyond(self._seq, _KINDS)
            try:
                self._hashes = await watch.reader.run(logins.hashes)
            except Unavailable as error:
                warn(log, error, "logins of agents")
                await trio.sleep(RETRY_S)
            else:
                self._seq = newest


def read_basic(authorization: str) -> tuple[str, str]:
    """The name and the password of HTTP Basic (RFC 7617); both empty for anything else."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _, password = base64.b64decode(encoded.encode("ascii"), validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return name, password


def read_bearer(authorization: str) -> str:
    """The key of a bearer; empty for anything else."""
    scheme, _, key = authorization.partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""
