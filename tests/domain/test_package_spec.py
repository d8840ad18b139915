"""What a package is to be: judged from values alone. The checks with real sources are in tests/packaging."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from distd.domain.errors import BadInput
from distd.domain.fragment_plan import ByContent, ByCount
from distd.domain.package_spec import (
    NO_SOURCE,
    TARGETS,
    PackageSpec,
    SourceFacts,
    SourceKind,
    check_source,
    check_values,
    info_of,
    warnings,
)
from distd.domain.records import Action, Digest, OperatingSystem

LINUX, WINDOWS = OperatingSystem.LINUX, OperatingSystem.WINDOWS
SPEC = PackageSpec(LINUX, 5, Action.STORE, "/opt/x")
FOLDER = SourceFacts(SourceKind.FOLDER, "/src", 3000, frozenset({"a", "bin/b"}), ("a", "bin"))
ZIP = SourceFacts(SourceKind.ZIP, "/x.zip", 3000, frozenset({"a", "bin/b"}))


def spec(**changes: Any) -> PackageSpec:
    return dataclasses.replace(SPEC, **changes)


def test_every_action_has_its_option() -> None:
    assert set(TARGETS) == set(Action)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"priority": 11}, "priority"),
        ({"digest": Digest.SHA256}, "digest"),
        ({"target": "a b"}, "target"),
        ({"action": Action.LAUNCH, "target": "a-b"}, "target"),
        ({"action": Action.EXECUTE, "target": ""}, "target"),
        ({"plan": ByCount(0)}, "fragments.count"),
    ],
)
def test_values_that_cannot_be(changes: dict[str, Any], field: str) -> None:
    check_values(SPEC)
    with pytest.raises(BadInput) as caught:
        check_values(spec(**changes))
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("changes", "source", "message"),
    [
        ({}, NO_SOURCE, "as the action STORE needs one, got nothing"),
        ({}, dataclasses.replace(FOLDER, top_names=(".a", ".b")), "something to store that is not hidden, got /src"),
        ({}, dataclasses.replace(FOLDER, top_names=()), "something to store that is not hidden, got /src"),
        ({"os": WINDOWS}, dataclasses.replace(ZIP, kind=SourceKind.TAR_GZ), "a zip for Windows, got /x.zip, a tar.gz"),
        ({"plan": ByCount(3)}, ZIP, "1 to 2 for 3000 bytes"),
        ({"action": Action.LAUNCH, "target": "c"}, FOLDER, "a file of the package, such as a, bin/b, got c"),
        ({"line_ends": b"\n"}, FOLDER, "a script, got /src, which is no plain file"),
    ],
)
def test_sources_that_do_not_fit(changes: dict[str, Any], source: SourceFacts, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        check_source(spec(**changes), source)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "source"),
    [
        ({}, FOLDER),
        ({}, ZIP),
        ({"os": WINDOWS}, dataclasses.replace(FOLDER, top_names=(".a",))),
        ({"plan": ByCount(3)}, FOLDER),  # the size of its archive is not known yet
        ({"plan": ByContent()}, ZIP),
        ({"action": Action.EXECUTE}, NO_SOURCE),
        ({"action": Action.LAUNCH, "target": "./bin/b -x"}, ZIP),
        ({"action": Action.LAUNCH, "target": "BIN\\B /S", "os": WINDOWS}, ZIP),
    ],
)
def test_sources_that_fit(changes: dict[str, Any], source: SourceFacts) -> None:
    check_source(spec(**changes), source)


@pytest.mark.parametrize(
    ("changes", "source", "words"),
    [
        ({}, FOLDER, []),
        ({"priority": 0}, FOLDER, ["priority 0 comes alone"]),
        ({}, ZIP, ["a Unix agent needs unzip for it"]),
        ({"os": WINDOWS}, ZIP, []),
        ({}, dataclasses.replace(FOLDER, top_names=("a", ".c", ".b")), ["so not .b, .c at the top of the folder"]),
        ({"os": WINDOWS}, dataclasses.replace(FOLDER, top_names=("a", ".b")), []),
        ({"action": Action.EXECUTE}, dataclasses.replace(FOLDER, top_names=("a", ".b")), []),
    ],
)
def test_warnings(changes: dict[str, Any], source: SourceFacts, words: list[str]) -> None:
    found = warnings(spec(**changes), source)
    assert len(found) == len(words)
    assert all(word in text for word, text in zip(words, found, strict=True))


def test_a_build_takes_twice_what_is_still_to_be_packed() -> None:
    assert (FOLDER.build_bytes, ZIP.build_bytes, NO_SOURCE.build_bytes) == (6000, 3000, 0)


@pytest.mark.parametrize(("count", "digest"), [(3, "0102"), (0, "")])
def test_the_info_has_a_digest_where_there_are_fragments(count: int, digest: str) -> None:
    info = info_of("17", SPEC, count, b"\x01\x02")
    assert (info.id, info.fragments, info.digest, info.digest_algo) == ("17", count, digest, "MD5")
