"""Other programs as child processes, with a log file each; every one has ended when the block that started it ends."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import trio

from tests.programs import forked
from tests.programs.waiting import LIMIT_S, await_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

DISTD = str(Path(sys.executable).with_name("distd"))
REDISTRIB = str(Path(sys.executable).with_name("redistrib"))
AGENTSIM = str(Path(sys.executable).with_name("agentsim"))


class RunningProgram(Protocol):
    """A `trio.Process`, or a fork that does the same."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...

    @property
    def stdout(self) -> trio.abc.ReceiveStream | None: ...

    async def wait(self) -> int: ...

    def send_signal(self, number: int, /) -> None: ...

    def terminate(self) -> None: ...

    def kill(self) -> None: ...


# Whether servers are forks of a process that has imported them (`tests.programs.forked`). Benches measure real ones.
FORKING = False


class ProgramFailed(Exception):
    """A program ended too early or with the wrong status (`status` as subprocess gives it). `log`: what it printed."""

    def __init__(self, command: Sequence[str], status: int | None, log: str) -> None:
        super().__init__(command, status, log)
        self.command = command
        self.status = status
        self.log = log

    def __str__(self) -> str:
        return f"{' '.join(self.command)}: ended with {self.status}\n{self.log[-4000:]}"


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A `distd serve` or `redistrib serve` that listens. `http` and `https`: the first "host:port" of each kind."""

    http: str
    https: str
    process: RunningProgram

    @property
    def agents_url(self) -> str:
        """What a stock agent gets as --server."""
        return f"http://{self.http}/ocsinventory"

    @property
    def https_url(self) -> str:
        """`https://localhost:PORT`: the name that is in the server's certificate."""
        return f"https://localhost:{self.https.rpartition(':')[2]}"

    async def kill(self) -> None:
        """SIGKILL, as a crash or a power cut does it."""
        self.process.kill()
        await self.process.wait()


def serve_command(data: Path, settings: Mapping[str, object], http: str, https: str) -> list[str]:
    """`distd serve` that prints one line of JSON with its addresses as soon as it listens."""
    return _serve_command(DISTD, data, settings, http, https)


def _serve_command(program: str, data: Path, settings: Mapping[str, object], http: str, https: str) -> list[str]:
    command = [program, "serve", "--data", str(data), "--http", http, "--https", https, "--json"]
    return command + [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]


def listening(line: str) -> tuple[str, str]:
    """The HTTP and the HTTPS "host:port" in the line that `distd serve --json` prints when it is ready."""
    addresses = json.loads(line)
    return addresses["http"][0], addresses["https"][0]


@contextlib.asynccontextmanager
async def distd_serve(
    data: Path,
    settings: Mapping[str, object] | None = None,
    *,
    http: str = "127.0.0.1:0",
    https: str = "127.0.0.1:0",
    workers: int = 1,
    timeout_s: float = LIMIT_S,
    within: Sequence[str] = (),
) -> AsyncIterator[RunningServer]:
    """An origin on `data` for as long as the block lasts; its log is `data`.serve.log beside it.

    `within`: a command that runs another one, in a network namespace for instance. Raises `ProgramFailed` when the
    server ends before it listens, `trio.TooSlowError` after `timeout_s`.
    """
    command = [*within, *serve_command(data, settings or {}, http, https), "--workers", str(workers)]
    async with started_server(command, _log_of(data), timeout_s=timeout_s) as server:
        yield server


@contextlib.asynccontextmanager
async def redistrib_serve(
    data: Path,
    settings: Mapping[str, object] | None = None,
    *options: object,
    http: str = "127.0.0.1:0",
    https: str = "127.0.0.1:0",
    timeout_s: float = LIMIT_S,
    within: Sequence[str] = (),
) -> AsyncIterator[RunningServer]:
    """A mirror on `data` for as long as the block lasts. Log, `within` and errors: see `distd_serve`."""
    command = [*within, *_serve_command(REDISTRIB, data, settings or {}, http, https), *map(str, options)]
    async with started_server(command, _log_of(data), timeout_s=timeout_s) as server:
        yield server


def _log_of(data: Path) -> Path:
    return data.with_name(f"{data.name}.serve.log")


