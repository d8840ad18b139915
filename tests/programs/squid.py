"""squid in the foreground, as a proxy with a cache in memory, with the configuration that distd brings for it."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.programs.processes import child, find_program, free_port, wait_until_listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SHIPPED = Path(__file__).parents[2] / "distd/deploy/cache"
USER = "proxy"  # Debian's; squid does not run as root
CONFIGURATION = """\
{shipped}
http_port 127.0.0.1:{port}
http_access allow all
visible_hostname localhost
pid_filename none
access_log none
cache_log stdio:/dev/null
cache_mem 64 MB
maximum_object_size_in_memory 16 MB
memory_pools off
coredump_dir none
netdb_filename none
pinger_enable off
dns_nameservers 127.0.0.1
shutdown_lifetime 0 seconds
{user}
"""


def executable() -> str | None:
    """The path of squid; None where it is not installed."""
    return find_program("squid")


@contextlib.asynccontextmanager
async def squid(log: Path) -> AsyncIterator[str]:
    """A proxy for as long as the block lasts; its "host:port". What it says goes into `log`."""
    program = executable()
    assert program is not None, "squid is not installed"
    # Its user cannot enter the folders of tests.
    folder = Path(tempfile.mkdtemp(prefix="squid-"))
    try:
        port = free_port()
        store_id = folder / "distd-store-id"
        store_id.write_bytes((SHIPPED / "squid-store-id").read_bytes())
        shipped = (SHIPPED / "squid.conf").read_text().replace("/etc/squid/distd-store-id", str(store_id))
        user = f"cache_effective_user {USER}" if os.geteuid() == 0 else ""
        configuration = folder / "squid.conf"
        configuration.write_text(CONFIGURATION.format(shipped=shipped, port=port, user=user))
        folder.chmod(0o755)
        async with child([program, "-N", "-d", "1", "-f", str(configuration)], log, cwd=folder):
            await wait_until_listening("127.0.0.1", port)
            yield f"127.0.0.1:{port}"
    finally:
        shutil.rmtree(folder)
