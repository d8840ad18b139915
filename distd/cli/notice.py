"""`distd notice …`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from distd.cli.site import ask_list, site_option
from distd.domain.errors import Unavailable
from distd.domain.units import format_time
from distd.operations import notices as operations
from distd.operations.notices import NoticeQuery
from distd.terminal.lists import Column, list_options, print_list
from distd.terminal.options import example, json_option
from distd.terminal.output import print_json
from distd.terminal.program import Group

if TYPE_CHECKING:
    from distd.cli.site import SiteAccess
    from distd.origin.notices.notices import Notice
    from distd.terminal.lists import ListOptions


def _state(row: Notice) -> str:
    if row.ended_at_s is not None:
        return f"over at {format_time(row.ended_at_s)}"
    return "not told yet" if row.told_at_s is None else f"told at {format_time(row.told_at_s)}"


def _sent(row: Notice) -> str:
    found = [f"{each.channel}: {each.why or ('sent' if each.sent_at_s else 'waits')}" for each in row.deliveries]
    return "; ".join(dict.fromkeys(found))


COLUMNS: Final[tuple[Column[Notice], ...]] = (
    Column("Id", lambda row: str(row.id), right=True),
    Column("Notice", lambda row: row.kind),
    Column("Of", lambda row: row.name, rank=1, cut=True),
    Column("Since", lambda row: format_time(row.since_s), rank=2),
    Column("State", _state),
    Column("Sent", _sent, rank=1, cut=True),
)


@click.group("notice", cls=Group)
def notice() -> None:
    """Notices: roll-outs that halt, stalls, mirrors that are lost, disks that are low, certificates that end."""


@notice.command("list", epilog=example("distd notice list --data /srv/distd"))
@site_option
@list_options
def list_(site: SiteAccess, listing: ListOptions) -> None:
    """What somebody was told of, the newest first."""
    print_list(ask_list(site, operations.LIST, listing, NoticeQuery()), COLUMNS, listing, "No notices.")


@notice.command(epilog=example("distd notice test --data /srv/distd"))
@site_option
@json_option
def test(site: SiteAccess, as_json: bool) -> None:
    """Send a test by webhook and by mail, as far as they are set."""
    done = site.ask(operations.TEST)
    if as_json:
        print_json(done)
    else:
        for each in done.channels:
            click.echo(f"{each.channel}: {f'not sent: {each.why}' if each.why else 'sent'}.")
    failed = [each.channel for each in done.channels if each.why]
    if failed:
        raise Unavailable("notices", f"not sent by {' and '.join(failed)}")
