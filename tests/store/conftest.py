"""What the tests of the store share: a site's keys (made once), and package orders."""

import dataclasses
from pathlib import Path

import pytest

from distd.core.fragments import BySize
from distd.core.records import Action, OperatingSystem
from distd.store import build, keys
from distd.store.layout import DataDir
from distd.store.order import Order


@pytest.fixture(scope="session")
def site_keys(tmp_path_factory):
    """A data directory of which only the keys are used."""
    data = DataDir(tmp_path_factory.mktemp("site"))
    data.keys.mkdir()
    keys.create_keys(data.keys, data.ca_certificate, ["packages.example"])
    return data


@pytest.fixture(scope="session")
def signer(site_keys):
    return keys.load_signer(site_keys.keys)


@pytest.fixture(scope="session")
def ca(site_keys):
    return keys.load_ca(site_keys.ca_certificate)


@pytest.fixture
def data(tmp_path):
    """A data directory with nothing but its `download`."""
    data = DataDir(tmp_path / "data")
    data.download.mkdir(parents=True)
    return data


@pytest.fixture
def order(tmp_path):
    """A STORE of a small file, in three fragments, for Linux."""
    source = tmp_path / "tool.bin"
    source.write_bytes(bytes(range(256)) * 100)
    return Order(
        source=source,
        os=OperatingSystem.LINUX,
        priority=5,
        action=Action.STORE,
        target="/opt/tool",
        plan=BySize(1024),
    )


@pytest.fixture
def publish(data, order, signer):
    """Builds and publishes the order, changed; gives the package's folder."""

    def publish(package_id="17", **changes) -> Path:
        built = build.build(data, package_id, dataclasses.replace(order, **changes), signer)
        built.sync()
        built.publish()
        return data.package(package_id)

    return publish


@pytest.fixture
def snapshot():
    """Everything in a folder: names, modes and contents."""

    def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
        return {
            path.relative_to(folder).as_posix(): (path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
            for path in sorted(folder.rglob("*"))
        }

    return snapshot
