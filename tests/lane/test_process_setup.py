"""What a process is set up with."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from distd.lane.process_setup import SWITCH_INTERVAL_S

PROGRAM = """
import ctypes, logging, threading
from distd.lane.process_setup import set_up_process

if {set_up}:
    set_up_process(1, logging.getLogger())
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
all_there = threading.Barrier(4)


def allocate():
    all_there.wait()
    for _ in range(5000):
        libc.free(libc.malloc(5000))


threads = [threading.Thread(target=allocate) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc.malloc_stats()
"""


@pytest.mark.parametrize("set_up", [True, False])
def test_threads_share_one_heap(set_up: Any) -> None:
    """Without being set up so, they do not."""
    program = PROGRAM.format(set_up=set_up)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    arenas = done.stderr.count("\nArena ") + done.stderr.startswith("Arena ")
    assert arenas == 1 if set_up else arenas > 1


def test_a_thread_that_writes_does_not_keep_the_interpreter_for_long() -> None:
    program = (
        "import logging, sys; from distd.lane.process_setup import set_up_process;"
        "set_up_process(1, logging.getLogger()); print(sys.getswitchinterval())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert float(done.stdout) == pytest.approx(SWITCH_INTERVAL_S)
