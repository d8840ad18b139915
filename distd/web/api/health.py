"""What monitoring asks: /metrics, /healthz, /readyz. For everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from quart import Response
from quart_schema import hide

from distd.catalogue import event_log

if TYPE_CHECKING:
    from collections.abc import Callable

    from quart_trio import QuartTrio

    from distd.catalogue.reader import Reader


class HealthRoutes:
    """`metrics()` gives the text of /metrics."""

    def __init__(self, reader: Reader, metrics: Callable[[], bytes]) -> None:
        self._reader = reader
        self._metrics = metrics

    def add_to(self, app: QuartTrio) -> None:
        """Add the routes."""

        @app.get("/metrics")
        @hide
        async def show_metrics() -> Response:
            """Counters for Prometheus; no name of a computer or package is in them."""
            return Response(self._metrics(), content_type=CONTENT_TYPE_PLAIN_0_0_4)

        @app.get("/healthz")
        @hide
        async def health() -> str:
            """The process answers."""
            return "ok\n"

        @app.get("/readyz")
        @hide
        async def ready() -> str:
            """And so does its catalogue."""
            await self._reader.run(event_log.newest)
            return "ok\n"
