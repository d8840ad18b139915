"""What packages are made of, as somebody orders them: the API by JSON, the command line by options."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec
from msgspec import Meta

from distd.catalogue.schema import NAME_LIMIT, TEXT_LIMIT
from distd.domain import recipes
from distd.domain.errors import BadInput
from distd.domain.fragment_plan import (
    DEFAULT_FRAGMENT_BYTES,
    MAX_FRAGMENTS,
    MIN_FRAGMENT_BYTES,
    ByContent,
    ByCount,
    ByDuration,
    BySize,
)
from distd.domain.package_spec import PackageSpec
from distd.domain.records import Action, Digest, Notify, OperatingSystem  # noqa: TC001 - the API reads annotations
from distd.origin.packages.publishing import NewPackage, RecipeUse, fetched_mode
from distd.origin.packages.versions import PackageChanges, Successor

if TYPE_CHECKING:
    from pathlib import Path

    from distd.domain.fragment_plan import Plan
    from distd.domain.settings import DownloadConfig

# What the use cases check themselves, with messages of their own, is only described here.
Name = Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": NAME_LIMIT})]
Text = Annotated[str, Meta(max_length=TEXT_LIMIT)]
Target = Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": TEXT_LIMIT})]
Priority = Annotated[int, Meta(extra_json_schema={"minimum": 0, "maximum": 10})]

DEFAULT_PRIORITY: Final = 5


class UploadSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a package is made of: a file that was uploaded. `remove`: once the package is made, it goes."""

    upload: Name
    remove: bool = False


class FragmentOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a package is cut: by `size_bytes`, into `count`, to last `duration_s`, or by content (`cdc`, with
    `size_bytes` on average). Nothing: 1 MiB each."""

    size_bytes: Annotated[int, Meta(extra_json_schema={"minimum": MIN_FRAGMENT_BYTES})] | None = None
    count: Annotated[int, Meta(extra_json_schema={"minimum": 1, "maximum": MAX_FRAGMENTS})] | None = None
    duration_s: Annotated[float, Meta(extra_json_schema={"minimum": 0})] | None = None
    cdc: bool = False


class NotifyChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a Windows agent shows its user; null: as it was, and of a new package nothing. An empty text takes the
    text away."""

    text: Text | None = None
    countdown_s: Annotated[int, Meta(ge=0, le=86_400)] | None = None
    can_abort: bool | None = None
    can_delay: bool | None = None
    done_action_text: Text | None = None

    def apply(self, old: Notify) -> Notify:
        """The new notification from the old one."""
        given = {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}
        new: Notify = replace(old, **given)
        return replace(new, user=bool(new.text), done_action=bool(new.done_action_text))


class PackageOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A package that is to be made. `os`, `action` and `target` or, instead of the last two, a `recipe`. `target` is
    the path of a STORE, the file of a LAUNCH with its arguments, the command line of an EXECUTE. `source` null: a
    command without a file."""

    name: Name
    os: OperatingSystem | None = None
    action: Action | None = None
    target: Text = ""
    recipe: Name | None = None
    arguments: Text = ""
    priority: Priority = DEFAULT_PRIORITY
    source: UploadSource | None = None
    fragments: FragmentOrder = FragmentOrder()
    digest: Digest = Digest.MD5
    notify: NotifyChange = NotifyChange()
    description: Text = ""
    protocol: Literal["HTTP"] = "HTTP"


class PackageEdit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is to be changed of a package; null: as it was."""

    name: Name | None = None
    priority: Priority | None = None
    target: Target | None = None
    notify: NotifyChange = NotifyChange()
    description: Text | None = None


class SupersedeOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A package that takes the place of another, from which it has what is null. `with_assignments`: the computers
    of the old one get it."""

    source: UploadSource
    name: Name | None = None
    target: Target | None = None
    with_assignments: bool = False


def new_package(order: PackageOrder, source: Path | None, config: DownloadConfig) -> NewPackage:
    """What is to be published, of the file or folder at `source`. Raises `BadInput`."""
    prepared = _prepare(order, source)
    spec = PackageSpec(
        os=prepared.os,
        priority=order.priority,
        action=prepared.action,
        target=prepared.target,
        plan=_plan(order, config),
        digest=order.digest,
        notify=order.notify.apply(Notify()),
        line_ends=prepared.line_ends,
    )
    recipe = None if order.recipe is None else RecipeUse(order.recipe, order.arguments)
    file_mode = None if order.source is None else fetched_mode(prepared.action)
    return NewPackage(order.name, source, spec, recipe, order.description, file_mode)


def changes_of(edit: PackageEdit) -> PackageChanges:
    """As `versions.edit` takes them."""
    return PackageChanges(edit.notify.apply, edit.name, edit.priority, edit.target, edit.description)


def successor_of(order: SupersedeOrder, source: Path) -> Successor:
    """As `versions.supersede` takes it."""
    return Successor(source, order.name, order.target, order.with_assignments, file_mode_of_server=True)


def _prepare(order: PackageOrder, source: Path | None) -> recipes.Prepared:
    """System, action and target: from the recipe, or one by one."""
    if order.action is None and order.recipe is None:
        raise BadInput("action", "either an action or a recipe", "neither")
    if order.recipe is not None:
        if order.action is not None:
            raise BadInput("action", "either an action or a recipe", "both")
        if order.target:
            raise BadInput("target", "nothing beside a recipe, which knows it", order.target)
        return recipes.prepare(order.recipe, order.os, None if source is None else source.name, order.arguments)
    assert order.action is not None
    if order.os is None:
        raise BadInput("os", f"one of {', '.join(OperatingSystem)}", "nothing")
    if order.arguments:
        raise BadInput("arguments", "only with a recipe", order.arguments)
    return recipes.Prepared(order.os, order.action, order.target, None)


def _plan(order: PackageOrder, config: DownloadConfig) -> Plan:
    """How it is to be cut."""
    wanted = order.fragments
    named = [name for name in ("size_bytes", "count", "duration_s") if getattr(wanted, name) is not None]
    if wanted.cdc and named != ["size_bytes"]:
        named.append("cdc")
    if len(named) > 1:
        raise BadInput(f"fragments.{named[1]}", f"either {' or '.join(named)}", "more than one")
    if wanted.count is not None:
        return ByCount(wanted.count)
    if wanted.duration_s is not None:
        return ByDuration(wanted.duration_s, order.priority, config)
    size_bytes = DEFAULT_FRAGMENT_BYTES if wanted.size_bytes is None else wanted.size_bytes
    return ByContent(size_bytes) if wanted.cdc else BySize(size_bytes)
