"""A data directory that an earlier version made: it opens, lists, verifies, serves and goes on with this one."""

from __future__ import annotations

import json
import sqlite3
import tarfile
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio

from distd.cli.main import run
from distd.domain.records import PrologRequest
from distd.storage.data_dir import open_data_dir
from distd.storage.fragment_store import FragmentStore
from distd.storage.quota import NO_LIMITS
from distd.storage.uploads import Uploads
from distd.wire import ocs
from tests.programs.processes import distd_serve

if TYPE_CHECKING:
    from collections.abc import Callable

    Distd = Callable[..., Any]

STORED = Path(__file__).parents[1] / "data" / "data_dir"
LISTED = json.loads((STORED / "packages.json").read_text())
IDS = {package["name"]: package["id"] for package in LISTED[:-1]}  # the last one superseded the first
COMPUTER = "pc-2026-01-01-00-00-00"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    with tarfile.open(STORED / "data_dir.tar.gz") as stored:
        stored.extractall(tmp_path, filter="data")
    return tmp_path / "data"


@pytest.fixture
def distd(root: Path, capsys: pytest.CaptureFixture[str]) -> Distd:
    """Runs `distd ARGUMENTS` on the data directory; gives what it prints, as JSON."""

    def distd(*arguments: object) -> Any:
        capsys.readouterr()
        status = run([*map(str, arguments), "--data", str(root), "--json"])
        output = capsys.readouterr()
        assert status == 0, output.err
        return json.loads(output.out)

    return distd


def test_its_packages_are_listed_as_they_were(distd: Distd) -> None:
    listed = distd("package", "list")["items"]
    assert [{name: row[name] for name in LISTED[0]} for row in reversed(listed)] == LISTED


def test_its_packages_are_whole(distd: Distd) -> None:
    rows = distd("package", "verify")
    assert [row["id"] for row in rows] == [package["id"] for package in LISTED]
    assert all(row["good"] for row in rows)


def test_equal_fragments_are_still_stored_once(root: Path) -> None:
    data = open_data_dir(root)
    before_bytes = FragmentStore(data.fragments).used_bytes()
    FragmentStore(data.fragments).remove_unused()
    assert FragmentStore(data.fragments).used_bytes() == before_bytes > 0


def test_its_result_is_known(distd: Distd) -> None:
    (result,) = distd("results", IDS["file"])["items"]
    assert (result["device_id"], result["state"], result["fragments_fetched"]) == (COMPUTER, "SUCCESS", 6)


def test_what_it_took_for_a_success_is_not_unproven(distd: Distd, root: Path) -> None:
    with sqlite3.connect(root / "catalogue.db") as database:
        database.execute("DELETE FROM progress")
    database.close()
    (result,) = distd("results", IDS["file"])["items"]
    assert (result["state"], result["unproven"], result["meaning"]) == ("SUCCESS", False, "The package is deployed.")
    with sqlite3.connect(root / "catalogue.db") as database:
        assert database.execute("SELECT package_id, trusted FROM history").fetchall() == [(IDS["file"], 1)]
    database.close()


async def test_its_packages_are_served_and_its_computer_is_told_of_its_assignment(root: Path) -> None:
    def get(path: str, body: bytes | None = None) -> bytes:
        request = urllib.request.Request(f"http://{server.http}{path}", body)
        request.add_header("User-Agent", "OCS-NG_unified_unix_agent_v2.10.0")
        with urllib.request.urlopen(request, timeout=60) as answer:
            content: bytes = answer.read()
            return content

    async with distd_serve(root) as server:
        for package in LISTED:
            folder = root / "download" / package["id"]
            for file in sorted(folder.iterdir()):
                served = await trio.to_thread.run_sync(get, f"/download/{package['id']}/{file.name}")
                assert served == file.read_bytes()
        prolog = ocs.write_request(PrologRequest(COMPUTER))
        reply = ocs.read_prolog_reply(await trio.to_thread.run_sync(get, "/ocsinventory", prolog))
    assert [pack.id for pack in reply.packs] == [IDS["command"]]


SUCCESSORS = {
    "file": ("tool.bin", ["size:1024", "/tmp/distd-editor", None]),
    "folder": ("tool.bin", ["content:8192", "/opt/folder", None]),
    "script": ("goodbye.sh", ["size:1048576", "sh ./goodbye.sh -v", "shell"]),
    "imported": ("tool.bin", ["size:1048576", "/opt/ocs", None]),
}


@pytest.mark.parametrize(("name", "source", "expected"), [(name, *row) for name, row in SUCCESSORS.items()])
def test_a_package_is_superseded(
    distd: Distd, root: Path, tmp_path: Path, name: str, source: str, expected: list[str | None]
) -> None:
    (tmp_path / source).write_bytes(b"new\n")
    package_id = LISTED[-1]["id"] if name == "file" else IDS[name]
    new = distd("package", "supersede", package_id, tmp_path / source)
    assert [new["plan"], new["target"], new["recipe"]] == expected
    assert distd("package", "verify", new["id"])["good"]
    assert distd("package", "show", package_id)["superseded_by"] == new["id"]


def test_a_package_is_edited_and_another_withdrawn(distd: Distd) -> None:
    assert distd("package", "edit", IDS["folder"], "--priority", 4)["version"] == 3
    assert distd("package", "withdraw", IDS["tar"])["withdrawn_at_s"] is not None
    assert all(row["good"] for row in distd("package", "verify"))


def test_an_upload_goes_on(root: Path) -> None:
    uploads = Uploads(open_data_dir(root), 1_000_000, NO_LIMITS)
    with uploads.open("editor.zip", len("the first part"), 100) as upload:
        upload.append(b" and the second")
        upload.finish("")
    assert (root / "uploads" / "editor.zip").read_bytes() == b"the first part and the second"
