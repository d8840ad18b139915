"""What is wrong with what was typed, in the language of the page: the messages beside inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from distd.domain.errors import BadInput, Conflict, Corrupt, NoSpace, NotFound, Unavailable, shorten
from distd.web.console.frame import current

if TYPE_CHECKING:
    from distd.domain.errors import DistdError

# What use cases say beside what stands in the errors that they raise, which `tests.web.console.texts` collects: {0} is
# any value.
SENTENCES: Final = (
    *("true or false", "a whole number from {0} to {1}", "did you mean {0}?", "`distd config show` lists them"),
    # Why a value is refused: `domain.package_spec`.
    *("the stock Unix agent gives it to a shell", "the package can be edited later"),
    "the stock Unix agent cuts the name there and reports ERR_EXECUTE",
    # What somebody lacks: `domain.permissions`.
    *("the role {0} for {1}", "an operator of all computers for {0}"),
    # Why a mirror is chosen, or is not: `domain.mirror_rules`, `origin.mirrors.explanation`.
    *("rule {0}: {1}", "network {0}", "location {0}", "lowest load ({0} agents)", "lowest load ({0} agent)"),
    *("revoked", "has not joined", "offline, never connected"),
    *("has not verified version {0} of {1} yet", "serves only its own networks and location"),
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


def fault_status(error: DistdError | None) -> int:
    """The HTTP status of a page that says beside an input what is wrong, if anything is."""
    if error is None:
        return 200
    return 404 if isinstance(error, NotFound) else 409 if isinstance(error, Conflict) else 400


def faults_of(error: DistdError | None) -> dict[str, str]:
    """What is wrong, by the field that it is about; "": about none."""
    return {} if error is None else {str(getattr(error, "field", "")): fault_text(error)}


def fault_text(error: DistdError) -> str:
    """A sentence for an operator."""
    _, sentence = current().language.text, current().language.sentence
    if isinstance(error, NoSpace):
        return _("The server's disk has no room for it: {detail}", detail=str(error))
    if isinstance(error, Conflict):
        hint = f"; {sentence(error.hint)}" if error.hint else ""
        return f"{sentence(error.message)}{hint}"
    if isinstance(error, Unavailable):
        return f"{error.what}: {sentence(error.why)}"
    if isinstance(error, Corrupt):
        return f"{error.what}: {_expected_text(error.expected, error.got)}"
    if not isinstance(error, BadInput):
        return str(error)
    is_empty = error.got in ("", "nothing", "none", None) or not str(error.got).strip()
    if is_empty and error.field in MISSING:
        return _(MISSING[error.field])
    text = _expected_text(error.expected, "" if is_empty else error.got)
    return f"{text} {_as_sentence(sentence(error.hint))}" if error.hint else text


def _expected_text(expected: str, got: object) -> str:
    _ = current().language.text
    text = _("Expected: {expected}.", expected=_alternatives(expected))
    if got != "":
        text += " " + _("This is: {got}.", got=shorten(got))
    return text


def _alternatives(english: str) -> str:
    """What is known as a whole, else each of what "or" joins, in the language of the request."""
    language = current().language
    found = language.sentence(english)
    either = language.text("or")
    return found if found != english else f" {either} ".join(map(language.sentence, english.split(" or ")))


def _as_sentence(text: str) -> str:
    """It follows a full stop."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '?')) else '.'}"
