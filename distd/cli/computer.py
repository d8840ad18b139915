"""`distd computer …`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from distd.cli.options import data_option, example, json_option
from distd.cli.output import print_json, print_record, print_table
from distd.domain.units import format_time
from distd.origin.computers import computers
from distd.origin.installation import open_installation

if TYPE_CHECKING:
    from pathlib import Path


@click.group()
def computer() -> None:
    """The computers whose agents have been in contact."""


@computer.command("list", epilog=example("distd computer list --data /srv/distd"))
@data_option
@json_option
def list_(root: Path, as_json: bool) -> None:
    """All computers, by DEVICEID."""
    with open_installation(root) as site, site.catalogue.read() as conn:
        found = computers.list_computers(conn)
    if as_json:
        print_json(found)
        return
    rows = ((c.device_id, c.name, c.os_name, c.ip or c.address, c.tag, format_time(c.last_seen_at_s)) for c in found)
    columns = ("DEVICEID", "Name", "OS", "Address", "Tag", "Last contact")
    print_table(columns, rows, "No computers yet: they appear with their agents' first contact.")


@computer.command(epilog=example("distd computer show pc17-2026-01-31-08-00-00 --data /srv/distd"))
@click.argument("device_id", metavar="DEVICEID")
@data_option
@json_option
def show(device_id: str, root: Path, as_json: bool) -> None:
    """One computer: who it is, what was assigned to it, what it has done."""
    with open_installation(root) as site, site.catalogue.read() as conn:
        found = computers.show(conn, device_id)
    if as_json:
        print_json(found)
        return
    it = found.computer
    print_record(
        (
            ("DEVICEID", it.device_id),
            ("Name", it.name),
            ("OS", f"{it.os_name} {it.os_version}".strip()),
            ("Agent", it.user_agent),
            ("Address", ", ".join(dict.fromkeys(filter(None, (it.ip, it.address))))),
            ("Workgroup", it.workgroup),
            ("User", it.userid),
            ("Tag", it.tag),
            ("First contact", format_time(it.first_seen_at_s)),
            ("Last contact", format_time(it.last_seen_at_s)),
            ("Last inventory", format_time(it.last_inventory_at_s)),
            ("History", ", ".join(found.history)),
        )
    )
    if found.assignments:
        click.echo()
        rows = (
            (r.package_id, r.package_name, r.state, r.code, f"{r.fragments_fetched}/{r.fragments}", r.meaning)
            for r in found.assignments
        )
        print_table(("Package", "Name", "State", "Code", "Fragments", "Meaning"), rows, "")
