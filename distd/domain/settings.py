"""All settings, a record for each section: name, type, default, limits and meaning stand at the field, once.

A value comes, in this order, from `--set section.name=value`, from the environment (`DISTD_SECTION_NAME=value`), from
`distd.toml`, from the default here. The unit is in the name. Which of them it was is kept (`Settings.origins`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from distd.domain import bandwidth
from distd.domain.database_url import check_database_url
from distd.domain.duplicates import DuplicateReason
from distd.domain.errors import BadInput
from distd.domain.mirror_rules import Via, parse_networks
from distd.domain.notice_settings import NO_NOTICES, NoticeSettings  # noqa: TC001 - `SECTIONS` looks at the fields
from distd.domain.setting import Setting
from distd.domain.setting import setting as _setting
from distd.domain.sign_in_settings import NO_SIGN_IN, SignInSettings  # noqa: TC001 - `SECTIONS` looks at the fields
from distd.domain.watched_source import read_folders

if TYPE_CHECKING:
    from dataclasses import Field

    from distd.domain.setting import Value

DEFAULT: Final = "default"
OTHER_VARIABLES: Final = frozenset(  # no settings, but ours
    {
        *("DISTD_DATA", "DISTD_SOCKETS", "DISTD_DEVELOPMENT"),
        *("DISTD_SERVER", "DISTD_TOKEN", "DISTD_OPERATOR", "DISTD_PASSWORD", "DISTD_CA"),
        *("DISTD_WEBHOOK_SECRET", "DISTD_MAIL_PASSWORD"),
    }
)


def _check_address(text: str, where: str) -> None:
    host, colon, port = text.rpartition(":")
    if not (host and colon and port.isdecimal() and len(port) <= 5 and int(port) <= 65_535):
        raise BadInput(where, "HOST:PORT", text)


def _check_host(text: str, where: str) -> None:
    if not text or not text.isprintable() or set(text) & set(" /?#@"):
        raise BadInput(where, "a host name or an address", text)


def _check_networks(text: str, where: str) -> None:
    try:
        parse_networks(text.split())
    except BadInput as error:
        raise BadInput(where, error.expected, error.got, error.hint) from None


def _check_realm(text: str, where: str) -> None:
    if not text or not text.isascii() or not text.isprintable() or set(text) & {'"', "\\"}:
        raise BadInput(where, "printable ASCII without quotes and backslashes", text)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where the server is."""

    host: str = _setting("localhost", "the name of this server in INFO_LOC and PACK_LOC", check=_check_host)
    http: str = _setting("0.0.0.0:8080", "where `distd serve` listens for HTTP", check=_check_address, restart=True)
    https: str = _setting("0.0.0.0:8443", "where `distd serve` listens for HTTPS", check=_check_address, restart=True)


@dataclass(frozen=True, slots=True)
class DownloadConfig:
    """How agents download: what they get in the CONF line of a PROLOG reply."""

    on: bool = _setting(True, "agents may download")
    frag_latency_s: int = _setting(15, "seconds of pause after each fragment", high=86_400)
    cycle_latency_s: int = _setting(15, "seconds of pause after each cycle", high=86_400)
    period_latency_s: int = _setting(15, "seconds of pause after each period", high=86_400)
    period_length: int = _setting(10, "cycles in a period", low=1, high=1000)
    timeout_days: int = _setting(30, "days after which an agent gives up a package", low=1, high=3650)
    execution_timeout_min: int = _setting(120, "minutes after which a Windows agent ends a command", low=1, high=44_640)


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """How often agents come."""

    prolog_freq_h: int = _setting(24, "hours between two contacts of an agent", low=1, high=8760)
    inventory_freq_days: int = _setting(0, "0: at every contact, -1: only the first", low=-1, high=3650)
    keep_document_kib: int = _setting(
        64,
        "KiB of an inventory's document, deflated, up to which it is kept as it was sent; 0: never",
        high=65_536,
        restart=True,
    )
    token_extra_days: int = _setting(
        30, "days beyond download.timeout_days for which the paths that an agent was told name it", low=1, high=3650
    )
    login_networks: str = _setting(
        "",
        "networks whose agents must log in by HTTP Basic, with spaces between; 0.0.0.0/0: all",
        check=_check_networks,
    )
    login_tags: str = _setting("", "TAGs whose computers' agents must log in by HTTP Basic, with commas between")
    login_realm: str = _setting("distd", "the realm of that log-in: --realm of the agents", check=_check_realm)
    native_keys: bool = _setting(False, "distd's own agents must have a key (distd/docs/guide/agents.md)")
    new_per_address: int = _setting(2000, "new DEVICEIDs of one address within an hour (not of 127.0.0.1); 0: no limit")
    new_per_network: int = _setting(20_000, "new DEVICEIDs of one network, /16 or /48, within an hour; 0: no limit")
    max_computers: int = _setting(500_000, "computers in all, beyond which no new DEVICEID is taken; 0: no limit")
    new_software_per_day: int = _setting(
        500_000, "new names or versions of software that are taken in a day, one address a fifth of it; 0: no limit"
    )
    waiting_room: bool = _setting(False, "new computers get no packages until `distd computer admit`")
    forget_days: int = _setting(90, "days until a computer is deleted that came once only; 0: never", restart=True)
    trust_history: bool = _setting(
        False, "an agent's history counts as proven in its first inventory, and for imported packages (a site of OCS)"
    )


