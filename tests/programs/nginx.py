"""nginx in the foreground, from a configuration of its own, on loopback ports that it inherits already bound."""

from __future__ import annotations

import contextlib
import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.programs.processes import child, find_program

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SHIPPED = Path(__file__).parents[2] / "distd/deploy/cache/nginx.conf"
CACHE = """\
daemon off;
worker_processes 1;
{user}
pid {folder}/pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    {shipped}
}}
"""
CONFIGURATION = """\
daemon off;
worker_processes {workers};
{user}
pid {folder}/pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    sendfile on;
    server {{
        listen 127.0.0.1:{http};
        listen 127.0.0.1:{https} {ssl};
        location /download/ {{ alias {root}/; autoindex {lists}; }}
        {moved}
    }}
}}
"""
SSL = "ssl; ssl_certificate {certificate}; ssl_certificate_key {key}"
MOVED = "location /moved/ {{ rewrite ^/moved/(.*)$ {base}/$1 redirect; }}"


@dataclass(frozen=True, slots=True)
class Nginx:
    """`http` and `https` are "host:port"; without a certificate the second speaks plain HTTP too."""

    http: str
    https: str
    access_log: Path

    def requests(self) -> list[tuple[str, int]]:
        """(path, status) of every request so far."""
        lines = self.access_log.read_text().splitlines() if self.access_log.exists() else []
        parts = [line.split('"') for line in lines]
        return [(part[1].split()[1], int(part[2].split()[0])) for part in parts]


def executable() -> str | None:
    """The path of nginx; None where it is not installed."""
    return find_program("nginx")


def installed() -> bool:
    """Whether nginx is installed."""
    return executable() is not None


@contextlib.asynccontextmanager
async def nginx(
    folder: Path,
    root: Path,
    *,
    certificate: tuple[Path, Path] | None = None,
    moved_to: str = "",
    workers: int = 1,
    lists: bool = False,
) -> AsyncIterator[Nginx]:
    """`root` at /download/, by HTTP and, with a `certificate` (chain, key), HTTPS, for as long as the block lasts.

    `lists`: whether it lists the files of a folder. `moved_to` ("http://host:port/path"): requests under /moved/ are
    answered by a 302 to the same name there. `folder` (made here) takes configuration, logs and temporary files.
    """
    program = executable()
    assert program is not None, "nginx is not installed"
    folder.mkdir(parents=True)
    with _bound() as http, _bound() as https:
        ports = [each.getsockname()[1] for each in (http, https)]
        (folder / "nginx.conf").write_text(_configuration(folder, root, ports, certificate, moved_to, workers, lists))
        inherited = [http.fileno(), https.fileno()]
        # nginx takes over the sockets named here, as it does when a new version replaces a running one.
        env = {"PATH": os.defpath, "NGINX": "".join(f"{number};" for number in inherited)}
        command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
        async with child(command, folder / "nginx.log", env=env, pass_fds=inherited):
            yield Nginx(f"127.0.0.1:{ports[0]}", f"127.0.0.1:{ports[1]}", folder / "access.log")


@contextlib.asynccontextmanager
async def caching_nginx(folder: Path, origin: str) -> AsyncIterator[str]:
    """A proxy before the server at `origin` ("host:port") with the configuration that distd brings; its "host:port".

    It takes requests for whole addresses too, as a client sends them that has a proxy. `folder` is made here.
    """
    program = executable()
    assert program is not None, "nginx is not installed"
    folder.mkdir(parents=True)
    with _bound() as listener:
        port = listener.getsockname()[1]
        shipped = SHIPPED.read_text().replace("distd.example.org:80", origin).replace("/var/cache/nginx", str(folder))
        shipped = re.sub(r"listen 80;", f"listen 127.0.0.1:{port};", shipped)
        user = "user root;" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(CACHE.format(user=user, folder=folder, shipped=shipped))
        command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
        env = {"PATH": os.defpath, "NGINX": f"{listener.fileno()};"}
        async with child(command, folder / "nginx.log", env=env, pass_fds=[listener.fileno()]):
            yield f"127.0.0.1:{port}"


def _bound() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0), backlog=511)


def _configuration(
    folder: Path,
    root: Path,
    ports: list[int],
    certificate: tuple[Path, Path] | None,
    moved_to: str,
    workers: int,
    lists: bool,
) -> str:
    return CONFIGURATION.format(
        workers=workers,
        user="user root;" if os.geteuid() == 0 else "",  # else its workers would be nobody, who may not read `root`
        folder=folder,
        root=root,
        lists="on" if lists else "off",
        http=ports[0],
        https=ports[1],
        ssl=SSL.format(certificate=certificate[0], key=certificate[1]) if certificate else "",
        moved=MOVED.format(base=moved_to) if moved_to else "",
    )
