"""The picture of the rooms is that of the code."""

from __future__ import annotations

from tests.docs import house


def test_every_room_has_a_description() -> None:
    assert set(house.ROOMS) == set(house.rooms())


def test_every_room_has_a_paragraph() -> None:
    text = (house.ROOT / "distd/docs/architecture.md").read_text()
    assert [name for name in house.rooms() if f"**`{name.replace('.', '/')}`**" not in text] == []


def test_imports_run_downwards() -> None:
    names = house.rooms()
    assert [pair for pair in house.imports() if names.index(pair[0]) >= names.index(pair[1])] == []


def test_the_picture_is_that_of_the_code() -> None:
    assert house.PICTURE.read_text() == house.picture(), "run `make reference`"
