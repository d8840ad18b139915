"""The native agent against a server in memory, with everything real on its own side."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
import trio

from agentsim.native import agent as module
from agentsim.native import deploy
from agentsim.native.agent import NativeAgent
from agentsim.native.config import Rights
from agentsim.native.trust_updates import TRUST_PATH
from agentsim.native.unpack import UnpackLimits
from distd.domain.records import Action
from distd.domain.settings import DownloadConfig
from distd.storage.partial_file import PartialFile
from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from pathlib import Path

    from distd.domain.agent_machine import Agent
    from tests.agentsim.faulty_server import FaultyServer

STORE, LAUNCH, EXECUTE = Action.STORE, Action.LAUNCH, Action.EXECUTE
ID = "1415269627"
RANDOM = b"".join(hashlib.sha256(bytes([n])).digest() for n in range(256)) * 8  # 64 KiB that do not compress well


def fragment(number: int) -> str:
    return f"/download/{ID}/{ID}-{number}"


def add_store(server: FaultyServer, target: Path, fragments: int = 3) -> None:
    server.add(ID, server.tar({"data": RANDOM, "sub/two": b"2"}), STORE, target, fragments)


async def test_store(server: FaultyServer, tmp_path: Path) -> None:
    target = tmp_path / "srv/app"
    lines: list[str] = []
    add_store(server, target)
    summary = await server.run(tmp_path / "state", lines.append)
    assert summary.is_good
    assert server.results == [(ID, "SUCCESS")]
    assert (target / "data").read_bytes() == RANDOM
    assert (target / "sub/two").read_bytes() == b"2"
    assert server.history == frozenset()
    assert not list((tmp_path / "state/download").iterdir())
    assert lines[:6] == [
        "Contacting the server...OK (packages listed: 1)",
        f"Retrieve info file...OK (pack {ID})",
        f"Package <{ID}> added to download queue",
        "Sending the inventory...OK",
        "New period. Nb of cycles: 10",
        f"Downloading {ID}-1...OK",
    ]
    assert lines[6] == f"Downloading {ID}-2...OK"  # a pause of no time is none
    assert lines[-1] == f"Sending message for {ID}, code=SUCCESS."


async def test_order_on_the_wire(server: FaultyServer, tmp_path: Path) -> None:
    add_store(server, tmp_path / "srv")
    await server.run(tmp_path / "state")
    base = f"GET /download/{ID}"
    post = "POST /ocsinventory"
    assert server.requests == [
        post,
        f"GET {TRUST_PATH}",
        f"{base}/manifest",
        f"{base}/info",
        post,
        *(f"{base}/{ID}-{n}" for n in (1, 2, 3)),
        post,
    ]


async def test_an_earlier_version_than_was_taken_is_refused_and_told(server: FaultyServer, tmp_path: Path) -> None:
    add_store(server, tmp_path / "srv")
    server.set_version(ID, 2)
    await server.run(tmp_path / "state")
    server.set_version(ID, 1)
    server.list(ID, force=True)
    lines: list[str] = []
    await server.run(tmp_path / "state", lines.append)
    assert server.results == [(ID, "SUCCESS"), (ID, "ERR_DOWNLOAD_INFO")]
    assert f"version of {ID}: expected 2 or later, as was here already, got 1" in "\n".join(lines)
    server.set_version(ID, 3)
    server.list(ID, force=True)
    await server.run(tmp_path / "state")
    assert server.results[2:] == [(ID, "SUCCESS")]


@pytest.mark.parametrize(
    ("action", "target", "fragments", "code"),
    [
        (EXECUTE, "touch {0}", 0, "SUCCESS"),
        (EXECUTE, "cp run.sh {0}", 2, "SUCCESS"),
        (EXECUTE, "touch {0}; exit 3", 0, "ERR_EXECUTE"),
        (LAUNCH, "run.sh {0}", 1, "SUCCESS_0"),
        (LAUNCH, "run.sh {0} 3", 1, "SUCCESS_3"),
        (LAUNCH, "nothing {0}", 1, "ERR_EXECUTE"),
        (STORE, "relative/{0}", 1, "ERR_EXECUTE"),
    ],
)
async def test_actions(
    server: FaultyServer, tmp_path: Path, action: Action, target: str, fragments: int, code: str
) -> None:
    content = server.tar({"run.sh": b'#!/bin/sh\ntouch "$1"; exit ${2-0}\n'}) if fragments else b""
    server.add(ID, content, action, target.format(tmp_path / "proof"), fragments)
    summary = await server.run(tmp_path / "state")
    assert server.results == [(ID, code)]
    assert summary.is_good is (code in ("SUCCESS", "SUCCESS_0"))
    assert (tmp_path / "proof").exists() is ("nothing" not in target and "relative" not in target)


@pytest.mark.parametrize(("action", "fragments"), [(EXECUTE, 0), (EXECUTE, 2), (LAUNCH, 1)])
async def test_a_command_is_run_only_where_it_is_allowed(
    server: FaultyServer, tmp_path: Path, action: Action, fragments: int
) -> None:
    content = server.tar({"touch": b"#!/bin/sh\ntouch $1\n"}) if fragments else b""
    server.add(ID, content, action, f"touch {tmp_path / 'proof'}", fragments)
    server.rights = Rights()
    lines: list[str] = []
    summary = await server.run(tmp_path / "state", lines.append)
    assert (server.results, summary.is_good) == ([(ID, "ERR_EXECUTE_NOT_ALLOWED")], False)
    assert f"Package {ID} is refused: it is to {action}, and --allow-execute was not given." in lines
    assert not (tmp_path / "proof").exists()
    # It is in no history: once it is allowed, it runs.
    server.rights = Rights(commands=True)
    server.list(ID)
    await server.run(tmp_path / "state")
    assert server.results[1][1] == ("SUCCESS_0" if action is LAUNCH else "SUCCESS")
    assert (tmp_path / "proof").exists()


async def test_a_package_that_is_too_large_unpacked(server: FaultyServer, tmp_path: Path) -> None:
    add_store(server, tmp_path / "srv")
    server.rights = Rights(unpack=UnpackLimits(size_bytes=len(RANDOM)))
    await server.run(tmp_path / "state")
    assert server.results == [(ID, "ERR_BUILD")]
    assert not (tmp_path / "srv").exists()


async def test_install_path(server: FaultyServer, tmp_path: Path) -> None:
    server.add(ID, server.tar({"x": b"x"}), STORE, "INSTALL_PATH/files")
    await server.run(tmp_path / "state")
    assert (tmp_path / "state/files/x").read_bytes() == b"x"


@pytest.mark.parametrize(
    ("content", "code"), [(b"no archive at all", "ERR_BUILD"), (b"", "ERR_BUILD")], ids=["text", "empty"]
)
async def test_what_is_no_archive(server: FaultyServer, tmp_path: Path, content: bytes, code: str) -> None:
    server.add(ID, content or b"\0", STORE, tmp_path / "srv")
    await server.run(tmp_path / "state")
    assert server.results == [(ID, code)]


# fault of the second fragment → ranges asked for there, in order
FAULTS: list[tuple[str, list[int | str], list[str]]] = [
    ("cut", ["cut 1000"], ["", "bytes=1000-"]),
    ("cut twice", ["cut 1000", "cut 500"], ["", "bytes=1000-", "bytes=1500-"]),
    ("cut, then 416", ["cut 1000", 416], ["", "bytes=1000-", ""]),
    ("cut, then 503", ["cut 1000", 503], ["", "bytes=1000-", "bytes=1000-"]),
    ("flipped", ["flip"], ["", ""]),
    ("cut, then flipped", ["cut 1000", "flip"], ["", "bytes=1000-", ""]),
    ("short", ["short"], ["", ""]),
    ("not there, then there", [404, 500], ["", "", ""]),
    ("moved", [f"to {fragment(2)}?again"], [""]),
]


@pytest.mark.parametrize(("faults", "ranges"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
async def test_faults_of_a_fragment(
    server: FaultyServer, tmp_path: Path, faults: list[int | str], ranges: list[str]
) -> None:
    add_store(server, tmp_path / "srv")
    server.faults[fragment(2)] = faults
    server.files[f"{fragment(2)}?again"] = server.files[fragment(2)]
    summary = await server.run(tmp_path / "state")
    assert summary.is_good
    assert server.results == [(ID, "SUCCESS")]
    assert (tmp_path / "srv/data").read_bytes() == RANDOM
    asked = [request for request in server.requests if request.split()[1] == fragment(2)]
    assert asked == [f"GET {fragment(2)} {span}".strip() for span in ranges]


async def test_a_fragment_that_stays_corrupt(server: FaultyServer, tmp_path: Path) -> None:
    add_store(server, tmp_path / "srv")
    server.files[fragment(2)] = b"x" * len(server.files[fragment(2)])
    summary = await server.run(tmp_path / "state")
    assert server.results == [(ID, "ERR_BAD_DIGEST")]
    assert not summary.is_good
    assert not (tmp_path / "srv").exists()


@pytest.mark.parametrize("longer", [b"more", b"x" * 300_000])
async def test_a_fragment_that_is_too_long_is_corrupt(server: FaultyServer, tmp_path: Path, longer: bytes) -> None:
    add_store(server, tmp_path / "srv")
    server.files[fragment(1)] += longer
    await server.run(tmp_path / "state")
    assert server.results == [(ID, "ERR_BAD_DIGEST")]


async def test_a_fragment_that_changed_on_the_server_starts_anew(server: FaultyServer, tmp_path: Path) -> None:
    """If-Range: another ETag gives a 200, which is not appended."""
    add_store(server, tmp_path / "srv")
    state = tmp_path / "state"
    with trio.CancelScope() as scope:
        server.faults[fragment(1)] = ["cut 1000"]
        await server.run(state, lambda line: scope.cancel() if "failed" in line else None)
    assert scope.cancelled_caught
    folder = state / "download" / ID
    assert (folder / f"{ID}-1.part").stat().st_size == 1000
    assert (folder / f"{ID}-1.etag").read_text().startswith('"')
    (folder / f"{ID}-1.etag").write_text('"old"')
    (folder / f"{ID}-1.part").write_bytes(b"rubbish")
    await server.run(state)
    assert server.results == [(ID, "SUCCESS")]


@pytest.mark.parametrize(
    ("path", "spoil"),
    [
        ("info", lambda data: data.replace(b"STORE", b"STORF")),
        ("info", lambda data: data.replace(b"srv", b"etc")),
        ("manifest", lambda data: data[:-1] + bytes([data[-1] ^ 1])),
        ("manifest", lambda data: b""),
        ("manifest", None),
    ],
    ids=["info unreadable", "info altered", "manifest altered", "manifest empty", "no manifest"],
)
async def test_what_the_ca_does_not_guarantee_is_not_run(
    server: FaultyServer, tmp_path: Path, path: str, spoil: Any
) -> None:
    add_store(server, tmp_path / "srv")
    where = f"/download/{ID}/{path}"
    if spoil:
        server.files[where] = spoil(server.files[where])
    else:
        del server.files[where]
    await server.run(tmp_path / "state")
    assert server.results == [(ID, "ERR_DOWNLOAD_INFO")]
    assert server.count(fragment(1)) == 0


async def test_the_manifest_of_another_package(server: FaultyServer, tmp_path: Path) -> None:
    add_store(server, tmp_path / "srv")
    server.add("7", b"", EXECUTE, f"touch {tmp_path}/proof", 0)
    for name in ("info", "manifest"):
        server.files[f"/download/{ID}/{name}"] = server.files[f"/download/7/{name}"]
    del server.packs["7"]
    await server.run(tmp_path / "state")
    assert server.results == [(ID, "ERR_DOWNLOAD_INFO")]


async def test_a_result_that_is_refused_is_sent_again_with_the_same_code(server: FaultyServer, tmp_path: Path) -> None:
    server.add(ID, b"", EXECUTE, f"echo x >> {tmp_path}/proof", 0)
    server.send = False
    server.requests.clear()
    server.faults["/ocsinventory"] = ["", 500, 300]
    await server.run(tmp_path / "state")
    assert server.results == [(ID, "SUCCESS")]
    assert server.count("POST") == 4
    assert (tmp_path / "proof").read_text() == "x\n"


async def test_a_result_that_nobody_took_goes_out_at_the_next_start(server: FaultyServer, tmp_path: Path) -> None:
    server.add(ID, b"", EXECUTE, f"echo x >> {tmp_path}/proof", 0)
    server.send = False
    server.faults["/ocsinventory"] = ["", 500, 500, 500, 500, 500]
    summary = await server.run(tmp_path / "state")
    assert (server.results, summary.undelivered, summary.is_good) == ([], 1, False)
    summary = await server.run(tmp_path / "state")
    assert summary.is_good
    assert server.results == [(ID, "SUCCESS")]
    assert (tmp_path / "proof").read_text() == "x\n"


async def test_a_result_is_written_down_before_it_is_sent(server: FaultyServer, tmp_path: Path) -> None:
    """Also one that comes before anything was fetched: whatever happens then, the same code is sent, and nothing done
    again."""
    add_store(server, tmp_path / "srv")
    signed = server.files.pop(f"/download/{ID}/manifest")
    server.faults["/ocsinventory"] = ["", *[500] * 9]
    summary = await server.run(tmp_path / "state")
    assert (summary.results, summary.undelivered) == ({ID: "ERR_DOWNLOAD_INFO"}, 1)
    assert (tmp_path / "state/download" / ID / "result").read_text() == "ERR_DOWNLOAD_INFO"
    server.files[f"/download/{ID}/manifest"] = signed
    server.faults.clear()
    await server.run(tmp_path / "state")
    assert server.results == [(ID, "ERR_DOWNLOAD_INFO")]
    assert not (tmp_path / "srv").exists()


async def test_history(server: FaultyServer, tmp_path: Path) -> None:
    server.add(ID, b"", EXECUTE, f"echo x >> {tmp_path}/proof", 0)
    await server.run(tmp_path / "state")
    server.list(ID)
    await server.run(tmp_path / "state")
    assert server.results == [(ID, "SUCCESS"), (ID, "SUCCESS_ALREADY_SETUP")]
    assert server.history == frozenset({ID})
    server.list(ID, force=True)
    await server.run(tmp_path / "state")
    assert server.results[2:] == [(ID, "SUCCESS")]
    assert (tmp_path / "proof").read_text() == "x\nx\n"


async def test_a_withdrawn_package_leaves_nothing(server: FaultyServer, tmp_path: Path) -> None:
    add_store(server, tmp_path / "srv")
    with trio.CancelScope() as scope:
        await server.run(tmp_path / "state", lambda line: scope.cancel() if f"{ID}-1" in line else None)
    assert list((tmp_path / "state/download").iterdir())
    server.packs.clear()
    summary = await server.run(tmp_path / "state")
    assert summary.is_good
    assert not list((tmp_path / "state/download").iterdir())
    assert server.results == []


async def test_a_command_that_was_interrupted_is_not_run_again(server: FaultyServer, tmp_path: Path) -> None:
    server.add(ID, b"", EXECUTE, f"echo x >> {tmp_path}/proof; sleep 600", 0)
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.run, tmp_path / "state")
            proof = tmp_path / "proof"  # the shell makes the file before it writes to it
            await await_until(lambda: proof.exists() and proof.read_text(), "the command has begun")
            scope.cancel()
    await server.run(tmp_path / "state")
    assert server.results == [(ID, "ERR_EXECUTE_NO_EXIT_CODE")]
    assert (tmp_path / "proof").read_text() == "x\n"


async def test_two_priorities(server: FaultyServer, tmp_path: Path) -> None:
    server.add("1", server.tar({"one": b"1" * 9000}), STORE, tmp_path / "srv", 3, priority=2)
    server.add("2", server.tar({"two": b"2" * 9000}), STORE, tmp_path / "srv", 3, priority=1)
    await server.run(tmp_path / "state")
    fragments = [request.rpartition("/")[2] for request in server.requests if "-" in request]
    assert fragments == ["2-1", "1-1", "2-2", "2-3", "1-2", "1-3"]
    assert server.results == [("2", "SUCCESS"), ("1", "SUCCESS")]


async def test_fragments_come_from_a_mirror_and_where_it_fails_from_the_server(
    server: FaultyServer, tmp_path: Path
) -> None:
    add_store(server, tmp_path / "srv")
    server.add_mirror(ID, "near")
    server.faults[f"/near{fragment(2)}"] = [404]
    summary = await server.run(tmp_path / "state")
    assert summary.is_good
    asked = [request.split()[1] for request in server.requests if f"{ID}-" in request]
    # Once it has failed it is tried last for a while.
    assert asked == [f"/near{fragment(1)}", f"/near{fragment(2)}", fragment(2), fragment(3)]


async def test_a_package_that_has_moved_is_known_to_have_moved(server: FaultyServer, tmp_path: Path) -> None:
    add_store(server, tmp_path / "srv")
    place = tmp_path / "state/download" / ID / "package.json"
    with trio.CancelScope() as scope:
        await server.run(tmp_path / "state", lambda line: scope.cancel() if f"{ID}-1" in line else None)
    before = json.loads(place.read_text())
    server.files |= {f"/moved{path}": data for path, data in server.files.items()}
    server.packs[ID] = dataclasses.replace(server.packs[ID], pack_loc=f"{server.http}/moved/download")
    seen: list[dict[str, object]] = []
    await server.run(
        tmp_path / "state",
        lambda line: seen.append(json.loads(place.read_text())) if f"{ID}-2" in line else None,
    )
    assert seen == [{"pack_loc": f"{server.http}/moved/download", "since_s": before["since_s"]}]
    assert server.results == [(ID, "SUCCESS")]


async def test_a_full_disk_is_no_fault_of_a_mirror(
    server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_store(server, tmp_path / "srv")
    server.add_mirror(ID, "near")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(PartialFile, "append", full)
    await server.run(tmp_path / "state")
    assert [request for request in server.requests if f"{ID}-" in request] == [f"GET /near{fragment(1)}"]


@pytest.mark.parametrize("action", [EXECUTE, LAUNCH])
async def test_a_command_has_as_many_minutes_as_the_server_says(
    server: FaultyServer, tmp_path: Path, action: Action, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_s: list[float] = []

    async def note(tree: Path, command: str, output: Path, timeout_s: float) -> str:
        await trio.lowlevel.checkpoint()
        given_s.append(timeout_s)
        return "SUCCESS"

    monkeypatch.setattr(deploy, action.value.lower(), note)
    server.config = DownloadConfig(True, 0, 0, 0, 10, execution_timeout_min=7)
    server.add(ID, b"", action, "x", 0)
    await server.run(tmp_path / "state")
    assert given_s == [7 * 60]


async def test_what_a_command_came_to_is_written_down_at_once(
    server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the agent is killed before it reports, it must not say that it does not know."""
    written: list[str] = []
    report = NativeAgent._result

    async def note(agent: NativeAgent, package_id: str, code: str, machine: Agent) -> object:
        written.append((tmp_path / "state/download" / package_id / "result").read_text())
        return await report(agent, package_id, code, machine)

    monkeypatch.setattr(NativeAgent, "_result", note)
    server.add(ID, b"", EXECUTE, "exit 3", 0)
    await server.run(tmp_path / "state")
    assert written == ["ERR_EXECUTE"]


