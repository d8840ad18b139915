"""Keys of tokens: another one makes them, the ones before count for as long as was said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from distd.domain.errors import BadInput
from distd.storage import atomic, pki, token_keys
from distd.wire import tokens

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    (tmp_path / pki.TOKEN_KEY).write_bytes(b"k" * 32)
    return tmp_path


def test_a_folder_of_the_version_before_has_one_key(keys: Path) -> None:
    assert token_keys.load(keys).accepted(0.0) == (b"k" * 32,)


def test_a_token_counts_until_the_time_that_was_said(keys: Path) -> None:
    token = tokens.make_endless(b"k" * 32, 46)
    found = token_keys.rotate(keys, 100.0, 1000.0)
    assert found == token_keys.load(keys)
    assert found.current != b"k" * 32
    assert tokens.check_any(found.accepted(1099.0), token) == 46
    assert tokens.check_any(found.accepted(1100.0), token) is None
    assert tokens.check_any(found.accepted(1100.0), tokens.make_endless(found.current, 46)) == 46


def test_the_new_key_is_accepted_before_it_makes_tokens(keys: Path) -> None:
    """Several processes read the files one after the other: a token of the first must count for the others."""
    seen: list[token_keys.TokenKeys] = []
    found = token_keys.rotate(keys, 0.0, 1000.0, lambda: seen.append(token_keys.load(keys)))
    assert seen[0].accepted(1001.0) == (b"k" * 32, found.current)
    assert found.accepted(1001.0) == (found.current,)


def test_a_leaked_key_counts_no_longer(keys: Path) -> None:
    token = tokens.make_endless(b"k" * 32, 46)
    assert tokens.check_any(token_keys.rotate(keys, 0.0, 1000.0).accepted(1000.0), token) is None


def test_the_number_of_keys_is_bounded_and_what_has_run_out_is_removed(keys: Path) -> None:
    for number in range(12):
        token_keys.rotate(keys, 100.0, 1000.0 + number)
    assert len(token_keys.load(keys).accepted(1011.0)) == token_keys.MAX_EARLIER
    assert len(token_keys.rotate(keys, 100.0, 5000.0).earlier) == 1


def test_a_crash_between_the_two_files_loses_no_key(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = atomic.write_file

    def write_one(path: Path, data: bytes, mode: int = 0o644) -> None:
        if path.name == pki.TOKEN_KEY:
            raise KeyboardInterrupt
        written(path, data, mode)

    with monkeypatch.context() as patch:
        patch.setattr(atomic, "write_file", write_one)
        with pytest.raises(KeyboardInterrupt):
            token_keys.rotate(keys, 100.0, 1000.0)
    assert token_keys.load(keys).accepted(1001.0)[0] == b"k" * 32
    assert b"k" * 32 in token_keys.rotate(keys, 100.0, 1001.0).accepted(1002.0)[1:]


@pytest.mark.parametrize("content", [b"", b"{}", b'[{"key": "00", "until_s": 1}]', b"\xff"])
def test_a_file_that_cannot_be_read_is_an_error(keys: Path, content: bytes) -> None:
    (keys / token_keys.EARLIER).write_bytes(content)
    with pytest.raises(BadInput, match="earlier keys of the agents' tokens"):
        token_keys.load(keys)
