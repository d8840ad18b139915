"""A mirror renews its certificate by itself: in time, when it is told to, when it is revoked; and tries again."""

from __future__ import annotations

import shutil
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import trio
from cryptography.hazmat.primitives.serialization import Encoding

from distd.domain.errors import Unavailable
from distd.storage import issuing, key_pairs, pki
from distd.storage.data_dir import DataDir
from distd.storage.issuing import CertificateRequest
from distd.storage.key_pairs import SERVER
from distd.storage.trust_file import Revoked, TrustFile, next_list
from redistrib.renewal import CHECK_S, Renewal
from tests.redistrib.fakes import log

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography import x509
    from trio.testing import MockClock

DAY_S = 86_400.0


class OriginStub:
    """Issues certificates; what is in `failures` comes first: an error, or nothing yet."""

    def __init__(self, issue: Any) -> None:
        self.issue = issue
        self.failures: list[Any] = []
        self.asked: list[tuple[bytes, int]] = []

    async def renew(self, request: bytes, replaces: int) -> bytes:
        await trio.lowlevel.checkpoint()
        self.asked.append((request, replaces))
        if self.failures:
            failure = self.failures.pop(0)
            if isinstance(failure, Exception):
                raise failure
            return bytes(failure)
        return bytes(self.issue(issuing.read_request(request)).public_bytes(Encoding.PEM))


@pytest.fixture
def data(tmp_path: Path, origin_keys: DataDir) -> DataDir:
    """A mirror's, with a certificate of 30 days."""
    data = DataDir(tmp_path / "mirror")
    data.keys.mkdir(parents=True)
    shutil.copy(origin_keys.ca_certificate, data.ca_certificate)
    key = issuing.new_server_key()
    pki.write_key(data.keys / SERVER.key, key)
    ca, ca_key = pki.load_ca(data.ca_certificate), pki.load_ca_key(origin_keys.keys / pki.CA_KEY)
    put(data, issuing.issue(CertificateRequest(key.public_key(), "paris", ("paris",)), ca, ca_key, 30))
    return data


def put(data: DataDir, certificate: x509.Certificate) -> None:
    pem = certificate.public_bytes(Encoding.PEM)
    (data.keys / SERVER.certificate).write_bytes(pem)


@pytest.fixture
def origin(origin_keys: DataDir, ca: x509.Certificate) -> OriginStub:
    ca_key = pki.load_ca_key(origin_keys.keys / pki.CA_KEY)
    return OriginStub(lambda request: issuing.issue(request, ca, ca_key, 30))


@pytest.fixture
def renewal(data: DataDir, origin: Any, ca: x509.Certificate) -> Renewal:
    return Renewal(origin, data, TrustFile(data.trust_file, ca), time.time, log)


def fits(data: DataDir) -> bool:
    key = pki.load_ec_key(data.keys / SERVER.key)
    return key.public_key() == pki.load_certificate(data.keys / SERVER.certificate).public_key()


def at(renewal: Renewal, days: float) -> Renewal:
    now_s = time.time() + days * DAY_S
    renewal._clock = lambda: now_s
    return renewal


def test_it_is_due_in_the_last_third_of_its_life(renewal: Renewal) -> None:
    assert [at(renewal, days).is_due() for days in (0, 19.9, 20.1, 31, 400)] == [False, False, True, True, True]


def test_it_is_due_when_the_origin_says_so(renewal: Renewal) -> None:
    renewal.learn(time.time() - DAY_S)
    assert not renewal.is_due()
    renewal.learn(time.time() + 2)
    assert renewal.is_due()


def test_it_is_due_when_it_is_revoked(
    renewal: Renewal, data: DataDir, origin_keys: DataDir, ca: x509.Certificate
) -> None:
    ca_key = pki.load_ca_key(origin_keys.keys / pki.CA_KEY)
    serial = pki.load_certificate(data.keys / SERVER.certificate).serial_number
    renewal._trust_file.take(next_list(b"", ca, ca_key, [Revoked(serial, 0.0)]))
    assert renewal.is_due()


def test_it_is_due_when_it_is_a_placeholder(renewal: Renewal, data: DataDir) -> None:
    key = pki.load_ec_key(data.keys / SERVER.key)
    (data.keys / SERVER.certificate).write_bytes(issuing.placeholder(key, ["paris"]))
    assert renewal.is_due()


async def test_it_is_renewed_with_another_key(
    renewal: Renewal, data: DataDir, origin: OriginStub, autojump_clock: MockClock
) -> None:
    old = pki.load_certificate(data.keys / SERVER.certificate)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(renewal.run)
        await trio.sleep(CHECK_S * 2)
        assert origin.asked == []
        renewal.learn(time.time() + 2 * DAY_S)
        await trio.sleep(1)
        assert [serial for _, serial in origin.asked] == [old.serial_number]
        nursery.cancel_scope.cancel()
    new = pki.load_certificate(data.keys / SERVER.certificate)
    assert (new != old, new.public_key() != old.public_key(), fits(data)) == (True, True, True)
    assert issuing.hosts_of(new)[0] == "paris"


async def test_it_tries_again_and_keeps_its_request_meanwhile(
    renewal: Renewal, data: DataDir, origin: OriginStub, autojump_clock: MockClock
) -> None:
    """An origin that is away; a CA that is offline; an answer that is no certificate."""
    key = pki.load_ec_key(data.keys / SERVER.key)
    (data.keys / SERVER.certificate).write_bytes(issuing.placeholder(key, ["paris"]))
    origin.failures = [Unavailable("origin", "away"), b"", b"", b"nonsense", b""]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(renewal.run)
        await trio.sleep(CHECK_S * 10)
        nursery.cancel_scope.cancel()
    assert len(origin.asked) == 6
    assert len({request for request, _ in origin.asked}) == 1
    assert fits(data)
    assert not renewal.is_due()


def test_a_certificate_of_another_ca_is_not_taken(data: DataDir, renewal: Renewal, origin: Any) -> None:
    other = issuing.new_server_key()
    origin.failures = [issuing.placeholder(other, ["paris"])]
    before = (data.keys / SERVER.certificate).read_bytes()
    renewal.learn(time.time() + timedelta(days=1).total_seconds())

    async def run() -> None:
        with trio.move_on_after(0.2):
            await renewal.run()

    trio.run(run)
    assert (data.keys / SERVER.certificate).read_bytes() == before
    assert key_pairs.waiting_request(data.keys, SERVER) is not None
