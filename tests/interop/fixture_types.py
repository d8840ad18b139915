"""What the fixtures of these tests are, for annotations."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from tests.interop.conftest import Address, Operator
from tests.programs.nginx import Nginx
from tests.programs.processes import RunningServer
from tests.programs.stock_agent import StockAgent

Server = Address | RunningServer
NewComputer = Callable[..., StockAgent]
Noise = Callable[..., Path]
StartNginx = Callable[..., AbstractAsyncContextManager[Nginx]]
StartCache = Callable[[str], AbstractAsyncContextManager[str]]
StartServer = Callable[..., AbstractAsyncContextManager[RunningServer]]
Slow = tuple[Operator, StartServer]
