"""kill -9 at any step of what changes packages: the next command must find a store without damage.

A step is an event of the interpreter's audit (a file opened, renamed, linked, removed…), a write or an fsync. Which
steps is drawn for each operation, by a fixed seed, out of all that it has.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from distd.cli.main import run
from distd.origin.installation import open_installation
from distd.origin.packages import packages
from distd.origin.packages.recovery import reconcile
from distd.packaging.verify import verify
from distd.storage import package_dirs as directories
from distd.storage import pki

if TYPE_CHECKING:
    from pathlib import Path

STEPS = 40  # of each operation: 240 in all

# Runs one operation again and again on a copy of a data directory, each time in a child that is killed at another step;
# prints for each step how the child ended. The first child is not killed, and counts the steps.
KILLER = """
import json, os, random, signal, subprocess, sys
from pathlib import Path
from distd.cli import package, package_build  # before the children count
from distd.cli.main import run
template, folder, steps, operation = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4])


def audited(function):
    return lambda *args: (sys.audit("step"), function(*args))[1]


def child(deadline):
    count = 0

    def event(name, _arguments):
        nonlocal count
        count += 1
        if count == deadline:
            signal.raise_signal(signal.SIGKILL)

    os.write, os.fsync = audited(os.write), audited(os.fsync)
    sys.stdout = sys.stderr = open(os.devnull, "w")
    site = folder / str(deadline)
    arguments = [part.replace("SITE", str(site)) for part in operation]
    sys.addaudithook(event)
    status = run(arguments)
    os.write(pipe[1], b"%d" % count)
    os._exit(status)


def attempt(deadline):
    subprocess.run(["cp", "-a", template, folder / str(deadline)], check=True)  # hard links stay what they are
    pid = os.fork()
    if pid == 0:
        child(deadline)
    return os.waitpid(pid, 0)[1]


pipe = os.pipe()
status = attempt(0)
assert status == 0, status
last = int(os.read(pipe[0], 20))
drawn = sorted(random.Random(operation[1]).sample(range(1, last), min(steps, last - 1)))
print(json.dumps([[deadline, attempt(deadline)] for deadline in drawn]))
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A data directory with three packages, two of which share their fragments: (its folder, it, the ids by name)."""
    folder = tmp_path_factory.mktemp("crashes")
    site = folder / "site"
    assert run(["init", "--data", str(site), "--host", "localhost"]) == 0
    source = folder / "tool.bin"
    source.write_bytes(random.Random(1).randbytes(5000))
    for name in ("first", "twin", "foreign"):
        order = ["--name", name, "--os", "LINUX", "--action", "STORE", "--path", "/x", "--fragment-size", "1KiB"]
        assert run(["package", "build", str(source), "--data", str(site), *order]) == 0
    with open_installation(site) as here, here.catalogue.read() as conn:
        ids = {package.name: package.id for package in packages.read_all(conn)}
    return folder, site, ids


def foreign(folder: Any, site: Any, package_id: Any) -> Any:
    """The folder of a package as another server has it."""
    made = folder / "ocs" / "1500000001"
    if not made.exists():
        made.mkdir(parents=True)
        for path in (site / "download" / package_id).glob(f"{package_id}-*"):
            (made / path.name.replace(package_id, "1500000001")).write_bytes(path.read_bytes())
        info = (site / "download" / package_id / "info").read_text()
        (made / "info").write_text(info.replace(package_id, "1500000001"))
    return made


OPERATIONS = {
    "build": ["package", "build", "TOOL", "--name", "x", "--os", "LINUX", "--action", "STORE", "--path", "/y"],
    "supersede": ["package", "supersede", "FIRST", "TOOL"],
    "import": ["package", "import", "FOREIGN"],
    "delete": ["package", "delete", "FIRST"],
    "withdraw": ["package", "withdraw", "FIRST"],
    "edit": ["package", "edit", "FIRST", "--priority", "2"],
}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_killed_at_any_step_the_store_is_not_damaged(template: Any, tmp_path: Path, operation: Any) -> None:
    folder, site, ids = template
    words = {"TOOL": str(folder / "tool.bin"), "FIRST": ids["first"]}
    words["FOREIGN"] = str(foreign(folder, site, ids["foreign"]))
    arguments = [words.get(part, part) for part in operation] + ["--data", "SITE"]
    command = [sys.executable, "-c", KILLER, site, tmp_path, str(STEPS), json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    steps = json.loads(done.stdout)
    assert len(steps) >= STEPS // 2
    assert {status for _, status in steps} == {9}
    for deadline, _ in steps:
        _check(tmp_path / str(deadline), ids)


def _check(site: Any, ids: Any) -> None:
    """After the next start all packages are complete and no other files are left."""
    with open_installation(site) as here:
        assert reconcile(here.catalogue, here.data).missing == []
        ca = pki.load_ca(here.data.ca_certificate)
        with here.catalogue.read() as conn:
            found = {package.id: package for package in packages.read_all(conn)}
        assert {ids["twin"], ids["foreign"]} <= found.keys()
        assert sorted(os.listdir(here.data.download)) == sorted(found)
        for package_id, package in found.items():
            assert verify(here.data, package_id, ca) == {}
            manifest = directories.read_manifest(here.data, package_id, ca)
            info = directories.read_info(here.data, package_id)
            assert (package.version, package.priority) == (manifest.version, info.priority)
            assert (package.withdrawn_at_s is not None) == (manifest.size == 0)
        links = [path.stat().st_nlink for path in here.data.fragments.rglob("*") if path.is_file()]
        assert links
        assert min(links) > 1
