"""The English texts of the causes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from distd.domain.diagnosis.causes import CauseKind, CauseText

if TYPE_CHECKING:
    from collections.abc import Mapping

_K, _T = CauseKind, CauseText
_CHECK: Final = (
    "On that computer, beside the agent's cacert.pem: `openssl s_client -connect {server} -CAfile cacert.pem "
    "-verify_return_error </dev/null` (is the port open, is the certificate valid?), then "
    "`curl --cacert cacert.pem -o /dev/null -f {info_url}` (is the name right?)."
)
_COMPARE: Final = " Compare its cacert.pem with the server's: an old one is refused."

TEXTS: Final[Mapping[CauseKind, CauseText]] = {
    _K.UNKNOWN_COMPUTER: _T(
        "No agent has ever made a contact as {device_id}.",
        "On that computer: is the agent installed and started, is `server` in its configuration "
        "http://{http}/ocsinventory, does `curl -i http://{http}/healthz` answer? DEVICEIDs change when a computer is "
        "installed anew: search for its name with `distd computer list NAME`.",
        "never in contact",
    ),
    _K.TOO_MANY_COMPUTERS: _T(
        "Its contact of {refused_at_s} from {address} was refused: no more computers are taken.",
        "Delete computers that are gone, or raise agents.max_computers.",
        "refused, as no more computers are taken",
    ),
    _K.TOO_MANY_NEW: _T(
        "Its contact of {refused_at_s} from {address} was refused: too many new computers came from there.",
        "It is taken at a later contact; agents.new_per_address and agents.new_per_network are the limits.",
        "refused, as too many new ones came from there",
    ),
    _K.WAITING_ROOM: _T(
        "It is in the waiting room: its contacts are taken, but it gets no packages.",
        "`distd computer admit {device_id}` lets it out.",
        "in the waiting room",
    ),
    _K.WRONG_NETWORK: _T(
        "Its contact of {refused_at_s} was refused: it came from {address}, and the computer is bound to {networks}.",
        "If the computer has moved: `distd computer set {device_id} networks=NETWORK`, or networks= for any.",
        "refused, coming from another network",
    ),
    _K.NO_LOGIN: _T(
        "Its contact of {refused_at_s} from {address} was refused: its agent did not log in.",
        "Set user, password and realm in the agent's configuration (agents.login_networks, agents.login_tags).",
        "refused without a log-in",
    ),
    _K.NO_KEY: _T(
        "Its contact of {refused_at_s} from {address} was refused: it did not have the key of this computer.",
        "If distd's own agent has lost its key: `distd computer revoke {device_id}`, then it enrols anew.",
        "refused without the key",
    ),
    _K.NOTHING_ASSIGNED: _T(
        "No package is left for it to deploy: none is assigned, or all that are have their result.",
        "`distd computer show {device_id}` lists them; `distd assign PACKAGE --computer {device_id}` assigns another.",
        "without an open assignment",
    ),
    _K.NO_CONTACT_SINCE: _T(
        "It has made no contact since the package was assigned ({assigned_at_s}); the last was at "
        "{last_contact_at_s}. The next is expected at {expected_at_s}.",
        "Wait, or start the agent on that computer by hand.",
        "without a contact since it was assigned",
    ),
    _K.CONTACT_OVERDUE: _T(
        "It has been silent since {last_contact_at_s}, although a contact was expected at {expected_at_s}.",
        "Is the computer switched on, is the agent started, does `curl -i http://{http}/healthz` answer there?",
        "silent for too long",
    ),
    _K.UNKNOWN_PACKAGE: _T("There is no package {asked_id}.", "`distd package list` has all.", "without the package"),
    _K.NOT_ASSIGNED: _T(
        "Package {asked_id} is not assigned to it.",
        "`distd assign {asked_id} --computer {device_id}`.",
        "without an assignment of it",
    ),
    _K.WAVE_NOT_OPEN: _T(
        "It is in wave {wave} of the roll-out {rollout}, which is not open yet (open: {opened}).",
        "`distd rollout show '{rollout}'` says how the wave before is; `distd rollout open '{rollout}'` opens the "
        "next one now.",
        "in a wave that is not open",
    ),
    _K.ROLLOUT_RESTS: _T(
        "It is in wave {wave} of the roll-out {rollout}, which does not go on now: it is {phase}.",
        "`distd rollout show '{rollout}'` says why.",
        "in a roll-out that does not go on",
    ),
    _K.ROLLOUT_NEXT: _T(
        "It is in wave {wave} of the roll-out {rollout}, which is open: it gets the package as soon as the roll-out's "
        "times and limits let it.",
        "Wait; `distd rollout show '{rollout}'` says how many computers have it.",
        "whose turn in a roll-out is next",
    ),
    _K.ROLLOUT_PASSED_OVER: _T(
        "It is in wave {wave} of the roll-out {rollout}, which has passed it over: it could not take the package.",
        "`distd assign {asked_id} --computer {device_id} --dry-run` says why.",
        "passed over by a roll-out",
    ),
    _K.DELETED: _T("Package {asked_id} is deleted.", "Build it anew, and assign that.", "with a deleted package"),
    _K.WITHDRAWN: _T(
        "The package is withdrawn: its files are gone, and no more agents are notified of it.",
        "Assign another package in its place.",
        "with a withdrawn package",
    ),
    _K.SUPERSEDED: _T(
        "The package is superseded by {superseded_by}, and no longer active.",
        "`distd why {device_id} {superseded_by}` says how that one is.",
        "with a superseded package",
    ),
    _K.NOT_ACTIVE: _T(
        "The package is not active, so no agents are notified of it.",
        "`distd package activate {asked_id}`.",
        "waiting for the activation of the package",
    ),
    _K.PLANNED: _T(
        "The package is not active yet: its activation is planned, not before {planned_at_s}.",
        "`distd package show {asked_id}` says what it waits for; `distd package activate {asked_id}` does it now.",
        "waiting for the planned activation",
    ),
    _K.INSTALLED: _T(
        "The package is in the agent's history already: it ends with a success at the next contact, about "
        "{expected_at_s}, without running again.",
        "To have it run again: `distd assign {asked_id} --computer {device_id} --force`.",
        "with the package in the history",
    ),
    _K.CLAIMED: _T(
        "The agent has the package in its history, but this server never delivered it, so it is not listed.",
        "`distd accept {asked_id} --computer {device_id}` takes it for a success; `distd assign {asked_id} "
        "--computer {device_id} --force` has it run.",
        "with the package in the history, unproven",
    ),
    _K.TOO_LATE: _T(
        "It was to begin before {not_after_s}, and the agent was not notified by then: it ends with ERR_EXPIRED.",
        "Assign it again with a later --not-after.",
        "too late to begin",
    ),
    _K.TOO_EARLY: _T(
        "It is not to begin before {not_before_s}.",
        "Wait, or assign it again without --not-before.",
        "not to begin yet",
    ),
    _K.WAITS_FOR_PACKAGE: _T(
        "It waits for the success of package {after}, which is {after_state} on this computer.",
        "`distd why {device_id} {after}` says why that one is not deployed.",
        "waiting for another package",
    ),
    _K.WAITS_FOREVER: _T(
        "It waits for the success of package {after}, which is not assigned to this computer.",
        "`distd assign {after} --computer {device_id}`, or assign {asked_id} again without --after.",
        "waiting for a package that is not assigned",
    ),
    _K.SWITCHED_OFF: _T(
        "Downloads are switched off by {switched_off_by}: agents begin nothing new.",
        "Set download.on = true again.",
        "with downloads switched off",
    ),
    _K.BUSY_CHILD: _T(
        "The Unix agent is still busy with {others}: new packages wait until these have ended, or it would hang.",
        "`distd why {device_id} {first_other}` says how far that one is.",
        "busy with other packages",
    ),
    _K.PRIORITY_ZERO: _T(
        "A package of priority 0 is deployed alone: this one and {others} wait for each other in the order of their "
        "priorities.",
        "Wait; give priority 0 only to what must be alone.",
        "waiting, as packages of priority 0 are deployed alone",
    ),
    _K.UNKNOWN_HISTORY: _T(
        "Its first inventory is missing, so its history is not known: only one package at a time is listed.",
        "Wait for the inventory (the agent is asked for it at each contact), or start the agent by hand.",
        "without a first inventory",
    ),
    _K.LISTED_NEXT: _T(
        "Nothing holds it back: its agent is notified at its next contact, expected at {expected_at_s}.",
        "Wait, or start the agent on that computer by hand.",
        "to be notified at the next contact",
    ),
    _K.OTHER_SYSTEM: _T(
        "The package is for {package_os}, and the computer has {os_name}.",
        "Unassign it there: `distd unassign {asked_id} --computer {device_id}`.",
        "with another system than the package is for",
    ),
    _K.LITTLE_DISK: _T(
        "Its disk has {free_bytes} free; the agent needs three times the package: {needed_bytes}.",
        "Free space on that computer; its next inventory says how much it has.",
        "with too little disk",
    ),
    _K.NO_TURN: _T(
        "Priority {priority} never has a turn: a period has only {period_length} cycles.",
        "`distd package edit {asked_id} --priority N` with N up to {period_length}, or a larger "
        "download.period_length.",
        "with periods that are too short for its priority",
    ),
    _K.OPTION_IGNORED: _T(
        "The agent ignores {options}: only Windows agents know such options.",
        "Use --not-before in the place of --schedule; put the command into the package.",
        "with an agent that ignores an option",
    ),
    _K.WITHDRAWN_TOLD: _T(
        "The package is withdrawn; the agent was notified before, gets empty fragments and reports ERR_BAD_DIGEST.",
        "Nothing: it ends by itself.",
        "ending it, as it is withdrawn",
    ),
    _K.CANCELLED_TOLD: _T(
        "It is cancelled for this computer: its agent gets empty fragments and reports ERR_BAD_DIGEST.",
        "Nothing: it ends by itself.",
        "ending it, as it is cancelled",
    ),
    _K.STARVED: _T(
        "Package {first_other} of priority 0 keeps all others from having a turn until it has ended.",
        "`distd why {device_id} {first_other}` says how far that one is.",
        "kept from it by a package of priority 0",
    ),
    _K.SCHEDULED: _T(
        "The Windows agent is to deploy it at {schedule}, its local time.",
        "Wait, or assign it again without --schedule.",
        "with a scheduled time that is yet to come",
    ),
    _K.CERTIFICATE_NAME: _T(
        "Agents are told to fetch `info` from {server}, but the certificate is for {names}: agents refuse it.",
        "`distd keys rotate server` with --host, or set server.host to one of these names.",
        "with a name that is not in the certificate",
    ),
    _K.CERTIFICATE_ENDED: _T(
        "The server's certificate ended at {ends_at_s}: agents refuse it.",
        "`distd keys rotate server` makes a new one.",
        "refusing the certificate, which has ended",
    ),
    _K.INFO_NOT_FETCHED: _T(
        "The Windows agent was notified at {notified_at_s} and has fetched nothing since. Such an agent says nothing "
        "when it cannot fetch `info` from {server} by HTTPS: the port is closed, the certificate is refused, or the "
        "name is wrong.",
        _CHECK + _COMPARE,
        "probably not reaching the HTTPS port, or refusing its certificate",
    ),
    _K.NO_FRAGMENT: _T(
        "The agent was notified at {notified_at_s} and reported no error with `info`, but has fetched no fragment; a "
        "turn was due every {gap_s}.",
        "Is the computer switched on? Its agent begins again at the next contact, about {expected_at_s}. There, "
        "`curl -I http://{http}/healthz` says whether it reaches the server.",
        "without any fragment",
    ),
    _K.STALLED: _T(
        "It has {count} of {fragments} fragments and waits for number {missing} since {last_at_s}; a turn was due "
        "every {gap_s}.",
        "Is the computer switched on? Its agent goes on at the next contact, about {expected_at_s}.",
        "stuck at a fragment",
    ),
    _K.MIRROR_LOST: _T(
        "It fetches from redistribution server {mirror}, which is offline since {seen_at_s}.",
        "Start it again: `redistrib status` there. Windows agents stay with the server that they were told first.",
        "with a redistribution server that is offline",
    ),
    _K.MIRROR_BAD: _T(
        "Redistribution server {mirror} has a damaged file of the package, {bad_file}, and could not replace it.",
        "Look at its disk and at its connection to this server: `redistrib verify` there.",
        "with a redistribution server that has a damaged file",
    ),
    _K.MIRROR_NOT_READY: _T(
        "Redistribution server {mirror}, which is meant for it, does not have the package yet.",
        "`distd mirror show {mirror}`; until then others serve the computer.",
        "with a redistribution server that does not have the package yet",
    ),
    _K.LINE_FULL: _T(
        "The line is full: the bandwidth rules leave {line_bytes_per_s} to each computer that fetches now, so a "
        "fragment takes {fragment_s}.",
        "Wait, or change bandwidth.rules; `distd plan {asked_id}` says when all are done.",
        "on a full line",
    ),
    _K.ON_SCHEDULE: _T(
        "It downloads on its schedule: {count} of {fragments} fragments, the last at {last_at_s}; the next turn is due "
        "until {due_at_s}.",
        "Wait. Shorter latencies or a smaller priority make it quicker.",
        "downloading on schedule",
    ),
    _K.FIRST_TURN: _T(
        "Its agent was notified at {notified_at_s}; its first turn is due until {due_at_s}.",
        "Wait.",
        "before the first turn",
    ),
    _K.ALL_FETCHED: _T(
        "It has all {fragments} fragments since {last_at_s}, and has not reported a result: it assembles or runs the "
        "package, or waits for its user.",
        "Look at that computer's screen and at the agent's log. A Windows agent ends a command after "
        "{execution_timeout_min} minutes.",
        "with all fragments, without a result",
    ),
    _K.NO_RESULT: _T(
        "The agent was notified at {notified_at_s} of a command that needs no file, and has not reported a result.",
        "Is the computer switched on? Look at the agent's log there; its next contact is expected at {expected_at_s}.",
        "without a result",
    ),
    _K.ELSEWHERE: _T(
        "Its fragments come from {fragment_server}, not from this server: how far it is, nobody tells.",
        "From that computer: `curl -I http://{fragment_server}/{asked_id}/{asked_id}-1`.",
        "fetching from another server",
    ),
    _K.FETCHED_UNNAMED: _T(
        "From its address {unnamed} fragments were fetched on a path that names no computer: the agent uses an address "
        "of before.",
        "It takes up the new one at its next contact; a Windows agent only with a new package.",
        "fetching on an old path",
    ),
    _K.FETCHED_TWICE: _T(
        "{repeated} fragments were fetched more than once: the agent could not keep them, or was interrupted.",
        "Look at that computer's disk, and at the line.",
        "fetching fragments more than once",
    ),
    _K.SUCCEEDED: _T("It is deployed since {result_at_s}: {meaning}", "", "done"),
    _K.UNPROVEN: _T(
        "The agent reported {code} at {result_at_s}, but no fragment of the package was sent to this computer.",
        "`distd accept {asked_id} --computer {device_id}`, or assign it with --force.",
        "with an unproven success",
    ),
    _K.ARCHIVED: _T(
        "It ended with {code} at {result_at_s}, and an operator has archived that: {meaning}",
        "To deploy it again: `distd assign {asked_id} --computer {device_id} --force`.",
        "archived",
    ),
    _K.CONTRADICTED: _T(
        "Afterwards the agent reported {later_code}, which does not count: the first result does.",
        "Look at the agent's log on that computer.",
        "with another result afterwards",
    ),
    _K.INFO_FAILED: _T(
        "The agent could not fetch `info` from {server} at {result_at_s} ({code}): the port is closed, the certificate "
        "is refused, or the name is wrong.",
        _CHECK + _COMPARE + " Then `distd renotify {asked_id} --computer {device_id}`.",
        "not reaching the HTTPS port, or refusing its certificate",
    ),
    _K.DISK_FULL: _T(
        "The computer's disk was too full at {result_at_s} ({code}): an agent needs three times the package, "
        "{needed_bytes}.",
        "Free space there, then `distd renotify {asked_id} --computer {device_id}`.",
        "with a full disk",
    ),
    _K.BAD_DIGEST: _T(
        "The assembled package had the wrong digest at {result_at_s} ({code}): a fragment was damaged on the way or on "
        "a server.",
        "`distd package verify {asked_id}`; is there a proxy that changes what it passes on? Then `distd renotify "
        "{asked_id} --computer {device_id}`.",
        "with a wrong digest",
    ),
    _K.TIMED_OUT: _T(
        "The package was not complete within {timeout_days} days, so the agent gave it up at {result_at_s} ({code}).",
        "Shorter latencies or larger fragments (`distd plan {asked_id}`), then `distd renotify {asked_id} --computer "
        "{device_id}`.",
        "with a time-out",
    ),
    _K.EXPIRED: _T(
        "Its agent was not notified before {not_after_s}, so it ended without ({code}).",
        "Assign it again with a later --not-after.",
        "not notified in time",
    ),
    _K.REFUSED_BY_USER: _T(
        "The user of the computer refused the package at {result_at_s} ({code}).",
        "Talk to the user, then `distd renotify {asked_id} --computer {device_id}`; without --can-abort nobody can "
        "refuse.",
        "refused by the user",
    ),
    _K.CANCELLED: _T(
        "It was cancelled for this computer, and ended at {result_at_s} ({code}).",
        "`distd renotify {asked_id} --computer {device_id}` begins anew.",
        "cancelled",
    ),
    _K.EXIT_CODE: _T(
        "The command ended at {result_at_s} with an exit code that is not 0 ({code}): {meaning}",
        "What the code means, its program's manual says; then `distd renotify {asked_id} --computer {device_id}`.",
        "with a command that ended with an exit code",
    ),
    _K.FAILED: _T(
        "It failed at {result_at_s} with {code}: {meaning}",
        "Look at the agent's log on that computer, then `distd renotify {asked_id} --computer {device_id}`.",
        "failed",
    ),
    _K.NOT_JUDGED: _T("It was not looked at.", "`distd why DEVICEID {asked_id}` does so for one.", "not looked at"),
}
