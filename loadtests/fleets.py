"""A server with packages, and fleets of emulated agents against it: what scenarios and benches are made of."""

from __future__ import annotations

import contextlib
import io
import json
import random
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

from distd.cli.main import run as distd_command
from tests.programs.processes import DISTD, ProgramFailed, distd_serve, free_port, plain_environment, run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from tests.programs.processes import Site

AGENTSIM = str(Path(sys.executable).with_name("agentsim"))
FILE_BYTES = 65_536
LOAD_TIMEOUT_S = 7200.0


@dataclass(frozen=True, slots=True)
class Parcel:
    """A package to be. `plan`: options of `package build` that say how it is cut."""

    name: str
    size_bytes: int
    priority: int = 5
    plan: tuple[str, ...] = ("--fragment-size", "64KiB")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What `agentsim load` came to: its exit status, its report, what it said on stderr."""

    status: int
    told: dict[str, Any]
    errors: str

    @property
    def figures(self) -> dict[str, float]:
        return self.told["figures"]  # type: ignore[no-any-return]


class Ground:
    """A data directory in `folder`, and the addresses at which it is served."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "origin"
        self.http, self.https = (f"127.0.0.1:{free_port()}" for _ in range(2))
        self.url = f"https://localhost:{self.https.rpartition(':')[2]}"
        self.packages: list[str] = []

    @contextlib.asynccontextmanager
    async def serve(self, settings: Mapping[str, object], workers: int = 1) -> AsyncIterator[Site]:
        if not self.data.exists():
            await run([DISTD, "init", "--data", str(self.data), "--host", "localhost"])
        opened = distd_serve(self.data, settings, http=self.http, https=self.https, workers=workers, timeout_s=60)
        async with opened as site:
            yield site

    async def distd(self, *words: object) -> Any:
        """A command on the data directory, run in this process, which saves its start; what it prints as JSON."""
        output, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            status = distd_command([*map(str, words), "--data", str(self.data), "--json"])
        if status != 0:
            raise ProgramFailed([DISTD, *map(str, words)], status, errors.getvalue())
        printed = output.getvalue()
        return json.loads(printed) if printed.strip() else None

    async def publish(self, parcel: Parcel, seed: int = 0) -> str:
        """Build it and activate it; its id."""
        source = write_zip(self.folder / f"{parcel.name}.zip", parcel.size_bytes, seed)
        order = ("--os", "WINDOWS", "--action", "STORE", "--path", "C:\\x", "--priority", parcel.priority)
        built = await self.distd("package", "build", source, "--name", parcel.name, *order, *parcel.plan)
        await self.distd("package", "activate", built["id"])
        self.packages.append(built["id"])
        return str(built["id"])

    async def load(self, agents: int, *options: object) -> Loaded:
        """A fleet from its beginning to its end."""
        report = self.folder / "report.json"
        report.unlink(missing_ok=True)
        server = ("--server", f"{self.url}/ocsinventory", "--ca", str(self.data / "cacert.pem"))
        command = [AGENTSIM, "load", *server, "--agents", str(agents), "--report", str(report), *map(str, options)]
        with trio.fail_after(LOAD_TIMEOUT_S):
            done = await trio.run_process(
                command, capture_stdout=True, capture_stderr=True, check=False, env=plain_environment()
            )
        errors = done.stderr.decode(errors="replace")
        if not report.exists():
            raise ProgramFailed(command, done.returncode, errors)
        return Loaded(done.returncode, json.loads(report.read_text()), errors)

    async def enlist(self, agents: int, *options: object) -> Loaded:
        """Let them be known by a first contact."""
        return await self.load(agents, "--arrival", "closed=100", *options)

    async def assign(self, *packages: str) -> None:
        """Each to every computer that is known."""
        names = self.folder / "computers"
        names.write_text("\n".join(row["device_id"] for row in await self.distd("computer", "list")))
        for package_id in packages:
            await self.distd("assign", package_id, "--computers", names)

    async def recorded(self, package_id: str, fragments: int = 0) -> dict[str, Any]:
        """What the server itself counts of a package: results by code, fragments and bytes sent. It writes them down in
        batches: until it has so many `fragments` it is asked again, for a while."""
        for _ in range(100):
            rows = await self.distd("results", package_id)
            if sum(row["fragments_fetched"] for row in rows) >= fragments:
                break
            await trio.sleep(0.1)
        codes: dict[str, int] = {}
        for row in rows:
            code = row["code"] or "none yet"
            codes[code] = codes.get(code, 0) + 1
        return {
            "codes": codes,
            "fragments": sum(row["fragments_fetched"] for row in rows),
            "bytes": sum(row["sent_bytes"] for row in rows),
        }


def spell(codes: Mapping[str, int]) -> str:
    """Result codes and how often, in words."""
    return ", ".join(f"{code} {count:,}" for code, count in sorted(codes.items()))


def write_zip(path: Path, size_bytes: int, seed: int, changed: Sequence[int] = ()) -> Path:
    """A zip of random files, about so large; those in `changed` differ from what the seed alone gives."""
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(max(size_bytes // FILE_BYTES, 1)):
            draw = random.Random(f"{seed} {number} {number in changed}")
            content = draw.randbytes(min(FILE_BYTES, size_bytes))
            archive.writestr(zipfile.ZipInfo(f"{number:05}", (2026, 1, 1, 0, 0, 0)), content)
    return path
