"""What comes for deployment: units of systemd (what they start exists, sockets have the names that the programs look
for), alerts, requirements."""

from __future__ import annotations

import fcntl
import json
import os
import re
import socket
import subprocess
import sys
from configparser import ConfigParser
from typing import TYPE_CHECKING

import pytest
import yaml
from packaging.requirements import Requirement

from distd.domain.conditions import ConditionKind
from distd.lane.sockets import KINDS, name_of
from distd.server.metrics import CONDITIONS, COUNTERS, GAUGES
from tests.docs.house import ROOT

if TYPE_CHECKING:
    from pathlib import Path

UNITS = ROOT / "distd/deploy/systemd"
PROGRAMS = ("distd", "redistrib")


def read_unit(name: str) -> ConfigParser:
    parser = ConfigParser(delimiters="=", interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNITS / name)
    return parser


@pytest.mark.parametrize("program", PROGRAMS)
def test_sockets_have_the_names_that_the_programs_look_for(program: str) -> None:
    sockets = {kind: read_unit(f"{program}-{kind}.socket")["Socket"] for kind in KINDS}
    assert {kind: unit["FileDescriptorName"] for kind, unit in sockets.items()} == {kind: kind for kind in KINDS}
    assert {unit["Service"] for unit in sockets.values()} == {f"{program}.service"}
    service = read_unit(f"{program}.service")
    names = {f"{program}-{kind}.socket" for kind in KINDS}
    assert set(service["Service"]["Sockets"].split()) == names
    assert set(service["Unit"]["Requires"].split()) == names


@pytest.mark.parametrize("program", PROGRAMS)
def test_services_have_no_privileges(program: str) -> None:
    service = read_unit(f"{program}.service")["Service"]
    assert service["User"] == program
    assert service["CapabilityBoundingSet"] == ""
    for name in ("NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectHome", "RestrictNamespaces"):
        assert service[name] == "yes"
    assert service["ProtectSystem"] == "strict"


@pytest.mark.needs("systemd-analyze")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    for unit in UNITS.iterdir():
        text = unit.read_text()
        for program in PROGRAMS:
            text = text.replace(f"/opt/distd/bin/{program}", sys.executable)
        (tmp_path / unit.name).write_text(text)
    command = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *map(str, tmp_path.iterdir())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert [line for line in done.stderr.splitlines() if str(tmp_path) in line or "distd" in line] == []
    assert done.returncode == 0


# What systemd does: descriptors from 3 on, and the number of the process, which only the process itself can know.
ACTIVATE = """
import os, sys
for number, given in enumerate(sys.argv[1:3], 3):
    os.dup2(int(given), number)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2", "LISTEN_FDNAMES": "http:https"}
os.execv(sys.executable, [sys.executable, "-m", "redistrib", *sys.argv[3:]])
"""


def test_redistrib_serves_on_sockets_that_systemd_passes(tmp_path: Path) -> None:
    (tmp_path / "ocs").mkdir()
    serve = f"serve --data {tmp_path}/m --from-ocs {tmp_path}/ocs --host localhost --json".split()
    with socket.create_server(("127.0.0.1", 0)) as http, socket.create_server(("127.0.0.1", 0)) as https:
        numbers = [fcntl.fcntl(sock, fcntl.F_DUPFD, 10) for sock in (http, https)]
        command = [sys.executable, "-c", ACTIVATE, *map(str, numbers), *serve]
        with subprocess.Popen(command, pass_fds=numbers, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            process.terminate()
        for number in numbers:
            os.close(number)
        assert json.loads(line) == {"http": [name_of(http)], "https": [name_of(https)]}


def test_alerts_are_about_metrics_that_there_are() -> None:
    (group,) = yaml.safe_load((ROOT / "distd/deploy/prometheus/alerts.yml").read_text())["groups"]
    names = {rule["alert"] for rule in group["rules"]}
    assert len(names) == len(group["rules"]) > 5
    asked = " ".join(rule["expr"] for rule in group["rules"])
    known = {name for name, *_ in (*COUNTERS, *GAUGES, CONDITIONS)}
    assert set(re.findall(r"distd_\w+", asked)) <= known
    assert set(re.findall(r'kind="(\w+)"', asked)) == set(ConditionKind)
    assert all(rule["annotations"]["summary"] and rule["labels"]["severity"] for rule in group["rules"])


def test_a_servers_requirements_are_those_of_the_lock() -> None:
    """`make lock` writes both. With hashes, so what a server gets is what the tests ran with."""
    pinned = blocks("distd/deploy/requirements.txt")
    lock = blocks("requirements.txt")
    assert [name for name, hashes in pinned.items() if lock.get(name) != hashes] == []
    assert {Requirement(name.partition(";")[0]).name for name in pinned} >= {"trio", "quart-trio", "sqlalchemy"}


def blocks(path: str) -> dict[str, set[str]]:
    """Requirement (with its marker) and the hashes of it, of a pinned file."""
    found: dict[str, set[str]] = {}
    name = ""
    for line in (ROOT / path).read_text().splitlines():
        text = line.removesuffix("\\").strip()
        if text.startswith("--hash="):
            found[name].add(text)
        elif text and not text.startswith("#"):
            name = text
            found[name] = set()
    return found
