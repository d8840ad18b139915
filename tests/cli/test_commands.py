"""Each command well used: what it prints for people and for scripts, and its help."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest

from distd.cli.main import cli
from distd.domain.settings import TABLE
from tests.fixtures.databases import sqlite_database

if TYPE_CHECKING:
    from collections.abc import Iterator


__all__ = ["sqlite_database"]  # what is tested here is the same on each


def commands(group: Any = cli, path: Any = ()) -> Iterator[Any]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


@pytest.mark.parametrize("command", list(commands()), ids=" ".join)
def test_every_command_has_help_with_an_example(site: Any, command: Any) -> None:
    done = site(*command, "--help", data=False)
    assert (done.status, done.err) == (0, "")
    assert f"  distd {' '.join(command)} " in done.out.partition("Example:")[2]


@pytest.mark.parametrize("command", [(), ("package",), ("computer",)])
def test_a_command_without_arguments_says_how(site: Any, command: Any) -> None:
    done = site(*command, data=False)
    assert done.status == 2
    assert "Usage:" in done.err


def test_an_unknown_command_is_one_line(site: Any) -> None:
    done = site("pakage", data=False)
    assert (done.status, done.err.count("\n")) == (2, 1)


def test_init_says_what_comes_next(tmp_path: Path, site: Any) -> None:
    done = site("init", "--data", tmp_path / "new", "--host", "distd.example.org", "--json", data=False)
    assert done.json.keys() == {"data", "ca", "operator", "password"}
    assert (tmp_path / "new" / "cacert.pem").read_text().startswith("-----BEGIN CERTIFICATE-----")
    assert 'host = "distd.example.org"' in (tmp_path / "new" / "distd.toml").read_text()
    assert (tmp_path / "new" / "keys").stat().st_mode & 0o777 == 0o700


def test_the_life_of_a_package(site: Any) -> None:
    assert "No packages yet" in site("package", "list").out
    package_id = site.build("--fragments", "1")
    (row,) = site("package", "list", "--json").json["items"]
    assert (row["id"], row["name"], row["active"], row["fragments"]) == (package_id, "Hello", False, 1)
    assert package_id in site("package", "list").out
    shown = site("package", "show", package_id, "--json").json
    assert len(shown["md5"]) == 32
    assert (shown["sha256"], len(shown["blake3"])) == ("", 64)
    assert "size" in site("package", "show", package_id).out
    assert site("package", "verify", package_id, "--json").json == {
        "id": package_id,
        "good": True,
        "faults": [],
        "repaired": [],
    }
    assert "this server" in site("package", "activate", package_id).out
    assert site("package", "list", "--json").json["items"][0]["active"]
    assert site("package", "deactivate", package_id).status == 0
    assert site("package", "deactivate", package_id).status == 1
    assert site("package", "delete", package_id).status == 0
    assert site("package", "list", "--json").json["items"] == []
    assert not (site.data / "download" / package_id).exists()


def test_verify_names_what_is_wrong(site: Any) -> None:
    package_id = site.build()
    fragment = site.data / "download" / package_id / f"{package_id}-1"
    damaged = bytearray(fragment.read_bytes())
    damaged[10] ^= 1
    fragment.write_bytes(damaged)
    done = site("package", "verify", package_id)
    assert done.status == 1
    assert f"fragment 1 of {package_id}: expected BLAKE3" in done.err
    (fault,) = site("package", "verify", package_id, "--json").json["faults"]
    assert fault["what"] == f"fragment 1 of {package_id}"


def test_the_same_input_makes_the_same_bytes(site: Any) -> None:
    first, second = site.build(), site.build()
    assert first != second
    digests = {site("package", "show", one, "--json").json["blake3"] for one in (first, second)}
    assert len(digests) == 1


def test_a_ready_archive_is_taken_as_it_is(site: Any) -> None:
    source = site.folder / "ready.zip"
    with zipfile.ZipFile(source, "w") as archive:
        archive.writestr("a/b.txt", "hello")
    package_id = site.build(source=source)
    assert (site.data / "download" / package_id / f"{package_id}-1").read_bytes() == source.read_bytes()


def test_a_command_without_a_file(site: Any) -> None:
    order = ("--name", "x", "--os", "LINUX", "--action", "EXECUTE", "--command", "reboot")
    done = site("package", "build", *order, "--json")
    assert (done.json["fragments"], done.json["size"]) == (0, 0)


def test_recipes(site: Any) -> None:
    script = site.folder / "do.ps1"
    script.write_bytes(b"Get-Date\n")
    done = site(
        "package", "build", script, "--name", "x", "--recipe", "powershell", "--arguments", "-Verbose", "--json"
    )
    assert (done.json["os"], done.json["action"]) == ("WINDOWS", "EXECUTE")
    assert done.json["target"].endswith('-File "do.ps1" -Verbose')
    done = site("package", "build", "--name", "x", "--recipe", "apt-install", "--arguments", "vim", "--json")
    assert (done.json["fragments"], done.json["os"]) == (0, "LINUX")
    known = {row["recipe"] for row in site("package", "recipes", "--json", data=False).json}
    assert {"msi", "powershell", "apt-install"} < known
    assert "powershell" in site("package", "recipes", data=False).out


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ((), "--action"),
        (("--action", "STORE", "--recipe", "msi"), "--action"),
        (("--recipe", "apt-install", "--arguments", "vim", "--command", "x"), "--command"),
        (("--action", "EXECUTE", "--command", "x"), "--os"),
        (("--action", "EXECUTE", "--command", "x", "--os", "LINUX", "--arguments", "x"), "--arguments"),
        (("--recipe", "apt-install", "--arguments", "a;b"), "--arguments"),
    ],
)
def test_recipes_and_options_that_do_not_go_together(site: Any, options: Any, field: Any) -> None:
    done = site("package", "build", "--name", "x", *options)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"distd: {field}: expected ")
    assert done.err.count("\n") == 1


def test_assign_results_and_unassign(site: Any) -> None:
    computer, package_id = site.computer(), site.build()
    site("package", "activate", package_id)
    assert "No computer has this package assigned." in site("results", package_id).out
    assert computer in site("assign", package_id, "--computer", computer).out
    (row,) = site("results", package_id, "--json").json["items"]
    assert (row["device_id"], row["state"], row["code"], row["fragments_fetched"]) == (computer, "WAITING", None, 0)
    assert "has not been notified yet" in site("results", package_id).out
    assert package_id in site("computer", "show", computer).out
    assert site("computer", "show", computer, "--json").json["computer"]["device_id"] == computer
    assert computer in site("computer", "list").out
    (row,) = site("unassign", package_id, "--computer", computer, "--json").json["items"]
    assert row == {"device_id": computer, "became": "removed"}
    assert site("unassign", package_id, "--computer", computer).status == 2


@pytest.mark.parametrize("as_json", [False, True])
def test_assign_to_the_computers_of_a_file(site: Any, tmp_path: Path, as_json: Any) -> None:
    computers = [site.computer(f"pc {number}") for number in range(3)]
    package_id = site.build()
    site("package", "activate", package_id)
    file = tmp_path / "computers"
    file.write_text(site("computer", "list", "--json").out if as_json else "\n".join([*computers, "", ""]))
    done = site("assign", package_id, "--computers", file)
    assert done.out == f"{file}: 3 computers will be notified at the next contact.\n"
    assert [row["device_id"] for row in site("results", package_id, "--json").json["items"]] == computers
    # Later there are more of them: those that have it already are skipped, unless they are named.
    one_more = site.computer("pc 3")
    file.write_text("\n".join([*computers, one_more]))
    again = site("assign", package_id, "--computers", file)
    assert again.out.splitlines() == [
        f"{file}: 1 computer will be notified at the next contact.",
        f"{file}: 3 computers skipped: they have it already.",
    ]
    assert site("assign", package_id, "--computer", one_more).status == 1


def test_json_is_one_document(site: Any) -> None:
    site.build()
    for command in (["package", "list"], ["computer", "list"]):
        page = json.loads(site(*command, "--json").out)
        assert (page["next"], page["total"]) == (None, len(page["items"]))


def test_every_setting_stands_in_the_reference() -> None:
    reference = (Path(__file__).parents[2] / "distd/docs/reference/settings.md").read_text()
    assert [name for name in TABLE if f"| `{name}` |" not in reference] == []
