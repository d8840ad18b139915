"""What distd asks of PostgreSQL: who is let in, what is kept secret, what texts and numbers are, lost commits."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import delete, insert, select, text
from sqlalchemy.exc import ProgrammingError

from distd.catalogue.dialect import database_of, is_transient, postgresql
from distd.catalogue.dialect.postgresql import LOCK, PostgresqlDatabase
from distd.catalogue.engine import create_catalogue, open_catalogue
from distd.catalogue.schema import computers, operators, package_ids
from distd.domain.errors import BadInput, Unavailable, Unreachable
from distd.domain.settings import CatalogueSettings
from tests.fixtures.databases import PostgresqlTestDatabase
from tests.fixtures.origin import data
from tests.programs.postgresql import SECRETIVE_ROLE, running_cluster
from tests.programs.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from distd.catalogue.engine import Catalogue
    from tests.programs.postgresql import Cluster

pytestmark = pytest.mark.needs("pg_ctlcluster")
PASSWORD = "s3cret-of-the-test"
__all__ = ["data"]


@pytest.fixture
def database(postgresql_cluster: Cluster) -> Iterator[PostgresqlTestDatabase]:
    made = PostgresqlTestDatabase(postgresql_cluster)
    yield made
    made.close()


@pytest.fixture
def catalogue(database: Any) -> Iterator[Catalogue]:
    with open_catalogue(database.place) as opened:
        yield opened


def settings_of(catalogue: Catalogue, name: str) -> Any:
    with catalogue.read() as conn:
        return conn.scalar(text(f"SHOW {name}"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lock_timeout", "30s"),
        ("statement_timeout", "5min"),
        ("idle_in_transaction_session_timeout", "1h"),
        ("jit", "off"),
        ("application_name", "distd"),
        ("transaction_isolation", "repeatable read"),
        ("transaction_read_only", "on"),
    ],
)
def test_every_connection_is_set_up(catalogue: Catalogue, name: str, value: str) -> None:
    assert settings_of(catalogue, name) == value


def test_a_writer_that_stands_still_is_ended_earlier_than_a_reader(catalogue: Catalogue) -> None:
    with catalogue.write() as conn:
        assert conn.scalar(text("SHOW idle_in_transaction_session_timeout")) == "1min"
    assert settings_of(catalogue, "idle_in_transaction_session_timeout") == "1h"


def test_texts_are_compared_and_ordered_by_their_code_points(catalogue: Catalogue) -> None:
    """English, which is this cluster's order, has a before B and é before f."""
    names = ["B", "Z", "_", "a", "f", "é", "\N{GRINNING FACE}"]
    with catalogue.write() as conn:
        conn.execute(insert(operators), [{"name": name, "password_hash": "x"} for name in reversed(names)])
    with catalogue.read() as conn:
        assert list(conn.scalars(select(operators.c.name).order_by(operators.c.name))) == names
        assert list(conn.scalars(select(operators.c.name).where(operators.c.name < "a"))) == ["_", "Z", "B"]


def test_texts_have_no_limit_and_no_nul(catalogue: Catalogue) -> None:
    with catalogue.write() as conn:
        conn.execute(insert(operators).values(name="x" * 5000, password_hash="a\0b"))
    with catalogue.read() as conn:
        found = conn.execute(select(operators.c.name, operators.c.password_hash)).one()
        assert found == ("x" * 5000, "a\N{REPLACEMENT CHARACTER}b")


def test_whole_numbers_have_64_bits(catalogue: Catalogue) -> None:
    with catalogue.write() as conn:
        conn.execute(insert(package_ids).values(id=2**62))
    with catalogue.read() as conn:
        assert conn.scalar(select(package_ids.c.id).where(package_ids.c.id > 2**61)) == 2**62


def test_an_id_is_not_given_again(catalogue: Catalogue) -> None:
    row = {"first_seen_at_us": 1, "last_seen_at_us": 1}
    with catalogue.write() as conn:
        for name in ("a", "b"):
            conn.execute(insert(computers).values(device_id=name, **row))
        conn.execute(delete(computers).where(computers.c.device_id == "b"))
        conn.execute(insert(computers).values(device_id="c", **row))
    with catalogue.read() as conn:
        assert list(conn.scalars(select(computers.c.id).order_by(computers.c.id))) == [1, 3]