@dataclass(frozen=True, slots=True)
class ComputerSettings:
    """Which DEVICEIDs are one computer."""

    merge_by: str = _setting(
        "off",
        "merge a computer that is silent into a newer one with the same serial number, MAC or name "
        "(anybody can send another's)",
        choices=("off", *DuplicateReason),
        restart=True,
    )
    merge_after_h: int = _setting(24, "hours of silence before that", low=1, high=87_600, restart=True)


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """What peers may take."""

    head_bytes: int = _setting(16_384, "bytes of the head of an HTTP request", low=1024, high=1_048_576)
    large_body_bytes_per_s_per_address: int = _setting(
        8_388_608, "bytes a second of POSTs of more than 64 KiB", low=65_536
    )
    body_bytes: int = _setting(4_194_304, "bytes of the body of a POST, as sent", low=1024, high=1_073_741_824)
    inflated_bytes: int = _setting(
        4_194_304, "bytes of the XML of a POST, inflated", low=4096, high=1_073_741_824, restart=True
    )
    inflation_ratio: int = _setting(
        50, "how many times as large as its body the XML of a POST may be", low=10, high=1032, restart=True
    )
    head_timeout_s: int = _setting(20, "seconds within which the head of a request must be complete", low=1, high=3600)
    idle_timeout_s: int = _setting(
        75, "seconds without a request, or without taking bytes, until a connection is closed", low=1, high=86_400
    )
    connections: int = _setting(20_000, "connections in total", low=1, high=1_000_000)
    connections_per_address: int = _setting(0, "connections of one address (remember NAT); 0: no limit")
    heads_per_s_per_address: int = _setting(0, "requests a second of one address; 0: no limit")
    web_connections: int = _setting(1000, "connections for API and console; as many for mirrors", low=16, high=100_000)
    web_connections_per_address: int = _setting(
        64, "of these, connections of one address (IPv6: of one /64)", low=1, high=100_000
    )
    web_requests_per_s_per_address: int = _setting(
        20,
        "requests a second for API and console of an address without a log-in lately; ten times as many with one",
        low=1,
    )
    event_streams: int = _setting(64, "event streams that operators have open at the same time", low=1, high=10_000)
    event_streams_per_operator: int = _setting(8, "of these, streams of one operator", low=1, high=10_000)
    login_pause_ms: int = _setting(
        250,
        "milliseconds, at most, that a password waits after wrong ones from its address or for its name",
        high=60_000,
    )
    waiting_posts: int = _setting(
        4096, "POSTs of agents that may wait for the database", low=1, high=1_000_000, restart=True
    )
    waiting_posts_mib: int = _setting(
        32, "MiB that the bodies of these POSTs may take", low=1, high=65_536, restart=True
    )
    upload_mib: int = _setting(20_480, "MiB of a file that an operator uploads", low=1)
    jobs: int = _setting(
        1,
        "packages that are built or verified for the API at the same time, each by a process of its own",
        low=1,
        high=64,
    )
    drain_s: int = _setting(10, "seconds for transfers to end when the server stops", high=3600, restart=True)


