"""A server whose database is away, in all the ways that PostgreSQL has: agents are put off at once, fragments are
served, the log has a line, and all goes on by itself."""

from __future__ import annotations

import contextlib
import http.client
import random
import shutil
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import trio

from distd.catalogue.dialect.postgresql import LOCK
from distd.cli.main import run
from tests.programs.postgresql import running_cluster
from tests.programs.processes import distd_serve
from tests.programs.small_disk import fill_up, small_disk
from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.programs.postgresql import Cluster

pytestmark = pytest.mark.needs("pg_ctlcluster")
PROLOG = zlib.compress(b"<REQUEST><DEVICEID>pc</DEVICEID><QUERY>PROLOG</QUERY></REQUEST>")
AT_ONCE_S = 5  # more than a busy machine takes, and far less than the pauses and time-outs of what is given up
SHORT_LOCK = "?options=-c%20lock_timeout%3D300"


@dataclass
class Answer:
    status: int
    retry_after: str | None
    body: bytes
    took_s: float


@dataclass
class Place:
    """A data directory with an active package, whose catalogue is in `database`."""

    cluster: Cluster
    database: str
    data: Path
    package_id: str

    @property
    def fragment(self) -> str:
        return f"/download/{self.package_id}/{self.package_id}-1"

    def outages(self) -> list[str]:
        """What the log of the server says of them."""
        lines = self.data.with_name("site.serve.log").read_text().splitlines()
        assert not any("Traceback" in line for line in lines), "\n".join(lines)
        return ["begins" if " ERROR " in line else "ends" for line in lines if "the catalogue" in line]

    def warnings(self) -> list[str]:
        lines = self.data.with_name("site.serve.log").read_text().splitlines()
        return [line for line in lines if " WARNING " in line or " ERROR " in line]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """One that tests may stop."""
    with running_cluster() as running:
        yield running


@pytest.fixture
def place(cluster: Cluster, tmp_path: Path) -> Iterator[Place]:
    database = cluster.create_database()
    data, source = tmp_path / "site", tmp_path / "file"
    source.write_bytes(random.Random(1).randbytes(5000))
    assert run(["init", "--data", str(data), "--host", "localhost", "--database", cluster.url(database)]) == 0
    order = ["--name", "x", "--os", "LINUX", "--action", "STORE", "--path", "/tmp/x", "--fragments", "1"]
    assert run(["package", "build", str(source), "--data", str(data), *order]) == 0
    (package_id,) = (path.name for path in (data / "download").iterdir())
    assert run(["package", "activate", package_id, "--data", str(data)]) == 0
    yield Place(cluster, database, data, package_id)
    cluster.start()
    cluster.drop_database(database)


async def ask(address: str, method: str, path: str, body: bytes | None = None) -> Answer:
    def in_thread() -> Answer:
        begun_s = time.monotonic()
        with contextlib.closing(http.client.HTTPConnection(address, timeout=60)) as connection:
            connection.request(method, path, body, {"Content-Type": "application/x-compress"} if body else {})
            got = connection.getresponse()
            content = got.read()
        return Answer(got.status, got.headers["Retry-After"], content, time.monotonic() - begun_s)

    return await trio.to_thread.run_sync(in_thread)


async def contact(server: Any) -> Answer:
    return await ask(server.http, "POST", "/ocsinventory", PROLOG)


async def is_answered(server: Any) -> bool:
    return (await contact(server)).status == 200


async def is_ready(server: Any) -> bool:
    return (await ask(server.http, "GET", "/readyz")).status == 200


async def assert_put_off(server: Any, place: Place, *, reads: bool = False) -> None:
    """Contacts are; fragments are served. `reads`: only writing is not possible."""
    await await_until(lambda: place.outages()[-1:] == ["begins"], "the outage is known", interval_s=0.1)
    for _ in range(3):
        answer = await contact(server)
        assert (answer.status, answer.retry_after) == (503, "10"), answer
        assert answer.took_s < AT_ONCE_S
    if reads:  # by connections that are made anew, where they were cut
        await await_until(lambda: is_ready(server), "it can read", interval_s=0.1)
    else:
        assert not await is_ready(server)
    fragment = await ask(server.http, "GET", place.fragment)
    assert fragment.status == 200
    assert len(fragment.body) >= 5000


async def assert_recovers(server: Any, place: Place, outages: int = 1) -> None:
    """By itself; the log has one line for the beginning and one for the end of each outage, and no others."""
    await await_until(lambda: is_answered(server), "contacts are answered", interval_s=0.1)
    await await_until(lambda: is_ready(server), "it is ready", interval_s=0.1)
    assert place.outages() == ["begins", "ends"] * outages
    assert len(place.warnings()) == outages, place.warnings()


async def test_a_restart(place: Place) -> None:
    async with distd_serve(place.data) as server:
        assert await is_answered(server)
        for number, cleanly in enumerate((True, False), 1):
            place.cluster.stop(cleanly=cleanly)
            await assert_put_off(server, place)
            place.cluster.start()
            await assert_recovers(server, place, number)


