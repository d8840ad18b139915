"""What a computer is known by beside its DEVICEID, kept up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from distd.catalogue.schema import NAME_LIMIT
from distd.domain.computer_facts import agent_columns
from distd.domain.folding import fold
from distd.domain.identity_facts import changes, read_macs
from distd.domain.records import InventoryRequest

if TYPE_CHECKING:
    from distd.domain.identity_facts import Change
    from distd.domain.records import Request
    from distd.origin.agents.batch import ComputerState


def update_identity(computer: ComputerState, address: str, request: Request) -> list[Change]:
    """What has changed with this contact. Where it is flagged, another may send the computer's DEVICEID."""
    identity = computer.identity._replace(address=address, user_agent=computer.user_agent)
    if isinstance(request, InventoryRequest):
        macs = read_macs(interface.get("MACADDR", "") for interface in request.networks)
        serial = request.bios.get("SSN", "")[:NAME_LIMIT]
        identity = identity._replace(serial=serial or identity.serial, macs=macs or identity.macs)
    found = changes(computer.identity, identity)
    computer.changed |= {str(change.fact) for change in found if change.flagged}
    computer.identity = identity
    return found


def identity_columns(computer: ComputerState) -> dict[str, Any]:
    """Columns of `computers`."""
    identity = computer.identity
    return {
        **agent_columns(identity.user_agent),
        "serial": identity.serial or None,
        "serial_key": fold(identity.serial),
        "macs": " ".join(sorted(identity.macs)) or None,
        "changed": " ".join(sorted(computer.changed)),
    }
