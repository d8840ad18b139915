"""The words of the console for computers, their parameters and deployments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from distd.domain.diagnosis.wording import DIAGNOSIS_LANGUAGES
from distd.web.console.frame import current

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# Of filters, as headings of columns.
FIELD_NAMES: Final = {
    "name": "Computer",
    "device_id": "DEVICEID",
    "tag": "TAG",
    "os": "System",
    "os_version": "Version of the system",
    "agent": "Agent",
    "agent_version": "Agent's version",
    "ip": "IP addresses",
    "address": "Address of the last contact",
    "subnet": "Subnets",
    "mac": "MAC addresses",
    "domain": "Domain or workgroup",
    "userdomain": "Domain of the user",
    "user": "User",
    "description": "Description",
    "serial": "Serial number",
    "manufacturer": "Manufacturer",
    "model": "Model",
    "memory": "Memory",
    "cpu": "Processor",
    "cores": "Cores",
    "disk_free": "Free on all drives",
    "system_free": "Free on the system drive",
    "first_contact": "First contact",
    "last_contact": "Last contact",
    "last_inventory": "Last inventory",
}
# Why computers cannot take a package: "12 computers …".
UNFIT_REASONS: Final = {
    "OTHER_SYSTEM": "have another system",
    "LITTLE_DISK": "have less than three times the package free",
    "NO_TURN": "have periods too short for its priority",
    "WAITS_FOREVER": "neither have nor get the package that it waits for",
}
PARAMETER_NAMES: Final = {
    "download.on": "Deployment",
    "download.frag_latency_s": "Pause between fragments",
    "download.cycle_latency_s": "Pause between cycles",
    "download.period_latency_s": "Pause between periods",
    "download.period_length": "Cycles of a period",
    "download.timeout_days": "Given up after",
    "download.execution_timeout_min": "Time for a command",
    "agents.prolog_freq_h": "A contact every",
    "agents.inventory_freq_days": "An inventory every",
}
PARAMETER_ORIGINS: Final = {"settings": "settings", "site": "site", "computer": "this computer"}
ORIGIN_NAMES: Final = {
    "hand": "by hand",
    "csv": "list",
    "tag": "TAG",
    "filter": "filter",
    "group": "group",
    "rollout": "roll-out",
    "recurrence": "recurring deployment",
}
FACT_NAMES: Final = {"address": "address", "agent": "agent", "serial": "serial number", "mac": "MAC address"}
UNITS: Final = {"s": "s", "d": "d", "min": "min", "h": "h"}
ATTENTION_NAMES: Final = {
    "ROLLOUT_HALTED": "roll-out is halted:",
    "ROLLOUT_AWAITS": "roll-out awaits approval:",
    "MIRROR_LOST": "redistribution server is offline:",
    "DEPLOYMENT_STALLED": "computers have stalled with",
    "CERTIFICATE_ENDS": "certificate of this server ends soon",
    "LITTLE_DISK": "are free for packages on this server",
    "FAILURES": "with an error of",
    "WAITING_ROOM": "in the waiting room",
    "IDENTITY_CHANGED": "with a changed identity",
    "SILENT": "silent for 30 days",
}
SUGGESTION_KINDS: Final = {
    "word": "",
    "field": "field",
    "value": "value",
    "software": "software",
    "package": "package",
    "group": "group",
}


def _of(words: Mapping[str, str]) -> Callable[[str], str]:
    """In the language of the request; what is not in the table stays as it is."""
    return lambda code: current().language.text(words.get(code, code))


def _of_field(name: str) -> str:
    """Of `account.KEY` the key."""
    return current().language.text(FIELD_NAMES.get(name, name.removeprefix("account.")))


def _of_origin(origin: str) -> str:
    """Where a parameter comes from; "group NAME" has a name."""
    kind, _, name = origin.partition(" ")
    if kind == "group":
        return current().language.text("group {name}", name=name)
    return current().language.text(PARAMETER_ORIGINS.get(origin, origin))


def code_meaning(code: str) -> str:
    """A sentence on a result code, in the language of the request."""
    return DIAGNOSIS_LANGUAGES[current().language.code].result_meaning(code)


COMPUTER_TABLES: Final = (
    FIELD_NAMES,
    UNFIT_REASONS,
    PARAMETER_NAMES,
    PARAMETER_ORIGINS,
    ORIGIN_NAMES,
    FACT_NAMES,
    UNITS,
    ATTENTION_NAMES,
    SUGGESTION_KINDS,
)
COMPUTER_WORDS: Final = {
    "field_name": _of_field,
    "unfit_reason": _of(UNFIT_REASONS),
    "parameter_name": _of(PARAMETER_NAMES),
    "parameter_origin": _of_origin,
    "origin_name": _of(ORIGIN_NAMES),
    "fact_name": _of(FACT_NAMES),
    "code_meaning": code_meaning,
    "attention_name": _of(ATTENTION_NAMES),
    "suggestion_kind": _of(SUGGESTION_KINDS),
}
