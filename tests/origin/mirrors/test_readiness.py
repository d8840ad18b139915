"""Which mirrors have a package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from distd.catalogue.mirrors_schema import mirror_packages, mirrors
from distd.origin.mirrors import mirrors as use_cases
from distd.origin.mirrors.mirrors import NewMirror
from distd.origin.mirrors.readiness import readiness

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin


def test_only_the_present_version_counts(origin: TestOrigin) -> None:
    origin.package("17")
    for name in ("a", "b", "c", "d"):
        origin.act(use_cases.add, NewMirror(name, f"http://{name}.example:80", location=name.upper()), 0.0)

    def join(conn: Any) -> None:
        conn.execute(update(mirrors).where(mirrors.c.name != "d").values(joined_at_us=1))
        ids = {row.name: row.id for row in conn.execute(select(mirrors))}
        for name, version in (("a", 1), ("b", 2), ("d", 1)):
            row = {"mirror_id": ids[name], "package_id": "17", "version": version, "ready_at_us": 5_000_000}
            conn.execute(insert(mirror_packages).values(**row))

    origin.write(join)
    found = origin.read(readiness, "17", 10.0)
    assert [(each.name, each.location, each.ready_at_s) for each in found] == [
        ("a", "A", 5.0),
        ("b", "B", None),
        ("c", "C", None),
    ]
    assert not any(each.alive for each in found)