def test_an_older_server_is_refused(database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "MIN_VERSION", 99)
    with pytest.raises(BadInput, match=r"catalogue.url: expected a server of PostgreSQL 99 or later, got 15\."):
        create_catalogue(database.make(empty=True))


def test_another_encoding_is_refused(postgresql_cluster: Cluster) -> None:
    name = postgresql_cluster.create_database("template0 ENCODING 'SQL_ASCII' LOCALE_PROVIDER libc LOCALE 'C'")
    with pytest.raises(BadInput, match="expected a database of the encoding UTF8, got SQL_ASCII"):
        create_catalogue(postgresql_cluster.database(name))
    postgresql_cluster.drop_database(name)


def test_a_database_whose_tables_may_not_be_made(postgresql_cluster: Cluster) -> None:
    """It is somebody else's; in PostgreSQL 15 only its owner may."""
    name = postgresql_cluster.create_database()
    postgresql_cluster.execute(f"ALTER DATABASE {name} OWNER TO postgres")
    with pytest.raises(BadInput, match=r"database: expected a database in which tables may be made, got .* denies it"):
        create_catalogue(postgresql_cluster.database(name))
    postgresql_cluster.drop_database(name)


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    folder = str(tmp_path).replace("/", "%2F")
    with pytest.raises(Unavailable, match=r"^catalogue: .*No such file or directory.*"):
        create_catalogue(PostgresqlDatabase(f"postgresql://distd@{folder}/distd"))
    with (
        pytest.raises(Unreachable, match="No such file") as caught,
        open_catalogue(PostgresqlDatabase(f"postgresql://distd@{folder}/distd")),
    ):
        pass
    assert "\n" not in str(caught.value)


