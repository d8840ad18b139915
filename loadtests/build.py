"""`make bench-build`: what it takes to build, check and verify a package, beside the digest that limits it.

Each row is measured in pairs, the reference and distd in turn, round after round on the same file; a ratio is the
median of the rounds' ratios, with the lowest and the highest in brackets.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import tempfile
import threading
import time
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import click

from agentsim.native.deploy import check
from agentsim.native.state import Folder
from distd.domain.fragment_plan import ByContent, BySize
from distd.domain.package_spec import PackageSpec
from distd.domain.records import Action, Digest, OperatingSystem
from distd.origin.installation import create_installation
from distd.packaging import builder
from distd.packaging.verify import verify
from distd.report.page import Table
from distd.storage import package_dirs, pki
from distd.storage.fragment_store import FragmentStore
from loadtests.results import finish, goal_row, goal_table, publish, verdict
from loadtests.similar import measure_similarity
from tests.programs.processes import DISTD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cryptography.x509 import Certificate

    from distd.domain.fragment_plan import Plan
    from distd.storage.data_dir import DataDir
    from distd.storage.staged_package import StagedPackage
    from loadtests.similar import Similarity

MIB = 1_048_576
BLOCK_BYTES = MIB
SMALL_FRAGMENTS = 100_000
MEMORY_GOAL_MIB = 64
DISK_GOAL = 1.15


@dataclass(frozen=True, slots=True)
class Row:
    """A comparison. `ratios`: distd's seconds to those of the reference; `goal`: the most that the median should be."""

    name: str
    reference: str
    size_bytes: int
    reference_s: float
    ours_s: float
    ratios: list[float]
    goal: float | None

    @property
    def ratio(self) -> float:
        """The median."""
        return median(self.ratios)


@dataclass(frozen=True, slots=True)
class Bench:
    """A data directory, and a stored zip of random bytes to make packages of."""

    data: DataDir
    source: Path
    rounds: int

    def build(self, plan: Plan, digest: Digest = Digest.MD5, source: Path | None = None) -> Callable[[], None]:
        """All of a build but the row in the catalogue: up to the disk. Returns what removes it again."""
        staged = self.stage(plan, digest, source)
        staged.sync()

        def remove() -> None:
            staged.discard()
            FragmentStore(self.data.fragments).remove_unused()

        return remove

    def stage(self, plan: Plan, digest: Digest = Digest.MD5, source: Path | None = None) -> StagedPackage:
        """Build a package without publishing it."""
        spec = PackageSpec(OperatingSystem.WINDOWS, 5, Action.STORE, "C:\\x", plan, digest)
        package = builder.check(source or self.source, spec)
        return builder.build(self.data, "17", package, pki.load_signer(self.data.keys))

    def compare(
        self, name: str, reference: tuple[str, Callable[[], object]], ours: Callable[[], object], goal: float | None
    ) -> Row:
        """Measure `ours` and the `reference` (its name, and what runs it) in turn, and print the ratio."""
        pairs = []
        for number in range(self.rounds):
            calls = (reference[1], ours) if number % 2 else (ours, reference[1])
            times = {call: _timed(call) for call in calls}
            pairs.append((times[reference[1]], times[ours]))
        ratios = [ours_s / reference_s for reference_s, ours_s in pairs]
        reference_s, ours_s = (median(column) for column in zip(*pairs, strict=True))
        row = Row(name, reference[0], self.source.stat().st_size, reference_s, ours_s, ratios, goal)
        print(f"{name}: {row.ratio:.2f} ({min(ratios):.2f}–{max(ratios):.2f}) of {reference[0]}", flush=True)
        return row


def _timed(call: Callable[[], object]) -> float:
    """Seconds. What the call returns, if it can be called, removes what was made, which does not count."""
    begun_s = time.perf_counter()
    remove = call()
    seconds = time.perf_counter() - begun_s
    if callable(remove):
        remove()
    return seconds


def hash_alone(path: Path, name: str) -> str:
    """The reference: read the file and hash it, nothing else. Returns the digest."""
    digest, buffer = hashlib.new(name, usedforsecurity=False), memoryview(bytearray(BLOCK_BYTES))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(buffer[:count])
    return digest.hexdigest()


def copy_beside(bench: Bench, name: str) -> Callable[[], None]:
    """The best that this machine can do: the hash in one thread, a plain copy into a file in another."""
    copy = bench.source.with_name("copy")
    thread = threading.Thread(target=shutil.copyfile, args=(bench.source, copy))
    thread.start()
    hash_alone(bench.source, name)
    thread.join()
    return copy.unlink


