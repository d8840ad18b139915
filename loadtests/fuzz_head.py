"""`make fuzz`: the parser of request heads under atheris, which looks for inputs that reach new code. Bounded in time.

Each input is also parsed by h11 (`tests.programs.h11_reference`). The first inputs are those of the tests'
table; inputs that reach new code are kept in a folder for the next run. A crash, a hang or a disagreement with h11 ends
the run with an error and writes the input to a file, which is named.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import atheris
import click

with atheris.instrument_imports(include=["distd", "h11"]):
    from distd.wire import http
    from tests.programs.h11_reference import compare_with_h11

from tests.lane.http_cases import CASES

HANG_S = 5
MAX_HEAD_BYTES = 4096
# libFuzzer has no dictionary of HTTP; these are its words.
WORDS = (
    *(b"Host: h", b"Content-Length: ", b"Transfer-Encoding: chunked", b"Connection: close", b"Range: bytes=", b"\r\n"),
    *(b"If-Range: ", b"If-Match: ", b"If-None-Match: ", b"HTTP/1.0", b"HTTP/1.1", b"http://", b"%2e", b"keep-alive"),
)


def check(data: bytes) -> None:
    """Parse an input; raises `Disagreement`."""
    http.parse_fields.cache_clear()  # or equal blocks would be parsed once only
    compare_with_h11(data)


def prepare(folder: Path) -> Path:
    """Write the dictionary, and the heads of the table into the corpus; the folder of the corpus."""
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, case in enumerate(CASES):
        (corpus / f"case-{number:03}").write_bytes(case.raw[:MAX_HEAD_BYTES])
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
        *(
            f"-max_total_time={seconds}",
            f"-timeout={HANG_S}",
            f"-max_len={MAX_HEAD_BYTES}",
            f"-dict={folder / 'words'}",
        ),
        *(f"-artifact_prefix={folder}{os.sep}found-", "-print_final_stats=1"),
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
