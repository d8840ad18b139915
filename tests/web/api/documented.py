"""The OpenAPI document of the API, made without a server."""

from __future__ import annotations

import json
from typing import Any, cast

from distd.domain.settings import LimitSettings, Settings
from distd.operations.table import OPERATIONS
from distd.web.api.app import make_app
from distd.web.api.computer_search import ComputerSearchRoutes
from distd.web.api.events import EventRoutes
from distd.web.api.filters import FilterRoutes
from distd.web.api.forecasts import ForecastRoutes
from distd.web.api.health import HealthRoutes
from distd.web.api.mirror_protocol import MirrorProtocolRoutes
from distd.web.api.operations import OperationRoutes
from distd.web.api.own_password import OwnPasswordRoutes
from distd.web.api.statistics import StatisticsRoutes


def describe() -> dict[str, Any]:
    """The document, without a server."""
    nothing = cast("Any", None)
    routes = (
        HealthRoutes(nothing, lambda: b""),
        OperationRoutes(OPERATIONS, nothing, nothing, nothing),
        ComputerSearchRoutes(nothing),
        FilterRoutes(nothing),
        StatisticsRoutes(nothing),
        ForecastRoutes(nothing, Settings, nothing, nothing),
        EventRoutes(nothing, LimitSettings),
        OwnPasswordRoutes(nothing, nothing),
        MirrorProtocolRoutes(nothing, nothing, nothing, tuple, int),
    )
    app = make_app(nothing, routes)
    found: dict[str, Any] = json.loads(json.dumps(app.extensions["QUART_SCHEMA"].openapi_provider.schema()))
    return found


DOCUMENT = describe()