def copy_and_sync(bench: Bench) -> Callable[[], None]:
    """What `cp` and `sync` do."""
    copy = bench.source.with_name("copy")
    subprocess.run(["cp", bench.source, copy], check=True)
    subprocess.run(["sync", "--file-system", copy], check=True)
    return copy.unlink


def md5sum(bench: Bench) -> None:
    """What `md5sum` does."""
    subprocess.run(["md5sum", bench.source], check=True, capture_output=True)


def compare_on_disk(bench: Bench) -> Row:
    """A build on a disk, beside the larger of `md5sum` alone and `cp` + `sync`, in each round."""
    calls: dict[str, Callable[[], object]] = {
        "build": lambda: bench.build(BySize()),
        "md5sum": lambda: md5sum(bench),
        "cp + sync": lambda: copy_and_sync(bench),
    }
    rounds = []
    for number in range(bench.rounds):
        took = {name: _timed(calls[name]) for name in sorted(calls, reverse=bool(number % 2))}
        rounds.append((max(took["md5sum"], took["cp + sync"]), took["build"]))
        print(", ".join(f"{name} {seconds:.2f} s" for name, seconds in took.items()), flush=True)
    reference_s, ours_s = (median(column) for column in zip(*rounds, strict=True))
    name, reference = "build on a disk", "the larger of md5sum and cp + sync"
    ratios = [ours / theirs for theirs, ours in rounds]
    return Row(name, reference, bench.source.stat().st_size, reference_s, ours_s, ratios, DISK_GOAL)


def compare_all(bench: Bench) -> list[Row]:
    """The rows that are ratios."""
    md5 = ("MD5 alone", lambda: hash_alone(bench.source, "md5"))
    sha256 = ("SHA-256 alone", lambda: hash_alone(bench.source, "sha256"))
    rows = [
        bench.compare("(MD5 beside a plain copy)", md5, lambda: copy_beside(bench, "md5"), None),
        bench.compare("build", md5, lambda: bench.build(BySize()), 1.05),
        bench.compare("(SHA-256 beside a plain copy)", sha256, lambda: copy_beside(bench, "sha256"), None),
        bench.compare("build --digest sha256", sha256, lambda: bench.build(BySize(), Digest.SHA256), 1.15),
        bench.compare("build --chunking cdc", md5, lambda: bench.build(ByContent()), None),
    ]
    with published(bench) as (folder, ca):
        info, manifest = package_dirs.read_info(bench.data, "17"), package_dirs.read_manifest(bench.data, "17", ca)
        on_agent = Folder(folder)
        rows += [
            bench.compare("agent: check as one", md5, lambda: check(on_agent, info, manifest), 1.10),
            bench.compare("verify", md5, lambda: verify(bench.data, "17", ca), None),
        ]
    return rows


