"""What the outside has damaged: files that are missing, empty or something else, folders of another user, full disks.

Each is one line on stderr that says what is wrong, and status 1 or 2; never a traceback, in all three programs.
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from agentsim.cli import run as run_agentsim
from distd.cli.main import run as run_distd
from redistrib.cli import run as run_redistrib
from redistrib.mirror_dir import Identity, create_mirror, write_identity
from tests.programs.commands import invoke
from tests.programs.processes import plain_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.programs.commands import Done

    Damage = Callable[["Place"], None]

PROGRAMS = {"distd": run_distd, "redistrib": run_redistrib, "agentsim": run_agentsim}
SERVE_LIMIT_S = 60.0  # a server that starts nevertheless is ended
NOBODY = 65_534


class Place(NamedTuple):
    """A site with package `package_id`, a mirror of it, a folder for an agent's state."""

    root: Path
    package_id: str

    @property
    def site(self) -> Path:
        return self.root / "site"

    @property
    def mirror(self) -> Path:
        return self.root / "mirror"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Place:
    root = tmp_path_factory.mktemp("damaged")
    site, source = root / "site", root / "hello.txt"
    source.write_bytes(b"hello\n" * 1000)
    words = ["--name", "Hello", "--os", "LINUX", "--action", "STORE", "--path", "/tmp/hello"]
    assert run_distd(["init", "--data", str(site), "--host", "localhost"]) == 0
    assert run_distd(["package", "build", str(source), *words, "--data", str(site)]) == 0
    (package,) = (site / "download").iterdir()
    assert run_distd(["package", "activate", package.name, "--data", str(site)]) == 0
    mirror = create_mirror(root / "mirror")
    shutil.copy(site / "cacert.pem", mirror.data.ca_certificate)
    for name in ("server.pem", "server.key"):
        shutil.copy(site / "keys" / name, mirror.data.keys)
    shutil.copytree(package, mirror.data.package(package.name))
    write_identity(mirror, Identity("paris", "https://localhost:1", "key"))
    return Place(root, package.name)


@pytest.fixture
def place(made: Place, tmp_path: Path) -> Place:
    shutil.copytree(made.root, tmp_path / "place")
    return Place(tmp_path / "place", made.package_id)


