"""Installed software: each name once, whoever has it, and not without limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete

from distd.catalogue import schema
from distd.domain.computer_facts import InstalledSoftware
from distd.domain.versions import version_key
from distd.origin.agents.software_register import ADDRESS_SHARE, SoftwareOf, SoftwareRegister, delete_unused

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin

GIT, ZIP, VLC = (InstalledSoftware(name, "1.10", "Somebody") for name in ("Git", "7-Zip", "Vlc é"))
DAY_S = 86_400.0


def of(*items: InstalledSoftware, address: str = "10.0.0.9", now_s: float = 0.0) -> SoftwareOf:
    return SoftwareOf(items, address, now_s)


def installed(origin: TestOrigin) -> dict[int, set[str]]:
    names = {row["id"]: row["name"] for row in origin.rows(schema.software)}
    found: dict[int, set[str]] = {}
    for row in origin.rows(schema.installed):
        found.setdefault(row["computer_id"], set()).add(names[row["software_id"]])
    return found


@pytest.fixture
def pair(origin: TestOrigin) -> TestOrigin:
    for name in ("a", "b"):
        origin.prolog(name)
    return origin


def replace(origin: TestOrigin, lists: dict[int, SoftwareOf], limit: int = 0) -> Any:
    return origin.write(origin.register.replace, lists, limit)


def test_each_is_there_once_with_its_keys(pair: TestOrigin) -> None:
    assert replace(pair, {1: of(GIT, ZIP), 2: of(GIT, VLC)}) == {}
    assert installed(pair) == {1: {"Git", "7-Zip"}, 2: {"Git", "Vlc é"}}
    rows = {row["name_key"]: row for row in pair.rows(schema.software)}
    assert rows.keys() == {"git", "7-zip", "vlc e"}
    assert (rows["git"]["version_key"], rows["git"]["publisher_key"]) == (version_key("1.10"), "somebody")


def test_only_differences_are_written(pair: TestOrigin) -> None:
    replace(pair, {1: of(GIT, ZIP)})
    replace(pair, {1: of(ZIP, VLC), 2: of()})
    assert installed(pair) == {1: {"7-Zip", "Vlc é"}}
    replace(pair, {1: of(), 2: of(VLC)})
    assert installed(pair) == {2: {"Vlc é"}}


def test_what_is_rolled_back_is_not_remembered(pair: TestOrigin) -> None:
    def fail(conn: Any) -> None:
        pair.register.replace(conn, {1: of(GIT)}, 0)
        raise RuntimeError

    for _ in range(2):
        with pytest.raises(RuntimeError):
            pair.write(fail)
    replace(pair, {1: of(ZIP)})
    replace(pair, {1: of(GIT), 2: of(ZIP)})
    assert installed(pair) == {1: {"Git"}, 2: {"7-Zip"}}


def test_what_another_process_has_deleted_comes_back(pair: TestOrigin) -> None:
    for _ in range(2):  # read once, it is remembered
        replace(pair, {1: of(GIT)})
        replace(pair, {1: of()})
    pair.write(lambda conn: conn.execute(delete(schema.software)))
    replace(pair, {1: of(GIT, ZIP)})
    assert installed(pair) == {1: {"Git", "7-Zip"}}


def test_software_that_nobody_has_is_deleted(pair: TestOrigin) -> None:
    replace(pair, {1: of(GIT, ZIP), 2: of(ZIP)})
    assert pair.write(delete_unused) == 0
    replace(pair, {1: of(ZIP)})
    assert pair.write(delete_unused) == 1
    assert [row["name"] for row in pair.rows(schema.software)] == ["7-Zip"]


def test_new_names_of_a_day_are_limited(pair: TestOrigin) -> None:
    pair.register = SoftwareRegister()
    many = tuple(InstalledSoftware(f"program {number}") for number in range(30))
    limit = 10 * ADDRESS_SHARE
    assert replace(pair, {1: of(*many)}, limit) == {1: 20}
    assert len(installed(pair)[1]) == 10
    # What is known is taken without limit, and another address has its own share.
    assert replace(pair, {1: of(*many[:10])}, limit) == {}
    assert replace(pair, {2: of(*many, address="10.0.0.10")}, limit) == {2: 10}
    assert replace(pair, {2: of(*many, now_s=DAY_S)}, limit) == {}


def test_a_proxy_on_this_machine_may_use_up_all(pair: TestOrigin) -> None:
    many = tuple(InstalledSoftware(f"program {number}") for number in range(30))
    assert replace(pair, {1: of(*many, address="127.0.0.1")}, 20) == {1: 10}
