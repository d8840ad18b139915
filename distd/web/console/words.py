"""The words of the console for what the records name by codes. They are OCS's where it has one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from distd.web.console.frame import current

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SYSTEMS: Final = {"WINDOWS": "Windows", "LINUX": "Linux", "MACOS": "macOS", "OTHER": "Other system"}
ACTIONS: Final = {"STORE": "Store", "LAUNCH": "Launch", "EXECUTE": "Execute"}
PACKAGE_STATES: Final = {
    "ACTIVE": "Active",
    "PLANNED": "Planned",
    "INACTIVE": "Not active",
    "SUPERSEDED": "Superseded",
    "WITHDRAWN": "Withdrawn",
    "DELETED": "Deleted",
}
RESULT_STATES: Final = {
    "WAITING": "WAITING FOR NOTIFICATION",
    "NOTIFIED": "NOTIFIED",
    "DOWNLOADING": "DOWNLOADING",
    "SUCCESS": "SUCCESS",
    "FAILED": "ERROR",
    "ARCHIVED": "ARCHIVED",
}


def _of(words: Mapping[str, str]) -> Callable[[str], str]:
    """In the language of the request; what is not in the table stays as it is."""
    return lambda code: current().language.text(words.get(code, code))


TEMPLATE_WORDS: Final = {
    "system_name": _of(SYSTEMS),
    "action_name": _of(ACTIONS),
    "state_name": _of(PACKAGE_STATES),
    "result_name": _of(RESULT_STATES),
}