async def test_the_end_of_what_a_command_says_is_logged(server: FaultyServer, tmp_path: Path) -> None:
    lines: list[str] = []
    server.add(ID, b"", EXECUTE, "seq 1 2000; echo error >&2", 0)
    await server.run(tmp_path / "state", lines.append)
    assert [line for line in lines if "|" in line] == [*(f"  | {number}" for number in range(1992, 2001)), "  | error"]


@pytest.mark.parametrize("status", [300, 503])
async def test_no_server(server: FaultyServer, tmp_path: Path, status: int) -> None:
    server.faults["/ocsinventory"] = [status]
    summary = await server.run(tmp_path / "state")
    assert (summary.reached, summary.is_good) == (False, False)


@pytest.mark.parametrize("name", ["info", "manifest", "package.json"])
async def test_a_damaged_folder_is_fetched_anew(server: FaultyServer, tmp_path: Path, name: str) -> None:
    add_store(server, tmp_path / "srv")
    state = tmp_path / "state"
    with trio.CancelScope() as scope:
        await server.run(state, lambda line: scope.cancel() if f"{ID}-2" in line else None)
    (state / "download" / ID / name).write_bytes(b"{")
    await server.run(state)
    assert server.results == [(ID, "SUCCESS")]
    assert server.count(fragment(1)) == 2


