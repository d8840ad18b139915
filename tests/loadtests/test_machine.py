from __future__ import annotations

import os
import subprocess
import sys

import pytest

from loadtests import machine
from loadtests.machine import Process, parse_rollup, parse_stat, tree

STAT = "41 (a b) c) S 7 41 41 0 -1 4194560 900 0 0 0 250 50 7 3 20 0 1 0 777 10 20 30"


def test_a_line_of_stat_with_brackets_in_the_name() -> None:
    # User and system time, and those of children that were waited for.
    process = parse_stat(STAT)
    assert (process.pid, process.parent) == (41, 7)
    assert process.cpu_s == pytest.approx(310 * machine.TICK_S)


@pytest.mark.parametrize(
    ("root", "found"),
    [
        pytest.param(2, [2, 3, 5, 4], id="with children's children"),
        pytest.param(4, [4], id="a leaf"),
        pytest.param(9, [], id="ended"),
    ],
)
def test_a_tree_of_processes(root: int, found: list[int]) -> None:
    parents = {1: 0, 2: 1, 3: 2, 4: 3, 5: 2, 6: 1}
    processes = {pid: Process(pid, parent, 1.0) for pid, parent in parents.items()}
    assert [process.pid for process in tree(processes, root)] == found


def test_memory_is_the_proportional_set_size() -> None:
    text = "00400000-7ff ---p 0 [rollup]\nRss:   900 kB\nPss:   512 kB\nPss_Anon:  10 kB\n"
    assert parse_rollup(text, "Pss") == 512 * 1024
    assert parse_rollup(text, "Pss_Anon") == 10 * 1024
    assert parse_rollup("", "Pss") == 0


def test_children_count() -> None:
    alone_s, alone_bytes = machine.cpu_s(os.getpid()), machine.pss_bytes(os.getpid())
    script = "sum(range(10**7)); print('ready', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        assert machine.cpu_s(child.pid) >= 0.02
        assert machine.cpu_s(os.getpid()) >= alone_s + 0.02
        assert machine.pss_bytes(child.pid) > 1_000_000
        child.communicate("\n")
    assert alone_s > 0
    assert alone_bytes > 1_000_000
    assert machine.cpu_s(child.pid) == 0
    assert machine.pss_bytes(child.pid) == 0


def test_a_peak_is_remembered_until_it_is_reset() -> None:
    script = "ready = lambda: (print(1, flush=True), input()); ready(); b'x' * 50_000_000; ready()"
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdout.readline()
        before = machine.peak_bytes(child.pid)
        child.stdin.write("\n")
        child.stdin.flush()
        child.stdout.readline()
        assert machine.peak_bytes(child.pid) >= before + 40_000_000
        machine.reset_peak(child.pid)
        assert machine.peak_bytes(child.pid) < before + 20_000_000
        child.communicate("\n")


def test_facts_name_the_machine_and_the_commit() -> None:
    facts = machine.facts()
    assert list(facts) == ["date", "machine", "system", "versions", "commit"]
    assert all(facts.values())
    assert facts["versions"].startswith("Python 3.")
