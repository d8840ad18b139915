"""The web's tests have a catalogue, and agents that post to it."""

from tests.fixtures.origin import data, new_package, origin, package_store, pc, publish, reader, writer

__all__ = ["data", "new_package", "origin", "package_store", "pc", "publish", "reader", "writer"]