async def test_the_server_is_restarted_between_two_fragments(server: FaultyServer, tmp_path: Path) -> None:
    add_store(server, tmp_path / "srv")
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        if f"{ID}-1...OK" in line:
            server.stop_http()
        elif "refused" in line and not any("refused" in earlier for earlier in lines[:-1]):
            assert server.nursery is not None
            server.nursery.start_soon(server.start_http)

    summary = await server.run(tmp_path / "state", say)
    assert summary.is_good
    assert any("refused" in line for line in lines)
    assert (tmp_path / "srv/data").read_bytes() == RANDOM


@pytest.mark.parametrize(("damage", "wrong"), [("flipped", 1), ("longer", 2)])
async def test_fragments_are_checked_once_more_before_they_are_deployed(
    server: FaultyServer, tmp_path: Path, damage: str, wrong: int
) -> None:
    """The disk may have spoilt what was right when it came."""
    add_store(server, tmp_path / "srv")
    first = tmp_path / "state/download" / ID / f"{ID}-1"

    lines: list[str] = []

    def spoil(line: str) -> None:
        lines.append(line)
        if line == f"Downloading {ID}-3...OK":
            data = first.read_bytes()
            first.write_bytes(bytes([data[0] ^ 1]) + data[1:] if damage == "flipped" else data + b"x")

    await server.run(tmp_path / "state", spoil)
    assert server.results == [(ID, "ERR_BAD_DIGEST")]
    assert any(f"failed: fragment {wrong} of {ID}: expected" in line for line in lines)
    assert not (tmp_path / "srv").exists()


