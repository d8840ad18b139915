"""What a process is set up with."""

from __future__ import annotations

import ssl
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from distd.lane.process_setup import SWITCH_INTERVAL_S, tls

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import ctypes, logging, threading
from distd.lane.process_setup import set_up_process

if {set_up}:
    set_up_process(1, logging.getLogger())
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
all_there = threading.Barrier(4)


def allocate():
    all_there.wait()
    for _ in range(5000):
        libc.free(libc.malloc(5000))


threads = [threading.Thread(target=allocate) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc.malloc_stats()
"""


@pytest.mark.parametrize("set_up", [True, False])
def test_threads_share_one_heap(set_up: Any) -> None:
    """Without being set up so, they do not."""
    program = PROGRAM.format(set_up=set_up)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    arenas = done.stderr.count("\nArena ") + done.stderr.startswith("Arena ")
    assert arenas == 1 if set_up else arenas > 1


def test_of_tls_1_2_only_authenticated_encryption_with_forward_secrecy_is_offered(
    certificate: tuple[Path, str],
) -> None:
    """No CBC, no RSA key exchange: a client that has nothing else is refused."""
    context = tls(certificate[0], certificate[0])
    names = [cipher["name"] for cipher in context.get_ciphers() if cipher["protocol"] == "TLSv1.2"]
    assert names
    assert [name for name in names if not ("GCM" in name or "CHACHA20" in name)] == []
    assert [name for name in names if not name.startswith(("ECDHE-", "DHE-"))] == []


@pytest.mark.parametrize(
    ("offered", "agreed"), [("ECDHE-ECDSA-AES128-SHA256", False), ("ECDHE-ECDSA-AES128-GCM-SHA256", True)]
)
def test_what_a_client_offers(certificate: tuple[Path, str], offered: str, agreed: bool) -> None:
    client = ssl.create_default_context(cadata=certificate[1])
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    client.set_ciphers(offered)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    theirs = tls(certificate[0], certificate[0]).wrap_bio(to_server, to_client, server_side=True)

    def shake_hands() -> None:
        for _ in range(4):
            for side in (ours, theirs):
                with suppress(ssl.SSLWantReadError):
                    side.do_handshake()

    if agreed:
        shake_hands()
        assert ours.cipher()[0] == offered  # type: ignore[index]
    else:
        with pytest.raises(ssl.SSLError, match="NO_SHARED_CIPHER"):
            shake_hands()


def test_a_thread_that_writes_does_not_keep_the_interpreter_for_long() -> None:
    program = (
        "import logging, sys; from distd.lane.process_setup import set_up_process;"
        "set_up_process(1, logging.getLogger()); print(sys.getswitchinterval())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert float(done.stdout) == pytest.approx(SWITCH_INTERVAL_S)