@dataclass(frozen=True, slots=True)
class BandwidthSettings:
    """How fast fragments are sent."""

    rules: str = _setting(
        "",
        "limits such as `2MB/s mon-fri 8-18; 500kB/s 10.1.0.0/16; 64kB/s each`",
        check=bandwidth.parse,
    )


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """What fragments may take of the disk."""

    quota_mib: int = _setting(0, "MiB of fragments, each counted once; 0: no limit but the disk")
    keep_free_mib: int = _setting(256, "MiB of the disk that must stay free")


@dataclass(frozen=True, slots=True)
class MirrorSettings:
    """How redistribution servers are used."""

    via: str = _setting(
        "steer",
        "from where agents fetch: mirrors (`direct`, or `steer`: by a redirect for each fragment) or `origin`",
        choices=tuple(Via),
    )
    wave: int = _setting(20, "mirrors that fetch a new package at the same time", low=1, high=100_000, restart=True)
    wave_pause_s: int = _setting(5, "seconds before the next mirrors begin", high=86_400, restart=True)
    certificate_days: int = _setting(
        30, "days for which a mirror's certificate is valid; mirrors renew theirs in time", low=1, high=3650
    )


@dataclass(frozen=True, slots=True)
class RedistribSettings:
    """How a redistribution server works."""

    connections: int = _setting(4, "parallel connections of a mirror to its source", low=1, high=64, restart=True)
    wait_s: int = _setting(
        20, "seconds that an agent waits for a fragment that a mirror is fetching", low=1, high=170, restart=True
    )
    poll_s: int = _setting(
        60, "seconds between two looks at a server without an event stream", low=1, high=86_400, restart=True
    )
    package_mib: int = _setting(
        20_480, "MiB of a package that a mirror copies from a server without an event stream", low=1, restart=True
    )
    scrub_mib_per_s: int = _setting(8, "MiB a second that a mirror checks of its files; 0: never", restart=True)


@dataclass(frozen=True, slots=True)
class CatalogueSettings:
    """Where the database is."""

    url: str = _setting(
        "",
        "the database: `postgresql://USER@HOST/NAME`; empty: the SQLite file of the data directory",
        check=check_database_url,
        restart=True,
    )
    password_file: str = _setting(
        "", "a file with the password of its user; empty: PGPASSWORD or `~/.pgpass`", restart=True
    )
    ca_file: str = _setting(
        "", "a file with the CAs that may sign its server's certificate; empty: those of the system", restart=True
    )


@dataclass(frozen=True, slots=True)
class EventSettings:
    """What is kept of the past."""

    keep: int = _setting(1_000_000, "events that the log keeps; the oldest are removed first", low=1000, restart=True)
    progress_s: int = _setting(5, "seconds between two events about what was sent of a package", low=1, high=3600)


@dataclass(frozen=True, slots=True)
class RolloutSettings:
    """How roll-outs go on."""

    step_s: int = _setting(15, "seconds between two looks at each roll-out that goes on", low=1, high=3600)


@dataclass(frozen=True, slots=True)
class ConsoleSettings:
    """The console's."""

    idle_h: int = _setting(8, "hours after which who has not used the console must sign in again", low=1, high=168)


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """Sources that are watched for new versions."""

    folders: str = _setting(
        "",
        "folders of this machine whose files may be watched, from / on, with colons between; empty: URLs only",
        check=read_folders,
    )
    ca: str = _setting("", "a file with the CAs of https servers, PEM, from the data directory on; empty: the system's")
    max_mib: int = _setting(20_480, "MiB of a source", low=1)
    timeout_s: int = _setting(3600, "seconds that fetching a new version may take", low=10, high=86_400)


