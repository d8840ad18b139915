"""The command line, without a server."""

from __future__ import annotations

import io
import json
import os
import socket
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from distd import __version__
from distd.lane import sockets
from distd.terminal import log_lines
from redistrib import cli as module
from redistrib.cli import run
from redistrib.mirror_dir import Identity, MirrorDir, create_mirror, write_identity
from redistrib.standalone import SourceOptions
from tests.redistrib.fakes import change_byte, make_package

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from distd.domain.settings import Settings
    from distd.lane.sockets import Listeners
    from distd.storage.data_dir import DataDir
    from distd.storage.pki import Signer


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


def test_join(command: Command, mirror: MirrorDir, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    async def join(origin: str, token: str, root: Path) -> Identity:
        asked.append((origin, token, root))
        return Identity("paris", origin, "secret")

    monkeypatch.setattr(module, "join_origin", join)
    assert command.json("join", "https://o", "--token", "t") == {"name": "paris", "origin": "https://o"}
    assert asked == [("https://o", "t", mirror.root)]
    shown = f"This is the mirror paris now. Next: redistrib serve --data {mirror.root}\n"
    assert command("join", "https://o", "--token", "t") == (0, shown, "")


class Served:
    """What `redistrib serve` runs, in the place of a mirror: it announces itself and ends."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.what: list[object] = []
        self.https_port = 0
        self.settings: Settings | None = None
        self.listeners: Listeners | None = None
        self.announced: Callable[[], object] = lambda: None
        self.setup: list[int] = []
        self.logged: list[object] = []
        for name in ("run_mirror", "run_standalone"):
            monkeypatch.setattr(module, name, partial(self._run, name))
        monkeypatch.setattr(module, "set_up_process", lambda connections, log: self.setup.append(connections))
        monkeypatch.setattr(log_lines, "set_up", lambda log, *options: self.logged.extend((log.name, *options)))

    async def _run(self, *what: Any) -> None:
        *self.what, serving = what
        self.settings, self.listeners = serving.read_settings(), serving.listeners
        assert serving.settings == self.settings
        self.https_port = serving.listeners.https.getsockname()[1]
        serving.announce()
        self.announced()


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Served:
    return Served(monkeypatch)


FREE_PORTS = ("--http", "127.0.0.1:0", "--https", "127.0.0.1:0")


def test_serve(command: Command, mirror: MirrorDir, served: Served) -> None:
    shown = command.json("serve", *FREE_PORTS, "--log-level", "debug", "--set", "limits.connections=77")
    assert served.what == ["run_mirror", mirror, Identity("paris", "https://origin", "key")]
    assert (list(shown), shown["https"]) == (["http", "https"], [f"127.0.0.1:{served.https_port}"])
    assert served.settings is not None
    assert served.settings.limits.connections == 77
    assert (served.setup, served.logged) == ([77], ["redistrib", "debug", "text"])
    assert served.listeners is not None
    assert [served.listeners.http.fileno(), served.listeners.https.fileno()] == [-1, -1]  # closed at the end
    status, output, _ = command("serve", *FREE_PORTS)
    assert status == 0
    assert output.startswith(f"redistrib {__version__}: mirror paris of https://origin: serving http://127.0.0.1:")
    assert output.endswith(f" and https://127.0.0.1:{served.https_port}\n")


def test_whoever_reads_the_output_learns_at_once_that_it_serves(
    command: Command, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, seen = io.BytesIO(), []
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(output))
    served.announced = lambda: seen.append(output.getvalue())
    assert command("serve", *FREE_PORTS)[0] == 0
    assert seen[0].endswith(f":{served.https_port}\n".encode())


def test_serve_at_the_addresses_of_the_settings(command: Command, mirror: MirrorDir, served: Served) -> None:
    mirror.settings_file.write_text("[server]\nhttp = '127.0.0.1:0'\nhttps = '[::1]:0'\n")
    assert command.json("serve")["https"] == [f"[::1]:{served.https_port}"]
    assert command.json("serve", "--https", "127.0.0.1:0")["https"] == [f"127.0.0.1:{served.https_port}"]


def test_serve_at_sockets_that_were_passed(command: Command, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    (listeners,) = sockets.listen("127.0.0.1:0", "127.0.0.1:0", 1)
    monkeypatch.setattr(sockets, "passed", lambda: listeners)
    place = sockets.name_of(listeners.https)
    assert command.json("serve", "--https", "256.0.0.0:1")["https"] == [place]


def test_serve_copies(tmp_path: Path, capsys: pytest.CaptureFixture[str], served: Served) -> None:
    """Without an origin: the folder is made, once its addresses are free."""
    mirror, source = MirrorDir(tmp_path / "copies"), tmp_path / "source"
    source.mkdir()
    command = Command(mirror, capsys)
    words = ("serve", "--from-ocs", source, "--package", "17", "--package", "18", "--host", "pc.example", *FREE_PORTS)
    with socket.create_server(("127.0.0.1", 0)) as busy:
        taken = f"127.0.0.1:{busy.getsockname()[1]}"
        assert "a free port" in command(*words, "--http", taken)[2]
    assert not mirror.root.exists()
    status, output, _ = command(*words)
    assert (status, output.partition(": serving")[0]) == (0, f"redistrib {__version__}: copies of {source}")
    assert served.what == ["run_standalone", mirror, SourceOptions(str(source), ("17", "18"), None, ("pc.example",))]
    assert mirror.data.ca_certificate.exists()


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
        (["serve", "--host", "pc"], "--package, --ca, --host: expected --from-ocs with them, got none"),
        (["serve", "--ca", "/dev/null"], "--package, --ca, --host: expected --from-ocs with them, got none"),
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
