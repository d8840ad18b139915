"""`distd keys request`, `sign`, `install`: for a CA whose key is kept on another machine, with a folder between."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Final

import click
from cryptography.hazmat.primitives import serialization

from distd.cli.actor import unix_actor
from distd.cli.keys_revoking import record_revoked, record_rotated
from distd.cli.options import data_option
from distd.domain.errors import BadInput
from distd.origin.installation import open_installation
from distd.origin.mirrors import certificates as mirror_certificates
from distd.origin.packages import signing
from distd.storage import atomic, issuing, key_pairs, pki, revoking
from distd.storage.key_pairs import PAIRS, SIGNER
from distd.terminal.lists import print_table
from distd.terminal.options import FolderPath, example, json_option
from distd.terminal.output import print_json
from distd.terminal.program import argument, command, option

if TYPE_CHECKING:
    from pathlib import Path

    from distd.origin.installation import Installation

TRUST_REQUEST: Final = "trust.json"
TRUST: Final = "trust.pem"
MAX_FILES: Final = 10_000
_REQUEST: Final = re.compile(r"(signer|server|mirror-[A-Za-z0-9][A-Za-z0-9._-]{0,62})\.csr")

folder_argument = argument("folder", metavar="DIR", type=FolderPath())


@command(epilog=example("distd keys request /media/usb/distd --data /srv/distd"))
@folder_argument
@data_option
@json_option
def request(folder: Path, root: Path, as_json: bool) -> None:
    """Write into DIR what waits for the CA's signature: certificate requests (*.csr), and what is to be revoked.

    Take DIR to where the CA's key is, run `distd keys sign` there, bring it back, and run `distd keys install`.
    """
    with open_installation(root) as installation:
        files = _requests(installation)
    try:
        folder.mkdir(exist_ok=True)
        for name, content in files.items():
            atomic.write_file(folder / name, content)
    except OSError as error:
        raise BadInput("DIR", "a folder that can be written to", f"{folder}: {error.strerror}") from None
    if as_json:
        print_json(sorted(files))
    else:
        click.echo("\n".join(str(folder / name) for name in sorted(files)) or "Nothing waits for the CA's signature.")


def _requests(installation: Installation) -> dict[str, bytes]:
    data, files = installation.data, {}
    for pair in PAIRS:
        waiting = key_pairs.waiting_request(data.keys, pair)
        if waiting is not None:
            files[f"{pair.name}.csr"] = waiting
    with installation.catalogue.read() as conn:
        for name, pem in mirror_certificates.waiting(conn).items():
            files[f"mirror-{name}.csr"] = pem.encode()
    revocations = revoking.request(data)
    return files if revocations is None else files | {TRUST_REQUEST: revocations}


@command(epilog=example("distd keys sign /media/usb/distd --ca /root/distd-ca"))
@folder_argument
@option("--ca", "ca_folder", metavar="DIR", required=True, type=FolderPath(), help="Where ca.key and cacert.pem are.")
@option("--days", type=click.IntRange(1, 7300), help="For how long; default: a mirror a year, others as `init` has it.")
@json_option
def sign(folder: Path, ca_folder: Path, days: int | None, as_json: bool) -> None:
    """Sign the requests in DIR with the CA's key, on the machine where it is kept. Prints what was signed: check it.

    The certificates (*.pem) are written beside the requests. No data directory is needed.
    """
    ca, ca_key = pki.load_ca(ca_folder / "cacert.pem"), pki.load_ca_key(ca_folder / pki.CA_KEY)
    if ca.public_key() != ca_key.public_key():
        raise BadInput("--ca", "the key of the CA in cacert.pem", str(ca_folder))
    asked = {path: issuing.read_request(path.read_bytes(), path.name) for path in _files(folder, _REQUEST)}
    signed: dict[Path, bytes] = {}
    rows: list[dict[str, Any]] = []
    for path, one in asked.items():
        if one.is_signer != (path.stem == SIGNER.name):
            raise BadInput(path.name, "a request of the kind that its name says", "one of another kind")
        own = 365 if path.stem.startswith("mirror-") else 0
        certificate = issuing.issue(one, ca, ca_key, days or own)
        signed[path.with_suffix(".pem")] = certificate.public_bytes(serialization.Encoding.PEM)
        until = f"{certificate.not_valid_after_utc:%Y-%m-%d}"
        rows.append({"file": path.name, "name": one.name, "hosts": list(one.hosts), "until": until})
    if (folder / TRUST_REQUEST).exists():
        pem, serials = revoking.sign((folder / TRUST_REQUEST).read_bytes(), ca, ca_key)
        signed[folder / TRUST] = pem
        rows.append(
            {"file": TRUST_REQUEST, "name": "revoked", "hosts": [f"{serial:x}" for serial in serials], "until": ""}
        )
    for path, content in signed.items():
        atomic.write_file(path, content)
    if as_json:
        print_json(rows)
        return
    table = [(row["file"], row["name"], " ".join(row["hosts"]), row["until"]) for row in rows]
    print_table(("Request", "For", "Names, or serial numbers", "Valid until"), table, "Nothing to sign.")


@command(epilog=example("distd keys install /media/usb/distd --data /srv/distd"))
@folder_argument
@data_option
@json_option
def install(folder: Path, root: Path, as_json: bool) -> None:
    """Take what the CA has signed from DIR: certificates, and the trust file. What is installed already is passed over.

    Running servers take it up within seconds. After a signer's certificate all manifests are signed anew.
    """
    installed = []
    with open_installation(root) as installation:
        for path in _files(folder, _REQUEST):
            certificate = path.with_suffix(".pem")
            if certificate.exists() and _install_certificate(installation, path.stem, certificate):
                installed.append(certificate.name)
        record_rotated(installation, installed)
        if signing.is_pending(installation.data.keys):
            done = signing.sign_anew(installation.package_store(), unix_actor(), time.time())
            if done.failed:
                names = ", ".join(done.failed)
                raise BadInput("DIR", "packages that can be signed anew", names, "see `distd package verify`")
        # Last: from now on what the signer before signed does not count.
        if (folder / TRUST).exists() and _install_trust(installation, folder / TRUST):
            installed.append(TRUST)
    if as_json:
        print_json(installed)
    else:
        click.echo(f"Installed: {', '.join(installed) or 'nothing new'}.")


def _install_certificate(installation: Installation, name: str, path: Path) -> bool:
    data = installation.data
    certificate = pki.load_certificate(path)
    if not issuing.is_issued_by(certificate, pki.load_ca(data.ca_certificate)):
        raise BadInput(path.name, "a certificate of this site's CA", "another CA's")
    for pair in PAIRS:
        if pair.name == name:
            if certificate == pki.load_certificate(data.keys / pair.certificate):
                return False
            if pair is SIGNER:
                signing.begin(data.keys)
            key_pairs.commit(data.keys, pair, certificate)
            return True
    with installation.catalogue.write() as conn:
        mirror = name.removeprefix("mirror-")
        if mirror not in mirror_certificates.waiting(conn):
            return False
        mirror_certificates.install(conn, mirror, certificate, time.time())
    return True


def _install_trust(installation: Installation, path: Path) -> bool:
    data, before = installation.data, revoking.pending(installation.data)
    if path.read_bytes() == (data.trust_file.read_bytes() if data.trust_file.exists() else b""):
        return False
    epoch = revoking.install(data, path.read_bytes())
    record_revoked(installation, [one.serial for one in before], epoch)
    return True


def _files(folder: Path, pattern: re.Pattern[str]) -> list[Path]:
    if not folder.is_dir():
        raise BadInput("DIR", "a folder made by `distd keys request`", str(folder))
    found = sorted(path for path in folder.iterdir() if pattern.fullmatch(path.name))
    if len(found) > MAX_FILES:
        raise BadInput("DIR", f"at most {MAX_FILES} requests", len(found))
    return found
