"""Saying which certificates are revoked: OCSP answers (RFC 6960) and revocation lists (RFC 5280 § 5)."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any, Final

from asn1crypto import core, ocsp  # type: ignore[import-untyped]
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Connection, delete, insert, select

from qcp_sdk.adapters.local_trust_centre.hierarchy import Held, Hierarchy, instant
from qcp_sdk.adapters.local_trust_centre.storage import Database, certificates, revocation_lists
from qcp_sdk.adapters.shared.keystore import algorithm, sign_digest
from qcp_sdk.adapters.shared.profiles import AUTHORITIES, RESPONDERS
from qcp_sdk.certificates import fingerprint, read
from qcp_sdk.ports.clock import Clock

ANSWER_LIFE: Final = timedelta(hours=1)
"""EN 319 411-1 § 6.2.4: a revocation shows within 60 minutes of its decision."""
LIST_LIFE: Final = timedelta(hours=24)
LIST_REUSED: Final = timedelta(minutes=1)
"""For how long a list is given out again while nothing new was revoked."""


class Revocation:
    """A RevocationSource over what the trust centre issued."""

    def __init__(self, *, database: Database, hierarchy: Hierarchy, clock: Clock) -> None:
        self._database, self._hierarchy, self._clock = database, hierarchy, clock

    def ocsp(self, *, certificate: bytes, issuer: bytes) -> bytes | None:
        """Give an OCSPResponse by a delegated responder; None for a certificate whose issuer answers none.

        Raises:
            CertificateError: The certificate cannot be read.
            Unavailable: The database or the key store does not answer.
        """
        role = self._role(issuer)
        if role is None or role not in RESPONDERS:
            return None
        authority, subject = self._hierarchy.held(role), asn1_x509.Certificate.load(read(certificate).der)
        if subject.issuer.dump() != asn1_x509.Certificate.load(authority.der).subject.dump():
            return None
        with self._database.read() as connection:
            row = connection.execute(
                select(certificates.c.revoked_at, certificates.c.reason).where(
                    certificates.c.issuer == role, certificates.c.serial == f"{subject.serial_number:x}"
                )
            ).first()
        status = _status(known=row is not None, at=row.revoked_at if row else None, reason=row.reason if row else "")
        return self._answer(self._hierarchy.held(RESPONDERS[role]), authority, subject.serial_number, status)

    def _answer(self, responder: Held, authority: Held, serial: int, status: Any) -> bytes:
        now = instant(self._clock.now())
        issuer, signer = (asn1_x509.Certificate.load(held.der) for held in (authority, responder))
        told = ocsp.ResponseData(
            {
                "responder_id": ocsp.ResponderId(name="by_key", value=signer.public_key.sha1),
                "produced_at": now,
                "responses": [
                    {
                        # SHA-1 here only names the issuer; it is what every client looks for (RFC 5019 § 2.1.1).
                        "cert_id": {
                            "hash_algorithm": {"algorithm": "sha1", "parameters": core.Null()},
                            "issuer_name_hash": issuer.subject.sha1,
                            "issuer_key_hash": issuer.public_key.sha1,
                            "serial_number": serial,
                        },
                        "cert_status": status,
                        "this_update": now,
                        "next_update": now + ANSWER_LIFE,
                    }
                ],
            }
        )
        basic = ocsp.BasicOCSPResponse(
            {
                "tbs_response_data": told,
                "signature_algorithm": {"algorithm": algorithm(responder.key)},
                "signature": sign_digest(responder.key, hashlib.sha256(told.dump()).digest()),
                "certs": [signer],
            }
        )
        answer = ocsp.OCSPResponse(
            {
                "response_status": "successful",
                "response_bytes": {"response_type": "basic_ocsp_response", "response": basic},
            }
        )
        return bytes(answer.dump())

    def crl(self, *, issuer: bytes) -> bytes | None:
        """Give the authority's present list, numbered (RFC 5280 § 5.2.3); None for who is no authority here.

        Raises:
            Unavailable: The database does not answer.
        """
        role = self._role(issuer)
        if role is None:
            return None
        now = instant(self._clock.now())
        last = select(revocation_lists).where(revocation_lists.c.issuer == role)
        with self._database.read() as connection:
            row = connection.execute(last).first()
        if row is not None and not row.stale and row.made_at <= now < row.made_at + LIST_REUSED:
            return bytes(row.der)
        with self._database.write() as connection:
            row = connection.execute(last).first()
            number = row.number + 1 if row is not None else 1
            content = self._list(connection, role, number)
            connection.execute(delete(revocation_lists).where(revocation_lists.c.issuer == role))
            connection.execute(
                insert(revocation_lists).values(issuer=role, number=number, made_at=now, stale=False, der=content)
            )
        return content

    def _list(self, connection: Connection, role: str, number: int) -> bytes:
        authority, now = self._hierarchy.held(role), instant(self._clock.now())
        identifier = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(authority.certificate.subject)
            .last_update(now)
            .next_update(now + LIST_LIFE)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
            .add_extension(x509.CRLNumber(number), critical=False)
        )
        revoked = select(certificates).where(certificates.c.issuer == role, certificates.c.revoked_at.is_not(None))
        for row in connection.execute(revoked.order_by(certificates.c.revoked_at, certificates.c.sequence)):
            entry = x509.RevokedCertificateBuilder().serial_number(int(row.serial, 16)).revocation_date(row.revoked_at)
            if row.reason != "unspecified":  # RFC 5280 § 5.3.1: said by saying nothing
                flag = x509.ReasonFlags(REASON_FLAGS[row.reason])
                entry = entry.add_extension(x509.CRLReason(flag), critical=False)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.DER)

    def issuer(self, *, certificate: bytes) -> bytes | None:
        """Give the certificate that issued this one; None for a root or one that is not of this centre.

        Raises:
            CertificateError: The certificate cannot be read.
        """
        subject = asn1_x509.Certificate.load(read(certificate).der)
        for role in AUTHORITIES:
            authority = self._hierarchy.held(role)
            identifier = asn1_x509.Certificate.load(authority.der).key_identifier
            if subject.authority_key_identifier == identifier and authority.der != certificate:
                return authority.der
        return None

    def _role(self, issuer: bytes) -> str | None:
        wanted = fingerprint(issuer)
        return next((role for role in AUTHORITIES if fingerprint(self._hierarchy.held(role).der) == wanted), None)


REASON_FLAGS: Final = {
    "unspecified": "unspecified",
    "key_compromise": "keyCompromise",
    "affiliation_changed": "affiliationChanged",
    "superseded": "superseded",
    "cessation_of_operation": "cessationOfOperation",
    "privilege_withdrawn": "privilegeWithdrawn",
}
"""Reasons for a person's certificate, RFC 5280 § 5.3.1. No hold: revoking is for good (eIDAS art. 28(4))."""


def _status(*, known: bool, at: datetime | None, reason: str) -> Any:
    if not known:
        return ocsp.CertStatus(name="unknown", value=core.Null())
    if at is None:
        return ocsp.CertStatus(name="good", value=core.Null())
    told: dict[str, object] = {"revocation_time": at}
    if reason != "unspecified":
        told["revocation_reason"] = reason
    return ocsp.CertStatus(name="revoked", value=ocsp.RevokedInfo(told))
