"""What a server does for forecasts every now and then."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import trio
import trio.testing

from distd.domain.errors import BadInput, Unavailable
from distd.domain.settings import settings_of
from distd.origin.deployments import forecasts, package_forecasts
from distd.server.forecast_upkeep import LOOK_S, run_forecasts

if TYPE_CHECKING:
    import pytest

    from distd.origin.deployments.forecasts import Plan, Question
    from distd.simulation.world import World
    from tests.fixtures.origin import TestOrigin

LOG = logging.getLogger("distd")


async def test_a_deployment_that_begins_is_forecast_one_at_a_time(
    origin: TestOrigin, reader: Any, writer: Any, autojump_clock: trio.testing.MockClock
) -> None:
    for package_id in ("17", "18", "19"):
        origin.package(package_id)
    origin.prolog()
    origin.assign("17")
    origin.assign("18")
    made: list[str] = []

    async def make(world: World, question: Question, name: str) -> Plan:
        made.append(name)
        if question.package_id == "18":
            raise BadInput("sites", "few", "many")
        return forecasts.forecast(world, question, name)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_forecasts, reader, writer, lambda: settings_of({}), make, LOG)
        await trio.sleep(LOOK_S * 1.5)
        assert made == ["package 18"]
        await trio.sleep(LOOK_S * 3)
        nursery.cancel_scope.cancel()
    assert made == ["package 18", "package 17"]
    assert origin.read(package_forecasts.show_kept, "17") is not None
    assert origin.read(package_forecasts.show_kept, "18") is None


async def test_one_that_cannot_be_made_keeps_no_other_from_its_turn(
    origin: TestOrigin,
    reader: Any,
    writer: Any,
    autojump_clock: trio.testing.MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    origin.prolog()
    for package_id in ("17", "18"):
        origin.package(package_id)
        origin.assign(package_id)

    async def make(world: World, question: Question, name: str) -> Plan:
        if question.package_id == "18":
            raise ZeroDivisionError
        return forecasts.forecast(world, question, name)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_forecasts, reader, writer, lambda: settings_of({}), make, LOG)
        await trio.sleep(LOOK_S * 1.5)
        nursery.cancel_scope.cancel()
    assert origin.read(package_forecasts.show_kept, "17") is not None
    assert "no forecast of a deployment is made, 18: a fault of the program: ZeroDivisionError" in caplog.text


async def test_it_goes_on_when_the_catalogue_does_not_answer(
    origin: TestOrigin,
    reader: Any,
    writer: Any,
    autojump_clock: trio.testing.MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    origin.package("17")
    origin.prolog()
    origin.assign("17")
    writer.error = Unavailable("catalogue", "it is locked")

    async def make(world: World, question: Question, name: str) -> Plan:
        return forecasts.forecast(world, question, name)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_forecasts, reader, writer, lambda: settings_of({}), make, LOG)
        await trio.sleep(LOOK_S * 1.5)
        writer.error = None
        await trio.sleep(LOOK_S)
        nursery.cancel_scope.cancel()
    assert caplog.messages == ["no forecast of a deployment is made: catalogue: it is locked"]
    assert origin.read(package_forecasts.show_kept, "17") is not None
