"""Addresses of peers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distd.domain.addresses import CHARACTERS, is_loopback, peer_of
from distd.domain.computer_facts import canonical_address


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("LOCALHOST", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.1", False),
        ("fe80::1%eth0", False),
        ("localhost.example.org", False),
        ("127.0.0.1.example.org", False),
        ("", False),
    ],
)
def test_which_are_of_this_machine(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    ("address", "peer"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("no address", "no address"),
    ],
)
def test_what_is_taken_for_one_peer(address: str, peer: str) -> None:
    assert peer_of(address) == peer


@given(st.ip_addresses())
def test_characters_of_all_addresses(address: object) -> None:
    assert CHARACTERS.issuperset(canonical_address(f"{address}%eth0"))
