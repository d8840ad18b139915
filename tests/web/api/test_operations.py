"""Routes of operations: what is given and answered, ETags, keys, dry runs."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue.event_log import Kind
from distd.catalogue.jobs_schema import jobs
from distd.catalogue.schema import assignments, computers
from distd.domain.actor import Actor, ActorKind
from distd.domain.permissions import Role
from distd.origin.operators import api_tokens
from distd.origin.operators.api_tokens import NewToken
from tests.fixtures.mirrors import add_mirror

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin

JSON = {"Content-Type": "application/json"}
OTHERS = NewToken("others", Role.OPERATOR)


@pytest.fixture
def ask(client: Any, operator: Any) -> Any:
    async def ask(method: str, path: str, body: Any = None, **fields: str) -> tuple[int, Any, Any]:
        headers = operator | {name.replace("_", "-"): value for name, value in fields.items()}
        data = None if body is None else json.dumps(body)
        if data is not None:
            headers |= JSON | {"Content-Length": str(len(data))}
        answer = await client.open(f"/api/v1{path}", method=method, data=data, headers=headers)
        return answer.status_code, await answer.get_json(force=True), answer.headers

    return ask


async def test_a_package_is_edited_by_who_has_seen_it(ask: Any, publish: Any) -> None:
    path = f"/packages/{publish().id}"
    status, shown, fields = await ask("GET", path)
    assert (status, shown["version"], shown["notify"]["text"], shown["damage"]) == (200, 1, "", "")
    assert (len(shown["md5"]), len(shown["blake3"])) == (32, 64)
    tag = fields["ETag"]
    change = {"priority": 3, "description": "for all", "notify": {"text": "Save your work", "countdown_s": 30}}
    status, edited, fields = await ask("PATCH", path, change, If_Match=tag)
    assert (status, edited["priority"], edited["description"], edited["version"]) == (200, 3, "for all", 2)
    assert edited["notify"]["countdown_s"] == 30
    assert edited["warnings"] == ["notifications are for Windows: a Unix agent shows none"]
    assert fields["ETag"] not in ("", tag)
    status, problem, _ = await ask("PATCH", path, {"name": "Other"}, If_Match=tag)
    assert (status, problem["errors"][0]["field"]) == (412, "If-Match")
    assert (await ask("PATCH", path, {"name": "Other"}, If_Match=f'"x", {fields["ETag"]}'))[0] == 200
    assert (await ask("DELETE", path, If_Match='"x"'))[0] == 412
    assert (await ask("DELETE", path, If_Match="*"))[0] == 200
    assert (await ask("GET", path))[1]["state"] == "DELETED"


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"priority": 11}, "priority", "at most download.period_length"),
        ({"priority": "3"}, "priority", "int"),
        ({"notify": {"countdown_s": -1}}, "notify.countdown_s", ">= 0"),
        ({"notify": {"sound": True}}, "notify.sound", "a field that there is"),
        ({"prio": 3}, "prio", "a field that there is"),
        ({}, "changes", "something to change"),
    ],
)
async def test_what_is_wrong_is_named_by_its_field(ask: Any, publish: Any, body: Any, field: str, words: str) -> None:
    status, problem, _ = await ask("PATCH", f"/packages/{publish().id}", body)
    assert status == 400
    (error,) = problem["errors"]
    assert (error["field"], words in error["expected"]) == (field, True)


async def test_a_package_is_activated_and_assigned_once(ask: Any, origin: TestOrigin) -> None:
    origin.package("17", active=False)
    origin.prolog()
    origin.prolog("other")
    assert (await ask("POST", "/packages/17/deactivate"))[0] == 409
    status, done, _ = await ask("POST", "/packages/17/activate", {"not_before": "2h"})
    assert (status, done["package"]["state"], done["planned"]["count"]) == (200, "PLANNED", 0)
    status, done, _ = await ask("POST", "/packages/17/activate", {})
    assert (status, done["package"]["state"], done["planned"]) == (200, "ACTIVE", None)
    wanted = {"package": "17", "to": {"computers": ["pc"]}}
    status, tried, _ = await ask("POST", "/assignments", wanted | {"dry_run": True}, Idempotency_Key="k")
    assert (status, tried["assigned"], origin.rows(assignments)) == (200, 1, [])
    first = await ask("POST", "/assignments", wanted, Idempotency_Key="k")
    again = await ask("POST", "/assignments", wanted, Idempotency_Key="k")
    assert (first[0], first[1]) == (again[0], again[1]) == (200, tried | {"dry_run": False})
    assert len(origin.events(Kind.ASSIGNED)) == 1
    other = {"package": "17", "to": {"computers": ["other"]}}
    status, problem, _ = await ask("POST", "/assignments", other, Idempotency_Key="k")
    assert (status, problem["errors"][0]["field"]) == (422, "Idempotency-Key")
    assert (await ask("POST", "/assignments", wanted))[1]["already"] == 1
    assert (await ask("POST", "/assignments", wanted | {"strict": True}))[0] == 409
    assert (await ask("POST", "/assignments", wanted, Idempotency_Key="a b"))[0] == 400
    states = {"states": ["WAITING"]}
    assert (await ask("POST", "/packages/17/unassign", states | {"dry_run": True}))[1]["items"] == ["pc"]
    assert len(origin.rows(assignments)) == 1
    assert (await ask("POST", "/packages/17/unassign", states))[0] == 200
    assert origin.rows(assignments) == []
    assert (await ask("POST", "/packages/17/unassign", {}))[0] == 400


async def test_a_package_is_built_by_a_job(ask: Any, data: Any, origin: TestOrigin) -> None:
    order = {"name": "Hello", "os": "LINUX", "action": "LAUNCH", "target": "hello.sh", "source": {"upload": "hello.sh"}}
    assert (await ask("POST", "/packages", order))[0] == 404
    data.uploads.mkdir()
    (data.uploads / "hello.sh").write_text("#!/bin/sh\n")
    status, problem, _ = await ask("POST", "/packages", order | {"target": "other.sh"})
    assert (status, problem["errors"][0]["field"]) == (400, "target"), "before anything is built"
    assert (await ask("POST", "/packages", order | {"fragments": {"count": 2, "size_bytes": 4096}}))[0] == 400
    status, made, _ = await ask("POST", "/packages", order, Idempotency_Key="k")
    assert status == 202
    assert (await ask("POST", "/packages", order, Idempotency_Key="k"))[1] == made
    (row,) = origin.rows(jobs)
    assert (row["kind"], row["request"]["source"]) == ("BUILD", {"upload": "hello.sh", "remove": False})
    status, job, _ = await ask("GET", f"/jobs/{made['job']}")
    assert (status, job["state"], job["package"], job["error"]) == (200, "RUNNING", None, None)
    status, job, _ = await ask("DELETE", f"/jobs/{made['job']}")
    assert (status, job["state"], job["error"]["status"]) == (200, "FAILED", 409)
    assert (await ask("GET", "/jobs"))[1]["total"] == 1
    assert (await ask("GET", "/jobs/x"))[0] == 404


async def test_computers_are_edited_and_deleted(ask: Any, pc: Any) -> None:
    tag = (await ask("GET", "/computers/pc"))[2]["ETag"]
    status, found, _ = await ask("PATCH", "/computers/pc", {"networks": ["10.0.0.0/8"]}, If_Match=tag)
    assert (status, found["computer"]["networks"]) == (200, ["10.0.0.0/8"])
    assert (await ask("PATCH", "/computers/pc", {"networks": []}, If_Match=tag))[0] == 412
    assert (await ask("GET", "/computers/pc/document"))[0] == 200
    some = {"computers": ["pc"]}
    assert (await ask("POST", "/token-revocations", some))[1] == {"revoked": ["pc"]}
    assert (await ask("POST", "/admissions", some))[1] == {"admitted": []}
    assert (await ask("POST", "/admissions", {}))[0] == 400
    assert (await ask("POST", "/computer-deletions", some | {"dry_run": True}))[1] == {"deleted": ["pc"]}
    assert len(pc.rows(computers)) == 1
    assert (await ask("POST", "/computer-deletions", {"computers": ["pc", "nobody"]}))[0] == 404
    assert (await ask("DELETE", "/computers/pc"))[0] == 200
    assert pc.rows(computers) == []


async def test_mirrors_and_rules(ask: Any, origin: TestOrigin) -> None:
    new = {"name": "paris", "url": "http://mirror:8080", "networks": ["10.1.0.0/16"]}
    status, added, _ = await ask("POST", "/mirrors", new, Idempotency_Key="k")
    assert (status, added["server"], "." in added["token"]) == (201, "https://localhost:8443", True)
    status, problem, _ = await ask("POST", "/mirrors", new, Idempotency_Key="k")
    assert (status, "secret" in problem["detail"]) == (409, True)
    assert (await ask("POST", "/mirrors", new | {"url": "x"}))[0] == 400
    add_mirror(origin, "a")
    assert (await ask("POST", "/mirrors/a/revoke", If_Match='"x"'))[0] == 412
    assert (await ask("POST", "/mirrors/a/revoke"))[1] == {"name": "a", "final": True}
    assert (await ask("POST", "/mirrors/a/revoke"))[0] == 409
    rules = {"rules": ["IPSUBNET EQUALS IPSUBNET"]}
    tag = (await ask("GET", "/mirror-rules"))[2]["ETag"]
    assert (await ask("PUT", "/mirror-rules", rules, If_Match=tag))[1] == rules
    assert (await ask("PUT", "/mirror-rules", rules, If_Match=tag))[0] == 412
    assert (await ask("PUT", "/mirror-rules", {"rules": ["x"]}))[0] == 400


async def test_operators_log_ins_and_keys(ask: Any) -> None:
    assert (await ask("POST", "/operators", {"name": "alice", "password": "secret"}))[0] == 201
    assert (await ask("PATCH", "/operators/alice", {"password": "other"}))[1]["role"] == "operator"
    assert (await ask("GET", "/operators/alice"))[1]["filter"] == ""
    assert [row["name"] for row in (await ask("GET", "/operators"))[1]["items"]] == ["admin", "alice"]
    assert (await ask("DELETE", "/operators/alice"))[1] == {"name": "alice"}
    assert (await ask("PUT", "/agent-logins/school", {"password": "secret"}))[0] == 200
    assert (await ask("GET", "/agent-logins"))[1]["items"][0]["name"] == "school"
    assert (await ask("DELETE", "/agent-logins/school"))[0] == 200
    assert [row["name"] for row in (await ask("GET", "/keys"))[1]["items"]] == ["CA", "server", "signer"]
    assert (await ask("GET", "/recipes"))[1]["total"] > 3


async def test_a_page_of_another_site_changes_nothing(ask: Any, origin: TestOrigin) -> None:
    origin.package("17")
    assert (await ask("POST", "/packages/17/deactivate", Sec_Fetch_Site="cross-site"))[0] == 403
    assert (await ask("POST", "/packages/17/deactivate", Sec_Fetch_Site="same-origin"))[0] == 200


async def test_many_computers_fit_into_a_request(ask: Any, origin: TestOrigin) -> None:
    origin.package("17")
    many = [f"pc-{number:032}" for number in range(50_000)]
    status, problem, _ = await ask("POST", "/assignments", {"package": "17", "to": {"computers": many}})
    assert (status, problem["errors"][0]["field"]) == (404, "computers")
    assert (await ask("POST", "/packages/17/activate", {"latest": "x" * 1_100_000}))[0] == 413


async def test_why_a_package_is_not_deployed(ask: Any, origin: TestOrigin) -> None:
    origin.package("17", active=False)
    origin.prolog()
    status, found, _ = await ask("GET", "/computers/pc/why?package=17")
    assert (status, found["device_id"]) == (200, "pc")
    first = found["causes"][0]
    assert (first["kind"], first["package_id"]) == ("NOT_ACTIVE", "17")
    assert first["sentence"] == "The package is not active, so no agents are notified of it."
    for path, fields in (("&lang=fr", {}), ("", {"Accept_Language": "de, fr;q=0.8, en;q=0.5"})):
        _, found, _ = await ask("GET", f"/computers/pc/why?package=17{path}", **fields)
        assert found["causes"][0]["sentence"].startswith("Le paquet n'est pas actif")
    _, found, _ = await ask("GET", "/computers/pc/why?package=17&lang=en", Accept_Language="fr")
    assert found["causes"][0]["sentence"] == first["sentence"]
    status, problem, _ = await ask("GET", "/computers/pc/why?lang=de")
    assert (status, problem["errors"][0]["field"]) == (400, "lang")
    assert (await ask("GET", "/computers/nobody/why"))[1]["causes"][0]["kind"] == "UNKNOWN_COMPUTER"


async def test_why_the_computers_of_a_package_wait(ask: Any, origin: TestOrigin) -> None:
    origin.package("17")
    for device_id in ("pc-1", "pc-2", "pc-3"):
        origin.prolog(device_id)
        origin.assign("17", device_id)
    origin.prolog("pc-1")
    origin.report("17", "SUCCESS", "pc-1")
    _, found, _ = await ask("GET", "/packages/17/why")
    assert found["package_id"] == "17"
    groups = {group["kind"]: (group["computers"], group["examples"]) for group in found["groups"]}
    assert groups == {"CONTACT_OVERDUE": (2, ["pc-2", "pc-3"]), "UNPROVEN": (1, [])}
    _, found, _ = await ask("GET", "/packages/17/why?lang=fr")
    assert found["groups"][0]["sentence"].startswith("2 ")
    assert (await ask("GET", "/packages/18/why"))[0] == 404


@pytest.mark.parametrize("made_by_token", [True, False])
async def test_nobody_approves_the_own_roll_out_by_a_token(
    ask: Any, origin: TestOrigin, *, made_by_token: bool
) -> None:
    origin.package("17")
    origin.prolog()
    new = NewToken("ci", Role.OPERATOR)
    token = origin.act(api_tokens.create, new, b"s" * 32, time.time())
    others = origin.write(
        api_tokens.create, Actor(ActorKind.CLI, "root"), NewToken("x", Role.OPERATOR), b"t" * 32, time.time()
    )
    by = {True: {"Authorization": f"Bearer {token}"}, False: {}}
    wanted = {"name": "Putty", "package": "17", "approval": True}
    _, made, _ = await ask("POST", "/rollouts", wanted, **by[made_by_token])
    assert made["created_by"] == "operator:admin"
    await ask("POST", "/rollouts/putty/start")
    for way in (True, False):
        status, problem, _ = await ask("POST", "/rollouts/putty/approve", **by[way])
        assert (status, "operator:admin made it" in problem["detail"]) == (409, True)
    _, approved, _ = await ask("POST", "/rollouts/putty/approve", Authorization=f"Bearer {others}")
    assert (approved["phase"], approved["approved_by"]) == ("RUNNING", "cli")


async def test_a_roll_out_from_made_to_stopped(ask: Any, origin: TestOrigin) -> None:
    origin.package("17")
    for number in range(5):
        origin.prolog(f"pc-{number}")
    waves = [{"by": "number", "value": "2", "name": "pilot"}, {"by": "rest", "by_hand": True}]
    wanted = {"name": "Putty", "package": "17", "to": {"filter": "device_id ~ pc-*"}, "waves": waves}
    status, tried, _ = await ask("POST", "/rollouts", wanted | {"dry_run": True})
    assert (status, [wave["members"] for wave in tried["waves"]]) == (200, [2, 3])
    assert (await ask("GET", "/rollouts"))[1]["total"] == 0
    made = await ask("POST", "/rollouts", wanted | {"halts": {"error_percent": 5}}, Idempotency_Key="k")
    assert (made[0], made[1]["phase"], made[1]["plan"]["halts"]["error_percent"]) == (201, "DRAFT", 5)
    again = await ask("POST", "/rollouts", wanted | {"halts": {"error_percent": 5}}, Idempotency_Key="k")
    assert again[1] == made[1]
    assert (await ask("POST", "/rollouts", wanted))[0] == 409
    path = f"/rollouts/{made[1]['id']}"
    started = (await ask("POST", f"{path}/start"))[1]
    assert [wave["active"] for wave in started["waves"]] == [2, 0]
    assert (await ask("POST", "/rollouts/putty/open"))[1]["opened"] == 2
    assert (await ask("POST", f"{path}/open"))[0] == 409
    for act, phase in (("pause", "PAUSED"), ("resume", "RUNNING"), ("stop", "STOPPED")):
        assert (await ask("POST", f"{path}/{act}"))[1]["phase"] == phase
    listed = (await ask("GET", "/rollouts"))[1]
    assert [(item["name"], item["phase"], item["waves"]) for item in listed["items"]] == [("Putty", "STOPPED", [])]
    assert [event.actor.name for event in origin.events(Kind.ROLLOUT_CREATED)] == ["admin"]
    assert (await ask("PATCH", "/rollouts/putty", {"retries": 2}))[0] == 409, "it has ended"
    assert (await ask("DELETE", "/rollouts/putty", If_Match='"x"'))[0] == 412
    assert (await ask("DELETE", "/rollouts/putty"))[1] == {"name": "putty"}
    for path in ("/rollouts/putty", "/rollouts/nobody", "/rollouts/99"):
        assert (await ask("GET", path))[0] == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "17"}, "name"),
        ({"name": ""}, "name"),
        ({"waves": []}, "waves"),
        ({"waves": [{"by": "rest"}, {"by": "number", "value": "1"}]}, "waves.0"),
        ({"waves": [{"by": "number", "value": "1"}, {"by": "filter", "value": "memroy > 1"}]}, "waves.1.value"),
        ({"waves": [{"by": "colour"}]}, "waves.by"),
        ({"to": {"filter": "memroy > 1"}}, "filter"),
        ({"to": {"filter": "a", "tag": "b"}}, "to"),
        ({"limits": {"at_once": 0}}, "limits.at_once"),
        ({"halts": {"errors": 5}}, "halts.errors"),
        ({"windows": "noon"}, "windows"),
        ({"start_at": "never"}, "start_at"),
        ({"roll_back_to": "99"}, "roll_back_to"),
    ],
)
async def test_roll_outs_that_are_refused(ask: Any, origin: TestOrigin, change: dict[str, Any], field: str) -> None:
    origin.package("17")
    origin.prolog()
    status, problem, _ = await ask("POST", "/rollouts", {"name": "a", "package": "17"} | change)
    assert (status in (400, 404), [error["field"] for error in problem["errors"]]) == (True, [field]), problem


async def test_a_roll_out_is_changed_by_who_has_seen_it(ask: Any, origin: TestOrigin) -> None:
    origin.package("17")
    origin.prolog()
    wanted = {"name": "a", "package": "17", "halts": {"error_percent": 5, "judged_from": 50}, "windows": "mon-fri 18-6"}
    assert (await ask("POST", "/rollouts", wanted))[0] == 201
    _, shown, fields = await ask("GET", "/rollouts/a")
    change = {"halts": {"error_percent": None, "stalled_percent": 9}, "windows": "", "start_at": "2h"}
    status, changed, after = await ask("PATCH", "/rollouts/a", change, If_Match=fields["ETag"])
    plan = shown["plan"] | {"windows": "", "start_at_s": changed["plan"]["start_at_s"]}
    plan["halts"] |= {"error_percent": None, "stalled_percent": 9}
    assert (status, changed["plan"]) == (200, plan)
    assert plan["start_at_s"] > 0
    assert (await ask("PATCH", "/rollouts/a", change, If_Match=fields["ETag"]))[0] == 412
    assert (await ask("POST", "/rollouts/a/start"))[1]["phase"] == "SCHEDULED"
    assert (await ask("PATCH", "/rollouts/a", change, If_Match=after["ETag"]))[0] == 412, "it is started"
    _, changed, _ = await ask("PATCH", "/rollouts/a", {"start_at": None, "roll_back_to": "17"})
    assert (changed["plan"]["start_at_s"], changed["plan"]["roll_back_to"]) == (None, "17")
    for body, field in (
        ({}, "changes"),
        ({"limits": {}}, "changes"),
        ({"waves": []}, "waves"),
        ({"windows": "x"}, "windows"),
    ):
        status, problem, _ = await ask("PATCH", "/rollouts/a", body)
        assert (status, problem["errors"][0]["field"]) == (400, field)
    assert (await ask("DELETE", "/rollouts/a"))[0] == 409
    first = origin.events(Kind.ROLLOUT_CHANGED)[0].detail
    assert (first["before"]["windows"], first["after"]["windows"]) == ("mon-fri 18-6", "")
    assert "retries" not in first["after"]
