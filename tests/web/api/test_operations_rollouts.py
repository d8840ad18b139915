"""Roll-outs by the API: what is long to find is found beside the writer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from distd.catalogue.rollouts_schema import rollout_members, rollouts
from distd.origin.deployments import rollout_choice
from tests.web.api.test_operations import ask

if TYPE_CHECKING:
    import pytest

    from tests.fixtures.origin import TestOrigin

__all__ = ["ask"]

NEW = {"name": "Putty", "package": "17", "waves": [{"by": "number", "value": "2"}, {"by": "share", "value": "50"}]}


async def test_one_with_more_computers_than_a_part_begins_with_all_of_them(
    ask: Any, origin: TestOrigin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollout_choice, "MAX_PART", 3)
    origin.package("17")
    for number in range(8):
        origin.prolog(f"pc{number}")
    status, tried, _ = await ask("POST", "/rollouts", NEW | {"dry_run": True})
    assert (status, [wave["members"] for wave in tried["waves"]], tried["left_out"]) == (200, [2, 4], 2)
    assert origin.rows(rollouts) == []
    status, made, _ = await ask("POST", "/rollouts", NEW, Idempotency_Key="k")
    assert (status, made["waves"], made["left_out"]) == (201, tried["waves"], 2)
    assert len(origin.rows(rollout_members)) == 6
    assert (await ask("POST", "/rollouts", NEW, Idempotency_Key="k"))[1] == made
    origin.write(lambda conn: conn.execute(rollout_members.delete()))  # as if the server had been killed before
    origin.prolog("new")
    status, started, _ = await ask("POST", "/rollouts/putty/start")
    assert (status, started["phase"], started["left_out"]) == (200, "RUNNING", 2)
    assert [(wave["members"], wave["active"]) for wave in started["waves"]] == [(2, 2), (5, 0)]
    status, problem, _ = await ask("POST", "/rollouts/putty/start")
    assert (status, "it is running, so it cannot be started" in problem["detail"]) == (409, True)
