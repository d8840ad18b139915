"""What filters read of a computer, as it is compared: what an in-memory interpreter is given in the place of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from distd.domain.filters.criteria import ascii_lower
from distd.domain.filters.fields import ACCOUNT, FIELDS, Kind
from distd.domain.folding import fold
from distd.domain.versions import version_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from distd.domain.computer_facts import Account, InstalledSoftware, Interface
    from distd.domain.filters.criteria import Key

# A value as it is compared: a key; of a version or an address its text (`criteria.ascii_lower`) and its key.
Value: TypeAlias = "Key | tuple[str, str]"


@dataclass(frozen=True, slots=True)
class InstalledFacts:
    """One installed software; `version` is a text and a key. Nothing is known where a key is empty."""

    name: str
    version: tuple[str, str]
    publisher: str


@dataclass(frozen=True, slots=True)
class AssignedFacts:
    """The latest assignment of a package, with the folded name of the package and the assignment's state."""

    package_id: str
    name: str
    state: str


@dataclass(frozen=True, slots=True)
class FilterFacts:
    """Folded texts, keys, numbers, microseconds since 1970.

    `values`: by the names of fields, `account.` with the folded key; without those that are empty. `groups`: folded
    names. A filter that does not read a part (`reads`) does not need it here.
    """

    values: Mapping[str, tuple[Value, ...]]
    software: tuple[InstalledFacts, ...] = ()
    packages: tuple[AssignedFacts, ...] = ()
    groups: frozenset[str] = frozenset()


# Fields with one value: whether it is a version, its column, and that of the key.
_SINGLE: Final = tuple(
    (field.name, field.kind is Kind.VERSION, field.column, field.key_column)
    for field in FIELDS.values()
    if not field.many
)


def filter_facts(
    columns: Mapping[str, Any],
    interfaces: Iterable[Interface] = (),
    accounts: Mapping[str, Account] | None = None,
    software: Iterable[InstalledSoftware] = (),
    packages: Iterable[AssignedFacts] = (),
    groups: Iterable[str] = (),
) -> FilterFacts:
    """Of a row of the table of computers, or the same columns from `domain.computer_facts`, and of what belongs to it
    there. `accounts` by the folded key; `groups`: names."""
    values: dict[str, tuple[Value, ...]] = {}
    for name, is_version, column, key_column in _SINGLE:
        key = columns.get(key_column)
        if key is not None and key != "":
            values[name] = ((ascii_lower(columns.get(column) or ""), key) if is_version else key,)
    found = list(interfaces)
    values["ip"] = tuple((each.ip, each.ip_key) for each in found if each.ip_key)
    values["subnet"] = tuple((each.subnet, each.subnet_key) for each in found if each.subnet_key)
    values["mac"] = tuple(each.mac for each in found if each.mac)
    for name, account in (accounts or {}).items():
        if value := fold(account.value):
            values[f"{ACCOUNT}{name}"] = (value,)
    return FilterFacts(
        values=values,
        software=tuple(map(installed_facts, software)),
        packages=tuple(packages),
        groups=frozenset(map(fold, groups)),
    )


def installed_facts(each: InstalledSoftware) -> InstalledFacts:
    """One software, as it is compared."""
    return InstalledFacts(fold(each.name), (ascii_lower(each.version), version_key(each.version)), fold(each.publisher))
