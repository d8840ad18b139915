"""What a diagnosis rests on. Times are seconds since 1970; `origin.deployments.diagnosis_facts` reads all this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from distd.domain.records import Dialect
from distd.domain.results import Outcome
from distd.domain.settings import DownloadConfig

if TYPE_CHECKING:
    from distd.domain.diagnosis.causes import CauseKind
    from distd.domain.hold_reasons import HoldReason

DEFAULT_DOWNLOAD: Final = DownloadConfig()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The newest contact that was refused, after the last that was taken. `kind` says why."""

    kind: CauseKind
    at_s: float
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosedComputer:
    """`contacts_at_s`: some of the last contacts, the oldest first. `free_bytes`: of the drive on which its agent
    downloads, None: not known. `networks`: the only ones that it may come from, "": any."""

    device_id: str
    user_agent: str = ""
    os_name: str = ""
    last_contact_at_s: float
    contacts_at_s: tuple[float, ...] = ()
    waiting: bool = False
    networks: str = ""
    free_bytes: int | None = None

    @property
    def dialect(self) -> Dialect:
        """Of its agent."""
        return Dialect.of_user_agent(self.user_agent)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosedPackage:
    """`state`: a `PackageState` of `origin.packages.overview`. Servers "": this one; `planned_at_s`: when it is to be
    activated at the earliest."""

    id: str
    name: str = ""
    os: str = "OTHER"
    priority: int = 5
    fragments: int = 0
    size_bytes: int = 0
    state: str = "ACTIVE"
    superseded_by: str = ""
    info_server: str = ""
    fragment_server: str = ""
    planned_at_s: float | None = None

    @property
    def fragment_bytes(self) -> int:
        """About the size of one."""
        return self.size_bytes // self.fragments if self.fragments else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosedAssignment:
    """The latest attempt. `code`: the result, None: none yet. `after_state`: the state of the package that it waits for
    on this computer, None: it is not assigned."""

    state: str
    assigned_at_s: float
    code: str | None = None
    notified_at_s: float | None = None
    result_at_s: float | None = None
    unproven: bool = False
    cancelled: bool = False
    withdrawn: bool = False
    schedule: str = ""
    postcmd: str = ""
    not_before_s: float | None = None
    not_after_s: float | None = None
    after: str = ""
    after_state: str | None = None
    later_code: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether it has no result yet."""
        return self.code is None

    @property
    def is_told(self) -> bool:
        """Whether its agent was notified and has not reported a result."""
        return self.code is None and self.state != Outcome.WAITING


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosedFetches:
    """Fragments that were sent to the computer. `missing`: the number of the first that was not, None: all were.
    `mirror`: of the last, "": this server. `repeated`: how many were sent once more; `unnamed`: how many were sent to
    its address on a path that does not name it."""

    count: int = 0
    missing: int | None = 1
    last_at_s: float | None = None
    mirror: str = ""
    repeated: int = 0
    unnamed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosedMirror:
    """A redistribution server that the computer fetches from, or should. `ready`: it has verified the package.
    `bad_file`: one that it could not replace, "": none."""

    name: str
    online: bool
    ready: bool
    seen_at_s: float | None = None
    bad_file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosedServer:
    """How agents reach `info`. `address`: "host:port" of HTTPS; `names`: those in its certificate, None: not known.
    `ends_at_s`: the end of the certificate. `line_bytes_per_s`: what the bandwidth rules leave to each of the
    computers that fetch now, None: all."""

    address: str = ""
    names: tuple[str, ...] | None = None
    ends_at_s: float | None = None
    line_bytes_per_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosedRollout:
    """A roll-out of the package that has not ended, and has not assigned it to the computer, which is in `wave` (from
    1); `opened`: how many waves are open. `passed_over`: it could not take the package."""

    name: str
    phase: str
    wave: int
    opened: int
    passed_over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosisFacts:
    """All that is known of a computer and a package. None: there is no such thing. `asked_id`: the package that was
    asked for, "": none. `others`: the other packages of which its agent was notified, by id their priority. `held`:
    what keeps the package from being listed at a contact now. `http`: "host:port" to which agents post;
    `is_schedule_to_come`: whether the time at which a Windows agent is to deploy it has not come yet."""

    now_s: float
    device_id: str
    asked_id: str = ""
    computer: DiagnosedComputer | None = None
    refusal: Refusal | None = None
    package: DiagnosedPackage | None = None
    assignment: DiagnosedAssignment | None = None
    rollout: DiagnosedRollout | None = None
    held: HoldReason | None = None
    others: tuple[tuple[str, int], ...] = ()
    fetches: DiagnosedFetches = DiagnosedFetches()
    mirror: DiagnosedMirror | None = None
    server: DiagnosedServer = DiagnosedServer()
    config: DownloadConfig = DEFAULT_DOWNLOAD
    switched_off_by: str = "download.on"
    prolog_freq_h: int = 24
    http: str = ""
    is_schedule_to_come: bool = False
