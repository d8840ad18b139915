"""What a mirror says of itself, for people."""

from __future__ import annotations

from dataclasses import asdict

from redistrib.status import MirrorCounts, MirrorState, MirrorStatus
from redistrib.status_text import status_rows


def rows(**shown: object) -> dict[str, str]:
    return {label: text for label, text in status_rows(shown) if text}


def test_a_mirror_that_serves() -> None:
    counts = MirrorCounts(4000, 5_000_000, hits=3900, misses=100, redirected=1, healed=2, bad=1)
    status = MirrorStatus(12, 3 * 2**30, 512, 1_240_000, 4000, 5_000_000, 3900, 100, "0.2")
    state = asdict(MirrorState(True, 3, 4, 512, seq=1234))
    assert rows(serving=True, name="paris", origin="https://o", **asdict(status) | asdict(counts) | state) == {
        "Mirror": "paris",
        "Origin": "https://o",
        "Serving": "yes, version 0.2",
        "Connected": "yes",
        "Packages": "3 of 4",
        "Missing": "512 B",
        "Last event": "1,234",
        "Agents": "12 within the last minute",
        "Rate": "1.24 MB/s",
        "Sent": "4,000 fragments, 5 MB",
        "Hits": "97.5% of 4,000 fragments were here when they were asked for",
        "Redirected": "1 request",
        "Bad files": "2 healed, 1 not",
        "Free on disk": "3.0 GiB",
    }


def test_a_mirror_that_has_not_served_yet() -> None:
    assert rows(serving=False, connected=False) == {"Serving": "no", "Connected": "no"}


def test_a_mirror_that_was_revoked() -> None:
    assert rows(serving=True, connected=False, refused=True)["Connected"].startswith("no: the origin does not know")
