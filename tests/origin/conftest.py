"""The origin's tests share one catalogue, and agents that speak to it."""

from tests.fixtures.origin import data, house, new_package, pc, publish, shop
from tests.fixtures.package_dirs import snapshot

__all__ = ["data", "house", "new_package", "pc", "publish", "shop", "snapshot"]
