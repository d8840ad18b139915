"""The programs of this repository as forks of a process that has imported them already.

A server starts in a second of CPU, of which nearly all goes into imports; forked it takes a tenth of that. What is
forked has its own session, environment, folder and standard streams, and runs the program's `main`, as the installed
command does. Benches, and tests that pass descriptors or want a fresh interpreter, start programs as they are.

Resource handling: the process that is forked ends with the one that has asked for it.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import sys
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import trio

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from multiprocessing.context import ForkServerProcess

MAINS: Final = {"distd": "distd.cli.main", "redistrib": "redistrib.cli", "agentsim": "agentsim.cli"}
_CONTEXT: Final = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.programs.preloaded"])


class ForkedProcess:
    """As much of `trio.Process` as tests use."""

    def __init__(self, process: ForkServerProcess, stdout: trio.lowlevel.FdStream | None) -> None:
        assert process.pid is not None
        self._process = process
        self.pid = process.pid
        self.stdout = stdout

    @property
    def returncode(self) -> int | None:
        """As subprocess gives it; None: it runs."""
        return self._process.exitcode

    async def wait(self) -> int:
        """Until it has ended; the status."""
        while self._process.exitcode is None:
            await trio.lowlevel.wait_readable(self._process.sentinel)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """As `trio.Process.send_signal`."""
        if self._process.exitcode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


def main_of(program: str) -> str | None:
    """The module whose `main` a program runs; None: it is none of this repository's installed commands."""
    path = Path(program)
    return MAINS.get(path.name) if path.parent == Path(sys.executable).parent else None


def start(
    command: Sequence[str], out: int | None, err: int, *, env: Mapping[str, str] | None, cwd: Path | None
) -> ForkedProcess:
    """Run a command, which prints to the descriptors `out` and `err`; `out` None: to the process's `stdout`."""
    receiver, sender = os.pipe() if out is None else (-1, os.dup(out))
    try:
        environment = dict(os.environ if env is None else env)
        process = _CONTEXT.Process(target=_Run(list(command), environment, os.fspath(cwd or Path.cwd()), sender, err))
        process.start()
    finally:
        os.close(sender)
    return ForkedProcess(process, trio.lowlevel.FdStream(receiver) if out is None else None)


class _Run:
    """What the fork does. Descriptors are passed on when it is pickled."""

    def __init__(self, command: list[str], environment: dict[str, str], folder: str, out: int, err: int) -> None:
        self._command = command
        self._environment = environment
        self._folder = folder
        self._streams: Any = (out, err)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_streams": tuple(DupFd(number) for number in self._streams)}

    def __call__(self) -> None:
        os.setsid()
        for number, passed in zip((1, 2), self._streams, strict=True):
            descriptor = passed.detach()
            os.dup2(descriptor, number, inheritable=True)
            os.close(descriptor)
        os.chdir(self._folder)
        os.environ.clear()
        os.environ.update(self._environment)
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - for as long as the process lives
        sys.stderr = open(2, "w", encoding="utf-8", buffering=1, closefd=False)  # noqa: SIM115
        sys.argv = self._command
        Path("/proc/self/comm").write_text(Path(self._command[0]).name)  # its name, by which tests find it
        module = main_of(self._command[0])
        assert module is not None
        try:
            importlib.import_module(module).main()
        finally:
            sys.stdout.flush()
