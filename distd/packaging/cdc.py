"""Fragments cut by content (FastCDC): where bytes stay the same from one version to the next, fragments stay too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyfastcdc import FastCDC

from distd.domain.errors import BadInput
from distd.domain.fragment_plan import MAX_FRAGMENTS

if TYPE_CHECKING:
    from typing import IO

    from distd.domain.fragment_plan import ByContent


def lengths(file: IO[bytes], plan: ByContent) -> list[int]:
    """The lengths of the fragments of `file` from where it stands, in order: the same bytes, the same lengths. Raises
    `BadInput`.

    The library's fragments are a quarter longer than its `avg_size` (Xia et al., 2020, 3.4: the bytes that are skipped
    at the start of each fragment come on top).
    """
    cutter = FastCDC(plan.average_bytes * 4 // 5)
    cut = [chunk.length for chunk in cutter.cut_stream(file)]
    if len(cut) > MAX_FRAGMENTS:
        raise BadInput("fragments.size_bytes", f"at most {MAX_FRAGMENTS} fragments", f"{len(cut)} fragments")
    return cut or [0]
