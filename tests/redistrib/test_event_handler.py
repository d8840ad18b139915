"""Events of the origin: to whom they go, and what the next process knows of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from distd.wire.mirror_events import PackageChange, State, WantedPackage
from redistrib.event_handler import EventHandler
from redistrib.mirror_dir import create_mirror, read_state
from redistrib.neighbours import Neighbours
from tests.redistrib.fakes import log

if TYPE_CHECKING:
    from pathlib import Path

    from redistrib.mirror_dir import MirrorDir

STATE = State(9, [WantedPackage("17", 2, 300, True)], ["other:80"], "o:80", "o:443")


@pytest.fixture
def mirror(tmp_path: Path) -> MirrorDir:
    return create_mirror(tmp_path / "mirror")


class Recorder:
    """In the place of sync and reporter."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def apply(self, event: object) -> None:
        self.calls.append(event)

    def report_all(self) -> None:
        self.calls.append("report all")


def test_events_go_to_all_parts_of_the_mirror(mirror: MirrorDir) -> None:
    recorder, neighbours = Recorder(), Neighbours("https://near")
    handler = EventHandler(mirror, neighbours, recorder, recorder)  # type: ignore[arg-type]
    change = PackageChange(8, [], ["17"], mirrors=["other:80"])
    handler.apply(change)
    assert (recorder.calls, read_state(mirror)) == ([change], None)
    assert neighbours.sources() == ["https://near/download", "http://other:80/download"]
    handler.apply(STATE)
    assert recorder.calls[1:] == [STATE, "report all"]
    # The next process begins with it.
    recorder, neighbours = Recorder(), Neighbours("https://near")
    EventHandler(mirror, neighbours, recorder, recorder).restore(log)  # type: ignore[arg-type]
    assert [event.packages for event in recorder.calls] == [STATE.packages]
    assert neighbours.redirect_target() == "http://o:80/download"


@pytest.mark.parametrize("content", [None, b"cut"])
def test_a_mirror_starts_without_a_state(mirror: MirrorDir, content: bytes | None) -> None:
    if content is not None:
        mirror.state_file.write_bytes(content)
    recorder = Recorder()
    EventHandler(mirror, Neighbours("https://o"), recorder, recorder).restore(log)  # type: ignore[arg-type]
    assert recorder.calls == []
