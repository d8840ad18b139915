"""`distd computer …`."""

from __future__ import annotations

import time
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from distd.cli.actor import unix_actor
from distd.cli.completion import complete_computers, complete_filter
from distd.cli.computer_lists import chosen_columns, print_everything
from distd.cli.parameters import apply, dry_run_option, pairs_argument, print_parameters, read_pairs
from distd.cli.site import LocalSite, ask_list, site_option
from distd.domain.duplicates import DuplicateReason
from distd.domain.errors import BadInput
from distd.domain.parameters import Level
from distd.domain.units import format_count, format_size, format_time
from distd.operations import computers as operations
from distd.operations.computers import (
    AdmitRequest,
    ComputerEdit,
    ComputerQuery,
    DuplicateQuery,
    MergeRequest,
    NamedComputers,
    SoftwareQuery,
)
from distd.operations.parameters import SHOW
from distd.origin.computers.columns import read_columns
from distd.origin.computers.computer_settings import ACCOUNT, KEYS
from distd.origin.computers.computers import Computer, WantedComputers
from distd.terminal.lists import Column, list_options, print_list, print_table
from distd.terminal.options import example, json_option, one_of, options_record
from distd.terminal.output import print_json, print_record
from distd.terminal.program import Group, argument, option

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from distd.cli.site import SiteAccess
    from distd.origin.computers.computers import Detail, SoftwareItem
    from distd.origin.computers.duplicates import Duplicates
    from distd.origin.deployments.result_list import Result
    from distd.terminal.lists import ListOptions


@click.group(cls=Group)
def computer() -> None:
    """Computers whose agents have been in contact."""


device_ids_argument = argument(
    "device_ids",
    field="computers",
    metavar="DEVICEID...",
    nargs=-1,
    required=True,
    hint="see `distd computer list`",
    shell_complete=complete_computers,
)
COLUMNS: Final[tuple[Column[Any], ...]] = (
    Column("DEVICEID", lambda row: row.device_id),
    Column("Name", lambda row: row.name, rank=3, cut=True),
    Column("OS", lambda row: _system(row), rank=4, cut=True),
    Column("Address", lambda row: row.ip or row.address, rank=2),
    Column("Tag", lambda row: row.tag, rank=5, cut=True),
    Column("User", lambda row: row.userid, rank=6, cut=True),
    Column("Agent", lambda row: row.user_agent, rank=7, cut=True),
    Column("Changed", lambda row: ", ".join(row.changed), rank=2),
    Column("Waiting", lambda row: "waiting" if row.waiting else "", rank=2),
    Column("Last contact", lambda row: format_time(row.last_seen_at_s), rank=1),
)

SOFTWARE: Final[tuple[Column[SoftwareItem], ...]] = (
    Column("Software", lambda row: row.name),
    Column("Version", lambda row: row.version, rank=1),
    Column("Publisher", lambda row: row.publisher, rank=2, cut=True),
)
DUPLICATES: Final[tuple[Column[Duplicates], ...]] = (
    Column("Same", lambda row: row.reason),
    Column("Value", lambda row: row.value, rank=1),
    Column("Computers", lambda row: str(row.count), rank=2, right=True),
    Column("DEVICEIDs, the newest first", lambda row: " ".join(member.device_id for member in row.computers)),
)


