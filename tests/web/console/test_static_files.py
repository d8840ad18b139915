"""The console's own files."""

from __future__ import annotations

import gzip
import hashlib
from typing import TYPE_CHECKING

import pytest

from distd.web.console import static_files

if TYPE_CHECKING:
    from tests.web.console.conftest import Browser

VENDORED = ("htmx", "htmx-ext-sse")


async def test_a_file_is_kept_for_ever_and_sent_compressed(browser: Browser) -> None:
    path = static_files.address_of("console.css")
    plain, packed = await browser.get(path), await browser.get(path, **{"Accept-Encoding": "gzip"})
    assert plain.headers["Cache-Control"] == static_files.FOR_EVER
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(await packed.get_data()) == await plain.get_data()


@pytest.mark.parametrize("key", ["x", "0/console.css", "../app.py", "000000000000/console.css"])
async def test_there_is_nothing_else(browser: Browser, key: str) -> None:
    assert (await browser.get(f"{static_files.PREFIX}{key}")).status_code == 404


@pytest.mark.parametrize("name", VENDORED)
def test_what_is_vendored_is_what_was_published(name: str) -> None:
    folder = static_files.FOLDER / "vendor" / name
    sums = dict(line.split("  ")[::-1] for line in (folder / "SHA256SUMS").read_text().splitlines())
    files = {file.name for file in folder.iterdir()} - {"SHA256SUMS", "README.md"}
    assert "LICENSE" in files
    assert {file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in files} == sums
