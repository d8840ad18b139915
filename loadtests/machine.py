"""The machine a bench ran on, and what a tree of processes costs it: from /proc, with nothing installed."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tests.programs.processes import find_program

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PROC = Path("/proc")
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
# The command that prints each program's version, and where the version is in what it prints.
VERSIONS = {
    "nginx": (["nginx", "-v"], r"nginx/(\S+)"),
    "Apache": (["apache2", "-v"], r"Apache/(\S+)"),
    "wrk": (["wrk", "-v"], r"wrk (?:debian/)?(\S+)"),
    "MariaDB": (["mariadbd", "--version"], r"Ver (\d[\d.]+)"),
}


@dataclass(frozen=True, slots=True)
class Process:
    """A process, from /proc/PID/stat. `cpu_s`: user and system time, with that of children it has waited for."""

    pid: int
    parent: int
    cpu_s: float


def parse_stat(text: str) -> Process:
    """The process of a /proc/PID/stat; the program's name in it may have spaces and brackets."""
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    return Process(int(head.split()[0]), int(fields[1]), sum(map(int, fields[11:15])) * TICK_S)


def tree(processes: Mapping[int, Process], root: int) -> list[Process]:
    """`root` and its descendants; empty when it has ended."""
    children: dict[int, list[Process]] = {}
    for process in processes.values():
        children.setdefault(process.parent, []).append(process)
    found = [processes[root]] if root in processes else []
    for process in found:
        found += children.get(process.pid, [])
    return found


@contextlib.contextmanager
def busy_cores() -> Iterator[None]:
    """A busy loop on every core for as long as the block lasts: a neighbour that wants all it can get."""
    loops = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def snapshot() -> dict[int, Process]:
    """All processes of the machine, now, by id."""
    return {process.pid: process for process in _processes()}


def _processes() -> Iterator[Process]:
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):  # it has just ended
                yield parse_stat((folder / "stat").read_text(errors="replace"))


def cpu_s(root: int) -> float:
    """CPU time of a process and its descendants so far, seconds. 0 when it has ended."""
    return sum(process.cpu_s for process in tree(snapshot(), root))


def pss_bytes(root: int) -> int:
    """Memory of a process and its descendants: proportional set size, so that shared pages count once."""
    return _memory_bytes(root, "Pss")


def anonymous_bytes(root: int) -> int:
    """The part of it that is not mapped from files: the share of a file depends on what other processes map."""
    return _memory_bytes(root, "Pss_Anon")


def reset_peak(root: int) -> None:
    """Let `peak_bytes` count from now on."""
    for process in tree(snapshot(), root):
        with contextlib.suppress(OSError):
            (PROC / str(process.pid) / "clear_refs").write_text("5")


def peak_bytes(root: int) -> int:
    """The most that a process and its descendants, of those that there are now, have had in memory at a time: resident
    sets, with shared pages counted in each."""
    return sum(_peak_bytes(process.pid) for process in tree(snapshot(), root))


def _peak_bytes(pid: int) -> int:
    with contextlib.suppress(OSError):
        return parse_rollup((PROC / str(pid) / "status").read_text(), "VmHWM")
    return 0


def _memory_bytes(root: int, field: str) -> int:
    return sum(_field_bytes(process.pid, field) for process in tree(snapshot(), root))


def _field_bytes(pid: int, field: str) -> int:
    with contextlib.suppress(OSError):
        return parse_rollup((PROC / str(pid) / "smaps_rollup").read_text(), field)
    return 0


def parse_rollup(text: str, field: str) -> int:
    """Bytes of a field of /proc/PID/smaps_rollup or status; 0 where it is missing (the file of a zombie is empty)."""
    match = re.search(rf"^{field}:\s+(\d+) kB", text, re.MULTILINE)
    return int(match[1]) * 1024 if match else 0


def facts(*programs: str) -> dict[str, str]:
    """Where figures come from: date, machine, system, versions (of `programs` in `VERSIONS` too), commit."""
    versions = [f"Python {platform.python_version()}", *(f"{name} {_version(name)}" for name in programs)]
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{os.cpu_count()} × {_processor()}, {_memory()}",
        "system": f"{_system()}, Linux {platform.release()}",
        "versions": ", ".join(versions),
        "commit": _commit(),
    }


def _processor() -> str:
    match = re.search(r"^model name\s*: (.+)$", (PROC / "cpuinfo").read_text(), re.MULTILINE)
    return match[1].strip() if match else platform.machine()


def _memory() -> str:
    total_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"{total_bytes / 2**30:.0f} GiB"


def _system() -> str:
    with contextlib.suppress(OSError):
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    return platform.system()


def _version(name: str) -> str:
    (program, option), pattern = VERSIONS[name]
    match = re.search(pattern, _output_of([find_program(program) or program, option]))
    return match[1] if match else "?"


SOURCES = ("distd", "redistrib", "agentsim", "loadtests/*.py")


def _commit() -> str:
    here = ["git", "-C", str(Path(__file__).parent)]
    commit = _output_of([*here, "rev-parse", "--short=10", "HEAD"]).strip()
    changed = _output_of([*here, "status", "--porcelain", "--untracked-files=no", "--", *SOURCES]).strip()
    return (commit or "?") + (" with changes" if changed else "")


def _output_of(command: list[str]) -> str:
    """Everything that a program prints, whatever its status; "" when it is not installed."""
    with contextlib.suppress(OSError):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return done.stdout
    return ""
