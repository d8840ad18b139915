"""A mirror's data directory, and what the mirror knows from its last run."""

from __future__ import annotations

import itertools
import os
import stat
from typing import TYPE_CHECKING

import pytest
from msgspec import UNSET

from distd.domain.errors import BadInput, Corrupt
from distd.wire import packing
from distd.wire.mirror_events import State, WantedPackage
from redistrib.mirror_dir import (
    Identity,
    building_mirror,
    create_mirror,
    open_mirror,
    read_identity,
    read_settings,
    read_state,
    write_identity,
    write_state,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from redistrib.mirror_dir import MirrorDir
    from tests.fixtures.disk_steps import Steps

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


@pytest.fixture
def strict_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


MODES = {".": 0o755, "download": 0o755, "fragments": 0o755, "incoming": 0o755, "spool": 0o700, "keys": 0o700}


def modes(root: Path) -> dict[str, int]:
    return {name: stat.S_IMODE((root / name).stat().st_mode) for name in MODES}


def test_others_may_read_packages_and_nobody_else_the_keys(tmp_path: Path, strict_umask: None) -> None:
    """Whatever the umask says, and whatever modes the folders had."""
    root = tmp_path / "a" / "mirror"
    create_mirror(root)
    assert modes(root) == MODES
    assert stat.S_IMODE((root / "redistrib.toml").stat().st_mode) == 0o640
    for name in MODES:
        (root / name).chmod(0o711)
    create_mirror(root)
    assert modes(root) == MODES


def join(mirror: MirrorDir) -> None:
    """Put in what a join puts in."""
    mirror.data.ca_certificate.write_text("CA")
    for name in ("mirror.json", "server.pem", "server.key"):
        (mirror.data.keys / name).write_text(f"new {name}")


def test_a_new_mirror_is_there_as_a_whole_or_not_at_all(tmp_path: Path, strict_umask: None) -> None:
    root = tmp_path / "a" / "b" / "mirror"

    def fail(mirror: MirrorDir) -> None:
        join(mirror)
        raise KeyError

    with pytest.raises(KeyError), building_mirror(root) as mirror:
        fail(mirror)
    assert list(tmp_path.iterdir()) == []
    with building_mirror(root) as mirror:
        join(mirror)
        assert not root.exists()
    assert (root / "keys" / "mirror.json").read_text() == "new mirror.json"
    assert modes(root) == MODES
    assert [path.name for path in root.parent.iterdir()] == ["mirror"]


def test_a_mirror_in_a_folder_that_is_there_already(tmp_path: Path, steps: Steps) -> None:
    root = tmp_path / "mirror"
    (root / "download" / "17").mkdir(parents=True)
    (root / "keys").mkdir()
    (root / "keys" / "other.pem").write_text("kept")
    (root / "redistrib.toml").write_text("# kept")
    root.chmod(0o700)
    with building_mirror(root) as mirror:
        join(mirror)
    assert sorted(path.name for path in root.iterdir()) == [
        "cacert.pem", "download", "fragments", "incoming", "keys", "redistrib.toml", "spool",
    ]  # fmt: skip
    assert [path.name for path in (root / "download").iterdir()] == ["17"]
    assert [path.name for path in sorted((root / "keys").iterdir())] == [
        "mirror.json", "other.pem", "server.key", "server.pem",
    ]  # fmt: skip
    assert (root / "redistrib.toml").read_text() == "# kept"
    assert stat.S_IMODE(root.stat().st_mode) == 0o755
    assert steps[-3:] == [("rename", "mirror.json"), ("fsync", "keys"), ("fsync", "mirror")]


@pytest.mark.parametrize("has_keys", [False, True])
def test_wherever_it_is_cut_off_an_identity_has_all_that_belongs_to_it(
    tmp_path: Path, has_keys: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = os.rename
    for allowed in itertools.count():
        root = tmp_path / str(allowed)
        (root / "keys" if has_keys else root).mkdir(parents=True)
        left = itertools.count(allowed, -1)

        def limited(source: Path, target: Path, left: Iterator[int] = left) -> None:
            if next(left) <= 0:
                raise OSError("cut off")
            rename(source, target)

        monkeypatch.setattr(os, "rename", limited)
        try:
            with building_mirror(root) as mirror:
                join(mirror)
            is_cut_off = False
        except (BadInput, OSError):
            is_cut_off = True
        names = {path.relative_to(root).as_posix() for path in root.rglob("*")}
        needed = {"cacert.pem", "keys/server.pem", "keys/server.key", "download", "redistrib.toml"}
        assert needed <= names if "keys/mirror.json" in names else is_cut_off
        if not is_cut_off:
            assert allowed > 5
            return


def test_other_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--data: expected a folder made by `redistrib join`"):
        open_mirror(tmp_path)
    (tmp_path / "file").touch()
    for root in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(BadInput, match=r"--data: expected a folder that can be made, got .*; (Not a dir|File exi)"):
            create_mirror(root)
        with pytest.raises(BadInput, match="--data: expected a folder that can be made"), building_mirror(root):
            pass


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
