"""Notices: list, test."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from distd.domain.errors import BadInput, Conflict, Unavailable
from distd.domain.page import Page, read_window
from distd.domain.permissions import Act
from distd.operations.operation import Operation, Way
from distd.origin.notices import notices
from distd.origin.notices.notices import Notice
from distd.origin.notices.senders import NoticeSender
from distd.wire.query import cursor_parameter, limit_parameter

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from distd.domain.notice_texts import NoticeMessage
    from distd.operations.operation import Asked


@dataclass
class NoticeQuery:
    """Which page of the notices."""

    limit: int | None = limit_parameter()
    cursor: str | None = cursor_parameter()


@dataclass(frozen=True, slots=True)
class NoticePage(Page[Notice]):
    """Notices, the newest first."""


@dataclass(frozen=True, slots=True)
class ChannelTested:
    """`channel`: mail or webhook. `why` it could not be sent; empty: it was."""

    channel: str
    why: str


@dataclass(frozen=True, slots=True)
class NoticesTested:
    """How a test came through."""

    channels: list[ChannelTested]


def _list(conn: Connection, _: Asked, query: NoticeQuery) -> NoticePage:
    page = notices.list_notices(conn, read_window(query.limit, query.cursor, notices.PLACE))
    return NoticePage(page.items, page.next, page.total)


def _test(asked: Asked) -> NoticesTested:
    settings = asked.site.settings
    found = notices.channels(settings.notices)
    if not found:
        hint = "set notices.webhook_url, or notices.mail_to and notices.mail_server"
        raise Conflict("notices", "no notices are sent", hint)
    sender = NoticeSender(asked.site.data, settings, time.time)
    message = sender.test_message()
    return NoticesTested([ChannelTested(channel, _why_not(sender, channel, message)) for channel in found])


def _why_not(sender: NoticeSender, channel: str, message: NoticeMessage) -> str:
    try:
        sender.send(channel, message)
    except (BadInput, Unavailable) as error:
        return str(error)
    return ""


LIST: Final = Operation(
    "list_notices",
    "GET",
    "/notices",
    "Conditions that somebody should know of, and how that was sent; the newest first.",
    NoticePage,
    _list,
    Act.NOTICES_READ,
    query=NoticeQuery,
)
TEST: Final = Operation(
    "test_notices",
    "POST",
    "/notices/test",
    "Send a test by all channels that are set, and wait for how it goes.",
    NoticesTested,
    _test,
    Act.NOTICES_WRITE,
    Way.WORK,
    problems=(409,),
)
ALL: Final = (LIST, TEST)
