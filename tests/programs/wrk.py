"""Load by wrk: one run, and what it measured as numbers."""

from __future__ import annotations

import contextlib
import json
import resource
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from tests.programs.processes import ProgramFailed, child, run

if TYPE_CHECKING:
    from pathlib import Path

WARM_S = 0.3
# Answers that take longer than wrk's time-out (2 s by default) are not in its percentiles: longer than any slice.
TIMEOUT_S = 60
SCRIPT = """\
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\\n{"requests":%.0f,"received_bytes":%.0f,"duration_us":%.0f,"p50_us":%.0f,"p99_us":%.0f,"p999_us":%.0f,' ..
    '"status":%.0f,"connect":%.0f,"read":%.0f,"write":%.0f,"timeout":%.0f}\\n',
    summary.requests, summary.bytes, summary.duration,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    errors.status, errors.connect, errors.read, errors.write, errors.timeout))
end
"""
ERRORS = {
    "status": "answers with an error status",
    "connect": "connections refused",
    "read": "reads failed",
    "write": "writes failed",
    "timeout": "answers too late",
}


class LoadFailed(Exception):
    """wrk measured nothing: it found no server to connect to, or printed nothing that can be parsed."""


@dataclass(frozen=True, slots=True)
class Load:
    """One run. `received_bytes` includes heads and unfinished answers; `errors`: how often each of `ERRORS` happened;
    `load_cpu_s`: CPU time of wrk itself."""

    requests: int
    received_bytes: int
    duration_s: float
    p50_us: float
    p99_us: float
    p999_us: float
    errors: dict[str, int]
    load_cpu_s: float

    def failure(self, body_bytes: int, connections: int) -> str:
        """Why this run does not count as a measurement (errors, or other bytes than answers with `body_bytes` have);
        "" where it counts."""
        if self.errors:
            return ", ".join(f"{count} {ERRORS[name]}" for name, count in self.errors.items())
        if self.requests == 0 and self.received_bytes < body_bytes:
            return "no answer"
        if self.received_bytes < self.requests * body_bytes:
            return "answers shorter than the fragment"
        # wrk connects again without a word when an answer breaks off: its bytes are there, its request is not.
        if self.received_bytes > (self.requests + connections) * (body_bytes + 1024):
            return "answers that broke off"
        return ""


def parse(printed: str, load_cpu_s: float = 0) -> Load:
    """The run that wrk printed with `SCRIPT`. Raises `LoadFailed`."""
    try:
        found = json.loads(printed[printed.index("\n{") :])
        return Load(
            requests=found["requests"],
            received_bytes=found["received_bytes"],
            duration_s=found["duration_us"] / 1e6,
            p50_us=found["p50_us"],
            p99_us=found["p99_us"],
            p999_us=found["p999_us"],
            errors={name: found[name] for name in ERRORS if found[name]},
            load_cpu_s=load_cpu_s,
        )
    except (ValueError, KeyError):
        raise LoadFailed(f"wrk printed: {printed[-500:]}") from None


async def load(url: str, connections: int, duration_s: int, folder: Path, requests: str = "") -> Load:
    """GET `url` again and again on so many connections, from one thread; with `requests`, which is Lua, what its
    function `request` gives. `folder` keeps the script.

    Raises `LoadFailed`.
    """
    script = folder / "done.lua"
    script.write_text(requests + SCRIPT)
    before_s = _children_cpu_s()
    command = [*_command(connections, duration_s), "-s", str(script), url]
    try:
        printed = await run(command, timeout_s=duration_s + 60)
    except ProgramFailed as error:
        raise LoadFailed(error.log.strip() or str(error)) from None
    return parse(printed, _children_cpu_s() - before_s)


async def warm(url: str, connections: int, folder: Path) -> None:
    """The same load for `WARM_S`, not measured. (wrk counts in whole seconds; SIGINT ends it sooner.)"""
    async with child([*_command(connections, 9), url], folder / "warm.log", stdout=subprocess.DEVNULL) as process:
        with trio.move_on_after(WARM_S):
            await process.wait()
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        await process.wait()


def _command(connections: int, duration_s: int) -> list[str]:
    return ["wrk", "-t1", f"-c{connections}", f"-d{duration_s}s", f"--timeout={TIMEOUT_S}s"]


def _children_cpu_s() -> float:
    """CPU time of the children that have ended: the servers run on, so a difference is wrk's."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
