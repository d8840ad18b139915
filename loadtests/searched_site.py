"""A catalogue of very many computers with software, written at once: rows as inventories leave them, in numbers and
proportions as large sites have them. The same number of computers always gives the same site."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from sqlalchemy import insert, text

from distd.catalogue.schema import computer_accounts, computers, interfaces, software
from distd.domain.addresses import address_key
from distd.domain.folding import fold
from distd.domain.versions import version_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Connection

NOW_S: Final = 1_764_000_000
DAY_S: Final = 86_400
OF_COMPUTER: Final = 84  # draws of software; some are drawn twice, so 80 remain
CHUNK: Final = 5000  # computers of a transaction
OTHERS: Final = 20_000  # rows of software that are not `KNOWN`
SYSTEMS: Final = (
    ("Microsoft Windows 11 Professionnel", "10.0.22631", 0.45),
    ("Microsoft Windows 10 Professionnel", "10.0.19045", 0.33),
    ("Microsoft Windows 10 Éducation", "10.0.19044", 0.07),
    ("Debian GNU/Linux 12", "12", 0.10),
    ("Ubuntu 24.04.1 LTS", "24.04", 0.05),
)
MODELS: Final = (("Dell Inc.", "OptiPlex 7090"), ("LENOVO", "ThinkCentre M70q"), ("HP", "ProDesk 400 G7 Élite"))
MAKERS: Final = ("Microsoft Corporation", "Mozilla", "Adobe", "The Document Foundation", "Éditions Jacob", "Debian")
KINDS: Final = ("Runtime", "Outils", "Suite", "Pilote", "Éditeur", "Lecteur", "SDK", "Plugin", "Security Update")
KNOWN: Final = (  # name, how many versions, share of computers that have one of them
    ("Mozilla Firefox (x64 fr)", 60, 0.55),
    ("Mozilla Firefox ESR (x64 fr)", 20, 0.08),
    ("7-Zip (x64)", 12, 0.45),
    ("VLC media player", 15, 0.40),
    ("LibreOffice", 25, 0.60),
    ("PuTTY release (64-bit)", 8, 0.06),
    ("GIMP", 10, 0.05),
    ("Scratch 3", 6, 0.02),
    ("GeoGebra Classic", 9, 0.01),
)


@dataclass(frozen=True, slots=True)
class SearchedSite:
    """How many rows it has."""

    computers: int
    installed: int
    software: int


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the computers: rows of `computers`, `interfaces` and `computer_accounts`. `pairs`: n × 2, the ids of a
    computer and of software that it has, in the order of `installed`'s primary key."""

    computers: list[dict[str, Any]]
    interfaces: list[dict[str, Any]]
    accounts: list[dict[str, Any]]
    pairs: np.ndarray[Any, Any]


@cache
def software_rows() -> Sequence[dict[str, Any]]:
    """The rows of `software`, whose ids are 1, 2, 3, …"""
    return tuple(_software(OTHERS))


def parts(count: int) -> Iterator[Part]:
    """The site, part by part."""
    known = len(software_rows())
    for start in range(1, count + 1, CHUNK):
        ids = range(start, min(start + CHUNK, count + 1))
        yield Part(
            [_computer(each) for each in ids],
            [row for each in ids for row in _interfaces(each)],
            [_account(each) for each in ids],
            _installed(ids, known),
        )


def fill(
    conn_of: Callable[[], Any], count: int, copy: Callable[[Connection, np.ndarray[Any, Any]], None] | None = None
) -> SearchedSite:
    """Fill an empty catalogue; `conn_of()` opens a transaction. `copy` writes pairs of ids to `installed` in the
    database's quickest way."""
    names = software_rows()
    with conn_of() as conn:
        conn.execute(insert(software), list(names))
    rows = 0
    for part in parts(count):
        rows += len(part.pairs)
        with conn_of() as conn:
            conn.execute(insert(computers), part.computers)
            conn.execute(insert(interfaces), part.interfaces)
            conn.execute(insert(computer_accounts), part.accounts)
            (copy or _insert_pairs)(conn, part.pairs)
    with conn_of() as conn:
        conn.execute(text("ANALYZE"))
    return SearchedSite(count, rows, len(names))


def _insert_pairs(conn: Connection, pairs: np.ndarray[Any, Any]) -> None:
    conn.exec_driver_sql(
        "INSERT INTO installed (computer_id, software_id) VALUES (?, ?)", list(map(tuple, pairs.tolist()))
    )


def copy_pairs(conn: Connection, pairs: np.ndarray[Any, Any]) -> None:
    """By COPY of PostgreSQL."""
    driver: Any = conn.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy("COPY installed (computer_id, software_id) FROM STDIN") as copy:
        copy.write("".join(f"{computer}\t{software}\n" for computer, software in pairs.tolist()))


