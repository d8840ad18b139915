"""The API's filters, and what they find."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from tests.web.api.conftest import basic

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin


@pytest.fixture
def room(origin: TestOrigin) -> TestOrigin:
    for device_id, name, memory in (("pc-1", "lyon", "4096"), ("pc-2", "=Élan", "8192"), ("pc-3", "paris", "2048")):
        origin.prolog(device_id)
        hardware = {"NAME": name, "MEMORY": memory, "OSNAME": "Windows 10"}
        origin.inventory(device_id=device_id, hardware=hardware, account={"TAG": "site 4"})
    return origin


async def get(client: Any, operator: dict[str, str], path: str, **headers: str) -> Any:
    return await client.get(f"/api/v1{path}", headers=operator | headers)


async def found(client: Any, operator: dict[str, str], text: str, more: str = "") -> list[str]:
    response = await get(client, operator, f"/computers?filter={quote(text)}{more}")
    page = await response.get_json()
    assert response.status_code == 200, page
    assert page["is_exact"] is True
    return [item["device_id"] for item in page["items"]]


async def test_which_are_found(room: TestOrigin, client: Any, operator: dict[str, str]) -> None:
    assert await found(client, operator, "windows memory >= 4GiB") == ["pc-1", "pc-2"]
    assert await found(client, operator, 'tag = "SITE 4"', "&sort=-memory") == ["pc-2", "pc-1", "pc-3"]
    assert await found(client, operator, "name = élan OR name = x") == []
    assert await found(client, operator, "name ~ elan") == ["pc-2"]
    assert await found(client, operator, "", "&name=lyon") == ["pc-1"]


async def test_page_after_page(room: TestOrigin, client: Any, operator: dict[str, str]) -> None:
    names, cursor = [], ""
    while True:
        page = await (await get(client, operator, f"/computers?sort=-memory&columns=name&limit=1{cursor}")).get_json()
        assert page["total"] == 3
        names += [item["name"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert names == ["=Élan", "lyon", "paris"]


async def test_a_problem_says_where(room: TestOrigin, client: Any, operator: dict[str, str]) -> None:
    response = await get(client, operator, f"/computers?filter={quote('windows memroy >= 8GiB')}")
    (error,) = (await response.get_json())["errors"]
    assert response.status_code == 400
    assert (error["field"], error["got"], error["at"], error["length"]) == ("filter", "memroy", 8, 6)
    assert "perhaps memory" in error["hint"]


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ("sort=memroy", 400, "sort"),
        ("columns=memroy", 400, "columns"),
        ("format=xml", 400, "format"),
        ("filter=%40nothing", 404, "filter"),
        ("filter=a%09b", 400, "filter"),
        ("cursor=x", 400, "cursor"),
    ],
)
async def test_bad_queries(client: Any, operator: dict[str, str], query: str, status: int, field: str) -> None:
    response = await get(client, operator, f"/computers?{query}")
    assert response.status_code == status
    assert (await response.get_json())["errors"][0]["field"] == field


async def test_exports(
    room: TestOrigin, client: Any, operator: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("distd.web.exports.PART", 1)
    for path, headers in (("&format=csv", {}), ("", {"Accept": "text/csv"})):
        response = await get(client, operator, f"/computers?columns=device_id,name,tag{path}", **headers)
        assert response.content_type == "text/csv; charset=utf-8"
        rows = list(csv.DictReader(io.StringIO(await response.get_data(as_text=True))))
        assert [row["name"] for row in rows] == ["lyon", "'=Élan", "paris"]
    whole = await (await get(client, operator, "/computers?format=json&filter=lyon%20or%20elan")).get_json()
    assert ([item["device_id"] for item in whole["items"]], whole["total"], whole["next"]) == (
        ["pc-1", "pc-2"],
        2,
        None,
    )
    assert (await (await get(client, operator, "/computers?format=json&filter=nowhere")).get_json())["items"] == []


async def test_saved_filters(room: TestOrigin, client: Any, operator: dict[str, str]) -> None:
    async def save(**body: Any) -> Any:
        return await client.post("/api/v1/filters", headers=operator, json=body)

    saved = await (await save(name="Petits", text="memory<4GiB")).get_json()
    assert (saved["text"], saved["owner"], saved["shared"]) == ("memory < 4GiB", "operator:admin", False)
    assert await found(client, operator, "@petits") == ["pc-3"]
    assert (await (await get(client, operator, "/filters")).get_json())["total"] == 1
    assert (await get(client, operator, "/filters/petits")).status_code == 200
    for body, status in (
        ({"name": "fields", "text": "x"}, 400),
        ({"name": "a", "text": "memroy > 1GiB"}, 400),
        ({"name": "a"}, 400),
        ({"name": "a", "text": "x", "more": 1}, 400),
    ):
        assert (await save(**body)).status_code == status, body
    for status in (200, 404):
        assert (await client.delete("/api/v1/filters/Petits", headers=operator)).status_code == status


async def test_completion_and_fields(room: TestOrigin, client: Any, operator: dict[str, str]) -> None:
    found = await (await get(client, operator, "/filters/complete?text=tag%20%3D%20")).get_json()
    assert found == {"start": 6, "suggestions": [{"text": '"site 4"', "kind": "value", "count": 3}]}
    assert (await get(client, operator, "/filters/complete?text=me&at=9")).status_code == 400
    fields = await (await get(client, operator, "/filters/fields")).get_json()
    memory = next(field for field in fields["items"] if field["name"] == "memory")
    assert (memory["kind"], memory["operators"]) == ("size", ["=", "<", "<=", ">", ">=", "!="])


async def test_text_and_tree(client: Any, operator: dict[str, str]) -> None:
    async def parse(**body: Any) -> Any:
        response = await client.post("/api/v1/filters/parse", headers=operator, json=body)
        return response.status_code, await response.get_json()

    status, parsed = await parse(text="windows last_contact < 7d")
    assert (status, parsed["text"], parsed["by_clock"]) == (200, "windows AND last_contact < 7d", True)
    assert (await parse(tree=parsed["tree"]))[1] == parsed
    wrong: tuple[dict[str, Any], ...] = (
        {},
        {"text": "a", "tree": {}},
        {"text": "("},
        {"tree": {"and": []}},
        {"tree": {"not": {"word": ""}}},
    )
    for body in wrong:
        status, problem = await parse(**body)
        assert (status, len(problem["errors"])) == (400, 1), body
    _, problem = await parse(tree={"and": [{"word": "a"}, {"field": "memroy", "op": "=", "value": "1"}]})
    assert problem["errors"][0]["field"] == "tree.and.1"


async def test_nobody_else(client: Any) -> None:
    for path in ("/filters", "/filters/fields", "/filters/complete", "/computers?filter=a"):
        assert (await client.get(f"/api/v1{path}", headers=basic("admin", "wrong"))).status_code == 401
