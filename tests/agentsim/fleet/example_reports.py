"""Shards of five agents, the messages in which they report, and the report of two of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentsim.fleet import thresholds
from agentsim.fleet.counters import Kind, ShardCounters, State
from agentsim.fleet.messages import PackageCounters, Transfers
from agentsim.fleet.options import FleetOptions
from agentsim.fleet.totals import FleetTotals
from agentsim.report import load_report
from distd.domain.records import Dialect

if TYPE_CHECKING:
    from agentsim.fleet.messages import ShardMessage

OPTIONS = FleetOptions("https://h/ocsinventory", "", 10, dialects={Dialect.UNIX: 1.0}, time_scale=10)


def shard_counters(agents: int = 5, done: int = 3) -> ShardCounters:
    """A shard in which `done` agents have their package, and another request for a fragment failed."""
    shard = ShardCounters(agents)
    shard.packages["17"] = PackageCounters(5, 4)
    shard.places["localhost:80"] = Transfers()
    shard.settings = {"frag_latency_s": 1, "cycle_latency_s": 1, "period_latency_s": 1, "period_length": 10,
                "prolog_freq_h": 24}  # fmt: skip
    for number in range(agents):
        shard.move(State.AWAITED, State.DOWNLOADING)
        shard.contacts_s.append(number * 0.1)
        shard.latencies_s[Kind.PROLOG].append(0.01)
        shard.packages["17"].listed += 1
    for number in range(done):
        shard.latencies_s[Kind.FRAGMENT] += [0.001, 0.002, 0.004, 0.1]
        shard.packages["17"].fragments += 4
        shard.packages["17"].bytes += 4000
        shard.packages["17"].good += 1
        shard.packages["17"].done_s.append(2.0 + number)
        shard.finished_s.append(2.0 + number)
        shard.places["localhost:80"].fragments += 4
        shard.places["localhost:80"].bytes += 4000
        shard.results["SUCCESS"] += 1
        shard.move(State.DOWNLOADING, State.DONE)
    shard.latencies_s[Kind.FRAGMENT].append(0.002)
    shard.errors["fragment", "timed out"] += 1
    return shard


def message(shard: ShardCounters, at_s: float = 1.0, received_bytes: int = 5000) -> ShardMessage:
    message = shard.message(at_s, received_bytes=received_bytes, connections=(2, 9, 1), busy=1)
    message.memory_bytes = 1000
    return message


def report_of(totals: FleetTotals | None = None, options: FleetOptions = OPTIONS) -> dict[str, Any]:
    if totals is None:
        totals = FleetTotals(10)
        totals.add("a", message(shard_counters()))
        totals.add("b", message(shard_counters(done=5)))
    goals = [thresholds.read("success>=90%"), thresholds.read("fragment_p99<1s")]
    return load_report.as_json(options, totals, goals, {"began": "now"})