async def test_the_digest_in_info_is_checked_too(server: FaultyServer, tmp_path: Path) -> None:
    """What a stock agent would refuse is refused, although the manifest says that it is right."""
    add_store(server, tmp_path / "srv")
    named = hashlib.md5(b"".join(server.files[fragment(number)] for number in (1, 2, 3))).hexdigest().encode()
    server.spoil_info(ID, named, b"0" * 32)
    await server.run(tmp_path / "state")
    assert server.results == [(ID, "ERR_BAD_DIGEST")]


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, "ERR_OUT_OF_SPACE"), (errno.EIO, "ERR_BUILD")])
async def test_what_cannot_be_unpacked(
    server: FaultyServer, tmp_path: Path, number: int, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_store(server, tmp_path / "srv")

    def fail(*_: object) -> None:
        raise OSError(number, "no")

    monkeypatch.setattr(module, "unpack", fail)
    await server.run(tmp_path / "state")
    assert server.results == [(ID, code)]


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, "ERR_OUT_OF_SPACE"), (errno.EIO, "ERR_EXECUTE")])
async def test_what_cannot_be_stored(
    server: FaultyServer, tmp_path: Path, number: int, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_store(server, tmp_path / "srv")

    def fail(*_: object) -> None:
        raise OSError(number, "no")

    monkeypatch.setattr(module, "store", fail)
    await server.run(tmp_path / "state")
    assert server.results == [(ID, code)]


async def test_no_room_for_a_fragment(server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_store(server, tmp_path / "srv")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(PartialFile, "append", full)
    await server.run(tmp_path / "state")
    assert server.results == [(ID, "ERR_OUT_OF_SPACE")]
