"""What attackers and the honest client know of the site that `make attack` starts, and when they begin."""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import asdict, dataclass
from typing import Final

START_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class AttackedSite:
    """Addresses are "host:port". `package` has small fragments and is assigned, `large` is one of 16 MiB.

    `mirror_key`: the one of a mirror that has joined (stolen, where an attack uses it). `authority`: the file of the
    CA's certificate. `logins`: names and passwords of operators.
    """

    http: str
    https: str
    mirror_http: str
    mirror_https: str
    package: str
    large: str
    mirror_key: str
    authority: str
    logins: tuple[tuple[str, str], ...]

    def as_json(self) -> str:
        """For the command line of another process."""
        return json.dumps(asdict(self))


def read_site(text: str) -> AttackedSite:
    """What `as_json` wrote."""
    values = json.loads(text)
    return AttackedSite(**{**values, "logins": tuple(map(tuple, values["logins"]))})


def await_start() -> None:
    """Say "ready", and wait for SIGUSR1, which must be blocked. Raises `SystemExit` where it does not come: whoever
    started this process has gone."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    if signal.sigtimedwait({signal.SIGUSR1}, START_S) is None:
        raise SystemExit("nobody said when to begin")
