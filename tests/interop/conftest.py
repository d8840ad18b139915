"""Real programs against a real server: which of them a test needs, the server, and an operator at its command line."""

from __future__ import annotations

import contextlib
import datetime
import http.client
import io
import ipaddress
import json
import os
import random
import shutil
import subprocess
import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from distd.cli.main import run
from tests.programs.nginx import executable, nginx
from tests.programs.processes import distd_serve, listening, plain_environment, serve_command
from tests.programs.stock_agent import StockAgent

if TYPE_CHECKING:
    from collections.abc import Iterator

# A fixture that stands for a program, whether it is there, and the Debian packages that bring it.
PROGRAMS = {
    "new_computer": (StockAgent.installed, "ocsinventory-agent liblwp-protocol-https-perl libio-socket-ssl-perl"),
    "start_nginx": (executable, "nginx-light"),
    "curl": (partial(shutil.which, "curl"), "curl"),
    "unzip": (partial(shutil.which, "unzip"), "unzip"),
}
LEFT_OUT = pytest.StashKey[list[str]]()

# No pauses; one inventory for each computer, as it takes the agent a second.
FAST = {
    "download.frag_latency_s": 0,
    "download.cycle_latency_s": 0,
    "download.period_latency_s": 0,
    "agents.inventory_freq_days": -1,
}


def pytest_collection_modifyitems(config: Any, items: Any) -> None:
    """Deselect what needs a program that is not there; in CI that is an error."""
    missing = {fixture: debian for fixture, (found, debian) in PROGRAMS.items() if not found()}
    here = Path(__file__).parent
    left_out = [item for item in items if here in item.path.parents and missing.keys() & set(item.fixturenames)]
    if not left_out:
        return
    install = f"apt-get install --no-install-recommends {' '.join(missing.values())}"
    if os.environ.get("CI"):
        raise pytest.UsageError(f"tests/interop needs programs that are not here; as root: {install}")
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
    config.stash[LEFT_OUT] = [f"{len(left_out)} tests were left out. To have them, as root: {install}"]


def pytest_terminal_summary(terminalreporter: Any, config: Any) -> None:
    for line in config.stash.get(LEFT_OUT, []):
        terminalreporter.write_sep("-", "interoperability")
        terminalreporter.write_line(line)


class Operator:
    """Someone at the command line of the server on `data`. The commands run in this process: that saves their start."""

    def __init__(self, data: Any) -> None:
        self.data = data
        self.ca = data / "cacert.pem"

    def distd(self, *arguments: Any, status: Any = 0) -> Any:
        """Run a command on the data directory; what it prints as JSON, or the text on stderr when it is to fail."""
        output, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            try:
                ended = run([*map(str, arguments), "--data", str(self.data), "--json"])
            except SystemExit as error:
                ended = error.code
        assert ended == status, f"{arguments}: {ended}, {errors.getvalue()}"
        return errors.getvalue() if status else json.loads(output.getvalue())

    def publish(
        self,
        action: Any,
        *options: Any,
        source: Any = None,
        info_server: Any = None,
        fragment_server: Any = None,
        priority: Any = 1,
    ) -> Any:
        """Build and activate; the package's id."""
        what = [source] if source else []
        build = ["package", "build", *what, "--name", "test", "--os", "LINUX", "--action", action, *options]
        package_id = self.distd(*build, "--priority", priority)["id"]
        servers = [] if info_server is None else ["--info-server", info_server, "--fragment-server", fragment_server]
        self.distd("package", "activate", package_id, *servers)
        return package_id

    def assign(self, package_id: Any, *computers: Any, force: Any = False) -> None:
        named = [part for computer in computers for part in ("--computer", computer.device_id)]
        self.distd("assign", package_id, *named, *(["--force"] if force else []))

    def result(self, package_id: Any, computer: Any) -> Any:
        """(state, code) of the package on that computer."""
        row = self.row(package_id, computer)
        return row["state"], row["code"]

    def row(self, package_id: Any, computer: Any) -> Any:
        (row,) = (row for row in self.distd("results", package_id) if row["device_id"] == computer.device_id)
        return row

    async def fetched(self, package_id: Any, computer: Any, count: Any) -> None:
        """Wait until `count` fragments are noted down, which the server does once a second."""
        with trio.fail_after(10):
            while self.row(package_id, computer)["fragments_fetched"] != count:
                await trio.sleep(0.1)

    def fragment(self, package_id: Any, number: Any) -> Any:
        return self.data / "download" / package_id / f"{package_id}-{number}"


