"""Real programs against a real server: which programs a test needs, the server, and an operator at its command line."""

from __future__ import annotations

import contextlib
import datetime
import http.client
import ipaddress
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
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.programs import commands, squid
from tests.programs import nginx as nginx_cache
from tests.programs.nginx import executable, nginx
from tests.programs.processes import distd_serve, listening, plain_environment, serve_command
from tests.programs.stock_agent import StockAgent
from tests.programs.waiting import LIMIT_S, await_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractAsyncContextManager

    from tests.programs.nginx import Nginx
    from tests.programs.processes import RunningServer

# For each fixture that needs a program: what finds it, and the Debian packages that have it.
PROGRAMS: dict[str, tuple[Callable[[], object], str]] = {
    "new_computer": (StockAgent.installed, "ocsinventory-agent liblwp-protocol-https-perl libio-socket-ssl-perl"),
    "start_nginx": (executable, "nginx-light"),
    "start_cache": (lambda: nginx_cache.executable() and squid.executable(), "nginx-light squid"),
    "curl": (partial(shutil.which, "curl"), "curl"),
    "unzip": (partial(shutil.which, "unzip"), "unzip"),
}
DESELECTED = pytest.StashKey[list[str]]()

# No pauses; one inventory for each computer, as it takes the agent a second.
FAST = {
    "download.frag_latency_s": 0,
    "download.cycle_latency_s": 0,
    "download.period_latency_s": 0,
    "agents.inventory_freq_days": -1,
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect tests that need a program that is not installed; in CI that is an error."""
    missing = {fixture: debian for fixture, (found, debian) in PROGRAMS.items() if not found()}
    here = Path(__file__).parent
    deselected = [item for item in items if here in item.path.parents and missing.keys() & _fixtures_of(item)]
    if not deselected:
        return
    install = f"apt-get install --no-install-recommends {' '.join(missing.values())}"
    if os.environ.get("CI"):
        raise pytest.UsageError(f"tests/interop needs programs that are not installed; as root: {install}")
    config.hook.pytest_deselected(items=deselected)
    items[:] = [item for item in items if item not in deselected]
    config.stash[DESELECTED] = [f"{len(deselected)} tests were left out. To run them, as root: {install}"]


def _fixtures_of(item: pytest.Item) -> set[str]:
    return set(getattr(item, "fixturenames", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash.get(DESELECTED, []):
        terminalreporter.write_sep("-", "interoperability")
        terminalreporter.write_line(line)


class Operator:
    """The command line of the server on `data`."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.ca = data / "cacert.pem"

    def distd(self, *arguments: object, status: int = 0) -> Any:
        """Run a command on the data directory; what it prints as JSON, or the text on stderr where it is to fail."""
        return commands.distd(self.data, *arguments, status=status)

    def publish(
        self,
        action: str,
        *options: object,
        source: Path | None = None,
        info_server: str | None = None,
        fragment_server: str | None = None,
        priority: int = 1,
    ) -> str:
        """Build and activate; the package's id."""
        file = [source] if source else []
        build = ["package", "build", *file, "--name", "test", "--os", "LINUX", "--action", action, *options]
        package_id: str = self.distd(*build, "--priority", priority)["id"]
        servers = [] if info_server is None else ["--info-server", info_server, "--fragment-server", fragment_server]
        self.distd("package", "activate", package_id, *servers)
        return package_id

    def assign(self, package_id: str, *computers: StockAgent, force: bool = False) -> None:
        named = [part for computer in computers for part in ("--computer", computer.device_id)]
        self.distd("assign", package_id, *named, *(["--force"] if force else []))

    def result(self, package_id: str, computer: StockAgent) -> tuple[str, str | None]:
        """(state, code) of the package on that computer."""
        row = self.row(package_id, computer)
        return row["state"], row["code"]

    def row(self, package_id: str, computer: StockAgent) -> dict[str, Any]:
        """The package on that computer, as `distd results --json` has it."""
        row: dict[str, Any]
        (row,) = (row for row in self.distd("results", package_id)["items"] if row["device_id"] == computer.device_id)
        return row

    async def fetched(self, package_id: str, computer: StockAgent, count: int) -> None:
        """Wait until `count` fragments are recorded, which the server does once a second."""
        recorded = f"{count} fragments are recorded"
        await await_until(lambda: self.row(package_id, computer)["fragments_fetched"] == count, recorded)

    def fragment(self, package_id: str, number: int) -> Path:
        """The file of a fragment; `number` is from 1."""
        return self.data / "download" / package_id / f"{package_id}-{number}"


@dataclass
class Address:
    """Where a server listens: "host:port"."""

    http: str
    https: str


def new_operator(folder: Path, url: str = "") -> Operator:
    """A fresh data directory, for agents that know the server as localhost. `url`: of an empty database."""
    operator = Operator(folder / "site")
    operator.distd("init", "--host", "localhost", "--host", "127.0.0.1", *(["--database", url] if url else []))
    return operator


@pytest.fixture(scope="session")
def operator(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """On SQLite, unless a test has the parameter "postgresql"."""
    folder = tmp_path_factory.mktemp("interop")
    if getattr(request, "param", "sqlite") == "sqlite":
        yield new_operator(folder)
        return
    cluster = request.getfixturevalue("postgresql_cluster")
    name = cluster.create_database()
    yield new_operator(folder, cluster.url(name))
    cluster.drop_database(name)


@pytest.fixture(scope="session")
def server(operator: Operator) -> Iterator[Address]:
    """One server for all tests that neither stop it nor need pauses. None of them may make it log a traceback."""
    log = operator.data.with_name("serve.log")
    command = serve_command(operator.data, FAST, "127.0.0.1:0", "127.0.0.1:0")
    with (
        log.open("wb") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=plain_environment(), text=True) as server,
    ):
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            assert line, log.read_text()
            yield Address(*listening(line))
        finally:
            server.terminate()
            try:
                status = server.wait(LIMIT_S)
            finally:
                server.kill()
    assert status == 0, log.read_text()
    assert "Traceback" not in log.read_text()


@pytest.fixture
def slow(tmp_path: Path) -> tuple[Operator, Callable[..., AbstractAsyncContextManager[RunningServer]]]:
    """(an operator, a function that starts the server) with a second after each fragment, so that a test can act."""
    operator = new_operator(tmp_path)
    return operator, partial(distd_serve, operator.data, FAST | {"download.frag_latency_s": 1})


@pytest.fixture
def new_computer(tmp_path: Path) -> Callable[..., StockAgent]:
    """Makes a computer with the stock agent that the server knows, so that packages can be assigned to it."""
    count = 0

    def make(
        operator: Operator,
        server: Address | RunningServer,
        *,
        secure: bool = False,
        ca: Path | None = None,
        proxy: str = "",
    ) -> StockAgent:
        nonlocal count
        count += 1
        scheme, port = ("https", server.https) if secure else ("http", server.http)
        url = f"{scheme}://localhost:{port.rpartition(':')[2]}/ocsinventory"
        agent = StockAgent(url, ca or operator.ca, tmp_path / f"computer{count}", proxy=proxy)
        introduce(server, agent.device_id)
        return agent

    return make


def introduce(server: Address | RunningServer, device_id: str) -> None:
    """A PROLOG, as the stock agent sends it."""
    text = f"<REQUEST><DEVICEID>{device_id}</DEVICEID><QUERY>PROLOG</QUERY></REQUEST>"
    headers = {"Content-Type": "application/x-compress", "User-Agent": "OCS-NG_unified_unix_agent_v2.10.0"}
    with contextlib.closing(http.client.HTTPConnection(server.http, timeout=30)) as connection:
        connection.request("POST", "/ocsinventory", zlib.compress(text.encode()), headers)
        assert connection.getresponse().status == 200


@pytest.fixture
def start_nginx(tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[Nginx]]:
    return partial(nginx, tmp_path / "nginx")


@pytest.fixture(params=["squid", "nginx"])
def start_cache(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], AbstractAsyncContextManager[str]]:
    """Starts a proxy with a cache before a server ("host:port"), with the configuration that distd brings for it."""
    if request.param == "squid":
        return lambda _origin: squid.squid(tmp_path / "squid.log")
    return partial(nginx_cache.caching_nginx, tmp_path / "cache")


@pytest.fixture
def curl() -> str | None:
    return shutil.which("curl")


@pytest.fixture
def unzip() -> str | None:
    return shutil.which("unzip")


@pytest.fixture
def noise(tmp_path: Path) -> Callable[..., Path]:
    """Makes a file of random bytes."""

    def make(size_bytes: int, name: str = "noise.bin") -> Path:
        path = tmp_path / name
        path.write_bytes(random.Random(name).randbytes(size_bytes))
        return path

    return make


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """(certificate, key) for 127.0.0.1, signed by itself."""
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