async def test_connections_that_are_cut_are_made_anew(place: Place) -> None:
    """Nobody notices, where the server is there: each transaction begins on another connection."""
    async with distd_serve(place.data) as server:
        assert await is_answered(server)
        for _ in range(5):
            place.cluster.cut_connections(place.database)
            await await_until(lambda: is_answered(server), "contacts are answered", interval_s=0.1)
        assert await is_ready(server)
        assert place.outages().count("begins") == place.outages().count("ends")


async def test_a_standby_that_takes_no_changes(place: Place) -> None:
    cluster = place.cluster
    async with distd_serve(place.data) as server:
        cluster.execute(f"ALTER DATABASE {place.database} SET default_transaction_read_only = on")
        cluster.cut_connections(place.database)
        await contact(server)
        await assert_put_off(server, place, reads=True)
        cluster.execute(f"ALTER DATABASE {place.database} RESET default_transaction_read_only")
        cluster.cut_connections(place.database)
        await await_until(lambda: is_answered(server), "contacts are answered", interval_s=0.1)


async def test_too_many_connections(place: Place) -> None:
    cluster = place.cluster
    async with distd_serve(place.data) as server:
        cluster.execute("ALTER ROLE distd CONNECTION LIMIT 0")
        try:
            cluster.cut_connections(place.database)
            await assert_put_off(server, place)
        finally:
            cluster.execute("ALTER ROLE distd CONNECTION LIMIT -1")
        await assert_recovers(server, place)


async def test_a_lock_that_is_held(place: Place) -> None:
    settings = {"catalogue.url": place.cluster.url(place.database) + SHORT_LOCK}
    async with distd_serve(place.data, settings) as server:
        assert await is_answered(server)
        with psycopg.connect(place.cluster.conninfo(place.database)) as other:
            other.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
            await contact(server)
            await assert_put_off(server, place, reads=True)
        await assert_recovers(server, place)


async def test_a_disk_that_is_full(place: Place) -> None:
    """Nothing of a contact is kept when its last statement fails."""
    async with distd_serve(place.data) as server:
        with psycopg.connect(place.cluster.conninfo(place.database), autocommit=True) as other:
            other.execute(FULL)
            other.execute("CREATE TRIGGER full_disk BEFORE INSERT ON events EXECUTE FUNCTION full_disk()")
            await contact(server)
            await assert_put_off(server, place, reads=True)
            assert other.execute("SELECT count(*) FROM computers").fetchone() == (0,)
            other.execute("DROP TRIGGER full_disk ON events")
        await assert_recovers(server, place)


FULL = """
CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$
"""


@pytest.mark.needs("root")
async def test_a_disk_that_is_really_full(place: Place, tmp_path: Path) -> None:
    """A computer is in the catalogue if and only if its contact was answered."""
    cluster = place.cluster
    with small_disk(Path(f"{cluster.folder}/disk"), "64m"):
        shutil.chown(f"{cluster.folder}/disk", "postgres")
        cluster.execute(f"CREATE TABLESPACE small LOCATION '{cluster.folder}/disk'")
        cluster.execute(f"ALTER DATABASE {place.database} SET TABLESPACE small")
        async with distd_serve(place.data) as server:
            filler = Path(f"{cluster.folder}/disk/filler")
            fill_up(filler)
            answered = await trio.to_thread.run_sync(new_computers_until_refused, server.http)
            await assert_put_off(server, place, reads=True)
            filler.unlink()
            await await_until(lambda: is_answered(server), "contacts are answered", interval_s=0.1)
            with psycopg.connect(cluster.conninfo(place.database)) as other:
                rows = other.execute("SELECT device_id FROM computers WHERE device_id <> 'pc'").fetchall()
            assert {name for (name,) in rows} == answered
            assert place.outages() == ["begins", "ends"]
        cluster.execute(f"ALTER DATABASE {place.database} SET TABLESPACE pg_default")
        cluster.execute("DROP TABLESPACE small")


def new_computers_until_refused(address: str) -> set[str]:
    """The names of those whose first contact was answered; each makes the tables longer."""
    answered: set[str] = set()
    for number in range(10_000):
        name = f"computer-{number}-" + "x" * 200
        body = zlib.compress(f"<REQUEST><DEVICEID>{name}</DEVICEID><QUERY>PROLOG</QUERY></REQUEST>".encode())
        with contextlib.closing(http.client.HTTPConnection(address, timeout=60)) as connection:
            connection.request("POST", "/ocsinventory", body, {"Content-Type": "application/x-compress"})
            status = connection.getresponse().status
        if status != 200:
            assert status == 503
            return answered
        answered.add(name)
    raise AssertionError("the disk was never full")


async def test_a_server_that_starts_before_its_database(place: Place) -> None:
    place.cluster.stop()
    async with distd_serve(place.data) as server:
        await assert_put_off(server, place)
        place.cluster.start()
        await assert_recovers(server, place)


def test_a_database_without_tables_is_no_catalogue(place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    empty = place.cluster.create_database()
    (place.data / "distd.toml").write_text(
        (place.data / "distd.toml").read_text().replace(f"/{place.database}", f"/{empty}")
    )
    assert run(["package", "list", "--data", str(place.data)]) == 2
    assert "is empty; restore it from a backup" in capfd.readouterr().err
    place.cluster.drop_database(empty)