class TestPassword:
    """From a file, the environment or `~/.pgpass`, and nowhere to be seen."""

    @pytest.fixture
    def url(self, postgresql_cluster: Cluster) -> Iterator[str]:
        name = postgresql_cluster.create_database()
        postgresql_cluster.execute(f"ALTER ROLE {SECRETIVE_ROLE} PASSWORD '{PASSWORD}'")
        postgresql_cluster.execute(f"ALTER DATABASE {name} OWNER TO {SECRETIVE_ROLE}")
        yield postgresql_cluster.url(name).replace("distd@", f"{SECRETIVE_ROLE}@")
        postgresql_cluster.drop_database(name)

    def test_from_a_file(self, url: str, tmp_path: Path) -> None:
        (tmp_path / "password").write_text(f"{PASSWORD}\n")
        create_catalogue(database_of(CatalogueSettings(url, "password"), tmp_path / "catalogue.db"))

    def test_from_the_environment(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PGPASSWORD", PASSWORD)
        create_catalogue(PostgresqlDatabase(url))

    def test_from_pgpass(self, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = tmp_path / "pgpass"
        file.write_text(f"*:*:*:{SECRETIVE_ROLE}:{PASSWORD}\n")
        file.chmod(0o600)
        monkeypatch.setenv("PGPASSFILE", str(file))
        create_catalogue(PostgresqlDatabase(url))

    def test_a_wrong_one_is_told_and_not_shown(self, url: str) -> None:
        database = PostgresqlDatabase(url, "wr0ng-one")
        with pytest.raises(Unavailable, match="password authentication failed") as caught:
            create_catalogue(database)
        assert "wr0ng-one" not in f"{caught.value} {caught.value!r} {database} {database.make_engine()!r}"

    def test_a_file_that_is_not_there(self, url: str, tmp_path: Path) -> None:
        with pytest.raises(BadInput, match=r"catalogue\.password_file: .*No such file"):
            database_of(CatalogueSettings(url, "gone"), tmp_path / "catalogue.db")


def of_host(url: str, ca_file: Path | None = None) -> dict[str, Any]:
    found = PostgresqlDatabase(url, None, ca_file)._parameters
    return {name: found.get(name) for name in ("sslmode", "sslrootcert")}


def test_over_a_network_the_server_has_to_show_who_it_is(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    system = {"sslmode": "verify-full", "sslrootcert": "system"}
    ours = system | {"sslrootcert": str(ca)}
    assert of_host("postgresql://distd@db.example.org/distd") == system
    assert of_host("postgresql://distd@db.example.org,localhost/distd", ca) == ours
    assert of_host("postgresql://distd@db.example.org/distd?sslmode=require")["sslmode"] == "require"
    for here in ("localhost", "127.0.0.1", "[::1]", "%2Frun%2Fpostgresql"):
        assert of_host(f"postgresql://distd@{here}/distd") == {"sslmode": None, "sslrootcert": None}
    assert of_host("postgresql://distd@localhost/distd?sslmode=verify-full", ca) == ours


def test_tls_is_verified(data: Any) -> None:
    """The certificate is one for localhost, by the CA of a data directory, which the system does not know."""
    with running_cluster(tls=(data.keys / "server.pem", data.keys / "server.key")) as cluster:
        name = cluster.create_database()
        url = f"postgresql://distd@localhost:{cluster.port}/{name}?sslmode=verify-full"
        place = PostgresqlDatabase(url, None, data.ca_certificate)
        create_catalogue(place)
        with open_catalogue(place) as catalogue, catalogue.read() as conn:
            assert conn.scalar(text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")) is True
        for other, ca in (
            (url, None),
            (f"{url.replace('localhost', 'db.example.org')}&hostaddr=127.0.0.1", data.ca_certificate),
        ):
            with pytest.raises(Unreachable, match="certificate"), open_catalogue(PostgresqlDatabase(other, None, ca)):
                pass


def test_a_lock_that_is_not_let_go(database: Any, postgresql_cluster: Cluster) -> None:
    place = PostgresqlDatabase(f"{database.url}?options=-c%20lock_timeout%3D100")
    with open_catalogue(place) as catalogue, psycopg.connect(postgresql_cluster.conninfo(database.name)) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        with pytest.raises(Unreachable, match="lock timeout"), catalogue.write():
            pass
        with catalogue.read() as conn:
            assert conn.scalar(select(package_ids.c.id)) is None


def test_a_connection_that_is_cut_in_a_transaction_undoes_it(
    database: Any, catalogue: Catalogue, postgresql_cluster: Cluster
) -> None:
    def write() -> None:
        with catalogue.write() as conn:
            conn.execute(insert(package_ids).values(id=1))
            postgresql_cluster.cut_connections(database.name)
            conn.execute(insert(package_ids).values(id=2))

    with pytest.raises(Unreachable, match="terminating connection"):
        write()
    assert "terminating connection" in catalogue.outage.why
    catalogue.outage.succeeded(wrote=True)  # as after a second
    with catalogue.write() as conn:
        assert conn.scalar(select(package_ids.c.id)) is None


def test_a_connection_that_is_cut_between_two_transactions_is_replaced(
    database: Any, catalogue: Catalogue, postgresql_cluster: Cluster
) -> None:
    for number in range(3):
        with catalogue.write() as conn:
            conn.execute(insert(package_ids).values(id=number))
        postgresql_cluster.cut_connections(database.name)
        with catalogue.read() as conn:
            assert len(conn.execute(select(package_ids)).all()) == number + 1
        postgresql_cluster.cut_connections(database.name)
    assert catalogue.outage.why == ""


@contextmanager
def commits_that_wait(cluster: Cluster) -> Iterator[None]:
    """They are on the disk, and wait for a standby that never comes."""
    cluster.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    cluster.execute("SELECT pg_reload_conf()")
    try:
        yield
    finally:
        cluster.execute("ALTER SYSTEM RESET synchronous_standby_names")
        cluster.execute("SELECT pg_reload_conf()")


def test_a_commit_whose_answer_is_lost_is_looked_up(database: Any, postgresql_cluster: Cluster) -> None:
    """Otherwise what is committed would be called refused, and done once more."""
    url = f"{database.url}?options=-c%20synchronous_commit%3Don"
    waiting = f"SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND datname = '{database.name}'"

    def cut() -> None:
        wait_until(lambda: postgresql_cluster.execute(waiting), "the commit waits")
        postgresql_cluster.cut_connections(database.name)

    with open_catalogue(PostgresqlDatabase(url)) as catalogue, commits_that_wait(postgresql_cluster):
        wait_until(lambda: postgresql_cluster.execute("SHOW synchronous_standby_names") == [("nobody",)], "it is so")
        thread = threading.Thread(target=cut)
        with catalogue.write() as conn:
            conn.execute(insert(package_ids).values(id=7))
            thread.start()
        thread.join()
        with catalogue.read() as conn:
            assert conn.scalar(select(package_ids.c.id)) == 7


def test_a_bug_of_ours_is_not_transient(catalogue: Catalogue) -> None:
    with pytest.raises(ProgrammingError) as caught, catalogue.read() as conn:
        conn.execute(text("SELEKT 1"))
    assert not is_transient(caught.value)
