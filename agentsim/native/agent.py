"""distd's own agent: performs what the state machine asks for, on a real network, disk and shell.

Nothing is trusted that the site's CA does not guarantee: `info` and manifest come over TLS, the manifest is signed,
`info` must have the BLAKE3 that the manifest gives, and so must every fragment, wherever it came from. An earlier
version of a package than was taken before is refused.

A kill at any moment loses at most the bytes in flight. An interrupted STORE is done again, which does no harm. A LAUNCH
or EXECUTE is marked before it is begun and never begun twice: if the agent is killed before the outcome is on disk, it
reports ERR_EXECUTE_NO_EXIT_CODE, although the command may have gone well. A result is on disk before it is sent and
is removed after it was accepted: killed in between, the agent reports the same code once more.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import trio
from blake3 import blake3

from agentsim.native import deploy, inventory
from agentsim.native.config import DEFAULT_CONFIG
from agentsim.native.credentials import Credentials
from agentsim.native.fetch import fetch_fragment
from agentsim.native.sources import Sources
from agentsim.native.state import is_disk_full, remove_tree
from agentsim.native.store import store
from agentsim.native.trust_updates import ManifestState, TrustUpdates
from agentsim.native.unpack import unpack
from distd import __version__
from distd.domain.agent_actions import (
    Assemble,
    Assembled,
    Corrupted,
    Discard,
    Done,
    Failed,
    FetchFragment,
    FetchInfo,
    Finished,
    InfoFetched,
    PrologAnswered,
    SendInventory,
    SendProlog,
    SendResult,
    Started,
    Wait,
)
from distd.domain.agent_machine import Agent, SavedState
from distd.domain.errors import BadInput, Corrupt, Unavailable
from distd.domain.records import Action as PackageAction
from distd.domain.records import Dialect, DownloadRequest, InventoryRequest, PrologRequest
from distd.domain.results import Outcome, classify
from distd.storage.trust_file import TrustFile
from distd.wire import manifest as manifest_format
from distd.wire import ocs, ocs_info

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography import x509

    from agentsim.native.config import AgentConfig
    from agentsim.native.state import Folder, State
    from distd.domain.agent_actions import (
        Action,
        Event,
    )
    from distd.domain.records import Info, Manifest, Pack, Request
    from distd.lane.client.http_client import Client

USER_AGENT = f"distd-agent/{__version__}"
MAX_INFO_BYTES = 65_536
MAX_MANIFEST_BYTES = 67_108_864
MINUTE_S = 60
_HEADERS = (("Content-Type", "application/x-compress"), ("Pragma", "no-cache"))


@dataclass(slots=True)
class Summary:
    """What a run achieved.

    `results`: codes by package id. `reached`: the server has answered. `undelivered`: results that
    it has not accepted. `left`: packages that are not deployed yet."""

    results: dict[str, str] = field(default_factory=dict)
    reached: bool = False
    undelivered: int = 0
    left: int = 0

    @property
    def is_good(self) -> bool:
        """Whether all packages are deployed and reported."""
        failed = any(classify(code) is not Outcome.SUCCESS for code in self.results.values())
        return self.reached and not (failed or self.undelivered or self.left)


class NativeAgent:
    """Performs the machine's actions. `log` takes a line."""

    def __init__(
        self,
        server: str,
        ca: x509.Certificate,
        state: State,
        client: Client,
        device_id: str,
        log: Callable[[str], None],
        config: AgentConfig = DEFAULT_CONFIG,
    ) -> None:
        self._server = server
        self._trust = TrustUpdates(server, TrustFile(state.trust_path, ca), client, log)
        self._state = state
        self._client = client
        self._log = log
        self._device_id = device_id
        self._rights = config.rights
        self._account = config.account
        self._manifests: dict[str, Manifest] = {}
        self._sources: dict[str, Sources] = {}
        self._threads = trio.CapacityLimiter(1)  # hashing and unpacking: one at a time

    @cached_property
    def _credentials(self) -> Credentials:
        return Credentials(self._state.path, self._account)

    async def run(self, *, once: bool) -> Summary:
        """Until nothing is left to do (`once`), or until cancelled."""
        queue, pending, history = self._state.restore(self._trust.trust.undated())
        agent = Agent(
            self._device_id,
            Dialect.NATIVE,
            SavedState(history, queue, pending, self._state.config),
            once=once,
            jitter=random.SystemRandom().random,
            log=self._log,
        )
        summary = Summary()
        event: Event = Started()
        while not isinstance(action := agent.next(event, time.time()), Finished):
            event = await self._perform(action, agent)
            if isinstance(action, SendResult):
                summary.results[action.package_id] = action.code
            summary.reached |= isinstance(event, PrologAnswered)
        summary.undelivered, summary.left = len(agent.pending), len(agent.queue)
        return summary

    async def _perform(self, action: Action, agent: Agent) -> Event:
        match action:
            case SendProlog():
                return await self._prolog(agent)
            case FetchInfo(pack):
                return await self._info(pack)
            case SendInventory():
                return await self._inventory(agent)
            case FetchFragment():
                return await self._fragment(action)
            case Assemble(package_id):
                return await self._deploy(self._state.folder(package_id), agent.config.execution_timeout_min)
            case SendResult(package_id, code):
                return await self._result(package_id, code, agent)
            case Discard(package_id):
                self._forget(package_id)
            case Wait(seconds, reason):
                self._log(f"Now pausing for a {reason} => {seconds:g} seconds")
                await trio.sleep(seconds)
        return Done()

    # -- the server

    async def _post(self, request: Request) -> bytes:
        body = ocs.write_request(request)
        headers = (*_HEADERS, *self._credentials.fields())
        response = await self._client.request("POST", self._server, body=body, headers=headers)
        if response.status == 401:
            self._credentials.refused()
        if not 200 <= response.status < 300:
            raise Unavailable(self._server, f"HTTP {response.status}")
        return response.body

    async def _prolog(self, agent: Agent) -> Event:
        try:
            request = PrologRequest(self._device_id, self._credentials.key_to_tell)
            reply = ocs.read_prolog_reply(await self._post(request))
        except (Unavailable, BadInput) as error:
            self._log(f"Contacting the server...failed: {error}")
            return Failed(str(error))
        self._log(f"Contacting the server...OK (packages listed: {len(reply.packs)})")
        self._credentials.accepted()
        if not reply.config.on:
            self._log("Download is off.")
        self._state.save_config(reply.config)
        if await self._trust.update():
            self._manifests.clear()
        for pack in reply.packs:
            self._note_sources(pack)
            if pack.id in agent.queue:  # it may have been moved to another server
                self._state.folder(pack.id).place(pack.pack_loc, agent.queue[pack.id].since_s)
                await self._renew_manifest(pack, agent)
        return PrologAnswered(reply)

    async def _renew_manifest(self, pack: Pack, agent: Agent) -> None:
        """A package that is another one by now is taken anew; what else it has stays."""
        found = await self._trust.renew_manifest(self._state.folder(pack.id), pack, self._state.floors)
        if found is ManifestState.NONE:
            agent.drop(pack.id)
            self._forget(pack.id)

    async def _inventory(self, agent: Agent) -> Event:
        host = urlsplit(self._server).hostname or ""
        hardware = await trio.to_thread.run_sync(inventory.hardware, self._device_id, host, limiter=self._threads)
        history = frozenset(agent.history)
        request = InventoryRequest(self._device_id, hardware, {}, inventory.networks(), history)
        try:
            await self._post(request)
        except (Unavailable, BadInput) as error:
            self._log(f"Sending the inventory...failed: {error}")
            return Failed(str(error))
        self._log("Sending the inventory...OK")
        return Done()

    async def _result(self, package_id: str, code: str, agent: Agent) -> Event:
        folder = self._state.folder(package_id)
        folder.conclude(code)
        self._state.save_history(agent.history)
        self._log(f"Sending message for {package_id}, code={code}.")
        try:
            await self._post(DownloadRequest(self._device_id, package_id, code))
        except (Unavailable, BadInput) as error:
            self._log(f"The server did not take the message: {error}")
            return Failed(str(error))
        self._forget(package_id)
        return Done()

    def _forget(self, package_id: str) -> None:
        self._manifests.pop(package_id, None)
        self._sources.pop(package_id, None)
        remove_tree(self._state.folder(package_id).path)

    # -- info and fragments

    async def _info(self, pack: Pack) -> Event:
        try:
            info = await self._fetch_info(pack)
        except (Unavailable, BadInput, Corrupt, OSError) as error:
            self._log(f"Retrieve info file...failed (pack {pack.id}): {error}")
            return Failed(str(error))
        self._log(f"Retrieve info file...OK (pack {pack.id})")
        return InfoFetched(info)

    async def _fetch_info(self, pack: Pack) -> Info:
        base = f"https://{pack.info_loc}/{pack.id}"
        signed = await self._get(f"{base}/manifest", MAX_MANIFEST_BYTES)
        manifest = manifest_format.read(signed, self._trust.trust)
        data = await self._get(f"{base}/info", MAX_INFO_BYTES)
        info = ocs_info.parse(data)
        for what, expected, got in (
            ("id of the manifest", pack.id, manifest.package_id),
            ("BLAKE3 of info", manifest.info_blake3.hex(), blake3(data).hexdigest()),
            ("FRAGS of info", str(len(manifest.fragments)), str(info.fragments)),
        ):
            if expected != got:
                raise Corrupt(what, expected, got)
        self._state.floors.check(pack.id, manifest.version)
        self._state.floors.raise_to({pack.id: manifest.version})
        self._state.folder(pack.id).begin(data, signed, pack.pack_loc, time.time())
        self._manifests[pack.id] = manifest
        return info

    async def _get(self, url: str, limit_bytes: int) -> bytes:
        response = await self._client.request("GET", url, max_body_bytes=limit_bytes, downgrade=False)
        if response.status != 200:
            raise Unavailable(url, f"HTTP {response.status}")
        return response.body

    def _manifest(self, package_id: str) -> Manifest:
        if package_id not in self._manifests:
            self._manifests[package_id] = self._state.folder(package_id).manifest(self._trust.trust.undated())
        return self._manifests[package_id]

    def _note_sources(self, pack: Pack) -> None:
        known = self._sources.get(pack.id)
        if known is None or known.named != (*pack.mirrors, pack.pack_loc):
            self._sources[pack.id] = Sources(self._client, pack.mirrors, pack.pack_loc)

    async def _fragment(self, action: FetchFragment) -> Event:
        """From the quickest place; where it fails, the next one goes on inside the fragment."""
        name = f"{action.package_id}-{action.number}"
        path = f"{action.package_id}/{name}"
        sources = self._sources.get(action.package_id) or Sources(self._client, (), action.pack_loc)
        event: Event = Failed("there is no place to get it from")
        for place in await sources.ranked(action.proto, path):
            event = await self._fragment_from(f"{action.proto}://{place}/{path}", name, action)
            if not isinstance(event, Failed | Corrupted) or (isinstance(event, Failed) and event.code):
                return event
            sources.failed(place)
        return event

    async def _fragment_from(self, url: str, name: str, action: FetchFragment) -> Event:
        try:
            fragment = self._manifest(action.package_id).fragments[action.number - 1]
        except Corrupt as error:  # its signer is revoked: the next contact brings a manifest that is signed anew
            return Failed(str(error))
        path = self._state.folder(action.package_id).fragment(action.number)
        try:
            await fetch_fragment(self._client, url, fragment, path, self._threads)
        except Corrupt as error:
            self._log(f"Downloading {name}...corrupt, discarded: {error}")
            return Corrupted()
        except (Unavailable, BadInput) as error:
            self._log(f"Downloading {name}...failed: {error}")
            return Failed(str(error))
        except OSError as error:
            if not is_disk_full(error):
                raise
            self._log(f"Downloading {name}...failed: {error}")
            return Failed(str(error), "ERR_OUT_OF_SPACE")
        self._log(f"Downloading {name}...OK")
        return Done()

    # -- deploying

    async def _deploy(self, folder: Folder, timeout_min: int) -> Event:
        try:
            info, manifest = folder.info(), self._manifest(folder.id)
        except Corrupt as error:  # as for a fragment: it is deployed when there is a manifest that counts
            self._log(f"Building of {folder.id}... has to wait: {error}")
            return Failed(str(error))
        if folder.was_running:
            self._log(f"Package {folder.id} was interrupted while it ran; it is not run again.")
            code = "ERR_EXECUTE_NO_EXIT_CODE"
        elif info.action is not PackageAction.STORE and not self._rights.commands:
            self._log(f"Package {folder.id} is refused: it is to {info.action}, and --allow-execute was not given.")
            code = "ERR_EXECUTE_NOT_ALLOWED"
        else:
            code = await trio.to_thread.run_sync(self._build, folder, info, manifest, limiter=self._threads)
            code = code or await self._run_action(folder, info, timeout_min * MINUTE_S)
        folder.conclude(code)
        return Assembled(code)

    def _build(self, folder: Folder, info: Info, manifest: Manifest) -> str:
        """Check and unpack; the code of what went wrong, or empty."""
        self._log(f"Building package for {folder.id}.")
        try:
            folder.begin_tree()
            if info.fragments:
                deploy.check(folder, info, manifest)
                with deploy.open_archive(folder, manifest) as archive:
                    unpack(archive, folder.tree, self._rights.unpack)
        except (Corrupt, BadInput, OSError) as error:
            self._log(f"Building of {folder.id}... failed: {error}")
            return _build_code(error)
        self._log(f"Building of {folder.id}... Success.")
        return ""

    async def _run_action(self, folder: Folder, info: Info, timeout_s: float) -> str:
        target = info.target.replace("INSTALL_PATH", str(self._state.path))
        if info.action is PackageAction.STORE:
            self._log(f"Storing package to {target}...")
            return await trio.to_thread.run_sync(self._store, folder.tree, target, limiter=self._threads)
        folder.mark_running()
        output = folder.path / "output"
        if info.action is PackageAction.LAUNCH:
            self._log(f"Launching {target}...")
            code = await deploy.launch(folder.tree, target, output, timeout_s)
        else:
            self._log(f"Execute {target}...")
            code = await deploy.execute(folder.tree, target, output, timeout_s)
        for line in _last_lines(output):
            self._log(f"  | {line}")
        return code

    def _store(self, tree: Path, target: str) -> str:
        try:
            store(tree, Path(target))
        except (OSError, BadInput) as error:
            self._log(f"Storing package to {target}... failed: {error}")
            return "ERR_OUT_OF_SPACE" if is_disk_full(error) else "ERR_EXECUTE"
        return "SUCCESS"


def _build_code(error: Corrupt | BadInput | OSError) -> str:
    if isinstance(error, Corrupt):
        return "ERR_BAD_DIGEST"
    return "ERR_OUT_OF_SPACE" if is_disk_full(error) else "ERR_BUILD"


def _last_lines(file: Path, count: int = 10, limit_bytes: int = 8192) -> list[str]:
    """The end of a command's output, for the log."""
    if not file.exists():
        return []
    with file.open("rb") as data:
        data.seek(max(0, file.stat().st_size - limit_bytes))
        return data.read().decode(errors="replace").splitlines()[-count:]
