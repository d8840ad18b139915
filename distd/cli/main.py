"""The entry point `distd`. Exit status: 0 good, 1 failed, 2 bad usage or input; errors are one line on stderr."""

from __future__ import annotations

from functools import partial
from typing import Final

import click

from distd import __version__
from distd.terminal import program
from distd.terminal.completion import add_completion
from distd.terminal.program import Group

COMMANDS: Final = {
    "accept": "distd.cli.assignments:accept",
    "login": "distd.cli.login:login",
    "archive": "distd.cli.acts:archive",
    "assign": "distd.cli.assign:assign",
    "cancel": "distd.cli.acts:cancel",
    "computer": "distd.cli.computer:computer",
    "config": "distd.cli.config:config",
    "db": "distd.cli.database:db",
    "events": "distd.cli.events:events",
    "filter": "distd.cli.filter:filter_",
    "group": "distd.cli.group:group",
    "init": "distd.cli.init:init",
    "keys": "distd.cli.keys:keys",
    "mirror": "distd.cli.mirror:mirror",
    "notice": "distd.cli.notice:notice",
    "operator": "distd.cli.operator:operator",
    "package": "distd.cli.package:package",
    "plan": "distd.cli.plan:plan",
    "renotify": "distd.cli.acts:renotify",
    "recurrence": "distd.cli.recurrence:recurrence",
    "results": "distd.cli.assignments:results",
    "parameters": "distd.cli.parameters:parameters",
    "rollout": "distd.cli.rollout:rollout",
    "serve": "distd.cli.serve:serve",
    "set": "distd.cli.package_set:set_",
    "source": "distd.cli.source:source",
    "statistics": "distd.cli.statistics:statistics",
    "token": "distd.cli.token:token",
    "unassign": "distd.cli.assignments:unassign",
    "why": "distd.cli.why:why",
}


@click.group("distd", cls=Group, places=COMMANDS, context_settings={"help_option_names": program.HELP_OPTIONS})
@click.version_option(__version__)
def cli() -> None:
    """Deploy software packages to all computers of a site, with unmodified OCS agents."""


add_completion(cli)
run, main = partial(program.run, cli), partial(program.main, cli)
