"""Software that is judged once for many filters."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from distd.domain.computer_facts import InstalledSoftware
from distd.domain.filters.facts import installed_facts
from distd.domain.filters.judge import judge_installed
from distd.domain.filters.parse import parse
from distd.domain.filters.shared_software import MAX_NAMES, MAX_REMEMBERED, SharedSoftware
from distd.domain.filters.tree import Software

FILTERS = (
    'software("firefox*")',
    'software("firefox", version < "115.10")',
    'software("*", publisher = "mozilla")',
    'software(version > "100")',
    'software("7-zip", publisher != "mozilla")',
    'software(name !~ "*fox*")',
)
SOFTWARE = dict(
    enumerate(
        map(
            installed_facts,
            [
                InstalledSoftware("Firefox", "115.2", "Mozilla"),
                InstalledSoftware("Firefox", "128.0", "Mozilla"),
                InstalledSoftware("Firefox ESR", "128.0", "Mozilla"),
                InstalledSoftware("7-Zip", "23.01"),
                InstalledSoftware("Thunderbird", "", "Mozilla"),
            ],
        ),
        1,
    )
)


@given(st.sets(st.sampled_from(sorted(SOFTWARE))), st.sets(st.sampled_from(sorted(SOFTWARE))))
def test_marks_say_what_the_software_says(owned: set[int], remembered: set[int]) -> None:
    shared = SharedSoftware()
    nodes = [node for text in FILTERS if isinstance(node := parse(text), Software)]
    assert [shared.number(node) for node in (*nodes, *nodes)] == [*range(len(FILTERS)), *range(len(FILTERS))]
    shared.remember(shared.judge_all({key: SOFTWARE[key] for key in remembered}))
    assert shared.unknown(owned) == owned - remembered
    judged = shared.judge_all({key: SOFTWARE[key] for key in owned - remembered})
    expected = [any(map(judge_installed(node.criteria), (SOFTWARE[key] for key in owned))) for node in nodes]
    assert shared.answers([shared.marks([], {}), shared.marks(owned, judged)]) == [2 * each for each in expected]


def test_what_is_remembered_has_a_limit() -> None:
    shared = SharedSoftware()
    shared.remember(dict.fromkeys(range(MAX_REMEMBERED), 0))
    shared.remember({MAX_REMEMBERED: 1})
    assert shared.unknown([0, MAX_REMEMBERED]) == {0}
    names = [installed_facts(InstalledSoftware(str(number))) for number in range(MAX_NAMES + 9)]
    shared.judge_all(dict(enumerate(names)))
    assert len(shared._of_names) == MAX_NAMES
