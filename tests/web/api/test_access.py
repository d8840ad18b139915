"""Who may ask what: every route says what it needs, and nobody reaches beyond what it may."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from quart_schema.openapi import QUART_SCHEMA_SECURITY_ATTRIBUTE
from sqlalchemy import insert, select, update

from distd.catalogue import access_schema, groups_schema, schema
from distd.catalogue.event_log import Kind
from distd.domain.actor import Actor, ActorKind
from distd.domain.permissions import OperatorRights, Role, missing
from distd.origin.operators import api_tokens, operators
from distd.origin.operators.api_tokens import NewToken
from distd.origin.operators.operators import Grant
from distd.web.api import mirror_protocol
from distd.web.api.auth import SignedIn, act_of, demand
from distd.web.api.problems import Forbidden
from tests.web.api.conftest import basic

if TYPE_CHECKING:
    from quart_trio import QuartTrio

    from tests.fixtures.origin import TestOrigin

SECRET = b"s" * 32
OPEN = {"show_metrics", "health", "ready", "static", "openapi", "describe"}


def token_of(origin: TestOrigin, number: int = 0, **changes: Any) -> dict[str, str]:
    """The header of a token that a command on the machine has made."""
    new = NewToken(**{"name": f"t{number}", "role": Role.ADMINISTRATOR, **changes})
    cli = Actor(ActorKind.CLI, "root")
    secret = bytes([number]) * 32
    made = origin.write(api_tokens.create, cli, new, secret, time.time())
    return {"Authorization": f"Bearer {made}"}


@pytest.fixture
def two(origin: TestOrigin) -> TestOrigin:
    """Two computers in two rooms, with a package each has got."""
    for device_id, tag in (("pc-here", "here"), ("pc-there", "there")):
        origin.prolog(device_id)
        origin.inventory(device_id=device_id, account={"TAG": tag})
    origin.package("17", plan="1 MiB")
    for device_id in ("pc-here", "pc-there"):
        origin.assign("17", device_id)
        origin.prolog(device_id)
    return origin


def set_apart(two: TestOrigin) -> None:
    """Both have made a contact just now; only one has the package and a program; the other is in a group."""
    two.report("17", "SUCCESS", "pc-here")
    with two.catalogue.write() as conn:
        conn.execute(update(schema.computers).values(last_seen_at_us=schema.micros(time.time())))
        ids = {row.device_id: row.id for row in conn.execute(select(schema.computers))}
        row = {
            "name": "only one",
            "name_key": "only one",
            "version": "",
            "version_key": "",
            "publisher": "",
            "digest": b"x",
        }
        values = row | {"publisher_key": ""}
        program = conn.execute(insert(schema.software).values(**values).returning(schema.software.c.id)).scalar_one()
        conn.execute(insert(schema.installed).values(computer_id=ids["pc-here"], software_id=program))
        conn.execute(insert(groups_schema.groups).values(id=1, name="others", name_key="others"))
        conn.execute(insert(groups_schema.group_members).values(group_id=1, computer_id=ids["pc-there"]))


def test_every_route_says_what_it_needs(app: QuartTrio) -> None:
    for rule in app.url_map.iter_rules():
        route = app.view_functions[rule.endpoint]
        if rule.rule.startswith(mirror_protocol.PREFIX) or not rule.rule.startswith("/api/"):
            continue
        if hasattr(route, QUART_SCHEMA_SECURITY_ATTRIBUTE):
            assert act_of(route) is not None, f"{rule.rule} needs @needs(Act.…)"
        else:
            assert rule.endpoint in OPEN, rule.rule


def test_what_says_nothing_is_for_administrators_in_person() -> None:
    who = Actor(ActorKind.OPERATOR, "ada")
    demand(SignedIn(who, OperatorRights(Role.ADMINISTRATOR)), None)
    for access in (
        OperatorRights(Role.OPERATOR),
        OperatorRights(Role.ADMINISTRATOR, "tag = x"),
        OperatorRights(Role.ADMINISTRATOR, is_token=True),
    ):
        with pytest.raises(Forbidden, match="access: expected an administrator, got operator:ada"):
            demand(SignedIn(who, access), None)


@pytest.mark.parametrize("role", Role)
async def test_each_route_is_for_its_roles(app: QuartTrio, client: Any, origin: TestOrigin, role: Role) -> None:
    headers, access = token_of(origin, role=role), OperatorRights(role, is_token=True)
    asked = 0
    for rule in app.url_map.iter_rules():
        act = act_of(app.view_functions[rule.endpoint])
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            if act is None:
                continue
            asked += 1
            path = app.url_map.bind("x").build(rule.endpoint, dict.fromkeys(rule.arguments, "1"), method=method)
            answer = await client.open(path, method=method, headers=headers)
            lacking = missing(access, act)
            assert (answer.status_code == 403) == bool(lacking), (method, rule.rule)
            if lacking:
                found = await answer.get_json()
                assert found["errors"][0] == {
                    "field": "access",
                    "expected": lacking,
                    "got": f"token:t0, {role}",
                    "hint": "",
                }
    assert asked > 20


@pytest.mark.parametrize(
    "filter_",
    [
        'tag = "here"',
        "account.TAG is not empty AND NOT (tag ~ there OR last_contact < 7d)",
        "package(17) = SUCCESS",
        'NOT group("others") software("only one*")',
    ],
)
async def test_who_is_restricted_finds_no_trace_of_other_computers(
    app: QuartTrio, client: Any, two: TestOrigin, filter_: str
) -> None:
    set_apart(two)
    restricted, whole = token_of(two, 1, filter=filter_), token_of(two, 2)
    named = {"package_id": "17", "device_id": "pc-there", "name": "x", "operator": "x", "token": "x", "group": "others"}
    named |= {"job_id": "1", "filter_name": "x", "rollout": "x", "set": "x", "recurrence": "1", "source": "x"}
    seen_by_all, seen_by_some = "", ""
    for rule in app.url_map.iter_rules():
        if act_of(app.view_functions[rule.endpoint]) is None or "GET" not in (rule.methods or ()):
            continue
        values = {part: named[part] for part in rule.arguments}
        path = app.url_map.bind("x").build(rule.endpoint, values)
        if path.endswith("/plan"):
            continue
        for headers in (whole, restricted):
            text = (await (await client.get(path, headers=headers)).get_data()).decode()
            if headers is whole:
                seen_by_all += text
            else:
                for harmless in ("there is", "got pc-there", '"got": "pc-there"'):
                    text = text.replace(harmless, "")
                assert "there" not in text, path
                seen_by_some += text
    assert seen_by_all.count("pc-there") > 3
    assert seen_by_some.count("pc-here") > 3


async def test_who_is_restricted_changes_nothing_of_other_computers(client: Any, two: TestOrigin) -> None:
    headers = token_of(two, filter="tag in (here, elsewhere)")
    for device_id, status in (("pc-there", 404), ("pc-here", 200)):
        answer = await client.put(
            f"/api/v1/computers/{device_id}/parameters", headers=headers, json={"download.frag_latency_s": 3}
        )
        assert answer.status_code == status
    body = {"computers": ["pc-there"]}
    answer = await client.post("/api/v1/packages/17/accept", headers=headers, json=body)
    assert answer.status_code == 404
    for device_id, status in (("pc-there", 404), ("nobody", 404), ("pc-here", 200)):
        answer = await client.get(f"/api/v1/computers/{device_id}/why", headers=headers)
        assert answer.status_code == status
    grouped = await (await client.get("/api/v1/packages/17/why", headers=headers)).get_json()
    assert [(group["computers"], group["examples"]) for group in grouped["groups"]] == [(1, ["pc-here"])]
    bodies: tuple[dict[str, Any], ...] = ({"states": ["NOTIFIED"]}, {"computers": ["pc-there"], "strict": True})
    for named in bodies:
        answer = await client.post("/api/v1/packages/17/unassign", headers=headers, json=named | {"dry_run": True})
        assert "pc-there" not in json.dumps((await answer.get_json()).get("items", []))
    for path, everybody in (
        ("/packages/17/accept", {"everybody": True, "dry_run": True}),
        ("/admissions", {"everybody": True, "dry_run": True}),
    ):
        answer = await client.post(f"/api/v1{path}", headers=headers, json=everybody)
        assert (answer.status_code, b"there" in await answer.get_data()) == (200, False)
    answer = await client.put("/api/v1/parameters", headers=headers, json={"download.frag_latency_s": 3})
    assert (await answer.get_json())["errors"][0]["expected"] == (
        "an operator of all computers for parameters.write_site"
    )


async def test_a_token_is_shown_once_and_ends_with_its_time_its_owner_or_its_revocation(
    client: Any, operator: Any, origin: TestOrigin
) -> None:
    asked = {"name": "backup", "role": "viewer", "days": 1}
    made = await (await client.post("/api/v1/tokens", headers=operator, json=asked)).get_json()
    bearer = {"Authorization": f"Bearer {made['secret']}"}
    assert (await client.get("/api/v1/packages", headers=bearer)).status_code == 200
    listed = await (await client.get("/api/v1/tokens", headers=operator)).get_data()
    assert b"backup" in listed
    assert made["secret"].encode() not in listed
    (row,) = origin.rows(access_schema.api_tokens)
    assert row["used_at_us"] is not None
    assert made["secret"] not in str(row) + str(origin.events())
    found = api_tokens.find
    assert origin.read(found, made["secret"], time.time() + 86_300) is not None
    assert origin.read(found, made["secret"], time.time() + 86_500) is None
    assert (await client.delete("/api/v1/tokens/backup", headers=operator)).status_code == 200
    assert (await client.get("/api/v1/packages", headers=bearer)).status_code == 401
    assert [event.kind for event in origin.events(Kind.API_TOKEN_ADDED, Kind.API_TOKEN_REVOKED)] == [
        Kind.API_TOKEN_ADDED,
        Kind.API_TOKEN_REVOKED,
    ]


async def test_a_token_may_no_more_than_its_owner_may_now(client: Any, origin: TestOrigin) -> None:
    origin.act(operators.create_hashed, "ada", "-", 0.0, Grant(Role.OPERATOR))
    ada = Actor(ActorKind.OPERATOR, "ada")
    made = origin.write(api_tokens.create, ada, NewToken("t", Role.OPERATOR), SECRET, time.time())
    bearer = {"Authorization": f"Bearer {made}"}
    path = "/api/v1/computers/x/parameters"
    assert (await client.put(path, headers=bearer, json={})).status_code == 404
    origin.act(operators.change, "ada", 1.0, role=Role.VIEWER)
    assert (await client.put(path, headers=bearer, json={})).status_code == 403
    origin.act(operators.delete, "ada", 2.0)
    assert (await client.put(path, headers=bearer, json={})).status_code == 401
    origin.act(operators.create_hashed, "ada", "-", 3.0, Grant(Role.OPERATOR))
    assert (await client.put(path, headers=bearer, json={})).status_code == 401


async def test_operators_are_managed(client: Any, operator: Any, origin: TestOrigin) -> None:
    asked = {"name": "eve", "role": "viewer", "filter": "tag = x"}
    added = await (await client.post("/api/v1/operators", headers=operator, json=asked)).get_json()
    assert added["operator"]["role"] == "viewer"
    eve = basic("eve", added["password"])
    assert (await client.get("/api/v1/computers", headers=eve)).status_code == 200
    assert (await client.get("/api/v1/operators", headers=eve)).status_code == 403
    changed = await client.patch("/api/v1/operators/eve", headers=operator, json={"role": "operator", "filter": ""})
    assert (await changed.get_json())["role"] == "operator"
    own = {"current": added["password"], "new": "another one"}
    assert (await client.post("/api/v1/password", headers=eve, json=own | {"current": "x"})).status_code == 400
    assert (await client.post("/api/v1/password", headers=eve, json=own)).status_code == 200
    assert (await client.get("/api/v1/computers", headers=eve)).status_code == 401
    assert (await client.get("/api/v1/computers", headers=basic("eve", "another one"))).status_code == 200
    assert (await client.delete("/api/v1/operators/eve", headers=operator)).status_code == 200
    assert (await client.get("/api/v1/computers", headers=basic("eve", "another one"))).status_code == 401
    assert (await client.delete("/api/v1/operators/admin", headers=operator)).status_code == 409
    kinds = [event.kind for event in origin.events() if event.actor and event.actor.kind is ActorKind.OPERATOR]
    assert kinds[-4:] == ["OPERATOR_ADDED", "OPERATOR_CHANGED", "PASSWORD_CHANGED", "OPERATOR_DELETED"]
    assert added["password"] not in str(origin.events())


async def test_an_event_says_from_where_somebody_acted(app: QuartTrio, operator: Any, origin: TestOrigin) -> None:
    client = app.test_client()
    put = client.put(
        "/api/v1/parameters",
        headers=operator,
        json={"download.period_length": 4},
        scope_base={"client": ("192.0.2.7", 4711)},
    )
    assert (await put).status_code == 200
    (event,) = origin.events(Kind.PARAMETERS_SET)
    assert (event.actor.name, event.actor.address) == ("admin", "192.0.2.7")
    listed = await (await client.get("/api/v1/audit?kind=PARAMETERS_SET", headers=operator)).get_json()
    assert listed["items"][0]["address"] == "192.0.2.7"
