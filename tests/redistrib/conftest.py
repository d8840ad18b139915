"""What the tests of redistribution servers share: keys, disks, virtual time, an origin; and what they need."""

from __future__ import annotations

from functools import partial
from shutil import which
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
import trio
import trio.testing

from distd.storage import pki
from distd.storage.data_dir import DataDir
from tests.fixtures.disk_steps import steps
from tests.programs.network_lines import possible
from tests.redistrib.fakes import make_local
from tests.redistrib.origin_program import Origin

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cryptography import x509

    from distd.storage.pki import Signer
    from redistrib.local_packages import LocalPackages

    T = TypeVar("T")

__all__ = ["steps"]

# A mark of tests, what they need, and how to have it.
NEEDED: dict[str, tuple[Callable[[], object], str]] = {
    "line": (possible, "network namespaces: root, iproute2"),
    "clock": (partial(which, "faketime"), "faketime"),
}
LEFT_OUT = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    for name, (_, needs) in NEEDED.items():
        config.addinivalue_line("markers", f"{name}: needs {needs}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What cannot be had here is left out, and said at the end; the other tests have the same on loopback."""
    missing = {name: needs for name, (there, needs) in NEEDED.items() if not there()}
    left_out = [item for item in items if any(item.get_closest_marker(name) for name in missing)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
        config.stash[LEFT_OUT] = [f"{len(left_out)} tests were left out, which need {'; '.join(missing.values())}"]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    for line in config.stash.get(LEFT_OUT, []):
        terminalreporter.write_sep("-", "redistribution servers")
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def origin_keys(tmp_path_factory: pytest.TempPathFactory) -> DataDir:
    """A data directory of an origin of which only the keys are used."""
    data = DataDir(tmp_path_factory.mktemp("keys"))
    data.keys.mkdir()
    pki.create_keys(data.keys, data.ca_certificate, ["packages.example"])
    return data


@pytest.fixture(scope="session")
def signer(origin_keys: DataDir) -> Signer:
    return pki.load_signer(origin_keys.keys)


@pytest.fixture(scope="session")
def ca(origin_keys: DataDir) -> x509.Certificate:
    return pki.load_ca(origin_keys.ca_certificate)


@pytest.fixture
def local(tmp_path: Path, ca: x509.Certificate) -> LocalPackages:
    """An empty mirror's disk."""
    return make_local(tmp_path / "mirror", ca)


@pytest.fixture
def autojump_clock(autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch) -> trio.testing.MockClock:
    """pytest-trio's clock, which jumps to what comes next; what threads do takes no time, or it would jump meanwhile.

    A test must have it as an argument: only then is it the clock of the run.
    """

    async def run_sync(call: Callable[..., T], *arguments: object, limiter: object = None) -> T:
        await trio.lowlevel.checkpoint()
        return call(*arguments)

    monkeypatch.setattr(trio.to_thread, "run_sync", run_sync)
    return autojump_clock


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    return Origin(tmp_path)
