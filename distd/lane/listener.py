"""A listening socket in the lane's epoll set."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import socket
    import ssl

    from distd.lane.server import Lane

TURN_ACCEPTS: Final = 64


class Listener:
    """Accepts what is there, a bounded number a turn. It rests when no connection more can be taken."""

    def __init__(self, lane: Lane, sock: socket.socket, context: ssl.SSLContext | None) -> None:
        self.lane = lane
        self.sock = sock
        self.context = context
        self._resting = False

    def ready(self) -> None:
        for _ in range(TURN_ACCEPTS):
            if not self.lane.has_room():
                self._rest("all %d connections are taken", self.lane.limits.connections)
                return
            try:
                sock, peer = self.sock.accept()
            except BlockingIOError:
                return
            except ConnectionError:
                continue  # gone before it was accepted
            except OSError as error:
                self._rest("cannot accept: %s", error.strerror)
                return
            self.lane.admit(sock, peer[0].removeprefix("::ffff:"), self.context)

    def _rest(self, why: str, *values: object) -> None:
        self.lane.log.warning(why, *values)
        self.lane.epoll.modify(self.sock.fileno(), 0)
        self._resting = True

    def resume(self) -> None:
        if self._resting and self.lane.has_room():
            self.lane.epoll.modify(self.sock.fileno(), select.EPOLLIN)
            self._resting = False
