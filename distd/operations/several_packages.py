"""Several packages in one act: those of a list or of a set, each by itself or each after the one before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta, structs

from distd.catalogue.schema import NAME_LIMIT, TEXT_LIMIT
from distd.domain.errors import BadInput
from distd.domain.permissions import Act
from distd.operations.computers import MAX_NAMED_BYTES
from distd.operations.deployments import (  # the API reads the annotations
    AssignmentOutcome,  # noqa: TC001
    AssignmentTarget,  # noqa: TC001
    NewAssignment,
    assign_package,
)
from distd.operations.operation import Operation, Way
from distd.operations.package_sets import PackageIds  # noqa: TC001
from distd.origin.packages import package_sets
from distd.wire.query import MAX_TEXT

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from distd.operations.operation import Asked

_Text = Annotated[str, Meta(max_length=MAX_TEXT)]
_PackageId = Annotated[str, Meta(pattern="^[0-9]{1,20}$")]


class NewAssignments(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Either `packages`, their ids in order, or a `set` by its name, for computers; in one transaction: all or none.
    `chain`: each waits on a computer for a success of the one before, and computers that the one before is not for are
    passed over; null: as the set says. The first of a chain, and all that are in none, wait for `after`. The other
    fields are those of one assignment."""

    to: AssignmentTarget
    packages: PackageIds = ()
    set: Annotated[str, Meta(min_length=1, max_length=NAME_LIMIT)] | None = None
    chain: bool | None = None
    strict: bool = False
    force: bool = False
    any_os: bool = False
    schedule: _Text = ""
    postcmd: Annotated[str, Meta(max_length=TEXT_LIMIT)] = ""
    not_before: _Text | None = None
    not_after: _Text | None = None
    after: _PackageId | None = None
    skip_unfit: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class PackageAssigned:
    """What became of one of the packages. `after`: that which it waits for."""

    package: str
    after: str | None
    outcome: AssignmentOutcome


@dataclass(frozen=True, slots=True)
class SeveralAssigned:
    """What became of each package, in their order. `refusal`: why what was only tried would be refused."""

    dry_run: bool
    refusal: str | None
    packages: list[PackageAssigned]


_OF_ALL: Final = frozenset({"packages", "set", "chain"})  # fields that an assignment of one package has not


def _assign(conn: Connection, asked: Asked, given: NewAssignments) -> SeveralAssigned:
    package_ids, chain = _wanted(conn, given)
    common = {name: getattr(given, name) for name in given.__struct_fields__ if name not in _OF_ALL}
    one = NewAssignment(package_ids[0], **common)
    done: list[PackageAssigned] = []
    for place, package_id in enumerate(package_ids):
        is_next = chain and place > 0
        one = structs.replace(one, package=package_id, after=package_ids[place - 1] if is_next else given.after)
        outcome = assign_package(conn, asked, one, in_chain=is_next)
        if given.dry_run and outcome.refusal is None:
            # For real, so that the next one finds it; the whole is rolled back.
            assign_package(conn, asked, structs.replace(one, dry_run=False), in_chain=is_next)
        done.append(PackageAssigned(package_id, one.after, outcome))
        if outcome.refusal is not None:
            break
    refusal = done[-1].outcome.refusal
    return SeveralAssigned(given.dry_run, refusal, done)


def _wanted(conn: Connection, given: NewAssignments) -> tuple[tuple[str, ...], bool]:
    """The packages, and whether each waits for the one before."""
    if (given.set is None) == (not given.packages):
        raise BadInput("packages", "either packages or a set", "both" if given.packages else "neither")
    if given.set is None:
        package_sets.check_packages(given.packages, "packages")
        return given.packages, bool(given.chain)
    found = package_sets.show(conn, given.set)
    if not found.packages:
        raise BadInput("set", "a set with packages", f"{found.name}, which has none any more")
    ids = tuple(each.package_id for each in found.packages)
    return ids, found.chain if given.chain is None else given.chain


ASSIGN: Final = Operation(
    "assign_several",
    "POST",
    "/assignments/several",
    """Assign several packages to computers in one act: all of them, or, where one is refused, none.

    In a chain each package waits on a computer for a success of the one before.""",
    SeveralAssigned,
    _assign,
    Act.DEPLOYMENTS_WRITE,
    Way.WRITE,
    body=NewAssignments,
    max_body_bytes=MAX_NAMED_BYTES,
    problems=(404, 409),
    keyed=True,
)
ALL: Final = (ASSIGN,)
