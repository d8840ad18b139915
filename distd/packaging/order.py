"""What is to be built, and whether it can be: all that can be known before anything is written."""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from distd.domain import fragment_plan
from distd.domain.errors import BadInput
from distd.domain.fragment_plan import ByContent, BySize
from distd.domain.records import Action, Digest, Info, Notify, OperatingSystem
from distd.packaging import archive
from distd.wire import ocs_info as info_format
from distd.wire import xml

if TYPE_CHECKING:
    from pathlib import Path

    from distd.domain.fragment_plan import Plan

PRIORITIES: Final = range(11)
MAX_SCRIPT_BYTES: Final = 16_777_216  # scripts are read whole

# The option that holds the target of each action.
OPTIONS: Final = {Action.STORE: "--path", Action.LAUNCH: "--launch", Action.EXECUTE: "--command"}

# The stock Unix agent gives a STORE's path to a shell: `cp -pr * PATH`.
_SHELL_SAFE: Final = re.compile(r"[A-Za-z0-9_./+@%:,=~-]+")


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be built. `source` None: a command without a file. `digest` is the one that `info` tells.

    `line_ends`: how the lines of the source, a script then, must end; None: it is taken as it is.
    """

    source: Path | None
    os: OperatingSystem
    priority: int
    action: Action
    target: str
    plan: Plan = field(default_factory=BySize)
    digest: Digest = Digest.MD5
    notify: Notify = field(default_factory=Notify)
    line_ends: bytes | None = None


def check(order: Order) -> None:
    """Whether the order can be: all that can be known before anything is written. Raises `BadInput`."""
    check_words(order)
    names = _check_source(order)
    _check_plan(order)
    if order.action is Action.LAUNCH:
        _check_launch(order, names)


def check_words(order: Order) -> None:
    """Whether what the order says can be, whatever its source is. Raises `BadInput`."""
    if order.priority not in PRIORITIES:
        raise BadInput("--priority", "0 to 10", order.priority)
    if order.digest is Digest.SHA256 and order.os is not OperatingSystem.WINDOWS:
        raise BadInput("--digest", "MD5 or SHA1 unless --os is WINDOWS: the Unix agent knows no other", order.digest)
    _check_target(order)
    _check_texts(order)


def _check_target(order: Order) -> None:
    option, target = OPTIONS[order.action], order.target
    if not target.strip() or any(ord(character) < 32 for character in target):
        raise BadInput(option, f"what --action {order.action} needs, on one line", target)
    unix = order.os is not OperatingSystem.WINDOWS
    if order.action is Action.STORE and unix and not _SHELL_SAFE.fullmatch(target):
        hint = "the stock Unix agent gives it to a shell"
        raise BadInput(option, "a path without spaces and shell characters", target, hint)
    if order.action is Action.STORE and target.startswith("-"):
        raise BadInput(option, "a path", target)
    if order.action is Action.LAUNCH and unix and "-" in target.split()[0]:
        hint = "the stock Unix agent cuts the name there and reports ERR_EXECUTE"
        raise BadInput(option, 'a file name without "-"', target.split()[0], hint)


def _check_texts(order: Order) -> None:
    xml.escape(order.target, OPTIONS[order.action])
    xml.escape(order.notify.text, "--notify-text")
    xml.escape(order.notify.done_action_text, "--done-text")
    # An info that cannot be read back, being too long say, is none that an agent should get.
    info_format.parse(info_format.render(info_of("0" * 20, order, 0, b"")))


def _check_source(order: Order) -> set[str]:
    """The names of the files that the package is going to hold."""
    source = order.source
    if order.line_ends is not None and source is not None and source.is_file():
        _check_script(source)
    if source is None:
        if order.action is not Action.EXECUTE:
            raise BadInput("FILE", f"a file or folder, as --action {order.action} needs one", "nothing")
        return set()
    mode = _mode(source)
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise BadInput("FILE", "a file or folder", f"{source}, which is neither")
    members = list(archive.scan(source, links=order.os is not OperatingSystem.WINDOWS))
    if stat.S_ISREG(mode) and archive.claims_to_be_one(source):
        return _check_archive(source, order.os)
    shown = (member.name for member in members if "/" not in member.name)
    unix = order.os is not OperatingSystem.WINDOWS
    if unix and order.action is Action.STORE and all(name.startswith(".") for name in shown):
        hint = "the stock Unix agent stores `*`, and fails when there is none"
        raise BadInput("FILE", "something to store that is not hidden", str(source), hint)
    return {member.name for member in members if not stat.S_ISDIR(member.mode)}


def _check_script(source: Path) -> None:
    size_bytes = source.stat().st_size
    if size_bytes > MAX_SCRIPT_BYTES:
        raise BadInput("FILE", f"a script of at most {MAX_SCRIPT_BYTES} bytes", f"{size_bytes} bytes")


def _mode(source: Path) -> int:
    try:
        return source.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise BadInput("FILE", "a file or folder", f"{source}, which is not there") from None
    except (OSError, ValueError) as error:
        raise BadInput("FILE", "a file or folder", str(error)) from None


def _check_archive(source: Path, system: OperatingSystem) -> set[str]:
    kind = archive.kind_of(source)
    if kind is None:
        raise BadInput("FILE", "a zip or tar.gz archive, as its name says", str(source))
    if system is OperatingSystem.WINDOWS and kind == "tar.gz":
        raise BadInput("FILE", "a zip for Windows", f"{source}, a tar.gz", "its agent unpacks nothing else")
    return archive.file_names(source, kind)


def _check_plan(order: Order) -> None:
    """How it is cut. Of what is still to be packed the size is not known yet, so not all can be said."""
    fragment_plan.check(order.plan)
    if order.source is not None and archive.is_ready(order.source) and not isinstance(order.plan, ByContent):
        fragment_plan.lengths(order.plan, order.source.stat().st_size)


def _check_launch(order: Order, names: set[str]) -> None:
    """The file to launch must be in the archive: for a Windows agent whatever the case of its letters."""
    wanted = order.target.split()[0].removeprefix("./")
    if order.os is OperatingSystem.WINDOWS:
        # The name may hold spaces and backslashes, and arguments may follow it.
        line = order.target.replace("\\", "/").lower().lstrip('"') + " "
        found = any(line.startswith((f"{name.lower()} ", f'{name.lower()}"')) for name in names)
    else:
        found = wanted in names
    if not found:
        some = f"such as {', '.join(sorted(names)[:5])}" if names else "which has none"
        raise BadInput("--launch", f"a file of the package, {some}", wanted)


def needs_bytes(order: Order) -> tuple[int, int]:
    """So many bytes the build takes meanwhile, and so many stay of it, at the most but for the archive's own."""
    if order.source is None:
        return 0, 0
    if order.source.is_dir():
        size_bytes = sum(member.size_bytes for member in archive.scan(order.source, links=True))
    else:
        size_bytes = order.source.stat().st_size
    return size_bytes * (1 if archive.is_ready(order.source) else 2), size_bytes


