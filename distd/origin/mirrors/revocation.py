"""A mirror is revoked with its certificates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from distd.catalogue import event_log
from distd.origin.mirrors import certificates, mirrors
from distd.storage import revoking
from distd.storage.trust_file import load_trust

if TYPE_CHECKING:
    from collections.abc import Sequence

    from distd.catalogue.engine import Catalogue
    from distd.domain.actor import Actor
    from distd.storage.data_dir import DataDir


def revoke(catalogue: Catalogue, data: DataDir, actor: Actor, name: str, now_s: float) -> bool:
    """It gets nothing more, and its certificates count no more. False: that waits for the CA, whose key is not here.

    Raises `NotFound`, `Conflict`.
    """
    with catalogue.write() as conn:
        mirrors.revoke(conn, actor, name, now_s)
        serials = certificates.serials(conn, name)
    new, epoch = revoke_certificates(catalogue, data, actor, serials, now_s)
    return bool(epoch or not new)


def revoke_certificates(
    catalogue: Catalogue, data: DataDir, actor: Actor, serials: Sequence[int], now_s: float
) -> tuple[list[int], int]:
    """Revoke certificates by their serial numbers: those that were not revoked before, and the epoch of the trust file;
    0: it waits for the CA."""
    trust = load_trust(data)
    new = [serial for serial in serials if serial not in trust.revocations.serials]
    if not new:
        return [], trust.revocations.epoch
    epoch = revoking.revoke(data, new, now_s)
    record_revoked(catalogue, actor, new, epoch, now_s)
    return new, epoch


def record_revoked(catalogue: Catalogue, actor: Actor, serials: Sequence[int], epoch: int, now_s: float) -> None:
    """Write the event."""
    kind, names = event_log.Kind.CERTIFICATES_REVOKED, [f"{serial:x}" for serial in serials[:100]]
    with catalogue.write() as conn:
        event_log.append(conn, kind, actor, at_s=now_s, serials=names, epoch=epoch)
