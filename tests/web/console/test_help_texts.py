"""Which help belongs to which page."""

from __future__ import annotations

import pytest

from distd.web.console.frame import NAVIGATION
from distd.web.console.help_texts import TOPICS, texts, topic_of


@pytest.mark.parametrize(
    ("path", "topic"),
    [
        ("/", "overview"),
        ("/packages", "packages"),
        ("/packages/new/fragments", "create"),
        ("/packages/17", "packages"),
        ("/packages/17/activate", "activate"),
        ("/packages/17/deployment", "deployment"),
        ("/packages/17/acts/unassign", "deployment"),
        ("/computers/pc", "computer"),
        ("/mirror-rules", "rules"),
        ("/elsewhere", "overview"),
    ],
)
def test_the_topic_of_a_page(path: str, topic: str) -> None:
    assert topic_of(path) == topic


def test_every_entry_of_the_navigation_has_a_topic_of_its_own() -> None:
    paths = [path for entry in NAVIGATION if entry.text != "Help" for path in (entry.path, *entry.others) if path]
    of_acts = {path for path in paths if path.startswith(("/assign", "/package-", "/computer-"))}  # on what was chosen
    others = [path for path in paths if path not in of_acts]
    assert [TOPICS[topic_of(path)].path for path in others] == others
    assert {topic_of(path) for path in of_acts} == {"assign", "packages", "computers"}


def test_texts_are_sentences() -> None:
    titles = {topic.title for topic in TOPICS.values()}
    assert [text for text in texts() if text not in titles and not text.endswith((".", "`", "`."))] == []
    assert [text for text in texts() if text.count("`") % 2] == []