@contextlib.asynccontextmanager
async def started_server(
    command: Sequence[str], log: Path, *, timeout_s: float = LIMIT_S
) -> AsyncIterator[RunningServer]:
    """The server that `command` (as `serve_command` makes it) starts, from when it listens to the end of the block.

    Raises `ProgramFailed` when it ends before it listens, `trio.TooSlowError` after `timeout_s`.
    """
    async with child(command, log, stdout=subprocess.PIPE, env=plain_environment()) as process:
        assert process.stdout is not None
        with trio.fail_after(timeout_s):
            line = await _first_line(process.stdout)
        if not line:
            raise ProgramFailed(command, await process.wait(), log.read_text(errors="replace"))
        yield RunningServer(*listening(line), process)


async def _first_line(stream: trio.abc.ReceiveStream) -> str:
    """Without its end; "" where the stream ends before."""
    read = b""
    while b"\n" not in read:
        data = await stream.receive_some(65536)
        if not data:
            return ""
        read += data
    return read.split(b"\n", 1)[0].decode()


@contextlib.asynccontextmanager
async def child(
    command: Sequence[str],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdout: int | None = None,
    pass_fds: Sequence[int] = (),
    grace_s: float = 15,
) -> AsyncIterator[RunningProgram]:
    """A program for as long as the block lasts, in a process group of its own; what it prints is appended to `log`.

    `stdout` may be given as for subprocess; then only stderr is appended to `log`. At the end of the block the program
    gets SIGTERM; what is left of its group `grace_s` later gets SIGKILL.
    """
    process: RunningProgram
    with log.open("ab") as output:
        if FORKING and not pass_fds and forked.main_of(command[0]):
            out = None if stdout == subprocess.PIPE else output.fileno() if stdout is None else stdout
            process = forked.start(command, out, output.fileno(), env=env, cwd=cwd)
        else:
            process = await trio.lowlevel.open_process(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output if stdout is None else stdout,
                stderr=output,
                env=env,
                cwd=cwd,
                pass_fds=tuple(pass_fds),
                start_new_session=True,
            )
    try:
        yield process
    finally:
        with trio.CancelScope(shield=True):
            await _end(process, grace_s)


async def _end(process: RunningProgram, grace_s: float) -> None:
    if process.returncode is None:
        process.terminate()
        with trio.move_on_after(grace_s):
            await process.wait()
    kill_group(process.pid)
    await process.wait()
    if process.stdout is not None:
        await process.stdout.aclose()


def kill_group(leader: int) -> None:
    """SIGKILL for every process of the group whose first one was `leader`; a group that has ended is no error."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


async def run(command: Sequence[str], *, cwd: Path | None = None, timeout_s: float = 2 * LIMIT_S) -> str:
    """Run to the end; the standard output.

    Raises `ProgramFailed` for a status other than 0, `trio.TooSlowError` after `timeout_s`.
    """
    status, output, errors = await finish(command, cwd=cwd, timeout_s=timeout_s)
    if status != 0:
        raise ProgramFailed(command, status, errors)
    return output


async def finish(
    command: Sequence[str], *, cwd: Path | None = None, timeout_s: float = 2 * LIMIT_S
) -> tuple[int, str, str]:
    """Run to the end; the status, and what was printed on stdout and stderr. Raises `trio.TooSlowError`."""
    with tempfile.NamedTemporaryFile() as output, tempfile.NamedTemporaryFile() as errors:
        log = Path(errors.name)
        with trio.fail_after(timeout_s):
            async with child(command, log, env=plain_environment(), cwd=cwd, stdout=output.fileno()) as process:
                status = await process.wait()
        return status, Path(output.name).read_text(), log.read_text(errors="replace")


def plain_environment() -> dict[str, str]:
    """The environment without settings of distd and without proxies, so that a run depends on its arguments only."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("DISTD_") and not name.lower().endswith("_proxy")
    }


def free_port() -> int:
    """A TCP port of 127.0.0.1 that was free a moment ago.

    It is below the range from which the kernel takes ports for connections, so that none gets it in the meantime, and
    random, so that tests that run side by side do not choose the same one.
    """
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = range(10_000, lowest if lowest > 20_000 else 60_000)
    while True:
        port = secrets.choice(ports)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def find_program(name: str) -> str | None:
    """The path of a program on the PATH, or where Debian keeps servers; None where it is not installed."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


async def wait_until_listening(host: str, port: int) -> None:
    """Wait until connections are accepted there. Raises `AssertionError` when none is for long."""

    async def accepts() -> bool:
        try:
            stream = await trio.open_tcp_stream(host, port)
        except OSError:
            return False
        await stream.aclose()
        return True

    await await_until(accepts, f"{host}:{port} accepts connections")
