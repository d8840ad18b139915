"""The attacker's process: `python -m loadtests.attacks NAME SITE`.

Prints "ready", waits for SIGUSR1, attacks for so many seconds, prints one line of JSON with what it counted. It gives
way to the honest client on the same core: what is measured is the server, not the machine that they share.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys

import click
import trio

from loadtests.attacks.attacker import Attacker
from loadtests.attacks.site import await_start, read_site
from loadtests.attacks.table import BY_NAME

NICE = 10


async def attack(name: str, attacker: Attacker, seconds: float) -> None:
    """Run an attack, to its end or for so long."""
    with trio.move_on_after(seconds):
        await BY_NAME[name].run(attacker)


@click.command()
@click.argument("name", type=click.Choice(list(BY_NAME)))
@click.argument("site")
@click.option("--seconds", default=8.0)
@click.option("--share", default=1.0)
def main(name: str, site: str, seconds: float, share: float) -> None:
    """Run an attack."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    os.nice(NICE)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    attacker = Attacker(read_site(site), share)
    BY_NAME[name].prepare()
    await_start()
    trio.run(attack, name, attacker, seconds)
    sys.stdout.write(json.dumps(attacker.counts()) + "\n")


if __name__ == "__main__":
    main()
