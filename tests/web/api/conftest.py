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
from distd.web.api.event_feed import EventFeed
from distd.web.api.events import EventRoutes
from distd.web.api.forecasts import ForecastRoutes
from distd.web.api.health import HealthRoutes
from distd.web.api.login_record import LoginRecord
from distd.web.api.mirror_protocol import MirrorProtocolRoutes
from distd.web.api.operations import OperationRoutes

if TYPE_CHECKING:
    from quart_trio import QuartTrio

    from tests.fixtures.origin import TestOrigin

TOKEN_KEY = b"k" * 32


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def new_logins(reader: Any) -> Logins:
    """Of a server that has just started; what it records is written nowhere."""
    nobody: Any = None
    return Logins(reader, LoginRecord(nobody, logging.getLogger("distd.web")), LoginPauses(0.5), lambda _peer: None)


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

    routes = (
        HealthRoutes(reader, lambda: b"metrics\n"),
        OperationRoutes(OPERATIONS, reader, writer, lambda: Installation(data, Settings(), origin.catalogue)),
        ForecastRoutes(reader, lambda: Settings(), forecast),
        EventRoutes(EventFeed(watch), LimitSettings),
        MirrorProtocolRoutes(data, reader, writer, lambda: (TOKEN_KEY,), lambda: 30),
    )
    return make_app(new_logins(reader), routes)


@pytest.fixture
def client(app: QuartTrio) -> Any:
    return app.test_client()


@pytest.fixture
def operator(origin: TestOrigin) -> dict[str, str]:
    """The header of an operator."""
    origin.act(operators.create, "admin", "secret", 0.0)
    return basic("admin", "secret")
