"""What a serving process is set up with: TLS, limits, descriptors, memory."""

from __future__ import annotations

import ctypes
import resource
import ssl
import sys
from typing import TYPE_CHECKING, Final

from distd.domain import bandwidth
from distd.domain.errors import BadInput
from distd.domain.settings import needing_restart
from distd.lane.limits import Limits

if TYPE_CHECKING:
    import logging
    from pathlib import Path

    from distd.domain.settings import Settings

# Of TLS 1.2: forward secrecy and authenticated encryption alone, no CBC. What TLS 1.3 has is so in any case. OpenSSL
# has had these since 1.0.1 (2012).
CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM"
# malloc.h
M_MMAP_THRESHOLD: Final = -3
M_ARENA_MAX: Final = -8
MAPPED_BYTES: Final = 1_048_576
# For how long a thread keeps the interpreter when another wants it; 5 ms by default. The lane gives it away at each
# system call, of which a fragment takes up to five: while the catalogue was written, one took tens of milliseconds.
SWITCH_INTERVAL_S: Final = 0.0002


def tls(certificate: Path, key: Path) -> ssl.SSLContext:
    """The server's side of TLS, with the certificate as it is now. Raises `BadInput` when it cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_ciphers(CIPHERS)
    # With h2 on offer a client would take it, and its fragments would not be the lane's any more.
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except OSError:  # ssl.SSLError is one, and says neither which file nor what is wrong in it
        _check_pem(certificate, b"CERTIFICATE-----", "a certificate in PEM")
        _check_pem(key, b"PRIVATE KEY-----", "a private key in PEM, not encrypted")
        raise BadInput("certificate", f"a certificate whose key is in {key.name}", str(certificate)) from None
    return context


def _check_pem(path: Path, mark: bytes, expected: str) -> None:
    try:
        found = mark in path.read_bytes()
    except OSError as error:
        raise BadInput("certificate", expected, str(path), error.strerror or "") from None
    if not found:
        raise BadInput("certificate", expected, str(path))


def _no_password() -> str:
    """For a key that is encrypted: else OpenSSL would ask the terminal."""
    return ""


def limits(settings: Settings) -> Limits:
    """The lane's limits, from the settings."""
    return Limits(
        head_bytes=settings.limits.head_bytes,
        body_bytes=settings.limits.body_bytes,
        large_body_bytes_per_s_per_address=settings.limits.large_body_bytes_per_s_per_address,
        head_timeout_s=settings.limits.head_timeout_s,
        idle_timeout_s=settings.limits.idle_timeout_s,
        connections=settings.limits.connections,
        connections_per_address=settings.limits.connections_per_address,
        heads_per_s_per_address=settings.limits.heads_per_s_per_address,
        bandwidth=bandwidth.parse(settings.bandwidth.rules, "bandwidth.rules"),
    )


def log_reload(log: logging.Logger, started: Settings, now: Settings) -> None:
    """Say that settings and certificate were read again, and what differs from those that the program `started` with
    and is not applied."""
    log.info("reloaded settings and certificate")
    names = needing_restart(started, now)
    if names:
        log.warning("reload: only a restart applies the change of %s", ", ".join(names))


def set_up_process(connections: int, log: logging.Logger) -> None:
    """Set this process up, before it has any threads."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    _keep_one_heap()
    _allow_files(connections, log)


def _allow_files(connections: int, log: logging.Logger) -> None:
    """Let the process have a descriptor for every connection, as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < connections:
        log.warning("limits.connections is %d, but the system allows %d open files (ulimit -Hn)", connections, hard)


def _keep_one_heap() -> None:
    """Let all threads share one heap.

    With glibc a thread that finds the heap locked makes one of its own. Those of the threads that write the catalogue
    become full of holes: over an hour's soak the process grew by a quarter (`loadtests/README.md`). With the
    interpreter's lock there is hardly ever more than one thread that allocates. And blocks from `MAPPED_BYTES` on are
    given back to the system at once: glibc keeps larger and larger ones in the heap after the first was freed, such as
    bodies of requests. Elsewhere this does nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)
        mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES)
