"""The trust centre's own certificates and keys, and the making of its holders' certificates."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from typing import Final

from attrs import field, frozen
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from sqlalchemy import Connection, insert, select

from qcp_sdk.adapters.local_trust_centre.storage import Database, certificates
from qcp_sdk.adapters.shared.keystore import KeyStore, KeyType, PrivateKey
from qcp_sdk.adapters.shared.profiles import (
    AUTHORITIES,
    COUNTRY,
    HOLDERS,
    ORGANISATION_ID,
    RESPONDERS,
    ROLES,
    Role,
)
from qcp_sdk.adapters.shared.x509 import Addresses, Issuer, Profile, PublicKey, build, common_name, der, name
from qcp_sdk.certificates import fingerprint
from qcp_sdk.errors import Unavailable
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.ports.clock import Clock
from qcp_sdk.values import AccountId, EmailAddress, PersonName, PhoneNumber

BACKDATED: Final = timedelta(minutes=1)
"""A certificate is valid a little before it is made: relying parties' clocks differ."""
RENEWED_BEFORE: Final = 0.1
"""What part of its life a certificate of the centre itself has left when it is replaced."""
MARK: Final = " (TEST)"


@frozen(kw_only=True)
class Person:
    """Whom a certificate is made for, and what is registered beside it."""

    name: PersonName
    country: str
    """ISO 3166-1 alpha-2, upper case."""
    account: AccountId
    email: EmailAddress
    mobile: PhoneNumber


