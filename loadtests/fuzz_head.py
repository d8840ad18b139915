"""`make fuzz`: the head parser under atheris, which looks for inputs that reach new code. Bounded in time.

Each input is judged by `loadtests.judge`. It begins from the table of the tests; what it finds interesting is kept in a
folder, so that the next run goes on from there. A crash, a hang or a disagreement with h11 ends it with an error, and
the input stands in a file that is named.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import atheris  # type: ignore[import-not-found]
import click

with atheris.instrument_imports(include=["distd", "h11"]):
    from distd.wire import http
    from loadtests.judge import verdict

from tests.lane.http_cases import CASES

HANG_S = 5
LONGEST_BYTES = 4096
# libFuzzer has no dictionary of HTTP; these are its words.
WORDS = (
    *(b"Host: h", b"Content-Length: ", b"Transfer-Encoding: chunked", b"Connection: close", b"Range: bytes=", b"\r\n"),
    *(b"If-Range: ", b"If-Match: ", b"If-None-Match: ", b"HTTP/1.0", b"HTTP/1.1", b"http://", b"%2e", b"keep-alive"),
)


def judge(data: bytes) -> None:
    http.parse_fields.cache_clear()  # or only the first of equal blocks would be parsed
    verdict(data)


def prepare(folder: Path) -> Path:
    """The corpus, with the table's heads in it, and the dictionary; gives the corpus's folder."""
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, case in enumerate(CASES):
        (corpus / f"case-{number:03}").write_bytes(case.raw[:LONGEST_BYTES])
    lines = ['"' + "".join(f"\\x{byte:02x}" for byte in word) + '"' for word in WORDS]
    (folder / "words").write_text("\n".join(lines) + "\n")
    return corpus


@click.command()
@click.option("--seconds", default=120, show_default=True, help="For how long.")
@click.option("--folder", default=Path(".fuzz"), show_default=True, type=click.Path(path_type=Path))
def main(seconds: int, folder: Path) -> None:
    """Fuzz the parser of request heads."""
    corpus = prepare(folder)
    options = [
        *(f"-max_total_time={seconds}", f"-timeout={HANG_S}", f"-max_len={LONGEST_BYTES}", f"-dict={folder / 'words'}"),
        *(f"-artifact_prefix={folder}{os.sep}found-", "-print_final_stats=1"),
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], judge)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
