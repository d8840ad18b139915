"""Who runs a command: a Unix user of this machine."""

from __future__ import annotations

import os
import pwd

from distd.domain.actor import MAX_NAME, Actor, ActorKind


def unix_actor() -> Actor:
    """The user of this process; of a command that root runs by sudo, the one who asked for it."""
    user_id = os.getuid()
    asked = os.environ.get("SUDO_USER", "") if user_id == 0 else ""
    return Actor(ActorKind.CLI, (asked or _name(user_id))[:MAX_NAME])


def _name(user_id: int) -> str:
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:  # a container's user that no file names
        return str(user_id)
