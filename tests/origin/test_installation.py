"""An installation is created as a whole or not at all, and is recognised later."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue.engine import open_catalogue
from distd.domain.errors import BadInput
from distd.domain.settings import TABLE, load
from distd.origin.installation import create_installation
from distd.storage import pki
from distd.storage.data_dir import open_data_dir

if TYPE_CHECKING:
    from pathlib import Path

MODES = {
    "cacert.pem": 0o644,
    "catalogue.db": 0o640,
    "distd.toml": 0o640,
    "download": 0o755,
    "keys": 0o700,
    "keys/ca.key": 0o600,
    "keys/server.key": 0o600,
    "keys/server.pem": 0o644,
    "keys/signer.key": 0o600,
    "keys/signer.pem": 0o644,
    "keys/token.key": 0o600,
}


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000], ids=oct)
@pytest.mark.parametrize("there", [False, True], ids=["not there", "empty"])
def test_what_is_made(tmp_path: Path, umask: Any, there: Any) -> None:
    root = tmp_path / "site"
    if there:
        root.mkdir()
    before = os.umask(umask)
    try:
        data = create_installation(root, ["packages.example"])
    finally:
        os.umask(before)
    made = {path.relative_to(root).as_posix(): stat.S_IMODE(path.stat().st_mode) for path in root.rglob("*")}
    assert made == MODES
    assert stat.S_IMODE(root.stat().st_mode) == 0o755
    assert open_data_dir(root) == data


def test_folders_above_it_are_made_too(tmp_path: Path) -> None:
    assert open_data_dir(create_installation(tmp_path / "a" / "b", ["h"]).root)


def test_the_paths_are_those_of_what_was_made(tmp_path: Path) -> None:
    data = create_installation(tmp_path, ["packages.example"])
    assert data.package("17") == tmp_path / "download" / "17"
    assert pki.load_signer(data.keys)
    assert pki.load_ca(data.ca_certificate)
    with open_catalogue(data.catalogue) as catalogue, catalogue.read() as conn:
        assert conn.exec_driver_sql("SELECT count(*) FROM packages").scalar() == 0


def test_the_settings_are_the_defaults_and_the_host(tmp_path: Path) -> None:
    data = create_installation(tmp_path, ["packages.example", "10.0.0.1"])
    text = data.settings_file.read_text()
    assert tomllib.loads(text)["server"] == {"host": "packages.example"}
    settings = load(tomllib.loads(text), {}, {})
    for name, setting in TABLE.items():
        expected = "packages.example" if name == "server.host" else setting.default
        assert settings.value(name) == expected, name


def test_what_is_commented_out_is_every_setting_at_its_default(tmp_path: Path) -> None:
    text = create_installation(tmp_path, ["localhost"]).settings_file.read_text()
    for setting in TABLE.values():
        assert f"# {setting.meaning}\n" in text, setting.name
    spoken = [line.removeprefix("# ") if " = " in line else line for line in text.splitlines()]
    settings = tomllib.loads("\n".join(spoken))
    assert settings == {
        section: {name.split(".")[1]: row.default for name, row in TABLE.items() if name.startswith(f"{section}.")}
        for section in dict.fromkeys(name.split(".")[0] for name in TABLE)
    }


# --- refusals ----------------------------------------------------------------------------------------------------


def no_folder(root: Any) -> None:
    pass


def empty(root: Any) -> None:
    root.mkdir()


def only_settings(root: Any) -> None:
    root.mkdir()
    (root / "distd.toml").write_text("")


def no_settings(root: Any) -> None:
    (root / "download").mkdir(parents=True)


def a_file(root: Any) -> None:
    root.write_text("")


@pytest.mark.parametrize("make", [no_folder, empty, only_settings, no_settings, a_file])
def test_what_is_no_data_directory(tmp_path: Path, make: Any) -> None:
    make(tmp_path / "site")
    with pytest.raises(BadInput, match=r"data: expected a data directory made by `distd init`, got .*site"):
        open_data_dir(tmp_path / "site")


@pytest.mark.parametrize("make", [only_settings, no_settings, a_file])
def test_what_is_there_is_not_touched(tmp_path: Path, snapshot: Any, make: Any) -> None:
    make(tmp_path / "site")
    before = snapshot(tmp_path)
    with pytest.raises(BadInput, match="data: expected a folder that is empty or not there yet"):
        create_installation(tmp_path / "site", ["h"])
    assert snapshot(tmp_path) == before


def test_a_data_directory_is_not_made_twice(tmp_path: Path, snapshot: Any) -> None:
    create_installation(tmp_path, ["h"])
    before = snapshot(tmp_path)
    with pytest.raises(BadInput, match="data"):
        create_installation(tmp_path, ["h"])
    assert snapshot(tmp_path) == before


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=r"data: expected a folder that can be made, got .*Not a directory"):
        create_installation(tmp_path / "file" / "site", ["h"])
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("hosts", [["a b"], ["good.example", "-bad"]])
def test_a_bad_host_is_refused_before_anything_is_made(tmp_path: Path, hosts: Any) -> None:
    with pytest.raises(BadInput, match="hosts"):
        create_installation(tmp_path / "site", hosts)
    assert os.listdir(tmp_path) == []


# --- failures ----------------------------------------------------------------------------------------------------


class Stopped(BaseException):
    """Not an `Exception`: like Ctrl-C."""


def count_renames(monkeypatch: Any, stop_at: Any) -> Any:
    """Raises `Stopped` at that rename: every file of a data directory but the catalogue gets its name by one."""
    calls: list[str] = []

    def rename(source: Any, target: Any, rename: Any = os.rename) -> None:
        calls.append(os.path.basename(target))
        if len(calls) == stop_at:
            raise Stopped
        rename(source, target)

    monkeypatch.setattr(os, "rename", rename)
    return calls


def test_the_settings_are_written_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = count_renames(monkeypatch, 0)
    create_installation(tmp_path, ["h"])
    assert calls[-1] == "distd.toml"
    assert sorted(calls) == sorted(
        name.rpartition("/")[2] for name in MODES if name not in ("download", "keys", "catalogue.db")
    )


@pytest.mark.parametrize("there", [False, True], ids=["not there", "empty"])
@pytest.mark.parametrize("step", range(1, 9))
def test_stopped_anywhere_it_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: Any, there: Any
) -> None:
    root = tmp_path / "site"
    if there:
        root.mkdir()
    calls = count_renames(monkeypatch, step)
    with pytest.raises(Stopped):
        create_installation(root, ["h"])
    assert len(calls) == step
    assert [path.name for path in tmp_path.rglob("*")] == ["site"] * there


# Ends when all but the settings is there.
CRASH = """
import os, sys
from pathlib import Path
from distd.origin.installation import create_installation
from distd.storage import data_dir
data_dir._settings_text = lambda host: os._exit(9)
create_installation(Path(sys.argv[1]), ["h"])
"""


def test_without_the_settings_it_is_no_data_directory(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CRASH, str(tmp_path / "site")]
    assert subprocess.run(command, check=False).returncode == 9
    assert (tmp_path / "site" / "catalogue.db").exists()
    with pytest.raises(BadInput, match="data"):
        open_data_dir(tmp_path / "site")
