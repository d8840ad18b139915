"""What is to be built, and whether it can be: all that can be known before anything is written."""

from __future__ import annotations

import re
import shutil
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from distd.core import fragments, xml
from distd.core import info as info_format
from distd.core.errors import BadInput, Unavailable
from distd.core.records import Action, Info, Notify, OperatingSystem
from distd.store import archive

if TYPE_CHECKING:
    from pathlib import Path

    from distd.core.records import Fragment
    from distd.store.layout import DataDir

DEFAULT_FRAGMENT_BYTES: Final = 1_048_576
PRIORITIES: Final = range(11)
MAX_SCRIPT_BYTES: Final = 16_777_216  # scripts are read whole

# The option that holds the target of each action.
OPTIONS: Final = {Action.STORE: "--path", Action.LAUNCH: "--launch", Action.EXECUTE: "--command"}

# The stock Unix agent gives a STORE's path to a shell: `cp -pr * PATH`.
_SHELL_SAFE: Final = re.compile(r"[A-Za-z0-9_./+@%:,=~-]+")


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be built. `source` None: a command without a file. Neither size nor count: fragments of 1 MiB.

    `line_ends`: how the lines of the source, a script then, must end; None: it is taken as it is.
    """

    source: Path | None
    os: OperatingSystem
    priority: int
    action: Action
    target: str
    fragment_bytes: int | None = None
    fragment_count: int | None = None
    notify: Notify = field(default_factory=Notify)
    line_ends: bytes | None = None


def check(order: Order) -> None:
    """Whether the order can be: all that can be known before anything is written. Raises `BadInput`."""
    if order.priority not in PRIORITIES:
        raise BadInput("--priority", "0 to 10", order.priority)
    _check_target(order)
    _check_texts(order)
    names = _check_source(order)
    _check_plan(order)
    if order.action is Action.LAUNCH:
        _check_launch(order, names)


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
    info_format.parse(info_format.render(info_of("0" * 20, order, (), b"")))


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
    if order.fragment_bytes is not None and order.fragment_count is not None:
        raise BadInput("--fragments", "either --fragments or --fragment-size", "both")
    if order.source is not None and archive.is_ready(order.source):
        plan(order.source.stat().st_size, order)
    elif order.fragment_count is None:
        plan(0, order)
    elif not 1 <= order.fragment_count <= fragments.MAX_FRAGMENTS:
        raise BadInput("--fragments", f"1 to {fragments.MAX_FRAGMENTS}", order.fragment_count)


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


def check_room(data: DataDir, order: Order) -> None:
    """Refuse before the start what would fill the disk."""
    if order.source is None:
        return
    if order.source.is_dir():
        need_bytes = 2 * sum(member.size_bytes for member in archive.scan(order.source, links=True))
    else:
        need_bytes = order.source.stat().st_size * (1 if archive.is_ready(order.source) else 2)
    free_bytes = shutil.disk_usage(data.download).free
    if need_bytes * 101 // 100 > free_bytes:
        raise Unavailable("data directory", f"{need_bytes * 101 // 100} bytes are needed, {free_bytes} are free")


def warnings(order: Order) -> tuple[str, ...]:
    """What is allowed and may still surprise."""
    source = order.source
    if source is None or not source.is_dir() or order.action is not Action.STORE:
        return ()
    hidden = sorted(path.name for path in source.iterdir() if path.name.startswith("."))
    if not hidden or order.os is OperatingSystem.WINDOWS:
        return ()
    return (f"the stock Unix agent stores `*`, so not {', '.join(hidden[:5])} at the top of the folder",)


def plan(size_bytes: int, order: Order) -> list[int]:
    if order.fragment_count is not None:
        return fragments.by_count(size_bytes, order.fragment_count)
    fragment_bytes = DEFAULT_FRAGMENT_BYTES if order.fragment_bytes is None else order.fragment_bytes
    return fragments.by_size(size_bytes, fragment_bytes)


def info_of(package_id: str, order: Order, cut: tuple[Fragment, ...], md5: bytes) -> Info:
    return Info(
        id=package_id,
        priority=order.priority,
        action=order.action,
        target=order.target,
        fragments=len(cut),
        digest=md5.hex() if cut else "",
        notify=order.notify,
    )
