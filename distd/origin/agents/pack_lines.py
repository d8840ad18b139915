"""The PACK lines of a PROLOG reply: from where an agent fetches a package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from distd.domain.mirror_rules import Via, has_variables, substitute
from distd.domain.records import Pack
from distd.origin.agents.listing import NATIVE

if TYPE_CHECKING:
    from distd.origin.agents.batch import ComputerState
    from distd.origin.agents.listing import OpenAssignment
    from distd.origin.mirrors.directory import MirrorDirectory

MAX_MIRRORS: Final = 8  # in a PACK line


def pack_line(
    assignment: OpenAssignment, computer: ComputerState, path: str, own: tuple[str, str], directory: MirrorDirectory
) -> Pack:
    """The PACK line. `path` has the computer's token, so that it is known who fetches; `own` are this server's
    "host:port/path" by HTTP and by HTTPS.

    distd's own agent gets all the mirrors that can serve it, the best first. One that is to end a cancelled package is
    told this server, which has empty fragments for it.
    """
    choices = [] if assignment.cancelled else directory.choices(computer.facts, assignment.package_id)
    best = choices[0].mirror if choices else None
    server = assignment.fragment_server
    via = directory.via.get(assignment.package_id, Via.ORIGIN) if server is None else Via.ORIGIN
    if best is not None and via is Via.DIRECT:
        fragments = best.http + path
    elif server is None or (best is None and has_variables(server)):
        fragments = own[0]
    elif best is not None and has_variables(server):
        fragments = substitute(server, best)
    else:
        fragments = server
    native = computer.user_agent.startswith(NATIVE) and via is not Via.ORIGIN
    return Pack(
        assignment.package_id,
        assignment.info_server or own[1],
        fragments,
        assignment.force,
        assignment.schedule,
        assignment.postcmd,
        tuple(choice.mirror.http + path for choice in choices[:MAX_MIRRORS]) if native else (),
    )
