"""`distd computer …`."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from distd.cli.completion import complete_computers
from distd.cli.parameters import apply, dry_run_option, pairs_argument, print_parameters, read_pairs
from distd.cli.site import ask_list, site_option
from distd.domain.errors import BadInput
from distd.domain.parameters import Level
from distd.domain.units import format_count, format_time
from distd.operations import computers as operations
from distd.operations.computers import AdmitRequest, ComputerEdit, ComputerQuery, NamedComputers
from distd.operations.parameters import SHOW
from distd.origin.computers.computer_settings import KEYS
from distd.origin.computers.computers import WantedComputers
from distd.terminal.lists import Column, list_options, print_list, print_table
from distd.terminal.options import example, json_option, options_record
from distd.terminal.output import print_json, print_record
from distd.terminal.program import Group, argument, option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from distd.cli.site import SiteAccess
    from distd.origin.computers.computers import Computer
    from distd.origin.deployments.assignments import Result
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
COLUMNS: Final[tuple[Column[Computer], ...]] = (
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


@computer.command("list", epilog=example("distd computer list --name 'pc-lyon-*' --data /srv/distd"))
@option("--name", metavar="TEXT", help="Only those whose name or DEVICEID has this in it; ? and * as in a shell.")
@option("--tag", metavar="TEXT", help="Only those with such a TAG.")
@option("--changed", is_flag=True, help="Only those of whose identity something has changed.")
@option("--waiting", is_flag=True, help="Only those in the waiting room: see `distd computer admit`.")
@site_option
@list_options
@options_record(WantedComputers)
def list_(site: SiteAccess, options: WantedComputers, listing: ListOptions) -> None:
    """The computers, by DEVICEID.

    Changed: the agent comes from another network, it is another program, or the computer has another serial number or
    other interfaces. So somebody else may use its DEVICEID; `distd computer set DEVICEID changed=` clears it.
    """
    query = ComputerQuery(options.name, options.tag, options.changed, options.waiting)
    page = ask_list(site, operations.LIST, listing, query)
    nothing = "No computers yet: a computer appears with the first contact of its agent."
    print_list(page, COLUMNS, listing, nothing if options == WantedComputers() else "No such computers.")


@computer.command(epilog=example("distd computer show pc17-2026-01-31-08-00-00 --data /srv/distd"))
@argument("device_id", metavar="DEVICEID", hint="see `distd computer list`", shell_complete=complete_computers)
@option("--document", metavar="FILE", type=click.Path(path_type=Path), help="Write its last inventory's XML there.")
@site_option
@json_option
def show(device_id: str, document: Path | None, site: SiteAccess, as_json: bool) -> None:
    """One computer, with its assignments and its history."""
    found = site.ask(operations.SHOW, device_id)
    of_agent = site.ask(SHOW[Level.COMPUTER], device_id)
    if document is not None:
        document.write_bytes(site.ask(operations.DOCUMENT, device_id).document)
    if as_json:
        print_json({field.name: getattr(found, field.name) for field in fields(found)} | {"parameters": of_agent})
        return
    shown = found.computer
    print_record(
        (
            ("DEVICEID", shown.device_id),
            ("Name", shown.name),
            ("OS", _system(shown)),
            ("Agent", shown.user_agent),
            ("Address", ", ".join(dict.fromkeys(filter(None, (shown.ip, shown.address))))),
            ("Workgroup", shown.workgroup),
            ("User", shown.userid),
            ("Tag", shown.tag),
            ("Serial", shown.serial),
            ("Changed", ", ".join(shown.changed)),
            ("Networks", " ".join(shown.networks)),
            ("Waiting", "in the waiting room" if shown.waiting else ""),
            ("First contact", format_time(shown.first_seen_at_s)),
            ("Last contact", format_time(shown.last_seen_at_s)),
            ("Last inventory", format_time(shown.last_inventory_at_s)),
            ("History", ", ".join(found.history)),
        )
    )
    click.echo()
    print_parameters(of_agent)
    if found.assignments:
        click.echo()
        titles = ("Package", "Name", "State", "Code", "Fragments", "Since", "Meaning")
        print_table(titles, map(_assignment, found.assignments), "")


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
    from elsewhere are refused; networks=: from anywhere again.

    download.frag_latency_s=3: its agent has it after its next contact, whatever its groups and the site have;
    download.frag_latency_s=: as they have it. `distd computer show` lists all parameters.
    """
    texts = read_pairs(pairs)
    own = {name: text for name, text in texts.items() if name in KEYS}
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
    """Of values by their names in `KEYS`."""
    networks = values["networks"].replace(",", " ").split() if "networks" in values else None
    return ComputerEdit(values["changed"].strip() if "changed" in values else None, networks)


def _assignment(row: Result) -> tuple[object, ...]:
    code = row.code if row.code != row.state else ""
    since = format_time(row.since_s)
    return row.package_id, row.package_name, row.shown_state, code, row.progress, since, row.meaning


def _system(computer: Computer) -> str:
    """The name of a Linux system ends with its version already."""
    name, version = computer.os_name, computer.os_version
    return name if version in name.split() else f"{name} {version}".strip()
