"""`distd source …`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

URL = "https://downloads.example/putty.exe"


def test_a_source_from_its_beginning_to_its_end(site: Any) -> None:
    package_id = site.build()
    assert site("source", "list").out == "No sources are watched.\n"
    made = site("source", "watch", "putty", package_id, URL, "--every", "6h")
    assert made.out == f"{URL} is looked at every 6 h 0 min, for {package_id}.\n"
    assert site("source", "list").out.splitlines()[1].split()[:3] == ["putty", package_id, URL]
    assert "not looked at yet" in site("source", "show", "putty").out
    found = site("source", "show", "Putty", "--json").json
    assert (found["every_s"], found["with_assignments"], found["kind"]) == (21_600, True, "URL")
    assert site("source", "check", "putty").out.startswith(f"{URL} is looked at in a moment")
    assert site("source", "check", "putty", "--json").json["name"] == "putty"
    edited = site("source", "edit", "putty", "--every", "1d", "--without-assignments")
    assert edited.out == f"{URL} is looked at every 24 h 0 min, for {package_id}.\n"
    assert site("source", "edit", "putty", "--name", "PuTTY", "--json").json["name"] == "PuTTY"
    nothing, other = site("source", "edit", "putty"), site("source", "edit", "putty", "--place", "http://h/x")
    assert (nothing.status, other.status, "--place" in other.err) == (2, 2, True)
    assert site("source", "delete", "putty").out == f"{URL} is not watched any more.\n"
    gone = site("source", "delete", "putty")
    assert (gone.status, "see `distd source list`" in gone.err) == (2, True)


def test_paths_are_within_the_folders_of_the_setting(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    package_id, folder = site.build(), site.folder / "srv"
    folder.mkdir()
    refused = site("source", "watch", "it", package_id, folder)
    assert (refused.status, "sources.folders" in refused.err) == (2, True)
    monkeypatch.setenv("DISTD_SOURCES_FOLDERS", f"{folder}:{site.data}")
    made = site("source", "watch", "it", package_id, folder, "--json")
    assert made.status == 0, made.err
    assert made.json["kind"] == "PATH"
    inside = site("source", "watch", "keys", package_id, site.data / "keys")
    assert (inside.status, "outside of the data directory" in inside.err) == (2, True)
    assert site("source", "watch", "fast", package_id, URL, "--every", "1s").status == 2
