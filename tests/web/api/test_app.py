"""The API's routes: who may ask, what is answered, how errors look."""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue.event_log import Kind
from distd.domain.assignment_terms import AssignmentOrigin, OriginKind
from distd.domain.errors import Unavailable
from distd.domain.records import InventoryRequest
from distd.domain.rollout_plan import RolloutPlan, WaveBy, WavePlan
from distd.domain.rollout_state import RolloutAct
from distd.domain.settings import DownloadConfig
from distd.origin.deployments import rollout_forecasts, rollouts
from distd.origin.deployments.rollouts import NewRollout
from distd.web import forecast_turns
from distd.web.api.answer_fields import ANSWER_FIELDS
from distd.wire import ocs
from tests.fixtures.mirrors import add_mirror, report
from tests.web.api.conftest import basic

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin


async def get(client: Any, path: str, headers: Any = None) -> tuple[int, Any]:
    answer = await client.get(path, headers=headers or {})
    return answer.status_code, await answer.get_json(force=True)


@pytest.mark.parametrize("headers", [{}, basic("admin", "other"), basic("", ""), {"Authorization": "Bearer secret"}])
async def test_the_api_is_for_operators(client: Any, operator: Any, headers: Any) -> None:
    answer = await client.get("/api/v1/packages", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="distd"'
    assert answer.content_type == "application/problem+json"
    assert await answer.get_json() == {
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
        "detail": "expected an operator's name and password, or a token",
    }


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/api/v1/openapi.json"])
async def test_some_paths_are_for_everybody(client: Any, path: str) -> None:
    assert (await client.get(path)).status_code == 200


async def test_what_is_not_there(client: Any, operator: Any) -> None:
    status, found = await get(client, "/api/v1/nothing", operator)
    assert (status, found["detail"]) == (404, "there is nothing at /api/v1/nothing; see /api/v1/openapi.json")
    status, found = await get(client, "/api/v1/packages/17", operator)
    assert (status, found["detail"]) == (404, "package: expected the id of a package, got 17")
    assert found["errors"] == [{"field": "package", "expected": "the id of a package", "got": "17", "hint": ""}]


@pytest.mark.parametrize(
    ("method", "path", "status", "field", "value"),
    [
        ("DELETE", "/api/v1/packages", 405, "Allow", "GET"),
        ("POST", "/healthz", 405, "Allow", "GET"),
        ("GET", "/api/v1/packages/17/plan?by=never", 400, "Content-Type", "application/problem+json"),
    ],
)
async def test_whatever_is_wrong_is_a_problem(
    client: Any, operator: Any, method: str, path: str, status: int, field: str, value: str
) -> None:
    answer = await client.open(path, method=method, headers=operator)
    assert answer.status_code == status
    assert value in answer.headers[field]
    found = await answer.get_json()
    assert (found["status"], found["type"]) == (status, "about:blank")
    assert found["detail"]


async def test_a_body_that_is_too_large_is_a_problem(client: Any) -> None:
    answer = await client.post("/api/v1/mirror/join", data=b"x" * 1_048_577)
    assert answer.status_code == 413
    assert (await answer.get_json())["title"] == "Request Entity Too Large"


async def test_a_catalogue_that_is_away_is_503(client: Any, reader: Any) -> None:
    reader.error = Unavailable("catalogue", "database is locked")
    status, found = await get(client, "/readyz")
    assert (status, found["detail"]) == (503, "catalogue: database is locked")


async def test_packages_computers_and_results(client: Any, operator: Any, origin: TestOrigin) -> None:
    origin.package("17")
    origin.prolog()
    origin.assign("17")
    assert [package["id"] for package in (await get(client, "/api/v1/packages", operator))[1]["items"]] == ["17"]
    assert (await get(client, "/api/v1/packages/17", operator))[1]["active"]
    assert [computer["device_id"] for computer in (await get(client, "/api/v1/computers", operator))[1]["items"]] == [
        "pc"
    ]
    shown = (await get(client, "/api/v1/computers/pc", operator))[1]
    assert [assignment["package_id"] for assignment in shown["assignments"]] == ["17"]
    (result,) = (await get(client, "/api/v1/packages/17/results", operator))[1]["items"]
    assert (result["device_id"], result["code"], result["state"]) == ("pc", None, "WAITING")


async def test_what_is_unproven_is_accepted(client: Any, operator: Any, origin: TestOrigin) -> None:
    origin.prolog()
    origin.inventory()
    origin.package("17")
    origin.assign("17")
    origin.listed()
    origin.report("17", "SUCCESS")
    path = "/api/v1/packages/17"
    _, page = await get(client, f"{path}/results?unproven=true", operator)
    assert [(row["device_id"], row["state"], row["unproven"]) for row in page["items"]] == [("pc", "SUCCESS", True)]

    async def accept(body: str, kind: str = "application/json") -> tuple[int, Any]:
        sent = operator | {"Content-Type": kind}
        answer = await client.post(f"{path}/accept", data=body, headers=sent)
        return answer.status_code, await answer.get_json(force=True)

    body = json.dumps({"computers": ["pc"]})
    assert (await accept(body, "text/plain"))[0] == 415  # what a page of another site may send
    for bad in ("", "[]", "{}", '{"computers": []}', '{"computers": [1]}', "{\xff"):
        assert (await accept(bad))[0] == 400
    assert (await accept(json.dumps({"computers": ["nobody"]})))[0] == 404
    assert await accept(body) == (200, {"package_id": "17", "accepted": ["pc"]})
    assert (await accept(body))[0] == 409
    (event,) = origin.events(Kind.ACCEPTED)
    assert str(event.actor) == "operator:admin"
    assert (await get(client, f"{path}/results?unproven=true", operator))[1]["items"] == []


async def test_mirrors_and_why(client: Any, operator: Any, origin: TestOrigin) -> None:
    origin.package("17")
    origin.prolog()
    mirror = add_mirror(origin, "a")
    report(origin, mirror, have=[["17", 1]])
    (listed,) = (await get(client, "/api/v1/mirrors", operator))[1]["items"]
    assert (listed["name"], listed["ready"], listed["wanted"]) == ("a", 1, 1)
    assert (await get(client, "/api/v1/mirrors/a", operator))[1] == listed
    assert (await get(client, "/api/v1/mirrors/b", operator))[0] == 404
    found = (await get(client, "/api/v1/computers/pc/mirrors/17", operator))[1]
    assert (found["via"], [name for name, _ in found["others"]]) == ("steer", ["a"])  # by the clock on the wall
    assert (await get(client, "/api/v1/activations/planned", operator))[1]["items"] == []


async def test_the_plan_of_a_roll_out(client: Any, operator: Any, origin: TestOrigin, forecasts: list[Any]) -> None:
    origin.package("17")
    origin.prolog()
    plan, who = RolloutPlan((WavePlan(WaveBy.REST, name="all"),)), AssignmentOrigin(OriginKind.FILTER)
    origin.act(rollouts.create, NewRollout("Putty", "17", who, plan), origin.now_s)
    status, found = await get(client, "/api/v1/rollouts/putty/plan?line=1MB/s", operator)
    assert (status, found["is_kept"], found["computers"], len(forecasts)) == (200, False, 1, 1)
    assert [(wave["name"], wave["opens_s"]) for wave in found["forecast"]["waves"]] == [("all", 0.0)]
    origin.act(rollouts.act, "putty", RolloutAct.START, origin.now_s, DownloadConfig())
    made = rollout_forecasts.make_rollout_forecast(forecasts[0])
    origin.write(rollout_forecasts.keep, forecasts[0], made)
    status, found = await get(client, "/api/v1/rollouts/putty/plan", operator)
    assert (status, found["is_kept"], found["measured"]["success"], len(forecasts)) == (200, True, 0, 1)
    assert (await get(client, "/api/v1/rollouts/none/plan", operator))[0] == 404


@pytest.mark.parametrize("path", ["/api/v1/packages/17/plan", "/api/v1/rollouts/putty/plan"])
async def test_few_wait_for_a_plan(client: Any, operator: Any, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(forecast_turns, "MAX_WAITING", 0)
    status, found = await get(client, path, operator)
    assert (status, found["detail"]) == (503, "forecast: others are being made")
    assert (await get(client, "/api/v1/rollouts/putty/plan?line=fast", operator))[0] == 400


async def test_a_plan(client: Any, operator: Any, origin: TestOrigin, forecasts: list[Any]) -> None:
    origin.package("17")
    origin.prolog()
    status, found = await get(client, "/api/v1/packages/17/plan?by=3d", operator)
    assert (status, found["agents"], found["answer"]["is_met"]) == (200, 1, True)
    ((_, question, name),) = forecasts
    assert (question.package_id, name) == ("17", "package 17")
    assert (await get(client, "/api/v1/packages/17/plan?by=soon", operator))[0] == 400


SCRIPT = '<x:script xmlns:x="http://www.w3.org/1999/xhtml">alert(1)</x:script>'


async def test_a_browser_runs_nothing_of_what_an_agent_sent(client: Any, operator: Any, origin: TestOrigin) -> None:
    origin.prolog()
    request = InventoryRequest("pc", {"NAME": "PC"}, {}, (), None)
    body = zlib.decompress(ocs.write_request(request)).replace(b"</CONTENT>", f"{SCRIPT}</CONTENT>".encode())
    origin.post_bodies(zlib.compress(body))
    answer = await client.get("/api/v1/computers/pc/inventory", headers=operator)
    assert SCRIPT in await answer.get_data(as_text=True)
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/api/v1/packages", "/api/v1/openapi.json", "/nothing"])
async def test_every_answer_says_that_nothing_of_it_is_run(client: Any, operator: Any, path: str) -> None:
    nobody: dict[str, str] = {}
    for login in (nobody, operator):
        answer = await client.get(path, headers=login)
        assert {name: answer.headers[name] for name in ANSWER_FIELDS} == ANSWER_FIELDS


@pytest.mark.parametrize("depth", [65, 450, 900])
@pytest.mark.parametrize("text", ["x", "\\u0041"])
async def test_lists_within_lists_are_bounded(client: Any, operator: Any, depth: int, text: str) -> None:
    body = '{"name": ' + "[" * depth + f'"{text}"' + "]" * depth + "}"
    headers = operator | {"Content-Type": "application/json"}
    answer = await client.post("/api/v1/packages/17/accept", data=body, headers=headers)
    assert answer.status_code == 400
    assert "body: expected at most 64 lists" in (await answer.get_json(force=True))["detail"]
