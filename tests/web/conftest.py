"""The web's tests have a catalogue, and agents that post to it."""

from tests.fixtures.origin import data, origin, reader, writer

__all__ = ["data", "origin", "reader", "writer"]
