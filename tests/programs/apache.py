"""Apache (event MPM) in the foreground, from a configuration of its own: nothing of /etc/apache2 is read."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from tests.programs.processes import child, find_program, free_port, wait_until_listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

MODULES = "/usr/lib/apache2/modules"
# Threads for every connection of the largest cell in one process, so that none waits for a thread.
CONFIGURATION = """\
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule alias_module {modules}/mod_alias.so
LoadModule socache_shmcb_module {modules}/mod_socache_shmcb.so
LoadModule ssl_module {modules}/mod_ssl.so
ServerRoot {folder}
ServerName localhost
DefaultRuntimeDir {folder}
PidFile {folder}/pid
ErrorLog {folder}/error.log
LogLevel error
{user}
Listen 127.0.0.1:{http}
Listen 127.0.0.1:{https}
ListenBacklog 4096
ServerLimit {workers}
StartServers {workers}
ThreadLimit 320
ThreadsPerChild 320
MaxRequestWorkers {threads}
MinSpareThreads 1
MaxSpareThreads {threads}
MaxConnectionsPerChild 0
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 75
EnableSendfile On
FileETag MTime Size
Alias /download {root}
<Directory {root}>
  AllowOverride None
  Options None
  Require all granted
</Directory>
SSLSessionCache none
<VirtualHost 127.0.0.1:{https}>
  SSLEngine on
  SSLProtocol -all +TLSv1.2 +TLSv1.3
  SSLCertificateFile {certificate}
  SSLCertificateKeyFile {key}
</VirtualHost>
"""
# Apache refuses to run its workers as root.
UNPRIVILEGED = "User www-data\nGroup www-data"


def configuration(
    folder: Path, root: Path, ports: tuple[int, int], certificate: tuple[Path, Path], workers: int
) -> str:
    """apache2.conf that serves `root` at /download, HTTP and HTTPS on `ports`, by so many processes.

    `certificate`: files of chain and key.
    """
    return CONFIGURATION.format(
        modules=MODULES,
        folder=folder,
        root=root,
        user=UNPRIVILEGED if os.geteuid() == 0 else "",
        http=ports[0],
        https=ports[1],
        certificate=certificate[0],
        key=certificate[1],
        workers=workers,
        threads=320 * workers,
    )


@contextlib.asynccontextmanager
async def apache(
    folder: Path, root: Path, certificate: tuple[Path, Path], workers: int
) -> AsyncIterator[tuple[str, str, int]]:
    """Apache for as long as the block lasts: its HTTP and its HTTPS "host:port", and its process id.

    `folder` (made here) takes configuration and logs. Raises `SystemExit` where Apache is not installed.
    """
    program = find_program("apache2")
    if program is None:
        raise SystemExit("Apache is not installed: apt-get install apache2-bin")
    folder.mkdir()
    ports = free_port(), free_port()
    (folder / "apache.conf").write_text(configuration(folder, root, ports, certificate, workers))
    command = [program, "-DFOREGROUND", "-f", str(folder / "apache.conf")]
    async with child(command, folder / "apache.log") as process:
        for port in ports:
            await wait_until_listening("127.0.0.1", port)
        yield f"127.0.0.1:{ports[0]}", f"127.0.0.1:{ports[1]}", process.pid
