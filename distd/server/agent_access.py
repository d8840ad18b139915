"""What tells who an agent is: its token in paths, and with a POST its log-in or its key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from distd.domain.errors import Unavailable
from distd.origin.agents.admission import may_come_from
from distd.origin.agents.authentication import LOG_IN, NO_PROOF, Proof
from distd.server.agent_logins import AgentLogins, read_bearer
from distd.server.token_check import TokenCheck

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from distd.catalogue.event_watch import EventWatch
    from distd.domain.settings import AgentSettings
    from distd.lane.backend import Post, PostAnswer


class AgentAccess:
    """`settings()` are the present ones. `computer_of`: see `TokenCheck`."""

    def __init__(
        self, token_keys: Callable[[], Sequence[bytes]], settings: Callable[[], AgentSettings], log: logging.Logger
    ) -> None:
        self._tokens = TokenCheck(token_keys)
        self._logins = AgentLogins()
        self._settings = settings
        self._log = log
        self.computer_of = self._tokens.computer_of

    def read(self, conn: Connection, now_s: float) -> None:
        """Read what is revoked, and the logins: once before the first agent comes."""
        self._tokens.read(conn, now_s)
        self._logins.read(conn)

    def forget_tokens(self) -> None:
        """The keys of tokens have changed."""
        self.computer_of.cache_clear()

    async def run(self, watch: EventWatch) -> None:
        """Follow what changes, and check passwords, for ever."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tokens.run, watch, self._log)
            nursery.start_soon(self._logins.run, watch, self._log)

    def prove(self, post: Post, take: Callable[[Proof], None], answer: PostAnswer) -> None:
        """Call `take(proof)`, now or later, or answer that a log-in is needed.

        Raises `Unavailable`: too many passwords wait to be checked, or what `take` raises when it is called now.
        """
        settings, authorization = self._settings(), post.authorization
        needs_login = bool(settings.login_networks) and may_come_from(settings.login_networks, post.address)
        if key := read_bearer(authorization):
            take(Proof(key=key))
        elif authorization and (needs_login or settings.login_tags or settings.native_keys):
            self._log_in(post, take, answer, needs_login=needs_login)
        elif needs_login:
            answer(401, f"{LOG_IN}\n".encode(), self.challenge())
        else:
            take(NO_PROOF)

    def challenge(self) -> bytes:
        """The header field that asks for a log-in."""
        return f'WWW-Authenticate: Basic realm="{self._settings().login_realm}"\r\n'.encode()

    def _log_in(self, post: Post, take: Callable[[Proof], None], answer: PostAnswer, *, needs_login: bool) -> None:
        def settle(name: str) -> None:
            if needs_login and not name:
                self._log.warning("%s: 401 %s", post.address, LOG_IN)
                answer(401, f"{LOG_IN}\n".encode(), self.challenge())
                return
            try:
                take(Proof(login=name))
            except Unavailable as error:
                answer(503, f"{error}\n".encode(), b"")

        self._logins.check(post.authorization, post.address, settle)
