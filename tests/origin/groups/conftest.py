"""Groups over a test origin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from distd.catalogue.groups_schema import group_members, groups
from distd.catalogue.schema import computers
from distd.domain.assignment_terms import AssignmentOrigin, OriginKind, Terms
from distd.domain.records import InventoryRequest
from distd.origin.deployments import assignments, choices
from distd.origin.deployments.assignments import AssignmentRequest
from distd.origin.groups import given_packages
from distd.origin.groups import groups as use_cases
from distd.origin.groups.groups import NewComputerGroup
from tests.fixtures.origin import ADMIN

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin


class Site:
    """A test origin with groups. Its agents keep their names and addresses."""

    def __init__(self, origin: TestOrigin) -> None:
        self.origin = origin
        self.origin.values["agents.inventory_freq_days"] = -1

    def create(self, name: str, text: str | None = None, *device_ids: str) -> Any:
        return self.origin.act(use_cases.create, NewComputerGroup(name, "", text, device_ids), self.origin.now_s)

    def set_members(self, name: str, **lists: Any) -> Any:
        return self.origin.act(use_cases.set_members, name, **lists, now_s=self.origin.now_s)

    def members(self, name: str) -> list[str]:
        query = (
            select(computers.c.device_id)
            .join(group_members, group_members.c.computer_id == computers.c.id)
            .join(groups, groups.c.id == group_members.c.group_id)
            .where(groups.c.name == name)
            .order_by(computers.c.device_id)
        )
        found = self.origin.read(lambda conn: list(conn.scalars(query)))
        assert self.origin.read(use_cases.show, ADMIN, name).group.members == len(found)
        return found  # type: ignore[no-any-return]

    def inventory(self, device_id: str, os: str = "Windows 10", *software: str, **account: str) -> None:
        hardware = {"NAME": device_id.upper(), "OSNAME": os}
        items = [{"NAME": each} for each in software]
        request = InventoryRequest(device_id, hardware, account, (), frozenset(), software=tuple(items))
        self.origin.post(request)

    def give(self, package_id: str, group: str, **terms: Any) -> Any:
        """As the operation does it."""

        def run(conn: Any) -> Any:
            kept, now_s = Terms(**terms), self.origin.now_s
            given_packages.keep(conn, ADMIN, group, package_id, kept, now_s)
            chosen = AssignmentOrigin(OriginKind.GROUP, use_cases.written_name(conn, group))
            device_ids = choices.choose(conn, chosen, now_s, ADMIN)
            request = AssignmentRequest(package_id, device_ids, kept, chosen, skip_had=True, skip_others=True)
            return assignments.assign(conn, ADMIN, request, now_s)

        return self.origin.write(run)

    def holders(self, package_id: str) -> dict[str, str]:
        """By DEVICEID the state of its latest assignment."""
        return {each.device_id: str(each.state) for each in self.origin.results(package_id)}


@pytest.fixture
def site(origin: TestOrigin) -> Site:
    return Site(origin)
