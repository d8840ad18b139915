"""`distd db …`: copy the catalogue into another database, migrate it, check it."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from distd.catalogue import copying
from distd.catalogue.checking import check_catalogue
from distd.catalogue.dialect import database_of, upkeep
from distd.catalogue.engine import SCHEMA, create_catalogue, found_schema, open_as_it_is, open_catalogue
from distd.catalogue.migration_steps import steps_from
from distd.catalogue.tables import metadata
from distd.cli.options import data_option
from distd.domain.database_url import check_database_url
from distd.domain.errors import BadInput
from distd.domain.settings import CatalogueSettings
from distd.origin.installation import NO_OVERRIDES, read_settings
from distd.storage.data_dir import open_data_dir
from distd.storage.settings_file import change_texts
from distd.terminal.lists import print_table
from distd.terminal.options import example, json_option, options_record
from distd.terminal.output import print_json
from distd.terminal.program import Group, option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from distd.catalogue.copying import CopyReport
    from distd.catalogue.dialect.database import Database
    from distd.catalogue.row_digest import TableState
    from distd.storage.data_dir import DataDir

SHOWN_DIGITS = 16  # of a digest, for people


@click.group("db", cls=Group)
def db() -> None:
    """The database: copy it into another one, bring its schema up to date, check it."""


@dataclass(frozen=True, slots=True)
class CopyOptions:
    """The options of `distd db copy`; None: not given."""

    origin: str
    target: str
    password_file: Path | None
    ca_file: Path | None
    switch: bool

    def place(self, url: str, field: str) -> CatalogueSettings:
        """The database that a URL names. Raises `BadInput`."""
        check_database_url(url, field)
        names = {"password_file": self.password_file, "ca_file": self.ca_file}
        return CatalogueSettings(
            url, **{name: str(path.absolute()) for name, path in names.items() if path is not None}
        )


@dataclass(frozen=True, slots=True)
class _Place:
    """A database, how settings name it, and the data directory that was given in its place, if one was."""

    database: Database
    settings: CatalogueSettings
    data: DataDir | None


@db.command(epilog=example("distd db copy --from /srv/distd --to postgresql://distd@db.example.org/distd --switch"))
@option("--from", "origin", field="from", metavar="URL|DIR", required=True, help="What is copied. DIR: what it uses.")
@option(
    "--to", "target", field="to", metavar="URL|DIR", required=True, help="An empty database. DIR: its catalogue.db."
)
@option(
    "--password-file",
    "password_file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file with the password of the URL's user; otherwise PGPASSWORD or ~/.pgpass.",
)
@option(
    "--ca-file",
    "ca_file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file with the CAs that may sign the certificate of the URL's server.",
)
@option("--switch", is_flag=True, help="Then let DIR use the copy: changes catalogue.url in its distd.toml.")
@json_option
@options_record(CopyOptions)
def copy(options: CopyOptions, as_json: bool) -> None:
    """Copy all of a database into an empty one, of PostgreSQL or a file, while no server uses it.

    What is copied is not changed. Each table is read back and compared. A copy that was interrupted is
    refused by servers, and the same command goes on with it. With --switch the next start of the server uses the copy.
    """
    source, target = _source(options), _target(options)
    if str(source.database) == str(target.database):
        raise BadInput("to", "another database than that of --from", str(target.database))
    switched = _directory_to_switch(source, target) if options.switch else None
    report = _copy(source.database, target)
    if switched is not None:
        change_texts(switched.settings_file, _named(target.settings))
    if as_json:
        print_json({**asdict(report), "switched": str(switched.root) if switched else None})
        return
    _print_tables(report.tables)
    if report.begun_anew:
        click.echo("It was begun anew: what was copied has changed since.")
    click.echo(f"Copied to        {target.database}")
    if switched is not None:
        click.echo(f"Next             distd serve --data {switched.root}")


def _source(options: CopyOptions) -> _Place:
    if "://" in options.origin:
        settings = options.place(options.origin, "from")
        return _Place(database_of(settings, Path("catalogue.db")), settings, None)
    data = open_data_dir(_folder(options.origin, "from"))
    settings = read_settings(data, NO_OVERRIDES).catalogue
    return _Place(database_of(settings, data.catalogue), settings, data)


def _target(options: CopyOptions) -> _Place:
    if "://" in options.target:
        settings = options.place(options.target, "to")
        return _Place(database_of(settings, Path("catalogue.db")), settings, None)
    data = open_data_dir(_folder(options.target, "to"))
    settings = CatalogueSettings()
    return _Place(database_of(settings, data.catalogue), settings, data)


def _folder(text: str, field: str) -> Path:
    if not text:
        raise BadInput(field, "a data directory or a URL", text)
    return Path(text)


def _directory_to_switch(source: _Place, target: _Place) -> DataDir:
    roots = {place.data.root.resolve(): place.data for place in (source, target) if place.data is not None}
    if len(roots) != 1:
        raise BadInput("--switch", "one data directory as --from, --to, or both", f"{len(roots) or 'none'}")
    return next(iter(roots.values()))


def _named(settings: CatalogueSettings) -> dict[str, str]:
    return {f"catalogue.{name}": value for name, value in asdict(settings).items()}


def _copy(source: Database, target: _Place) -> CopyReport:
    upkeep.require_alone(source)
    with open_as_it_is(source) as opened:
        with opened.read() as conn:
            copying.require_this_schema(conn)
        with opened.read() as conn:
            upkeep.hold(conn, metadata.sorted_tables)
            _make(target)
            with open_as_it_is(target.database) as made:
                return copying.copy_catalogue(conn, made, _tell)


def _make(target: _Place) -> None:
    """Tables, where there are none."""
    try:
        create_catalogue(target.database)
    except BadInput:
        return  # something is there: whether it can be copied into is seen by who copies
    if target.data is not None:
        target.data.catalogue.chmod(0o640)


def _tell(table: str, done: int, total: int) -> None:
    """One line on a terminal, written again and again."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{table}: {done:,} of {total:,} rows", err=True, nl=False)
        if done == total:
            click.echo("\r\x1b[K", err=True, nl=False)


