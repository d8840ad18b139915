"""A server in memory with a CA, packages and faults, which speaks just enough HTTP for an agent."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import hashlib
import io
import ssl
import tarfile
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING

import trio
from blake3 import blake3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from agentsim.native.agent import NativeAgent
from agentsim.native.config import AgentConfig, Rights
from agentsim.native.state import open_state
from agentsim.native.trust_updates import TRUST_PATH
from distd.domain.records import (
    DownloadRequest,
    Fragment,
    Info,
    InventoryRequest,
    Manifest,
    Pack,
    PrologReply,
    PrologRequest,
)
from distd.domain.settings import DownloadConfig
from distd.lane.client.http_client import open_client
from distd.storage.trust_file import Revoked, next_list
from distd.wire import manifest as manifest_format
from distd.wire import ocs, ocs_info

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from agentsim.native.agent import Summary
    from distd.domain.records import (
        Action,
    )

ANY = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@dataclass
class Authority:
    """A CA with a web server's certificate and a manifest signer's."""

    folder: Path
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    signer: ed25519.Ed25519PrivateKey = field(default_factory=ed25519.Ed25519PrivateKey.generate)

    def __post_init__(self) -> None:
        ca = x509.BasicConstraints(ca=True, path_length=None)
        self.certificate = self._issue("CA", self.key, ca)
        mark = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])
        self.signer_der = self._issue("signer", self.signer, mark).public_bytes(serialization.Encoding.DER)
        web = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        chain = self._issue("web", web, names).public_bytes(serialization.Encoding.PEM)
        form = serialization.PrivateFormat.PKCS8
        chain += web.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        (self.folder / "web.pem").write_bytes(chain)
        self.file = self.folder / "cacert.pem"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def with_another_signer(self) -> Authority:
        """The same CA with another signer of manifests."""
        other = copy.copy(self)
        other.signer = ed25519.Ed25519PrivateKey.generate()
        mark = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])
        other.signer_der = self._issue("signer", other.signer, mark).public_bytes(serialization.Encoding.DER)
        return other

    def _issue(self, name: str, key: ANY, extension: x509.ExtensionType) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA")])
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).add_extension(extension, critical=False)
        builder = builder.not_valid_before(now - datetime.timedelta(days=1))
        return builder.not_valid_after(now + datetime.timedelta(days=1)).sign(self.key, hashes.SHA256())

    @property
    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "web.pem")
        return context

    @property
    def client_context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.file)


def tar(files: dict[str, bytes], mode: int = 0o644) -> bytes:
    """A tar.gz of these files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tape:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), mode
            tape.addfile(member, io.BytesIO(data))
    return out.getvalue()


