"""An origin with packages, and fleets of emulated agents that load it: what scenarios and benches are made of."""

from __future__ import annotations

import contextlib
import json
import random
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from distd.catalogue.engine import open_catalogue
from distd.catalogue.mirrors_schema import mirror_packages
from tests.programs import commands
from tests.programs.processes import AGENTSIM, ProgramFailed, distd_serve, finish, free_port
from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from tests.programs.processes import RunningServer

FILE_BYTES = 65_536
LOAD_TIMEOUT_S = 7200.0


@dataclass(frozen=True, slots=True)
class PackageSource:
    """What a package is made of: a zip of about `size_bytes`, cut as `plan` (options of `package build`) says."""

    name: str
    size_bytes: int
    priority: int = 5
    plan: tuple[str, ...] = ("--fragment-size", "64KiB")


@dataclass(frozen=True, slots=True)
class FleetResult:
    """How `agentsim load` ended: its exit status, its report (its JSON), what it printed on stderr."""

    status: int
    report: dict[str, Any]
    errors: str

    @property
    def figures(self) -> dict[str, float]:
        """The report's figures, by the names that thresholds use."""
        figures: dict[str, float] = self.report["figures"]
        return figures


class OriginServer:
    """A data directory in `folder`, made when it is served first, the addresses at which it is served, its packages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "origin"
        self.http, self.https = (f"127.0.0.1:{free_port()}" for _ in range(2))
        self.url = f"https://localhost:{self.https.rpartition(':')[2]}"
        self.packages: list[str] = []

    @contextlib.asynccontextmanager
    async def serve(self, settings: Mapping[str, object], workers: int = 1) -> AsyncIterator[RunningServer]:
        """Run the server for as long as the block lasts."""
        if not self.data.exists():
            self.distd("init", "--host", "localhost")
        async with distd_serve(self.data, settings, http=self.http, https=self.https, workers=workers) as server:
            yield server

    def distd(self, *words: object) -> Any:
        """A command on the data directory; what it prints as JSON. Raises `ProgramFailed`."""
        return commands.distd(self.data, *words)

    async def publish(self, source: PackageSource, seed: int = 0) -> str:
        """Build a package and activate it; its id. Another `seed` gives other content."""
        file = write_zip(self.folder / f"{source.name}.zip", source.size_bytes, seed)
        options = ("--os", "WINDOWS", "--action", "STORE", "--path", "C:\\x", "--priority", source.priority)
        built = self.distd("package", "build", file, "--name", source.name, *options, *source.plan)
        self.distd("package", "activate", built["id"])
        self.packages.append(built["id"])
        return str(built["id"])

    def mirrors_with(self, package_id: str) -> int:
        """How many mirrors have verified a package, as the origin knows."""
        query = select(func.count()).where(mirror_packages.c.package_id == package_id)
        with open_catalogue(self.data / "catalogue.db") as catalogue, catalogue.read() as conn:
            return conn.scalar(query) or 0

    async def load(self, agents: int, *options: object) -> FleetResult:
        """Run a fleet of so many agents to its end; `options` are those of `agentsim load`.

        Raises `ProgramFailed` where it ends without a report.
        """
        report = self.folder / "report.json"
        report.unlink(missing_ok=True)
        server = ("--server", f"{self.url}/ocsinventory", "--ca", str(self.data / "cacert.pem"))
        command = [AGENTSIM, "load", *server, "--agents", str(agents), "--report", str(report), *map(str, options)]
        status, _, errors = await finish(command, timeout_s=LOAD_TIMEOUT_S)
        if not report.exists():
            raise ProgramFailed(command, status, errors)
        return FleetResult(status, json.loads(report.read_text()), errors)

    async def register(self, agents: int, *options: object) -> FleetResult:
        """Run the fleet once without packages to deploy, so that the server knows its computers."""
        return await self.load(agents, "--arrival", "closed=100", *options)

    async def assign(self, *packages: str) -> None:
        """Assign each of the packages to every computer that the server knows, of any system: fleets are mixed."""
        names = self.folder / "computers"
        names.write_text("\n".join(row["device_id"] for row in self.distd("computer", "list", "--all")["items"]))
        for package_id in packages:
            self.distd("assign", package_id, "--computers", names, "--any-os")

    async def recorded(self, package_id: str, fragments: int = 0) -> dict[str, Any]:
        """What the server has recorded of a package: results by code, fragments and bytes sent.

        It records in batches: this waits until it has recorded so many `fragments`.
        """
        rows: list[dict[str, Any]] = []

        def are_recorded() -> bool:
            rows[:] = self.distd("results", package_id, "--all")["items"]
            return bool(sum(row["fragments_fetched"] or 0 for row in rows) >= fragments)

        await await_until(are_recorded, f"{fragments} fragments of {package_id} are recorded")
        codes: dict[str, int] = {}
        for row in rows:
            code = row["code"] or "none yet"
            codes[code] = codes.get(code, 0) + 1
        return {
            "codes": codes,
            "fragments": sum(row["fragments_fetched"] or 0 for row in rows),
            "bytes": sum(row["sent_bytes"] for row in rows),
        }


def format_codes(codes: Mapping[str, int]) -> str:
    """Result codes with their numbers, as text."""
    return ", ".join(f"{code} {count:,}" for code, count in sorted(codes.items()))


def write_zip(path: Path, size_bytes: int, seed: int, changed: Sequence[int] = (), first: str = "00000") -> Path:
    """Write a zip of random files, about so large; the files whose numbers are in `changed` have other content.

    `first`: the first one's name; the others have their numbers.
    """
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(max(size_bytes // FILE_BYTES, 1)):
            draw = random.Random(f"{seed} {number} {number in changed}")
            content = draw.randbytes(min(FILE_BYTES, size_bytes))
            name = f"{number:05}" if number else first
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content)
    return path
