"""Fuzzing, bounded and the same each time: the corpus, and small changes of it. `make fuzz` goes on where this ends."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distd.domain.records import InventoryRequest, Manifest, PrologRequest
from distd.lane import connection
from distd.origin.mirrors import reports
from distd.origin.mirrors.reports import Report
from distd.web.api import queries
from distd.wire import http, manifest, mirror_events, ocs
from distd.wire.mirror_events import Heartbeat
from loadtests.fuzz_lane import answers_to
from loadtests.fuzz_targets import BY_NAME, CORPUS, MAX_INPUT_BYTES, TARGETS, AnyQuery, Found, mutated, words_of

EXAMPLES = {"stream": 60, "manifest": 100, "post": 150}
LARGEST_BYTES = 8192


def check_all(name: str) -> None:
    for _, data in BY_NAME[name].corpus():
        BY_NAME[name].check(data)


@pytest.mark.parametrize("name", BY_NAME)
def test_the_corpus_shows_no_fault(name: str) -> None:
    check_all(name)


@pytest.mark.parametrize("name", BY_NAME)
def test_changes_of_the_corpus_show_none(name: str) -> None:
    target = BY_NAME[name]
    pieces = st.one_of(st.sampled_from(words_of(target)), st.binary(max_size=3))
    changes = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 3), pieces), max_size=4)

    @settings(max_examples=EXAMPLES.get(name, 250), derandomize=True, database=None)
    @given(st.sampled_from([data for _, data in target.corpus()]), changes)
    def check(data: bytes, changes: Any) -> None:
        target.check(mutated(data, changes))

    check()


def lying(value: Any) -> Any:
    return lambda *_args, **_options: value


MANIFEST = Manifest("17", 1, 9, b"", b"", b"", bytes(32), ())
FAULTS = {
    "head": (http, "_TARGET", re.compile(rb"[^ ]*")),
    "stream": (connection, "parse_head", lying(None)),
    "post": (ocs, "read_request", lying(PrologRequest("x" * 300))),
    "history": (ocs, "read_request", lying(InventoryRequest("a", {}, {}, (), frozenset({"x"})))),
    "manifest": (manifest, "read", lying(MANIFEST)),
    "frames": (mirror_events.Decoder, "feed", lambda _self, data: [Heartbeat(len(data))]),
    "report": (reports, "read", lying(Report(seq=-1))),
    "api": (queries, "read_query", lying(AnyQuery(after=7))),
}


@pytest.mark.parametrize("name", BY_NAME)
def test_a_fault_is_found(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(*FAULTS[name])
    found = 0
    for _, data in BY_NAME[name].corpus():
        try:
            BY_NAME[name].check(data)
        except Found:
            found += 1
    http.parse_fields.cache_clear()
    assert found


@pytest.mark.parametrize("name", BY_NAME)
def test_what_should_not_be_raised_is_not_hidden(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    where, attribute, _ = FAULTS[name]

    def crash(*_args: Any, **_options: Any) -> Any:
        raise KeyError("a fault")

    monkeypatch.setattr(where, attribute, crash if name != "head" else None)
    with pytest.raises((KeyError, AttributeError, Found)):
        check_all(name)


def test_good_inputs_are_taken() -> None:
    """Or all of the above would hold for readers that refuse everything."""
    prolog = (CORPUS / "post" / "prolog").read_bytes()
    assert ocs.read_request(prolog, max_inflated_bytes=LARGEST_BYTES).device_id
    assert answers_to([(CORPUS / "stream" / "two-posts").read_bytes()[1:]]).posts == [b"hello"] * 2


def test_the_corpus_is_small_and_each_folder_is_a_target() -> None:
    assert {path.name for path in CORPUS.iterdir()} == set(BY_NAME)
    sizes = {path: path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()}
    assert max(sizes.values()) <= MAX_INPUT_BYTES, sizes
    assert all(any((CORPUS / target.name).iterdir()) for target in TARGETS)


@pytest.mark.parametrize(
    ("changes", "data"),
    [
        pytest.param([], b"abc", id="none"),
        pytest.param([(0.0, 0, b"x")], b"xabc", id="before"),
        pytest.param([(0.5, 1, b"")], b"ab", id="removed"),
        pytest.param([(0.99, 0, b"x"), (0.0, 1, b"y")], b"ybcx", id="several"),
        pytest.param([(0.0, 0, b"x" * MAX_INPUT_BYTES)], b"x" * MAX_INPUT_BYTES, id="at most so long"),
    ],
)
def test_changes(changes: Any, data: bytes) -> None:
    assert mutated(b"abc", changes) == data
