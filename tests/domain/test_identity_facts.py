"""What a computer is known by, and which changes of it are flagged."""

from __future__ import annotations

import pytest

from distd.domain.identity_facts import MAX_MACS, IdentityFacts, changes, network_of, read_macs

UNIX = "OCS-NG_unified_unix_agent_v2.10.0"
WINDOWS = "OCS-NG_WINDOWS_AGENT_v2.9.2.0"
ONE, TWO = frozenset({"52:54:00:00:00:01"}), frozenset({"52:54:00:00:00:02"})

# before, after, (fact, flagged)
CASES = {
    "nothing": (IdentityFacts("10.0.0.1", UNIX, "S1", ONE), IdentityFacts("10.0.0.1", UNIX, "S1", ONE), []),
    "nothing was known": (IdentityFacts(), IdentityFacts("10.0.0.1", UNIX, "S1", ONE), []),
    "nothing is known now": (IdentityFacts("10.0.0.1", UNIX, "S1", ONE), IdentityFacts(), []),
    "near": (IdentityFacts("10.0.0.1"), IdentityFacts("10.0.0.200"), [("address", False)]),
    "far": (IdentityFacts("10.0.0.1"), IdentityFacts("10.0.1.1"), [("address", True)]),
    "near, IPv6": (IdentityFacts("fd00::1"), IdentityFacts("fd00::2"), [("address", False)]),
    "far, IPv6": (IdentityFacts("fd00::1"), IdentityFacts("fd00:0:0:1::1"), [("address", True)]),
    "a newer agent": (IdentityFacts(user_agent=UNIX), IdentityFacts(user_agent=UNIX[:-1] + "5"), [("agent", False)]),
    "another agent": (IdentityFacts(user_agent=UNIX), IdentityFacts(user_agent=WINDOWS), [("agent", True)]),
    "serial": (IdentityFacts(serial="S1"), IdentityFacts(serial="S2"), [("serial", True)]),
    "all interfaces": (IdentityFacts(macs=ONE), IdentityFacts(macs=TWO), [("mac", True)]),
    "one more interface": (IdentityFacts(macs=ONE), IdentityFacts(macs=ONE | TWO), []),
    "all of it": (
        IdentityFacts("10.0.0.1", UNIX, "S1", ONE),
        IdentityFacts("10.1.0.1", "distd-agent/0.1.0", "S2", TWO),
        [("address", True), ("agent", True), ("serial", True), ("mac", True)],
    ),
}


@pytest.mark.parametrize(("before", "after", "expected"), CASES.values(), ids=CASES)
def test_changes(before: IdentityFacts, after: IdentityFacts, expected: list[tuple[str, bool]]) -> None:
    assert [(str(change.fact), change.flagged) for change in changes(before, after)] == expected


def test_a_change_says_from_what_to_what() -> None:
    (change,) = changes(IdentityFacts(macs=ONE | TWO), IdentityFacts(macs=frozenset({"52:54:00:00:00:03"})))
    assert (change.before, change.after) == ("52:54:00:00:00:01 52:54:00:00:00:02", "52:54:00:00:00:03")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.1.2.3", "10.1.2.0/24"),
        ("::ffff:10.1.2.3", "10.1.2.0/24"),
        ("fe80::1%eth0", "fe80::/64"),
        ("no address", "no address"),
    ],
)
def test_networks(address: str, network: str) -> None:
    assert network_of(address) == network


def test_macs_are_read_as_agents_write_them() -> None:
    assert read_macs(["52-54-00-AB-CD-EF", " 52:54:00:00:00:01", "", "none", "00:00:00:00:00:00"]) == {
        "52:54:00:ab:cd:ef",
        "52:54:00:00:00:01",
    }
    many = [f"52:54:00:00:00:{number:02x}" for number in range(100)]
    assert read_macs(many) == set(many[:MAX_MACS])