@computer.command("list", epilog=example("distd computer list 'os ~ \"windows*\" memory < 8GiB' --data /srv/distd"))
@argument("text", field="filter", metavar="[FILTER]", default="", shell_complete=complete_filter)
@option("--sort", metavar="FIELD", default="device_id", show_default=True, help="By this field; -FIELD: descending.")
@option("--columns", metavar="FIELDS", default="", help="Only these fields of filters, with commas between them.")
@option("--name", metavar="TEXT", help="Only those whose name or DEVICEID has this in it; ? and * as in a shell.")
@option("--tag", metavar="TEXT", help="Only those with such a TAG.")
@option("--changed", is_flag=True, help="Only those of whose identity something has changed.")
@option("--waiting", is_flag=True, help="Only those in the waiting room: see `distd computer admit`.")
@site_option
@list_options
@options_record(WantedComputers)
def list_(text: str, sort: str, columns: str, site: SiteAccess, options: WantedComputers, listing: ListOptions) -> None:
    """The computers, all or those that a filter finds: a word (in name, tag, user, address, system), comparisons such
    as memory >= 8GiB, software("7-Zip*"), with AND, OR, NOT; @NAME is a saved filter.

    Changed: the agent comes from another network, it is another program, or the computer has another serial number or
    other interfaces. So somebody else may use its DEVICEID; `distd computer set DEVICEID changed=` clears it.
    """
    chosen = read_columns(columns)
    query = ComputerQuery(
        text or None, sort, columns, None, options.name, options.tag, options.changed, options.waiting
    )
    if isinstance(site, LocalSite) and listing.everything and (listing.as_csv or listing.as_json):
        with site.installation.catalogue.read() as conn:
            asked = operations.search_of(conn, unix_actor(), query, time.time())
            print_everything(conn, asked, as_csv=listing.as_csv)
        return
    page = ask_list(site, operations.LIST, listing, query)
    if not chosen:
        page = replace(page, items=[msgspec.convert(row, Computer) for row in page.items])
    nothing = "No computers yet: a computer appears with the first contact of its agent."
    is_whole = options == WantedComputers() and not text.strip()
    shown = chosen_columns(chosen) if chosen else COLUMNS
    print_list(page, shown, listing, nothing if is_whole else "No such computers.", is_exact=page.is_exact)


@computer.command(epilog=example("distd computer show pc17-2026-01-31-08-00-00 --data /srv/distd"))
@argument("device_id", metavar="DEVICEID", hint="see `distd computer list`", shell_complete=complete_computers)
@option("--raw", is_flag=True, help="Print its last inventory's XML instead, as its agent sent it.")
@option("--document", metavar="FILE", type=click.Path(path_type=Path), help="Write that XML to a file, too.")
@site_option
@json_option
def show(device_id: str, raw: bool, document: Path | None, site: SiteAccess, as_json: bool) -> None:
    """One computer: its inventory, its assignments and its history. `distd computer software` lists what is
    installed."""
    if raw:
        click.echo(site.ask(operations.DOCUMENT, device_id).document)
        return
    found = site.ask(operations.SHOW, device_id)
    of_agent = site.ask(SHOW[Level.COMPUTER], device_id)
    if document is not None:
        document.write_bytes(site.ask(operations.DOCUMENT, device_id).document)
    if as_json:
        print_json({field.name: getattr(found, field.name) for field in fields(found)} | {"parameters": of_agent})
        return
    print_record(_facts(found))
    click.echo()
    print_parameters(of_agent)
    for titles, rows in _tables(found):
        if rows:
            click.echo()
            print_table(titles, rows, "")


@computer.command(epilog=example("distd computer software pc17-2026-01-31-08-00-00 --name 'libre*' --data /srv/distd"))
@argument("device_id", metavar="DEVICEID", hint="see `distd computer list`", shell_complete=complete_computers)
@option("--name", metavar="TEXT", help="Only software that has this in its name; ? and * as in a shell.")
@site_option
@list_options
def software(device_id: str, name: str | None, site: SiteAccess, listing: ListOptions) -> None:
    """What is installed on a computer, by name."""
    page = ask_list(site, operations.SOFTWARE, listing, SoftwareQuery(name), device_id)
    print_list(page, SOFTWARE, listing, "No such software." if name else "No software is known of it.")


@computer.command("duplicates", epilog=example("distd computer duplicates --reason serial --data /srv/distd"))
@option("--reason", type=one_of(map(str, DuplicateReason)), help="Only those that have this in common.")
@site_option
@list_options
def duplicates_(reason: str | None, site: SiteAccess, listing: ListOptions) -> None:
    """Computers that are probably the same one: a computer that is installed anew gets another DEVICEID.

    Values that say nothing, such as "To be filled by O.E.M." or the MAC of a dock, do not count. `distd computer merge`
    makes one of two.
    """
    page = ask_list(site, operations.DUPLICATES, listing, DuplicateQuery(None if reason is None else (reason,)))
    print_list(page, DUPLICATES, listing, "No duplicates.")


