"""What an agent does, and what can happen to it: the actions and events of `domain.agent_machine`.

========================  ===========================================================
action                    the events that may answer it
========================  ===========================================================
`SendProlog`              `PrologAnswered`, `Failed`
`FetchInfo`               `InfoFetched`, `Failed`
`SendInventory`           `Done`, `Failed`
`FetchFragment`           `Done`, `Corrupted`, `Failed` (with a `code`: finally)
`Assemble`                `Assembled`, `Failed` (with a `code`: finally)
`SendResult`              `Done`, `Failed`
`Discard`, `Wait`         `Done`
`Finished`                none
========================  ===========================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from distd.domain.records import Info, Pack, PrologReply


@dataclass(frozen=True, slots=True)
class Started:
    """The process of the agent has begun."""


@dataclass(frozen=True, slots=True)
class Done:
    """It has worked, and there is nothing to say about it."""


@dataclass(frozen=True, slots=True)
class PrologAnswered:
    """The server's answer to a PROLOG."""

    reply: PrologReply


@dataclass(frozen=True, slots=True)
class InfoFetched:
    """The `info` of a package, read."""

    info: Info


@dataclass(frozen=True, slots=True)
class Assembled:
    """The package was run, or could not be: `code` is its result."""

    code: str


@dataclass(frozen=True, slots=True)
class Corrupted:
    """A fragment is complete, but not what the manifest says; it has been deleted."""


@dataclass(frozen=True, slots=True)
class Failed:
    """It has not worked this time; with a result `code`, it never will."""

    why: str = ""
    code: str = ""


Event = Started | Done | PrologAnswered | InfoFetched | Assembled | Corrupted | Failed


@dataclass(frozen=True, slots=True)
class SendProlog:
    """Ask the server what there is to do."""


@dataclass(frozen=True, slots=True)
class FetchInfo:
    """Fetch the `info` of a package that the server lists."""

    pack: Pack


@dataclass(frozen=True, slots=True)
class SendInventory:
    """Send an INVENTORY."""


class FetchFragment(NamedTuple):  # by far the most frequent action: a tuple is the quickest
    """Fetch a fragment (from 1) from `pack_loc`, "host:port/path", by the protocol `proto`."""

    package_id: str
    number: int
    pack_loc: str
    proto: str


@dataclass(frozen=True, slots=True)
class Assemble:
    """Put the fragments together, check and run the package."""

    package_id: str


@dataclass(frozen=True, slots=True)
class SendResult:
    """Report a result code to the server."""

    package_id: str
    code: str


@dataclass(frozen=True, slots=True)
class Discard:
    """Delete what is kept of a package: it is no longer listed."""

    package_id: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing for some seconds."""

    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class Finished:
    """Only with `once`: there is nothing to do before the next contact."""


Action = SendProlog | FetchInfo | SendInventory | FetchFragment | Assemble | SendResult | Discard | Wait | Finished
