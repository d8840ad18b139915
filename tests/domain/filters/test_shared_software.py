"""Software that is judged once for many filters."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from distd.domain.computer_facts import InstalledSoftware
from distd.domain.filters.facts import FilterFacts, installed_facts
from distd.domain.filters.judge import LeafJudges, compile_filter
from distd.domain.filters.parse import parse
from distd.domain.filters.shared_software import MAX_REMEMBERED, SharedSoftware

FILTERS = (
    'software("firefox*")',
    'software("firefox", version < "115.10")',
    'NOT software("firefox*")',
    'software("*", publisher = "mozilla") AND NOT software("7-zip")',
    'software("firefox*") OR software("7-zip")',
)
SOFTWARE = [
    InstalledSoftware("Firefox", "115.2", "Mozilla"),
    InstalledSoftware("Firefox ESR", "128.0", "Mozilla"),
    InstalledSoftware("7-Zip", "23.01"),
    InstalledSoftware("Thunderbird", "", "Mozilla"),
]


@given(st.sets(st.integers(1, len(SOFTWARE))), st.sets(st.integers(1, len(SOFTWARE))))
def test_marks_say_what_the_software_says(owned: set[int], remembered: set[int]) -> None:
    shared = SharedSoftware()
    compiled = [
        (compile_filter(parse(text), LeafJudges(shared.judge)), compile_filter(parse(text))) for text in FILTERS
    ]
    assert len(shared) == 4
    shared.remember(shared.judge_all({key: SOFTWARE[key - 1] for key in remembered}))
    assert shared.unknown(owned) == owned - remembered
    judged = shared.judge_all({key: SOFTWARE[key - 1] for key in owned - remembered})
    facts = FilterFacts({}, tuple(installed_facts(SOFTWARE[key - 1]) for key in owned))
    marked = replace(facts, software=(), software_marks=shared.marks(owned, judged))
    for marking, by_software in compiled:
        assert marking.matches(marked, 0.0) is by_software.matches(facts, 0.0)


def test_what_is_remembered_has_a_limit() -> None:
    shared = SharedSoftware()
    shared.remember(dict.fromkeys(range(MAX_REMEMBERED), 0))
    shared.remember({MAX_REMEMBERED: 1})
    assert shared.unknown([0, MAX_REMEMBERED]) == {0}
