"""How the states of a package look."""

from __future__ import annotations

from typing import Final

from distd.origin.packages.overview import PackageState

# The name of a colour.
LOOKS: Final = {
    PackageState.ACTIVE: "success",
    PackageState.PLANNED: "warn",
    PackageState.INACTIVE: "waiting",
    PackageState.SUPERSEDED: "archived",
    PackageState.WITHDRAWN: "failed",
    PackageState.DELETED: "archived",
}
