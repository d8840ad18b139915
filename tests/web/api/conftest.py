"""An application over a test origin, asked without a network."""

from __future__ import annotations

import base64
import logging
from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue.event_watch import EventWatch
from distd.domain.login_pauses import LoginPauses
from distd.domain.settings import LimitSettings, Settings
from distd.operations.table import OPERATIONS
from distd.origin.installation import Installation
from distd.origin.operators import operators
from distd.web.api.app import make_app
from distd.web.api.auth import Logins
from distd.web.api.computer_search import ComputerSearchRoutes
from distd.web.api.event_feed import EventFeed
from distd.web.api.events import EventRoutes
from distd.web.api.filters import FilterRoutes
from distd.web.api.forecasts import ForecastRoutes
from distd.web.api.health import HealthRoutes
from distd.web.api.login_record import LoginRecord
from distd.web.api.mirror_protocol import MirrorProtocolRoutes
from distd.web.api.operations import OperationRoutes
from distd.web.api.own_password import OwnPasswordRoutes
from distd.web.api.statistics import StatisticsRoutes
from distd.web.sign_in.sources import NO_SOURCES

if TYPE_CHECKING:
    from quart_trio import QuartTrio

    from distd.web.sign_in.sources import Sources
    from tests.fixtures.origin import TestOrigin

TOKEN_KEY = b"k" * 32


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def new_logins(reader: Any, writer: Any = None, sources: Sources = NO_SOURCES) -> Logins:
    """Of a server that has just started; what it records is written nowhere."""
    nobody: Any = None
    record = LoginRecord(nobody, logging.getLogger("distd.web"))
    return Logins(reader, writer, record, LoginPauses(0.5), lambda _peer: None, lambda: sources)


@pytest.fixture
def forecasts() -> list[Any]:
    """What was to be forecast."""
    return []


@pytest.fixture
def watch(reader: Any) -> EventWatch:
    """Nobody runs it, but for tests of streams."""
    return EventWatch(reader, logging.getLogger("distd"))


@pytest.fixture
def app(origin: TestOrigin, data: Any, reader: Any, writer: Any, watch: EventWatch, forecasts: list[Any]) -> QuartTrio:
    async def forecast(world: Any, question: Any, name: str) -> Any:
        from distd.origin.deployments import forecasts as use_cases

        forecasts.append((world, question, name))
        return use_cases.forecast(world, question, name)

    async def forecast_rollout(question: Any) -> Any:
        from distd.origin.deployments import rollout_forecasts as use_cases

        forecasts.append(question)
        return use_cases.make_rollout_forecast(question)

    logins = new_logins(reader, writer)
    routes = (
        HealthRoutes(reader, lambda: b"metrics\n"),
        OperationRoutes(OPERATIONS, reader, writer, lambda: Installation(data, Settings(), origin.catalogue)),
        ComputerSearchRoutes(reader),
        FilterRoutes(reader),
        StatisticsRoutes(reader),
        ForecastRoutes(reader, lambda: Settings(), forecast, forecast_rollout),
        EventRoutes(EventFeed(watch), LimitSettings),
        OwnPasswordRoutes(writer, logins),
        MirrorProtocolRoutes(data, reader, writer, lambda: (TOKEN_KEY,), lambda: 30),
    )
    return make_app(logins, routes)


@pytest.fixture
def client(app: QuartTrio) -> Any:
    return app.test_client()


@pytest.fixture
def operator(origin: TestOrigin) -> dict[str, str]:
    """The header of an operator."""
    origin.act(operators.set_password, "admin", "secret", 0.0)
    return basic("admin", "secret")