@computer.command(
    epilog=example("distd computer merge pc17-2026-01-31-08-00-00 pc17-2026-11-02-09-12-44 --data /srv/distd")
)
@argument("old", metavar="OLD", hint="see `distd computer duplicates`", shell_complete=complete_computers)
@argument("new", metavar="NEW", hint="see `distd computer duplicates`", shell_complete=complete_computers)
@site_option
def merge(old: str, new: str, site: SiteAccess) -> None:
    """Make one computer of two, after it was installed anew: NEW gets OLD's assignments, results and events, and OLD is
    deleted."""
    site.ask(operations.MERGE, given=MergeRequest(old, new))
    click.echo(f"Computer {old} is {new} now.")


@computer.command(epilog=example("distd computer delete pc17-2026-01-31-08-00-00 --data /srv/distd"))
@device_ids_argument
@site_option
def delete(device_ids: tuple[str, ...], site: SiteAccess) -> None:
    """Delete computers with their assignments and results: all of them, or none if one is unknown.

    An agent that makes a contact again is a new computer.
    """
    for device_id in site.ask(operations.DELETE_MANY, given=NamedComputers(device_ids)).deleted:
        click.echo(f"Computer {device_id} is deleted.")


@computer.command(
    "set", epilog=example("distd computer set pc17-2026-01-31-08-00-00 networks=10.1.0.0/16 --data /srv/distd")
)
@argument("device_id", metavar="DEVICEID", hint="see `distd computer list`", shell_complete=complete_computers)
@pairs_argument
@dry_run_option
@site_option
@json_option
def set_(device_id: str, pairs: tuple[str, ...], dry_run: bool, site: SiteAccess, as_json: bool) -> None:
    """Set values of a computer, or parameters of its agent.

    changed=: what has changed of its identity is known, and no longer shown. networks=10.1.0.0/16,10.2.0.0/16: contacts
    from elsewhere are refused; networks=: from anywhere again. tag=VALUE, account.KEY=VALUE: its account info, whatever
    its agent says; tag=: what its agent says counts again.

    download.frag_latency_s=3: its agent has it after its next contact, whatever its groups and the site have;
    download.frag_latency_s=: as they have it. `distd computer show` lists all parameters.
    """
    texts = read_pairs(pairs)
    own = {name: text for name, text in texts.items() if name in (*KEYS, "tag") or name.startswith(ACCOUNT)}
    others = {name: text for name, text in texts.items() if name not in own}
    if own and others:
        raise BadInput("values", "parameters of the agent, or others, not both", " ".join(pairs))
    if others:
        apply(site, Level.COMPUTER, (device_id,), others, dry_run=dry_run, as_json=as_json)
        return
    if dry_run:
        raise BadInput("values", "parameters of the agent, with --dry-run", " ".join(pairs))
    site.ask(operations.EDIT, device_id, given=_edit(own))
    if as_json:
        print_json({"device_id": device_id, "set": list(own)})
        return
    click.echo(f"Computer {device_id}: {', '.join(own)} set.")


@computer.command(epilog=example("distd computer admit pc17-2026-01-31-08-00-00 --data /srv/distd"))
@argument(
    "device_ids",
    field="computers",
    metavar="[DEVICEID]...",
    nargs=-1,
    hint="see `distd computer list --waiting`",
    shell_complete=complete_computers,
)
@option("--all", "everybody", is_flag=True, help="All that are in it.")
@site_option
@json_option
def admit(device_ids: tuple[str, ...], everybody: bool, site: SiteAccess, as_json: bool) -> None:
    """Let computers out of the waiting room (agents.waiting_room): from their next contacts on they get packages."""
    if bool(device_ids) == everybody:
        raise BadInput("computers", "DEVICEIDs, or --all", "both" if everybody else "none")
    admitted = site.ask(operations.ADMIT, given=AdmitRequest(device_ids, everybody)).admitted
    if as_json:
        print_json({"admitted": admitted})
        return
    click.echo(f"{format_count(len(admitted), 'computer')} admitted.")


