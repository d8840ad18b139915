"""The honest client beside an attack: `python -m loadtests.honest_client SITE`.

Prints "ready", waits for SIGUSR1, sends requests at a steady rate for so many seconds, each on a new connection and by
itself, prints one line of JSON. A latency counts from when the request was due. One that fails, or is refused, counts
as `LIMIT_S`: a server that refuses everybody is quick.
"""

from __future__ import annotations

import base64
import json
import signal
import ssl
import sys
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import click
import trio

from distd.domain.errors import DistdError
from distd.domain.records import DownloadRequest, PrologRequest
from distd.lane.client.http_client import open_client
from distd.wire import ocs
from loadtests.attacks.site import await_start, read_site

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from distd.domain.records import Pack
    from distd.lane.client.http_client import Response
    from loadtests.attacks.site import AttackedSite

LIMIT_S: Final = 10.0
AGENT: Final = ("User-Agent", "OCS-NG_unified_unix_agent_v2.10.0")


class NotServed(Exception):
    """An answer that an honest client does not expect."""


@dataclass(frozen=True, slots=True)
class RequestKind:
    """A request that comes `per_s` times a second."""

    name: str
    per_s: float
    send: Callable[[int], Awaitable[object]]


class HonestClient:
    """`computers` make contacts; `deploying`, if not empty, deploys the assigned package, once."""

    def __init__(self, site: AttackedSite, computers: Sequence[str], deploying: str = "") -> None:
        self.site = site
        self.latencies_s: list[float] = []
        self.log_ins_s: list[float] = []
        self.statuses: Counter[int] = Counter()
        self.failures: Counter[str] = Counter()
        self.deployed: list[str] = []
        self._computers = computers
        self._deploying = deploying
        self._tls = ssl.create_default_context(cafile=site.authority)

    def kinds(self) -> list[RequestKind]:
        """What it sends, and how often."""
        return [
            RequestKind("contact", 20, self._contact),
            RequestKind("fragment", 40, partial(self._fragment, self.site.http)),
            RequestKind("fragment of the mirror", 20, partial(self._fragment, self.site.mirror_http)),
            RequestKind("health", 10, self._health),
            RequestKind("API", 10, self._api),
        ]

    async def run(self, seconds: float) -> None:
        """Send everything that is due within so many seconds, and wait for the answers."""
        begun_s = trio.current_time()
        async with trio.open_nursery() as nursery:
            for kind in self.kinds():
                nursery.start_soon(self._send_all, nursery, kind, begun_s, seconds)
            nursery.start_soon(self._log_in)
            if self._deploying:
                nursery.start_soon(self._deploy, self._deploying)

    async def _send_all(self, nursery: trio.Nursery, kind: RequestKind, begun_s: float, seconds: float) -> None:
        for number in range(int(kind.per_s * seconds)):
            due_s = begun_s + number / kind.per_s
            await trio.sleep_until(due_s)
            nursery.start_soon(self._timed, kind.name, partial(kind.send, number), due_s, self.latencies_s)

    async def _timed(
        self, name: str, send: Callable[[], Awaitable[object]], due_s: float, latencies_s: list[float]
    ) -> None:
        why = "no answer in time"
        with trio.CancelScope(deadline=due_s + LIMIT_S):
            try:
                await send()
            except (DistdError, NotServed) as error:
                why = type(error).__name__ if isinstance(error, DistdError) else str(error)
            else:
                latencies_s.append(trio.current_time() - due_s)
                return
        self.failures[f"{name}: {why}"] += 1
        latencies_s.append(LIMIT_S)

    async def _ask(self, method: str, url: str, *fields: tuple[str, str], body: bytes = b"") -> Response:
        """On a new connection. Raises `NotServed`, `DistdError`."""
        async with open_client(self._tls) as client:
            answer = await client.request(method, url, body=body, headers=fields)
        self.statuses[answer.status] += 1
        if answer.status != 200:
            raise NotServed(f"status {answer.status}")
        return answer

    async def _post(self, request: PrologRequest | DownloadRequest) -> bytes:
        url = f"https://{self.site.https}/ocsinventory"
        return (await self._ask("POST", url, AGENT, body=ocs.write_request(request))).body

    async def _contact(self, number: int) -> None:
        await self._post(PrologRequest(self._computers[number % len(self._computers)]))

    async def _fragment(self, address: str, number: int) -> None:
        package_id = self.site.package
        await self._ask("GET", f"http://{address}/download/{package_id}/{package_id}-{number % 2 + 1}", AGENT)

    async def _health(self, _number: int) -> None:
        await self._ask("GET", f"http://{self.site.http}/healthz")

    async def _api(self, number: int) -> None:
        """By a log-in that the server has seen lately."""
        await self._ask("GET", f"https://{self.site.https}/api/v1/packages", self._field(number % 2))

    async def _log_in(self) -> None:
        """By one that it has not: its password must be checked."""
        begun_s = trio.current_time()
        send = partial(self._ask, "GET", f"https://{self.site.https}/api/v1/packages", self._field(2))
        await trio.sleep_until(begun_s + 1)  # the attack has begun
        await self._timed("log-in", send, trio.current_time(), self.log_ins_s)

    def _field(self, number: int) -> tuple[str, str]:
        name, password = self.site.logins[number]
        return "Authorization", "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()

    async def _deploy(self, device_id: str) -> None:
        """A contact, all fragments of the package by the computer's own path, its result."""
        try:
            reply = ocs.read_prolog_reply(await self._post(PrologRequest(device_id)))
            pack = next(pack for pack in reply.packs if pack.id == self.site.package)
            for number in (1, 2):
                await self._ask("GET", fragment_url(pack, number), AGENT)
            await self._post(DownloadRequest(device_id, pack.id, "SUCCESS"))
        except (DistdError, NotServed, StopIteration) as error:
            self.failures[f"deployment: {type(error).__name__}"] += 1
        else:
            self.deployed.append(device_id)  # the server has said that it has the result

    def as_json(self) -> str:
        """All that was counted."""
        return json.dumps(
            {
                "latencies_s": self.latencies_s,
                "log_ins_s": self.log_ins_s,
                "statuses": self.statuses,
                "failures": self.failures,
                "deployed": self.deployed,
            }
        )


def fragment_url(pack: Pack, number: int) -> str:
    """Where an agent fetches a fragment of a package."""
    return f"http://{pack.pack_loc}/{pack.id}/{pack.id}-{number}"


@click.command()
@click.argument("site")
@click.option("--seconds", default=8.0)
@click.option("--computer", "computers", multiple=True, required=True)
@click.option("--deploying", default="")
def main(site: str, seconds: float, computers: tuple[str, ...], deploying: str) -> None:
    """Be an honest client for so long."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    client = HonestClient(read_site(site), computers, deploying)
    await_start()
    trio.run(client.run, seconds)
    sys.stdout.write(client.as_json() + "\n")


if __name__ == "__main__":
    main()
