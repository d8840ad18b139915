"""The site that `make attack` attacks: a server with packages, operators, computers, and its mirror, on one core."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import trio

from distd.domain.records import PrologRequest
from distd.lane.client.http_client import open_client
from distd.wire import ocs
from loadtests.attacks.site import AttackedSite
from loadtests.machine import cpu_s, peak_bytes, pss_bytes, reset_peak
from redistrib.mirror_dir import MirrorDir, read_identity
from tests.programs.mirror import Mirror, join_as
from tests.programs.origin_server import OriginServer, PackageSource
from tests.programs.processes import distd_serve
from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from tests.programs.processes import RunningServer

# More than have a turn within the minute for which a server remembers a good log-in.
OPERATORS: Final = 24
CONTACTS: Final = 12  # computers that make contacts all the time
SMALL: Final = PackageSource("assigned", 130_000, plan=("--fragments", "2"))
LARGE: Final = PackageSource("large", 24 * 1_048_576, plan=("--fragment-size", "16MiB"))
# Fragments by the paths of computers come from the origin, so that it is known who has fetched them.
SETTINGS: Final = {"mirrors.via": "origin"}
TRACEBACK: Final = b"Traceback (most recent call last)"
IDLE_CPU: Final = 0.1  # of a core: less is idle
LAST_CORE: Final = ("taskset", "--cpu-list", str((os.cpu_count() or 1) - 1))
RECOVERY_S: Final = 60.0


@dataclass
class RunningSite:
    """Servers under attack. `computers` make contacts; `deployed` have had their results acknowledged."""

    origin: OriginServer
    mirror: Mirror
    servers: tuple[RunningServer, RunningServer]
    facts: AttackedSite
    computers: list[str]
    to_deploy: list[str]
    deployed: list[str] = field(default_factory=list)
    _turn: int = 0

    def for_slice(self) -> AttackedSite:
        """What attacker and honest client are told: the third log-in is one that the server has not seen lately."""
        self._turn += 1
        first, second, *others = self.facts.logins
        return replace(self.facts, logins=(first, second, others[self._turn % len(others)]))

    def memory_bytes(self) -> int:
        """Of all processes of server and mirror."""
        return sum(pss_bytes(server.process.pid) for server in self.servers)

    def reset_peak(self) -> None:
        """Let `peak_bytes` count from now on."""
        for server in self.servers:
            reset_peak(server.process.pid)

    def peak_bytes(self) -> int:
        """The most that they have taken at a time since then."""
        return sum(peak_bytes(server.process.pid) for server in self.servers)

    def disk_bytes(self) -> int:
        """Of the catalogue and of what the mirror notes down."""
        files = [*self.origin.data.glob("catalogue.db*"), *(self.mirror.data / "spool").glob("*")]
        return sum(path.stat().st_size for path in files if path.is_file())

    def logs(self) -> list[Path]:
        """Of server and mirror."""
        return [data.with_name(f"{data.name}.serve.log") for data in (self.origin.data, self.mirror.data)]

    def check_running(self, what: str) -> None:
        """Raises `SystemExit` where a server has ended. `what`: when."""
        for server, log in zip(self.servers, self.logs(), strict=True):
            if server.process.returncode is not None:
                raise SystemExit(f"{what}: the server has ended: {log.read_text(errors='replace')[-2000:]}")

    async def wait_until_idle(self) -> bool:
        """Wait until both do nothing, but not for ever; whether they do."""
        with trio.move_on_after(RECOVERY_S):
            while True:
                before_s = self._cpu_s()
                await trio.sleep(0.5)
                if self._cpu_s() - before_s < 0.5 * IDLE_CPU:
                    return True
        return False

    def _cpu_s(self) -> float:
        return sum(cpu_s(server.process.pid) for server in self.servers)

    def lost(self) -> list[str]:
        """What is not there any more, or has changed: packages, computers with their assignments, results, bytes."""
        ids = {row["id"] for row in self.origin.distd("package", "list", "--all")["items"]}
        rows = self.origin.distd("results", self.facts.package, "--all")["items"]
        return [
            *(f"package {package_id}" for package_id in self.origin.packages if package_id not in ids),
            *lost_results(rows, [*self.computers, *self.to_deploy], self.deployed),
            *(f"fragment {number} of the mirror" for number in (1, 2) if not self._is_same(number)),
        ]

    def _is_same(self, number: int) -> bool:
        package_id = self.facts.package
        ours, theirs = (
            folder / "download" / package_id / f"{package_id}-{number}"
            for folder in (self.origin.data, self.mirror.data)
        )
        return theirs.is_file() and ours.read_bytes() == theirs.read_bytes()


def lost_results(rows: Sequence[dict[str, Any]], computers: Sequence[str], deployed: Sequence[str]) -> list[str]:
    """Computers whose assignment is not there, and those whose acknowledged result is not."""
    codes = {row["device_id"]: row["code"] for row in rows}
    lost = [f"assignment of {device_id}" for device_id in computers if device_id not in codes]
    return lost + [f"result of {device_id}" for device_id in deployed if codes.get(device_id) != "SUCCESS"]


@contextlib.asynccontextmanager
async def open_site(
    folder: Path, deployments: int, operators: int = OPERATORS, within: Sequence[str] = LAST_CORE
) -> AsyncIterator[RunningSite]:
    """A new site in `folder`, with so many computers that are yet to deploy a package. Its servers share a core.

    `within`: the command that runs them there; empty: they are wherever the kernel puts them.
    """
    origin = OriginServer(folder)
    logins = [("admin", origin.distd("init", "--host", "localhost")["password"])]
    for number in range(1, operators):
        made = origin.distd("operator", "add", f"operator{number}")
        logins.append((f"operator{number}", made["password"]))
    mirror = Mirror(folder, "mirror", within=within)
    async with distd_serve(origin.data, SETTINGS, http=origin.http, https=origin.https, within=within) as server:
        package, large = await origin.publish(SMALL), await origin.publish(LARGE, seed=1)
        join_as(mirror, origin.data, origin.url)
        identity = read_identity(MirrorDir(mirror.data))
        assert identity is not None
        facts = AttackedSite(
            http=origin.http,
            https=origin.https,
            mirror_http=mirror.http,
            mirror_https=mirror.https,
            package=package,
            large=large,
            mirror_key=identity.key,
            authority=str(origin.data / "cacert.pem"),
            logins=tuple(logins),
        )
        computers = [f"honest-{number:04}-2026-01-01-00-00-00" for number in range(CONTACTS + deployments)]
        await _register(origin, computers)
        await origin.assign(package)
        async with mirror.serve() as mirror_server:
            site = RunningSite(
                origin, mirror, (server, mirror_server), facts, computers[:CONTACTS], computers[CONTACTS:]
            )
            for package_id in (package, large):
                await await_until(mirror.fragment(package_id, 1).exists, f"the mirror has package {package_id}")
            yield site


async def _register(origin: OriginServer, computers: Sequence[str]) -> None:
    """Make a contact of each; where the server wants them one after the other, that is awaited."""
    async with open_client() as client:
        for device_id in computers:
            body = ocs.write_request(PrologRequest(device_id))

            async def accepted(body: bytes = body) -> bool:
                return (await client.request("POST", f"http://{origin.http}/ocsinventory", body=body)).status == 200

            await await_until(accepted, f"the contact of {device_id} is accepted", interval_s=1.0)
