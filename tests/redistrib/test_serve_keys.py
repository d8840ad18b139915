"""Keys are rotated while origin and mirrors run, or are away; nothing is restarted, and nothing goes back."""

from __future__ import annotations

import random
import shutil
import socket
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING

import trio
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from distd.storage import issuing, pki
from distd.storage.key_pairs import SIGNER
from distd.wire import manifest as manifest_format
from tests.programs.mirror import command
from tests.programs.processes import DISTD, REDISTRIB, distd_serve

if TYPE_CHECKING:
    from pathlib import Path

    from tests.programs.mirror import Mirror
    from tests.redistrib.origin_program import Origin


def serial_served(https: str, ca: Path) -> int:
    """The serial number of the certificate that "host:port" has; 0: it is none of the CA's."""
    context, (host, _, port) = ssl.create_default_context(cafile=ca), https.rpartition(":")
    plain = socket.create_connection((host, int(port)), timeout=60)
    with plain, suppress(ssl.SSLCertVerificationError), context.wrap_socket(plain, server_hostname="localhost") as tls:
        return x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"").serial_number
    return 0


def serial_of(root: Path) -> int:
    return pki.load_certificate(root / "keys" / pki.SERVER_CERTIFICATE).serial_number


def is_signed_anew(origin: Origin, mirror: Mirror, package_id: str) -> bool:
    signer = pki.load_certificate(origin.data / "keys" / SIGNER.certificate)
    der = signer.public_bytes(Encoding.DER)
    path = mirror.data / "download" / package_id / "manifest"
    return path.exists() and manifest_format.signer_of(path.read_bytes()) == der


async def test_all_keys_are_rotated_under_a_running_origin_with_a_mirror_online_and_one_away(origin: Origin) -> None:
    package_id = origin.build(b"x" * 100_000)
    ca = origin.data / "cacert.pem"
    async with origin.serve():
        online, away = origin.join("paris"), origin.join("rome")
        async with online.serve():
            async with away.serve():
                await origin.until_ready("rome", package_id)
            await origin.until_ready("paris", package_id)
            before = {root: serial_of(root) for root in (origin.data, online.data, away.data)}
            for which in ("signing", "server", "mirrors"):
                origin.distd("keys", "rotate", which, "--revoke")
            await origin.until(lambda: is_signed_anew(origin, online, package_id), "paris has the new manifest")
            await origin.until(lambda: serial_of(online.data) != before[online.data], "paris has another certificate")
            await origin.until(lambda: serial_served(origin.https, ca) == serial_of(origin.data))
            await origin.until(lambda: serial_served(online.https, ca) == serial_of(online.data))
            await origin.until(lambda: (online.data / "trust.pem").exists())
            await origin.until(
                lambda: (online.data / "trust.pem").read_bytes() == (origin.data / "trust.pem").read_bytes()
            )
            await origin.until_ready("paris", package_id, 2)
        # A mirror that was away: its certificate is revoked, its packages are a revoked signer's.
        async with away.serve():
            await origin.until_ready("rome", package_id, 2)
            await origin.until(lambda: is_signed_anew(origin, away, package_id), "rome has the new manifest")
            await origin.until(lambda: serial_of(away.data) != before[away.data], "rome has another certificate")
            assert all(row["good"] for row in command(REDISTRIB, "verify", "--data", away.data))


async def test_an_agent_in_the_middle_of_a_download_goes_on(origin: Origin, tmp_path: Path) -> None:
    """With the token that it was told, and the manifest that the signer before signed, both of which count still."""
    target, state = tmp_path / "srv", tmp_path / "state"
    package_id = origin.build(random.Random(1).randbytes(100_000), "--fragments", "5", target=target)
    origin.distd("package", "activate", package_id)
    async with origin.serve(download__frag_latency_s=2):
        await origin.run_agent(state)
        origin.distd("assign", package_id, "--computer", "pc")
        agent = origin.start_agent(state)
        await origin.until((state / "download" / package_id / f"{package_id}-1").exists, "the first fragment is there")
        for which in ("token", "signing", "server"):
            origin.distd("keys", "rotate", which)
        _, errors = await trio.to_thread.run_sync(agent.communicate)
        assert agent.returncode == 0, errors
        assert target.is_dir()
        assert errors.count("...failed") == 0


async def test_a_mirror_of_an_origin_whose_ca_is_elsewhere(origin: Origin, tmp_path: Path) -> None:
    folder = tmp_path / "ca"
    folder.mkdir()
    shutil.move(origin.data / "keys" / pki.CA_KEY, folder)
    shutil.copy(origin.data / "cacert.pem", folder)
    ca = pki.load_ca(folder / "cacert.pem")
    package_id = origin.build(b"x" * 1000)
    async with origin.serve():
        mirror = origin.join("paris")
        certificate = mirror.data / "keys" / pki.SERVER_CERTIFICATE
        assert not issuing.is_issued_by(pki.load_certificate(certificate), ca)
        async with mirror.serve():
            await origin.until_ready("paris", package_id)
            usb = tmp_path / "usb"
            await origin.until(lambda: origin.distd("keys", "request", usb) == ["mirror-paris.csr"])
            command(DISTD, "keys", "sign", usb, "--ca", folder)
            assert origin.distd("keys", "install", usb) == ["mirror-paris.pem"]
            await origin.until(lambda: issuing.is_issued_by(pki.load_certificate(certificate), ca))
            await origin.until(lambda: serial_served(mirror.https, folder / "cacert.pem") == serial_of(mirror.data))


async def test_each_worker_takes_keys_up(origin: Origin) -> None:
    ca = origin.data / "cacert.pem"
    async with distd_serve(origin.data, {}, http=origin.http, https=origin.https, workers=2):
        before = serial_of(origin.data)
        assert serial_served(origin.https, ca) == before
        origin.distd("keys", "rotate", "server", "--host", "localhost")
        after = serial_of(origin.data)
        # A connection comes to either of them.
        await origin.until(lambda: {serial_served(origin.https, ca) for _ in range(20)} == {after})
