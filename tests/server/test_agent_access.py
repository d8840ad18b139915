"""Which agents must log in before their POSTs are read."""

from __future__ import annotations

import base64
import logging
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from distd.domain.errors import Unavailable
from distd.domain.settings import AgentSettings
from distd.lane.backend import Post
from distd.origin.agents import logins
from distd.origin.agents.authentication import LOG_IN, NO_PROOF, Proof
from distd.server.agent_access import AgentAccess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from distd.catalogue.event_watch import EventWatch
    from tests.fixtures.origin import TestOrigin

LOG = logging.getLogger("distd")
NETWORK = AgentSettings(login_networks="10.1.0.0/16 fd00::/8", login_realm="site 4")
CHALLENGE = b'WWW-Authenticate: Basic realm="site 4"\r\n'
ASKED = (401, f"{LOG_IN}\n".encode(), CHALLENGE)


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"school:{password}".encode()).decode()


class Asked:
    """Agents' POSTs under `settings`. `proofs` are of those that were taken; `error`: the catalogue takes no more."""

    def __init__(self) -> None:
        self.settings = AgentSettings()
        self.access = AgentAccess(lambda: (b"k" * 32,), lambda: self.settings, LOG)
        self.proofs: list[Proof] = []
        self.answers: list[tuple[int, bytes, bytes]] = []
        self.error: Exception | None = None

    def take(self, proof: Proof) -> None:
        if self.error is not None:
            raise self.error
        self.proofs.append(proof)

    def answer(self, status: int, content: bytes, fields: bytes = b"") -> None:
        self.answers.append((status, content, fields))

    async def post(self, authorization: str = "", address: str = "10.1.0.1") -> Any:
        """The proof that it was taken with, or the answer."""
        self.proofs.clear()
        self.answers.clear()
        self.access.prove(Post(b"", address, "", authorization), self.take, self.answer)
        while not (self.proofs or self.answers):
            await trio.sleep(0.01)
        return (self.proofs or self.answers)[0]


@pytest.fixture
async def asked(
    autojump_clock: trio.testing.MockClock,
    origin: TestOrigin,
    event_watch: EventWatch,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Asked]:
    monkeypatch.setattr(logins, "verify", lambda known, password: password == "one")
    origin.act(logins.put, "school", "one", 1.0)
    found = Asked()
    origin.read(found.access.read, 1.0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(found.access.run, event_watch)
        yield found
        nursery.cancel_scope.cancel()


async def test_nobody_must_by_default(asked: Asked) -> None:
    assert await asked.post() == NO_PROOF
    assert await asked.post(basic("wrong")) == NO_PROOF


async def test_agents_of_a_network_must(asked: Asked) -> None:
    """Before, whoever reached the server made contacts."""
    asked.settings = NETWORK
    assert await asked.post() == ASKED
    assert await asked.post(basic("wrong")) == ASKED
    assert await asked.post("Negotiate abc") == ASKED
    assert await asked.post(basic("one")) == Proof(login="school")
    assert await asked.post(address="fd00::1") == ASKED
    assert await asked.post(address="10.2.0.1") == NO_PROOF


async def test_a_key_is_looked_at_with_the_computer(asked: Asked) -> None:
    asked.settings = NETWORK
    assert await asked.post("Bearer abc") == Proof(key="abc")


@pytest.mark.parametrize("settings", [AgentSettings(login_tags="site 4"), AgentSettings(native_keys=True)])
async def test_a_log_in_is_checked_where_it_may_be_needed(asked: Asked, settings: AgentSettings) -> None:
    asked.settings = settings
    assert await asked.post(basic("one")) == Proof(login="school")
    assert await asked.post(basic("wrong")) == NO_PROOF


async def test_a_catalogue_that_takes_no_more(asked: Asked) -> None:
    asked.settings = NETWORK
    asked.error = Unavailable("catalogue", "full")
    for _ in range(2):  # later, and at once; the lane says when to try again
        assert await asked.post(basic("one")) == (503, b"catalogue: full\n", b"")
    with pytest.raises(Unavailable):
        await asked.post(address="10.2.0.1")


async def test_tokens(asked: Asked) -> None:
    assert asked.access.computer_of("1-00") is None
