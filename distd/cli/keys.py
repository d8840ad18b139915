"""`distd keys …`: rotate and revoke keys and certificates, with the CA's key here or elsewhere."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from distd.catalogue import event_log
from distd.cli import keys_offline
from distd.cli.actor import unix_actor
from distd.cli.keys_revoking import revoke_certificates
from distd.cli.options import data_option
from distd.cli.site import site_option
from distd.domain.errors import BadInput
from distd.domain.units import DAY_S, format_time, parse_duration
from distd.operations import keys as operations
from distd.origin.installation import open_installation
from distd.origin.mirrors import certificates as mirror_certificates
from distd.origin.packages import signing
from distd.storage import issuing, key_pairs, pki, renewal_time, token_keys
from distd.storage.certificate_list import list_certificates
from distd.storage.key_pairs import SERVER, SIGNER
from distd.terminal.lists import print_table
from distd.terminal.options import example, json_option, options_record
from distd.terminal.output import print_json, print_record
from distd.terminal.program import Group, argument, option

if TYPE_CHECKING:
    from pathlib import Path

    from distd.cli.site import SiteAccess
    from distd.origin.installation import Installation
    from distd.storage.data_dir import DataDir
    from distd.storage.key_pairs import Pair

WHICH: Final = ("signing", "token", "server", "mirrors")
SPREAD_S: Final = 6.0  # within which all serving processes have read a changed file again
WAITS: Final = "distd: note: the CA's key is not here; next: distd keys request DIR"


@click.group(cls=Group)
def keys() -> None:
    """Keys and certificates: list, rotate, revoke; have them signed by a CA whose key is kept elsewhere."""


for _command in (keys_offline.request, keys_offline.sign, keys_offline.install):
    keys.add_command(_command)


@keys.command("list", epilog=example("distd keys list --data /srv/distd"))
@site_option
@json_option
def list_(site: SiteAccess, as_json: bool) -> None:
    """The certificates in use and those before, with their serial numbers, and whether they are revoked."""
    rows = site.ask(operations.LIST).items
    if as_json:
        print_json(rows)
        return
    table = [(row.name, row.state, format_time(row.until_s), row.serial) for row in rows]
    print_table(("Certificate", "State", "Valid until", "Serial number"), table, "")


@dataclass(frozen=True, slots=True)
class RotateOptions:
    """The options of `distd keys rotate`. `keep` None: not given."""

    revoke: bool
    hosts: tuple[str, ...]
    keep: str | None


@keys.command(epilog=example("distd keys rotate signing --revoke --data /srv/distd"))
@argument("which", metavar="signing|token|server|mirrors", type=click.Choice(WHICH))
@option("--revoke", is_flag=True, help="Revoke the certificates before: a key has leaked.")
@option("--host", "hosts", metavar="NAME", multiple=True, help="server: its names; default: those that it has.")
@option("--keep", metavar="TIME", help="token: for how long earlier tokens count; default: download.timeout_days.")
@data_option
@json_option
@options_record(RotateOptions)
def rotate(which: str, root: Path, options: RotateOptions, as_json: bool) -> None:
    """Replace a key and its certificate. Running servers take it up within seconds; no connection is closed.

    signing: all manifests are signed anew; what the key before signed counts until it is revoked. A rotation that was
    cut off is finished by the same command. token: the key of the tokens in agents' addresses. server: the server's
    certificate; agents go on trusting the CA. mirrors: each mirror renews its certificate as soon as it is online.
    """
    if options.hosts and which != "server":
        raise BadInput("--host", "the server's certificate with it", which)
    if options.keep is not None and which != "token":
        raise BadInput("--keep", "the token key with it", which)
    with open_installation(root) as installation:
        found = _ROTATE[which](installation, options)
        if found["state"] != "waiting":
            with installation.catalogue.write() as conn:
                event_log.append(conn, event_log.Kind.KEYS_ROTATED, unix_actor(), at_s=time.time(), keys=which)
    if as_json:
        print_json({"keys": which, **found})
    else:
        print_record([("Keys", which), *((name.replace("_", " ").capitalize(), found[name]) for name in found)])
    if found.get("failed"):
        click.get_current_context().exit(1)


def _rotate_signing(installation: Installation, options: RotateOptions) -> dict[str, Any]:
    folder = installation.data.keys
    if not signing.is_pending(folder) and not _replace(installation.data, SIGNER, issuing.new_signer_key(), ()):
        if options.revoke:
            _revoke_others(installation, (SIGNER,), with_present=True)
        return {"state": "waiting"}
    found = sign_packages(installation)
    if options.revoke and not found["failed"]:
        found["epoch"] = _revoke_others(installation, (SIGNER,))
    return found


def sign_packages(installation: Installation) -> dict[str, Any]:
    """Sign anew what an earlier signer signed; what came of it."""
    done = signing.sign_anew(installation.package_store(), unix_actor(), time.time())
    for package_id, why in done.failed.items():
        click.echo(f"distd: package {package_id} is not signed anew: {why}", err=True)
    return {"state": "done" if not done.failed else "unfinished", "packages": len(done.ids), "failed": len(done.failed)}


def _rotate_token(installation: Installation, options: RotateOptions) -> dict[str, Any]:
    keep_s = installation.settings.download.timeout_days * float(DAY_S)
    if options.revoke:
        keep_s = 0.0
    elif options.keep is not None:
        keep_s = parse_duration(options.keep, "--keep")
    now_s = time.time()
    token_keys.rotate(installation.data.keys, keep_s, now_s, lambda: time.sleep(SPREAD_S))
    return {"state": "done", "accepted_until": format_time(now_s + keep_s) if keep_s else "now"}


def _rotate_server(installation: Installation, options: RotateOptions) -> dict[str, Any]:
    data = installation.data
    for host in options.hosts:
        pki.check_host(host, "--host")
    hosts = options.hosts or issuing.hosts_of(pki.load_certificate(data.keys / SERVER.certificate))
    done = _replace(data, SERVER, issuing.new_server_key(), hosts)
    found: dict[str, Any] = {"state": "done" if done else "waiting", "hosts": ", ".join(pki.with_local_names(hosts))}
    if options.revoke:
        found["epoch"] = _revoke_others(installation, (SERVER,), with_present=not done)
    return found


def _rotate_mirrors(installation: Installation, options: RotateOptions) -> dict[str, Any]:
    with installation.catalogue.read() as conn:
        serials = mirror_certificates.serials(conn)
    renewal_time.write(installation.data.keys, time.time())
    found: dict[str, Any] = {"state": "done"}
    if options.revoke:
        found["epoch"] = revoke_certificates(installation, serials)
    return found


_ROTATE: Final = {
    "signing": _rotate_signing,
    "token": _rotate_token,
    "server": _rotate_server,
    "mirrors": _rotate_mirrors,
}


def _replace(data: DataDir, pair: Pair, key: pki.PrivateKey, hosts: Any) -> bool:
    """Another key, and its certificate where the CA's key is here; else it waits, and False is returned."""
    request = issuing.make_request(key, hosts)
    key_pairs.prepare(data.keys, pair, key, request)
    if not (data.keys / pki.CA_KEY).exists():
        click.echo(WAITS, err=True)
        return False
    asked = issuing.read_request(request)
    ca = pki.load_ca(data.ca_certificate)
    certificate = issuing.issue(asked, ca, pki.load_ca_key(data.keys / pki.CA_KEY))
    if pair is SIGNER:
        signing.begin(data.keys)
    key_pairs.commit(data.keys, pair, certificate)
    return True


