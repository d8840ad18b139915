"""Forecasts in a child process."""

from __future__ import annotations

import subprocess
import sys

import pytest

from distd.domain.errors import BadInput, Unavailable
from distd.domain.settings import Settings
from distd.origin.deployments.forecasts import Question
from distd.origin.deployments.rollout_forecasts import RolloutQuestion
from distd.server import forecasts
from distd.server.forecasts import forecast_in_child, forecast_rollout_in_child
from distd.simulation.records import RolloutWorld, SimulatedWave
from distd.simulation.world import Package, Site, World

QUESTION = Question("17", Settings())
WORLD = World((Package.from_sizes("p", 5, 1000, 10),), (Site("s", 10),))


async def test_a_forecast() -> None:
    plan = await forecast_in_child(WORLD, QUESTION, "P")
    assert (plan.name, plan.agents, plan.answer) == ("P", 10, None)


async def test_its_errors_are_those_of_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecasts, "forecast", refuse)
    with pytest.raises(BadInput, match="sites: expected computers, got none"):
        await forecast_in_child(WORLD, QUESTION, "P")


async def test_of_a_rollout(monkeypatch: pytest.MonkeyPatch) -> None:
    question = RolloutQuestion(1, "17", 0.0, RolloutWorld(WORLD, ((10,),), (SimulatedWave("", 90, 0.0),)))
    found = await forecast_rollout_in_child(question)
    assert [(wave.computers, wave.opens_s) for wave in found.waves] == [(10, 0.0)]
    monkeypatch.setattr(forecasts, "TIMEOUT_S", 0.01)
    with pytest.raises(Unavailable, match="no answer within"):
        await forecast_rollout_in_child(question)


def refuse(*_: object) -> None:
    raise BadInput("sites", "computers", "none")


async def test_one_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecasts, "TIMEOUT_S", 0.01)
    with pytest.raises(Unavailable, match="no answer within"):
        await forecast_in_child(WORLD, QUESTION, "P")


def test_a_server_does_without_numpy() -> None:
    script = "import sys, distd.server.process; assert 'numpy' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
