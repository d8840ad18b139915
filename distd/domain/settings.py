"""Every setting there is, as one table: name, type, default, what it means.

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
    """`name` is "section.key"; `low` and `high` bound an int, both inclusive."""

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
        if isinstance(self.default, bool):
            return "true or false"
        if isinstance(self.default, int):
            return f"a whole number from {self.low} to {self.high}"
        return "a text"

    def parse(self, value: object, where: str) -> Value:
        """`value` as this setting's type. It comes from TOML (typed) or from the outside (text).

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
        Setting("server.host", "localhost", "the name that INFO_LOC and PACK_LOC give to agents"),
        Setting("server.http", "0.0.0.0:8080", "where `distd serve` listens for HTTP"),
        Setting("server.https", "0.0.0.0:8443", "where `distd serve` listens for HTTPS"),
        Setting("download.on", True, "agents may download"),
        Setting("download.frag_latency_s", 15, "pause after each fragment", high=86_400),
        Setting("download.cycle_latency_s", 15, "pause after each cycle", high=86_400),
        Setting("download.period_latency_s", 15, "pause after each period", high=86_400),
        Setting("download.period_length", 10, "cycles in a period", low=1, high=1000),
        Setting("download.timeout_days", 30, "an agent gives a package up after so long", low=1, high=3650),
        Setting("download.execution_timeout_min", 120, "a Windows agent ends a command then", low=1, high=44_640),
        Setting("agents.prolog_freq_h", 24, "hours between an agent's contacts", low=1, high=8760),
        Setting("agents.inventory_freq_days", 0, "0: at every contact, -1: only the first", low=-1, high=3650),
        Setting("limits.head_bytes", 16_384, "the head of an HTTP request", low=1024, high=1_048_576),
        Setting("limits.body_bytes", 4_194_304, "the body of a POST, as sent", low=1024, high=1_073_741_824),
        Setting("limits.inflated_bytes", 33_554_432, "the XML of a POST, inflated", low=4096, high=1_073_741_824),
        Setting("limits.head_timeout_s", 20, "for the whole head of a request to come", low=1, high=3600),
        Setting("limits.idle_timeout_s", 75, "without a request, or taking no bytes", low=1, high=86_400),
        Setting("limits.connections", 20_000, "connections in all", low=1, high=1_000_000),
        Setting("limits.connections_per_address", 0, "connections of one address (think of NAT); 0: any number"),
        Setting("limits.heads_per_s_per_address", 0, "requests a second of one address; 0: any number"),
        Setting("limits.waiting_posts", 4096, "POSTs of agents that wait for the catalogue", low=1, high=1_000_000),
        Setting("limits.upload_mib", 20_480, "MiB of a file that an operator uploads", low=1),
        Setting("limits.drain_s", 10, "for what is being sent to be finished when the server stops", high=3600),
        Setting("bandwidth.rules", "", "limits such as `2MB/s mon-fri 8-18; 500kB/s 10.1.0.0/16; 64kB/s each`"),
        Setting("store.quota_mib", 0, "MiB of fragments, each counted once; 0: as much as the disk holds"),
        Setting("store.keep_free_mib", 256, "MiB of the disk that no build may take"),
        Setting("mirrors.via", "steer", "how agents come to mirrors: `direct`, `steer` (a 302 a fragment) or `origin`"),
        Setting("mirrors.wave", 20, "mirrors that begin at once to fetch what is new", low=1, high=100_000),
        Setting("mirrors.wave_pause_s", 5, "before the next ones begin", high=86_400),
        Setting("redistrib.connections", 4, "that a mirror fetches over at once", low=1, high=64),
        Setting("redistrib.wait_s", 20, "an agent waits for a fragment that a mirror is fetching", low=1, high=170),
        Setting("redistrib.poll_s", 60, "between two looks at a server that tells of no events", low=1, high=86_400),
        Setting("redistrib.scrub_mib_per_s", 8, "a mirror hashes again what it holds; 0: never"),
        Setting("events.keep", 1_000_000, "events kept in the log; the oldest go first", low=1000),
    )
}


class Settings:
    """The values in force. `settings["download.frag_latency_s"]`; unknown names are a bug and raise `KeyError`."""

    def __init__(self, values: Mapping[str, Value] | None = None) -> None:
        self._values = dict(values or {})

    def __getitem__(self, name: str) -> Any:
        return self._values[name] if name in self._values else TABLE[name].default

    @property
    def download(self) -> DownloadConfig:
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
    """Settings from a parsed file called `name`, the environment and `--set`, the later over the earlier.

    Raises `BadInput` for a name that is in no row of the table, or a value that does not fit.
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
        raise BadInput(where, "a setting of the table", name, "see distd/docs/reference/settings.md")
    return TABLE[name]
