"""What a package is to be, and whether it can be: values only. What its source holds comes as `SourceFacts`.

The order of the checks: `check_values` needs nothing but the specification, so it comes before the source is read;
`check_source` holds the specification against what was read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from distd.domain import fragment_plan
from distd.domain.errors import BadInput
from distd.domain.fragment_plan import ByContent, BySize
from distd.domain.records import Action, Digest, Info, Notify, OperatingSystem

if TYPE_CHECKING:
    from distd.domain.fragment_plan import Plan

PRIORITIES: Final = range(11)
MAX_SCRIPT_BYTES: Final = 16_777_216  # scripts are read whole

# The option that holds the target of each action.
TARGETS: Final = {Action.STORE: "path", Action.LAUNCH: "launch", Action.EXECUTE: "command"}  # what each is called

# The stock Unix agent gives a STORE's path to a shell: `cp -pr * PATH`.
_SHELL_SAFE: Final = re.compile(r"[A-Za-z0-9_./+@%:,=~-]+")
# The agents put their own folder in the place of INSTALL_PATH.
_UNIX_PATH: Final = re.compile(r"(~?/|INSTALL_PATH(/|$)).*")
# C:\folder, \\server\share, %ProgramFiles%\folder
_WINDOWS_PATH: Final = re.compile(r"""([A-Za-z]:[\\/]|\\\\[^\\/]|%[^%]+%|INSTALL_PATH)[^<>"|?*:]*""")


class SourceKind(StrEnum):
    """What a package is made of. An archive goes to the agents as it is; the others are packed first."""

    NONE = "none"  # a command without a file
    FILE = "file"
    SCRIPT = "script"  # a file whose line ends are to be changed
    FOLDER = "folder"
    ZIP = "zip"
    TAR_GZ = "tar.gz"


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What is known of a source once it was read.

    `name` is what messages call it. `size_bytes` is that of the file or archive, or of all files of a folder together.
    `file_names` are those of the files in the package ("a/b"), `top_names` those at its top, folders too; of an archive
    the latter are not known.
    """

    kind: SourceKind = SourceKind.NONE
    name: str = ""
    size_bytes: int = 0
    file_names: frozenset[str] = frozenset()
    top_names: tuple[str, ...] = ()

    @property
    def is_archive(self) -> bool:
        """Whether it goes to the agents as it is."""
        return self.kind in (SourceKind.ZIP, SourceKind.TAR_GZ)

    @property
    def hidden_names(self) -> list[str]:
        """What is at the top and begins with a dot, sorted."""
        return sorted(name for name in self.top_names if name.startswith("."))

    @property
    def build_bytes(self) -> int:
        """So many bytes a build takes on the disk while it runs, but for an archive's own overhead."""
        return self.size_bytes if self.is_archive else 2 * self.size_bytes


NO_SOURCE: Final = SourceFacts()


@dataclass(frozen=True, slots=True)
class PackageSpec:
    """What is to be built. `digest` is the one in its info, which agents check.

    `line_ends`: how the lines of the source, which is a script then, must end; None: it is taken as it is.
    """

    os: OperatingSystem
    priority: int
    action: Action
    target: str
    plan: Plan = field(default_factory=BySize)
    digest: Digest = Digest.MD5
    notify: Notify = field(default_factory=Notify)
    line_ends: bytes | None = None

    @property
    def is_for_unix(self) -> bool:
        """Whether it is for the Unix agent, which has habits of its own."""
        return self.os is not OperatingSystem.WINDOWS


def check_values(spec: PackageSpec) -> None:
    """Whether the specification can be, whatever its source is. Raises `BadInput`."""
    if spec.priority not in PRIORITIES:
        raise BadInput("priority", "0 to 10", spec.priority)
    if spec.digest is Digest.SHA256 and spec.is_for_unix:
        raise BadInput("digest", "MD5 or SHA1 unless the system is WINDOWS: the Unix agent knows no other", spec.digest)
    _check_target(spec)
    _check_notify(spec.notify)
    fragment_plan.check(spec.plan)


def check_source(spec: PackageSpec, source: SourceFacts) -> None:
    """Whether the specification fits what its source holds. Raises `BadInput`."""
    _check_kind(spec, source)
    # The size of what is still to be packed is not known yet.
    if source.is_archive and not isinstance(spec.plan, ByContent):
        fragment_plan.lengths(spec.plan, source.size_bytes)
    if spec.action is Action.LAUNCH:
        _check_launch(spec, source.file_names)


