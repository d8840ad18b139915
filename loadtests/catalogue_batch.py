"""What a batch of posts costs within this process, part by part: reading, each kind of statement, commit, the rest."""

from __future__ import annotations

import itertools
import re
import statistics
import time
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Engine, event

from distd.domain.settings import Settings
from distd.origin.agents import posts, requests
from loadtests.catalogue_site import ADDRESS, USER_AGENT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from distd.catalogue.engine import Catalogue

READ: Final = "inflate and parse"
BEGIN: Final = "begin, and the turn to write"
COMMIT: Final = "commit"
REST: Final = "what is answered, rows as records"
ALL: Final = "all"
_TABLE: Final = re.compile(r"\b(?:FROM|INTO|UPDATE)\s+\"?(\w+)")


class Statements:
    """The seconds of the statements that ran, by verb and table. Made by `watched_statements`."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._begun_s = 0.0

    def before(self, *_: Any) -> None:
        """A statement begins."""
        self._begun_s = time.perf_counter()

    def after(self, _conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        """It has ended."""
        self.seconds[kind_of(statement)] += time.perf_counter() - self._begun_s


def kind_of(statement: str) -> str:
    """The verb of a statement and its first table: "SELECT assignments"."""
    match = _TABLE.search(statement)
    verb = statement.split(maxsplit=1)[0].upper()
    return f"{verb} {match[1]}" if match else verb


@contextmanager
def watched_statements() -> Iterator[Statements]:
    """All statements of all databases of this process."""
    found = Statements()
    event.listen(Engine, "before_cursor_execute", found.before)
    event.listen(Engine, "after_cursor_execute", found.after)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", found.before)
        event.remove(Engine, "after_cursor_execute", found.after)


def run_batch(catalogue: Catalogue, bodies: Sequence[bytes], statements: Statements) -> dict[str, float]:
    """Answer one batch; seconds by part, with `ALL`."""
    settings = Settings()
    context = posts.ReplyContext(settings, b"k" * 32, "localhost:80", "localhost:443")
    limits = requests.ReadLimits.of_settings(settings)
    marks_s = [time.perf_counter()]
    came = [requests.Post(body, ADDRESS, USER_AGENT, time.time()) for body in bodies]
    asked = [requests.read(post, limits) for post in came]
    marks_s.append(time.perf_counter())
    with catalogue.write() as conn:
        statements.seconds.clear()
        marks_s.append(time.perf_counter())
        replies = posts.answer(conn, asked, context)
        by_kind = dict(statements.seconds)
        marks_s.append(time.perf_counter())
    marks_s.append(time.perf_counter())
    assert all(reply.status == 200 for reply in replies)
    read_s, begin_s, answer_s, commit_s = (after - before for before, after in itertools.pairwise(marks_s))
    parts = {READ: read_s, BEGIN: begin_s, **by_kind, REST: answer_s - sum(by_kind.values()), COMMIT: commit_s}
    return {**parts, ALL: marks_s[-1] - marks_s[0]}


def medians_ms(batches: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The median of each part, in milliseconds; the parts in the order in which they first came, `ALL` last."""
    names = list(dict.fromkeys(name for batch in batches for name in batch))
    names = [name for name in names if name not in (REST, COMMIT, ALL)] + [REST, COMMIT, ALL]
    return {name: 1000 * statistics.median(batch.get(name, 0.0) for batch in batches) for name in names}
