"""Redistribution servers: add, list, show, revoke; rules; why a computer gets which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import Meta

from distd.catalogue.schema import NAME_LIMIT
from distd.domain.mirror_rules import MAX_NETWORKS, MAX_RULES, Via
from distd.domain.page import Page, read_window
from distd.domain.permissions import Act
from distd.operations.operation import Operation, Way
from distd.origin.mirrors import explanation, mirrors, revocation
from distd.origin.mirrors import rules as mirror_rules
from distd.origin.mirrors.explanation import Explanation
from distd.origin.mirrors.mirrors import Mirror, NewMirror
from distd.storage import pki
from distd.wire.query import PATTERN, cursor_parameter, limit_parameter, parameter

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from distd.operations.operation import Asked

# What the use case checks itself, with messages of its own, is only described here.
_Text = Annotated[str, Meta(extra_json_schema={"maxLength": NAME_LIMIT})]


@dataclass
class MirrorQuery:
    """Which redistribution servers, and which page of them."""

    name: str | None = parameter(f"name: {PATTERN}")
    limit: int | None = limit_parameter()
    cursor: str | None = cursor_parameter()


@dataclass(frozen=True, slots=True)
class MirrorPage(Page[Mirror]):
    """Redistribution servers, by name."""


class MirrorRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A redistribution server that may join. `url` is its address for agents, http://HOST[:PORT]; `address` its IP
    address; `networks` those that it serves. `local`: only for these, and for its location."""

    name: Annotated[str, Meta(extra_json_schema={"pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"})]
    url: _Text
    https_port: Annotated[int, Meta(ge=1, le=65535)] = 8443
    address: _Text = ""
    networks: Annotated[tuple[str, ...], Meta(extra_json_schema={"maxItems": MAX_NETWORKS})] = ()
    location: _Text = ""
    workgroup: _Text = ""
    userid: _Text = ""
    tag: _Text = ""
    local: bool = False


@dataclass(frozen=True, slots=True)
class MirrorAdded:
    """A redistribution server may join, once within 7 days, with this token: `redistrib join SERVER --token TOKEN`."""

    name: str
    token: str
    server: str


@dataclass(frozen=True, slots=True)
class MirrorRevoked:
    """A redistribution server is revoked. Not `final`: its certificates wait for the CA, whose key is elsewhere."""

    name: str
    final: bool


class RuleList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rules that choose the mirror of a computer, in their order: FIELD OP FIELD, such as "IPSUBNET EQUALS
    IPSUBNET"."""

    rules: Annotated[tuple[str, ...], Meta(extra_json_schema={"maxItems": MAX_RULES})]


def _list(conn: Connection, asked: Asked, query: MirrorQuery) -> MirrorPage:
    window = read_window(query.limit, query.cursor, mirrors.PLACE)
    page = mirrors.list_mirrors(conn, query.name, window, asked.now_s)
    return MirrorPage(page.items, page.next, page.total)


def _show(conn: Connection, asked: Asked, name: str) -> Mirror:
    return mirrors.show(conn, name, asked.now_s)


def _add(conn: Connection, asked: Asked, given: MirrorRequest) -> MirrorAdded:
    new = NewMirror(**{name: getattr(given, name) for name in given.__struct_fields__})
    secret = mirrors.add(conn, asked.actor, new, asked.now_s)
    site = asked.site
    token = f"{secret}.{pki.fingerprint(pki.load_ca(site.data.ca_certificate))}"
    server = site.settings.server
    address = site.https or f"{server.host}:{server.https.rpartition(':')[2]}"
    return MirrorAdded(given.name, token, f"https://{address}")


def _revoke(asked: Asked, name: str) -> MirrorRevoked:
    final = revocation.revoke(asked.site.catalogue, asked.site.data, asked.actor, name, asked.now_s)
    return MirrorRevoked(name, final)


def _rules(conn: Connection, _: Asked) -> RuleList:
    return RuleList(tuple(map(str, mirror_rules.list_rules(conn))))


def _set_rules(conn: Connection, asked: Asked, given: RuleList) -> RuleList:
    return RuleList(tuple(map(str, mirror_rules.set_rules(conn, asked.actor, given.rules, asked.now_s))))


def _explain(conn: Connection, asked: Asked, device_id: str, package_id: str) -> Explanation:
    default = Via(asked.site.settings.mirrors.via)
    return explanation.explain(conn, device_id, package_id, default, asked.now_s, asked.actor)


def _tag_of(mirror: Mirror) -> Any:
    """What an operator decides of it; not what it says of itself."""
    return (mirror.name, mirror.http, mirror.https, mirror.networks, mirror.location, mirror.local, mirror.state)


LIST: Final = Operation(
    "list_mirrors",
    "GET",
    "/mirrors",
    "Redistribution servers: which are online, what they have, how far behind they are.",
    MirrorPage,
    _list,
    Act.MIRRORS_READ,
    query=MirrorQuery,
)
SHOW: Final = Operation(
    "show_mirror",
    "GET",
    "/mirrors/{name}",
    "One redistribution server.",
    Mirror,
    _show,
    Act.MIRRORS_READ,
    tag_of=_tag_of,
)
ADD: Final = Operation(
    "add_mirror",
    "POST",
    "/mirrors",
    "Register a redistribution server; gives the token for `redistrib join`, which nothing else knows.",
    MirrorAdded,
    _add,
    Act.MIRRORS_WRITE,
    Way.WRITE,
    body=MirrorRequest,
    status=201,
    problems=(409,),
    keyed=True,
    secret=True,
)
REVOKE: Final = Operation(
    "revoke_mirror",
    "POST",
    "/mirrors/{name}/revoke",
    "Revoke a redistribution server and its certificates: it gets nothing more, and no agent is directed to it.",
    MirrorRevoked,
    _revoke,
    Act.MIRRORS_WRITE,
    Way.WORK,
    problems=(409,),
    guarded_by=SHOW,
)
RULES: Final = Operation(
    "show_mirror_rules",
    "GET",
    "/mirror-rules",
    "The rules that choose the mirror of a computer.",
    RuleList,
    _rules,
    Act.MIRRORS_READ,
    tag_of=lambda found: found.rules,
)
SET_RULES: Final = Operation(
    "set_mirror_rules",
    "PUT",
    "/mirror-rules",
    "Replace all rules by these.",
    RuleList,
    _set_rules,
    Act.MIRRORS_WRITE,
    Way.WRITE,
    body=RuleList,
    guarded_by=RULES,
)
EXPLAIN: Final = Operation(
    "explain",
    "GET",
    "/computers/{device_id}/mirrors/{package_id}",
    "Which mirrors a computer would get a package from now, and why.",
    Explanation,
    _explain,
    Act.MIRRORS_READ,
)
ALL: Final = (LIST, SHOW, ADD, REVOKE, RULES, SET_RULES, EXPLAIN)
