"""The result codes that agents report, and what they mean (docs/protocol.md, section 3). Any text is accepted."""

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


MEANINGS: Final = {
    "NOTIFIED": "The agent has been notified; it fetches the package on its schedule.",
    "SUCCESS": "The package is deployed.",
    "SUCCESS_": "The package is deployed; the agent could not tell its exit code.",
    "SUCCESS_0": "The package was launched and ended with exit code 0.",
    "SUCCESS_ALREADY_SETUP": "The agent has this package in its history and did not run it again.",
    "SUCCESS_ALREADY_IN_HISTORY": "The computer has this package in its history, so its agent was not notified again.",
    "SUCCESS_REBOOT_INITIATED": "The package is deployed and has started a reboot.",
    "SUCCESS_REBOOT_REQUIRED": "The package is deployed; a reboot is required.",
    "SUCCESS_RESTART_REQUIRED": "The package is deployed; a restart is required.",
    "ERR_ABORTED": "The user refused the package.",
    "ERR_ALREADY_SETUP": "The agent has this package already.",
    "ERR_BAD_DIGEST": "The assembled package does not have the digest of its info: a fragment is damaged.",
    "ERR_BAD_ID": "The info is that of another package.",
    "ERR_BAD_PARAM": "The agent does not understand a value of the info.",
    "ERR_BUILD": "The fragments could not be assembled or unpacked.",
    "ERR_CLEAN": "The agent could not remove its working folder.",
    "ERR_DONE_FAILED": "The agent could not record that the package is done.",
    "ERR_DOWNLOAD_INFO": "The info could not be fetched: the address, or the certificate, is wrong.",
    "ERR_DOWNLOAD_PACK": "The fragments could not be fetched.",
    "ERR_EXECUTE": "The command failed, or the file to launch is not there.",
    "ERR_EXECUTE_NOT_ALLOWED": "The agent, distd's own, may run no commands: it was started without --allow-execute.",
    "ERR_EXECUTE_NO_EXIT_CODE": "The command's exit code could not be read.",
    "ERR_EXECUTE_PACK": "The command failed.",
    "ERR_EXECUTE_TIMEOUT": "The command took too long and was ended.",
    "ERR_EXECUTE_TOO_MANY_TRY": "The command was tried too often.",
    "ERR_NO_LAUNCHER": "The agent's launcher is missing.",
    "ERR_NO_PARAM": "A value is missing in the info.",
    "ERR_OUT_OF_SPACE": "The computer's disk is too full: an agent needs three times the package.",
    "ERR_TIMEOUT": "The package was not complete within download.timeout_days.",
    "ERR_UNZIP": "The archive could not be unpacked.",
    "UNKNOWN_CODE": "The agent reported something unknown.",
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


def meaning(code: str | None) -> str:
    """A sentence that explains a code."""
    if code is None:
        return "The agent has not been notified yet: it will be at its next contact."
    known = MEANINGS.get(code)
    if known is not None:
        return known
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
