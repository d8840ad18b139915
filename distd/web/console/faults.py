"""What is wrong with what was typed, in the language of the page: the messages beside inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from distd.domain.errors import BadInput, Conflict, NoSpace, shorten
from distd.web.console.frame import current

if TYPE_CHECKING:
    from distd.domain.errors import DistdError

# What use cases say they expect, and why: those texts that have no values in them, as they stand in the use cases.
EXPECTED: Final = (
    "0 to 10",
    "1 to 255 printable characters",
    'a path of Windows such as C:\\folder, without < > " | ? *',
    "a path that begins with /",
    "a path without spaces and shell characters",
    "a number",
    'a file name without "-"',
    "a text, as the other notify options are for those who read it",
    "a zip or tar.gz archive, as its name says",
    "a whole archive",
    "a zip for Windows",
    "at least 1024 bytes (1KiB)",
    "a size such as 1MiB, 512KiB or 65536",
    "a shorter text in this form",
    '"host[:port]/path" without a scheme',
    "the stock Unix agent gives it to a shell",
    "the stock Unix agent cuts the name there and reports ERR_EXECUTE",
    "its agent unpacks nothing else",
    "the package can be edited later",
    "a time such as 18:00, fri 18:00, 2026-11-27 18:00 or 2h",
    "a time that is yet to come",
    "1 to 100",
    "a time after the one from which it may be activated",
)
# Warnings of packages, of `domain.package_spec`, that have no values in them.
WARNINGS: Final = (
    "priority 0 comes alone: an agent gets it once its other packages are done, and no other with it",
    "a Unix agent needs unzip for it; a tar.gz it unpacks itself",
    "notifications are for Windows: a Unix agent shows none",
)
# By the end of the field path, where nothing was given at all.
MISSING: Final = {
    "name": "Give it a name.",
    "target": "This action needs it.",
    "source": "This action needs a file.",
    "info_server": "Give both servers.",
    "fragment_server": "Give both servers.",
}


def fault_text(error: DistdError) -> str:
    """A sentence for an operator."""
    _ = current().language.text
    if isinstance(error, NoSpace):
        return _("The server's disk has no room for it: {detail}", detail=str(error))
    if isinstance(error, Conflict):
        hint = f"; {error.hint}" if error.hint else ""
        return f"{error.message}{hint}"
    if not isinstance(error, BadInput):
        return str(error)
    is_empty = error.got in ("", "nothing", "none", None) or not str(error.got).strip()
    if is_empty and error.field in MISSING:
        return _(MISSING[error.field])
    text = _("Expected: {expected}.", expected=_(error.expected))
    if not is_empty:
        text += " " + _("This is: {got}.", got=shorten(error.got))
    return f"{text} {_(error.hint)}".strip() if error.hint else text
