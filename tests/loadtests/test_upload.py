"""The bench of uploads, with a small file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from loadtests import upload

if TYPE_CHECKING:
    from pathlib import Path

SIZE_BYTES = 8_388_608


@pytest.mark.parametrize("https", [False, True])
async def test_a_file_is_uploaded_and_an_interrupted_one_resumed(tmp_path: Path, https: bool) -> None:
    """That all bytes arrived, the bench asserts."""
    found = await upload.measure(tmp_path, SIZE_BYTES, https=https)
    assert found["mb_per_s"] > 0
    assert 0 < found["resumed_bytes"] < SIZE_BYTES