def warnings(spec: PackageSpec, source: SourceFacts) -> tuple[str, ...]:
    """What is allowed and may still surprise."""
    found = []
    if spec.priority == 0:
        found.append("priority 0 comes alone: an agent gets it once its other packages are done, and no other with it")
    if spec.is_for_unix and source.kind is SourceKind.ZIP:
        found.append("a Unix agent needs unzip for it; a tar.gz it unpacks itself")
    if spec.is_for_unix and spec.notify != Notify():
        found.append("notifications are for Windows: a Unix agent shows none")
    hidden = source.hidden_names
    if spec.is_for_unix and source.kind is SourceKind.FOLDER and spec.action is Action.STORE and hidden:
        names = ", ".join(hidden[:5])
        found.append(f"the stock Unix agent stores `*`, so not {names} at the top of the folder")
    return tuple(found)


def info_of(package_id: str, spec: PackageSpec, count: int, digest: bytes) -> Info:
    """The info of a package of `count` fragments whose `spec.digest` is `digest`."""
    return Info(
        id=package_id,
        priority=spec.priority,
        action=spec.action,
        target=spec.target,
        fragments=count,
        digest=digest.hex() if count else "",
        digest_algo=spec.digest.value,
        notify=spec.notify,
    )


def _check_target(spec: PackageSpec) -> None:
    target = spec.target
    if not target.strip() or any(ord(character) < 32 for character in target):
        raise BadInput("target", f"what the action {spec.action} needs, on one line", target)
    if spec.action is Action.STORE and spec.is_for_unix and not _SHELL_SAFE.fullmatch(target):
        hint = "the stock Unix agent gives it to a shell"
        raise BadInput("target", "a path without spaces and shell characters", target, hint)
    if spec.action is Action.STORE:
        _check_path(spec.os, target)
    if spec.action is Action.LAUNCH and spec.is_for_unix and "-" in target.split()[0]:
        hint = "the stock Unix agent cuts the name there and reports ERR_EXECUTE"
        raise BadInput("target", 'a file name without "-"', target.split()[0], hint)


def _check_notify(notify: Notify) -> None:
    """Without a text a Windows agent shows nothing, so that nobody could agree, delay or refuse."""
    if not notify.text and (notify.countdown_s or notify.can_abort or notify.can_delay):
        raise BadInput("notify.text", "a text, as the other notify options are for those who read it", "none")


def _check_path(system: OperatingSystem, target: str) -> None:
    """Agents run in a folder of their own, so a relative path would be below it."""
    if system is OperatingSystem.WINDOWS:
        if not _WINDOWS_PATH.fullmatch(target):
            raise BadInput("target", 'a path of Windows such as C:\\folder, without < > " | ? *', target)
    elif not _UNIX_PATH.fullmatch(target):
        raise BadInput("target", "a path that begins with /", target)


def _check_kind(spec: PackageSpec, source: SourceFacts) -> None:
    if source.kind is SourceKind.NONE:
        if spec.action is not Action.EXECUTE:
            raise BadInput("source", f"a file or folder, as the action {spec.action} needs one", "nothing")
        return
    if spec.line_ends is not None:
        if source.kind is not SourceKind.SCRIPT:
            raise BadInput("source", "a script", f"{source.name}, which is no plain file")
        if source.size_bytes > MAX_SCRIPT_BYTES:
            raise BadInput("source", f"a script of at most {MAX_SCRIPT_BYTES} bytes", f"{source.size_bytes} bytes")
    if source.kind is SourceKind.TAR_GZ and not spec.is_for_unix:
        raise BadInput("source", "a zip for Windows", f"{source.name}, a tar.gz", "its agent unpacks nothing else")
    is_all_hidden = len(source.hidden_names) == len(source.top_names)
    if spec.is_for_unix and spec.action is Action.STORE and not source.is_archive and is_all_hidden:
        hint = "the stock Unix agent stores `*`, and fails when there is none"
        raise BadInput("source", "something to store that is not hidden", source.name, hint)


def _check_launch(spec: PackageSpec, names: frozenset[str]) -> None:
    """The file to launch must be in the archive: for a Windows agent whatever the case of its letters."""
    wanted = spec.target.split()[0].removeprefix("./")
    if spec.is_for_unix:
        found = wanted in names
    else:
        # The name may hold spaces and backslashes, and arguments may follow it.
        line = spec.target.replace("\\", "/").lower().lstrip('"') + " "
        found = any(line.startswith((f"{name.lower()} ", f'{name.lower()}"')) for name in names)
    if not found:
        some = f"such as {', '.join(sorted(names)[:5])}" if names else "which has none"
        raise BadInput("target", f"a file of the package, {some}", wanted)
