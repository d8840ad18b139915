"""The words of the console for events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from distd.web.console.computer_words import ORIGIN_NAMES, PARAMETER_NAMES
from distd.web.console.frame import current
from distd.web.console.language import Language
from distd.web.console.links import of_computer
from distd.web.console.words import ROLES, ROLLOUT_PHASES, SOURCES, VIAS

if TYPE_CHECKING:
    from collections.abc import Callable

    from distd.origin.operators.events import LoggedEvent

MAX_SHOWN: Final = 120  # characters of a value
EMPTY: Final = ("", None)  # of a record, what is not shown
EVENT_NAMES: Final = {
    "PACKAGE_PUBLISHED": "Package made",
    "PACKAGE_ACTIVATED": "Package activated",
    "PACKAGE_DEACTIVATED": "Package deactivated",
    "PACKAGE_EDITED": "Package edited",
    "PACKAGE_SIGNED": "Package signed anew",
    "PACKAGE_RENAMED": "Package renamed",
    "PACKAGE_DESCRIBED": "Description of a package changed",
    "PACKAGE_SUPERSEDED": "Package superseded",
    "PACKAGE_WITHDRAWN": "Package withdrawn",
    "PACKAGE_DELETED": "Package deleted",
    "MIRROR_ADDED": "Redistribution server added",
    "MIRROR_JOINED": "Redistribution server joined",
    "MIRROR_REVOKED": "Redistribution server revoked",
    "MIRROR_RULES": "Rules of redistribution changed",
    "MIRROR_CONNECTED": "Redistribution server online",
    "MIRROR_LOST": "Redistribution server lost",
    "MIRROR_READY": "Redistribution server has a package",
    "MIRROR_GONE": "Redistribution server no longer has a package",
    "MIRROR_HEALED": "Bad file of a redistribution server replaced",
    "MIRROR_BAD": "Bad file on a redistribution server",
    "ACTIVATION_PLANNED": "Activation planned",
    "ACTIVATION_CANCELLED": "Planned activation cancelled",
    "OPERATOR_ADDED": "Operator added",
    "OPERATOR_CHANGED": "Operator changed",
    "OPERATOR_DELETED": "Operator deleted",
    "PASSWORD_CHANGED": "Password changed",
    "API_TOKEN_ADDED": "Token made",
    "API_TOKEN_REVOKED": "Token revoked",
    "PARAMETERS_SET": "Download settings changed",
    "LOGGED_IN": "Signed in",
    "LOG_IN_FAILED": "Sign-in failed",
    "KEYS_ROTATED": "Keys replaced",
    "CERTIFICATES_REVOKED": "Certificates revoked",
    "AGENT_LOGIN_SET": "Log-in of agents set",
    "AGENT_LOGIN_DELETED": "Log-in of agents deleted",
    "COMPUTER_ENROLLED": "Computer enrolled",
    "COMPUTER_SEEN": "First contact",
    "COMPUTER_DELETED": "Computer deleted",
    "COMPUTER_ADMITTED": "Let out of the waiting room",
    "COMPUTER_MERGED": "Computers merged",
    "CONTACT_REFUSED": "Contact refused",
    "COMPUTER_CHANGED": "Identity changed",
    "COMPUTER_SET": "Values set",
    "TOKENS_REVOKED": "Tokens of a computer revoked",
    "GROUP_CREATED": "Group made",
    "GROUP_CHANGED": "Group changed",
    "GROUP_DELETED": "Group deleted",
    "GROUP_MEMBERS_SET": "Members of a group set by hand",
    "GROUP_JOINED": "Joined a group",
    "GROUP_LEFT": "Left a group",
    "GROUP_GIVES": "Group gives a package",
    "GROUP_GIVES_NO_MORE": "Group gives a package no more",
    "GROUP_CANNOT_GIVE": "Group cannot give a package",
    "FILTER_SAVED": "Search saved",
    "FILTER_DELETED": "Saved search deleted",
    "INVENTORY": "Inventory",
    "ASSIGNED": "Assigned",
    "UNASSIGNED": "Unassigned",
    "NOTIFIED": "Agent notified",
    "FRAGMENTS_FETCHED": "First fragments fetched",
    "PACKAGE_PROGRESS": "Fragments sent to all",
    "RESULT": "Result",
    "ARCHIVED": "Validated",
    "RENOTIFIED": "Notified again",
    "CANCELLED": "Cancelled",
    "DEPLOYMENT_ACT": "Act on a deployment",
    "ROLLOUT_CREATED": "Roll-out made",
    "ROLLOUT_APPROVED": "Roll-out approved",
    "ROLLOUT_STARTED": "Roll-out started",
    "ROLLOUT_JOINED": "Computers joined a roll-out",
    "ROLLOUT_WAVE_OPENED": "Wave opened",
    "ROLLOUT_ASSIGNED": "Roll-out assigned computers",
    "ROLLOUT_RETRIED": "Roll-out tried again",
    "ROLLOUT_RECALLED": "Roll-out recalled computers",
    "ROLLOUT_PAUSED": "Roll-out paused",
    "ROLLOUT_RESUMED": "Roll-out resumed",
    "ROLLOUT_HALTED": "Roll-out halted",
    "ROLLOUT_STOPPED": "Roll-out stopped",
    "ROLLOUT_FINISHED": "Roll-out finished",
    "ROLLOUT_ROLLED_BACK": "Roll-out rolled back",
    "ROLLOUT_RESTARTED": "Roll-out restarted",
    "ROLLOUT_CHANGED": "Roll-out changed",
    "ROLLOUT_DELETED": "Roll-out deleted",
    "SET_CREATED": "Set of packages made",
    "SET_CHANGED": "Set of packages changed",
    "SET_DELETED": "Set of packages deleted",
    "RECURRENCE_CREATED": "Recurring deployment made",
    "RECURRENCE_CHANGED": "Recurring deployment changed",
    "RECURRENCE_DELETED": "Recurring deployment deleted",
    "RECURRENCE_RUN": "Deployed again, as planned",
    "RECURRENCE_FAILED": "Cannot be deployed again",
    "SOURCE_WATCHED": "Source watched",
    "SOURCE_EDITED": "Source edited",
    "SOURCE_CHANGED": "Source has a new version",
    "SOURCE_FAILED": "Source cannot be read",
    "SOURCE_RECOVERED": "Source can be read again",
    "SOURCE_DELETED": "Source watched no more",
    "NOTICE_BEGAN": "Notice",
    "NOTICE_ENDED": "Notice: it is over",
    "NOTICE_NOT_SENT": "Notice cannot be sent",
    "UNPROVEN": "Unproven: only the agent says so",
    "ACCEPTED": "Accepted as deployed",
}

# The fields of events' details.
DETAIL_NAMES: Final = {
    "again": "once more",
    "bytes_in_all": "sent in all",
    "bytes_per_s": "rate",
    "chain": "one after the other",
    "condition": "condition",
    "digest": "digest",
    "epoch": "epoch",
    "every_days": "every … days",
    "expires_at_s": "ends",
    "first_at_s": "first time",
    "fragment_server": "server of fragments",
    "fragments": "fragments",
    "fragments_in_all": "fragments in all",
    "info_server": "server of info",
    "job": "job",
    "keys": "keys",
    "left": "left",
    "login": "log-in",
    "names": "names",
    "new": "new",
    "origin": "by",
    "owner": "owner",
    "packages": "packages",
    "ready_percent": "ready, percent",
    "repeated": "sent again",
    "serials": "certificates",
    "shared": "shared",
    "size_bytes": "size",
    "tokens": "tokens",
    "unchecked": "not checked",
    "via": "steered",
    "who": "for",
    "waiting": "not notified",
    "notified": "notified",
    "downloading": "downloading",
    "archived": "archived",
    "act": "act",
    "active": "under way",
    "already": "had it already",
    "busy": "busy",
    "capacity": "at once",
    "failed": "errors",
    "passed_over": "passed over",
    "pending": "to come",
    "phase": "before:",
    "rules": "rules",
    "stalled": "stalled",
    "success": "success",
    "wanted": "wanted",
    "added": "added",
    "filter": "filter",
    "role": "role",
    "members": "members",
    "removed": "removed",
    "address": "address",
    "after": "after",
    "attempt": "attempt",
    "before": "before",
    "by": "by",
    "bytes": "bytes",
    "cause": "cause",
    "code": "code",
    "computers": "computers",
    "count": "count",
    "device_id": "DEVICEID",
    "fact": "fact",
    "flagged": "noted",
    "force": "force",
    "group": "group",
    "level": "level",
    "listed": "stays listed",
    "mirror": "redistribution server",
    "name": "name",
    "numbers": "numbers",
    "operator": "operator",
    "recurrence": "recurring deployment",
    "set": "set of packages",
    "source": "source",
    "notice": "notice",
    "channel": "channel",
    "rollout": "roll-out",
    "text": "text",
    "token": "token",
    "version": "version",
    "wave": "wave",
    "why": "because of",
}


# How values are written whose bare text says little: by the names of their fields.
_WORDS: Final = {"origin": ORIGIN_NAMES, "phase": ROLLOUT_PHASES, "role": ROLES, "source": SOURCES, "via": VIAS}
_FORMATS: Final[dict[str, Callable[[Language, Any], str]]] = {
    **dict.fromkeys(("bytes", "sent_bytes", "size_bytes", "bytes_in_all"), Language.size),
    "bytes_per_s": Language.rate,
    **dict.fromkeys(("expires_at_s", "first_at_s"), Language.moment),
}


def event_name(kind: str) -> str:
    """What happened, in the language of the request."""
    return current().language.text(EVENT_NAMES.get(kind, kind))


def detail_name(name: str) -> str:
    """What a value of an event's detail is."""
    return current().language.text(DETAIL_NAMES.get(name) or PARAMETER_NAMES.get(name, name))


def event_value(name: str, value: Any) -> str:
    """A value of an event's detail: sizes in the reader's units, records as "name: value"."""
    if name in _FORMATS and isinstance(value, (int, float)):
        return _FORMATS[name](current().language, value)
    if name in _WORDS and isinstance(value, str):
        return current().language.text(_WORDS[name].get(value, value))
    match value:
        case dict():
            text = ", ".join(
                f"{current().language.text('{name}:', name=detail_name(str(key)))} {event_value(str(key), each)}"
                for key, each in value.items()
                if each not in EMPTY
            )
        case list():
            text = ", ".join(event_value(name, each) for each in value)
        case bool():
            text = current().language.text("yes") if value else current().language.text("no")
        case None:
            text = "–"
        case int() | float():
            text = current().language.number(value)
        case _:
            text = str(value)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"


def _computer_of(event: LoggedEvent) -> str:
    return of_computer(event.device_id or "")


EVENT_WORDS: Final = {
    "event_name": event_name,
    "detail_name": detail_name,
    "event_value": event_value,
    "event_computer": _computer_of,
}
EVENT_TABLES: Final = (EVENT_NAMES, DETAIL_NAMES)
