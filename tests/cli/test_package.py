"""The commands on what becomes of a package: cut, supersede, edit, withdraw, import, verify and repair."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import sys
from typing import Any

import pytest

from tests.programs.processes import distd_serve

CUTS = {
    "by size": (("--fragment-size", "2KiB"), "size:2048"),
    "by number": (("--fragments", "3"), "count:3"),
    "by time": (("--duration", "10min"), "duration:600"),
    "by content": (("--chunking", "cdc"), "content:1048576"),
    "by content, of a size": (("--chunking", "cdc", "--fragment-size", "8KiB"), "content:8192"),
}


@pytest.fixture
def noise(site: Any) -> Any:
    path = site.folder / "noise.bin"
    path.write_bytes(random.Random(1).randbytes(10_000))  # does not compress
    return path


@pytest.mark.parametrize(("options", "plan"), CUTS.values(), ids=CUTS)
def test_how_it_is_cut(site: Any, noise: Any, options: Any, plan: Any) -> None:
    package_id = site.build(*options, source=noise)
    assert site("package", "show", package_id, "--json").json["plan"] == plan


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (("--fragments", "3", "--fragment-size", "1MiB"), "--fragments"),
        (("--fragments", "3", "--chunking", "cdc"), "--chunking"),
        (("--duration", "2h", "--fragments", "3"), "--duration"),
        (("--duration", "soon"), "--duration"),
        (("--duration", "1s"), "--duration"),
        (("--chunking", "cdc", "--fragment-size", "1KiB"), "--fragment-size"),
        (("--digest", "SHA256"), "--digest"),
    ],
)
def test_cuts_that_cannot_be(site: Any, noise: Any, options: Any, field: Any) -> None:
    order = ("--name", "x", "--os", "LINUX", "--action", "STORE", "--path", "/x")
    done = site("package", "build", noise, *order, *options)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"distd: {field}: expected ")
    assert site("package", "list", "--json").json["items"] == []


def test_a_digest_for_windows(site: Any, noise: Any) -> None:
    order = ("--name", "x", "--os", "WINDOWS", "--action", "STORE", "--path", "C:\\x", "--digest", "sha256", "--json")
    shown = site("package", "build", noise, *order).json
    assert (shown["md5"], len(shown["sha256"]), shown["blake3"]) == ("", 64, "")
    assert site("package", "verify", shown["id"]).status == 0


def test_a_version_after_the_other(site: Any, noise: Any) -> None:
    old = site.build(source=noise)
    site("package", "activate", old)
    computer = site.computer()
    site("assign", old, "--computer", computer)
    noise.write_bytes(b"newer")
    done = site("package", "supersede", old, noise, "--assignments", "--name", "Newer", "--json")
    assert done.status == 0, done.err
    new = done.json["id"]
    assert (done.json["name"], done.json["active"]) == ("Newer", True)
    listed = site("package", "list").out
    assert re.search(rf"{old} +Hello +superseded .* {new}\n", listed)
    assert [row["device_id"] for row in site("results", new, "--json").json["items"]] == [computer]
    again = site("package", "supersede", old, noise)
    assert (again.status, f"supersede {new}, its successor" in again.err) == (1, True)


def test_what_a_package_says_is_edited(site: Any) -> None:
    package_id = site.build()
    options = ("--priority", "3", "--path", "/new", "--notify-text", "Soon", "--notify-can-delay")
    shown = site("package", "edit", package_id, *options, "--json").json
    assert (shown["version"], shown["priority"], shown["target"]) == (2, 3, "/new")
    info = (site.data / "download" / package_id / "info").read_text()
    assert 'NOTIFY_TEXT="Soon"' in info
    assert 'NOTIFY_CAN_DELAY="1"' in info
    assert "at version 3" in site("package", "edit", package_id, "--no-notify-can-delay").out
    assert 'NOTIFY_CAN_DELAY="0"' in (site.data / "download" / package_id / "info").read_text()
    refused = site("package", "edit", package_id, "--command", "reboot")
    assert (refused.status, "only --path with --action STORE" in refused.err) == (2, True)
    assert site("package", "verify", package_id).status == 0


def test_a_package_is_withdrawn(site: Any) -> None:
    package_id = site.build()
    site("package", "activate", package_id, "--info-server", "a/x", "--fragment-server", "b/y")
    done = site("package", "withdraw", package_id)
    assert (done.status, done.out) == (0, f"Package {package_id} is withdrawn.\n")
    assert f"agents fetch it from b/y: copy the folder {package_id} there too" in done.err
    assert "withdrawn" in site("package", "list").out
    assert site("package", "activate", package_id).status == 1
    assert site("package", "verify", package_id).status == 0


@pytest.fixture
def ocs(site: Any, noise: Any) -> Any:
    """A download folder of another server with two packages, one of them spoiled."""
    made = site.build("--fragments", "2", source=noise)
    for package_id in ("1500000001", "1500000002"):
        folder = site.folder / "ocs" / package_id
        folder.mkdir(parents=True)
        for path in (site.data / "download" / made).glob(f"{made}-*"):
            shutil.copy(path, folder / path.name.replace(made, package_id))
        info = (site.data / "download" / made / "info").read_text()
        (folder / "info").write_text(info.replace(made, package_id))
    (site.folder / "ocs" / "1500000002" / "1500000002-2").write_bytes(b"spoiled")
    site("package", "delete", made)
    return site.folder / "ocs"


def test_packages_are_taken_in(site: Any, ocs: Any) -> None:
    done = site("package", "import", ocs, "--json")
    assert done.status == 1
    (row,) = done.json
    assert (row["id"], row["os"], row["name"]) == ("1500000001", "LINUX", "1500000001 /tmp/hello")
    assert "1500000002 is not imported: package 1500000002 in" in done.err
    assert site("package", "verify", "1500000001").status == 0
    again = site("package", "import", ocs / "1500000001")
    assert (again.status, "is here already, or was" in again.err) == (0, True)


def test_one_package_gets_a_name(site: Any, ocs: Any) -> None:
    done = site("package", "import", ocs / "1500000001", "--name", "Old editor", "--os", "OTHER", "--link", "--json")
    assert [(row["name"], row["os"]) for row in done.json] == [("Old editor", "OTHER")]
    refused = site("package", "import", ocs, "--name", "Both")
    assert (refused.status, "--name: expected one package, as" in refused.err) == (2, True)


def test_all_are_verified_at_once(site: Any) -> None:
    good, bad = site.build(), site.build(source=_noise(site))
    (site.data / "download" / bad / "info").unlink()
    done = site("package", "verify")
    assert (done.status, done.out) == (1, "1 of 2 packages are good.\n")
    assert f"distd: info of {bad}: expected a readable info" in done.err
    rows = site("package", "verify", "--json").json
    assert {row["id"]: row["good"] for row in rows} == {good: True, bad: False}


def test_an_earlier_version_in_its_place_is_a_fault(site: Any) -> None:
    package_id = site.build()
    earlier = site.folder / "earlier"
    shutil.copytree(site.data / "download" / package_id, earlier)
    assert site("package", "edit", package_id, "--priority", "3").status == 0
    assert site("package", "verify", package_id).status == 0
    shutil.rmtree(site.data / "download" / package_id)
    shutil.copytree(earlier, site.data / "download" / package_id)
    done = site("package", "verify", package_id)
    assert (done.status, f"manifest of {package_id}: expected version 2, got version 1" in done.err) == (1, True)


def _noise(site: Any) -> Any:
    path = site.folder / "other.bin"
    path.write_bytes(b"other" * 5000)
    return path


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_what_is_bad_comes_from_a_mirror(site: Any, scheme: Any) -> None:
    package_id = site.build("--fragment-size", "1KiB", source=_noise(site))
    mirror = site.folder / "mirror"
    subprocess.run(["cp", "-a", site.data, mirror], check=True)  # as a backup would: with its links among themselves
    folder = site.data / "download" / package_id
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    site("package", "list")
    (folder / f"{package_id}-1").write_bytes(b"spoiled")
    (folder / "info").write_bytes(b"<DOWNLOAD/>")
    (folder / "manifest").unlink()
    async with distd_serve(mirror) as server:
        base = f"{scheme}://{(server.http if scheme == 'http' else server.https).replace('127.0.0.1', 'localhost')}"
        command = ["package", "verify", "--repair-from", f"{base}/download", "--data", site.data, "--json"]
        done = subprocess.run([*_DISTD, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert row["repaired"] == ["manifest", "info", f"{package_id}-1"]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


_DISTD = (sys.executable, "-m", "distd.cli")


def test_a_mirror_that_does_not_answer_leaves_the_fault(site: Any) -> None:
    package_id = site.build()
    (site.data / "download" / package_id / f"{package_id}-1").write_bytes(b"spoiled")
    done = site("package", "verify", package_id, "--repair-from", "http://127.0.0.1:9/download")
    assert done.status == 1
    assert "http://127.0.0.1:9/download" in done.err
    assert (site.data / "download" / package_id / f"{package_id}-1").read_bytes() == b"spoiled"