@contextmanager
def warm_memory(folder: Path, size_bytes: int) -> Iterator[None]:
    """Have so much free memory that the machine's host does not take away, for as long as the block lasts.

    The host of a virtual machine may take back memory seconds after it was freed, and a page that it has to give again
    costs more than all that is measured here: up to 3 ms a MB. It takes whole blocks of 2 MiB; so every second MiB
    stays in use.
    """
    pieces = [folder / f"warm-{number}" for number in range(2 * size_bytes // MIB)]
    zeros = bytes(MIB)
    for piece in pieces:
        piece.write_bytes(zeros)
    for piece in pieces[::2]:
        piece.unlink()
    try:
        yield
    finally:
        for piece in pieces[1::2]:
            piece.unlink()


@contextmanager
def published(bench: Bench) -> Iterator[tuple[Path, Certificate]]:
    """A published package, for as long as the block lasts: its folder as an agent has it, and the CA."""
    staged = bench.stage(BySize())
    staged.sync()
    staged.publish()
    agent = bench.data.root / "agent" / "17"
    agent.mkdir(parents=True)
    for number in range(1, staged.fragments + 1):
        os.link(bench.data.package("17") / f"17-{number}", Folder(agent).fragment(number))
    try:
        yield agent, pki.load_ca(bench.data.ca_certificate)
    finally:
        package_dirs.delete(bench.data, "17")
        shutil.rmtree(agent.parent)


def small_fragments_per_s(bench: Bench) -> float:
    """Fragments a second, of 1 KiB each."""
    source = bench.source.with_name("small.zip")
    stored_zip(source, SMALL_FRAGMENTS * 1024 - 512)
    seconds = median(_timed(lambda: bench.build(BySize(1024), source=source)) for _ in range(bench.rounds))
    return SMALL_FRAGMENTS / seconds


def memory_mib(bench: Bench) -> float:
    """How much more memory the largest process of a build has for the large file than for a small one."""
    small = bench.source.with_name("tiny.zip")
    stored_zip(small, MIB)
    peaks = [_peak_kib(bench, source) for source in (small, bench.source)]
    return max(0, peaks[1] - peaks[0]) / 1024


def _peak_kib(bench: Bench, source: Path) -> int:
    """Peak memory of `distd package build` as users run it."""
    program = DISTD
    command: list[str | Path] = [
        program,
        "package",
        "build",
        source,
        "--data",
        bench.data.root,
        "--name",
        "x",
        "--os",
        "WINDOWS",
    ]
    process = subprocess.Popen([*command, "--action", "STORE", "--path", "C:\\x", "--json"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    package_id = json.loads(process.stdout.read())["id"]
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    subprocess.run(
        [program, "package", "delete", package_id, "--data", bench.data.root], check=True, capture_output=True
    )
    return usage.ru_maxrss


def stored_zip(path: Path, size_bytes: int) -> None:
    """Write a zip of random bytes, stored, which a build takes as it is."""
    noise = random.Random(1)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive, archive.open("data", "w", force_zip64=True) as out:
        for start in range(0, size_bytes, MIB):
            out.write(noise.randbytes(min(MIB, size_bytes - start)))


def tables_of(rows: list[Row], per_s: float, memory: float, similar: list[Similarity]) -> list[Table]:
    """What is published."""
    compared = []
    for row in rows:
        met = "" if row.goal is None else verdict(row.ratio <= row.goal)
        compared.append(
            [
                row.name,
                f"{row.size_bytes / MIB:.0f}",
                row.reference,
                f"{row.size_bytes / 1e6 / row.ours_s:.0f}",
                f"{row.size_bytes / 1e6 / row.reference_s:.0f}",
                f"{row.ratio:.2f} ({min(row.ratios):.2f}–{max(row.ratios):.2f})",
                "" if row.goal is None else f"≤ {row.goal:g}",
                met,
            ]
        )
    columns = ("what", "MiB", "reference", "MB/s", "reference MB/s", "ratio", "goal", "")
    others = [
        goal_row(f"{SMALL_FRAGMENTS:,} fragments of 1 KiB, a second", f"{per_s:,.0f}", "≥ 20,000", per_s >= 20_000),
        goal_row("memory that grows with the size, MiB", f"{memory:.1f}", "≤ 64", memory <= MEMORY_GOAL_MIB),
    ]
    shares = [
        [
            share.name,
            share.plan,
            f"{share.size_bytes:,}",
            f"{share.new_bytes:,}",
            f"{share.new_bytes / share.size_bytes:.0%}",
        ]
        for share in similar
    ]
    return [
        Table("Beside the digest that limits it", columns, compared),
        goal_table("Small fragments, and memory", others),
        Table("Version 1 → 2", ("packages", "plan", "package", "to mirror", "share"), shares),
    ]


def measure_on_disk(folder: Path, size_mib: int, rounds: int) -> Row:
    """The row of a build in `folder`."""
    with tempfile.TemporaryDirectory(dir=folder, prefix="distd-bench-") as made:
        data = create_installation(Path(made) / "data", ["localhost"])
        bench = Bench(data, Path(made) / "large.zip", rounds)
        stored_zip(bench.source, size_mib * MIB)
        os.sync()
        return compare_on_disk(bench)


@click.command()
@click.option("--size-mib", default=2048, show_default=True, help="Of the largest file.")
@click.option("--rounds", default=5, show_default=True, help="Each measures everything once.")
@click.option("--folder", default="/dev/shm", show_default=True, type=click.Path(path_type=Path))
@click.option(
    "--disk", default="/var/tmp", show_default=True, type=click.Path(path_type=Path), help="A folder on a real disk."
)
def main(size_mib: int, rounds: int, folder: Path, disk: Path) -> None:
    """Measure building, checking and verifying, in memory, and building on a disk."""
    on_disk = measure_on_disk(disk, size_mib, rounds)
    with tempfile.TemporaryDirectory(dir=folder, prefix="distd-bench-") as made:
        data = create_installation(Path(made) / "data", ["localhost"])
        bench = Bench(data, Path(made) / "large.zip", rounds)
        rows = []
        for size in sorted({min(512, size_mib), size_mib}):
            print(f"{size} MiB", flush=True)
            stored_zip(bench.source, size * MIB)
            with warm_memory(Path(made), size * MIB * 5 // 4):
                rows += compare_all(bench)
        rows.append(on_disk)
        per_s, memory = small_fragments_per_s(bench), memory_mib(bench)
        similar = measure_similarity(Path(made))
    command = "make bench-build" if size_mib == 2048 else f'make bench-build ARGS="--size-mib {size_mib}"'
    tables = tables_of(rows, per_s, memory, similar)
    publish("build", "Building packages", command, tables)
    finish(tables)


if __name__ == "__main__":
    main()
