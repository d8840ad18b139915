"""Where watched sources may be."""

from __future__ import annotations

import pytest

from distd.domain.errors import BadInput
from distd.domain.watched_source import (
    PlaceKind,
    check_interval,
    check_path,
    file_name,
    read_folders,
    read_place,
    without_queries,
)


@pytest.mark.parametrize(
    ("text", "kind"),
    [("/srv/a b", PlaceKind.PATH), ("https://h/a/setup.exe?x=1", PlaceKind.URL), ("https://h:8/a%20b", PlaceKind.URL)],
)
def test_places(text: str, kind: PlaceKind) -> None:
    assert read_place(text) is kind


@pytest.mark.parametrize(
    "text",
    [
        *("", "srv/a", "/srv/../etc", "/a\n", "/" + "x" * 5000, "http://h/a", "ftp://h/a", "https://u:p@h/a"),
        *("https:///a", "https://h", "https://h/", "https://h/..", "https://h:x/a", "https://h/é", "https://h/a%2Fb"),
        *("https://h/.htaccess", "https://h/" + "x" * 201, "https://h/%ff"),
    ],
)
def test_what_is_no_place(text: str) -> None:
    with pytest.raises(BadInput) as raised:
        read_place(text)
    assert raised.value.field == "place"


def test_the_name_of_a_file_is_the_last_part_of_its_url() -> None:
    assert file_name("https://h/a/my%20setup.exe?version=2#x") == "my setup.exe"


@pytest.mark.parametrize(
    ("path", "folders", "is_allowed"),
    [
        ("/srv/a/x", ("/srv/a",), True),
        ("/srv/a", ("/srv/a",), True),
        ("/srv/ab", ("/srv/a",), False),
        ("/srv/a", (), False),
        ("/data/keys", ("/",), False),
        ("/", ("/",), False),
        ("/datastore", ("/",), True),
    ],
)
def test_paths_are_in_the_folders_and_outside_of_the_data_directory(
    path: str, folders: tuple[str, ...], is_allowed: bool
) -> None:
    if is_allowed:
        check_path(path, folders, "/data")
    else:
        with pytest.raises(BadInput):
            check_path(path, folders, "/data")


def test_folders_are_a_list_with_colons() -> None:
    assert read_folders("/a b/:/c", "x") == ("/a b", "/c")
    for text in ("a", "/a/../b"):
        with pytest.raises(BadInput, match="with colons"):
            read_folders(text, "x")


def test_intervals() -> None:
    assert check_interval(60.5) == 60
    for every_s in (59, 31 * 86_400, float("nan")):
        with pytest.raises(BadInput):
            check_interval(every_s)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://h/a.zip?key=1&b=2", "https://h/a.zip?…"),
        ("https://h/a?key=1: answers 404", "https://h/a?…: answers 404"),
        ("http://h/a?x: see http://g/b?y#z", "http://h/a?…: see http://g/b?…"),
        ("https://h/a.zip", "https://h/a.zip"),
        ("/srv/a?b", "/srv/a?b"),
    ],
)
def test_queries_are_not_shown(text: str, shown: str) -> None:
    assert without_queries(text) == shown