def _print_tables(tables: Sequence[TableState]) -> None:
    rows = [(table.name, f"{table.rows:,}", table.digest[:SHOWN_DIGITS]) for table in tables]
    print_table(("Table", "Rows", "Digest"), rows, "No tables.")


@db.command(epilog=example("distd db migrate --dry-run --data /srv/distd"))
@data_option
@option("--dry-run", "dry_run", is_flag=True, help="Say what would be done, and do nothing.")
@json_option
def migrate(root: Path, dry_run: bool, as_json: bool) -> None:
    """Bring the database's schema up to date, in one transaction, as the first start of a newer server does."""
    database = _of_directory(root)
    with open_as_it_is(database) as catalogue, catalogue.read() as conn:
        found = found_schema(conn)
    steps = steps_from(found)
    if not as_json:
        for step in steps:
            click.echo(f"{step.revision}  {step.title}")
    if steps and not dry_run:
        with open_catalogue(database):
            pass
    if as_json:
        print_json({"from": found, "to": SCHEMA, "steps": [asdict(step) for step in steps], "done": not dry_run})
    elif not steps:
        click.echo(f"The schema is {SCHEMA} already.")
    else:
        click.echo("Nothing is changed." if dry_run else f"The schema is {SCHEMA}.")


@db.command(epilog=example("distd db check --data /srv/distd"))
@data_option
@json_option
def check(root: Path, as_json: bool) -> None:
    """Check the database: schema, what it finds itself, foreign keys, counters of ids, every row. Nothing is changed.

    Exit status 1, and a line on stderr for each fault, where something is wrong. The digests of tables are the same in
    every database that has the same rows.
    """
    with open_as_it_is(_of_directory(root)) as catalogue, catalogue.read() as conn:
        report = check_catalogue(conn)
    if as_json:
        print_json(report)
    else:
        _print_tables(report.tables)
    for fault in report.faults:
        click.echo(f"distd: {fault}", err=True)
    if report.faults:
        click.get_current_context().exit(1)


def _of_directory(root: Path) -> Database:
    data = open_data_dir(root)
    return database_of(read_settings(data, NO_OVERRIDES).catalogue, data.catalogue)