@dataclass
class FaultyServer:
    """`faults`: path → what to do at the next requests for it: a status, "cut N" (close after N bytes of the body),
    "hang" (after half of the body), "flip" (change a bit), "to PATH" (302), "short" (a whole answer of half the bytes).

    `http` and `https`: "host:port". It listens on them within `serving`; until then `handle` takes any stream.
    """

    authority: Authority
    config: DownloadConfig = field(default_factory=lambda: DownloadConfig(True, 0, 0, 0, 10))
    http: str = ""
    https: str = ""
    packs: dict[str, Pack] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[int | str]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    results: list[tuple[str, str]] = field(default_factory=list)
    history: frozenset[str] | None = None
    keep_listing: bool = False
    send: bool = True
    rights: Rights = field(default_factory=lambda: Rights(commands=True))
    nursery: trio.Nursery | None = None
    plain: trio.CancelScope = field(default_factory=trio.CancelScope)
    tar = staticmethod(tar)

    async def start_http(self) -> None:
        """The plain port; after `stop_http` the same one again."""
        assert self.nursery is not None
        self.http = await self.nursery.start(self._serve_http)

    def stop_http(self) -> None:
        """As if the server went down: nothing listens, and all connections are gone."""
        self.plain.cancel()

    async def _serve_http(self, task_status: trio.TaskStatus[str]) -> None:
        port = int(self.http.partition(":")[2] or 0)
        with self.plain:
            listeners = await trio.open_tcp_listeners(port, host="127.0.0.1")
            task_status.started(f"127.0.0.1:{listeners[0].socket.getsockname()[1]}")
            await trio.serve_listeners(self.handle, listeners)
        self.plain = trio.CancelScope()

    def add(
        self, name: str, content: bytes, action: Action, target: str | Path, fragments: int = 1, priority: int = 1
    ) -> None:
        size = max(1, -(-len(content) // max(fragments, 1)))
        pieces = [content[start : start + size] for start in range(0, len(content), size)] if fragments else []
        md5 = hashlib.md5(content)
        info = Info(name, priority, action, str(target), len(pieces), md5.hexdigest() if pieces else "")
        rendered = ocs_info.render(info)
        manifest = Manifest(
            name,
            1,
            sum(map(len, pieces)),
            md5.digest(),
            hashlib.sha256(content).digest(),
            blake3(content).digest(),
            blake3(rendered).digest(),
            tuple(Fragment(n, len(piece), blake3(piece).digest()) for n, piece in enumerate(pieces, 1)),
        )
        self._sign(manifest, rendered)
        self.files |= {f"/download/{name}/{name}-{n}": piece for n, piece in enumerate(pieces, 1)}
        self.list(name)

    def _sign(self, manifest: Manifest, info: bytes) -> None:
        base = f"/download/{manifest.package_id}"
        signed = manifest_format.sign(manifest, self.authority.signer, self.authority.signer_der)
        self.files |= {f"{base}/info": info, f"{base}/manifest": signed}

    def spoil_info(self, name: str, old: bytes, new: bytes) -> None:
        """Have another info, for which the manifest is signed all the same."""
        info = self.files[f"/download/{name}/info"].replace(old, new)
        manifest = manifest_format.read(self.files[f"/download/{name}/manifest"], self.authority.certificate)
        self._sign(dataclasses.replace(manifest, info_blake3=blake3(info).digest()), info)

    def change_signer(self) -> None:
        """Have another signer, who signs all packages anew, one version on; and revoke the one before."""
        old = x509.load_der_x509_certificate(self.authority.signer_der)
        self.authority = self.authority.with_another_signer()
        for path in [path for path in self.files if path.endswith("/manifest")]:
            manifest = manifest_format.read(self.files[path], self.authority.certificate)
            info = self.files[path.replace("/manifest", "/info")]
            self._sign(dataclasses.replace(manifest, version=manifest.version + 1), info)
        before = self.files.get(TRUST_PATH, b"")
        revoked = [Revoked(old.serial_number, 0.0)]
        self.files[TRUST_PATH] = next_list(before, self.authority.certificate, self.authority.key, revoked)

    def set_version(self, name: str, version: int) -> None:
        """Have the package in another version, with a manifest that is signed."""
        base = f"/download/{name}"
        manifest = manifest_format.read(self.files[f"{base}/manifest"], self.authority.certificate)
        self._sign(dataclasses.replace(manifest, version=version), self.files[f"{base}/info"])

    def add_mirror(self, name: str, mirror: str) -> None:
        """Have the fragments also at "/MIRROR/download" of the plain port; the agent is told of it."""
        base = f"/download/{name}/{name}-"
        self.files |= {f"/{mirror}{path}": data for path, data in self.files.items() if path.startswith(base)}
        pack = self.packs[name]
        self.packs[name] = dataclasses.replace(pack, mirrors=(*pack.mirrors, f"{self.http}/{mirror}/download"))

    def list(self, name: str, force: bool = False) -> None:
        self.packs[name] = Pack(name, f"{self.https}/download", f"{self.http}/download", force)

    # -- HTTP

    async def handle(self, stream: trio.abc.Stream) -> None:
        data = b""
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while True:
                while b"\r\n\r\n" not in data:
                    if not (chunk := bytes(await stream.receive_some(65536))):
                        return
                    data += chunk
                head, _, data = data.partition(b"\r\n\r\n")
                line, *rows = head.decode().split("\r\n")
                fields = {name.lower(): value for name, _, value in (row.partition(": ") for row in rows)}
                while len(data) < int(fields.get("content-length", 0)):
                    data += bytes(await stream.receive_some(65536))
                length = int(fields.get("content-length", 0))
                body, data = data[:length], data[length:]
                method, path = line.split()[:2]
                if method == "HEAD":
                    await send(stream, 200 if path in self.files else 404, b"")
                elif not await self.answer(stream, method, path, fields, body):
                    await stream.aclose()
                    return

    async def answer(
        self, stream: trio.abc.Stream, method: str, path: str, fields: dict[str, str], body: bytes
    ) -> bool:
        self.requests.append(f"{method} {path} {fields.get('range', '')}".strip())
        fault = self.faults[path].pop(0) if self.faults.get(path) else ""
        if isinstance(fault, int):
            await send(stream, fault, b"no")
            return True
        if method == "POST":
            await send(stream, 200, self.post(ocs.read_request(body, max_inflated_bytes=10**7)))
            return True
        if fault.startswith("to "):
            await send(stream, 302, b"elsewhere", f"Location: {fault[3:]}")
            return True
        return await self.get(stream, self.files.get(path), fields, fault)

    async def get(self, stream: trio.abc.Stream, content: bytes | None, fields: dict[str, str], fault: str) -> bool:
        if content is None:
            await send(stream, 404, b"none")
            return True
        tag, status, extra = f'"{blake3(content).hexdigest()}"', 200, []
        start = int(fields["range"].removeprefix("bytes=").removesuffix("-")) if "range" in fields else 0
        if start >= len(content) > 0:
            await send(stream, 416, b"")
            return True
        if start and fields.get("if-range", tag) == tag:
            extra, status = [f"Content-Range: bytes {start}-{len(content) - 1}/{len(content)}"], 206
            content = content[start:]
        if fault == "flip":
            content = bytes([content[0] ^ 1]) + content[1:]
        if fault == "short":
            content = content[: len(content) // 2]
        cut = int(fault[4:]) if fault.startswith("cut ") else None
        if fault == "hang":
            cut = len(content) // 2
        await send(stream, status, content, f"ETag: {tag}", *extra, cut=cut)
        if fault == "hang":
            await trio.sleep_forever()
        return cut is None

    def post(self, request: object) -> bytes:
        match request:
            case PrologRequest():
                return ocs.write_prolog_reply(PrologReply(self.send, 1, self.config, tuple(self.packs.values())))
            case InventoryRequest():
                self.history = request.history
                return ocs.write_no_account_update()
            case DownloadRequest():
                self.results.append((request.package_id, request.code))
                if not self.keep_listing:
                    self.packs.pop(request.package_id, None)
        return b""

    # -- the agent

    async def run(self, state: Path, log: Callable[[str], None] = lambda line: None) -> Summary:
        """A native agent, once, in this process."""
        with open_state(state) as held:
            async with open_client(self.authority.client_context) as client:
                server = f"https://{self.https}/ocsinventory"
                certificate = self.authority.certificate
                agent = NativeAgent(server, certificate, held, client, "pc", log, AgentConfig(self.rights))
                return await agent.run(once=True)

    def count(self, word: str) -> int:
        return sum(word in request for request in self.requests)


async def send(stream: trio.abc.Stream, status: int, body: bytes, *fields: str, cut: int | None = None) -> None:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *fields, "", ""]
    await stream.send_all("\r\n".join(lines).encode() + body[:cut])


@asynccontextmanager
async def serving(server: FaultyServer) -> AsyncIterator[None]:
    context = server.authority.server_context

    async def secure(stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError):
            await server.handle(trio.SSLStream(stream, context, server_side=True, https_compatible=True))

    async with trio.open_nursery() as nursery:
        server.nursery = nursery
        tls = await nursery.start(partial(trio.serve_tcp, host="127.0.0.1"), secure, 0)
        server.https = f"127.0.0.1:{tls[0].socket.getsockname()[1]}"
        await server.start_http()
        yield
        nursery.cancel_scope.cancel()
