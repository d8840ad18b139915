"""Package directories, and what they are made of."""

from tests.fixtures.disk_steps import steps
from tests.fixtures.package_dirs import ca, data, package, signer, site_keys, snapshot

__all__ = ["ca", "data", "package", "signer", "site_keys", "snapshot", "steps"]
