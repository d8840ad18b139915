"""Bad input: one clear line that names the field, what was expected and what was got; exit 2; nothing changed."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.fixtures.databases import sqlite_database

__all__ = ["sqlite_database"]  # what is tested here is the same on each

STORE = ("--name", "x", "--os", "LINUX", "--action", "STORE", "--path", "/tmp/x")
UNKNOWN = "1234567890"


def refused(done: Any, *words: Any) -> None:
    assert done.status == 2, (done.out, done.err)
    assert done.out == ""
    assert done.err.count("\n") == 1, done.err
    assert "Traceback" not in done.err
    for word in words:
        assert word in done.err, done.err


BUILD = {
    "an unknown file": (["nothere.bin", *STORE], ["FILE", "expected a file or folder", "nothere.bin"]),
    "a pipe": (["pipe", *STORE], ["FILE", "expected a file or folder", "neither"]),
    "a dangling link": (["dangling", *STORE], ["FILE", "expected a file or folder"]),
    "a folder with a socket in it": (["odd", *STORE], ["FILE", "files, folders and links only", "odd/socket"]),
    "an empty folder": (["empty", *STORE], ["FILE", "something to store", "got empty"]),
    "a zip that is none": (["false.zip", *STORE], ["FILE", "a zip or tar.gz archive", "false.zip"]),
    "a tar.gz that is none": (["false.tar.gz", *STORE], ["FILE", "a zip or tar.gz archive", "false.tar.gz"]),
    "a fragment size of 0": (["good", *STORE, "--fragment-size", "0"], ["--fragment-size", "at least 1024", "got 0"]),
    "a fragment size of 1023": (["good", *STORE, "--fragment-size", "1023"], ["--fragment-size", "got 1023"]),
    "a size that is none": (["good", *STORE, "--fragment-size", "big"], ["--fragment-size", "such as 1MiB", "got big"]),
    "no fragments": (["good", *STORE, "--fragments", "0"], ["--fragments", "expected 1 to", "got 0"]),
    "too many fragments": (["good", *STORE, "--fragments", "9999"], ["--fragments", "expected 1 to", "got 9999"]),
    "size and count": (["good", *STORE, "--fragments", "2", "--fragment-size", "2048"], ["--fragments", "either"]),
    "priority 11": (["good", *STORE, "--priority", "11"], ["--priority", "got 11"]),
    "priority -1": (["good", *STORE, "--priority", "-1"], ["--priority", "expected 0 to 10", "got -1"]),
    "priority high": (["good", *STORE, "--priority", "high"], ["--priority", "high"]),
    "a priority beyond the period": (
        ["good", *STORE, "--priority", "6", "--set", "download.period_length=5"],
        ["--priority", "download.period_length, 5", "got 6"],
    ),
    "a path with a space": (["good", *STORE[:-1], "/tmp/a b"], ["--path", "without spaces", "got /tmp/a b"]),
    "no path": (["good", *STORE[:-2]], ["--path", "--action STORE needs it"]),
    "two targets": (["good", *STORE, "--command", "ls"], ["--command", "only --path", "got ls"]),
    "a launch name with -": (
        ["good", *STORE[:4], "--action", "LAUNCH", "--launch", "set-up.sh"],
        ["--launch", 'without "-"', "ERR_EXECUTE"],
    ),
    "a launch name that is not there": (
        ["good", *STORE[:4], "--action", "LAUNCH", "--launch", "other"],
        ["--launch", "a file of the package", "got other"],
    ),
    "no file to store": ([*STORE], ["FILE", "as the action STORE needs one"]),
    "an unknown action": (["good", *STORE[:4], "--action", "EAT"], ["--action", "EAT"]),
    "an unknown system": (["good", "--name", "x", "--os", "BEOS", "--action", "STORE"], ["--os", "BEOS"]),
    "no name": (["good", "--name", " ", *STORE[2:]], ["--name", "printable characters"]),
    "an unknown setting": (["good", *STORE, "--set", "a.b=1"], ["--set a.b", "a setting"]),
    "a setting of another type": (
        ["good", *STORE, "--set", "download.period_length=many"],
        ["--set download.period_length", "a whole number", "got many"],
    ),
    "a setting without a value": (["good", *STORE, "--set", "x"], ["--set", "SECTION.NAME=VALUE", "got x"]),
    "characters that XML lacks": (
        ["good", *STORE[:4], "--action", "EXECUTE", "--command", "a\x7fb\ufffe"],
        ["--command", "XML"],
    ),
}


@pytest.mark.parametrize(("arguments", "words"), BUILD.values(), ids=BUILD)
def test_build(site: Any, arguments: Any, words: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(site.folder)
    (site.folder / "good").write_bytes(bytes(5000))
    (site.folder / "false.zip").write_bytes(b"no archive")
    (site.folder / "false.tar.gz").write_bytes(b"no archive")
    (site.folder / "dangling").symlink_to("nowhere")
    (site.folder / "odd").mkdir()
    (site.folder / "empty").mkdir()
    os.mkfifo(site.folder / "pipe")
    with socket.socket(socket.AF_UNIX) as odd:
        odd.bind("odd/socket")
        before = site.snapshot()
        refused(site("package", "build", *arguments), *words)
        assert site.snapshot() == before


def test_an_unreadable_file(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = site.folder / "secret"
    path.write_bytes(b"x")
    before = site.snapshot()
    opening = os.open

    def deny(opened: Any, *args: Any, **kwargs: Any) -> Any:
        if Path(opened).name == "secret":
            raise PermissionError(13, "Permission denied")
        return opening(opened, *args, **kwargs)

    monkeypatch.setattr(os, "open", deny)  # root may read anything
    refused(site("package", "build", path, *STORE), "FILE", "a readable file", "Permission denied")
    monkeypatch.undo()
    assert site.snapshot() == before


@pytest.mark.parametrize("command", ["show", "verify", "activate", "deactivate", "delete"])
def test_an_unknown_package(site: Any, command: Any) -> None:
    before = site.snapshot()
    refused(site("package", command, UNKNOWN), "PACKAGE", "the id of a package", UNKNOWN)
    assert site.snapshot() == before


@pytest.mark.parametrize("command", ["assign", "unassign"])
def test_an_unknown_package_or_computer(site: Any, command: Any) -> None:
    computer, package_id = site.computer(), site.build()
    site("package", "activate", package_id)
    before = site.snapshot()
    refused(site(command, UNKNOWN, "--computer", computer), "PACKAGE", UNKNOWN)
    refused(site(command, package_id, "--computer", "nobody"), "nobody")
    assert site.snapshot() == before


def test_one_bad_computer_of_several_changes_none(site: Any) -> None:
    computer, package_id = site.computer(), site.build()
    site("package", "activate", package_id)
    before = site.snapshot()
    refused(site("assign", package_id, "--computer", computer, "--computer", "nobody"), "--computer", "nobody")
    assert site.snapshot() == before


@pytest.mark.parametrize("content", ["", "\n \n", "[]", "[1]", '[{"id": "pc"}]', '[{"device_id": "pc"}'])
def test_a_file_that_lists_no_computers(site: Any, tmp_path: Path, content: Any) -> None:
    site.computer("pc")
    package_id = site.build()
    site("package", "activate", package_id)
    before = site.snapshot()
    file = tmp_path / "computers"
    file.write_text(content)
    refused(site("assign", package_id, "--computers", file), "--computer", "DEVICEID")
    assert site.snapshot() == before


def test_what_else_is_unknown(site: Any) -> None:
    refused(site("results", UNKNOWN), "PACKAGE", UNKNOWN)
    refused(site("computer", "show", "nobody"), "DEVICEID", "nobody")


SERVERS = {
    "only one": ["--info-server", "a.example"],
    "with a scheme": ["--info-server", "https://a", "--fragment-server", "http://a"],
    "a port out of range": ["--info-server", "a:99999", "--fragment-server", "b"],
    "nonsense": ["--info-server", "a b", "--fragment-server", "b"],
}


@pytest.mark.parametrize("options", SERVERS.values(), ids=SERVERS)
def test_servers_that_are_none(site: Any, options: Any) -> None:
    package_id = site.build()
    before = site.snapshot()
    refused(site("package", "activate", package_id, *options), "-server")
    assert site.snapshot() == before


def test_what_the_state_of_things_forbids_ends_with_1(site: Any) -> None:
    computer, package_id = site.computer(), site.build()
    done = site("assign", package_id, "--computer", computer)
    assert (done.status, done.err.count("\n")) == (1, 1)
    assert "not active" in done.err
    assert site("package", "activate", package_id).status == 0
    assert site("assign", package_id, "--computer", computer).status == 0
    for command in (("assign", package_id, "--computer", computer), ("package", "delete", package_id)):
        done = site(*command)
        assert (done.status, done.err.count("\n")) == (1, 1)


COMMANDS = {
    "serve": ["serve"],
    "build": ["package", "build", "good", *STORE],
    "list": ["package", "list"],
    "computers": ["computer", "list"],
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_data_directory_of_a_newer_version(site: Any, command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(site.folder)
    (site.folder / "good").write_bytes(bytes(5000))
    with site.write() as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = '0099'"))
    before = site.snapshot()
    refused(site(*command), "--data", "schema up to", "got schema 0099", "upgrade distd")
    assert site.snapshot() == before


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_data_directory_that_is_none(site: Any, command: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused(site(*command, "--data", tmp_path / "empty", data=False), "--data", "made by `distd init`")
    assert list((tmp_path / "empty").iterdir()) == []


ADDRESSES = {
    "no port": ("here", "HOST:PORT"),
    "a port out of range": ("127.0.0.1:70000", "HOST:PORT"),
    "not this machine's": ("192.0.2.1:0", "an address of this machine"),
    "not an address": ("no.such.host.invalid:0", "an address of this machine"),
}


@pytest.mark.parametrize(("address", "expected"), ADDRESSES.values(), ids=ADDRESSES)
@pytest.mark.parametrize("option", ["--http", "--https"])
def test_addresses_that_cannot_be_listened_on(site: Any, option: Any, address: Any, expected: Any) -> None:
    before = site.snapshot()
    other = "--https" if option == "--http" else "--http"
    refused(site("serve", option, address, other, "127.0.0.1:0"), option, expected, address)
    assert site.snapshot() == before


@pytest.mark.parametrize("option", ["--http", "--https"])
def test_a_busy_port(site: Any, option: Any) -> None:
    other = "--https" if option == "--http" else "--http"
    with socket.create_server(("127.0.0.1", 0)) as busy:
        address = f"127.0.0.1:{busy.getsockname()[1]}"
        refused(
            site("serve", option, address, other, "127.0.0.1:0"), option, "a free port", f"{address}, which is taken"
        )


def test_a_settings_file_that_is_no_toml(site: Any) -> None:
    (site.data / "distd.toml").write_text("[server\n")
    refused(site("package", "list"), "distd.toml", "TOML")


def test_a_setting_in_the_environment(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTD_DOWNLOAD_PERIOD_LENGTH", "0")
    refused(site("package", "list"), "DISTD_DOWNLOAD_PERIOD_LENGTH", "from 1 to 1000", "got 0")


@pytest.mark.parametrize("host", ["a b", "", "-x", "fe80::1%eth0", "http://a", "x" * 300])
def test_hosts_that_are_none(site: Any, host: Any, tmp_path: Path) -> None:
    refused(
        site("init", "--data", tmp_path / "new", "--host", host, data=False), "--host", "a host name or an IP address"
    )
    assert not (tmp_path / "new").exists()


def test_init_over_what_is_there(site: Any, tmp_path: Path) -> None:
    before = site.snapshot()
    refused(site("init"), "--data", "a folder that is empty or not there yet")
    assert site.snapshot() == before
    (tmp_path / "file").write_text("x")
    refused(site("init", "--data", tmp_path / "file", data=False), "--data", "a folder")
    refused(site("init", "--data", tmp_path / "file" / "below", data=False), "--data", "a folder that can be made")
