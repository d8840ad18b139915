"""The API's acts on assignments, and their statistics."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue.event_log import Kind

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin

PATH = "/api/v1/packages/17"


@pytest.fixture
def post(client: Any, operator: Any) -> Any:
    """Posts a body; gives status and answer."""

    async def post(path: str, body: Any) -> tuple[int, Any]:
        sent = operator | {"Content-Type": "application/json"}
        answer = await client.post(path, data=json.dumps(body), headers=sent)
        return answer.status_code, await answer.get_json(force=True)

    return post


@pytest.fixture
def two(origin: TestOrigin) -> TestOrigin:
    """Computers a and b, whose histories are known, and package 17."""
    origin.package("17")
    for device_id in ("a", "b"):
        origin.prolog(device_id)
        origin.inventory(device_id=device_id, account={"TAG": "room 1"})
    return origin


def to(*computers: str, **more: Any) -> dict[str, Any]:
    return {"package": "17", "to": {"computers": list(computers)}, **more}


async def test_tried_assigned_and_assigned_again(post: Any, two: TestOrigin) -> None:
    status, tried = await post("/api/v1/assignments", to("a", "b", dry_run=True))
    assert (status, tried["dry_run"], tried["assigned"]) == (200, True, 2)
    assert two.events(Kind.ASSIGNED) == []
    terms = {"schedule": "2099-12-01 18:00", "not_after": "2099-12-02 18:00", "postcmd": "x"}
    status, done = await post("/api/v1/assignments", to("a", **terms))
    assert (status, done["assigned"], done["already"], done["refusal"]) == (200, 1, 0, None)
    status, done = await post("/api/v1/assignments", {"package": "17", "to": {"tag": "room ?"}})
    assert (done["assigned"], done["already"]) == (1, 1)
    assert done["items"] == [
        {"device_id": "a", "outcome": "ALREADY", "reason": None, "detail": "", "by": "tag"},
        {"device_id": "b", "outcome": "ASSIGNED", "reason": None, "detail": "", "by": "tag"},
    ]
    by_hand, by_tag = two.results("17")
    assert (by_hand.schedule, by_hand.origin_kind, by_hand.assigned_by) == (
        "2099/12/01 18:00",
        "hand",
        "operator:admin",
    )
    assert (by_tag.origin_kind, by_tag.origin_name) == ("tag", "room ?")


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (to("a", schedule="soon"), 400, "schedule"),
        (to("a", not_before="soon"), 400, "not_before"),
        (to("a", not_after="2020-01-01"), 400, "not_after"),
        (to("a", after="99"), 404, "after"),
        (to("a", after="17"), 409, "after"),
        (to("nobody"), 404, "computers"),
        ({"package": "17", "to": {}}, 400, "to"),
        ({"package": "17", "to": {"computers": ["a"], "tag": "x"}}, 400, "to.tag"),
        (to("b", strict=True, after="17"), 409, "after"),
        ({"package": "17", "to": {"tag": "nothing"}}, 400, "to.tag"),
        ({"package": "99", "to": {"computers": ["a"]}}, 404, "package"),
    ],
)
async def test_what_cannot_be_assigned(post: Any, two: TestOrigin, body: Any, status: int, field: str) -> None:
    found, problem = await post("/api/v1/assignments", body)
    assert (found, problem["errors"][0]["field"]) == (status, field)
    assert two.events(Kind.ASSIGNED) == []


async def test_the_end_of_a_deployment(post: Any, client: Any, operator: Any, two: TestOrigin) -> None:
    """Not notified 2, 1, 0; success 1; validate; the failure again."""
    await post("/api/v1/assignments", to("a", "b"))
    for device_id, code in (("a", "SUCCESS"), ("b", "ERR_BUILD")):
        two.listed(device_id)
        two.fetch("17", device_id)
        two.report("17", code, device_id)
    assert await post(f"{PATH}/archive", {"states": ["SUCCESS"], "dry_run": True}) == (
        200,
        {
            "act": "archive",
            "dry_run": True,
            "computers": 1,
            "passed_over": 0,
            "elsewhere": 0,
            "items": ["a"],
            "withdrawn": [],
        },
    )
    assert (await post(f"{PATH}/archive", {"states": ["success"]}))[1]["computers"] == 1
    assert (await post(f"{PATH}/renotify", {"codes": ["ERR_BUILD"], "force": True}))[1]["items"] == ["b"]
    answer = await client.get(f"{PATH}/statistics", headers=operator)
    found = await answer.get_json()
    assert (found["archived"], found["waiting"], found["success"], found["by_code"]) == (1, 1, 0, {"SUCCESS": 1})
    assert (await post(f"{PATH}/unassign", {"computers": ["b"]}))[1]["items"] == ["b"]
    table = await client.get(f"{PATH}/statistics", headers=operator | {"Accept": "text/csv"})
    assert table.headers["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(await table.get_data(as_text=True))))
    assert [row["total"] for row in rows if row["kind"] == "code"] == ["1", "1"]
    page = await client.get(f"{PATH}/results?attempts=true&state=ARCHIVED", headers=operator)
    assert [row["device_id"] for row in (await page.get_json())["items"]] == ["a"]


@pytest.mark.parametrize(
    ("act", "body", "status"),
    [
        ("archive", {}, 400),
        ("archive", {"states": ["WAITING"]}, 400),
        ("archive", {"states": ["SUCCESS"], "force": True}, 400),
        ("unassign", {"states": ["SUCCESS"]}, 400),
        ("cancel", {"computers": ["nobody"]}, 404),
        ("renotify", {"states": []}, 400),
        ("renotify", {"computers": ["a"], "strict": True}, 400),
        ("unassign", {"computers": ["a"], "strict": True}, 404),
    ],
)
async def test_acts_that_are_refused(post: Any, two: TestOrigin, act: str, body: Any, status: int) -> None:
    assert (await post(f"{PATH}/{act}", body))[0] == status
