"""Roll-outs: make, list, show; start, pause and the other things that are done to them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType  # noqa: TC002 - the API reads the annotations

from distd.domain.assignment_terms import AssignmentOrigin, OriginKind, read_moment
from distd.domain.errors import BadInput, NotFound
from distd.domain.filters.parse import MAX_TEXT as MAX_FILTER
from distd.domain.page import Page, read_window
from distd.domain.permissions import Act
from distd.domain.rollout_plan import (
    DEFAULT_SUCCESS_PERCENT,
    JUDGED_FROM,
    MAX_AT_ONCE,
    MAX_NAME,
    MAX_RETRIES,
    MAX_TEXT,
    MAX_WAIT_S,
    MAX_WAVES,
    STALLED_AFTER_S,
    RolloutHalts,
    RolloutLimits,
    RolloutPlan,
    WaveBy,
    WavePlan,
)
from distd.domain.rollout_state import RolloutAct
from distd.operations.operation import Named, Operation, Way
from distd.origin.deployments import rollout_choice, rollouts
from distd.origin.deployments.rollouts import NewRollout, Rollout
from distd.wire.query import MAX_TEXT as MAX_QUERY
from distd.wire.query import cursor_parameter, limit_parameter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from distd.domain.settings import DownloadConfig
    from distd.operations.operation import Asked
    from distd.origin.deployments.rollout_choice import RolloutChoice
    from distd.origin.deployments.rollouts import CountedRollout

_Percent = Annotated[int, Meta(ge=1, le=100)]
_Wait = Annotated[float, Meta(ge=0, le=MAX_WAIT_S)]
_PackageId = Annotated[str, Meta(pattern="^[0-9]{1,20}$")]


@dataclass
class RolloutQuery:
    """Which page of the roll-outs."""

    limit: int | None = limit_parameter()
    cursor: str | None = cursor_parameter()


@dataclass(frozen=True, slots=True)
class RolloutPage(Page[Rollout]):
    """Roll-outs, by name; without their waves."""


class RolloutTarget(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Whom it is for, by one of these: the computers that a filter finds (`@NAME`: a saved one), those of a group, or
    those with such a tag (? is one character, * are several). None: all computers."""

    filter: Annotated[str, Meta(max_length=MAX_FILTER)] | None = None
    group: Annotated[str, Meta(max_length=MAX_QUERY)] | None = None
    tag: Annotated[str, Meta(max_length=MAX_QUERY)] | None = None


class WaveRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A wave: `value` is a number of computers, a share in percent, the name of a group, the text of a filter, or of
    the rest nothing. It opens when `success_percent` of the wave before have a success, and not before `after_s`
    seconds since that one opened; with `by_hand` only when an operator opens it."""

    by: WaveBy
    value: Annotated[str, Meta(max_length=MAX_TEXT)] = ""
    name: Annotated[str, Meta(max_length=MAX_NAME)] = ""
    success_percent: Annotated[int, Meta(ge=0, le=100)] = DEFAULT_SUCCESS_PERCENT
    after_s: _Wait = 0.0
    by_hand: bool = False


class RolloutLimitsRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is not exceeded: `at_once`, so many computers that have it without a result; `bytes_per_s`, what these fetch
    together by their schedules. Null: no limit."""

    at_once: Annotated[int, Meta(ge=1, le=MAX_AT_ONCE)] | None = None
    bytes_per_s: Annotated[float, Meta(ge=1, le=1e15)] | None = None


class RolloutHaltsRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What halts it: so many percent of an open wave that failed, or stall; null: nothing. The share of errors counts
    from `judged_from` results on; one stalls when nothing has come from it for `stalled_after_s` seconds."""

    error_percent: _Percent | None = None
    stalled_percent: _Percent | None = None
    judged_from: Annotated[int, Meta(ge=1, le=MAX_AT_ONCE)] = JUDGED_FROM
    stalled_after_s: Annotated[float, Meta(ge=60, le=MAX_WAIT_S)] = STALLED_AFTER_S


class RolloutRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A new roll-out of a package (its id). `start_at`: a time such as "fri 18:00", "2026-12-01 18:00" or "2h";
    `windows`: only within these times of the week, such as "mon-fri 18-6; sat,sun"; both are the server's local time.
    `dynamic`: computers that begin to match join. `approval`: another operator has to approve it. `retries`: how often
    what failed is notified again. `roll_back_to`: the id of the package that a roll-back gives. `force`: also where the
    agent has it in its history; `any_os`: also on other systems. `dry_run`: only tell which waves it would have."""

    name: Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": 255})]
    package: _PackageId
    to: RolloutTarget = RolloutTarget()
    waves: Annotated[tuple[WaveRequest, ...], Meta(min_length=1, max_length=MAX_WAVES)] = (WaveRequest(WaveBy.REST),)
    limits: RolloutLimitsRequest = RolloutLimitsRequest()
    halts: RolloutHaltsRequest = RolloutHaltsRequest()
    start_at: Annotated[str, Meta(max_length=100)] | None = None
    windows: Annotated[str, Meta(max_length=MAX_QUERY)] = ""
    dynamic: bool = False
    approval: bool = False
    retries: Annotated[int, Meta(ge=0, le=MAX_RETRIES)] = 0
    roll_back_to: _PackageId | None = None
    force: bool = False
    any_os: bool = False
    dry_run: bool = False


class RolloutLimitsEdit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is not exceeded from now on; null: no limit."""

    at_once: Annotated[int, Meta(ge=1, le=MAX_AT_ONCE)] | UnsetType | None = UNSET
    bytes_per_s: Annotated[float, Meta(ge=1, le=1000000000000000.0)] | UnsetType | None = UNSET


class RolloutHaltsEdit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What halts it from now on; null: nothing."""

    error_percent: _Percent | UnsetType | None = UNSET
    stalled_percent: _Percent | UnsetType | None = UNSET
    judged_from: Annotated[int, Meta(ge=1, le=MAX_AT_ONCE)] | UnsetType = UNSET
    stalled_after_s: Annotated[float, Meta(ge=60, le=MAX_WAIT_S)] | UnsetType = UNSET


