"""A catalogue with packages that have no files, and agents that speak to it."""

from __future__ import annotations

import dataclasses
import random

import pytest
from sqlalchemy import insert, select

from distd.core import ocs
from distd.core.fragments import BySize
from distd.core.records import (
    Action,
    DownloadConfig,
    DownloadRequest,
    InventoryRequest,
    OperatingSystem,
    PrologRequest,
)
from distd.core.settings import Settings
from distd.origin import answer, assignments, packages, workshop
from distd.origin.workshop import Workshop
from distd.store import events, tables
from distd.store.catalogue import create_catalogue, open_catalogue
from distd.store.keys import load_ca, load_signer
from distd.store.layout import create_data_dir
from distd.store.order import Order
from distd.store.room import Room

NOW_S = 1_700_000_000.5
UNIX = "OCS-NG_unified_unix_agent_v2.10.0"
NO_LATENCIES = {
    "download.frag_latency_s": 0,
    "download.cycle_latency_s": 0,
    "download.period_latency_s": 0,
}


class House:
    """The origin as the tests see it. Time stands still unless a test moves `now_s`."""

    def __init__(self, catalogue):
        self.catalogue = catalogue
        self.now_s = 1_700_000_000.0
        self.user_agent = UNIX
        self.values = dict(NO_LATENCIES)

    @property
    def site(self):
        return answer.Site(Settings(self.values), b"k" * 32, "origin:8080", "origin:8443")

    def write(self, use_case, *args, **kwargs):
        with self.catalogue.write() as conn:
            return use_case(conn, *args, **kwargs)

    def read(self, use_case, *args):
        with self.catalogue.read() as conn:
            return use_case(conn, *args)

    def rows(self, table):
        return self.read(lambda conn: [row._asdict() for row in conn.execute(select(table))])

    def events(self, *kinds):
        found = self.read(events.since, 0, 10_000)
        return [event for event in found if not kinds or event.kind in kinds]

    def package(self, package_id, *, priority=5, active=True, fragments=3):
        """A published package, as far as the catalogue goes."""
        row = {"id": package_id, "name": f"package {package_id}", "os": "LINUX", "action": "STORE", "target": "/x"}
        row |= {"priority": priority, "fragments": fragments, "size_bytes": 10, "md5": "0" * 32, "created_at_us": 0}
        self.write(lambda conn: conn.execute(insert(tables.packages).values(**row)))
        if active:
            self.write(packages.activate, package_id, None, None, self.now_s)

    def assign(self, package_id, device_id="pc", *, force=False, schedule="", postcmd=""):
        self.write(
            assignments.assign,
            package_id,
            [device_id],
            force=force,
            schedule=schedule,
            postcmd=postcmd,
            now_s=self.now_s,
        )

    def unassign(self, package_id, device_id="pc"):
        return self.write(assignments.unassign, package_id, device_id, self.now_s)

    def results(self, package_id):
        return self.read(assignments.results, package_id)

    def code(self, package_id):
        (result,) = self.results(package_id)
        return result.code

    def heard(self, request):
        post = answer.Post(ocs.write_request(request), "10.0.0.9", self.user_agent, self.now_s)
        return answer.read(post, max_inflated_bytes=1_000_000)

    def post_all(self, *requests):
        """All in one batch."""
        return self.write(answer.answer, [self.heard(request) for request in requests], self.site)

    def post(self, request):
        (reply,) = self.post_all(request)
        assert reply.status == 200
        return reply.body

    def prolog(self, device_id="pc"):
        return ocs.read_prolog_reply(self.post(PrologRequest(device_id)))

    def listed(self, device_id="pc"):
        return [pack.id for pack in self.prolog(device_id).packs]

    def inventory(self, *history, device_id="pc", hardware=None, account=None):
        request = InventoryRequest(device_id, hardware or {"NAME": "PC"}, account or {}, (), frozenset(history))
        return ocs.read_inventory_reply(self.post(request))

    def report(self, package_id, code, device_id="pc"):
        assert self.post(DownloadRequest(device_id, package_id, code)) == b""


@pytest.fixture
def house(request, tmp_path):
    """Over the data directory, where a test has one."""
    if "data" in request.fixturenames:
        path = request.getfixturevalue("data").catalogue
    else:
        path = tmp_path / "catalogue.db"
        create_catalogue(path)
    with open_catalogue(path) as catalogue:
        yield House(catalogue)


@pytest.fixture
def data(tmp_path):
    return create_data_dir(tmp_path / "data", ["localhost"])


@pytest.fixture
def shop(house, data):
    config = DownloadConfig(period_length=10)
    return Workshop(house.catalogue, data, load_signer(data.keys), load_ca(data.ca_certificate), config, Room())


@pytest.fixture
def order(tmp_path):
    """A STORE of a small file, in some fragments, for Linux."""
    source = tmp_path / "hello.txt"
    source.write_bytes(random.Random(1).randbytes(5000))
    return Order(
        source=source,
        os=OperatingSystem.LINUX,
        priority=5,
        action=Action.STORE,
        target="/opt/hello",
        plan=BySize(1024),
    )


@pytest.fixture
def publish(shop, order):
    """Publishes the order, changed."""

    def publish(name="hello", now_s=NOW_S, period_length=10, made=None, **changes):
        changed = dataclasses.replace(order, **changes)
        with_period = dataclasses.replace(shop, config=DownloadConfig(period_length=period_length))
        return workshop.publish(with_period, changed, name, now_s, made=made)

    return publish


@pytest.fixture
def pc(house):
    """The house, with one computer "pc" whose empty history is known."""
    house.prolog()
    house.inventory()
    return house
