"""All settings in one table: name, type, default, meaning.

A value comes, in this order, from `--set section.name=value`, from the environment
(`DISTD_SECTION_NAME=value`), from `distd.toml`, from the default here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from distd.domain.errors import BadInput
from distd.domain.records import DownloadConfig

Value = bool | int | str


@dataclass(frozen=True, slots=True)
class Setting:
    """A row of the table. `name` is "section.key"; `low` and `high` are the limits of an int, both included."""

    name: str
    default: Value
    meaning: str
    low: int = 0
    high: int = 2**31 - 1

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return "DISTD_" + self.name.replace(".", "_").upper()

    @property
    def expected(self) -> str:
        """What a value must be, for error messages."""
        if isinstance(self.default, bool):
            return "true or false"
        if isinstance(self.default, int):
            return f"a whole number from {self.low} to {self.high}"
        return "a text"

    def parse(self, value: object, where: str) -> Value:
        """`value` in the type of this setting. It comes from TOML (typed), or is a text.

        Raises `BadInput` that names `where` it stood.
        """
        parsed: Value | None
        if isinstance(self.default, bool):
            parsed = value if isinstance(value, bool) else _BOOLEANS.get(str(value).lower())
        elif isinstance(self.default, int):
            parsed = _whole_number(value, self.low, self.high)
        else:
            parsed = value if isinstance(value, str) else None
        if parsed is None:
            raise BadInput(where, self.expected, value)
        return parsed


_BOOLEANS = {"true": True, "on": True, "yes": True, "1": True, "false": False, "off": False, "no": False, "0": False}


def _whole_number(value: object, low: int, high: int) -> int | None:
    if isinstance(value, bool):
        return None
    try:
        number = int(str(value))
    except ValueError:
        return None
    return number if low <= number <= high else None


TABLE: Mapping[str, Setting] = {
    setting.name: setting
    for setting in (
        Setting("server.host", "localhost", "the name of this server in INFO_LOC and PACK_LOC"),
        Setting("server.http", "0.0.0.0:8080", "where `distd serve` listens for HTTP"),
        Setting("server.https", "0.0.0.0:8443", "where `distd serve` listens for HTTPS"),
        Setting("download.on", True, "agents may download"),
        Setting("download.frag_latency_s", 15, "seconds of pause after each fragment", high=86_400),
        Setting("download.cycle_latency_s", 15, "seconds of pause after each cycle", high=86_400),
        Setting("download.period_latency_s", 15, "seconds of pause after each period", high=86_400),
        Setting("download.period_length", 10, "cycles in a period", low=1, high=1000),
        Setting("download.timeout_days", 30, "days after which an agent gives up a package", low=1, high=3650),
        Setting(
            "download.execution_timeout_min",
            120,
            "minutes after which a Windows agent ends a command",
            low=1,
            high=44_640,
        ),
        Setting("agents.prolog_freq_h", 24, "hours between two contacts of an agent", low=1, high=8760),
        Setting("agents.inventory_freq_days", 0, "0: at every contact, -1: only the first", low=-1, high=3650),
        Setting("limits.head_bytes", 16_384, "bytes of the head of an HTTP request", low=1024, high=1_048_576),
        Setting("limits.body_bytes", 4_194_304, "bytes of the body of a POST, as sent", low=1024, high=1_073_741_824),
        Setting(
            "limits.inflated_bytes", 33_554_432, "bytes of the XML of a POST, inflated", low=4096, high=1_073_741_824
        ),
        Setting(
            "limits.head_timeout_s", 20, "seconds within which the head of a request must be complete", low=1, high=3600
        ),
        Setting(
            "limits.idle_timeout_s",
            75,
            "seconds without a request, or without taking bytes, until a connection is closed",
            low=1,
            high=86_400,
        ),
        Setting("limits.connections", 20_000, "connections in total", low=1, high=1_000_000),
        Setting("limits.connections_per_address", 0, "connections of one address (remember NAT); 0: no limit"),
        Setting("limits.heads_per_s_per_address", 0, "requests a second of one address; 0: no limit"),
        Setting("limits.waiting_posts", 4096, "POSTs of agents that may wait for the database", low=1, high=1_000_000),
        Setting("limits.upload_mib", 20_480, "MiB of a file that an operator uploads", low=1),
        Setting("limits.drain_s", 10, "seconds for transfers to end when the server stops", high=3600),
        Setting("bandwidth.rules", "", "limits such as `2MB/s mon-fri 8-18; 500kB/s 10.1.0.0/16; 64kB/s each`"),
        Setting("store.quota_mib", 0, "MiB of fragments, each counted once; 0: no limit but the disk"),
        Setting("store.keep_free_mib", 256, "MiB of the disk that must stay free"),
        Setting(
            "mirrors.via",
            "steer",
            "from where agents fetch: mirrors (`direct`, or `steer`: by a redirect for each fragment) or `origin`",
        ),
        Setting("mirrors.wave", 20, "mirrors that fetch a new package at the same time", low=1, high=100_000),
        Setting("mirrors.wave_pause_s", 5, "seconds before the next mirrors begin", high=86_400),
        Setting("redistrib.connections", 4, "parallel connections of a mirror to its source", low=1, high=64),
        Setting(
            "redistrib.wait_s",
            20,
            "seconds that an agent waits for a fragment that a mirror is fetching",
            low=1,
            high=170,
        ),
        Setting(
            "redistrib.poll_s", 60, "seconds between two looks at a server without an event stream", low=1, high=86_400
        ),
        Setting("redistrib.scrub_mib_per_s", 8, "MiB a second that a mirror checks of its files; 0: never"),
        Setting("events.keep", 1_000_000, "events that the log keeps; the oldest are removed first", low=1000),
    )
}


class Settings:
    """The values in force. `settings["download.frag_latency_s"]`; an unknown name is a bug and raises `KeyError`."""

    def __init__(self, values: Mapping[str, Value] | None = None) -> None:
        self._values = dict(values or {})

    def __getitem__(self, name: str) -> Any:
        return self._values[name] if name in self._values else TABLE[name].default

    @property
    def download(self) -> DownloadConfig:
        """The settings that agents get in the CONF line of a PROLOG reply."""
        return DownloadConfig(
            on=self["download.on"],
            frag_latency_s=self["download.frag_latency_s"],
            cycle_latency_s=self["download.cycle_latency_s"],
            period_latency_s=self["download.period_latency_s"],
            period_length=self["download.period_length"],
            timeout_days=self["download.timeout_days"],
            execution_timeout_min=self["download.execution_timeout_min"],
        )


def load(
    file: Mapping[str, Any], environment: Mapping[str, str], overrides: Mapping[str, str], name: str = "distd.toml"
) -> Settings:
    """Settings from a parsed file called `name`, the environment and `--set`; the later ones take precedence.

    Raises `BadInput` for a name that is not in the table, or a value that is not allowed.
    """
    values: dict[str, Value] = {}
    for section, content in file.items():
        if not isinstance(content, Mapping):
            raise BadInput(f"{name}: {section}", "a [section]", content)
        for key, value in content.items():
            full, where = f"{section}.{key}", f"{name}: {section}.{key}"
            values[full] = _row(full, where).parse(value, where)
    for setting in TABLE.values():
        if setting.variable in environment:
            values[setting.name] = setting.parse(environment[setting.variable], setting.variable)
    for full, text in overrides.items():
        values[full] = _row(full, f"--set {full}").parse(text, f"--set {full}")
    return Settings(values)


def _row(name: str, where: str) -> Setting:
    if name not in TABLE:
        raise BadInput(where, "the name of a setting", name, "see distd/docs/reference/settings.md")
    return TABLE[name]
