"""What may change while a server runs: its settings, its certificate, the mirrors that are online."""

from __future__ import annotations

from typing import TYPE_CHECKING

from distd.domain.errors import DistdError
from distd.domain.mirror_rules import Via
from distd.lane.process_setup import limits, log_reload, tls
from distd.origin.agents import posts
from distd.origin.mirrors.directory import EMPTY
from distd.storage import pki

if TYPE_CHECKING:
    import logging
    import ssl
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from distd.domain.settings import Settings
    from distd.lane.server import Lane
    from distd.lane.sockets import Listeners
    from distd.origin.installation import Installation
    from distd.origin.mirrors.directory import MirrorDirectory


class ServerState:
    """The state of one process, and what replies to agents are made from (`context`)."""

    def __init__(self, installation: Installation, listeners: Listeners, read_settings: Callable[[], Settings]) -> None:
        self.settings = installation.settings
        self.token_key = pki.load_token_key(installation.data.keys)
        self.directory = EMPTY
        self.stopping = False  # what has no end by itself ends then
        self._started = installation.settings
        self._followers: list[Callable[[Settings], None]] = []
        self._keys = installation.data.keys
        self._read_settings = read_settings
        self._ports = listeners.http.getsockname()[1], listeners.https.getsockname()[1]
        self.context = self._make_context()

    def use_directory(self, directory: MirrorDirectory) -> None:
        """From now on replies to agents name these mirrors."""
        self.directory = directory
        self.context = self._make_context()

    def default_via(self) -> Via:
        """How agents get fragments from mirrors where an activation does not say it."""
        return Via(self.settings.mirrors.via)

    def tls_context(self) -> ssl.SSLContext:
        """With the certificate as it is on the disk now."""
        return tls(self._keys / pki.SERVER_CERTIFICATE, self._keys / pki.SERVER_KEY)

    def answer(self, conn: Connection, requests: Sequence[posts.AgentRequest]) -> list[posts.Reply]:
        """The replies to a batch of agents' requests: see `origin.agents.posts.answer`."""
        return posts.answer(conn, requests, self.context)

    def follow(self, use: Callable[[Settings], None]) -> None:
        """Call `use` with the settings whenever they have been read again."""
        self._followers.append(use)

    def reload(self, lane: Lane, log: logging.Logger) -> None:
        """Use changed settings and certificates. Connections stay; if something cannot be read, nothing changes.

        What only a restart applies is logged.
        """
        try:
            settings = self._read_settings()
            context, lane_limits = self.tls_context(), limits(settings)
        except (DistdError, OSError) as error:
            log.error("reload: %s; nothing is changed", error)
            return
        self.settings = settings
        self.context = self._make_context()
        lane.reconfigure(lane_limits, context)
        for use in self._followers:
            use(settings)
        log_reload(log, self._started, settings)

    def _make_context(self) -> posts.ReplyContext:
        host = self.settings.server.host
        http, https = (f"{host}:{port}" for port in self._ports)
        return posts.ReplyContext(self.settings, self.token_key, http, https, self.directory)
