"""`/metrics` of a mirror: read when somebody asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from prometheus_client.core import Metric

    from redistrib.fetcher import Traffic
    from redistrib.reporter import Counts, Standing


class Metrics:
    """Of what agents were sent, of what was fetched for it, and of how far the mirror is."""

    def __init__(self, counts: Counts, traffic: Traffic, standing: Callable[[], Standing]) -> None:
        self._counts = counts
        self._traffic = traffic
        self._standing = standing
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def render(self) -> bytes:
        return generate_latest(self._registry)

    def describe(self) -> Sequence[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        counts, traffic, standing = self._counts, self._traffic, self._standing()
        for name, text, number in (
            ("redistrib_fragments_sent", "fragments sent to agents and mirrors", counts.fragments_sent),
            ("redistrib_fragment_bytes_sent", "bytes of those", counts.sent_bytes),
            ("redistrib_hits", "fragments that were there when they were asked for", counts.hits),
            ("redistrib_misses", "those that had to be fetched first, or were had elsewhere", counts.misses),
            ("redistrib_redirected", "requests that were sent elsewhere", counts.redirected),
            ("redistrib_healed", "bad files that were made good", counts.healed),
            ("redistrib_fragments_fetched", "fragments fetched and verified", traffic.fragments),
            ("redistrib_bytes_fetched", "bytes of fragments that came", traffic.received_bytes),
            ("redistrib_fetch_requests", "requests for fragments that were sent upstream", traffic.requests),
        ):
            yield CounterMetricFamily(name, text, number)
        for name, text, number in (
            ("redistrib_connected", "1: the origin, or the source, answers", int(standing.connected)),
            ("redistrib_packages", "packages that are here and verified", standing.packages),
            ("redistrib_packages_wanted", "packages that should be here", standing.wanted),
            ("redistrib_missing_bytes", "bytes of packages that are not here yet", standing.missing_bytes),
        ):
            yield GaugeMetricFamily(name, text, number)
