"""`distd mirror …`: redistribution servers."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Final

import click

from distd.cli.completion import complete_computers
from distd.cli.keys_revoking import WAITS
from distd.cli.package_options import package_argument
from distd.cli.site import ask_list, site_option
from distd.domain.errors import BadInput
from distd.domain.units import format_size, format_time
from distd.operations import mirrors as operations
from distd.operations.mirrors import MirrorQuery, MirrorRequest, RuleList
from distd.origin.mirrors.mirrors import NewMirror
from distd.terminal.lists import Column, format_number, list_options, print_list, print_table
from distd.terminal.options import example, json_option, options_record
from distd.terminal.output import print_json, print_record
from distd.terminal.program import Group, argument, option

if TYPE_CHECKING:
    from distd.cli.site import SiteAccess
    from distd.origin.mirrors.mirrors import Mirror
    from distd.terminal.lists import ListOptions


@click.group(cls=Group)
def mirror() -> None:
    """Redistribution servers: add, watch and revoke them; rules for which computers use which."""


name_argument = argument("name", metavar="NAME", hint="see `distd mirror list`")


@mirror.command(
    epilog=example(
        "distd mirror add paris --url http://mirror.paris.example.org:8080 --network 10.1.0.0/16 --data /srv/distd"
    )
)
@name_argument
@option("--url", required=True, metavar="URL", help="Its address for agents: http://HOST[:PORT].")
@option("--https-port", default=8443, show_default=True, type=click.IntRange(1, 65535), help="Its HTTPS port.")
@option(
    "--ip", "address", default="", metavar="ADDRESS", help="Its IP address: the field IPADDRESS of rules, and $IP$."
)
@option("--network", "networks", metavar="CIDR", multiple=True, help="A network that it serves. Repeatable.")
@option("--location", default="", metavar="NAME", help="It is near computers with this TAG.")
@option("--workgroup", default="", metavar="TEXT", help="The field WORKGROUP of rules.")
@option("--userid", default="", metavar="TEXT", help="The field USERID of rules.")
@option("--tag", default="", metavar="TEXT", help="The field TAG of rules.")
@option(
    "--local", is_flag=True, help="Only for computers of its networks or its location, or for which a rule matches."
)
@site_option
@json_option
@options_record(NewMirror)
def add(site: SiteAccess, options: NewMirror, as_json: bool) -> None:
    """Register a redistribution server; prints the token for `redistrib join`, valid once within 7 days."""
    given = MirrorRequest(**{field.name: getattr(options, field.name) for field in fields(options)})
    added = site.ask(operations.ADD, given=given)
    if as_json:
        print_json({"name": added.name, "token": added.token})
        return
    click.echo(f"Mirror {options.name} may join once within 7 days. Run there:")
    click.echo(f"  redistrib join {added.server} --token {added.token} --data /srv/redistrib")


COLUMNS: Final[tuple[Column[Mirror], ...]] = (
    Column("Mirror", lambda row: row.name),
    Column("State", lambda row: _state(row), rank=1),
    Column("Packages", lambda row: f"{row.ready} of {row.wanted}", rank=2, right=True),
    Column("Events behind", lambda row: format_number(row.lag_events), rank=4, right=True),
    Column("Missing", lambda row: _size(row, "missing_bytes"), rank=5, right=True),
    Column("Agents", lambda row: format_number(row.status.get("agents", 0)), rank=6, right=True),
    Column("Rate", lambda row: _rate(row), rank=7, right=True),
    Column("Hits", lambda row: _hits(row), rank=8, right=True),
    Column("Seen", lambda row: format_time(row.seen_at_s), rank=3),
    Column("URL", lambda row: f"http://{row.http}", rank=9),
)


@mirror.command("list", epilog=example("distd mirror list --data /srv/distd"))
@option("--name", "pattern", metavar="TEXT", help="Only those that have this in their name; ? and * as in a shell.")
@site_option
@list_options
def list_(site: SiteAccess, pattern: str | None, listing: ListOptions) -> None:
    """The mirrors, by name: which are online, what they have, how far behind they are."""
    page = ask_list(site, operations.LIST, listing, MirrorQuery(pattern))
    nothing = "No mirrors yet: see `distd mirror add --help`."
    print_list(page, COLUMNS, listing, nothing if pattern is None else "No such mirrors.")


def _state(mirror: Mirror) -> str:
    if mirror.state != "JOINED":
        return mirror.state.lower()
    return "online" if mirror.alive else "lost"


def _size(mirror: Mirror, name: str) -> str:
    size_bytes = mirror.status.get(name, 0)
    return format_size(size_bytes) if size_bytes else ""


def _rate(mirror: Mirror) -> str:
    bytes_per_s = _size(mirror, "bytes_per_s")
    return f"{bytes_per_s}/s" if bytes_per_s else ""


def _hits(mirror: Mirror) -> str:
    hits = mirror.status.get("hits", 0)
    requests = hits + mirror.status.get("misses", 0)
    return f"{hits / requests:.1%}" if requests else ""


@mirror.command(epilog=example("distd mirror show paris --data /srv/distd"))
@name_argument
@site_option
@json_option
def show(name: str, site: SiteAccess, as_json: bool) -> None:
    """One mirror, as `list` shows it, with its networks, location and free disk space."""
    found = site.ask(operations.SHOW, name)
    if as_json:
        print_json(found)
        return
    more = (
        ("Networks", " ".join(found.networks)),
        ("Location", found.location),
        ("Free", _size(found, "free_bytes")),
    )
    print_record([*((column.title, column.text(found)) for column in COLUMNS), *more])


@mirror.command(epilog=example("distd mirror revoke paris --data /srv/distd"))
@name_argument
@site_option
def revoke(name: str, site: SiteAccess) -> None:
    """Revoke a mirror and its certificates: it gets nothing more, and no agent is directed to it.

    After `mirror add` with the same name it may join again.
    """
    if not site.ask(operations.REVOKE, name).final:
        click.echo(WAITS, err=True)
    click.echo(f"Mirror {name} is revoked.")


@mirror.command(epilog=example('distd mirror rules "IPSUBNET EQUALS IPSUBNET" "NAME LIKE TAG" --data /srv/distd'))
@argument("rules", metavar="[RULE]...", nargs=-1)
@option("--clear", is_flag=True, help="Remove all rules.")
@site_option
@json_option
def rules(rules: tuple[str, ...], clear: bool, site: SiteAccess, as_json: bool) -> None:
    """Show the rules that choose the mirror of a computer, in their order; or replace them by the given ones.

    A rule is FIELD OP FIELD: the computer's field EQUALS, DIFFERS from or is LIKE (with % and _) the mirror's field.
    FIELD is NAME, IPADDRESS, IPSUBNET, WORKGROUP, USERID or TAG.
    """
    if rules and clear:
        raise BadInput("--clear", "no rules beside it", rules[0])
    if rules or clear:
        found = site.ask(operations.SET_RULES, given=RuleList(rules)).rules
    else:
        found = site.ask(operations.RULES).rules
    if as_json:
        print_json(found)
        return
    rows = ((number, *rule.split()) for number, rule in enumerate(found, 1))
    print_table(("Rule", "Computer's", "", "Mirror's"), rows, "No rules: networks, locations and load decide.")


@mirror.command(epilog=example("distd mirror explain pc17-2026-11-23-08-00-00 1700000001 --data /srv/distd"))
@argument("device_id", metavar="DEVICEID", hint="see `distd computer list`", shell_complete=complete_computers)
@package_argument
@site_option
@json_option
def explain(device_id: str, package_id: str, site: SiteAccess, as_json: bool) -> None:
    """From which mirrors a computer would get a package now, and why not from the others."""
    found = site.ask(operations.EXPLAIN, device_id, package_id)
    if as_json:
        print_json(found)
        return
    places = [(number, name, why) for number, (name, why) in enumerate(found.order, 1)]
    last = [(len(places) + 1, "(this server)", "if no mirror can serve it")]
    click.echo(f"Fragments of {package_id} for {device_id}, with mirrors.via = {found.via}:")
    print_table(("", "Mirror", "Why"), [*places, *last, *(("no", *reason) for reason in found.others)], "")