@dataclass(frozen=True, slots=True)
class Settings:
    """The values in force. `origins` says of those that are not defaults where they come from: "--set", the variable,
    the file."""

    server: ServerSettings = ServerSettings()
    download: DownloadConfig = DownloadConfig()
    agents: AgentSettings = AgentSettings()
    computers: ComputerSettings = ComputerSettings()
    limits: LimitSettings = LimitSettings()
    bandwidth: BandwidthSettings = BandwidthSettings()
    store: StoreSettings = StoreSettings()
    mirrors: MirrorSettings = MirrorSettings()
    redistrib: RedistribSettings = RedistribSettings()
    events: EventSettings = EventSettings()
    rollouts: RolloutSettings = RolloutSettings()
    console: ConsoleSettings = ConsoleSettings()
    catalogue: CatalogueSettings = CatalogueSettings()
    sign_in: SignInSettings = NO_SIGN_IN
    sources: SourceSettings = SourceSettings()
    notices: NoticeSettings = NO_NOTICES
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)

    def value(self, name: str) -> Value:
        """The value of the setting "section.key"."""
        section, _, key = name.partition(".")
        found: Value = getattr(getattr(self, section), key)
        return found

    def origin(self, name: str) -> str:
        """Where the value of the setting "section.key" comes from."""
        return self.origins.get(name, DEFAULT)


def _row_of(section: str, key: Field[Any]) -> Setting:
    default: Any = key.default
    return Setting(f"{section}.{key.name}", default, **key.metadata)


SECTIONS: Final[Mapping[str, type[Any]]] = {
    section.name: type(section.default) for section in fields(Settings) if section.name != "origins"
}
TABLE: Final[Mapping[str, Setting]] = {
    f"{section}.{key.name}": _row_of(section, key) for section, record in SECTIONS.items() for key in fields(record)
}


def settings_of(values: Mapping[str, Value], origins: Mapping[str, str] | None = None) -> Settings:
    """The settings with these values, by "section.key"; all others are the defaults."""
    of_section: dict[str, dict[str, Value]] = {section: {} for section in SECTIONS}
    for name, value in values.items():
        section, _, key = name.partition(".")
        of_section[section][key] = value
    records: dict[str, Any] = {section: record(**of_section[section]) for section, record in SECTIONS.items()}
    return Settings(**records, origins=dict(origins or {}))


def load(
    file: Mapping[str, Any], environment: Mapping[str, str], overrides: Mapping[str, str], name: str = "distd.toml"
) -> Settings:
    """Settings from a parsed file called `name`, the environment and `--set`; the later ones take precedence.

    Raises `BadInput` for a name that is not in the table, or a value that is not allowed.
    """
    values: dict[str, Value] = {}
    origins: dict[str, str] = {}
    for section, content in file.items():
        if not isinstance(content, Mapping):
            raise BadInput(f"{name}: {section}", "a [section]", content)
        for key, value in content.items():
            full, where = f"{section}.{key}", f"{name}: {section}.{key}"
            values[full], origins[full] = _row(full, where).accept(value, where), name
    variables = {setting.variable: setting for setting in TABLE.values()}
    for variable, text in environment.items():
        if variable.startswith("DISTD_") and variable not in OTHER_VARIABLES:
            setting = variables.get(variable)
            if setting is None:
                raise BadInput(variable, "the variable of a setting", variable, nearest(variable, variables))
            values[setting.name], origins[setting.name] = setting.parse_text(text, variable), variable
    for full, text in overrides.items():
        values[full], origins[full] = _row(full, f"--set {full}").parse_text(text, f"--set {full}"), "--set"
    return settings_of(values, origins)


def needing_restart(before: Settings, after: Settings) -> list[str]:
    """The names of the settings that differ and that a running program does not take up."""
    return [name for name, row in TABLE.items() if row.restart and before.value(name) != after.value(name)]


def _row(name: str, where: str) -> Setting:
    if name not in TABLE:
        raise BadInput(where, "the name of a setting", name, nearest(name, TABLE))
    return TABLE[name]


def nearest(name: str, names: Mapping[str, object]) -> str:
    """A hint: which of the names may have been meant."""
    near = get_close_matches(name, names, 1)
    return f"did you mean {near[0]}?" if near else "`distd config show` lists them"
