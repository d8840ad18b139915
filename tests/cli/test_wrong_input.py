"""What people type wrongly: swapped arguments, slips, units, past times, ids of what is gone, wrong settings.

Each is one line on stderr that names the option, argument, setting or variable; status 2, or 1 where the state of
things forbids it (`domain/errors.py`); nothing on stdout; and nothing is changed.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sqlite3
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from agentsim.cli import run as run_agentsim
from distd.cli.main import run as run_distd
from distd.domain.settings import OTHER_VARIABLES
from redistrib.cli import run as run_redistrib
from redistrib.mirror_dir import create_mirror
from tests.programs.commands import invoke

if TYPE_CHECKING:
    from pathlib import Path

    from tests.programs.commands import Done

PROGRAMS = {"distd": run_distd, "redistrib": run_redistrib, "agentsim": run_agentsim}
COMPUTER, OTHER = "pc17-2026-01-31-08-00-00", "pc18-2026-01-31-08-00-00"


class Place(NamedTuple):
    """A site with the packages ID, which is active, INACTIVE and DELETED, the computers PC, and OTHER to which ID is
    assigned, the mirrors `paris`, and `lyon` that has joined; the folder MIRROR of one that has not joined."""

    root: Path
    names: dict[str, str]


def build(root: Path, name: str) -> str:
    before = set(os.listdir(root / "site" / "download"))
    words = ["--name", name, "--os", "LINUX", "--action", "STORE", "--path", "/tmp/hello"]
    assert run_distd(["package", "build", str(root / "hello.txt"), *words, "--data", str(root / "site")]) == 0
    (package_id,) = set(os.listdir(root / "site" / "download")) - before
    return package_id


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    root = tmp_path_factory.mktemp("wrong")
    site = str(root / "site")
    assert run_distd(["init", "--data", site, "--host", "localhost"]) == 0
    (root / "hello.txt").write_bytes(b"hello\n" * 1000)
    (root / "empty.txt").touch()
    (root / "empty").mkdir()
    ids = {"INACTIVE": build(root, "Inactive"), "DELETED": build(root, "Deleted"), "ID": build(root, "Hello")}
    assert run_distd(["package", "delete", ids["DELETED"], "--data", site]) == 0
    assert run_distd(["package", "activate", ids["ID"], "--data", site]) == 0
    for name in ("paris", "lyon"):
        assert run_distd(["mirror", "add", name, "--url", f"http://{name}.example", "--data", site]) == 0
    database = sqlite3.connect(root / "site" / "catalogue.db")
    with database:
        database.execute("UPDATE mirrors SET joined_at_us = 1 WHERE name = 'lyon'")
        insert = "INSERT INTO computers (device_id, first_seen_at_us, last_seen_at_us) VALUES (?, 1, 1)"
        database.executemany(insert, [(COMPUTER,), (OTHER,)])
    database.close()
    assert run_distd(["assign", ids["ID"], "--computer", OTHER, "--data", site]) == 0
    create_mirror(root / "mirror")
    return Place(
        root, ids | {"PC": COMPUTER, "OTHER": OTHER, "ROOT": str(root), "SITE": site, "MIRROR": str(root / "mirror")}
    )


def run(place: Place, line: str) -> Done:
    program, *words = shlex.split(line)
    for name, value in place.names.items():
        words = [value if word == name else word.replace(f"{name}/", f"{value}/") for word in words]
    return invoke(PROGRAMS[program], *words)


def snapshot(place: Place) -> Any:
    """The names, sizes and times of all files; the rows of the catalogue."""
    paths = (path for path in sorted(place.root.rglob("*")) if not path.name.startswith("catalogue.db"))
    files = [(str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in paths if path.is_file()]
    database = sqlite3.connect(place.root / "site" / "catalogue.db")
    rows = list(database.iterdump())
    database.close()
    return files, rows


@pytest.fixture(autouse=True)
def no_settings_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("DISTD_") or name in ("REDISTRIB_DATA", *OTHER_VARIABLES):
            monkeypatch.delenv(name)


def is_refused(done: Done, status: int, words: str) -> None:
    assert (done.exit_code, done.stdout) == (status, ""), done
    assert done.stderr.count("\n") == 1, done.stderr
    assert words in done.stderr


# A command line and what its line names, in groups by what the line begins and ends with.
BUILD = "distd package build"
TO_SITE = "--data SITE"
GOOD = "ROOT/hello.txt --name x --os LINUX --action STORE --path /tmp/x"
LOAD = "agentsim load --server https://localhost:1/ocsinventory --ca SITE/cacert.pem"
SIMULATE = "agentsim simulate"
AGENT = "agentsim agent --server https://localhost:1/ocsinventory --ca SITE/cacert.pem --state ROOT/state --once"

WRONG: dict[str, str] = {
    # words that are none
    "distd pakage list": "No such command 'pakage'",
    "distd package lst": "No such command 'lst'",
    "distd --data SITE package list": "No such option '--data'",
    f"distd package list --limt 5 {TO_SITE}": "--limt",
    f"distd package list 5 {TO_SITE}": "unexpected extra argument",
    f"distd package list --limit 0 {TO_SITE}": "--limit",
    f"distd package list --limit -5 {TO_SITE}": "--limit",
    f"distd package list --limit many {TO_SITE}": "--limit",
    f"distd package list --state GONE {TO_SITE}": "--state",
    "distd package list --data": "--data",
    "distd package list": "--data",
    "distd package list --data ''": "--data",
    "distd package list --data ROOT/none": "--data",
    "distd package list --data ROOT/empty": "--data",
    "distd completion tcsh": "tcsh",
    # packages that are none
    f"distd package show {TO_SITE}": "PACKAGE",
    f"distd package show '' {TO_SITE}": "PACKAGE",
    f"distd package show Hello {TO_SITE}": "PACKAGE: expected the id of a package, got Hello",
    f"distd package show 99 {TO_SITE}": "PACKAGE: expected the id of a package, got 99",
    f"distd package show ID INACTIVE {TO_SITE}": "unexpected extra argument",
    f"distd package activate DELETED {TO_SITE}": "PACKAGE",
    f"distd package edit DELETED --priority 3 {TO_SITE}": "PACKAGE",
    f"distd package verify DELETED {TO_SITE}": "PACKAGE",
    f"distd package delete DELETED {TO_SITE}": "PACKAGE",
    f"distd package withdraw DELETED {TO_SITE}": "PACKAGE",
    f"distd package supersede DELETED ROOT/hello.txt {TO_SITE}": "PACKAGE",
    f"distd assign DELETED --computer PC {TO_SITE}": "PACKAGE",
    f"distd package supersede ROOT/hello.txt ID {TO_SITE}": "PACKAGE",
    f"distd package supersede ID ROOT/none.txt {TO_SITE}": "FILE",
    f"distd package supersede ID ROOT/hello.txt --launch x {TO_SITE}": "--launch",
    # build
    f"{BUILD} ROOT/none.txt --name x --os LINUX --action STORE --path /tmp/x {TO_SITE}": "FILE",
    f"{BUILD} Hello --name ROOT/hello.txt --os LINUX --action STORE --path /tmp/x {TO_SITE}": "FILE",
    f"{BUILD} ROOT/hello.txt --os LINUX --action STORE --path /tmp/x {TO_SITE}": "--name",
    f"{BUILD} ROOT/hello.txt --name '' --os LINUX --action STORE --path /tmp/x {TO_SITE}": "--name",
    f"{BUILD} ROOT/hello.txt --name {'x' * 300} --os LINUX --action STORE --path /tmp/x {TO_SITE}": "--name",
    f"{BUILD} ROOT/hello.txt --name x --action STORE --path /tmp/x {TO_SITE}": "--os",
    f"{BUILD} ROOT/hello.txt --name x --os WINDOWS95 --action STORE --path /tmp/x {TO_SITE}": "--os",
    f"{BUILD} ROOT/hello.txt --name x --os LINUX --action INSTALL {TO_SITE}": "--action",
    f"{BUILD} ROOT/hello.txt --name x --os LINUX {TO_SITE}": "--action",
    f"{BUILD} ROOT/hello.txt --name x --os LINUX --action STORE {TO_SITE}": "--path",
    f"{BUILD} ROOT/hello.txt --name x --os LINUX --action STORE --path tmp/x {TO_SITE}": "--path",
    f"{BUILD} ROOT/hello.txt --name x --os LINUX --action STORE --path 'c:\\x' {TO_SITE}": "--path",
    f"{BUILD} ROOT/hello.txt --name x --os WINDOWS --action STORE --path /tmp/x {TO_SITE}": "--path",
    f"{BUILD} ROOT/hello.txt --name x --os LINUX --action STORE --launch x {TO_SITE}": "--path",
    f"{BUILD} ROOT/hello.txt --name x --os LINUX --action LAUNCH --launch setup.exe {TO_SITE}": "--launch",
    f"{BUILD} ROOT/hello.txt --name x --os LINUX --action EXECUTE {TO_SITE}": "--command",
    f"{BUILD} ROOT/empty --name x --os LINUX --action STORE --path /tmp/x {TO_SITE}": "FILE",
    f"{BUILD} --name x --os LINUX --action STORE --path /tmp/x {TO_SITE}": "FILE",
    f"{BUILD} {GOOD} --priority -1 {TO_SITE}": "--priority",
    f"{BUILD} {GOOD} --priority 5.5 {TO_SITE}": "--priority",
    f"{BUILD} {GOOD} --priority high {TO_SITE}": "--priority",
    f"{BUILD} {GOOD} --fragment-size 1 {TO_SITE}": "--fragment-size",
    f"{BUILD} {GOOD} --fragment-size 1MX {TO_SITE}": "--fragment-size",
    f"{BUILD} {GOOD} --fragment-size -1MiB {TO_SITE}": "--fragment-size",
    f"{BUILD} {GOOD} --fragment-size '' {TO_SITE}": "--fragment-size",
    f"{BUILD} {GOOD} --fragments -3 {TO_SITE}": "--fragments",
    f"{BUILD} {GOOD} --fragments 1.5 {TO_SITE}": "--fragments",
    f"{BUILD} {GOOD} --fragments 2 --duration 2h {TO_SITE}": "--duration",
    f"{BUILD} {GOOD} --duration 0 {TO_SITE}": "--duration",
    f"{BUILD} {GOOD} --duration tomorrow {TO_SITE}": "--duration",
    f"{BUILD} {GOOD} --duration -2h {TO_SITE}": "--duration",
    f"{BUILD} {GOOD} --chunking fixed {TO_SITE}": "--chunking",
    f"{BUILD} {GOOD} --digest MD4 {TO_SITE}": "--digest",
    f"{BUILD} {GOOD} --digest SHA256 {TO_SITE}": "--digest",
    f"{BUILD} {GOOD} --protocol FTP {TO_SITE}": "--protocol",
    f"{BUILD} {GOOD} --recipe msi {TO_SITE}": "--action",
    f"{BUILD} ROOT/hello.txt --name x --recipe magic {TO_SITE}": "--recipe",
    f"{BUILD} {GOOD} --arguments /S {TO_SITE}": "--arguments",
    f"{BUILD} {GOOD} --notify-countdown -1 {TO_SITE}": "--notify-countdown",
    f"{BUILD} {GOOD} --notify-countdown soon {TO_SITE}": "--notify-countdown",
    f"{BUILD} {GOOD} --set download.frag_latency=1 {TO_SITE}": "download.frag_latency",
    f"{BUILD} {GOOD} --set =1 {TO_SITE}": "--set",
    f"{BUILD} {GOOD} --set download.on {TO_SITE}": "--set",
    f"{BUILD} {GOOD} --set download.on=perhaps {TO_SITE}": "--set download.on",
    f"{BUILD} {GOOD} --set store.quota_mib=-1 {TO_SITE}": "--set store.quota_mib",
    f"{BUILD} {GOOD} --set store.quota_mib=10GiB {TO_SITE}": "--set store.quota_mib",
    # activate, edit, verify, import
    f"distd package activate INACTIVE --at yesterday {TO_SITE}": "--at",
    f"distd package activate INACTIVE --at 2020-01-01 {TO_SITE}": "--at",
    f"distd package activate INACTIVE --at 25:00 {TO_SITE}": "--at",
    f"distd package activate INACTIVE --at '' {TO_SITE}": "--at",
    f"distd package activate INACTIVE --when-ready 0 {TO_SITE}": "--when-ready",
    f"distd package activate INACTIVE --when-ready 101 {TO_SITE}": "--when-ready",
    f"distd package activate INACTIVE --when-ready 50% {TO_SITE}": "--when-ready",
    f"distd package activate INACTIVE --latest 'fri 18:00' {TO_SITE}": "--latest",
    f"distd package activate INACTIVE --when-ready 50 --latest 2020-01-01 {TO_SITE}": "--latest",
    f"distd package activate INACTIVE --via mirror {TO_SITE}": "--via",
    f"distd package activate INACTIVE --info-server a {TO_SITE}": "-server",
    f"distd package activate INACTIVE --info-server http://a --fragment-server b {TO_SITE}": "--info-server",
    f"distd package activate INACTIVE --info-server a --fragment-server b:70000 {TO_SITE}": "--fragment-server",
    f"distd package activate INACTIVE --when-ready 50 --site nowhere {TO_SITE}": "--site",
    f"distd package edit ID {TO_SITE}": "",
    f"distd package edit ID --priority 11 {TO_SITE}": "--priority",
    f"distd package edit ID --path x {TO_SITE}": "--path",
    f"distd package edit ID --launch x {TO_SITE}": "--launch",
    f"distd package edit ID --name '' {TO_SITE}": "--name",
    f"distd package verify 99 {TO_SITE}": "PACKAGE",
    f"distd package verify ID --repair-from notaurl {TO_SITE}": "--repair-from",
    f"distd package verify ID --repair-from ftp://h/x {TO_SITE}": "--repair-from",
    f"distd package import ROOT/none {TO_SITE}": "DIR",
    f"distd package import ROOT/empty {TO_SITE}": "DIR",
    f"distd package import ROOT/site/download --os BEOS {TO_SITE}": "--os",
    # assign, unassign, results, computers, events
    f"distd assign ID {TO_SITE}": "--computer",
    f"distd assign ID --computer nobody {TO_SITE}": "--computer: expected",
    f"distd assign ID --computer '' {TO_SITE}": "--computer",
    f"distd assign PC --computer ID {TO_SITE}": "PACKAGE",
    f"distd assign ID --computer PC --schedule someday {TO_SITE}": "--schedule",
    f"distd assign ID --computer PC --schedule 2020-01-01 {TO_SITE}": "--schedule",
    f"distd assign ID --computer PC --schedule 'fri 25:00' {TO_SITE}": "--schedule",
    f"distd assign ID --computers ROOT/none.txt {TO_SITE}": "--computers",
    f"distd assign ID --computers ROOT/empty.txt {TO_SITE}": "--computer",
    f"distd assign ID --computers ROOT/empty {TO_SITE}": "--computers",
    f"distd unassign ID {TO_SITE}": "--computer",
    f"distd unassign ID --state SUCCESS {TO_SITE}": "--state",
    f"distd unassign ID --computer PC {TO_SITE}": "PACKAGE",
    f"distd unassign 99 --state WAITING {TO_SITE}": "PACKAGE",
    f"distd results ID --state DONE {TO_SITE}": "--state",
    f"distd results Hello {TO_SITE}": "PACKAGE",
    f"distd computer show nobody {TO_SITE}": "DEVICEID",
    f"distd computer delete nobody {TO_SITE}": "DEVICEID",
    f"distd computer show {TO_SITE}": "DEVICEID",
    f"distd computer show ID {TO_SITE}": "DEVICEID",
    f"distd events --since someday {TO_SITE}": "--since",
    f"distd events --since -1d {TO_SITE}": "--since",
    f"distd events --kind EXPLODED {TO_SITE}": "--kind",
    f"distd events --limit 1e3 {TO_SITE}": "--limit",
    # operators, mirrors
    f"distd operator add '' {TO_SITE}": "NAME",
    f"distd operator add a:b {TO_SITE}": "NAME",
    f"distd operator password nobody {TO_SITE}": "NAME",
    f"distd mirror add rome {TO_SITE}": "--url",
    f"distd mirror add rome --url rome.example {TO_SITE}": "--url",
    f"distd mirror add rome --url https://rome.example {TO_SITE}": "--url",
    f"distd mirror add rome --url http://rome.example:0 {TO_SITE}": "--url",
    f"distd mirror add rome --url http://rome.example:70000 {TO_SITE}": "--url",
    f"distd mirror add rome --url 'http://a b' {TO_SITE}": "--url",
    f"distd mirror add rome --url http://999.1.1.1 {TO_SITE}": "--url",
    f"distd mirror add 'ro me' --url http://rome {TO_SITE}": "NAME",
    f"distd mirror add '' --url http://rome {TO_SITE}": "NAME",
    f"distd mirror add rome --url http://rome --ip bogus {TO_SITE}": "--ip",
    f"distd mirror add rome --url http://rome --network 10.0.0.0/33 {TO_SITE}": "--network",
    f"distd mirror add rome --url http://rome --network paris {TO_SITE}": "--network",
    f"distd mirror add rome --url http://rome --https-port 0 {TO_SITE}": "--https-port",
    f"distd mirror add rome --url http://rome --https-port 99999 {TO_SITE}": "--https-port",
    f"distd mirror show nobody {TO_SITE}": "NAME",
    f"distd mirror revoke nobody {TO_SITE}": "NAME",
    f"distd mirror rules NAME {TO_SITE}": "RULE",
    f"distd mirror rules 'NAME IS TAG' {TO_SITE}": "RULE",
    f"distd mirror rules 'NAME EQUALS TAG' --clear {TO_SITE}": "--clear",
    f"distd mirror explain ID PC {TO_SITE}": "PACKAGE",
    f"distd mirror explain PC 99 {TO_SITE}": "PACKAGE",
    # plan, serve, config, init
    f"distd plan 99 {TO_SITE}": "PACKAGE",
    f"distd plan ID --by yesterday {TO_SITE}": "--by",
    f"distd plan ID --by 2020-01-01 {TO_SITE}": "--by",
    f"distd plan ID --by 3d --share 200% {TO_SITE}": "--share",
    f"distd plan ID --by 3d --share most {TO_SITE}": "--share",
    f"distd plan ID --most fast {TO_SITE}": "--most",
    f"distd plan ID --line 4 {TO_SITE}": "--line",
    f"distd plan ID --site paris {TO_SITE}": "--site",
    f"distd plan ID --site paris=-5 {TO_SITE}": "--site",
    f"distd plan ID --site paris=10:slow {TO_SITE}": "--site",
    f"distd serve --http 8080 {TO_SITE}": "--http",
    f"distd serve --http 127.0.0.1:99999 {TO_SITE}": "--http",
    f"distd serve --https localhost {TO_SITE}": "--https",
    f"distd serve --workers 0 {TO_SITE}": "--workers",
    f"distd serve --workers 65 {TO_SITE}": "--workers",
    f"distd serve --log-level loud {TO_SITE}": "--log-level",
    f"distd serve --log-format xml {TO_SITE}": "--log-format",
    f"distd serve --set bandwidth.rules=fast {TO_SITE}": "--set bandwidth.rules",
    f"distd serve --set server.http=8080 {TO_SITE}": "--set server.http",
    f"distd serve --set server.host= {TO_SITE}": "--set server.host",
    f"distd config show downlod {TO_SITE}": "downlod",
    f"distd config show download.frag {TO_SITE}": "download.frag",
    f"distd init --host localhost {TO_SITE}": "--data",
    "distd init --host localhost --data ''": "'--data': expected a folder, got nothing",
    "distd init --host 999.1.1.1 --data ROOT/new": "--host",
    "distd init --host http://a --data ROOT/new": "--host",
    "distd init --host '' --data ROOT/new": "--host",
    "distd init --host localhost": "--data",
    # redistrib
    "redistrib jion": "No such command 'jion'",
    "redistrib join --token x --data ROOT/new": "ORIGIN_URL",
    "redistrib join https://localhost:1 --data ROOT/new": "--token",
    "redistrib join localhost:1 --token x --data ROOT/new": "ORIGIN_URL",
    "redistrib join http://localhost:1 --token x --data ROOT/new": "ORIGIN_URL",
    "redistrib join https://localhost:1/x --token x --data ROOT/new": "ORIGIN_URL",
    "redistrib join https://localhost:99999 --token x --data ROOT/new": "ORIGIN_URL",
    "redistrib join https://localhost:1 --token x --data ROOT/new": "--token",
    "redistrib join https://localhost:1 --token '' --data ROOT/new": "--token",
    "redistrib serve --data ROOT/new": "--data",
    "redistrib serve --data MIRROR": "--data",
    "redistrib serve --data ''": "--data",
    "redistrib serve": "--data",
    "redistrib serve --package 17 --data ROOT/new": "--package",
    "redistrib serve --from-ocs '' --data ROOT/new": "--from-ocs",
    "redistrib serve --from-ocs ftp://h --data ROOT/new": "--from-ocs",
    "redistrib serve --from-ocs ROOT/none --data ROOT/new": "--from-ocs",
    "redistrib serve --from-ocs http:// --data ROOT/new": "--from-ocs",
    "redistrib serve --from-ocs http://h --package x --data ROOT/new": "--package",
    "redistrib serve --from-ocs http://h --ca ROOT/none --data ROOT/new": "--ca",
    "redistrib serve --from-ocs http://h --host 'a b' --data ROOT/new": "--host",
    "redistrib serve --from-ocs http://h --http 8080 --data ROOT/new": "--http",
    "redistrib serve --from-ocs http://h --set redistrib.poll_s=0 --data ROOT/new": "--set redistrib.poll_s",
    "redistrib serve --from-ocs http://h --log-level loud --data ROOT/new": "--log-level",
    "redistrib status --data ROOT/new": "--data",
    "redistrib status MIRROR": "--data",
    "redistrib verify --data ROOT/empty": "--data",
    "redistrib import ROOT/none --data MIRROR": "DIR",
    "redistrib import --data MIRROR": "DIR",
    # agentsim
    "agentsim sleep": "No such command 'sleep'",
    "agentsim agent --ca SITE/cacert.pem --state ROOT/state": "--server",
    "agentsim agent --server localhost --ca SITE/cacert.pem --state ROOT/state": "--server",
    "agentsim agent --server ftp://h/x --ca SITE/cacert.pem --state ROOT/state": "--server",
    "agentsim agent --server https://h:99999/x --ca SITE/cacert.pem --state ROOT/state": "--server",
    "agentsim agent --server https://h/x --ca ROOT/none --state ROOT/state": "--ca",
    "agentsim agent --server https://h/x --ca ROOT/hello.txt --state ROOT/state": "--ca",
    "agentsim agent --server https://h/x --ca SITE/cacert.pem": "--state",
    f"{AGENT} --name 'a\tb'": "--name",
    f"{AGENT} --name {'x' * 300}": "--name",
    f"{LOAD}": "--agents",
    f"{LOAD} --agents 0": "--agents",
    f"{LOAD} --agents -1": "--agents",
    f"{LOAD} --agents many": "--agents",
    f"{LOAD} --agents 1 --dialect macos": "--dialect",
    f"{LOAD} --agents 1 --dialect unix=x": "--dialect",
    f"{LOAD} --agents 1 --arrival never": "--arrival",
    f"{LOAD} --agents 1 --arrival window=": "--arrival",
    f"{LOAD} --agents 1 --arrival poisson=-5/s": "--arrival",
    f"{LOAD} --agents 1 --time-scale 0": "--time-scale",
    f"{LOAD} --agents 1 --duration -1h": "--duration",
    f"{LOAD} --agents 1 --duration long": "--duration",
    f"{LOAD} --agents 1 --behaviour vanish": "--behaviour",
    f"{LOAD} --agents 1 --behaviour vanish=200%": "--behaviour",
    f"{LOAD} --agents 1 --behaviour explode=1%": "--behaviour",
    f"{LOAD} --agents 1 --verify 200%": "--verify",
    f"{LOAD} --agents 1 --verify lots": "--verify",
    f"{LOAD} --agents 1 --seed -1": "--seed",
    f"{LOAD} --agents 1 --processes 0": "--processes",
    f"{LOAD} --agents 1 --threshold nonsense": "--threshold",
    f"{LOAD} --agents 1 --threshold 'speed<1s'": "--threshold",
    f"{LOAD} --agents 1 --inventories ROOT/none": "--inventories",
    f"{LOAD} --agents 1 --inventories ROOT/empty": "--inventories",
    f"{LOAD} --agents 1 --report ROOT/none/x.json": "--report",
    f"{LOAD} --agents 1 --html ROOT/none/x.html": "--html",
    f"{SIMULATE}": "--package",
    f"{SIMULATE} --package 0": "--package",
    f"{SIMULATE} --package -5MB": "--package",
    f"{SIMULATE} --package 5XB": "--package",
    f"{SIMULATE} --package 5MB@11": "--package",
    f"{SIMULATE} --package 5MB/0": "--package",
    f"{SIMULATE} --package 5MB --agents 0": "--agents",
    f"{SIMULATE} --package 5MB --site paris": "--site",
    f"{SIMULATE} --package 5MB --site paris=0": "--site",
    f"{SIMULATE} --package 5MB --site paris=5 --site paris=6": "--site",
    f"{SIMULATE} --package 5MB --line x": "--line",
    f"{SIMULATE} --package 5MB --origin-line x": "--origin-line",
    f"{SIMULATE} --package 5MB --mirror nowhere": "--mirror",
    f"{SIMULATE} --package 5MB --site a=5 --mirror a --mirror-down a=6-2": "--mirror-down",
    f"{SIMULATE} --package 5MB --dialect amiga": "--dialect",
    f"{SIMULATE} --package 5MB --window x": "--window",
    f"{SIMULATE} --package 5MB --window -1h": "--window",
    f"{SIMULATE} --package 5MB --start someday": "--start",
    f"{SIMULATE} --package 5MB --start 'mon 25:00'": "--start",
    f"{SIMULATE} --package 5MB --round-trip -1": "--round-trip",
    f"{SIMULATE} --package 5MB --contacts-per-s -1": "--contacts-per-s",
    f"{SIMULATE} --package 5MB --set download.frag_latency_s=-1": "--set download.frag_latency_s",
    f"{SIMULATE} --package 5MB --html ROOT/none/x.html": "--html",
}

# What the state of things forbids: status 1.
FORBIDDEN: dict[str, str] = {
    f"distd assign INACTIVE --computer PC {TO_SITE}": "PACKAGE",
    f"distd package delete ID {TO_SITE}": "PACKAGE",
    f"distd assign ID --computer OTHER {TO_SITE}": "",
    f"distd package deactivate INACTIVE {TO_SITE}": "PACKAGE",
    f"distd operator add admin {TO_SITE}": "NAME",
    f"distd mirror add lyon --url http://lyon.example {TO_SITE}": "NAME: there is a mirror lyon that has joined; take",
}

FILES: dict[str, str] = {
    "[download]\nfrag_latency_s = '5'": "distd.toml: download.frag_latency_s: expected a whole number",
    "[download]\nfrag_latency_s = 5.5": "distd.toml: download.frag_latency_s",
    "[download]\nfrag_latency_s = -1": "distd.toml: download.frag_latency_s",
    "[download]\nfrag_latency_s = true": "distd.toml: download.frag_latency_s",
    "[download]\non = 1": "distd.toml: download.on: expected true or false",
    "[downloads]\non = true": "did you mean download.on?",
    "frag_latency_s = 5": "distd.toml: frag_latency_s: expected a [section]",
    "[server]\nhttp = 8080": "distd.toml: server.http",
    "[server]\nhttps = '0.0.0.0:70000'": "distd.toml: server.https: expected HOST:PORT",
    "[server]\nhost = ''": "distd.toml: server.host",
    "[bandwidth]\nrules = 'quick'": "distd.toml: bandwidth.rules",
    "[mirrors]\nvia = 'mirror'": "distd.toml: mirrors.via: expected",
    "[limits]\nconnections = 0": "distd.toml: limits.connections",
    "[server]\nhost = 'a'\nhost = 'b'": "distd.toml: expected TOML",
    "[server]\nhost = a": "distd.toml: expected TOML",
}

VARIABLES: dict[str, str] = {
    "DISTD_DOWNLOAD_PERIOD_LENGTH=0": "DISTD_DOWNLOAD_PERIOD_LENGTH: expected a whole number from 1",
    "DISTD_DOWNLAOD_ON=1": "DISTD_DOWNLAOD_ON",
    "DISTD_STORE_QUOTA_MIB=1GiB": "DISTD_STORE_QUOTA_MIB",
    "DISTD_STORE_QUOTA_MIB=": "DISTD_STORE_QUOTA_MIB",
    "DISTD_SERVER_HTTP=:80": "DISTD_SERVER_HTTP: expected HOST:PORT",
    "DISTD_DOWNLOAD_ON=perhaps": "DISTD_DOWNLOAD_ON: expected true or false",
    "DISTD_MIRRORS_VIA=STEERING": "DISTD_MIRRORS_VIA",
    "DISTD_BANDWIDTH_RULES=5MB": "DISTD_BANDWIDTH_RULES",
}


@pytest.mark.parametrize("line", WRONG)
def test_wrong_usage_or_input(place: Place, line: str) -> None:
    before = snapshot(place)
    is_refused(run(place, line), 2, WRONG[line])
    assert snapshot(place) == before


@pytest.mark.parametrize("line", FORBIDDEN)
def test_what_the_state_of_things_forbids(place: Place, line: str) -> None:
    before = snapshot(place)
    is_refused(run(place, line), 1, FORBIDDEN[line])
    assert snapshot(place) == before


@pytest.mark.parametrize("content", FILES)
def test_wrong_settings_in_the_file(place: Place, tmp_path: Path, content: str) -> None:
    shutil.copytree(place.root / "site", tmp_path / "site")
    (tmp_path / "site" / "distd.toml").write_text(content)
    is_refused(run(place, f"distd serve --data {tmp_path}/site"), 2, FILES[content])


@pytest.mark.parametrize("assignment", VARIABLES)
def test_wrong_variables(place: Place, assignment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, _, value = assignment.partition("=")
    monkeypatch.setenv(name, value)
    before = snapshot(place)
    for line in (f"distd package list {TO_SITE}", f"distd serve {TO_SITE}"):
        is_refused(run(place, line), 2, VARIABLES[assignment])
    assert snapshot(place) == before


def test_there_are_enough_of_them() -> None:
    assert len(WRONG) + len(FORBIDDEN) + len(FILES) + len(VARIABLES) >= 200