@contextmanager
def ended_in_time() -> Iterator[None]:
    """A server that starts, although it should not, is told to end: the test fails by its status then."""
    timer = threading.Timer(SERVE_LIMIT_S, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def call(place: Place, line: str) -> Done:
    """Run a command line; SITE, MIRROR, ID and ROOT stand for the place's."""
    names = {"SITE": place.site, "MIRROR": place.mirror, "ID": place.package_id, "ROOT": place.root}
    program, *words = line.split()
    for name, value in names.items():
        words = [word.replace(name, str(value)) for word in words]
    with ended_in_time():
        return invoke(PROGRAMS[program], *words)


def write(name: str, content: bytes) -> Damage:
    def damage(place: Place) -> None:
        (place.root / name).write_bytes(content)

    return damage


def remove(name: str) -> Damage:
    def damage(place: Place) -> None:
        path = place.root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return damage


def folder(name: str) -> Damage:
    def damage(place: Place) -> None:
        remove(name)(place)
        (place.root / name).mkdir()

    return damage


def file(name: str) -> Damage:
    def damage(place: Place) -> None:
        remove(name)(place)
        (place.root / name).write_bytes(b"a file")

    return damage


def sql(statement: str) -> Damage:
    def damage(place: Place) -> None:
        database = sqlite3.connect(place.site / "catalogue.db")
        with database:
            database.execute("PRAGMA foreign_keys = OFF")
            database.execute(statement)
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()

    return damage


def cut_catalogue(place: Place) -> None:
    sql("SELECT 1")(place)
    path = place.site / "catalogue.db"
    os.truncate(path, path.stat().st_size // 8192 * 4096)


def spoil_catalogue(place: Place) -> None:
    """All pages but the first are noise."""
    sql("SELECT 1")(place)
    with (place.site / "catalogue.db").open("r+b") as database:
        size = database.seek(0, os.SEEK_END)
        database.seek(4096)
        database.write(b"\xa5" * (size - 4096))


def swap_keys(place: Place) -> None:
    keys = place.site / "keys"
    shutil.copy(keys / "signer.key", keys / "server.key")


BINARY = Path(sys.executable).resolve().read_bytes()[:5000]
NOISE = b"\x00\xff\xfe garbage \x80"
SERVE = "distd serve --data SITE --http 127.0.0.1:0 --https 127.0.0.1:0"
MIRROR_SERVE = "redistrib serve --data MIRROR --http 127.0.0.1:0 --https 127.0.0.1:0"
COPIES = "redistrib serve --data ROOT/copies --http 127.0.0.1:0 --https 127.0.0.1:0 --host localhost --from-ocs"
BUILD = "distd package build ROOT/hello.txt --name x --os LINUX --action STORE --path /tmp/x --data SITE"
ADD = "distd mirror add paris --url http://paris --data SITE"
AGENT = "agentsim agent --server https://localhost:1/ocsinventory --once --name pc-1"
LOAD = "agentsim load --server https://localhost:1/ocsinventory --agents 1"

# A damage, a command line, the status, what its line says.
CASES: dict[str, tuple[Damage | None, str, int, str]] = {
    # the catalogue
    "a catalogue that is gone": (remove("site/catalogue.db"), "distd package list --data SITE", 2, "catalogue.db"),
    "an empty one": (write("site/catalogue.db", b""), "distd package list --data SITE", 2, "catalogue.db is empty"),
    "a text": (write("site/catalogue.db", b"text\n" * 5000), "distd computer list --data SITE", 2, "not a database"),
    "a program": (write("site/catalogue.db", BINARY), "distd events --data SITE", 2, "not a database"),
    "a folder": (folder("site/catalogue.db"), "distd package list --data SITE", 2, "catalogue.db"),
    "cut off": (cut_catalogue, "distd package list --data SITE", 1, "catalogue: "),
    "cut off, to be written": (cut_catalogue, ADD, 1, "catalogue: "),
    "noise": (spoil_catalogue, "distd results ID --data SITE", 1, "catalogue: expected a whole database"),
    "noise, served": (spoil_catalogue, SERVE, 1, "catalogue: expected a whole database"),
    "without a table": (sql("DROP TABLE packages"), "distd package list --data SITE", 1, "no such table: packages"),
    "newer": (sql("UPDATE alembic_version SET version_num = '0099'"), "distd config show --data SITE", 0, ""),
    "newer, read": (
        sql("UPDATE alembic_version SET version_num = '0099'"),
        "distd package show ID --data SITE",
        2,
        "got schema 0099; it was written by a newer distd",
    ),
    "of a version that never was": (
        sql("UPDATE alembic_version SET version_num = '0000'"),
        "distd package list --data SITE",
        1,
        "catalogue: expected a database of an earlier distd",
    ),
    "older than it is": (
        sql("UPDATE alembic_version SET version_num = '0001'"),
        "distd package list --data SITE",
        1,
        "catalogue: expected a database of an earlier distd",
    ),
    "without a version": (sql("DELETE FROM alembic_version"), "distd package list --data SITE", 2, "schema"),
    # settings
    "binary settings": (write("site/distd.toml", BINARY), "distd package list --data SITE", 2, "distd.toml: expected"),
    "noise in settings": (write("site/distd.toml", NOISE), SERVE, 2, "distd.toml: expected TOML"),
    "settings that are cut off": (
        write("site/distd.toml", b"[server"),
        "distd config show --data SITE",
        2,
        "distd.toml",
    ),
    "settings that are a folder": (folder("site/distd.toml"), "distd package list --data SITE", 2, "--data: expected"),
    "no settings": (remove("site/distd.toml"), "distd package list --data SITE", 2, "--data: expected"),
    "binary settings of a mirror": (
        write("mirror/redistrib.toml", BINARY),
        MIRROR_SERVE,
        2,
        "redistrib.toml: expected",
    ),
    "a folder in their place": (folder("mirror/redistrib.toml"), MIRROR_SERVE, 2, "--data: expected a folder made by"),
    # keys and certificates
    **{
        f"{name}: {how}": (damage, line, 2, word)
        for name, line, word in (
            ("cacert.pem", ADD, "cacert.pem"),
            ("cacert.pem", BUILD, "cacert.pem"),
            ("keys/server.pem", SERVE, "server.pem"),
            ("keys/server.key", SERVE, "server.key"),
            ("keys/signer.pem", BUILD, "signer.pem"),
            ("keys/signer.key", BUILD, "signer.key"),
            ("keys/token.key", SERVE, "token.key"),
        )
        for how, damage in (
            (f"missing, {line[:20]}", remove(f"site/{name}")),
            (f"empty, {line[:20]}", write(f"site/{name}", b"")),
            (f"garbage, {line[:20]}", write(f"site/{name}", NOISE)),
            (f"a folder, {line[:20]}", folder(f"site/{name}")),
        )
    },
    "the key of another certificate": (
        swap_keys,
        SERVE,
        2,
        "expected a certificate whose key is in server.key, got ",
    ),
    "no keys at all": (remove("site/keys"), SERVE, 2, "token.key"),
    "the CA of a mirror": (write("mirror/cacert.pem", NOISE), MIRROR_SERVE, 2, "cacert.pem"),
    "no CA of a mirror": (remove("mirror/cacert.pem"), "redistrib verify --data MIRROR", 2, "cacert.pem"),
    "the certificate of a mirror": (write("mirror/keys/server.pem", b""), MIRROR_SERVE, 2, "server.pem"),
    "the key of a mirror": (remove("mirror/keys/server.key"), MIRROR_SERVE, 2, "server.key"),
    "the identity of a mirror": (write("mirror/keys/mirror.json", NOISE), MIRROR_SERVE, 2, "mirror.json"),
    "an identity of another kind": (write("mirror/keys/mirror.json", b"[]"), MIRROR_SERVE, 2, "mirror.json"),
    "an empty identity": (write("mirror/keys/mirror.json", b""), "redistrib status --data MIRROR", 2, "mirror.json"),
    "an identity that is a folder": (folder("mirror/keys/mirror.json"), MIRROR_SERVE, 1, "mirror.json: Is a directory"),
    "the CA of an agent": (write("ca", NOISE), f"{AGENT} --ca ROOT/ca --state ROOT/state", 2, "--ca: expected"),
    "an empty CA of an agent": (write("ca", b""), f"{AGENT} --ca ROOT/ca --state ROOT/state", 2, "--ca: expected"),
    "no CA of an agent": (None, f"{AGENT} --ca ROOT/ca --state ROOT/state", 2, "--ca: expected"),
    "a folder as the CA of an agent": (None, f"{AGENT} --ca SITE --state ROOT/state", 2, "Is a directory"),
    "the CA of a fleet": (write("ca", BINARY), f"{LOAD} --ca ROOT/ca", 2, "--ca: expected a certificate in PEM"),
    "the CA of an OCS server": (write("ca", NOISE), f"{COPIES} https://h --ca ROOT/ca", 2, "--ca: expected"),
    "a folder as that CA": (None, f"{COPIES} https://h --ca SITE", 2, "--ca: expected"),
    # folders
    "a file as the data directory": (None, "distd package list --data ROOT/hello.txt", 2, "--data: expected"),
    "below a file": (None, "distd package list --data ROOT/hello.txt/x", 2, "--data: expected"),
    "a device": (None, "distd package list --data /dev/null", 2, "--data: expected"),
    "init in a file": (None, "distd init --data ROOT/hello.txt --host localhost", 2, "--data: expected a folder"),
    "init below a file": (None, "distd init --data ROOT/hello.txt/x --host localhost", 2, "--data: expected a folder"),
    "a file as a mirror": (None, "redistrib status --data ROOT/hello.txt", 2, "--data: expected a folder made by"),
    "below a file as a mirror": (None, "redistrib verify --data ROOT/hello.txt/x", 2, "--data: expected a folder made"),
    "copies in a file": (
        None,
        "redistrib serve --from-ocs http://h --data ROOT/hello.txt --http 127.0.0.1:0 --https 127.0.0.1:0",
        2,
        "--data: expected a folder",
    ),
    "copies below a file": (
        None,
        f"{COPIES.replace('copies', 'hello.txt/x')} http://h",
        2,
        "--data: expected a folder",
    ),
    "join in a file": (
        None,
        f"redistrib join https://localhost:1 --token {'0' * 32}.{'0' * 32} --data ROOT/hello.txt",
        2,
        "--data: expected a folder",
    ),
    "no server to join": (
        None,
        f"redistrib join https://localhost:1 --token {'0' * 32}.{'0' * 32} --data ROOT/new",
        1,
        "https://localhost:1/api/v1/mirror/ca: Connection refused",
    ),
    "packages in a file": (file("site/download"), "distd package list --data SITE", 2, "--data: expected"),
    "a store that is a file": (file("site/fragments"), BUILD, 1, "fragments"),
    "an agent's state in a file": (
        None,
        f"{AGENT} --ca SITE/cacert.pem --state ROOT/hello.txt",
        2,
        "--state: expected",
    ),
    "an agent's state below a file": (None, f"{AGENT} --ca SITE/cacert.pem --state ROOT/hello.txt/x", 2, "--state"),
    "a fleet's report below a file": (
        None,
        "agentsim simulate --agents 1 --package 1MB --html ROOT/hello.txt/x.html",
        2,
        "--html: expected a file in a folder",
    ),
    # packages
    "an info of noise": (
        lambda place: write(f"site/download/{place.package_id}/info", NOISE)(place),
        "distd package edit ID --priority 3 --data SITE",
        2,
        "info: expected",
    ),
    "a manifest of noise": (
        lambda place: write(f"site/download/{place.package_id}/manifest", NOISE)(place),
        "distd package withdraw ID --data SITE",
        1,
        "manifest",
    ),
    "no folder": (
        lambda place: remove(f"site/download/{place.package_id}")(place),
        "distd package withdraw ID --data SITE",
        1,
        "",
    ),
    "no folder to be deleted": (
        lambda place: remove(f"site/download/{place.package_id}")(place),
        "distd package edit ID --priority 3 --data SITE",
        1,
        "",
    ),
    "a folder of a file": (
        lambda place: file(f"site/download/{place.package_id}")(place),
        "distd package verify ID --data SITE",
        1,
        "",
    ),
    # lists
    "binary computers": (None, f"distd assign ID --computers {sys.executable} --data SITE", 2, "--computers: expected"),
    "computers of noise": (write("list", NOISE), "distd assign ID --computers ROOT/list --data SITE", 2, "--computers"),
    "binary computers to be unassigned": (
        write("list", BINARY),
        "distd unassign ID --computers ROOT/list --data SITE",
        2,
        "--computers: expected",
    ),
    "a folder as computers": (None, "distd assign ID --computers SITE --data SITE", 2, "--computers"),
    "an import of a file": (None, "distd package import ROOT/hello.txt --data SITE", 2, "DIR: expected"),
    "an import of nothing": (None, "redistrib import ROOT/nothing --data MIRROR", 2, "DIR"),
    "an import of a binary": (None, f"redistrib import {sys.executable} --data MIRROR", 2, "DIR"),
    "inventories that are a file": (
        None,
        f"{LOAD} --ca SITE/cacert.pem --inventories ROOT/hello.txt",
        2,
        "--inventories: expected",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_one_line_and_a_status(place: Place, case: str) -> None:
    damage, line, status, words = CASES[case]
    if damage is not None:
        damage(place)
    done = call(place, line)
    if status:
        assert_one_line(done, status, words)
    else:
        assert done.exit_code == 0, done.stderr


def assert_one_line(done: Done, status: int, words: str) -> None:
    assert (done.exit_code, done.stdout) == (status, ""), done
    assert done.stderr.count("\n") == 1, done.stderr
    assert words in done.stderr
    assert "…" not in done.stderr, "the line is cut"


# --- another user's folder, a full output ----------------------------------------------------------------------------

COMMANDS = [
    "distd package list --data SITE",
    "distd config show --data SITE",
    BUILD,
    SERVE,
    "distd init --data ROOT/new --host localhost",
    "redistrib status --data MIRROR",
    "redistrib verify --data MIRROR",
    MIRROR_SERVE,
    f"{COPIES} http://localhost:1",
    f"{AGENT} --ca SITE/cacert.pem --state ROOT/state",
    f"{LOAD} --ca SITE/cacert.pem",
]


@pytest.fixture
def another_user() -> Iterator[None]:
    """Root may read anything: the test goes on as nobody. Another user goes on as it is."""
    if os.geteuid():
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("line", COMMANDS)
def test_the_folder_of_another_user(place: Place, line: str, another_user: None) -> None:
    uid = os.geteuid()
    os.seteuid(os.getuid())
    for path in (place.root, place.site, place.mirror):
        path.chmod(0)
    os.seteuid(uid)
    try:
        done = call(place, line)
    finally:
        os.seteuid(os.getuid())
        for path in (place.root, place.site, place.mirror):
            path.chmod(0o755)
        os.seteuid(uid)
    assert done.exit_code in (1, 2)
    assert_one_line(done, done.exit_code, "Permission denied")


@pytest.mark.parametrize(
    "line",
    [
        "distd package list --json --data SITE",
        "distd events --csv --data SITE",
        "distd package --help",
        "redistrib status --json --data MIRROR",
        "redistrib verify --data MIRROR",
        "agentsim simulate --agents 1 --package 1MB",
    ],
)
def test_a_full_output(place: Place, line: str) -> None:
    program, *words = line.replace("SITE", str(place.site)).replace("MIRROR", str(place.mirror)).split()
    module = {"distd": "distd.cli", "redistrib": "redistrib", "agentsim": "agentsim.cli"}[program]
    start = ["-c", f"import sys; from {module} import main; main()"] if program == "agentsim" else ["-m", module]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, *start, *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=plain_environment(),
        )
    assert (done.returncode, done.stderr) == (1, f"{program}: No space left on device\n")
