"""Revoking certificates, as several commands do: what is said of it, and the event."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from distd.catalogue import event_log
from distd.cli.actor import unix_actor
from distd.origin.mirrors import revocation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from distd.origin.installation import Installation

WAITS = "distd: note: the CA's key is not here: what is revoked counts once it is signed; next: distd keys request DIR"


def revoke_certificates(installation: Installation, serials: Sequence[int]) -> int:
    """Revoke certificates by their serial numbers; the epoch of the trust file, 0: it waits for the CA."""
    actor, now_s = unix_actor(), time.time()
    new, epoch = revocation.revoke_certificates(installation.catalogue, installation.data, actor, serials, now_s)
    if new and not epoch:
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
    revocation.record_revoked(installation.catalogue, unix_actor(), serials, epoch, time.time())
