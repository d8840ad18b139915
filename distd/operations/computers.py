"""Computers: list, show, set, admit, revoke, delete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import Meta

from distd.domain.duplicates import DuplicateReason
from distd.domain.errors import BadInput
from distd.domain.filters.parse import MAX_TEXT
from distd.domain.page import Page, read_window
from distd.domain.permissions import Act
from distd.operations.operation import Named, Operation, Way
from distd.origin.computers import computer_settings, computers, duplicates, merging, revocation, saved_filters
from distd.origin.computers.columns import read_columns
from distd.origin.computers.computers import Detail, SoftwareItem, WantedComputers
from distd.origin.computers.duplicates import Duplicates
from distd.origin.computers.search import Search, read_sort, search
from distd.wire.query import PATTERN, cursor_parameter, limit_parameter, parameter

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from distd.domain.actor import Actor
    from distd.operations.operation import Asked

MAX_NAMED: Final = 100_000  # computers of one request
MAX_NAMED_BYTES: Final = 8_388_608
# A `Computer`, whose shape is in the document with `Detail`; or chosen columns.
ITEM: Final = {"anyOf": [{"$ref": "#/components/schemas/Computer"}, {"type": "object"}]}


@dataclass
class ComputerQuery:
    """Which computers, and which page of them."""

    filter: str | None = parameter("a filter, or @NAME of a saved one (guide: Search)", max_length=MAX_TEXT)
    sort: str = parameter("a field of filters; with - before it descending", default="device_id")
    columns: str = parameter("fields of filters with commas between them: only these, by name", default="")
    format: str | None = parameter("csv or json: everything that is found, at once")
    name: str | None = parameter(f"name or DEVICEID: {PATTERN}")
    tag: str | None = parameter(f"TAG: {PATTERN}")
    changed: bool = parameter("only those of whose identity something has changed", default=False)
    waiting: bool = parameter("only those in the waiting room", default=False)
    limit: int | None = limit_parameter()
    cursor: str | None = cursor_parameter()


@dataclass(frozen=True, slots=True)
class ComputerPage(Page[Annotated[Any, Meta(extra_json_schema=ITEM)]]):
    """Computers, by DEVICEID or as they are sorted. Where columns were chosen, an item has these alone. `is_exact`: all
    were counted; else that would have taken too long, and `total` is an estimate."""

    is_exact: bool


@dataclass
class SoftwareQuery:
    """Which software of a computer, and which page of it."""

    name: str | None = parameter(f"its name: {PATTERN}")
    limit: int | None = limit_parameter()
    cursor: str | None = cursor_parameter()


@dataclass(frozen=True, slots=True)
class SoftwarePage(Page[SoftwareItem]):
    """Software, by name."""


@dataclass
class DuplicateQuery:
    """Which duplicates, and which page of them."""

    reason: tuple[str, ...] | None = parameter("what they have in common", choices=tuple(DuplicateReason))
    limit: int | None = limit_parameter()
    cursor: str | None = cursor_parameter()


@dataclass(frozen=True, slots=True)
class DuplicatePage(Page[Duplicates]):
    """Computers that are probably the same one, by what they have in common."""


@dataclass(frozen=True, slots=True)
class Document:
    """The XML of a computer's last inventory as its agent sent it, in base64."""

    device_id: str
    document: bytes


