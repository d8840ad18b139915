"""What monitoring asks: /metrics, /healthz, /readyz. For everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from quart import Response

from distd.catalogue import event_log
from distd.web.api.description import answers

if TYPE_CHECKING:
    from collections.abc import Callable

    from quart_trio import QuartTrio

    from distd.catalogue.reader import Reader


TEXT: Final = "text/plain; charset=utf-8"


class HealthRoutes:
    """`metrics()` gives the text of /metrics."""

    def __init__(self, reader: Reader, metrics: Callable[[], bytes]) -> None:
        self._reader = reader
        self._metrics = metrics

    def add_to(self, app: QuartTrio) -> None:
        """Add the routes."""

        @app.get("/metrics")
        @answers(content_type=CONTENT_TYPE_PLAIN_0_0_4)
        async def show_metrics() -> Response:
            """Counters for Prometheus; no name of a computer or package is in them."""
            return Response(self._metrics(), content_type=CONTENT_TYPE_PLAIN_0_0_4)

        @app.get("/healthz")
        @answers(content_type=TEXT)
        async def health() -> Response:
            """The process answers."""
            return Response("ok\n", content_type=TEXT)

        @app.get("/readyz")
        @answers(content_type=TEXT, problems=(503,))
        async def ready() -> Response:
            """The process answers, and so does its catalogue."""
            await self._reader.run(event_log.newest)
            return Response("ok\n", content_type=TEXT)
