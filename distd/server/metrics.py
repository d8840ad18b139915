"""`/metrics`: what this server counts, for Prometheus.

The lane counts plain numbers; once a second their growth is added to Prometheus's counters, so that it costs no request
anything. Several workers share a folder (prometheus-client's multiprocess mode; the library reads `FOLDER_VARIABLE`
when it is imported), so that each worker answers for all.
"""

from __future__ import annotations

import os
import resource
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import trio
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from distd import __version__
from distd.domain.conditions import ConditionKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from distd.lane.counters import Counts
    from distd.origin.mirrors.directory import MirrorDirectory
    from distd.server.progress import ProgressRecorder

FOLDER_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
PUBLISH_S: Final = 1.0
POST_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

# Name, label or "", meaning.
COUNTERS: Final = (
    ("distd_connections_accepted_total", "", "connections accepted"),
    ("distd_connections_handed_over_total", "", "connections whose request the lane does not answer: API, console"),
    ("distd_tls_handshakes_total", "", "TLS handshakes done"),
    ("distd_refused_total", "limit", "connections and requests refused, by the limit that was reached, or plain_http"),
    ("distd_requests_total", "status", "requests answered by the lane, by status"),
    ("distd_sent_bytes_total", "", "bytes sent by the lane, heads included"),
    ("distd_fragments_sent_total", "", "fragments sent to their end"),
    ("distd_fragment_bytes_sent_total", "", "bytes of those fragments"),
    ("distd_cpu_seconds_total", "", "CPU time of the serving processes, user and system"),
)
# Name, how the values of several processes are combined, meaning.
GAUGES: Final[tuple[tuple[str, Literal["livesum", "livemin"], str], ...]] = (
    ("distd_connections", "livesum", "connections open in the lane"),
    ("distd_paused_connections", "livesum", "connections that wait for bandwidth"),
    ("distd_resident_peak_bytes", "livesum", "the most memory that was resident, of all processes together"),
    ("distd_workers", "livesum", "serving processes"),
    ("distd_mirrors_alive", "livemin", "mirrors that are online"),
    ("distd_mirrors_ready", "livemin", "packages that these mirrors have verified, summed over the mirrors"),
)
CONDITIONS: Final = ("distd_conditions", "kind", "conditions that somebody should know of, by kind (distd notice list)")
POST_HISTOGRAM: Final = ("distd_post_seconds", "from an agent's POST to its reply")


@dataclass(frozen=True, slots=True)
class Sources:
    """What is published. `refused`: connections that the lane has handed over and that were refused then;
    `conditions()`: how many there are of each kind."""

    counts: Counts
    progress: ProgressRecorder
    directory: Callable[[], MirrorDirectory]
    refused: Mapping[str, int]
    conditions: Callable[[], Mapping[str, int]]


class Metrics:
    """Made once in a process. `observe_post(seconds)` records how long an agent waited for a reply."""

    def __init__(self) -> None:
        self._sources: Sources | None = None
        self._registry = CollectorRegistry()
        self._several = FOLDER_VARIABLE in os.environ
        self._counters = {
            name: Counter(name, text, [label] if label else [], registry=self._registry)
            for name, label, text in COUNTERS
        }
        self._gauges = {
            name: Gauge(name, text, registry=self._registry, multiprocess_mode=mode) for name, mode, text in GAUGES
        }
        name, label, text = CONDITIONS
        self._conditions = Gauge(name, text, [label], registry=self._registry, multiprocess_mode="livemax")
        self._published: dict[tuple[str, str], float] = {}
        Gauge("distd_info", "the version", ["version"], registry=self._registry, multiprocess_mode="livemax").labels(
            __version__
        ).set(1)
        name, text = POST_HISTOGRAM
        self.observe_post = Histogram(name, text, buckets=POST_SECONDS, registry=self._registry).observe

    async def run(self, sources: Sources) -> None:
        """Publish what these count, every second, for ever."""
        self._sources = sources
        while True:
            self.publish()
            await trio.sleep(PUBLISH_S)

    def render(self) -> bytes:
        """The text of /metrics: of all processes, and of this one as of now."""
        self.publish()
        if not self._several:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)

    def publish(self) -> None:
        """Add what was counted since the last time."""
        if self._sources is None:
            return
        for name, label, value in _counter_values(self._sources):
            counter = self._counters[name].labels(label) if label else self._counters[name]
            counter.inc(value - self._published.get((name, label), 0))
            self._published[name, label] = value
        for name, value in _gauge_values(self._sources).items():
            self._gauges[name].set(value)
        counts = self._sources.conditions()
        for kind in ConditionKind:
            self._conditions.labels(kind).set(counts.get(kind, 0))


def _counter_values(sources: Sources) -> Iterator[tuple[str, str, float]]:
    """Name, the label's value or "", and the total."""
    counts, progress = sources.counts, sources.progress
    yield "distd_connections_accepted_total", "", counts.accepted
    yield "distd_connections_handed_over_total", "", counts.handed_over
    yield "distd_tls_handshakes_total", "", counts.handshakes
    yield "distd_sent_bytes_total", "", counts.sent_bytes
    yield "distd_fragments_sent_total", "", progress.fragments_sent
    yield "distd_fragment_bytes_sent_total", "", progress.fragment_bytes_sent
    yield "distd_cpu_seconds_total", "", time.process_time()
    for status, number in counts.statuses.items():
        yield "distd_requests_total", str(status), number
    for limit, number in (*counts.refused.items(), *sources.refused.items()):
        yield "distd_refused_total", limit, number


def _gauge_values(sources: Sources) -> Mapping[str, float]:
    counts, directory = sources.counts, sources.directory()
    return {
        "distd_connections": counts.connections,
        "distd_paused_connections": counts.paused,
        "distd_resident_peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "distd_workers": 1,
        "distd_mirrors_alive": len(directory.online),
        "distd_mirrors_ready": sum(map(len, directory.ready.values())),
    }
