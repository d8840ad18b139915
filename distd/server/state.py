"""What may change while a server runs: its settings, its certificate, the mirrors that are online."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from distd.domain.errors import DistdError
from distd.domain.mirror_rules import Via
from distd.lane.file_watch import identity_of
from distd.lane.process_setup import limits, log_reload, tls
from distd.origin.agents import posts
from distd.origin.agents.admission import Admission
from distd.origin.agents.software_register import SoftwareRegister
from distd.origin.groups.directory import GroupDirectory
from distd.origin.mirrors.directory import EMPTY
from distd.storage import key_pairs, pki, renewal_time, token_keys
from distd.storage.trust_file import load_trust

if TYPE_CHECKING:
    import logging
    import ssl
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from distd.domain.settings import Settings
    from distd.lane.limits import Limits
    from distd.lane.server import Lane
    from distd.lane.sockets import Listeners
    from distd.origin.agents import requests
    from distd.origin.installation import Installation
    from distd.origin.mirrors.directory import MirrorDirectory
    from distd.storage.data_dir import DataDir


KEY_FILES: Final = (
    pki.SERVER_CERTIFICATE,
    pki.SERVER_KEY,
    pki.TOKEN_KEY,
    token_keys.EARLIER,
    renewal_time.FILE,
)


class ServerState:
    """The state of one process, and what replies to agents are made from (`context`).

    `mirror_keys`: what mirrors are told of keys (`wire.mirror_events.State`).
    """

    def __init__(self, installation: Installation, listeners: Listeners, read_settings: Callable[[], Settings]) -> None:
        self.settings = installation.settings
        key_pairs.settle(installation.data.keys)
        self._token_keys = token_keys.load(installation.data.keys)
        self.mirror_keys = _mirror_keys(installation.data)
        self.directory = EMPTY
        self._admission = Admission()
        self._at_stop: list[Callable[[], None]] = []
        self.software_register = SoftwareRegister()
        self._groups = GroupDirectory()
        self._started = installation.settings
        self._followers: list[Callable[[Settings], None]] = []
        self._data = installation.data
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

    def token_keys(self) -> Sequence[bytes]:
        """Those whose tokens count now; the first makes them."""
        return self._token_keys.accepted(time.time())

    def keys_identity(self) -> object:
        """Another value after keys, certificates or the trust file have changed, or a token key has run out."""
        files = (self._keys / name for name in KEY_FILES)
        return [*map(identity_of, (*files, self._data.trust_file)), self.token_keys()]

    def tls_context(self) -> ssl.SSLContext:
        """With the certificate as it is on the disk now."""
        return tls(self._keys / pki.SERVER_CERTIFICATE, self._keys / pki.SERVER_KEY)

    def answer(self, conn: Connection, requests: Sequence[requests.AgentRequest]) -> list[posts.Reply]:
        """The replies to a batch of agents' requests: see `origin.agents.posts.answer`."""
        return posts.answer(conn, requests, self.context)

    def follow(self, use: Callable[[Settings], None]) -> None:
        """Call `use` with the settings whenever they have been read again."""
        self._followers.append(use)

    def at_stop(self, end: Callable[[], None]) -> None:
        """Call `end` when the server stops: what has no end by itself ends then."""
        self._at_stop.append(end)

    def stop(self) -> None:
        """The server stops."""
        for end in self._at_stop:
            end()

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
        self._use_keys(lane, lane_limits, context)
        for use in self._followers:
            use(settings)
        log_reload(log, self._started, settings)

    def reload_keys(self, lane: Lane, log: logging.Logger) -> bool:
        """Use changed keys and certificates, as `reload` does; whether they could be read."""
        try:
            key_pairs.settle(self._keys)
            keys, context, of_mirrors = token_keys.load(self._keys), self.tls_context(), _mirror_keys(self._data)
        except (DistdError, OSError) as error:
            log.error("keys: %s; nothing is changed", error)
            return False
        self._token_keys, self.mirror_keys = keys, of_mirrors
        self._use_keys(lane, limits(self.settings), context)
        log.info("keys and certificates were read again")
        return True

    def _use_keys(self, lane: Lane, lane_limits: Limits, context: ssl.SSLContext) -> None:
        self.context = self._make_context()
        lane.reconfigure(lane_limits, context)

    def _make_context(self) -> posts.ReplyContext:
        host = self.settings.server.host
        http, https = (f"{host}:{port}" for port in self._ports)
        memory = self._admission, self.software_register, self._groups
        return posts.ReplyContext(self.settings, self._token_keys.current, http, https, self.directory, *memory)


def _mirror_keys(data: DataDir) -> dict[str, Any]:
    """Raises `BadInput`, `Corrupt`."""
    return {"trust_epoch": load_trust(data).revocations.epoch, "renew_before_s": renewal_time.read(data.keys)}