@dataclass
class Address:
    """Where a server listens: "host:port"."""

    http: str
    https: str


def new_operator(folder: Any) -> Any:
    """A fresh data directory, for agents that know the server as localhost."""
    operator = Operator(folder / "site")
    operator.distd("init", "--host", "localhost", "--host", "127.0.0.1")
    return operator


@pytest.fixture(scope="session")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return new_operator(tmp_path_factory.mktemp("interop"))


@pytest.fixture(scope="session")
def site(operator: Any) -> Iterator[Any]:
    """One server for all tests that neither stop it nor need pauses. It must not have stumbled over any of them."""
    log = operator.data.with_name("serve.log")
    command = serve_command(operator.data, FAST, "127.0.0.1:0", "127.0.0.1:0")
    with (
        log.open("wb") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=plain_environment(), text=True) as server,
    ):
        try:
            line = server.stdout.readline()
            assert line, log.read_text()
            yield Address(*listening(line))
        finally:
            server.terminate()
            try:
                status = server.wait(30)
            finally:
                server.kill()
    assert status == 0, log.read_text()
    assert "Traceback" not in log.read_text()


@pytest.fixture
def slow(tmp_path: Path) -> Any:
    """(an operator, a function that starts the server) with a second after each fragment: time to get in between."""
    operator = new_operator(tmp_path)
    return operator, partial(distd_serve, operator.data, FAST | {"download.frag_latency_s": 1})


@pytest.fixture
def new_computer(tmp_path: Path) -> Any:
    """Makes a computer with the stock agent that the server has heard of once, so that it can be given packages."""
    count = 0

    def make(operator: Any, site: Any, *, secure: Any = False, ca: Any = None) -> Any:
        nonlocal count
        count += 1
        scheme, port = ("https", site.https) if secure else ("http", site.http)
        url = f"{scheme}://localhost:{port.rpartition(':')[2]}/ocsinventory"
        agent = StockAgent(url, ca or operator.ca, tmp_path / f"computer{count}")
        introduce(site, agent.device_id)
        return agent

    return make


def introduce(site: Any, device_id: Any) -> None:
    """A PROLOG, as the stock agent sends it."""
    text = f"<REQUEST><DEVICEID>{device_id}</DEVICEID><QUERY>PROLOG</QUERY></REQUEST>"
    headers = {"Content-Type": "application/x-compress", "User-Agent": "OCS-NG_unified_unix_agent_v2.10.0"}
    with contextlib.closing(http.client.HTTPConnection(site.http, timeout=30)) as connection:
        connection.request("POST", "/ocsinventory", zlib.compress(text.encode()), headers)
        assert connection.getresponse().status == 200


@pytest.fixture
def start_nginx(tmp_path: Path) -> Any:
    return partial(nginx, tmp_path / "nginx")


@pytest.fixture
def curl() -> Any:
    return shutil.which("curl")


@pytest.fixture
def unzip() -> Any:
    return shutil.which("unzip")


@pytest.fixture
def noise(tmp_path: Path) -> Any:
    """Makes a file that no archive makes smaller."""

    def make(size_bytes: Any, name: Any = "noise.bin") -> Any:
        path = tmp_path / name
        path.write_bytes(random.Random(name).randbytes(size_bytes))
        return path

    return make


@pytest.fixture
def certificate(tmp_path: Path) -> Any:
    """(certificate, key) for 127.0.0.1, which is its own CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mirror")])
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now - day, now + day)
    builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    signed = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    paths = tmp_path / "mirror.pem", tmp_path / "mirror.key"
    paths[0].write_bytes(signed.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return paths
