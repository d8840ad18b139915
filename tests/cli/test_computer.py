"""`distd computer …`: what an operator decides of computers."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from distd.catalogue.schema import computers

PC = "pc-2026-01-01-00-00-00"
OTHER = "pc-2026-01-01-00-00-01"


@pytest.fixture
def room(site: Any) -> Any:
    """Two computers: one in the waiting room, one of whose identity something has changed."""
    for name, column, value in ((PC, "waiting", True), (OTHER, "changed", "address mac")):
        site.computer(name)
        with site.write() as conn:
            conn.execute(update(computers).where(computers.c.device_id == name).values({column: value}))
    return site


def listed(site: Any, *options: str) -> list[str]:
    return [row["device_id"] for row in site("computer", "list", "--json", *options).json["items"]]


def test_the_waiting_room(room: Any) -> None:
    assert listed(room, "--waiting") == [PC]
    assert "in the waiting room" in room("computer", "show", PC).out
    assert room("computer", "admit", PC, OTHER).out == "1 computer admitted.\n"
    assert listed(room, "--waiting") == []
    assert room("computer", "list", "--waiting").out == "No such computers.\n"
    assert room("computer", "admit", "--all").out == "0 computers admitted.\n"
    for words in ([], [PC, "--all"]):
        assert room("computer", "admit", *words).status == 2


def test_what_has_changed(room: Any) -> None:
    assert listed(room, "--changed") == [OTHER]
    assert "address, mac" in room("computer", "show", OTHER).out
    assert room("computer", "set", OTHER, "changed=").out == f"Computer {OTHER}: changed set.\n"
    assert listed(room, "--changed") == []


def test_a_computer_is_bound_to_networks(room: Any) -> None:
    assert room("computer", "set", PC, "networks=10.0.0.0/8,fd00::/8").status == 0
    assert room("computer", "show", PC, "--json").json["computer"]["networks"] == ["10.0.0.0/8", "fd00::/8"]
    before = room.snapshot()
    for words in (["networks=10.0.0.1/8"], ["networks"], ["colour=red"], []):
        done = room("computer", "set", PC, *words)
        assert (done.status, len(done.err.splitlines())) == (2, 1), words
    assert room.snapshot() == before


def test_tokens_are_revoked(room: Any) -> None:
    assert room("computer", "revoke", PC, OTHER).out.splitlines() == [
        f"Computer {PC}: its tokens are revoked.",
        f"Computer {OTHER}: its tokens are revoked.",
    ]
    assert room("computer", "revoke", "nobody").status == 2
    kinds = [event["kind"] for event in room("events", "--audit", "--json").json["items"]]
    assert kinds.count("TOKENS_REVOKED") == 2
