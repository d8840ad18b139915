"""Keys of a site, and a package that its signer signed, for what reads them."""

from tests.fixtures.package_dirs import ca, data, package, signer, site_keys

__all__ = ["ca", "data", "package", "signer", "site_keys"]
