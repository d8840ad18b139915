"""The console's texts: `python -m tests.web.console.texts` brings `locale/fr.po` up to date with source and templates.

New texts are added without a translation, those that are used no longer are removed. A test wants every text
translated.
"""

from __future__ import annotations

import io
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from distd.domain import recipes
from distd.web.console import faults, frame, help_texts, language, words
from distd.web.console.computer_words import COMPUTER_TABLES
from distd.web.console.criteria_words import CRITERIA_TABLES
from distd.web.console.event_words import EVENT_TABLES
from distd.web.console.setting_words import SETTING_TABLES
from tests.web.console import sentences

CONSOLE = Path(frame.__file__).parent
FRENCH = CONSOLE / "locale" / "fr.po"
METHODS = [("templates/**.html", "jinja2.ext:babel_extract"), ("**.py", "python")]
TABLES = (
    words.SYSTEMS,
    words.ACTIONS,
    words.PACKAGE_STATES,
    words.RESULT_STATES,
    words.VIAS,
    words.FINDINGS,
    words.ROLLOUT_PHASES,
    words.ROLLOUT_ACTS,
    faults.MISSING,
    words.RULE_FIELDS,
    words.RULE_OPS,
    words.ROLES,
    words.ROLE_MEANINGS,
    words.SOURCES,
    *SETTING_TABLES,
    {text: text for text in (*faults.WARNINGS, *help_texts.texts())},
    {recipe.name: recipe.meaning for recipe in recipes.TABLE.values()},
)
HEADER = "# The French texts of the console. `python -m tests.web.console.texts` adds what is new."


def used() -> Catalog:
    """All texts that source and templates use."""
    catalog = Catalog(locale="fr", project="distd", header_comment=HEADER, fuzzy=False)
    keywords = {"_": None, "text": None, "ngettext": (1, 2), "plural": (1, 2)}
    for name, _, message, _, _ in extract_from_dir(CONSOLE, METHODS, keywords=keywords):
        catalog.add(message, locations=[(name, 0)])
    for table in (*TABLES, *COMPUTER_TABLES, *CRITERIA_TABLES, *EVENT_TABLES):
        for text in filter(None, table.values()):
            catalog.add(text, locations=[("words.py", 0)])
    for text in sorted({*faults.SENTENCES, *sentences.collect()}):
        catalog.add(text, locations=[("faults.py", 0)], context=language.SENTENCE)
    for entry in frame.NAVIGATION:
        if entry.text:
            catalog.add(entry.text, locations=[("frame.py", 0)])
    return catalog


def french() -> Catalog:
    """What is translated."""
    with FRENCH.open("rb") as file:
        return read_po(file, locale="fr", abort_invalid=True)


def main() -> None:
    """Write the file anew."""
    catalog = used()
    known = french() if FRENCH.exists() else Catalog(locale="fr")
    for message in catalog:
        if message.id and (found := known.get(message.id, message.context)) is not None:
            message.string = found.string
    data = io.BytesIO()
    write_po(data, catalog, width=120, omit_header=False, sort_output=True, no_location=True)
    changing = ("-Date:", "Generated-By")
    lines = [line for line in data.getvalue().decode().splitlines() if not any(word in line for word in changing)]
    FRENCH.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
