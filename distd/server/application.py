"""The web application of a server: the API, its log-in, and uploads in front of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from distd.origin.installation import MIB, disk_limits
from distd.server.forecasts import forecast_in_child
from distd.storage.uploads import Uploads
from distd.web.api.app import make_app
from distd.web.api.auth import Logins
from distd.web.api.computers import ComputerRoutes
from distd.web.api.deployments import DeploymentRoutes
from distd.web.api.events import EventRoutes
from distd.web.api.health import HealthRoutes
from distd.web.api.mirror_protocol import MirrorProtocolRoutes
from distd.web.api.mirrors import MirrorRoutes
from distd.web.api.packages import PackageRoutes
from distd.web.api.uploads import UploadsApi

if TYPE_CHECKING:
    from distd.catalogue.reader import Reader
    from distd.catalogue.writer import Writer
    from distd.origin.installation import Installation
    from distd.server.metrics import Metrics
    from distd.server.state import ServerState


def make_application(
    installation: Installation, state: ServerState, reader: Reader, writer: Writer, metrics: Metrics
) -> UploadsApi:
    """All that the lane hands over, as one ASGI application."""
    logins = Logins(reader)
    routes = (
        HealthRoutes(reader, metrics.render),
        PackageRoutes(reader),
        ComputerRoutes(reader),
        DeploymentRoutes(reader, lambda: state.settings, forecast_in_child),
        EventRoutes(reader, lambda: state.stopping),
        MirrorRoutes(reader, state.default_via),
        MirrorProtocolRoutes(installation.data, reader, writer, state.token_key),
    )
    uploads = Uploads(installation.data, installation.settings.limits.upload_mib * MIB, installation.disk_limits())
    uploads.remove_stale()
    state.follow(lambda settings: uploads.limit(settings.limits.upload_mib * MIB, disk_limits(settings)))
    return UploadsApi(make_app(logins, routes), uploads, logins)
