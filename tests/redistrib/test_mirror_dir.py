"""A mirror's data directory, and what the mirror knows from its last run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec import UNSET

from distd.domain.errors import BadInput, Corrupt
from distd.wire import packing
from distd.wire.mirror_events import State, WantedPackage
from redistrib.mirror_dir import (
    Identity,
    create_mirror,
    open_mirror,
    read_identity,
    read_settings,
    read_state,
    write_identity,
    write_state,
)

if TYPE_CHECKING:
    from pathlib import Path

    from redistrib.mirror_dir import MirrorDir

STATE = State(9, [WantedPackage("17", 2, 300, True)], ["other:80"], "o:80", "o:443")


@pytest.fixture
def mirror(tmp_path: Path) -> MirrorDir:
    return create_mirror(tmp_path / "mirror")


def test_it_is_made_once_and_opened(mirror: MirrorDir) -> None:
    assert sorted(path.name for path in mirror.root.iterdir()) == [
        "download",
        "fragments",
        "incoming",
        "keys",
        "redistrib.toml",
        "spool",
    ]
    mirror.settings_file.write_text("[server]\nhttp = '0.0.0.0:99'\n")
    assert create_mirror(mirror.root) == open_mirror(mirror.root) == mirror
    assert read_settings(mirror, {}, {}).server.http == "0.0.0.0:99"


def test_other_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--data: expected a folder made by `redistrib join`"):
        open_mirror(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="--data: expected a folder that can be made"):
        create_mirror(tmp_path / "file")


def test_settings_come_from_the_command_line_the_environment_and_the_file(mirror: MirrorDir) -> None:
    mirror.settings_file.write_text("[store]\nquota_mib = 1\nkeep_free_mib = 1\n[redistrib]\nwait_s = 1\n")
    environment = {"DISTD_STORE_QUOTA_MIB": "2", "DISTD_STORE_KEEP_FREE_MIB": "2"}
    settings = read_settings(mirror, environment, {"store.quota_mib": "3"})
    assert [settings.store.quota_mib, settings.store.keep_free_mib] == [3, 2]
    assert settings.redistrib.wait_s == 1


@pytest.mark.parametrize("content", [b"[store", b"\xff"])
def test_settings_that_cannot_be_read(mirror: MirrorDir, content: bytes) -> None:
    mirror.settings_file.write_bytes(content)
    with pytest.raises(BadInput, match=r"redistrib\.toml: expected TOML"):
        read_settings(mirror, {}, {})


def test_who_it_is(mirror: MirrorDir) -> None:
    assert read_identity(mirror) is None
    identity = Identity("paris", "https://origin", "key")
    write_identity(mirror, identity)
    assert read_identity(mirror) == identity
    assert mirror.identity_file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"name": 1, "origin": "x", "key": "x"}', b"\xff"])
def test_an_identity_that_cannot_be_read(mirror: MirrorDir, content: bytes) -> None:
    mirror.identity_file.write_bytes(content)
    with pytest.raises(BadInput, match="--data: expected an identity written by `redistrib join`"):
        read_identity(mirror)


def test_what_it_is_to_have(mirror: MirrorDir) -> None:
    assert read_state(mirror) is None
    write_state(mirror, STATE)
    kept = read_state(mirror)
    assert kept is not None
    assert (kept.packages, kept.http, kept.https, kept.seq) == (STATE.packages, "o:80", "o:443", 0)
    assert kept.mirrors is UNSET


@pytest.mark.parametrize("content", [b"cut", packing.pack({"kind": "beat", "seq": 1}), b""])
def test_a_state_that_cannot_be_read(mirror: MirrorDir, content: bytes) -> None:
    mirror.state_file.write_bytes(content)
    with pytest.raises(Corrupt, match="state"):
        read_state(mirror)


def test_the_state_of_the_version_before_is_read(mirror: MirrorDir) -> None:
    """Its keys, in its order, as it wrote them."""
    message = {"kind": "state", "seq": 0, "packages": [["17", 2, 300, True]], "http": "o:80", "https": "o:443"}
    mirror.state_file.write_bytes(packing.pack(message))
    assert read_state(mirror) == State(0, STATE.packages, http="o:80", https="o:443")
