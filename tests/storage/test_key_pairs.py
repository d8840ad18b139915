"""A key and its certificate are replaced together: whatever a crash leaves, they fit, and it is finished."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from distd.domain.errors import BadInput
from distd.storage import atomic, issuing, key_pairs, pki
from distd.storage.key_pairs import SERVER, SIGNER

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography import x509

    from distd.storage.data_dir import DataDir


@pytest.fixture
def keys(site_keys: DataDir, tmp_path: Path) -> Path:
    """A copy of a site's keys."""
    return shutil.copytree(site_keys.keys, tmp_path / "keys")


@pytest.fixture
def issue(keys: Path, ca: x509.Certificate) -> Any:
    """Prepares the next key of a pair; gives its certificate."""

    def issue(pair: Any) -> Any:
        key = issuing.new_signer_key() if pair is SIGNER else issuing.new_server_key()
        request = issuing.make_request(key, () if pair is SIGNER else ("packages.example",))
        key_pairs.prepare(keys, pair, key, request)
        return issuing.issue(issuing.read_request(request), ca, pki.load_ca_key(keys / pki.CA_KEY))

    return issue


def fits(keys: Path, pair: Any) -> bool:
    certificate = pki.load_certificate(keys / pair.certificate)
    return pki.load_key(keys / pair.key).public_key() == certificate.public_key()


@pytest.mark.parametrize("pair", key_pairs.PAIRS)
def test_the_next_pair_takes_the_place_of_the_one_before(keys: Path, issue: Any, pair: Any) -> None:
    before = pki.load_certificate(keys / pair.certificate)
    certificate = issue(pair)
    assert pki.load_certificate(keys / pair.certificate) == before
    assert key_pairs.waiting_request(keys, pair) is not None
    key_pairs.commit(keys, pair, certificate)
    assert (pki.load_certificate(keys / pair.certificate), fits(keys, pair)) == (certificate, True)
    assert key_pairs.retired(keys, pair) == [before]
    assert [path.name for path in keys.glob("next-*")] == []
    assert (keys / pair.key).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("pair", key_pairs.PAIRS)
def test_a_crash_at_any_step_is_finished_or_undone(
    keys: Path, issue: Any, pair: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each call that changes the folder, in turn."""
    certificate = issue(pair)
    start = {path.name: path.read_bytes() for path in keys.iterdir()}
    for steps in range(20):
        for path in keys.iterdir():
            path.unlink()
        for name, content in start.items():
            (keys / name).write_bytes(content)
        left = iter(range(steps))

        def step(call: Any, left: Any = left) -> Any:
            def counted(*arguments: Any, **named: Any) -> Any:
                if next(left, None) is None:
                    raise KeyboardInterrupt
                return call(*arguments, **named)

            return counted

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", step(os.replace))
            patch.setattr(atomic, "write_file", step(atomic.write_file))
            try:
                key_pairs.commit(keys, pair, certificate)
            except KeyboardInterrupt:
                done = False
            else:
                done = True
        committed = (keys / f"next-{pair.name}.pem").exists() or done
        key_pairs.settle(keys)
        assert fits(keys, pair)
        assert (pki.load_certificate(keys / pair.certificate) == certificate) is committed
        if done:
            assert steps >= 4
            return
    raise AssertionError("it never ends")


def test_a_certificate_of_another_key_is_refused(keys: Path, issue: Any) -> None:
    other = issue(SERVER)
    issue(SERVER)
    with pytest.raises(BadInput, match="one for the server key that waits for it"):
        key_pairs.commit(keys, SERVER, other)
    with pytest.raises(BadInput):
        key_pairs.commit(keys, SIGNER, other)
    assert fits(keys, SERVER)


def test_so_many_certificates_before_are_kept(keys: Path, issue: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_pairs, "MAX_RETIRED", 2)
    for _ in range(4):
        key_pairs.commit(keys, SIGNER, issue(SIGNER))
    assert len(key_pairs.retired(keys, SIGNER)) == 2