def _software(others: int) -> list[dict[str, Any]]:
    rows = [
        _software_row(name, f"{100 + version // 4}.{version % 4}.{version}", MAKERS[place % len(MAKERS)])
        for place, (name, versions, _) in enumerate(KNOWN)
        for version in range(versions)
    ]
    rows += [
        _software_row(f"{KINDS[n % len(KINDS)]} {n // 3:05d}", f"{n % 40}.{n % 7}.{n}", MAKERS[n % len(MAKERS)])
        for n in range(others)
    ]
    return [{"id": key, **row} for key, row in enumerate(rows, 1)]


def _software_row(name: str, version: str, publisher: str) -> dict[str, Any]:
    return {
        "digest": hashlib.blake2b(f"{name}\n{version}\n{publisher}".encode(), digest_size=16).digest(),
        "name": name,
        "name_key": fold(name),
        "version": version,
        "version_key": version_key(version),
        "publisher": publisher,
        "publisher_key": fold(publisher),
    }


def _installed(ids: range, count: int) -> np.ndarray[Any, Any]:
    """Pairs of ids in the order of the primary key. What is not `KNOWN` is drawn as popular as Zipf has it."""
    rng = np.random.default_rng(ids.start)
    versions = sum(each[1] for each in KNOWN)
    weights = 1.0 / np.arange(10, 10 + count - versions) ** 0.9
    edges = np.cumsum(weights / weights.sum())
    drawn = versions + 1 + np.searchsorted(edges, rng.random((len(ids), OF_COMPUTER)))
    columns, first = [np.minimum(drawn, count)], 1
    for _, some, share in KNOWN:
        chosen = first + rng.integers(0, some, len(ids))
        columns.append(np.where(rng.random(len(ids)) < share, chosen, 0)[:, None])
        first += some
    each = np.concatenate(columns, axis=1)
    pairs = np.stack([np.repeat(np.array(ids), each.shape[1]), each.ravel()], axis=1)
    found: np.ndarray[Any, Any] = np.unique(pairs[pairs[:, 1] > 0], axis=0)
    return found


def _computer(number: int) -> dict[str, Any]:
    rng = np.random.default_rng(number)
    draw, system = rng.random(4), rng.choice(len(SYSTEMS), p=[each[2] for each in SYSTEMS])
    os_name, os_version, _ = SYSTEMS[system]
    manufacturer, model = MODELS[number % len(MODELS)]
    agent = "OCS-NG_WINDOWS_AGENT" if system < 3 else "OCS-NG_unified_unix_agent"
    texts = {
        "device_id": f"PC-{number:06d}-2025-09-01-08-00-00",
        "name": f"PC-{number:06d}",
        "os_name": os_name,
        "tag": f"site {number % 200}",
        "agent": agent,
        "workgroup": f"ACADÉMIE-{number % 20}",
        "userdomain": "PEDA",
        "userid": f"élève.{number % 5000}",
        "description": "",
        "manufacturer": manufacturer,
        "model": model,
        "serial": f"SN{number:08X}",
        "cpu": "Intel(R) Core(TM) i5-10500T CPU @ 2.30GHz" if draw[0] < 0.7 else "AMD Ryzen 5 PRO",
    }
    versions = {"os_version": os_version, "agent_version": "2.11.0.1" if system < 3 else "2.10.0"}
    seen_s = NOW_S - int(draw[1] ** 4 * 90 * DAY_S)
    return {
        **texts,
        **{f"{name}_key": fold(value) for name, value in texts.items()},
        **versions,
        **{f"{name}_key": version_key(value) for name, value in versions.items()},
        "id": number,
        "user_agent": f"{agent}_v{versions['agent_version']}",
        "address": _ip(number),
        "ip": _ip(number),
        "ip_key": address_key(_ip(number)),
        "memory_bytes": (4, 8, 8, 16)[number % 4] * 2**30 - 2**20 * (number % 64),
        "cores": (2, 4, 6, 8)[number % 4],
        "disk_free_bytes": int(draw[2] * 400 * 2**30),
        "system_free_bytes": int(draw[2] * 200 * 2**30),
        "first_seen_at_us": (NOW_S - 400 * DAY_S) * 1_000_000,
        "last_seen_at_us": seen_s * 1_000_000,
        "last_inventory_at_us": (seen_s - DAY_S) * 1_000_000,
    }


def _ip(number: int) -> str:
    return f"10.{number % 200}.{number // 200 // 250}.{number // 200 % 250 + 1}"


def _interfaces(number: int) -> Iterator[dict[str, Any]]:
    mac = f"00:1a:{number >> 24 & 255:02x}:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
    addresses = (_ip(number), f"10.{number % 200}.0.0"), (f"fe80::{number:x}", "fe80::")
    for position, (ip, subnet) in enumerate(addresses):
        yield {
            "computer_id": number,
            "position": position,
            "ip": ip,
            "ip_key": address_key(ip),
            "subnet": subnet,
            "subnet_key": address_key(subnet),
            "mac": mac,
        }


def _account(number: int) -> dict[str, Any]:
    value = f"site {number % 200}"
    row = {"computer_id": number, "key_key": "tag", "key": "TAG", "value": value, "value_key": fold(value)}
    return row | {"by_operator": False}
