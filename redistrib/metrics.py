"""`/metrics` of a mirror, made from its counts at each request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from prometheus_client.core import Metric

    from redistrib.download import Traffic
    from redistrib.status import MirrorCounts, MirrorState


class Metrics:
    """Of what agents were sent, of what was fetched for it, and of how far the mirror is."""

    def __init__(self, counts: MirrorCounts, traffic: Traffic, state: Callable[[], MirrorState]) -> None:
        self._counts = counts
        self._traffic = traffic
        self._state = state
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def render(self) -> bytes:
        """As Prometheus reads it."""
        return generate_latest(self._registry)

    def describe(self) -> Sequence[Metric]:
        """Nothing: what is collected describes itself."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now."""
        counts, traffic, state = self._counts, self._traffic, self._state()
        for name, text, number in (
            ("redistrib_fragments_sent", "fragments sent to agents and mirrors", counts.fragments_sent),
            ("redistrib_fragment_bytes_sent", "bytes of those", counts.sent_bytes),
            ("redistrib_hits", "fragments that were here when they were asked for", counts.hits),
            (
                "redistrib_misses",
                "fragments that were not here when they were asked for",
                counts.misses,
            ),
            ("redistrib_redirected", "requests that were sent elsewhere", counts.redirected),
            ("redistrib_healed", "bad files that were replaced", counts.healed),
            ("redistrib_fragments_fetched", "fragments fetched and verified", traffic.fragments),
            ("redistrib_bytes_fetched", "bytes of fragments received", traffic.received_bytes),
            ("redistrib_fetch_requests", "requests for fragments sent to other servers", traffic.requests),
        ):
            yield CounterMetricFamily(name, text, number)
        for name, text, number in (
            ("redistrib_connected", "1: the origin, or the source, answers", int(state.connected)),
            ("redistrib_packages", "packages that are here and verified", state.packages),
            ("redistrib_packages_wanted", "packages that should be here", state.wanted),
            ("redistrib_missing_bytes", "bytes of packages that are not here yet", state.missing_bytes),
        ):
            yield GaugeMetricFamily(name, text, number)
