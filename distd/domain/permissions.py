"""What somebody must be allowed to do, by what an operation needs. Pure."""

from __future__ import annotations

from enum import StrEnum


class Act(StrEnum):
    """What an operation does, by what it needs."""

    PACKAGES_READ = "packages.read"
    PACKAGES_WRITE = "packages.write"
    COMPUTERS_READ = "computers.read"
    COMPUTERS_WRITE = "computers.write"
    DEPLOYMENTS_READ = "deployments.read"
    DEPLOYMENTS_WRITE = "deployments.write"
    MIRRORS_READ = "mirrors.read"
    MIRRORS_WRITE = "mirrors.write"
    EVENTS_READ = "events.read"
    AUDIT_READ = "audit.read"
    OPERATORS_READ = "operators.read"
    OPERATORS_WRITE = "operators.write"
