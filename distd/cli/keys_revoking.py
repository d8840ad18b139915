"""Revoking certificates, as several commands do: what is said of it, and the event."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from distd.catalogue import event_log
from distd.cli.actor import unix_actor
from distd.storage import revoking
from distd.storage.trust_file import load_trust

if TYPE_CHECKING:
    from collections.abc import Sequence

    from distd.origin.installation import Installation

WAITS = "distd: note: the CA's key is not here: what is revoked counts once it is signed; next: distd keys request DIR"


def revoke_certificates(installation: Installation, serials: Sequence[int]) -> int:
    """Revoke certificates by their serial numbers; the epoch of the trust file, 0: it waits for the CA."""
    now_s, trust = time.time(), load_trust(installation.data)
    serials = [serial for serial in serials if serial not in trust.revocations.serials]
    if not serials:
        return trust.revocations.epoch
    epoch = revoking.revoke(installation.data, serials, now_s)
    record_revoked(installation, serials, epoch)
    if not epoch:
        click.echo(WAITS, err=True)
    return epoch


def record_rotated(installation: Installation, names: Sequence[str]) -> None:
    """Write the event of keys whose certificates were installed."""
    if names:
        with installation.catalogue.write() as conn:
            kind = event_log.Kind.KEYS_ROTATED
            event_log.append(conn, kind, unix_actor(), at_s=time.time(), keys=", ".join(names)[:1000])


def record_revoked(installation: Installation, serials: Sequence[int], epoch: int) -> None:
    """Write the event."""
    kind, names = event_log.Kind.CERTIFICATES_REVOKED, [f"{serial:x}" for serial in serials[:100]]
    with installation.catalogue.write() as conn:
        event_log.append(conn, kind, unix_actor(), at_s=time.time(), serials=names, epoch=epoch)
