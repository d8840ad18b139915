"""How a mirror proves to its origin who it is, through whoever forwards it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from distd.domain.errors import Corrupt, TooLarge, Unavailable
from distd.storage.sealing import OriginKey
from distd.wire import packing
from redistrib.mirror_dir import Identity
from redistrib.origin_client import KEY_S, MAX_KEY_BYTES, OriginClient
from tests.fixtures.client import FakeClient, Reply

if TYPE_CHECKING:
    from cryptography import x509

    from distd.storage.data_dir import DataDir
    from distd.storage.sealing import KeyProof
    from tests.fixtures.client import Request

URL = "https://origin:8443"
KEY = "f" * 64
NOW_S = 1_790_000_000.0  # when the test begins, by the origin's clock


def answered(reply: Reply, _: Request) -> Reply:
    return reply


class Origin:
    """Answers reports and event streams with `status`; `proofs` are those that came. `skew_s`: of its clock."""

    def __init__(self, keys: DataDir) -> None:
        self.client = FakeClient()
        self.client.handlers[URL] = self._answer
        self.client.handlers[f"{URL}/api/v1/mirror/key"] = self._key
        self.proofs: list[KeyProof | None] = []
        self.keys_given = 0
        self.status = 200
        self.skew_s = 0.0
        self._started_s = trio.current_time()
        self._key_of = OriginKey(keys)

    def now_s(self) -> float:
        return NOW_S + trio.current_time() - self._started_s + self.skew_s

    def _key(self, request: Request) -> Reply:
        self.keys_given += 1
        return Reply(200, [self._key_of.announce(self.now_s())])

    def _answer(self, request: Request) -> Reply:
        for value in request.headers.values():
            assert KEY not in value
        target = request.url.removeprefix(URL)
        authorization = request.headers["Authorization"]
        proof = self._key_of.proof_of(authorization, request.method, target, self.now_s())
        assert proof is None or proof.covers(request.body)
        self.proofs.append(proof)
        return Reply(self.status if proof else 401)


async def test_the_key_is_shown_to_the_origin_alone(
    origin_keys: DataDir, ca: x509.Certificate, autojump_clock: trio.testing.MockClock
) -> None:
    origin = Origin(origin_keys)
    client = OriginClient(origin.client, Identity("paris", URL, KEY, sealed=True), lambda: ca)
    await client.report({"seq": 1})
    async with client.open_events(7) as answer:
        assert answer.status == 200
    assert [proof and proof.key for proof in origin.proofs] == [KEY, KEY]
    # The origin's key is fetched once an hour, and its clock counts whatever this computer's says.
    await trio.sleep(KEY_S - 1)
    await client.report({"seq": 2})
    assert origin.keys_given == 1
    await trio.sleep(2)
    await client.report({"seq": 3})
    assert origin.keys_given == 2


async def test_after_a_refusal_the_key_is_fetched_anew(
    origin_keys: DataDir, ca: x509.Certificate, autojump_clock: trio.testing.MockClock
) -> None:
    origin = Origin(origin_keys)
    client = OriginClient(origin.client, Identity("paris", URL, KEY, sealed=True), lambda: ca)
    await client.report({})
    origin.skew_s = 1e6  # this computer has slept
    with pytest.raises(Unavailable, match="HTTP 401"):
        await client.report({})
    await client.report({})
    origin.skew_s = 2e6
    async with client.open_events(0) as answer:
        assert answer.status == 401
    async with client.open_events(0) as answer:
        assert answer.status == 200


async def test_what_no_origin_announces_is_not_believed(origin_keys: DataDir, ca: x509.Certificate) -> None:
    origin = Origin(origin_keys)
    client = OriginClient(origin.client, Identity("paris", URL, KEY, sealed=True), lambda: ca)
    replies: list[tuple[Any, type[Exception]]] = [
        (Reply(404), Unavailable),
        (Reply(200, [bytes(MAX_KEY_BYTES + 1)]), Unavailable),
        (Reply(200, [b"<html>"]), Corrupt),
        (Reply(200, [packing.pack({"key": bytes(32), "time_s": NOW_S})]), Corrupt),
    ]
    for reply, error in replies:
        origin.client.handlers[f"{URL}/api/v1/mirror/key"] = partial(answered, reply)
        with pytest.raises(error):
            await client.report({})
    assert origin.proofs == []


async def test_a_mirror_that_joined_with_an_earlier_version_goes_on() -> None:
    client = FakeClient()
    client.handlers[URL] = lambda request: Reply(200)
    nothing: Any = None
    await OriginClient(client, Identity("paris", URL, KEY), nothing).report({})
    assert [request.headers["Authorization"] for request in client.requests] == [f"Bearer {KEY}"]


async def test_an_answer_that_is_too_large_is_no_reason_to_stop() -> None:
    client = FakeClient()

    def refuse(request: Request) -> Reply:
        raise TooLarge(request.url, "less", "more")

    client.handlers[URL] = refuse
    nothing: Any = None
    with pytest.raises(Unavailable, match="expected less, got more"):
        await OriginClient(client, Identity("paris", URL, KEY), nothing).report({})