@computer.command(epilog=example("distd computer revoke pc17-2026-01-31-08-00-00 --data /srv/distd"))
@device_ids_argument
@site_option
@json_option
def revoke(device_ids: tuple[str, ...], site: SiteAccess, as_json: bool) -> None:
    """Revoke the tokens by which computers are known when they fetch fragments; at its next contact each gets others.

    A Windows agent keeps the paths that it was told first: packages that it is fetching fail until its time-out.
    If it is distd's own agent and has a key, it must enrol anew.
    """
    revoked = site.ask(operations.REVOKE, given=NamedComputers(device_ids)).revoked
    if as_json:
        print_json({"revoked": revoked})
        return
    for device_id in revoked:
        click.echo(f"Computer {device_id}: its tokens are revoked.")


def _edit(values: Mapping[str, str]) -> ComputerEdit:
    """Of values by their names: those of `KEYS`, and of the account info."""
    account = {"TAG" if name == "tag" else name.removeprefix(ACCOUNT): text for name, text in values.items()}
    account = {key: text for key, text in account.items() if key not in KEYS}
    networks = values["networks"].replace(",", " ").split() if "networks" in values else None
    return ComputerEdit(values["changed"].strip() if "changed" in values else None, networks, account or None)


def _facts(found: Detail) -> Iterable[tuple[str, object]]:
    shown = found.computer
    return (
        ("DEVICEID", shown.device_id),
        ("Name", shown.name),
        ("Description", shown.description),
        ("OS", " ".join(filter(None, (_system(shown), shown.arch)))),
        ("OS comments", shown.os_comments),
        ("Agent", shown.user_agent),
        ("Address", ", ".join(dict.fromkeys(filter(None, (shown.ip, shown.address))))),
        ("Workgroup", shown.workgroup),
        ("User", "\\".join(filter(None, (shown.userdomain, shown.userid)))),
        ("Tag", shown.tag),
        ("Manufacturer", shown.manufacturer),
        ("Model", shown.model),
        ("Serial", shown.serial),
        ("CPU", shown.cpu),
        ("Cores", shown.cores),
        ("Memory", _size(shown.memory_bytes)),
        ("Disks", f"{_size(shown.disk_free_bytes)} of {_size(shown.disk_total_bytes)} free" if found.drives else ""),
        ("Software", f"{found.software:,} installed" if found.software else ""),
        ("Changed", ", ".join(shown.changed)),
        ("Networks", " ".join(shown.networks)),
        ("Waiting", "in the waiting room" if shown.waiting else ""),
        ("First contact", format_time(shown.first_seen_at_s)),
        ("Last contact", format_time(shown.last_seen_at_s)),
        ("Last inventory", format_time(shown.last_inventory_at_s)),
        ("History", ", ".join(found.history)),
    )


def _tables(found: Detail) -> Iterable[tuple[Sequence[str], list[tuple[object, ...]]]]:
    accounts = [(key, value) for key, value in found.accounts.items() if key != "TAG"]
    yield ("Account", "Value"), list(accounts)
    yield (
        ("Interface", "Address", "Mask", "Subnet", "MAC", "Status"),
        [(each.description, each.ip, each.mask, each.subnet, each.mac, each.status) for each in found.interfaces],
    )
    yield (
        ("Drive", "Volume", "Kind", "File system", "Size", "Free"),
        [
            (each.letter, each.volume, each.kind, each.filesystem, _size(each.size_bytes), _size(each.free_bytes))
            for each in found.drives
        ],
    )
    titles = ("Package", "Name", "State", "Code", "Fragments", "Since", "Meaning")
    yield titles, list(map(_assignment, found.assignments))


def _size(size_bytes: int | None) -> str:
    return "" if size_bytes is None else format_size(size_bytes)


def _assignment(row: Result) -> tuple[object, ...]:
    code = row.code if row.code != row.state else ""
    since = format_time(row.since_s)
    return row.package_id, row.package_name, row.shown_state, code, row.progress, since, row.meaning


def _system(computer: Computer) -> str:
    """The name of a Linux system ends with its version already."""
    name, version = computer.os_name, computer.os_version
    return name if version in name.split() else f"{name} {version}".strip()
