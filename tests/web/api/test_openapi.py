"""The OpenAPI document: whole, in our own words, and of all that there is. Is it true? `test_openapi_conformance`."""

from __future__ import annotations

import builtins
import inspect
import re
from typing import TYPE_CHECKING, Any

import pytest

from distd.domain.filters.parse import MAX_TEXT as MAX_FILTER
from distd.domain.page import MAX_CURSOR
from distd.wire.query import MAX_TEXT
from tests.web.api.documented import DOCUMENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quart_trio import QuartTrio

OPERATIONS = {
    f"{method} {path}": found for path, methods in DOCUMENT["paths"].items() for method, found in methods.items()
}
SCHEMAS = DOCUMENT["components"]["schemas"]


def nodes(found: Any) -> Iterator[dict[str, Any]]:
    """Every object in a document."""
    if isinstance(found, dict):
        yield found
    for child in found.values() if isinstance(found, dict) else found if isinstance(found, list) else ():
        yield from nodes(child)


def resolved(found: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in found:
        target: Any = DOCUMENT
        for part in found["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        found = target
    return found


def test_every_reference_leads_somewhere() -> None:
    references = [node for node in nodes(DOCUMENT) if "$ref" in node]
    assert len(references) > 100
    for node in references:
        assert resolved(node)
    assert {"Result", "Answer", "Problem"} <= set(SCHEMAS)


def test_nothing_is_described_by_python() -> None:
    its = {inspect.getdoc(value) for value in vars(builtins).values() if isinstance(value, type)}
    for node in nodes(DOCUMENT):
        text = node.get("description")
        if isinstance(text, str):
            assert text not in its
            assert not re.match(r"\w+\(\w+: ", text), "made by dataclass"
    assert [name for name, shape in SCHEMAS.items() if not shape.get("description")] == []


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_says_what_can_come(name: str) -> None:
    operation = OPERATIONS[name]
    assert operation["summary"]
    responses = {int(status): resolved(found) for status, found in operation["responses"].items()}
    assert any(status < 300 for status in responses)
    assert 405 in responses
    if operation.get("security") == [{"operator": []}]:
        assert {400, 401, 503} <= set(responses)
    if any(row["in"] == "path" for row in operation.get("parameters", ())):
        assert 404 in responses or name.startswith("put ")
    for status, found in responses.items():
        assert found["description"]
        assert "Cache-Control" in found["headers"]
        if status >= 400:
            assert list(found["content"]) == ["application/problem+json"]
    assert "WWW-Authenticate" in resolved(DOCUMENT["components"]["responses"]["Unauthorized"])["headers"]


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_parameter_says_what_it_takes(name: str) -> None:
    for row in OPERATIONS[name].get("parameters", ()):
        schema = row["schema"]
        assert row["description"]
        match row["in"], schema["type"]:
            case "query", "integer":
                assert "minimum" in schema
            case "query", "string":
                assert schema["maxLength"] in (MAX_TEXT, MAX_CURSOR, MAX_FILTER)
            case "query", "array":
                assert schema["items"]["enum"]


def test_lists_are_pages() -> None:
    pages = {name: shape for name, shape in SCHEMAS.items() if name.endswith("Page")}
    assert len(pages) >= 6
    for shape in pages.values():
        assert set(shape["properties"]) - {"is_exact"} == {"items", "next", "total"}
        assert set(shape["required"]) == set(shape["properties"])
        assert shape["properties"]["items"]["type"] == "array"
        item = shape["properties"]["items"]["items"]
        assert any("$ref" in each for each in (item, *item.get("anyOf", ())))


def test_every_route_is_described(app: QuartTrio) -> None:
    described = {re.sub(r"\{(\w+)\}", r"<\1>", path) for path in DOCUMENT["paths"]}
    routes = {re.sub(r"<[a-z_]+:", "<", rule.rule) for rule in app.url_map.iter_rules() if rule.endpoint != "static"}
    assert routes <= described
    assert described - routes == {"/api/v1/uploads", "/api/v1/uploads/<name>", "/api/v1/mirror/events"}