@frozen(kw_only=True)
class Held:
    """A certificate of the centre itself, with its key."""

    issuer: Issuer
    der: bytes = field(repr=False)

    @property
    def key(self) -> PrivateKey:
        """The private key."""
        return self.issuer.key

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate."""
        return self.issuer.certificate


class Hierarchy:
    """Makes what is missing when it is first opened, and replaces what is about to expire.

    The authorities are made once. `base_url` is where relying parties would find lists and answers.
    """

    def __init__(self, *, database: Database, keys: KeyStore, clock: Clock, base_url: str, key_type: KeyType) -> None:
        self._database, self._keys, self._clock = database, keys, clock
        self._url, self._key_type = base_url.rstrip("/"), key_type
        self._held: dict[str, Held] = {}
        with database.write() as connection:
            for role in ROLES:
                self._held[role] = self._current(connection, role)

    def held(self, role: str) -> Held:
        """Give the present certificate of this role, and its key.

        Raises:
            Unavailable: It has to be replaced and the key store or the database cannot be written.
        """
        held = self._held[role]
        # Authorities never come here twice: so this is safe within a transaction that issues.
        if self._ageing(held) and role not in AUTHORITIES:
            with self._database.write() as connection:
                held = self._held[role] = self._current(connection, role)
        return held

    def chain(self, role: str) -> tuple[bytes, ...]:
        """Give the certificates from this role's up to the root, DER."""
        found = [self.held(role).der]
        while ROLES[role].issuer != role:
            role = ROLES[role].issuer
            found.append(self.held(role).der)
        return tuple(found)

    def issue(self, connection: Connection, *, level: CertificateLevel, person: Person, key_name: str) -> bytes:
        """Make a holder's key pair and certificate, record it, and give its DER.

        Raises:
            Unavailable: The key store cannot be written.
        """
        holder = HOLDERS[level]
        certificate = self._build(
            holder.profile,
            issuer=holder.issuer,
            subject=name(
                (NameOID.COUNTRY_NAME, person.country),
                (NameOID.COMMON_NAME, common_name(person.name.full, MARK)),
                (NameOID.GIVEN_NAME, person.name.given),
                (NameOID.SURNAME, person.name.last),
                (NameOID.SERIAL_NUMBER, self._subject_serial(person.account)),
            ),
            key=self._keys.ensure(key_name, self._key_type),
            emails=(person.email.text,),
        )
        _record(connection, certificate, role="holder", issuer=holder.issuer, key_name=key_name, person=person)
        return der(certificate)

    def _subject_serial(self, account: AccountId) -> str:
        """Tell two people of one name apart, and say nothing else about them (EN 319 412-1 § 5.1.3).

        A national scheme of our own (two letters and a colon): `IDC` would claim the number of an identity card.
        """
        digest = hmac.digest(self._keys.derive("subject serials"), account.encode(), hashlib.sha256)
        return f"TS:{COUNTRY}-{base64.b32encode(digest[:15]).decode()}"

    def _current(self, connection: Connection, role: str) -> Held:
        row = connection.execute(
            select(certificates.c.der, certificates.c.key_name)
            .where(certificates.c.role == role)
            .order_by(certificates.c.sequence.desc())
            .limit(1)
        ).first()
        if row is not None:
            found = Held(
                issuer=Issuer(certificate=_load(row.der), key=self._keys.key(row.key_name)),
                der=row.der,
            )
            if role in AUTHORITIES or not self._ageing(found):
                return found
        return self._make(connection, role, ROLES[role])

    def _make(self, connection: Connection, role: str, told: Role) -> Held:
        key = self._keys.ensure(role, self._key_type)
        certificate = self._build(
            told.profile,
            issuer=key if told.issuer == role else told.issuer,
            subject=name(
                (NameOID.COUNTRY_NAME, COUNTRY),
                (NameOID.ORGANIZATION_NAME, told.organisation),
                (NameOID.ORGANIZATION_IDENTIFIER, ORGANISATION_ID),
                (NameOID.COMMON_NAME, told.common_name),
            ),
            key=key,
        )
        _record(connection, certificate, role=role, issuer=told.issuer, key_name=role)
        return Held(issuer=Issuer(certificate=certificate, key=key), der=der(certificate))

    def _build(
        self,
        profile: Profile,
        *,
        issuer: str | PrivateKey,
        subject: x509.Name,
        key: PrivateKey,
        emails: tuple[str, ...] = (),
    ) -> x509.Certificate:
        above = self._held[issuer].issuer if isinstance(issuer, str) else issuer
        if isinstance(above, Issuer) and above.certificate.not_valid_after_utc <= self._clock.now():
            raise Unavailable("the local authority has run out", where="trust centre", mend="make the folder anew")
        return build(
            profile,
            subject=subject,
            key=_public(key),
            issuer=above,
            serial=secrets.randbits(158) | 1 << 158,  # 20 bytes, positive, drawn: EN 319 412-1, RFC 5280 § 4.1.2.2
            not_before=self._clock.now() - BACKDATED,
            addresses=self._addresses(issuer) if isinstance(issuer, str) else Addresses(),
            emails=emails,
        )

    def _addresses(self, issuer: str) -> Addresses:
        secure = "https://" + self._url.partition("://")[2]  # EN 319 412-5 § 4.3.4 asks for https
        return Addresses(
            issuer=f"{self._url}/issuers/{issuer}.cer",
            ocsp=f"{self._url}/ocsp/{issuer}" if issuer in RESPONDERS else "",
            crl=f"{self._url}/lists/{issuer}.crl",
            disclosure=(("en", f"{secure}/disclosure/en.pdf"), ("fr", f"{secure}/disclosure/fr.pdf")),
            registration=f"{self._url}/subjects",
        )

    def _ageing(self, held: Held) -> bool:
        start, end = held.certificate.not_valid_before_utc, held.certificate.not_valid_after_utc
        return self._clock.now() > end - (end - start) * RENEWED_BEFORE


def _record(
    connection: Connection,
    certificate: x509.Certificate,
    *,
    role: str,
    issuer: str,
    key_name: str,
    person: Person | None = None,
) -> None:
    content = der(certificate)
    connection.execute(
        insert(certificates).values(
            fingerprint=fingerprint(content),
            role=role,
            issuer=issuer,
            serial=f"{certificate.serial_number:x}",
            der=content,
            key_name=key_name,
            account=person.account if person else "",
            email=person.email.text if person else "",
            mobile=person.mobile.text if person else "",
            not_after=certificate.not_valid_after_utc,
        )
    )


def _public(key: PrivateKey) -> PublicKey:
    public: rsa.RSAPublicKey | ec.EllipticCurvePublicKey = key.public_key()
    return public


def _load(content: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(content)
    except ValueError as error:
        raise Unavailable("a certificate of the trust centre is damaged", mend="restore its folder") from error


def instant(moment: datetime) -> datetime:
    """Give the instant without its fraction of a second, as X.509 writes it."""
    return moment.replace(microsecond=0)
