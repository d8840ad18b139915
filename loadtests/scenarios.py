"""The scenarios, as data. `loadtests.scenario` runs them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.programs.origin_server import PackageSource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KB, MB = 1000, 1_000_000


@dataclass(frozen=True, slots=True)
class Scenario:
    """`agents` agents against a server with `settings` and `mirrors`.

    `options` and `thresholds` are those of `agentsim load`; where there are mirrors, agents must receive fragments from
    them only. `lost_after_s`: the first mirror is killed so long after its first fragment. `changed`: the fleet deploys
    a second version of the first package, of whose files this share was changed. `small`: fields that are different in
    `make test`.
    """

    name: str
    proves: str
    agents: int
    packages: tuple[PackageSource, ...]
    thresholds: tuple[str, ...]
    options: tuple[str, ...] = ()
    settings: Mapping[str, object] = field(default_factory=dict)
    workers: int = 1
    mirrors: int = 0
    lost_after_s: float = 0.0
    changed: float = 0.0
    small: Mapping[str, Any] = field(default_factory=dict)


ALL_WELL: Final = ("success>=100%", "lost==0", "bad==0", "errors==0")
# No inventories: the server knows the fleet already.
NO_INVENTORIES: Final = {"agents.inventory_freq_days": -1}
CDC: Final = ("--chunking", "cdc", "--fragment-size", "32KiB")

_ROWS: Final[Sequence[Scenario]] = (
    Scenario(
        name="class",
        proves="A class of 30 computers deploys one small package under the usual latencies, sped up.",
        agents=30,
        packages=(PackageSource("editor", 252 * KB),),
        thresholds=(*ALL_WELL, "fragment_p99<200ms"),
        options=("--time-scale", "60", "--verify", "100%"),
        settings=NO_INVENTORIES,
        small={"thresholds": ALL_WELL, "options": ("--time-scale", "600", "--verify", "100%")},
    ),
    Scenario(
        name="site",
        proves="2,000 computers of three dialects deploy 3 packages of different priorities through 2 mirrors.",
        agents=2000,
        packages=(
            PackageSource("urgent", 200 * KB, 1),
            PackageSource("office", 2 * MB, 5, ("--fragment-size", "256KiB")),
            PackageSource("fonts", 500 * KB, 10),
        ),
        thresholds=(*ALL_WELL, "fragment_p99<500ms"),
        options=(
            *("--dialect", "windows=7", "--dialect", "unix=2", "--dialect", "native=1"),
            *("--arrival", "window=2h", "--time-scale", "60", "--verify", "10%"),
        ),
        settings=NO_INVENTORIES | {"mirrors.via": "steer"},
        mirrors=2,
        small={
            "agents": 60,
            "thresholds": ALL_WELL,
            "options": (
                *("--dialect", "windows=7", "--dialect", "unix=2", "--dialect", "native=1"),
                *("--arrival", "window=1h", "--time-scale", "600", "--verify", "100%"),
            ),
        },
    ),
    Scenario(
        name="storm",
        proves="20,000 computers make their contact within a minute, and all are answered.",
        agents=20_000,
        packages=(PackageSource("patch", 60 * KB, 1),),
        # Latencies count from when a contact was due. Measured: 0.7 s, and 71 s of which the window is 60.
        thresholds=(*ALL_WELL, "prolog_p100<10s", "finish_p100<2min"),
        options=("--arrival", "window=1min", "--processes", "1"),
        settings=NO_INVENTORIES | {f"download.{name}_latency_s": 5 for name in ("frag", "cycle", "period")},
        small={
            "agents": 400,
            "thresholds": ALL_WELL,
            "options": ("--arrival", "window=2s"),
            "settings": NO_INVENTORIES | {f"download.{name}_latency_s": 1 for name in ("frag", "cycle", "period")},
        },
    ),
    Scenario(
        name="thin-line",
        proves="200 computers behind a line of 2 MB/s all deploy 2 MB, and the line is kept to.",
        agents=200,
        packages=(PackageSource("tool", 2 * MB, 5, ("--fragment-size", "128KiB")),),
        thresholds=(*ALL_WELL, "bytes_per_s<=2.1MB/s"),
        options=("--arrival", "window=30min", "--time-scale", "20", "--verify", "100%"),
        settings=NO_INVENTORIES | {"bandwidth.rules": "2MB/s 127.0.0.0/8"},
        small={
            "agents": 20,
            "packages": (PackageSource("tool", 400 * KB, 5, ("--fragment-size", "64KiB")),),
            "options": ("--arrival", "window=10min", "--time-scale", "600", "--verify", "100%"),
        },
    ),
    Scenario(
        name="mirror-lost",
        proves="One of two mirrors is killed in the middle; every computer ends with its package all the same.",
        agents=500,
        packages=(PackageSource("suite", 4 * MB, 3, ("--fragment-size", "128KiB")),),
        thresholds=("success>=100%", "lost==0", "bad==0"),
        options=("--arrival", "window=20min", "--time-scale", "60", "--verify", "100%"),
        settings=NO_INVENTORIES | {"mirrors.via": "steer"},
        mirrors=2,
        lost_after_s=15.0,
        small={
            "agents": 40,
            "packages": (PackageSource("suite", 1 * MB, 3, ("--fragment-size", "64KiB")),),
            "options": ("--arrival", "window=20min", "--time-scale", "300", "--verify", "100%"),
            "lost_after_s": 2.0,
        },
    ),
    Scenario(
        name="update",
        proves="Version 2 of a package with 5 % of its files changed: mirrors fetch little, computers deploy it whole.",
        agents=300,
        packages=(PackageSource("suite", 40 * MB, 1, CDC),),
        thresholds=ALL_WELL,
        options=("--arrival", "window=5min", "--time-scale", "300", "--verify", "10%"),
        settings=NO_INVENTORIES | {"mirrors.via": "direct"},
        mirrors=2,
        changed=0.05,
        small={
            "agents": 20,
            "packages": (PackageSource("suite", 4 * MB, 1, CDC),),
            "options": ("--arrival", "window=1min", "--time-scale", "1000", "--verify", "100%"),
        },
    ),
    Scenario(
        name="soak",
        proves="1,000 computers come and fetch, again and again, for an hour: nothing fails, the server does not grow.",
        agents=1000,
        packages=(PackageSource("suite", 8 * MB, 5, ("--fragment-size", "4KiB")), PackageSource("fonts", 200 * KB, 1)),
        thresholds=(*ALL_WELL, "prolog_p99<1s"),
        options=("--arrival", "window=2h", "--time-scale", "60", "--duration", "1h", "--verify", "10%"),
        settings=NO_INVENTORIES | {"agents.prolog_freq_h": 2},
        small={
            "agents": 50,
            "thresholds": ALL_WELL,
            "packages": (
                PackageSource("suite", 200 * KB, 5, ("--fragment-size", "8KiB")),
                PackageSource("fonts", 200 * KB, 1),
            ),
            "options": ("--arrival", "window=2h", "--time-scale", "1200", "--duration", "15s", "--verify", "10%"),
        },
    ),
)
TABLE: Final[Mapping[str, Scenario]] = {scenario.name: scenario for scenario in _ROWS}
