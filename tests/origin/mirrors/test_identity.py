"""How mirrors authenticate: a token is good once and for a time, a key until the mirror is revoked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from distd.domain.errors import BadInput
from distd.origin.mirrors import identity, mirrors
from distd.origin.mirrors.identity import MirrorIdentity
from distd.origin.mirrors.mirrors import NewMirror
from tests.fixtures.mirrors import join_mirror

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin


def test_a_token_is_good_once_and_for_a_time(origin: TestOrigin) -> None:
    secret = origin.act(mirrors.add, NewMirror("a", "http://[::1]:81"), origin.now_s)
    joined = origin.write(identity.join, secret, origin.now_s + identity.TOKEN_S)
    assert (joined.name, joined.hosts, len(joined.key)) == ("a", ["::1"], 64)
    with pytest.raises(BadInput):
        origin.write(identity.join, secret, origin.now_s)
    late = origin.act(mirrors.add, NewMirror("b", "http://b"), origin.now_s)
    with pytest.raises(BadInput):
        origin.write(identity.join, late, origin.now_s + identity.TOKEN_S + 1)


def test_the_names_of_its_certificate(origin: TestOrigin) -> None:
    new = NewMirror("a", "http://a.example:81", address="10.0.0.5")
    secret = origin.act(mirrors.add, new, origin.now_s)
    assert origin.write(identity.join, secret, origin.now_s).hosts == ["a.example", "10.0.0.5"]


def test_a_revoked_mirror_cannot_use_its_token(origin: TestOrigin) -> None:
    secret = origin.act(mirrors.add, NewMirror("a", "http://a"), origin.now_s)
    origin.act(mirrors.revoke, "a", origin.now_s)
    with pytest.raises(BadInput):
        origin.write(identity.join, secret, origin.now_s)


def test_the_key_is_that_of_the_mirror_until_it_is_revoked(origin: TestOrigin) -> None:
    join_mirror(origin, "a")
    key = join_mirror(origin, "b")
    assert origin.read(identity.identify, key) == MirrorIdentity(2, "b")
    assert origin.read(identity.identify, "0" * 64) is None
    assert origin.read(identity.identify, "") is None
    origin.act(mirrors.revoke, "b", origin.now_s)
    assert origin.read(identity.identify, key) is None


def test_neither_token_nor_key_is_kept(origin: TestOrigin) -> None:
    key = join_mirror(origin, "a")
    secret = origin.act(mirrors.add, NewMirror("b", "http://b"), origin.now_s)
    rows = str(origin.read(lambda conn: conn.exec_driver_sql("SELECT * FROM mirrors").all()))
    assert key not in rows
    assert secret not in rows
