"""A mirror renews its certificate by itself, over the connection by which it reports.

It does so in the last third of the certificate's life; when the origin says that certificates from before some time are
to be renewed; when the certificate is revoked; and when it is none of the CA's (a placeholder, until a CA that is
offline has signed one), or one that lives for years, as earlier versions gave them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio
from cryptography import x509

from distd.domain.backoff import Backoff
from distd.domain.errors import Corrupt, DistdError
from distd.storage import issuing, key_pairs, pki
from distd.wire.trust import facts_of

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from distd.storage.data_dir import DataDir
    from distd.storage.trust_file import TrustFile
    from redistrib.origin_client import OriginClient

CHECK_S: Final = 3600.0
FIRST_PAUSE_S: Final = 5.0  # after a failure, or while the CA has yet to sign
MAX_PAUSE_S: Final = 3600.0
LONG_LIFE_S: Final = 400 * 86_400.0


class Renewal:
    """`clock()` gives the Unix time."""

    def __init__(
        self,
        origin: OriginClient,
        data: DataDir,
        trust_file: TrustFile,
        clock: Callable[[], float],
        log: logging.Logger,
    ) -> None:
        self._origin = origin
        self._data = data
        self._trust_file = trust_file
        self._clock = clock
        self._log = log
        self._renew_before_s = 0.0
        self._was_renewed = False
        self._has_news = trio.Event()

    def learn(self, renew_before_s: float) -> None:
        """Certificates that were made before this time (Unix time) are to be renewed."""
        if renew_before_s > self._renew_before_s:
            self._renew_before_s = renew_before_s
            self._has_news.set()

    def look_again(self) -> None:
        """The trust file has changed."""
        self._has_news.set()

    async def run(self) -> None:
        """Renew when it is due, for ever."""
        backoff = Backoff(FIRST_PAUSE_S, MAX_PAUSE_S)
        while True:
            self._has_news = trio.Event()
            pause_s = CHECK_S
            try:
                if self.is_due():
                    if await self._renew():
                        backoff.reset()
                    pause_s = backoff.next_s()
            except (DistdError, OSError) as error:
                pause_s = backoff.next_s()
                self._log.warning("the certificate is not renewed: %s; next try in %.0f s", error, pause_s)
            with trio.move_on_after(pause_s):
                await self._has_news.wait()

    def is_due(self) -> bool:
        """Whether the certificate is to be renewed now. Raises `BadInput`."""
        certificate = pki.load_certificate(self._data.keys / pki.SERVER_CERTIFICATE)
        facts = facts_of(certificate)
        begun_s = facts.from_s + pki.BACKDATED.total_seconds()
        life_s = facts.until_s - begun_s
        return (
            self._clock() > begun_s + life_s * 2 / 3
            or begun_s < self._renew_before_s
            or facts.serial in self._trust_file.trust.revocations.serials
            or (life_s > LONG_LIFE_S and not self._was_renewed)
            or not issuing.is_issued_by(certificate, self._trust_file.trust.ca)
        )

    async def _renew(self) -> bool:
        """Whether there is a new certificate now."""
        keys = self._data.keys
        old = pki.load_certificate(keys / pki.SERVER_CERTIFICATE)
        request = key_pairs.waiting_request(keys, key_pairs.SERVER)
        if request is None:
            key = issuing.new_server_key()
            request = issuing.make_request(key, issuing.hosts_of(old) or ["mirror"])
            key_pairs.prepare(keys, key_pairs.SERVER, key, request)
        pem = await self._origin.renew(request, old.serial_number)
        if not pem:
            self._log.info("the CA has yet to sign this mirror's certificate")
            return False
        certificate = _read(pem, self._trust_file.trust.ca)
        key_pairs.commit(keys, key_pairs.SERVER, certificate)
        self._was_renewed = True
        self._log.info("the certificate is renewed: until %s", certificate.not_valid_after_utc.date())
        return True


def _read(pem: bytes, ca: x509.Certificate) -> x509.Certificate:
    try:
        certificate = x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise Corrupt("certificate", "one in PEM", str(error)) from None
    if not issuing.is_issued_by(certificate, ca):
        raise Corrupt("certificate", "one of this CA", "another CA's")
    return certificate