class RolloutEdit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be different, as in `RolloutRequest`; what is left out stays, also within `limits` and `halts`."""

    limits: RolloutLimitsEdit | UnsetType = UNSET
    halts: RolloutHaltsEdit | UnsetType = UNSET
    start_at: Annotated[str, Meta(max_length=100)] | UnsetType | None = UNSET
    windows: Annotated[str, Meta(max_length=MAX_QUERY)] | UnsetType = UNSET
    dynamic: bool | UnsetType = UNSET
    retries: Annotated[int, Meta(ge=0, le=MAX_RETRIES)] | UnsetType = UNSET
    roll_back_to: _PackageId | UnsetType | None = UNSET


def _list(conn: Connection, _: Asked, query: RolloutQuery) -> RolloutPage:
    page = rollouts.list_rollouts(conn, read_window(query.limit, query.cursor, rollouts.PLACE))
    return RolloutPage(page.items, page.next, page.total)


def _show(conn: Connection, asked: Asked, rollout: str) -> Rollout:
    return rollouts.show(conn, rollout, asked.now_s)


def _choose(asked: Asked, given: RolloutRequest) -> RolloutChoice:
    with asked.site.catalogue.read() as conn:
        return rollouts.choose(conn, asked.actor, _new(asked, given), asked.now_s)


def _create(conn: Connection, asked: Asked, given: RolloutRequest) -> Rollout:
    return rollouts.create(conn, asked.actor, _new(asked, given), asked.now_s, asked.checked)


def _fill(asked: Asked, made: Rollout) -> Rollout:
    """The computers that were chosen beyond the first part."""
    if len(asked.checked.waves) > rollout_choice.MAX_PART:
        with suppress(NotFound):  # it is deleted already
            _take_parts(asked, str(made.id), asked.checked)
    return made


def _take_parts(asked: Asked, name: str, choice: RolloutChoice) -> bool:
    """Make the choice the members of a roll-out that is not started, a part in a transaction; gives whether they are.
    Who starts it, or stops here, leaves nothing undone: they are chosen anew when it starts."""
    with asked.site.catalogue.read() as conn:
        revision, parts = rollout_choice.find_parts(conn, name, choice)
    for part in parts:
        with asked.site.catalogue.write() as conn:
            became = rollout_choice.take_part(conn, name, part, revision)
        if became is None:
            return False
        revision = became
    return True


def _new(asked: Asked, given: RolloutRequest) -> NewRollout:
    now = datetime.fromtimestamp(asked.now_s)  # noqa: DTZ006 - local, as people write it
    plan = RolloutPlan(
        tuple(WavePlan(**_values(wave)) for wave in given.waves),
        RolloutLimits(**_values(given.limits)),
        RolloutHalts(**_values(given.halts)),
        read_moment(given.start_at, now, "start_at"),
        given.windows,
        given.dynamic,
        given.approval,
        given.retries,
        given.roll_back_to or "",
    )
    return NewRollout(given.name, given.package, _who(given.to), plan, given.force, given.any_os)


def _edit(conn: Connection, asked: Asked, rollout: str, given: RolloutEdit) -> Rollout:
    changes = _values(given)
    if not any(_values(value) if isinstance(value, msgspec.Struct) else True for value in changes.values()):
        raise BadInput("changes", "something to change", "nothing")
    plan = rollouts.show_plan(conn, rollout)
    for name in ("limits", "halts"):
        if name in changes:
            changes[name] = replace(getattr(plan, name), **_values(changes[name]))
    if "start_at" in changes:
        now = datetime.fromtimestamp(asked.now_s)  # noqa: DTZ006 - local, as people write it
        changes["start_at_s"] = read_moment(changes.pop("start_at"), now, "start_at")
    if "roll_back_to" in changes:
        changes["roll_back_to"] = changes["roll_back_to"] or ""
    return rollouts.change(conn, asked.actor, rollout, changes, asked.now_s)


def _delete(conn: Connection, asked: Asked, rollout: str) -> Named:
    rollouts.delete(conn, asked.actor, rollout, asked.now_s)
    return Named(rollout)


def _values(record: Any) -> dict[str, Any]:
    """What was given."""
    values = {name: getattr(record, name) for name in record.__struct_fields__}
    return {name: value for name, value in values.items() if value is not UNSET}


def _tag_of(found: Rollout) -> Any:
    """What operators decide of it; not how many computers are where."""
    return (found.id, found.package_id, found.phase, found.approved_by, found.opened, found.plan)


def _who(target: RolloutTarget) -> AssignmentOrigin:
    texts = {OriginKind.FILTER: target.filter, OriginKind.GROUP: target.group, OriginKind.TAG: target.tag}
    given = {kind: text for kind, text in texts.items() if text is not None}
    if len(given) > 1:
        raise BadInput("to", f"one of {', '.join(texts)}", " and ".join(given))
    return next((AssignmentOrigin(kind, text) for kind, text in given.items()), AssignmentOrigin(OriginKind.FILTER))


def _count(asked: Asked, rollout: str, *, what: RolloutAct) -> CountedRollout | None:
    """What the act needs to know; None: it is to be found in the transaction, as others change it just now."""
    catalogue, left_out = asked.site.catalogue, 0
    if what is RolloutAct.START:
        with catalogue.read() as conn:
            choice = rollout_choice.choose_anew(conn, rollout, asked.now_s)
        if choice is not None:
            left_out = choice.left_out
            if not _take_parts(asked, rollout, choice):
                return None
    with catalogue.read() as conn:
        return replace(rollouts.count_for_act(conn, rollout, asked.now_s, _config(asked)), left_out=left_out)


def _act(conn: Connection, asked: Asked, rollout: str, *, what: RolloutAct) -> Rollout:
    return rollouts.act(conn, asked.actor, rollout, what, asked.now_s, _config(asked), asked.checked)


def _with_waves(asked: Asked, done: Rollout) -> Rollout:
    try:
        with asked.site.catalogue.read() as conn:
            return replace(rollouts.show(conn, str(done.id), asked.now_s), left_out=done.left_out)
    except NotFound:  # somebody has deleted it since
        return done


def _config(asked: Asked) -> DownloadConfig:
    return asked.site.settings.download


_ONE: Final = "/rollouts/{rollout}"
TEXTS: Final[Mapping[RolloutAct, str]] = {
    RolloutAct.START: "Start it: its first wave opens at its time, once it is approved.",
    RolloutAct.APPROVE: "Approve a roll-out that another operator made.",
    RolloutAct.PAUSE: "Pause it: no more agents are notified until it is resumed.",
    RolloutAct.RESUME: "Go on with one that is paused, or halted: what failed or stalls by now is accepted then.",
    RolloutAct.OPEN_WAVE: "Open its next wave now.",
    RolloutAct.STOP: "Stop it for good. Agents that were notified finish the package.",
    RolloutAct.ROLL_BACK: "Assign those that have the package the one of `roll_back_to`, and stop it.",
}
LIST: Final = Operation(
    "list_rollouts",
    "GET",
    "/rollouts",
    "Roll-outs, by name.",
    RolloutPage,
    _list,
    Act.ROLLOUTS_READ,
    query=RolloutQuery,
)
SHOW: Final = Operation(
    "show_rollout",
    "GET",
    _ONE,
    "A roll-out and its waves: how many computers are where.",
    Rollout,
    _show,
    Act.ROLLOUTS_READ,
    tag_of=_tag_of,
)
CREATE: Final = Operation(
    "create_rollout",
    "POST",
    "/rollouts",
    "Make a roll-out. Nothing is assigned before it is started.",
    Rollout,
    _create,
    Act.ROLLOUTS_WRITE,
    Way.WRITE,
    body=RolloutRequest,
    status=201,
    check=_choose,
    after=_fill,
    problems=(404, 409),
    keyed=True,
)
EDIT: Final = Operation(
    "edit_rollout",
    "PATCH",
    _ONE,
    """Change what limits and halts a roll-out, when it goes on, and the rest of its plan but for its waves.

    Also while it runs; not once it has ended, nor where another operator has to approve it and it was started.""",
    Rollout,
    _edit,
    Act.ROLLOUTS_WRITE,
    Way.WRITE,
    body=RolloutEdit,
    after=_with_waves,
    problems=(409,),
    guarded_by=SHOW,
)
DELETE: Final = Operation(
    "delete_rollout",
    "DELETE",
    _ONE,
    "Forget a roll-out that was not started, or has ended. What it assigned stays.",
    Named,
    _delete,
    Act.ROLLOUTS_WRITE,
    Way.WRITE,
    problems=(409,),
    guarded_by=SHOW,
)
ACTS: Final[Mapping[RolloutAct, Operation[Rollout]]] = {
    what: Operation(
        f"{what}_rollout",
        "POST",
        f"{_ONE}/{what}",
        text,
        Rollout,
        partial(_act, what=what),
        Act.ROLLOUTS_WRITE,
        Way.WRITE,
        check=partial(_count, what=what),
        after=_with_waves,
        problems=(409,),
    )
    for what, text in TEXTS.items()
}
ALL: Final[tuple[Operation[Any], ...]] = (LIST, SHOW, CREATE, EDIT, DELETE, *ACTS.values())
