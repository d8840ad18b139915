"""The server's tests have a catalogue, and agents that post to it."""

from tests.fixtures.origin import data, event_watch, origin, pc, reader, writer

__all__ = ["data", "event_watch", "origin", "pc", "reader", "writer"]
