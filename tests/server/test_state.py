"""What may change while a server runs."""

from __future__ import annotations

import logging
import ssl
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from distd.domain.errors import BadInput
from distd.domain.mirror_rules import Via
from distd.domain.settings import Settings, settings_of
from distd.origin.mirrors.directory import MirrorDirectory
from distd.server.state import ServerState
from distd.storage import renewal_time, revoking, token_keys
from distd.wire import tokens

if TYPE_CHECKING:
    from collections.abc import Callable

LISTENERS: Any = SimpleNamespace(
    http=SimpleNamespace(getsockname=lambda: ("", 8080)), https=SimpleNamespace(getsockname=lambda: ("", 8443))
)
LOG = logging.getLogger("distd")


class Lane:
    """Keeps what it is reconfigured with."""

    def __init__(self) -> None:
        self.limits: Any = None
        self.context: Any = None

    def reconfigure(self, limits: Any, context: Any) -> None:
        self.limits, self.context = limits, context


@pytest.fixture
def lane() -> Any:
    return Lane()


def make(data: Any, settings: Settings, read: Callable[[], Settings]) -> ServerState:
    installation: Any = SimpleNamespace(data=data, settings=settings)
    return ServerState(installation, LISTENERS, read)


def settings(**values: Any) -> Settings:
    return settings_of({name.replace("__", "."): value for name, value in values.items()})


def test_what_agents_get(data: Any) -> None:
    state = make(data, settings(server__host="h"), Settings)
    assert (state.context.http, state.context.https) == ("h:8080", "h:8443")
    directory = MirrorDirectory()
    state.use_directory(directory)
    assert state.context.directory is directory


def test_a_reload_changes_settings_and_certificate(data: Any, lane: Any) -> None:
    new = settings(server__host="new", mirrors__via="steer", limits__connections=7)
    state = make(data, settings(server__host="old"), lambda: new)
    state.reload(lane, LOG)
    assert (state.context.http, state.default_via()) == ("new:8080", Via.STEER)
    assert lane.limits.connections == 7
    assert isinstance(lane.context, ssl.SSLContext)


def test_what_only_a_restart_applies_is_named(data: Any, lane: Any, caplog: Any) -> None:
    old, new = settings(), settings(server__http="0.0.0.0:81", mirrors__wave=5, limits__connections=7)
    found = [old, new, old]
    state = make(data, old, lambda: found.pop(0))
    used: list[Settings] = []
    state.follow(used.append)
    caplog.set_level(logging.INFO)
    state.reload(lane, LOG)
    assert "restart" not in caplog.text
    state.reload(lane, LOG)
    assert caplog.messages[-1] == "reload: only a restart applies the change of server.http, mirrors.wave"
    state.reload(lane, LOG)
    assert caplog.messages[-1] == "reloaded settings and certificate"
    assert used == [old, new, old]


@pytest.mark.parametrize("fault", ["settings", "certificate", "key"])
def test_a_reload_that_fails_changes_nothing(data: Any, lane: Any, caplog: Any, fault: str) -> None:
    def read() -> Settings:
        if fault == "settings":
            raise BadInput("distd.toml", "TOML", "x")
        return settings(server__host="new")

    state = make(data, settings(server__host="old"), read)
    if fault == "certificate":
        (data.keys / "server.pem").unlink()
    if fault == "key":
        (data.keys / "server.key").write_bytes(b"no key")
    state.reload(lane, LOG)
    assert state.context.http == "old:8080"
    assert lane.limits is None
    assert "nothing is changed" in caplog.text


def test_keys_are_read_again(data: Any, lane: Any, caplog: pytest.LogCaptureFixture) -> None:
    state = make(data, Settings(), Settings)
    before, token, identity = state.tls_context(), tokens.make_endless(state.token_keys()[0], 46), state.keys_identity()
    assert state.mirror_keys == {"trust_epoch": 0, "renew_before_s": 0}
    token_keys.rotate(data.keys, 1e9, time.time())
    renewal_time.write(data.keys, 1000.0)
    revoking.revoke(data, [5], 1000.0)
    assert state.keys_identity() != identity
    assert state.reload_keys(lane, LOG)
    assert state.mirror_keys == {"trust_epoch": 1, "renew_before_s": 1001}
    assert state.context.token_key == state.token_keys()[0] == token_keys.load(data.keys).current
    assert tokens.check_any(state.token_keys(), token) == 46
    assert lane.context is not before


@pytest.mark.parametrize("name", [token_keys.EARLIER, "server.pem", "mirrors-from", "../trust.pem"])
def test_keys_that_cannot_be_read_change_nothing(
    data: Any, lane: Any, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    state = make(data, Settings(), Settings)
    accepted = state.token_keys()
    token_keys.rotate(data.keys, 1e9, time.time())
    (data.keys / name).write_bytes(b"x")
    assert not state.reload_keys(lane, LOG)
    assert (state.token_keys(), lane.context) == (accepted, None)
    assert "nothing is changed" in caplog.text