def warnings(order: Order) -> tuple[str, ...]:
    """What is allowed and may still surprise."""
    return tuple(text for text in (_on_priority(order), _on_zip(order), _on_hidden(order)) if text)


def _on_priority(order: Order) -> str:
    if order.priority:
        return ""
    return "priority 0 comes alone: an agent gets it once its other packages are through, and no other beside it"


def _on_zip(order: Order) -> str:
    if order.os is OperatingSystem.WINDOWS or order.source is None or not archive.is_ready(order.source):
        return ""
    return (
        "a Unix agent needs unzip for it; a tar.gz it unpacks itself" if archive.kind_of(order.source) == "zip" else ""
    )


def _on_hidden(order: Order) -> str:
    source = order.source
    if source is None or not source.is_dir() or order.action is not Action.STORE:
        return ""
    hidden = sorted(path.name for path in source.iterdir() if path.name.startswith("."))
    if not hidden or order.os is OperatingSystem.WINDOWS:
        return ""
    return f"the stock Unix agent stores `*`, so not {', '.join(hidden[:5])} at the top of the folder"


def info_of(package_id: str, order: Order, count: int, digest: bytes) -> Info:
    """The info of a package of `count` fragments whose `order.digest` is `digest`."""
    return Info(
        id=package_id,
        priority=order.priority,
        action=order.action,
        target=order.target,
        fragments=count,
        digest=digest.hex() if count else "",
        digest_algo=order.digest.value,
        notify=order.notify,
    )
