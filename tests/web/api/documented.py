"""The OpenAPI document of the API, made without a server."""

from __future__ import annotations

import json
from typing import Any, cast

from distd.domain.mirror_rules import Via
from distd.domain.settings import Settings
from distd.web.api.app import make_app
from distd.web.api.computers import ComputerRoutes
from distd.web.api.deployments import DeploymentRoutes
from distd.web.api.events import EventRoutes
from distd.web.api.health import HealthRoutes
from distd.web.api.mirror_protocol import MirrorProtocolRoutes
from distd.web.api.mirrors import MirrorRoutes
from distd.web.api.operators import OperatorRoutes
from distd.web.api.packages import PackageRoutes
from distd.web.api.parameters import ParameterRoutes
from distd.web.api.tokens import TokenRoutes


def describe() -> dict[str, Any]:
    """The document, without a server."""
    nothing = cast("Any", None)
    routes = (
        HealthRoutes(nothing, lambda: b""),
        PackageRoutes(nothing),
        ComputerRoutes(nothing),
        DeploymentRoutes(nothing, nothing, Settings, nothing),
        EventRoutes(nothing, lambda: False),
        OperatorRoutes(nothing, nothing, nothing),
        TokenRoutes(nothing, nothing),
        ParameterRoutes(nothing, nothing, Settings),
        MirrorRoutes(nothing, lambda: Via.DIRECT),
        MirrorProtocolRoutes(nothing, nothing, nothing, tuple, int),
    )
    app = make_app(nothing, routes)
    found: dict[str, Any] = json.loads(json.dumps(app.extensions["QUART_SCHEMA"].openapi_provider.schema()))
    return found


DOCUMENT = describe()
