"""Settings that a command changes: their lines, and nothing else of the file."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest

from distd.domain.errors import BadInput
from distd.storage.settings_file import change_texts

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "a line": ("[a]\nx = 1\nurl = 'old'  # of mine\n[b]\nurl = 'it'\n", "[a]\nx = 1\nurl = \"new\"\n[b]\nurl = 'it'\n"),
    "a comment": ('# all\n[a]\n# what it is\n# url = ""\n\n[b]\n# url = ""\n',
                  '# all\n[a]\n# what it is\nurl = "new"\n\n[b]\n# url = ""\n'),
    "a line after a comment": ('[a]\n# url = ""\nurl = "old"\n', '[a]\n# url = ""\nurl = "new"\n'),
    "no line": ("[a]\nx = 1\n", '[a]\nurl = "new"\nx = 1\n'),
    "no section": ("[b]\nx = 1", '[b]\nx = 1\n\n[a]\nurl = "new"\n'),
    "nothing": ("", '\n[a]\nurl = "new"\n'),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after"), FILES.values(), ids=FILES)
def test_a_setting_gets_another_value(tmp_path: Path, before: str, after: str) -> None:
    file = tmp_path / "distd.toml"
    file.write_text(before)
    file.chmod(0o640)
    change_texts(file, {"a.url": "new"})
    assert file.read_text() == after
    assert file.stat().st_mode & 0o777 == 0o640
    change_texts(file, {"a.url": "new"})
    assert file.read_text() == after


@pytest.mark.parametrize("value", ["", 'a "b" \\ é', "postgresql://u@%2Frun%2Fpg/n?x=1"])
def test_any_text_is_a_value(tmp_path: Path, value: str) -> None:
    file = tmp_path / "distd.toml"
    file.write_text('[a]\nurl = "old"\n[b]\ny = 2\n')
    change_texts(file, {"a.url": value, "a.more": value})
    assert tomllib.loads(file.read_text()) == {"a": {"url": value, "more": value}, "b": {"y": 2}}


@pytest.mark.parametrize("text", ['a.url = "old"\n', 'a = {url = "old"}\n', '[a]\nurl = """\nold"""\n'])
def test_what_cannot_be_changed_by_lines_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "distd.toml"
    file.write_text(text)
    with pytest.raises(
        BadInput, match=r"distd\.toml: expected settings of which each has a line, .*; set a\.url by hand"
    ):
        change_texts(file, {"a.url": "new"})
    assert file.read_text() == text
