"""The command line, without a server."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from redistrib.cli import run
from redistrib.mirror_dir import Identity, create_mirror, write_identity
from tests.redistrib.fakes import change_byte, make_package

if TYPE_CHECKING:
    from pathlib import Path

    from distd.storage.data_dir import DataDir
    from distd.storage.pki import Signer
    from redistrib.mirror_dir import MirrorDir


@pytest.fixture
def mirror(tmp_path: Path, origin_keys: DataDir) -> MirrorDir:
    """One that has joined."""
    mirror = create_mirror(tmp_path / "mirror")
    mirror.data.ca_certificate.write_bytes(origin_keys.ca_certificate.read_bytes())
    write_identity(mirror, Identity("paris", "https://origin", "key"))
    return mirror


class Command:
    """Runs commands on a mirror's folder."""

    def __init__(self, mirror: MirrorDir, capsys: pytest.CaptureFixture[str]) -> None:
        self._data = str(mirror.root)
        self._capsys = capsys

    def __call__(self, *words: object) -> tuple[int, str, str]:
        """The exit status, standard output and standard error."""
        try:
            status = run([*map(str, words), "--data", self._data])
        except SystemExit as exit_:
            status = exit_.code if isinstance(exit_.code, int) else 1
        return status, *self._capsys.readouterr()

    def json(self, *words: object, status: int = 0) -> Any:
        got, output, errors = self(*words, "--json")
        assert got == status, errors
        return json.loads(output)


@pytest.fixture
def command(mirror: MirrorDir, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(mirror, capsys)


def test_status(command: Command, mirror: MirrorDir) -> None:
    assert command.json("status", status=1) == {
        "serving": False,
        "connected": False,
        "name": "paris",
        "origin": "https://origin",
    }
    shown = {"connected": True, "packages": 3, "wanted": 4, "at_s": time.time(), "pid": os.getpid()}
    mirror.status_file.write_text(json.dumps(shown))
    assert command.json("status")["packages"] == 3
    status, output, _ = command("status")
    assert (status, "Packages   3 of 4\n" in output) == (0, True)
    mirror.status_file.write_text(json.dumps(shown | {"connected": False}))
    assert command("status")[0] == 1


def test_verify(command: Command, mirror: MirrorDir, signer: Signer, tmp_path: Path) -> None:
    assert command("verify") == (0, "Good packages: 0 of 0.\n", "")
    folder = make_package(signer, "17").install(mirror.data)
    assert command.json("verify") == [{"id": "17", "good": True, "faults": []}]
    change_byte(folder / "info", 20)
    (row,) = command.json("verify", status=1)
    assert row["good"] is False
    status, output, errors = command("verify")
    assert (status, output) == (1, "Good packages: 0 of 1.\n")
    assert errors.startswith("redistrib: info of 17: expected ")


def test_import(command: Command, mirror: MirrorDir, signer: Signer, tmp_path: Path) -> None:
    media = tmp_path / "media"
    media.mkdir()
    assert command("import", media)[0] == 2
    good, bad = (make_package(signer, package_id, package_id.encode()) for package_id in ("17", "18"))
    for package in (good, bad):
        (media / package.id).mkdir()
        for name, content in package.files():
            (media / package.id / name).write_bytes(content)
    change_byte(media / "18" / "18-1")
    status, output, errors = command("import", media)
    assert (status, output) == (1, "Packages taken: 1 of 2.\n")
    assert errors.startswith("redistrib: 18 is not taken: ")
    assert [path.name for path in mirror.data.download.iterdir()] == ["17"]
    # One package alone, and once more.
    assert command.json("import", media / "17") == [{"id": "17", "version": 1, "size": 2}]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["serve", "--package", "17"], "--package, --ca, --host: expected --from-ocs with them, got none"),
        (["serve", "--set", "x"], "--set: expected SECTION.NAME=VALUE, got x"),
        (["serve", "--set", "store.nothing=1"], "store.nothing"),
        (["serve", "--from-ocs", "http://ocs", "--package", "x"], "--package: expected an id of 1 to 18 digits, got x"),
        (["join", "http://origin", "--token", "x"], "ORIGIN_URL: expected https://HOST[:PORT], got http://origin"),
        (["nothing"], "No such command 'nothing'."),
    ],
    ids=str,
)
def test_what_is_refused_in_one_line(command: Command, words: list[str], message: str) -> None:
    status, output, errors = command(*words)
    assert (status, output) == (2, "")
    assert message in errors
    assert len(errors.splitlines()) == 1


def test_a_mirror_of_an_origin_takes_no_copies(command: Command) -> None:
    status, _, errors = command("serve", "--from-ocs", "http://ocs", "--host", "localhost")
    assert (status, "is the mirror of an origin; take another folder" in errors) == (1, True)


def test_a_folder_that_has_not_joined(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = Command(create_mirror(tmp_path / "new"), capsys)
    assert "--data: expected a mirror that has joined" in command("serve")[2]
