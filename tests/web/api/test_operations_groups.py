"""Groups by the API: DESIGN's routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.web.api.test_operations import ask

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin

__all__ = ["ask"]


async def test_a_group_from_its_creation_to_its_end(ask: Any, origin: TestOrigin) -> None:
    for name in ("a", "b"):
        origin.prolog(name)
    new = {"name": "Class A", "filter": "device_id = a"}
    status, made, _ = await ask("POST", "/groups", new | {"dry_run": True})
    assert (status, made["members"]) == (200, 1)
    assert (await ask("GET", "/groups"))[1]["total"] == 0
    status, made, _ = await ask("POST", "/groups", new, Idempotency_Key="k")
    assert (status, made["filter"]) == (201, 'device_id = "a"')
    assert (await ask("POST", "/groups", new, Idempotency_Key="k"))[1] == made
    assert (await ask("POST", "/groups", new))[0] == 409
    status, shown, fields = await ask("GET", "/groups/class%20a")
    assert (status, shown["group"]["members"], shown["packages"]) == (200, 1, [])
    status, done, _ = await ask("POST", "/groups/Class%20A/members", {"add": ["b"], "remove": ["a"]})
    assert (status, done["joined"], done["left"], done["group"]["members"]) == (200, 1, 1, 1)
    change = {"name": "Class B", "filter": 'device_id ~ "?"'}
    assert (await ask("PATCH", "/groups/Class%20A", change, If_Match='"x"'))[0] == 412
    status, done, _ = await ask("PATCH", "/groups/Class%20A", change, If_Match=fields["ETag"])
    assert (status, done["group"]["name"], done["group"]["members"]) == (200, "Class B", 1)
    status, changed, _ = await ask("PUT", "/groups/Class%20B/parameters", {"download.frag_latency_s": 3})
    assert (status, changed["parameters"]["download.frag_latency_s"]["origin"]) == (200, "group Class B")
    status, gone, _ = await ask("DELETE", "/groups/Class%20B")
    assert (status, gone["members"]) == (200, 1)
    assert (await ask("GET", "/groups/Class%20B"))[0] == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": "x", "filter": "memory >"}, "filter"),
        ({"name": "x", "computers": ["nobody"]}, "computers"),
        ({"name": "x", "colour": "red"}, "colour"),
    ],
)
async def test_what_is_wrong_is_named(ask: Any, body: Any, field: str) -> None:
    status, problem, _ = await ask("POST", "/groups", body)
    assert (status in (400, 404), problem["errors"][0]["field"]) == (True, field)


async def test_a_package_for_a_group_and_for_a_filter(ask: Any, origin: TestOrigin) -> None:
    for name in ("a", "b"):
        origin.prolog(name)
    origin.package("17")
    await ask("POST", "/groups", {"name": "g", "filter": "device_id = a"})
    status, done, _ = await ask("POST", "/assignments", {"package": "17", "to": {"group": "G"}})
    assert (status, done["assigned"], done["items"][0]["by"]) == (200, 1, "group")
    status, done, _ = await ask("POST", "/assignments", {"package": "17", "to": {"filter": 'device_id ~ "?"'}})
    assert (done["assigned"], done["already"]) == (1, 1)
    status, done, _ = await ask("POST", "/packages/17/unassign", {"group": "g"})
    assert (status, done["items"]) == (200, ["a"])
    assert (await ask("POST", "/packages/17/unassign", {"group": "g", "states": ["WAITING"]}))[0] == 400
    assert (await ask("POST", "/packages/17/archive", {"group": "g"}))[0] == 400
    status, problem, _ = await ask("POST", "/assignments", {"package": "17", "to": {"group": "none"}})
    assert (status, problem["errors"][0]["field"]) == (404, "to.group")
