"""The operator's rules that say which mirror a computer gets: read them, replace them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from distd.catalogue import event_log
from distd.catalogue.mirrors_schema import mirror_rules
from distd.domain.errors import BadInput
from distd.domain.mirror_rules import MAX_RULES, parse_rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from distd.domain.actor import Actor
    from distd.domain.mirror_rules import Rule


def list_rules(conn: Connection) -> list[Rule]:
    """In their order: the first that holds decides."""
    return [parse_rule(text) for text in conn.scalars(select(mirror_rules.c.rule).order_by("position"))]


def set_rules(conn: Connection, actor: Actor, texts: Sequence[str], now_s: float) -> list[Rule]:
    """Replace all rules by these, in this order. Raises `BadInput`."""
    if len(texts) > MAX_RULES:
        raise BadInput("rules", f"at most {MAX_RULES}", len(texts))
    rules = [parse_rule(text) for text in texts]
    before = [str(rule) for rule in list_rules(conn)]
    conn.execute(delete(mirror_rules))
    if rules:
        rows = [{"position": number, "rule": str(rule)} for number, rule in enumerate(rules, 1)]
        conn.execute(insert(mirror_rules), rows)
    after = [str(rule) for rule in rules]
    event_log.append(conn, event_log.Kind.MIRROR_RULES, actor, at_s=now_s, rules=after, before=before)
    return rules
