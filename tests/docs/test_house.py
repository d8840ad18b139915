"""The picture of the rooms is that of the code."""

from __future__ import annotations

from tests.docs import origin


def test_every_room_has_a_description() -> None:
    assert set(origin.ROOMS) == set(origin.rooms())


def test_every_room_has_a_paragraph() -> None:
    text = (origin.ROOT / "distd/docs/architecture.md").read_text()
    assert [name for name in origin.rooms() if f"**`{name.replace('.', '/')}`**" not in text] == []


def test_imports_run_downwards() -> None:
    names = origin.rooms()
    assert [pair for pair in origin.imports() if names.index(pair[0]) >= names.index(pair[1])] == []


def test_the_picture_is_that_of_the_code() -> None:
    assert origin.PICTURE.read_text() == origin.picture(), "run `make reference`"
