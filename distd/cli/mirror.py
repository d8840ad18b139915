"""`distd mirror …`: redistribution servers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from distd.cli.options import data_option, example, json_option
from distd.cli.output import print_json, print_record, print_table
from distd.domain.errors import BadInput
from distd.domain.mirror_rules import Via
from distd.domain.units import format_size, format_time
from distd.origin.installation import open_installation
from distd.origin.mirrors import explanation, mirrors
from distd.origin.mirrors import rules as mirror_rules
from distd.origin.mirrors.mirrors import NewMirror
from distd.storage import pki

if TYPE_CHECKING:
    from pathlib import Path

    from distd.origin.mirrors.mirrors import Mirror


@click.group()
def mirror() -> None:
    """Redistribution servers: add, watch, revoke; the rules by which computers get them."""


name_argument = click.argument("name", metavar="NAME")


@mirror.command(
    epilog=example(
        "distd mirror add paris --url http://mirror.paris.example.org:8080 --network 10.1.0.0/16 --data /srv/distd"
    )
)
@name_argument
@click.option("--url", required=True, metavar="URL", help="Where agents reach it: http://HOST[:PORT].")
@click.option("--https-port", default=8443, show_default=True, type=click.IntRange(1, 65535))
@click.option("--ip", "address", default="", metavar="ADDRESS", help="Its own address: IPADDRESS in rules, $IP$.")
@click.option("--network", "networks", metavar="CIDR", multiple=True, help="A network that it serves; again for more.")
@click.option("--location", default="", metavar="NAME", help="It is near to computers with this TAG.")
@click.option("--workgroup", default="", metavar="TEXT", help="For rules, as --userid and --tag.")
@click.option("--userid", default="", metavar="TEXT")
@click.option("--tag", default="", metavar="TEXT")
@click.option(
    "--local", is_flag=True, help="Only for computers of its networks, its location, or that a rule gives it."
)
@data_option
@json_option
def add(root: Path, as_json: bool, **values: object) -> None:
    """Enter a redistribution server; prints the token that it joins with, good for one use within 7 days."""
    new = NewMirror(**values)  # type: ignore[arg-type]  # click has made them what they are declared as
    with open_installation(root) as site:
        with site.catalogue.write() as conn:
            secret = mirrors.add(conn, new, time.time())
        token = f"{secret}.{pki.fingerprint(pki.load_ca(site.data.ca_certificate))}"
        host, https = site.settings["server.host"], site.settings["server.https"]
    port = https.rpartition(":")[2]
    if as_json:
        print_json({"name": new.name, "token": token})
        return
    click.echo(f"Mirror {new.name} may join within 7 days, once. On it:")
    click.echo(f"  redistrib join https://{host}:{port} --token {token} --data /srv/redistrib")


@mirror.command("list", epilog=example("distd mirror list --data /srv/distd"))
@data_option
@json_option
def list_(root: Path, as_json: bool) -> None:
    """All mirrors: who is on the line, what they have, how far behind they are."""
    with open_installation(root) as site, site.catalogue.read() as conn:
        found = mirrors.list_mirrors(conn, time.time())
    if as_json:
        print_json(found)
        return
    columns = ("Mirror", "URL", "State", "Seen", "Packages", "Events behind", "Missing", "Agents", "Rate", "Hits")
    print_table(columns, map(_row, found), "No mirrors yet: see `distd mirror add --help`.")


def _row(one: Mirror) -> tuple[object, ...]:
    told = one.status
    served = told.get("hits", 0) + told.get("misses", 0)
    state = one.state.lower() if one.state != "JOINED" else "alive" if one.alive else "lost"
    return (
        one.name,
        f"http://{one.http}",
        state,
        format_time(one.seen_at_s),
        f"{one.ready} of {one.wanted}",
        one.lag_events,
        format_size(told.get("missing_bytes", 0)),
        told.get("agents", 0),
        f"{format_size(told.get('bytes_per_s', 0))}/s",
        f"{told.get('hits', 0) / served:.1%}" if served else "",
    )


@mirror.command(epilog=example("distd mirror show paris --data /srv/distd"))
@name_argument
@data_option
@json_option
def show(name: str, root: Path, as_json: bool) -> None:
    """One mirror."""
    with open_installation(root) as site, site.catalogue.read() as conn:
        found = mirrors.show(conn, name, time.time())
    if as_json:
        print_json(found)
        return
    columns = ("name", "url", "state", "seen", "packages", "events behind", "missing", "agents", "rate", "hits")
    pairs = zip(columns, _row(found), strict=True)
    more = (
        ("networks", " ".join(found.networks)),
        ("location", found.location),
        ("free", format_size(found.status.get("free_bytes", 0))),
    )
    print_record([*pairs, *more])


@mirror.command(epilog=example("distd mirror revoke paris --data /srv/distd"))
@name_argument
@data_option
def revoke(name: str, root: Path) -> None:
    """A mirror gets nothing more, and no agent is sent to it. `mirror add` of the same name lets it join again."""
    with open_installation(root) as site, site.catalogue.write() as conn:
        mirrors.revoke(conn, name, time.time())
    click.echo(f"Mirror {name} is revoked.")


@mirror.command(epilog=example('distd mirror rules "IPSUBNET EQUALS IPSUBNET" "NAME LIKE TAG" --data /srv/distd'))
@click.argument("rules", metavar="[RULE]...", nargs=-1)
@click.option("--clear", is_flag=True, help="No rules any more.")
@data_option
@json_option
def rules(rules: tuple[str, ...], clear: bool, root: Path, as_json: bool) -> None:
    """The rules that choose a computer's mirror, in their order; with RULEs, these instead of those before.

    A rule is FIELD OP FIELD: the computer's field EQUALS, DIFFERS from or is LIKE (with % and _) the mirror's. A field
    is NAME, IPADDRESS, IPSUBNET, WORKGROUP, USERID or TAG.
    """
    if rules and clear:
        raise BadInput("--clear", "no rules beside it", rules[0])
    with open_installation(root) as site:
        if rules or clear:
            with site.catalogue.write() as conn:
                found = mirror_rules.set_rules(conn, rules, time.time())
        else:
            with site.catalogue.read() as conn:
                found = mirror_rules.list_rules(conn)
    if as_json:
        print_json([str(rule) for rule in found])
        return
    rows = ((number, *str(rule).split()) for number, rule in enumerate(found, 1))
    print_table(("Rule", "Computer's", "", "Mirror's"), rows, "No rules: networks, locations and load decide.")


@mirror.command(epilog=example("distd mirror explain pc17-2026-11-23-08-00-00 1700000001 --data /srv/distd"))
@click.argument("device_id", metavar="DEVICEID")
@click.argument("package_id", metavar="PACKAGE")
@data_option
@json_option
def explain(device_id: str, package_id: str, root: Path, as_json: bool) -> None:
    """Which mirrors a computer would get a package from now, and why; and why not from the others."""
    with open_installation(root) as site, site.catalogue.read() as conn:
        default = Via(site.settings["mirrors.via"])
        found = explanation.explain(conn, device_id, package_id, default, time.time())
    if as_json:
        print_json(found)
        return
    places = [(number, name, why) for number, (name, why) in enumerate(found.order, 1)]
    last = [(len(places) + 1, "(this server)", "when no mirror can")]
    click.echo(f"Fragments of {package_id} for {device_id}, by way of mirrors.via = {found.via}:")
    print_table(("", "Mirror", "Why"), [*places, *last, *(("no", *one) for one in found.others)], "")
