"""The origin's tests have a catalogue, and agents that post to it."""

from tests.fixtures.origin import data, new_package, origin, package_store, pc, publish
from tests.fixtures.package_dirs import snapshot

__all__ = ["data", "new_package", "origin", "package_store", "pc", "publish", "snapshot"]
