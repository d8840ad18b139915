"""The web application of a server: the API and the console, their log-in, and uploads in front of them."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import trio

from distd.domain.errors import BadInput
from distd.domain.login_pauses import LoginPauses
from distd.domain.request_rates import RequestRates
from distd.operations.table import OPERATIONS
from distd.origin.installation import MIB, disk_limits
from distd.server import console_uploads
from distd.server.console_uploads import ConsoleAskers
from distd.server.forecasts import forecast_in_child, forecast_rollout_in_child
from distd.server.handover import open_hand_over
from distd.server.slots import Slots
from distd.storage.uploads import Uploads
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
from distd.web.api.uploads import UploadsApi
from distd.web.by_path import by_path
from distd.web.console.account import AccountPages
from distd.web.console.app import Console
from distd.web.console.components import ComponentPages
from distd.web.console.operations import ConsoleOperations
from distd.web.console.packages import package_pages
from distd.web.console.sign_in import SignInPages
from distd.web.console.site_pages import site_pages
from distd.web.sign_in.from_settings import make_sources

if TYPE_CHECKING:
    import logging
    from collections.abc import AsyncIterator

    from hypercorn.typing import ASGIFramework

    from distd.catalogue.event_watch import EventWatch
    from distd.catalogue.writer import Writer
    from distd.domain.settings import Settings
    from distd.origin.installation import Installation
    from distd.server.handover import HandOver
    from distd.server.metrics import Metrics
    from distd.server.state import ServerState
    from distd.web.console.app import Pages

HOUR_S: Final = 3600.0


@asynccontextmanager
async def open_application(
    installation: Installation,
    state: ServerState,
    watch: EventWatch,
    writer: Writer,
    metrics: Metrics,
    log: logging.Logger,
) -> AsyncIterator[HandOver]:
    """The application, started up, that takes the connections that the lane hands over."""
    record, slots = LoginRecord(writer, log), Slots(0, 0)
    pauses, rates = LoginPauses(0.0), RequestRates(1)
    vouching = [make_sources(state.settings.sign_in, log)]

    def use(settings: Settings) -> None:
        try:
            vouching[0] = make_sources(settings.sign_in, log)
        except BadInput as error:
            log.error("reload: %s; sign-in is as it was", error)
        slots.limit(settings.limits.web_connections, settings.limits.web_connections_per_address)
        rates.limit(settings.limits.web_requests_per_s_per_address)
        pauses.limit(settings.limits.login_pause_ms / 1000)

    def trust(peer: str) -> None:
        rates.trust(peer, trio.current_time())

    use(state.settings)
    state.follow(use)
    logins = Logins(watch.reader, writer, record, pauses, trust, lambda: vouching[0])
    app = _make_application(installation, state, logins, watch, writer, metrics)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(record.run)
        async with open_hand_over(app, slots, rates, log, state.settings.limits.drain_s) as hand_over:
            yield hand_over
        nursery.cancel_scope.cancel()
    await record.flush()


def _make_application(
    installation: Installation, state: ServerState, logins: Logins, watch: EventWatch, writer: Writer, metrics: Metrics
) -> ASGIFramework:
    """All that the lane hands over, as one ASGI application."""
    reader, feed = watch.reader, EventFeed(watch)
    state.at_stop(feed.close)

    def site() -> Installation:
        return replace(installation, settings=state.settings, https=state.context.https)

    routes = (
        HealthRoutes(reader, metrics.render),
        OperationRoutes(OPERATIONS, reader, writer, site),
        ComputerSearchRoutes(reader),
        FilterRoutes(reader),
        StatisticsRoutes(reader),
        ForecastRoutes(reader, lambda: state.settings, forecast_in_child, forecast_rollout_in_child),
        EventRoutes(feed, lambda: state.settings.limits),
        OwnPasswordRoutes(writer, logins),
        MirrorProtocolRoutes(
            installation.data, reader, writer, state.token_keys, lambda: state.settings.mirrors.certificate_days
        ),
    )
    uploads = Uploads(installation.data, installation.settings.limits.upload_mib * MIB, installation.disk_limits())
    uploads.remove_stale()
    state.follow(lambda settings: uploads.limit(settings.limits.upload_mib * MIB, disk_limits(settings)))
    api = UploadsApi(make_app(logins, routes), uploads, logins)

    def idle_s() -> float:
        return state.settings.console.idle_h * HOUR_S

    def own_servers() -> tuple[str, str]:
        return state.context.http, state.context.https

    operations = ConsoleOperations(reader, writer, site)
    pages: tuple[Pages, ...] = (
        SignInPages(logins, writer),
        AccountPages(operations, logins),
        *package_pages(operations, uploads, own_servers),
        *site_pages(operations, writer, own_servers, forecast_in_child),
        ComponentPages(),
    )
    console = Console(reader, writer, time.time, idle_s).make(pages)
    return by_path(api, UploadsApi(console, uploads, ConsoleAskers(reader, idle_s), console_uploads.PATH))
