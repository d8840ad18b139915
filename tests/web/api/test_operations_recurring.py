"""Several packages, sets of them, and what comes again, by the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from distd.catalogue.schema import assignments
from tests.web.api.test_operations import ask

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin

__all__ = ["ask"]

CHAIN = {"packages": ["17", "18", "19"], "chain": True, "to": {"computers": ["a", "b"]}}


def packages(origin: TestOrigin) -> None:
    for name in ("a", "b"):
        origin.prolog(name)
        origin.inventory(device_id=name)
    for package_id in ("17", "18", "19"):
        origin.package(package_id)


async def test_a_chain_is_done_one_after_the_other(ask: Any, origin: TestOrigin) -> None:
    packages(origin)
    origin.assign("18", "b")
    status, done, _ = await ask("POST", "/assignments/several", CHAIN | {"dry_run": True})
    assert (status, done["dry_run"], done["refusal"]) == (200, True, None)
    assert [each["outcome"]["assigned"] for each in done["packages"]] == [2, 1, 2]
    assert [each["outcome"]["doubtful"] for each in done["packages"]] == [0, 0, 0]
    assert len(origin.rows(assignments)) == 1, "it was only tried"
    status, done, _ = await ask("POST", "/assignments/several", CHAIN, Idempotency_Key="k")
    assert [(each["package"], each["after"]) for each in done["packages"]] == [("17", None), ("18", "17"), ("19", "18")]
    assert (await ask("POST", "/assignments/several", CHAIN, Idempotency_Key="k"))[1] == done
    for package_id in ("17", "18", "19"):
        assert origin.listed("a") == [package_id]
        origin.report(package_id, "SUCCESS", "a")
    assert origin.listed("a") == []


async def test_the_chain_ends_where_one_is_not_for_a_computer(ask: Any, origin: TestOrigin) -> None:
    packages(origin)
    origin.write(lambda conn: conn.exec_driver_sql("UPDATE packages SET os = 'WINDOWS' WHERE id = '17'"))
    status, problem, _ = await ask("POST", "/assignments/several", CHAIN)
    assert (status, problem["errors"][0]["field"]) == (409, "any_os")
    assert origin.rows(assignments) == [], "all or none"
    tried = (await ask("POST", "/assignments/several", CHAIN | {"dry_run": True}))[1]
    assert ("17 is for WINDOWS" in tried["refusal"], len(tried["packages"])) == (True, 1)
    done = (await ask("POST", "/assignments/several", CHAIN | {"skip_unfit": True}))[1]
    assert [each["outcome"]["skipped"] for each in done["packages"]] == [2, 2, 2]
    assert done["packages"][1]["outcome"]["reasons"] == {"WAITS_FOREVER": 2}


async def test_a_set_for_a_group(ask: Any, origin: TestOrigin) -> None:
    packages(origin)
    await ask("POST", "/groups", {"name": "lab", "computers": ["a"]})
    status, made, _ = await ask("POST", "/sets", {"name": "Office", "packages": ["17", "18"], "chain": True})
    assert (status, [each["name"] for each in made["packages"]]) == (201, ["package 17", "package 18"])
    assert (await ask("GET", "/sets"))[1]["total"] == 1
    _, shown, fields = await ask("GET", "/sets/office")
    assert shown == made
    assert (await ask("PATCH", "/sets/office", {"chain": False}, If_Match='"x"'))[0] == 412
    status, changed, _ = await ask("PATCH", "/sets/office", {"packages": ["17", "19"]}, If_Match=fields["ETag"])
    assert (status, [each["package_id"] for each in changed["packages"]]) == (200, ["17", "19"])
    status, done, _ = await ask("POST", "/assignments/several", {"set": "office", "to": {"group": "lab"}})
    assert (status, [each["after"] for each in done["packages"]]) == (200, [None, "17"])
    await ask("POST", "/groups/lab/members", {"add": ["b"]})
    assert [(each.device_id, each.state) for each in origin.results("19")] == [("a", "WAITING"), ("b", "WAITING")]
    assert origin.listed("b") == ["17"]
    assert (await ask("DELETE", "/sets/office"))[0] == 200
    status, problem, _ = await ask("POST", "/assignments/several", {"set": "office", "to": {"computers": ["a"]}})
    assert (status, problem["errors"][0]["field"]) == (404, "set")
    status, problem, _ = await ask("POST", "/assignments/several", {"to": {"computers": ["a"]}})
    assert (status, problem["errors"][0]["field"]) == (400, "packages")


async def test_what_comes_again(ask: Any, origin: TestOrigin) -> None:
    packages(origin)
    new = {"package": "17", "every_days": 7, "to": {"tag": "*"}, "first_at": "2h"}
    status, made, _ = await ask("POST", "/recurrences", new | {"dry_run": True})
    assert (status, made["who_kind"], made["who"]) == (200, "tag", "*")
    assert (await ask("GET", "/recurrences"))[1]["total"] == 0
    made = (await ask("POST", "/recurrences", new))[1]
    assert (await ask("GET", f"/recurrences/{made['id']}"))[1] == made
    assert (await ask("DELETE", f"/recurrences/{made['id']}"))[0] == 200
    assert (await ask("GET", f"/recurrences/{made['id']}"))[0] == 404
    both = new | {"to": {"tag": "*", "group": "x"}}
    status, problem, _ = await ask("POST", "/recurrences", both)
    assert (status, problem["errors"][0]["field"]) == (400, "to.tag")
