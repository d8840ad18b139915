"""The words of the console for what the records name by codes. They are OCS's where it has one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from distd.web.console.frame import current
from distd.web.console.links import of_computers_without, of_mirror

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SYSTEMS: Final = {"WINDOWS": "Windows", "LINUX": "Linux", "MACOS": "macOS", "OTHER": "Other system"}
ACTIONS: Final = {"STORE": "Store", "LAUNCH": "Launch", "EXECUTE": "Execute"}
PACKAGE_STATES: Final = {
    "RUNNING": "Being deployed",
    "ACTIVE": "Active",
    "PLANNED": "Planned",
    "INACTIVE": "Not active",
    "SUPERSEDED": "Superseded",
    "WITHDRAWN": "Withdrawn",
    "DELETED": "Deleted",
}
VIAS: Final = {"origin": "not at all", "direct": "to the mirror itself", "steer": "for each fragment anew"}
# What was found at an address of an activation by hand: see `address_probe.Finding`.
FINDINGS: Final = {
    "ANSWERS": "It answers.",
    "SILENT": "It does not answer.",
    "STATUS": "It does not have this package: its answer is an error.",
    "CERTIFICATE_FITS": "Its certificate fits.",
    "CERTIFICATE_BAD": "Agents that trust the CA of this server refuse its certificate.",
    "SAME": "The digest is right.",
    "OTHER": "This is not what the package has: the digest is another one.",
    "SAME_LENGTH": "The length is right; a fragment of this size is not read.",
    "VARIABLES": "Another address for each mirror: it cannot be tested here.",
}
RESULT_STATES: Final = {
    "WAITING": "WAITING FOR NOTIFICATION",
    "NOTIFIED": "NOTIFIED",
    "DOWNLOADING": "DOWNLOADING",
    "SUCCESS": "SUCCESS",
    "FAILED": "ERROR",
    "ARCHIVED": "ARCHIVED",
}


ROLLOUT_PHASES: Final = {
    "DRAFT": "not started",
    "AWAITING_APPROVAL": "to be approved",
    "SCHEDULED": "begins at its time",
    "RUNNING": "running",
    "PAUSED": "paused",
    "HALTED": "halted",
    "ROLLING_BACK": "being rolled back",
    "FINISHED": "finished",
    "STOPPED": "stopped",
}
ROLLOUT_ACTS: Final = {
    "start": "Start",
    "approve": "Approve",
    "pause": "Pause",
    "resume": "Go on",
    "open": "Open the next wave now",
    "stop": "Stop for good",
    "rollback": "Roll back",
}


# Fields and comparisons of rules of redistribution, beside their names in OCS.
RULE_FIELDS: Final = {
    "NAME": "name (NAME)",
    "IPADDRESS": "IP address (IPADDRESS)",
    "IPSUBNET": "subnet (IPSUBNET)",
    "WORKGROUP": "workgroup (WORKGROUP)",
    "USERID": "user (USERID)",
    "TAG": "TAG",
}
RULE_OPS: Final = {"EQUALS": "is equal to", "DIFFERS": "differs from", "LIKE": "is like (% and _)"}


ROLES: Final = {"viewer": "Viewer", "operator": "Operator", "administrator": "Administrator"}
ROLE_MEANINGS: Final = {
    "viewer": "sees everything, changes nothing",
    "operator": "builds packages and deploys them",
    "administrator": "also decides who may, and what holds for the site",
}
SOURCES: Final = {
    "local": "password here",
    "ldap": "directory (LDAP)",
    "oidc": "OpenID Connect",
    "header": "the proxy in front",
}


_LAST_SEEN: Final = re.compile(r"offline, last seen (\d+) s ago")


def _of(words: Mapping[str, str]) -> Callable[[str], str]:
    """In the language of the request; what is not in the table stays as it is."""
    return lambda code: current().language.text(words.get(code, code))


def mirror_reason(why: str) -> str:
    """Why a redistribution server is chosen for a computer, or is not, in the language of the request."""
    language = current().language
    seen = _LAST_SEEN.fullmatch(why)
    if seen is None:
        return language.sentence(why)
    return language.text("offline for {duration}", duration=language.duration(int(seen[1])))


def size_input(size_bytes: int) -> str:
    """A size as it can be typed: with a unit where that is exact."""
    letter = "o" if current().language.code == "fr" else "B"
    for factor, prefix in ((1 << 30, "Gi"), (1 << 20, "Mi"), (1 << 10, "Ki")):
        if size_bytes and size_bytes % factor == 0:
            return f"{size_bytes // factor} {prefix}{letter}"
    return f"{size_bytes} {letter}"


TEMPLATE_WORDS: Final = {
    "size_input": size_input,
    "system_name": _of(SYSTEMS),
    "action_name": _of(ACTIONS),
    "state_name": _of(PACKAGE_STATES),
    "via_name": _of(VIAS),
    "finding_name": _of(FINDINGS),
    "result_name": _of(RESULT_STATES),
    "phase_name": _of(ROLLOUT_PHASES),
    "rollout_act_name": _of(ROLLOUT_ACTS),
    "role_name": _of(ROLES),
    "role_meaning": _of(ROLE_MEANINGS),
    "source_name": _of(SOURCES),
    "rule_field": _of(RULE_FIELDS),
    "rule_op": _of(RULE_OPS),
    "mirror_link": of_mirror,
    "computers_without": of_computers_without,
    "mirror_reason": mirror_reason,
    "sentence": lambda text: current().language.sentence(text),
}
