"""`distd filter …`, and filters of `distd computer list`."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from sqlalchemy import update

from distd.catalogue.schema import computers
from distd.origin.installation import open_installation


@pytest.fixture
def room(site: Any) -> Any:
    """Three computers."""
    for number, (name, mib) in enumerate((("lyon-1", 4096), ("=cmd", None), ("paris", 8192)), 1):
        site.computer(f"pc-{number}")
        values = {"name": name, "name_key": name, "memory_bytes": None if mib is None else mib * 1_048_576}
        with open_installation(site.data) as installation, installation.catalogue.write() as conn:
            conn.execute(update(computers).where(computers.c.device_id == f"pc-{number}").values(**values))
    return site


def listed(site: Any, *options: str) -> list[str]:
    return [row["device_id"] for row in site("computer", "list", "--json", *options).json["items"]]


def test_a_filter_and_an_order(room: Any) -> None:
    assert listed(room, "lyon") == ["pc-1"]
    assert listed(room, "memory >= 4GiB", "--sort", "-memory") == ["pc-3", "pc-1"]
    assert listed(room, "--name", "pc-3", "memory >= 4GiB") == ["pc-3"]
    assert room("computer", "list", "nowhere").out == "No such computers.\n"
    done = room("computer", "list", "--sort", "-name", "--limit", "1")
    assert "1 of 3; --all shows the rest." in done.err


def test_what_is_wrong_is_one_line(room: Any) -> None:
    done = room("computer", "list", "memroy >= 8GiB")
    assert (done.status, done.out) == (2, "")
    assert done.err == ("distd: FILTER: expected a field, got memroy; perhaps memory; character 1: »memroy« >= 8GiB\n")
    for words in (["--sort", "nam"], ["--columns", "nam"], ["@nothing"]):
        done = room("computer", "list", *words)
        assert (done.status, len(done.err.splitlines())) == (2, 1), words


def test_chosen_columns(room: Any) -> None:
    assert [line.split() for line in room("computer", "list", "--columns", "name,memory").out.splitlines()] == [
        ["name", "memory_bytes"],
        ["lyon-1", "4.0", "GiB"],
        ["=cmd"],
        ["paris", "8.0", "GiB"],
    ]
    rows = room("computer", "list", "--columns", "name,memory", "--json", "memory > 5GiB").json["items"]
    assert rows == [{"name": "paris", "memory_bytes": 8 * 2**30}]


@pytest.mark.parametrize("columns", [[], ["--columns", "device_id,name,memory"]])
def test_everything_is_printed_while_it_is_read(room: Any, monkeypatch: pytest.MonkeyPatch, columns: list[str]) -> None:
    """What a spreadsheet would take for a formula gets an apostrophe."""
    monkeypatch.setattr("distd.cli.computer_lists.PART", 1)
    rows = list(csv.DictReader(io.StringIO(room("computer", "list", "--all", "--csv", *columns).out)))
    assert [row["name"] for row in rows] == ["lyon-1", "'=cmd", "paris"]
    whole = json.loads(room("computer", "list", "--all", "--json", *columns).out)
    assert [row["device_id"] for row in whole["items"]] == ["pc-1", "pc-2", "pc-3"]
    assert (whole["next"], whole["total"]) == (None, 3)
    nothing = json.loads(room("computer", "list", "--all", "--json", "nowhere").out)
    assert nothing == {"items": [], "next": None, "total": 0, "is_exact": True}
    assert room("computer", "list", "--all", "--csv", "nowhere").out == ""


def test_saved_filters(room: Any) -> None:
    assert room("filter", "list").out == "No saved filters.\n"
    assert room("filter", "save", "small", "memory<5GiB", "--description", "old").out == "Filter small: memory < 5GiB\n"
    assert room("filter", "save", "all", "name=* or x", "--shared", "--json").json["shared"] is True
    assert listed(room, "@small") == ["pc-1"]
    assert [row["name"] for row in room("filter", "list", "--json").json["items"]] == ["all", "small"]
    assert "memory < 5GiB" in room("filter", "show", "Small").out
    assert room("filter", "show", "small", "--json").json["description"] == "old"
    assert room("filter", "delete", "small").out == "Filter small is deleted.\n"
    for words in (["show", "small"], ["delete", "small"], ["save", "a/b", "x"], ["save", "a", "memroy > 1"]):
        done = room("filter", *words)
        assert (done.status, len(done.err.splitlines())) == (2, 1), words


def test_completion(room: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from distd.cli.completion import complete_filter

    monkeypatch.setenv("DISTD_DATA", str(room.data))
    nothing: Any = type("Context", (), {"params": {}})()
    found = [item.value for item in complete_filter(nothing, nothing, "memory > 1GiB me")]
    assert found == ["memory > 1GiB memory"]
    monkeypatch.setenv("DISTD_DATA", str(room.data / "nowhere"))
    assert complete_filter(nothing, nothing, "me") == []
