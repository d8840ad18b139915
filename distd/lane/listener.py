"""A listening socket in the reactor's set."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

    from distd.lane.reactor import Reactor
    from distd.lane.turn import Turn

TURN_ACCEPTS: Final = 64


class Listener:
    """Accepts what is there, a bounded number a turn. It pauses while no further connection can be taken."""

    def __init__(
        self,
        sock: socket.socket,
        context: ssl.SSLContext | None,
        turn: Turn,
        reactor: Reactor,
        admit: Callable[[socket.socket, str, ssl.SSLContext | None], None],
    ) -> None:
        """`admit(sock, address, context)` takes an accepted socket over."""
        self.sock = sock
        self.context = context
        self._turn = turn
        self._reactor = reactor
        self._admit = admit
        self._paused = False
        reactor.add(sock.fileno(), self, select.EPOLLIN)

    def ready(self, mask: int) -> None:
        """Accept."""
        if self.context is not None and not self._turn.takes_handshakes:
            return
        for _ in range(TURN_ACCEPTS):
            if not self._has_room():
                self._pause("all %d connections are taken", self._turn.limits.connections)
                return
            try:
                sock, peer = self.sock.accept()
            except BlockingIOError:
                return
            except ConnectionError:
                continue  # it has ended before it was accepted
            except OSError as error:
                self._pause("cannot accept: %s", error.strerror)
                return
            try:
                self._admit(sock, peer[0].removeprefix("::ffff:"), self.context)
            except Exception:
                self._turn.log.exception("internal error while serving a connection; it is closed")
                sock.close()

    def resume(self) -> None:
        """Accept again if there is room again."""
        if self._paused and self._has_room():
            self._reactor.modify(self.sock.fileno(), select.EPOLLIN)
            self._paused = False

    def close(self) -> None:
        """Accept no more."""
        self._reactor.remove(self.sock.fileno())
        self.sock.close()

    def _has_room(self) -> bool:
        return self._turn.counts.connections < self._turn.limits.connections

    def _pause(self, why: str, *values: object) -> None:
        self._turn.log.warning(why, *values)
        self._reactor.modify(self.sock.fileno(), 0)
        self._paused = True
