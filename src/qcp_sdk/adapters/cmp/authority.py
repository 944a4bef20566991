"""A certificate authority that speaks CMP: EJBCA, Nexus, Insta and others do.

The installation makes the key and a PKCS#10 request, the authority certifies it, and the certificate is *confirmed*:
one whose confirmation never comes is no certificate (RFC 4210 § 5.3.18: the authority revokes it). That makes issuing
once out of a protocol that knows no idempotency keys: a lost answer is asked for anew in a new transaction, and a lost
confirmation is sent again in its own. Where the authority then knows nothing of the transaction, its list decides.

CMP says nothing of a certificate's status: that is read from the authority's revocation list, which is verified.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from qcp_sdk.adapters.cmp.client import Certified, CmpClient, Waiting
from qcp_sdk.adapters.cmp.keys import HolderKeys, public_of
from qcp_sdk.adapters.shared.notebook import Notebook
from qcp_sdk.adapters.shared.notebook_pages import Page, erased
from qcp_sdk.adapters.shared.noted_authority import Made, NotedAuthority, page_of
from qcp_sdk.adapters.shared.revocation import RevocationSource
from qcp_sdk.adapters.shared.x509 import UNREADABLE, common_name, name
from qcp_sdk.certificates import StatusKind
from qcp_sdk.certificates import read as read_certificate
from qcp_sdk.errors import ConfigurationError, Rejected, Unavailable, Unconfirmed
from qcp_sdk.ports.clock import Clock
from qcp_sdk.subscription.effects import Application
from qcp_sdk.values import Fingerprint, Key, PhoneNumber

FORGOTTEN: Final = frozenset({"bad_request", "bad_cert_id", "incorrect_data"})
"""What an authority says of a transaction that it does not know any more [RFC 4210 § 5.3.22 leaves it open; read in
OpenSSL's server: badRequest]."""


class CmpAuthority(NotedAuthority):
    """Implements the `CertificateAuthority` port. `issuer` is its name as a person reads it.

    `chain` are the authority's certificates (DER), the one that issues first, its root last. `keys` makes the holders'
    keys. `revocation` says where its list is: `HttpRevocation()` asks the address in the certificate.

    Raises:
        ConfigurationError: A certificate of the chain cannot be read.
    """

    def __init__(
        self,
        client: CmpClient,
        *,
        chain: tuple[bytes, ...],
        keys: HolderKeys,
        revocation: RevocationSource,
        notebook: Notebook,
        clock: Clock,
        issuer: str,
    ) -> None:
        super().__init__(notebook=notebook, clock=clock, issuer=issuer, policy="cmp")
        self._client, self._keys, self._revocation, self._chain = client, keys, revocation, chain
        try:
            self._authority, *_ = map(x509.load_der_x509_certificate, chain)
        except UNREADABLE as error:
            raise ConfigurationError("it is no chain of certificates", where="cmp.chain", mend="give DER") from error

    def mobile_of(self, fingerprint: Fingerprint) -> PhoneNumber | None:
        """Give the mobile that was registered with a certificate in force; None for any other: for `HeldKeySigner`.

        Raises:
            Unavailable: Ask again.
        """
        with self._notebook.open() as pages:
            page = pages.get(page_of(fingerprint))
        if page is None or self._status(fingerprint, page).kind is not StatusKind.GOOD:
            return None
        if self._clock.now() > read_certificate(bytes.fromhex(page["chain"][0])).not_after:
            return None
        return PhoneNumber(page["account"]["mobile"])

    def forget_stream(self, *, stream: str) -> None:
        """Destroy what was written down for this subscription, and its keys. Repeatable.

        Raises:
            Unavailable: Again later.
        """
        with self._notebook.open() as pages:
            handles = [one.rpartition("/")[2] for one in pages.names(f"holder/{stream}")]
        for handle in handles:
            self._keys.destroy(handle)
        super().forget_stream(stream=stream)
        for handle in handles:  # of a call that was under way; from here on it is refused, and destroys them itself
            self._keys.destroy(handle)

    @property
    def certificates(self) -> tuple[bytes, ...]:
        """The authority's certificates (DER), for whoever looks at when they run out."""
        return self._chain

    def probe(self) -> datetime | None:
        """Ask the authority something harmless, read its revocation list, and give its time.

        Raises:
            Unavailable: One of them was not reached, or is not to be believed; the error says what to mend.
        """
        told = self._client.probe()
        self._listed(None)
        return told

    # What `NotedAuthority` asks.

    def _make(self, key: Key, application: Application, known: Page | None) -> Made:  # noqa: ARG002
        handle = hashlib.sha256(f"cmp|{key}".encode(errors="surrogatepass")).hexdigest()[:32]
        with self._nothing_of_the_erased(handle):
            return self._advanced(handle, self._begun(handle, application)) or Made(handle=handle)

    def _begun(self, handle: str, application: Application) -> Page:
        page, of = self._page(handle), application.subscription
        if page is None:
            page = {"request": self._keys.request(handle, _subject(application)).hex(), "of": of}
            with self._notebook.open() as pages:
                pages.put(_transaction(handle), page, of=of)
                pages.put(f"holder/{of}/{handle}", {}, of=of)
        return page

    @contextmanager
    def _nothing_of_the_erased(self, handle: str) -> Iterator[None]:
        """Destroy the key of somebody who was erased while a call was under way."""
        try:
            yield
        except Rejected as refusal:
            if refusal.reason == erased().reason:
                self._keys.destroy(handle)
            raise

    def _look(self, handle: str) -> Made | None:
        page = self._page(handle)
        if page is None:
            raise Rejected("nothing is known of this request any more", reason="unknown_reference")
        try:
            with self._nothing_of_the_erased(handle):
                return self._advanced(handle, page)
        except Unconfirmed as error:
            raise Unavailable(error.what, where=error.where, mend="ask again later") from error

    def _advanced(self, handle: str, page: Page) -> Made | None:
        """Go on with a transaction from where it was left: asked, polled, certified, confirmed."""
        if "certified" in page:
            made = self._confirmed(handle, page)
            if made is not None:
                return made
            page = self._written(handle, page)  # it was revoked: from the beginning
        reply = self._replied(page)
        if isinstance(reply, Waiting):
            waiting = [reply.request, reply.nonce.hex()]
            self._written(handle, page, transaction=page["transaction"], waiting=waiting)
            return None
        self._check(page, reply)
        certified = [reply.certificate.hex(), [one.hex() for one in reply.extra], reply.request, reply.nonce.hex()]
        page = self._written(handle, page, transaction=page["transaction"], certified=certified)
        made = self._confirmed(handle, page)
        if made is None:
            raise Unavailable(
                "the authority revoked the certificate that it issued", mend="ask again with the same key"
            )
        return made

    def _replied(self, page: Page) -> Certified | Waiting:
        if "waiting" in page:
            request, nonce = page["waiting"]
            transaction = bytes.fromhex(page["transaction"])
            try:
                return self._client.poll(transaction=transaction, request=request, nonce=bytes.fromhex(nonce))
            except Rejected as refusal:
                if refusal.reason not in FORGOTTEN:
                    raise
                page.pop("waiting")  # the authority knows nothing of it: from the beginning
        page["transaction"] = self._client.transaction().hex()
        return self._client.request(bytes.fromhex(page["request"]), transaction=bytes.fromhex(page["transaction"]))

    def _confirmed(self, handle: str, page: Page) -> Made | None:
        """Confirm what was certified; None where the authority revoked it."""
        certificate, extra, request, nonce = page["certified"]
        certified = Certified(
            certificate=bytes.fromhex(certificate),
            extra=tuple(bytes.fromhex(one) for one in extra),
            request=request,
            nonce=bytes.fromhex(nonce),
        )
        if not self._client.confirm(certified, transaction=bytes.fromhex(page["transaction"])):
            if "forgotten" not in page:
                now = self._clock.now().isoformat()
                page = self._written(
                    handle, page, transaction=page["transaction"], certified=page["certified"], forgotten=now
                )
            if not self._in_force(certified.certificate, since=datetime.fromisoformat(page["forgotten"])):
                return None
        chain = (certified.certificate, *self._chain)
        self._keys.certified(handle, chain)
        if self._page(handle) is None:
            raise erased()
        return Made(handle=handle, certificates=chain)

    def _in_force(self, der: bytes, *, since: datetime) -> bool:
        """Say what the list makes of a certificate whose transaction the authority knew no more at `since`.

        It was confirmed, and its `pkiconf` was lost; or it was dropped, and so revoked (RFC 4210 § 5.3.18). A list that
        is older than that answer may not name it yet: ordering another on its word would make two.
        """
        try:
            told = self._listed(der)
        except Unavailable as error:
            raise Unconfirmed(error.what, where=error.where, mend="ask again later with the same key") from error
        if told is not None and _entry(told, der) is not None:
            return False
        if told is None or told.last_update_utc < since:
            raise Unconfirmed(
                "the authority knows the transaction no more, and has published no newer list",
                mend="ask again with the same key, once it has",
            )
        return True

    def _check(self, page: Page, reply: Certified) -> None:
        """Refuse a certificate of another key, or that this authority did not sign."""
        made = x509.load_der_x509_certificate(reply.certificate)
        try:
            made.verify_directly_issued_by(self._authority)
            mine = made.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            ours = mine == public_of(bytes.fromhex(page["request"]))
        except (InvalidSignature, *UNREADABLE):
            ours = False
        if not ours:
            self._client.confirm(reply, transaction=bytes.fromhex(page["transaction"]), taken=False)
            raise Rejected("the certificate is not for our key, or not this authority's", reason="unusable_certificate")

    def _end(self, handle: str, der: bytes, reason: str) -> None:
        serial_number = x509.load_der_x509_certificate(der).serial_number
        self._client.revoke(serial_number=serial_number, reason=reason)
        self._keys.destroy(handle)

    def _kind(self, handle: str, der: bytes) -> StatusKind:  # noqa: ARG002
        told = self._listed(der)
        if told is None:
            return StatusKind.UNKNOWN
        return StatusKind.GOOD if _entry(told, der) is None else StatusKind.REVOKED

    def _listed(self, der: bytes | None) -> x509.CertificateRevocationList | None:
        content = self._revocation.crl(issuer=self._chain[0], certificate=der)
        if content is None:
            return None
        try:
            told = x509.load_der_x509_crl(content)
            valid = told.is_signature_valid(self._authority.public_key())  # type: ignore[arg-type]
            until = told.next_update_utc
        except UNREADABLE as error:
            raise Unavailable("the authority's revocation list cannot be read", mend="ask again later") from error
        if not valid or until is None or until < self._clock.now():
            raise Unavailable("the revocation list is stale, or not the authority's", mend="ask again later")
        return told

    def _page(self, handle: str) -> dict[str, Any] | None:
        with self._notebook.open() as pages:
            return pages.get(_transaction(handle))

    def _written(self, handle: str, page: Page, **told: object) -> Page:
        """Write down how far it went: the request, whose it is, and what is told."""
        of = page.get("of", "")  # older pages do not say
        page = {"request": page["request"], "of": of, **told}
        with self._notebook.open() as pages:
            pages.put(_transaction(handle), page, of=of)
        return page


def _entry(told: x509.CertificateRevocationList, der: bytes) -> x509.RevokedCertificate | None:
    return told.get_revoked_certificate_by_serial_number(x509.load_der_x509_certificate(der).serial_number)


def _transaction(handle: str) -> str:
    return f"transaction/{handle}"


def _subject(application: Application) -> x509.Name:
    """Ask for the account's name, which the identity was compared with, and the document's country."""
    person = application.account.name
    return name(
        (NameOID.COUNTRY_NAME, application.identity.issuing_country.strip().upper()),
        (NameOID.COMMON_NAME, common_name(f"{person.given} {person.last}")),
        (NameOID.GIVEN_NAME, person.given),
        (NameOID.SURNAME, person.last),
    )
