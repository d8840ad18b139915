"""`distd computer …`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from distd.cli.completion import complete_computers
from distd.cli.options import data_option
from distd.domain.units import format_time
from distd.origin.computers import computers
from distd.origin.installation import open_installation
from distd.terminal.options import example, json_option
from distd.terminal.output import print_json, print_record, print_table
from distd.terminal.program import Group, argument

if TYPE_CHECKING:
    from pathlib import Path


@click.group(cls=Group)
def computer() -> None:
    """Computers whose agents have been in contact."""


@computer.command("list", epilog=example("distd computer list --data /srv/distd"))
@data_option
@json_option
def list_(root: Path, as_json: bool) -> None:
    """All computers, by DEVICEID."""
    with open_installation(root) as installation, installation.catalogue.read() as conn:
        found = computers.list_computers(conn)
    if as_json:
        print_json(found)
        return
    rows = (
        (row.device_id, row.name, row.os_name, row.ip or row.address, row.tag, format_time(row.last_seen_at_s))
        for row in found
    )
    columns = ("DEVICEID", "Name", "OS", "Address", "Tag", "Last contact")
    print_table(columns, rows, "No computers yet: a computer appears with the first contact of its agent.")


@computer.command(epilog=example("distd computer show pc17-2026-01-31-08-00-00 --data /srv/distd"))
@argument("device_id", metavar="DEVICEID", hint="see `distd computer list`", shell_complete=complete_computers)
@data_option
@json_option
def show(device_id: str, root: Path, as_json: bool) -> None:
    """One computer, with its assignments and its history."""
    with open_installation(root) as installation, installation.catalogue.read() as conn:
        found = computers.show(conn, device_id)
    if as_json:
        print_json(found)
        return
    shown = found.computer
    print_record(
        (
            ("DEVICEID", shown.device_id),
            ("Name", shown.name),
            ("OS", f"{shown.os_name} {shown.os_version}".strip()),
            ("Agent", shown.user_agent),
            ("Address", ", ".join(dict.fromkeys(filter(None, (shown.ip, shown.address))))),
            ("Workgroup", shown.workgroup),
            ("User", shown.userid),
            ("Tag", shown.tag),
            ("First contact", format_time(shown.first_seen_at_s)),
            ("Last contact", format_time(shown.last_seen_at_s)),
            ("Last inventory", format_time(shown.last_inventory_at_s)),
            ("History", ", ".join(found.history)),
        )
    )
    if found.assignments:
        click.echo()
        rows = (
            (
                row.package_id,
                row.package_name,
                row.state,
                row.code,
                f"{row.fragments_fetched}/{row.fragments}",
                row.meaning,
            )
            for row in found.assignments
        )
        print_table(("Package", "Name", "State", "Code", "Fragments", "Meaning"), rows, "")
