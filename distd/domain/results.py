"""The result codes that agents report, and what they mean (distd/docs/protocol.md, section 3). Any text is accepted."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from distd.domain.records import Dialect


class Outcome(StrEnum):
    """The state of a package on a computer."""

    WAITING = "WAITING"  # the agent does not know of it yet
    NOTIFIED = "NOTIFIED"  # the agent knows of it, and has fetched no fragment yet
    DOWNLOADING = "DOWNLOADING"  # it has fetched some, and has not reported a result
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    ARCHIVED = "ARCHIVED"  # an operator has taken note of the result


OPEN: Final = (Outcome.WAITING, Outcome.NOTIFIED, Outcome.DOWNLOADING)
FINAL: Final = (Outcome.SUCCESS, Outcome.FAILED)
REPLACED: Final = "REPLACED"  # in the place of a state: a later attempt counts


class CodeClass(StrEnum):
    """What a result code says of the package. By its name a message catalogue finds the word."""

    PROGRESS = "PROGRESS"  # no result yet
    SUCCESS = "SUCCESS"
    ERROR = "ERROR"
    USER_CHOICE = "USER_CHOICE"  # the user of the computer did not want it
    ALREADY_THERE = "ALREADY_THERE"  # the computer had it before
    TOO_LATE = "TOO_LATE"  # its time was over
    CANCELLED = "CANCELLED"  # an operator took it back


EXPIRED: Final = "ERR_EXPIRED"  # this server's: the agent was not notified in time
_C = CodeClass
# Every code that is known: its class, and a sentence. By the code itself a message catalogue finds its sentence.
CODES: Final[dict[str, tuple[CodeClass, str]]] = {
    "NOTIFIED": (_C.PROGRESS, "The agent has been notified; it fetches the package on its schedule."),
    "SUCCESS": (_C.SUCCESS, "The package is deployed."),
    "SUCCESS_": (_C.SUCCESS, "The package is deployed; the agent could not tell its exit code."),
    "SUCCESS_0": (_C.SUCCESS, "The package was launched and ended with exit code 0."),
    "SUCCESS_ALREADY_SETUP": (
        _C.ALREADY_THERE,
        "The agent has this package in its history and did not run it again.",
    ),
    "SUCCESS_ALREADY_IN_HISTORY": (
        _C.ALREADY_THERE,
        "The computer has this package in its history, so its agent was not notified again.",
    ),
    "SUCCESS_REBOOT_INITIATED": (_C.SUCCESS, "The package is deployed and has started a reboot."),
    "SUCCESS_REBOOT_REQUIRED": (_C.SUCCESS, "The package is deployed; a reboot is required."),
    "SUCCESS_RESTART_REQUIRED": (_C.SUCCESS, "The package is deployed; a restart is required."),
    "ERR_ABORTED": (_C.USER_CHOICE, "The user refused the package."),
    "ERR_ALREADY_SETUP": (_C.ALREADY_THERE, "The agent has this package already."),
    "ERR_BAD_DIGEST": (
        _C.ERROR,
        "The assembled package does not have the digest of its info: a fragment is damaged.",
    ),
    "ERR_BAD_ID": (_C.ERROR, "The info is that of another package."),
    "ERR_BAD_PARAM": (_C.ERROR, "The agent does not understand a value of the info."),
    "ERR_BUILD": (_C.ERROR, "The fragments could not be assembled or unpacked."),
    "ERR_CLEAN": (_C.ERROR, "The agent could not remove its working folder."),
    "ERR_DONE_FAILED": (_C.ERROR, "The agent could not record that the package is done."),
    "ERR_DOWNLOAD_INFO": (_C.ERROR, "The info could not be fetched: the address, or the certificate, is wrong."),
    "ERR_DOWNLOAD_PACK": (_C.ERROR, "The fragments could not be fetched."),
    "ERR_EXECUTE": (_C.ERROR, "The command failed, or the file to launch is not there."),
    "ERR_EXECUTE_NOT_ALLOWED": (
        _C.ERROR,
        "The agent, distd's own, may run no commands: it was started without --allow-execute.",
    ),
    "ERR_EXECUTE_NO_EXIT_CODE": (_C.ERROR, "The command's exit code could not be read."),
    "ERR_EXECUTE_PACK": (_C.ERROR, "The command failed."),
    "ERR_EXECUTE_TIMEOUT": (_C.ERROR, "The command took too long and was ended."),
    "ERR_EXECUTE_TOO_MANY_TRY": (_C.ERROR, "The command was tried too often."),
    EXPIRED: (_C.TOO_LATE, "The agent was not notified before the time after which the package was not to begin."),
    "ERR_NO_LAUNCHER": (_C.ERROR, "The agent's launcher is missing."),
    "ERR_NO_PARAM": (_C.ERROR, "A value is missing in the info."),
    "ERR_OUT_OF_SPACE": (_C.ERROR, "The computer's disk is too full: an agent needs three times the package."),
    "ERR_TIMEOUT": (_C.TOO_LATE, "The package was not complete within download.timeout_days."),
    "ERR_UNZIP": (_C.ERROR, "The archive could not be unpacked."),
    "UNKNOWN_CODE": (_C.ERROR, "The agent reported something unknown."),
}

_EXIT_CODE: Final = re.compile(r"(SUCCESS|EXIT_CODE|ERR_EXIT_CODE)_(-?[0-9]+)")


def classify(code: str | None, fetched: int = 0) -> Outcome:
    """The state that a code means. None: no report, and the agent does not know of the package. Never raises.

    `fetched` fragments tell an agent that is downloading from one that has only been notified.
    """
    if code is None:
        return Outcome.WAITING
    if code == "NOTIFIED":
        return Outcome.DOWNLOADING if fetched else Outcome.NOTIFIED
    exit_code = _EXIT_CODE.fullmatch(code)
    if exit_code is not None:
        # A Unix agent calls every launched program a success, whatever its exit code.
        # The digits are read as text: there may be more of them than int() takes.
        return Outcome.FAILED if exit_code[2].strip("-0") else Outcome.SUCCESS
    return Outcome.SUCCESS if code.startswith("SUCCESS") else Outcome.FAILED


def is_final(code: str | None) -> bool:
    """Whether it is a result: no other code follows it."""
    return classify(code) in (Outcome.SUCCESS, Outcome.FAILED)


def class_of(code: str | None, *, cancelled: bool = False) -> CodeClass:
    """What a code says. Never raises. `cancelled`: that the assignment was: then no error that follows is one."""
    known = CODES.get(code or "NOTIFIED")
    if known is None:
        known = (CodeClass.SUCCESS if classify(code) is Outcome.SUCCESS else CodeClass.ERROR), ""
    return CodeClass.CANCELLED if cancelled and known[0] is CodeClass.ERROR else known[0]


def meaning(code: str | None) -> str:
    """A sentence that explains a code."""
    if code is None:
        return "The agent has not been notified yet: it will be at its next contact."
    known = CODES.get(code)
    if known is not None:
        return known[1]
    exit_code = _EXIT_CODE.fullmatch(code)
    if exit_code is not None:
        return f"The command ended with exit code {exit_code[2]}."
    kind = "success" if code.startswith("SUCCESS") else "failure"
    return f"A {kind} with a code that distd does not know."


def meaning_unproven(code: str | None) -> str:
    """A sentence that explains a code that only the agent claims, or a package that is only in its history (None)."""
    if code is None:
        return (
            "The agent has it in its history, but this server never delivered it: accept it, or assign it with force."
        )
    return "The agent reported it, but no fragment of the package was sent to this computer: accept it, or not."


def in_history(dialect: Dialect, code: str) -> bool:
    """Whether an agent has a package in its history once it has reported this result: it will not run it again.

    Unix: its `done` writes the history before it reports a success, also a LAUNCH that failed (SUCCESS_<exit code>).
    Windows: only for exactly SUCCESS. The native agent: when the package is deployed, so not for a LAUNCH that failed;
    one that was there already stays there.
    """
    if dialect is Dialect.WINDOWS:
        return code == "SUCCESS"
    if dialect is Dialect.NATIVE:
        return code.startswith("SUCCESS") and classify(code) is Outcome.SUCCESS
    return code.startswith("SUCCESS")
