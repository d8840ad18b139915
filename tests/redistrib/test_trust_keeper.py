"""A mirror's trust file: fetched when the origin has a later one, tried again until it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

from distd.domain.errors import Unavailable
from distd.storage import pki
from distd.storage.trust_file import Revoked, TrustFile, next_list
from redistrib.trust_keeper import MAX_PAUSE_S, TrustKeeper
from tests.redistrib.fakes import log

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography import x509
    from trio.testing import MockClock

    from distd.storage.data_dir import DataDir


class OriginStub:
    """Serves these in turn, the last one again and again; an error is raised."""

    def __init__(self, *served: Any) -> None:
        self.served = list(served)
        self.asked = 0

    async def fetch_trust(self) -> bytes:
        await trio.lowlevel.checkpoint()
        self.asked += 1
        found = self.served.pop(0) if len(self.served) > 1 else self.served[0]
        if isinstance(found, Exception):
            raise found
        return bytes(found)


@pytest.fixture
def lists(origin_keys: DataDir) -> list[bytes]:
    ca, key = pki.load_ca(origin_keys.ca_certificate), pki.load_ca_key(origin_keys.keys / pki.CA_KEY)
    first = next_list(b"", ca, key, [Revoked(1, 0.0)])
    return [first, next_list(first, ca, key, [Revoked(2, 0.0)])]


async def test_a_later_one_is_fetched_once(
    tmp_path: Path, ca: x509.Certificate, lists: list[bytes], autojump_clock: MockClock
) -> None:
    file, origin, told = TrustFile(tmp_path / "trust.pem", ca), OriginStub(lists[0]), []
    keeper = TrustKeeper(origin, file, lambda: told.append(file.epoch), log)  # type: ignore[arg-type]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeper.run)
        keeper.learn(0)
        await trio.sleep(1000)
        assert origin.asked == 0
        keeper.learn(1)
        keeper.learn(1)
        await trio.sleep(1000)
        assert (file.epoch, origin.asked, told) == (1, 1, [1])
        nursery.cancel_scope.cancel()


async def test_it_is_tried_until_the_announced_one_has_come(
    tmp_path: Path, ca: x509.Certificate, lists: list[bytes], autojump_clock: MockClock
) -> None:
    """The origin may be away, or what is between may have an earlier one, or serve nonsense."""
    file, told = TrustFile(tmp_path / "trust.pem", ca), []
    origin = OriginStub(Unavailable("origin", "away"), b"nonsense", lists[0], lists[0], lists[1])
    keeper = TrustKeeper(origin, file, lambda: told.append(file.epoch), log)  # type: ignore[arg-type]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeper.run)
        keeper.learn(2)
        await trio.sleep(6 * MAX_PAUSE_S)
        assert (file.epoch, origin.asked, told) == (2, 5, [1, 2])
        nursery.cancel_scope.cancel()


async def test_an_origin_that_is_behind_is_told_of_and_nothing_changes(
    tmp_path: Path, ca: x509.Certificate, lists: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    file = TrustFile(tmp_path / "trust.pem", ca)
    file.take(lists[1])
    keeper = TrustKeeper(OriginStub(b""), file, lambda: None, log)  # type: ignore[arg-type]
    keeper.learn(1)
    assert "the origin's trust file is of epoch 1, this one of 2 stays" in caplog.text
    assert file.epoch == 2
