"""Other programs as children: started with a log file, waited for, ended. None outlives the block that started it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

DISTD = str(Path(sys.executable).with_name("distd"))
REDISTRIB = str(Path(sys.executable).with_name("redistrib"))


class ProgramFailed(Exception):
    """A program ended too early or with the wrong status (`status` as subprocess gives it). `log`: its last words."""

    def __init__(self, command: Sequence[str], status: int | None, log: str) -> None:
        super().__init__(command, status, log)
        self.command = command
        self.status = status
        self.log = log

    def __str__(self) -> str:
        return f"{' '.join(self.command)}: ended with {self.status}\n{self.log[-4000:]}"


@dataclass(frozen=True, slots=True)
class Site:
    """A `distd serve` that answers. `http` and `https` are "host:port", the first of each kind."""

    http: str
    https: str
    process: trio.Process

    @property
    def agents_url(self) -> str:
        """What a stock agent gets as --server."""
        return f"http://{self.http}/ocsinventory"

    async def kill(self) -> None:
        """SIGKILL, as a crash or a power cut does it."""
        self.process.kill()
        await self.process.wait()


def serve_command(data: Path, settings: Mapping[str, object], http: str, https: str) -> list[str]:
    """`distd serve` that prints one line of JSON with its addresses as soon as it listens."""
    command = [DISTD, "serve", "--data", str(data), "--http", http, "--https", https, "--json"]
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
    timeout_s: float = 30,
    within: Sequence[str] = (),
) -> AsyncIterator[Site]:
    """A server on `data` for as long as the block lasts; its log is `data`.serve.log beside it. `within`: a command
    that runs another one, in a namespace for instance.

    Raises `ProgramFailed` when it ends before it is ready, `trio.TooSlowError` after `timeout_s`.
    """
    command = [*within, *serve_command(data, settings or {}, http, https), "--workers", str(workers)]
    log = data.with_name(f"{data.name}.serve.log")
    async with child(command, log, stdout=subprocess.PIPE, env=plain_environment()) as process:
        assert process.stdout is not None
        with trio.fail_after(timeout_s):
            line = await _first_line(process.stdout)
        if not line:
            raise ProgramFailed(command, await process.wait(), log.read_text(errors="replace"))
        yield Site(*listening(line), process)


async def _first_line(stream: trio.abc.ReceiveStream) -> str:
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
) -> AsyncIterator[trio.Process]:
    """A program for as long as the block lasts, in a process group of its own; what it prints goes to the end of `log`.

    `stdout` may be given as for subprocess; then only stderr goes there. At the end of the block it gets SIGTERM;
    whatever is left of its group `grace_s` later gets SIGKILL.
    """
    with log.open("ab") as output:
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


async def _end(process: trio.Process, grace_s: float) -> None:
    if process.returncode is None:
        process.terminate()
        with trio.move_on_after(grace_s):
            await process.wait()
    kill_group(process.pid)
    await process.wait()
    if process.stdout is not None:
        await process.stdout.aclose()


def kill_group(leader: int) -> None:
    """SIGKILL for every process of the group that `leader` founded; none left is fine."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


async def run(command: Sequence[str], *, cwd: Path | None = None, timeout_s: float = 60) -> str:
    """Run to the end; the standard output. Raises `ProgramFailed` for a status other than 0."""
    with trio.fail_after(timeout_s):
        done = await trio.run_process(
            list(command), capture_stdout=True, capture_stderr=True, check=False, cwd=cwd, env=plain_environment()
        )
    if done.returncode != 0:
        raise ProgramFailed(command, done.returncode, done.stderr.decode(errors="replace"))
    return done.stdout.decode()


def plain_environment() -> dict[str, str]:
    """The environment without settings of distd and without proxies, so that a run depends on its arguments only."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("DISTD_") and not name.lower().endswith("_proxy")
    }


def free_port() -> int:
    """A TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def wait_until_listening(host: str, port: int, *, timeout_s: float = 15) -> None:
    """Raises `trio.TooSlowError` when nothing takes connections there after `timeout_s`."""
    with trio.fail_after(timeout_s):
        while True:
            try:
                stream = await trio.open_tcp_stream(host, port)
            except OSError:
                await trio.sleep(0.02)
            else:
                await stream.aclose()
                return


@contextlib.asynccontextmanager
async def redistrib_serve(
    data: Path,
    settings: Mapping[str, object] | None = None,
    *options: object,
    http: str = "127.0.0.1:0",
    https: str = "127.0.0.1:0",
    timeout_s: float = 30,
    within: Sequence[str] = (),
) -> AsyncIterator[Site]:
    """A mirror, for as long as the block lasts; its log is `data`.serve.log beside it. `within`: see `distd_serve`."""
    command = [
        *within,
        REDISTRIB,
        "serve",
        "--data",
        str(data),
        "--http",
        http,
        "--https",
        https,
        "--json",
        *map(str, options),
    ]
    command += [part for name, value in (settings or {}).items() for part in ("--set", f"{name}={value}")]
    log = data.with_name(f"{data.name}.serve.log")
    async with child(command, log, stdout=subprocess.PIPE, env=plain_environment()) as process:
        assert process.stdout is not None
        with trio.fail_after(timeout_s):
            line = await _first_line(process.stdout)
        if not line:
            raise ProgramFailed(command, await process.wait(), log.read_text(errors="replace"))
        yield Site(*listening(line), process)