class ComputerEdit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Values of a computer; null: as they were. `changed`, an empty text: what has changed of its identity is known.
    `networks`: it may make contacts from these only; none: from anywhere. `account`: its account info by key, such as
    TAG, whatever its agent says; an empty text: what its agent says counts again."""

    changed: Annotated[str, Meta(extra_json_schema={"maxLength": 0})] | None = None
    networks: Annotated[list[str], Meta(extra_json_schema={"maxItems": computer_settings.MAX_NETWORKS})] | None = None
    account: dict[str, str] | None = None


class MergeRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """DEVICEIDs of a computer before and after it was installed anew."""

    old: str
    new: str


class NamedComputers(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """DEVICEIDs of computers. `dry_run`: tell what would be done, and do nothing."""

    computers: Annotated[tuple[str, ...], Meta(min_length=1, max_length=MAX_NAMED)]
    dry_run: bool = False


class AdmitRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """DEVICEIDs of computers in the waiting room, or `everybody` in it. `dry_run`: tell who it would be."""

    computers: Annotated[tuple[str, ...], Meta(max_length=MAX_NAMED)] = ()
    everybody: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Admitted:
    """DEVICEIDs of the computers that were in the waiting room."""

    admitted: list[str]


@dataclass(frozen=True, slots=True)
class TokensRevoked:
    """DEVICEIDs of the computers whose tokens are valid no more."""

    revoked: list[str]


@dataclass(frozen=True, slots=True)
class Deleted:
    """DEVICEIDs of the computers that are deleted."""

    deleted: list[str]


def _list(conn: Connection, asked: Asked, query: ComputerQuery) -> ComputerPage:
    wanted = search_of(conn, asked.actor, query, asked.now_s)
    found = search(conn, wanted, read_window(query.limit, query.cursor, wanted.sort.place))
    return ComputerPage(found.items, found.next, found.total, found.is_exact)


def search_of(conn: Connection, actor: Actor, query: ComputerQuery, now_s: float) -> Search:
    """What a query of `actor` asks for. Raises `BadInput`, `NotFound` for a saved filter."""
    return Search(
        now_s=now_s,
        tree=saved_filters.read_filter(conn, actor, query.filter or ""),
        sort=read_sort(query.sort),
        columns=read_columns(query.columns),
        wanted=WantedComputers(query.name, query.tag, query.changed, query.waiting),
        reader=actor,
    )


def _list_software(conn: Connection, asked: Asked, device_id: str, query: SoftwareQuery) -> SoftwarePage:
    window = read_window(query.limit, query.cursor, computers.SOFTWARE_PLACE)
    page = computers.software_of(conn, device_id, query.name, window, asked.actor)
    return SoftwarePage(page.items, page.next, page.total)


def _list_duplicates(conn: Connection, _: Asked, query: DuplicateQuery) -> DuplicatePage:
    window = read_window(query.limit, query.cursor, duplicates.PLACE)
    page = duplicates.list_duplicates(conn, query.reason or (), window)
    return DuplicatePage(page.items, page.next, page.total)


def _merge(conn: Connection, asked: Asked, given: MergeRequest) -> Named:
    merging.merge(conn, asked.actor, given.old, given.new, asked.now_s)
    return Named(given.new)


def _show(conn: Connection, asked: Asked, device_id: str) -> Detail:
    return computers.show(conn, device_id, asked.actor)


def _read_document(conn: Connection, asked: Asked, device_id: str) -> Document:
    return Document(device_id, computers.read_document(conn, device_id, asked.actor))


def _edit(conn: Connection, asked: Asked, device_id: str, given: ComputerEdit) -> Detail:
    values = {} if given.changed is None else {"changed": given.changed}
    if given.networks is not None:
        values["networks"] = " ".join(given.networks)
    values |= {f"{computer_settings.ACCOUNT}{key}": text for key, text in (given.account or {}).items()}
    computer_settings.change(conn, asked.actor, [device_id], values, asked.now_s)
    return computers.show(conn, device_id)


def _delete(conn: Connection, asked: Asked, device_id: str) -> Named:
    computers.delete(conn, asked.actor, [device_id], asked.now_s)
    return Named(device_id)


def _delete_many(conn: Connection, asked: Asked, given: NamedComputers) -> Deleted:
    names = list(dict.fromkeys(given.computers))
    computers.delete(conn, asked.actor, names, asked.now_s)
    return Deleted(names)


def _admit(conn: Connection, asked: Asked, given: AdmitRequest) -> Admitted:
    if bool(given.computers) == given.everybody:
        got = "both" if given.everybody else "none"
        raise BadInput("computers", "DEVICEIDs, or everybody", got)
    chosen = None if given.everybody else given.computers
    return Admitted(computer_settings.admit(conn, asked.actor, chosen, asked.now_s))


def _revoke(conn: Connection, asked: Asked, given: NamedComputers) -> TokensRevoked:
    revocation.revoke(conn, asked.actor, given.computers, asked.now_s)
    return TokensRevoked(list(dict.fromkeys(given.computers)))


def _tag_of(found: Detail) -> Any:
    """What an operator changes of it; not what its agent says."""
    return (found.computer.device_id, found.computer.changed, found.computer.networks, found.computer.waiting)


_ONE: Final = "/computers/{device_id}"

LIST: Final = Operation(
    "list_computers",
    "GET",
    "/computers",
    "Computers that a filter finds.",
    ComputerPage,
    _list,
    Act.COMPUTERS_READ,
    query=ComputerQuery,
    elsewhere=True,
)
SOFTWARE: Final = Operation(
    "list_software",
    "GET",
    f"{_ONE}/software",
    "What is installed on a computer, by name.",
    SoftwarePage,
    _list_software,
    Act.COMPUTERS_READ,
    query=SoftwareQuery,
)
DUPLICATES: Final = Operation(
    "list_duplicates",
    "GET",
    "/duplicates",
    "Computers that are probably the same one, after an installation.",
    DuplicatePage,
    _list_duplicates,
    Act.DUPLICATES_READ,
    query=DuplicateQuery,
)
MERGE: Final = Operation(
    "merge_computers",
    "POST",
    "/computer-merges",
    """Make one computer of two, after it was installed anew.

    The new one gets the old one's assignments, results and events; the old one is deleted.""",
    Named,
    _merge,
    Act.COMPUTERS_WRITE,
    Way.WRITE,
    body=MergeRequest,
    problems=(404, 409),
)
SHOW: Final = Operation(
    "show_computer",
    "GET",
    _ONE,
    "One computer: its inventory, assignments and history.",
    Detail,
    _show,
    Act.COMPUTERS_READ,
    tag_of=_tag_of,
)
DOCUMENT: Final = Operation(
    "show_document",
    "GET",
    f"{_ONE}/document",
    "A computer's last inventory, as its agent sent it.",
    Document,
    _read_document,
    Act.COMPUTERS_READ,
)
EDIT: Final = Operation(
    "edit_computer",
    "PATCH",
    _ONE,
    "Set values of a computer.",
    Detail,
    _edit,
    Act.COMPUTERS_WRITE,
    Way.WRITE,
    body=ComputerEdit,
    guarded_by=SHOW,
)
DELETE: Final = Operation(
    "delete_computer",
    "DELETE",
    _ONE,
    """Delete a computer with its assignments and results.

    An agent that makes a contact again is a new computer.""",
    Named,
    _delete,
    Act.COMPUTERS_WRITE,
    Way.WRITE,
    guarded_by=SHOW,
)
DELETE_MANY: Final = Operation(
    "delete_computers",
    "POST",
    "/computer-deletions",
    "Delete computers with their assignments and results: all of them, or none if one is unknown.",
    Deleted,
    _delete_many,
    Act.COMPUTERS_WRITE,
    Way.WRITE,
    body=NamedComputers,
    problems=(404,),
    max_body_bytes=MAX_NAMED_BYTES,
)
ADMIT: Final = Operation(
    "admit_computers",
    "POST",
    "/admissions",
    "Let computers out of the waiting room: from their next contacts on they get packages.",
    Admitted,
    _admit,
    Act.COMPUTERS_WRITE,
    Way.WRITE,
    body=AdmitRequest,
    problems=(404,),
    max_body_bytes=MAX_NAMED_BYTES,
)
REVOKE: Final = Operation(
    "revoke_computers",
    "POST",
    "/token-revocations",
    "Revoke the tokens by which computers are known when they fetch fragments; each gets others at its next contact.",
    TokensRevoked,
    _revoke,
    Act.COMPUTERS_WRITE,
    Way.WRITE,
    body=NamedComputers,
    problems=(404,),
    max_body_bytes=MAX_NAMED_BYTES,
)
ALL: Final = (LIST, SOFTWARE, DUPLICATES, MERGE, SHOW, DOCUMENT, EDIT, DELETE, DELETE_MANY, ADMIT, REVOKE)
