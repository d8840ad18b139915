"""Addresses of pages, with what they show in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping


def address(path: str, kept: Mapping[str, Any], **changes: Any) -> str:
    """`path` with these parameters, of which `changes` replaces some; what is None or empty is left out."""
    values = {key: value for key, value in {**kept, **changes}.items() if value not in (None, "", [], ())}
    return f"{path}?{urlencode(values, doseq=True)}" if values else path


def of_computer(device_id: str) -> str:
    """The page of a computer."""
    return f"/computers/{quote(device_id, safe='')}"


def of_computers_without(package_id: str) -> str:
    """The computers that a package is not assigned to, and never was."""
    return address("/computers", {"filter": f"not package({package_id})"})


def of_group(name: str) -> str:
    """The page of a group."""
    return f"/groups/{quote(name, safe='')}"


def of_mirror(name: str) -> str:
    """The page of a redistribution server."""
    return f"/mirrors/{quote(name, safe='')}"


def of_operator(name: str) -> str:
    """The page of an operator."""
    return f"/operators/{quote(name, safe='')}"


def of_rollout(rollout_id: int) -> str:
    """The page of a roll-out."""
    return f"/rollouts/{rollout_id}"


def of_deployment(package_id: str) -> str:
    """The page of a package's deployment."""
    return f"/packages/{quote(package_id, safe='')}/deployment"


def of_forecast(package_id: str) -> str:
    """The page of what is to become of a package's deployment."""
    return f"/packages/{quote(package_id, safe='')}/forecast"


def of_set(name: str) -> str:
    """The page of a set of packages."""
    return f"/sets/{quote(name, safe='')}"