def _revoke_others(installation: Installation, pairs: tuple[Pair, ...], *, with_present: bool = False) -> int:
    """Revoke the certificates that were in use before; `with_present`: the one in use too, which is to be replaced."""
    folder = installation.data.keys
    found = [certificate for pair in pairs for certificate in key_pairs.retired(folder, pair)]
    if with_present:
        found += [pki.load_certificate(folder / pair.certificate) for pair in pairs]
    return revoke_certificates(installation, [certificate.serial_number for certificate in found])


@keys.command(epilog=example("distd keys revoke 5d1f00c2 --data /srv/distd"))
@argument("serial", metavar="SERIAL", hint="see `distd keys list`")
@data_option
@json_option
def revoke(serial: str, root: Path, as_json: bool) -> None:
    """Revoke a certificate by its serial number, or its first digits; not one that is in use.

    Of a signer: agents and mirrors take no manifest any more that it signed. See `rotate --revoke` for one in use.
    """
    with open_installation(root) as installation:
        rows = [row for row in list_certificates(installation.data) if row.serial.startswith(serial.lower())]
        if len(rows) != 1 or not serial:
            raise BadInput("SERIAL", "the serial number of one certificate", serial, "see `distd keys list`")
        (row,) = rows
        if row.state in ("in use", "offline"):
            hint = f"`distd keys rotate {'signing' if row.name == 'signer' else row.name} --revoke` replaces it"
            raise BadInput("SERIAL", "a certificate that is not in use", serial, hint)
        if row.name == SIGNER.name and signing.is_pending(installation.data.keys):
            hint = "`distd keys rotate signing` goes on with it"
            raise BadInput("SERIAL", "a signer of no package any more", serial, hint)
        epoch = revoke_certificates(installation, [int(row.serial, 16)])
    if as_json:
        print_json({"serial": row.serial, "epoch": epoch})
    elif epoch:
        click.echo(f"Certificate {row.serial} is revoked: epoch {epoch}.")
