"""What pages do by several use cases in one transaction, in the name of who is signed in."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from distd.catalogue.writer import Writer
    from distd.domain.permissions import Act
    from distd.operations.operation import Asked
    from distd.web.console.operations import ConsoleOperations

Answer = TypeVar("Answer")


class UseCases:
    """Beside the operations, for pages that show and do what no operation does."""

    def __init__(self, operations: ConsoleOperations, writer: Writer) -> None:
        self.operations = operations
        self.reader = operations.reader
        self._writer = writer

    async def read(self, act: Act, call: Callable[[Connection, Asked], Answer]) -> Answer:
        """What `call` gives. Raises `NotAllowed` for who may not `act`."""
        return await self.reader.run(partial(_with, call, self.operations.demand(act)))

    async def write(self, act: Act, call: Callable[[Connection, Asked], Answer]) -> Answer:
        """The same, in a transaction that writes."""
        return await self._writer.run(partial(_with, call, self.operations.demand(act)))


def _with(call: Callable[[Connection, Asked], Any], asked: Asked, conn: Connection) -> Any:
    return call(conn, asked)
