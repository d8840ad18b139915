"""A batch of posts in the catalogue: what is read for it, and what it writes by few statements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import event

from distd.catalogue import schema
from distd.catalogue.event_log import Kind, Note
from distd.domain.actor import AGENT
from distd.domain.records import PrologRequest
from distd.origin.agents import batch
from distd.origin.agents.batch import Changes
from distd.origin.agents.open_assignments import load_assignments

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin


def load(origin: TestOrigin, *device_ids: str, newcomers: dict[str, float] | None = None) -> Any:
    def run(conn: Any) -> Any:
        states = batch.load(conn, set(device_ids), newcomers or {})
        load_assignments(conn, states.values())
        return states

    return origin.write(run)


def histories(origin: TestOrigin) -> set[tuple[int, str]]:
    return {(row["computer_id"], row["package_id"]) for row in origin.rows(schema.history)}


def test_newcomers_are_inserted_and_known_computers_are_not(origin: TestOrigin) -> None:
    first = load(origin, "a", newcomers={"a": 1.0})
    both = load(origin, "a", "b", "c", newcomers={"a": 2.0, "b": 2.0})
    assert {name: state.id for name, state in both.items()} == {"a": first["a"].id, "b": 2}
    seen = [(event.computer_id, event.detail) for event in origin.events(Kind.COMPUTER_SEEN)]
    assert seen == [(1, {"device_id": "a"}), (2, {"device_id": "b"})]
    assert both["b"].last_inventory_at_s is None


def test_a_computer_has_its_open_assignments_and_what_it_has_of_them(pc: TestOrigin) -> None:
    pc.package("17")
    pc.package("18", active=False)
    pc.package("19")
    pc.inventory("17", "99")
    pc.assign("17", force=True, schedule="2026/12/01 18:00", postcmd="y")
    pc.assign("19")
    pc.listed()
    pc.report("19", "ERR_TIMEOUT")
    (state,) = load(pc, "pc").values()
    (found,) = state.open
    assert (found.package_id, found.priority, found.force, found.schedule, found.postcmd) == (
        "17",
        5,
        True,
        "2026/12/01 18:00",
        "y",
    )
    assert (found.notified, found.withdrawn, found.active, found.info_server) == (True, False, True, None)
    assert state.history == {"17"}
    assert state.facts.key == "pc"


def test_what_the_last_post_says_counts(origin: TestOrigin) -> None:
    load(origin, "a", "b", newcomers={"a": 1.0, "b": 1.0})
    changes = Changes()
    changes.additions |= {(1, "16"), (2, "17")}
    changes.replace_history(1, ["17", "18"])
    changes.replace_history(1, ["18", "19"])
    changes.additions.add((1, "20"))
    origin.write(changes.write, origin.register, 0)
    assert histories(origin) == {(1, "18"), (1, "19"), (1, "20"), (2, "17")}
    changes = Changes()
    changes.replace_history(1, ["20"])
    changes.additions.add((2, "17"))  # it has it already
    changes.notes.append(Note(Kind.INVENTORY, AGENT, 5.0, None, 1, {}))
    origin.write(changes.write, origin.register, 0)
    assert histories(origin) == {(1, "20"), (2, "17")}
    assert origin.events(Kind.INVENTORY)[0].at_s == 5.0


def test_many_posts_need_no_more_statements_than_few(origin: TestOrigin) -> None:
    counts = []
    for first, size in ((0, 2), (10, 200)):
        statements: list[str] = []

        def count(*args: Any, statements: list[str] = statements) -> None:
            statements.append(args[2])

        engine = origin.catalogue._engine
        event.listen(engine, "before_cursor_execute", count)
        origin.post_all(*(PrologRequest(f"pc{number}") for number in range(first, first + size)))
        event.remove(engine, "before_cursor_execute", count)
        counts.append(len(statements))
    assert counts[0] >= counts[1]  # computers are counted at the first newcomer of a while
