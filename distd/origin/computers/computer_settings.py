"""What an operator decides of computers: `distd computer set DEVICEID KEY=VALUE`, `admit`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, func, select, update

from distd.catalogue import dialect, event_log
from distd.catalogue.schema import NAME_LIMIT, computer_accounts, computers
from distd.domain.errors import BadInput
from distd.domain.folding import fold
from distd.domain.inventory import LONG_TEXT, MAX_ACCOUNT_KEYS
from distd.domain.mirror_rules import parse_networks
from distd.origin.agents.inventory_changes import TAG_KEY, account_row, forget_documents
from distd.origin.deployments.named_computers import find_computers
from distd.origin.groups.following import follow_computers
from distd.origin.operators.restrictions import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from distd.domain.actor import Actor


MAX_NETWORKS: Final = 64
ACCOUNT: Final = "account."


def admit(conn: Connection, actor: Actor, device_ids: Sequence[str] | None, now_s: float) -> list[str]:
    """Let computers out of the waiting room, None: all that `actor` may see; gives the DEVICEIDs of those that were in
    it.

    Raises `NotFound` for the first that is unknown; then nothing is changed.
    """
    query = select(computers.c.device_id, computers.c.id).where(computers.c.waiting, visible(conn, actor))
    waiting = {row.device_id: row.id for row in conn.execute(query.order_by(computers.c.device_id))}
    if device_ids is not None:
        waiting = {name: waiting[name] for name in find_computers(conn, device_ids, actor) if name in waiting}
    for ids in dialect.chunks(list(waiting.values())):
        conn.execute(update(computers).where(computers.c.id.in_(ids)).values(waiting=False))
    kind = event_log.Kind.COMPUTER_ADMITTED
    event_log.append_many(
        conn, [event_log.Note(kind, actor, now_s, None, computer_id, {}) for computer_id in waiting.values()]
    )
    return list(waiting)


def change(conn: Connection, actor: Actor, device_ids: Sequence[str], values: Mapping[str, str], now_s: float) -> None:
    """Set the values of these computers, by their names in `KEYS`; "tag" and "account.KEY" are account info, which
    agents are told and no longer decide, until they are set to nothing.

    Raises `NotFound`, and `BadInput` that names the value.
    """
    computer_ids = [row.id for row in find_computers(conn, device_ids, actor).values()]
    columns: dict[str, Any] = {}
    accounts: dict[str, str] = {}
    for name, text in values.items():
        if name == "tag" or name.startswith(ACCOUNT):
            key = "TAG" if name == "tag" else name.removeprefix(ACCOUNT).strip()
            accounts[key] = _account(name, key, text.strip())
        elif name in KEYS:
            columns[name] = KEYS[name](text.strip())
        else:
            raise BadInput(name, f"one of {', '.join(KEYS)}, tag, account.KEY", name)
    if not columns and not accounts:
        raise BadInput("values", "KEY=VALUE", "nothing")
    told = columns | {f"account.{key}": value for key, value in accounts.items()}
    notes = []
    for ids in dialect.chunks(computer_ids):
        before, known = _values(conn, ids, columns), _accounts(conn, ids, accounts)
        changed = dict(columns)
        for key, value in accounts.items():
            changed |= _set_account(conn, ids, key, value)
        if changed:
            conn.execute(update(computers).where(computers.c.id.in_(ids)).values(**changed))
        for each in ids:
            of_accounts = {f"account.{key}": known.get((each, fold(key)), "") for key in accounts}
            detail = {"before": before[each] | of_accounts, **told}
            notes.append(event_log.Note(event_log.Kind.COMPUTER_SET, actor, now_s, None, each, detail))
    follow_computers(conn, computer_ids, now_s)
    event_log.append_many(conn, notes)


def _values(conn: Connection, computer_ids: Sequence[int], names: Iterable[str]) -> dict[int, dict[str, Any]]:
    of_them = [computers.c[name] for name in names]
    rows = conn.execute(select(computers.c.id, *of_them).where(computers.c.id.in_(computer_ids)))
    return {row.id: {column.name: getattr(row, column.name) for column in of_them} for row in rows}


def _accounts(conn: Connection, computer_ids: Sequence[int], keys: Iterable[str]) -> dict[tuple[int, str], str]:
    """Values of account info, by the computer and the folded key."""
    columns = [computer_accounts.c[name] for name in ("computer_id", "key_key", "value")]
    wanted = (computer_accounts.c.key_key.in_([fold(key) for key in keys]),)
    rows = conn.execute(select(*columns).where(computer_accounts.c.computer_id.in_(computer_ids), *wanted))
    return {(row.computer_id, row.key_key): row.value for row in rows}


def _account(name: str, key: str, value: str) -> str:
    if not 1 <= len(key) <= NAME_LIMIT or not key.isprintable():
        raise BadInput(name, f"a key of 1 to {NAME_LIMIT} printable characters", key)
    limit = NAME_LIMIT if fold(key) == TAG_KEY else LONG_TEXT
    if len(value) > limit or not (value.isprintable() or not value):
        raise BadInput(name, f"at most {limit} printable characters", value[:NAME_LIMIT])
    return value


def _set_account(conn: Connection, computer_ids: Sequence[int], key: str, value: str) -> dict[str, Any]:
    """Gives what else of the computers changes with it."""
    by_operator = (computer_accounts.c.computer_id.in_(computer_ids), computer_accounts.c.by_operator)
    if not value:
        conn.execute(delete(computer_accounts).where(*by_operator, computer_accounts.c.key_key == fold(key)))
    else:
        of_each = select(computer_accounts.c.computer_id).where(*by_operator).group_by(computer_accounts.c.computer_id)
        if conn.execute(of_each.having(func.count() >= MAX_ACCOUNT_KEYS).limit(1)).first() is not None:
            raise BadInput(f"account.{key}", f"at most {MAX_ACCOUNT_KEYS} values of a computer", "more")
        row = {**account_row(key, value), "by_operator": True}
        dialect.upsert(conn, computer_accounts, [{"computer_id": each, **row} for each in computer_ids])
    forget_documents(conn, computer_ids)  # what their agents say counts where nothing else is set
    return {"tag": value or None, "tag_key": fold(value)} if fold(key) == TAG_KEY else {}


def _no_flags(text: str) -> str:
    if text:
        raise BadInput("changed", "nothing: it can be cleared only", text)
    return ""


def _networks(text: str) -> str:
    parts = text.replace(",", " ").split()
    if len(parts) > MAX_NETWORKS:
        raise BadInput("networks", f"at most {MAX_NETWORKS}", len(parts))
    return " ".join(str(network) for network in parse_networks(parts))


KEYS: Final[Mapping[str, Callable[[str], str]]] = {"changed": _no_flags, "networks": _networks}
