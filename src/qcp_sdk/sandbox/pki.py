"""Real keys and certificates behind the sandbox: a root, an authority for QCP-n, a time-stamping unit, OCSP and
revocation lists. In memory: give it to an envelope as its source of revocation data."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Final

from attrs import field, frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID

from qcp_sdk.adapters.shared.keystore import KeyType, PrivateKey, new_key
from qcp_sdk.adapters.shared.profiles import COUNTRY, HOLDERS, ORGANISATION_ID, OUR_TIMESTAMPS, ROLES
from qcp_sdk.adapters.shared.timestamp_tokens import token
from qcp_sdk.adapters.shared.x509 import Addresses, Issuer, Profile, PublicKey, build, common_name, der, name
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.ports.clock import Clock

ORGANISATION: Final = "QCP SDK SANDBOX (TEST)"
MARK: Final = " (TEST)"
BACKDATED: Final = timedelta(minutes=1)
"""A certificate is valid a little before it is made: relying parties' clocks differ."""
BASE_URL: Final = "http://sandbox.example.org/pki"
"""Reserved for examples (RFC 2606): whoever wants proof asks this object, not the network."""
ANSWER_LIFE: Final = timedelta(hours=1)
LIST_LIFE: Final = timedelta(hours=24)
_SERVER: Final = Profile(years=3, usage=frozenset({"digital_signature"}), extended_usage="1.3.6.1.5.5.7.3.27")
"""id-kp-cmcCA, which RFC 9480 § 2.2 takes over for CMP."""
_DISCLOSURE: Final = (("en", "https://sandbox.example.org/disclosure.pdf"),)


@frozen(kw_only=True)
class Held:
    """A certificate with its key and the chain above it, DER."""

    key: PrivateKey = field(repr=False)
    chain: tuple[bytes, ...] = field(repr=False)
    """Its own first, the root last."""
    subject: str = field(repr=False)
    """Distinguished names as RFC 4514 writes them."""
    issuer: str
    serial: int
    not_before: datetime
    not_after: datetime


@frozen(kw_only=True)
class Operator:
    """Whoever signs the trusted list."""

    certificate: bytes = field(repr=False)
    """DER."""
    key: PrivateKey = field(repr=False)


class SandboxPki:
    """Makes certificates at the clock's time. Every name says TEST; `base_url` is where they say that lists are."""

    def __init__(self, *, clock: Clock, key_type: KeyType = "p256", base_url: str = BASE_URL) -> None:
        self._clock, self._key_type, self._url = clock, key_type, base_url
        self._root = self._authority("root", None)
        self._qcp = self._authority("qcp", self._root)
        self._tsu = self._authority("tsu", self._root)
        self._responder = self._authority("ocsp-qcp", self._qcp)
        self._operator: Issuer | None = None
        self._issued: set[int] = set()
        self._revoked: dict[int, datetime] = {}
        self._lists = 0

    @property
    def root(self) -> bytes:
        """The root's certificate, DER: what a verifier anchors."""
        return der(self._root.certificate)

    @property
    def authority(self) -> bytes:
        """The certificate of the authority that issues to persons, DER: the CA/QC service of a trusted list."""
        return der(self._qcp.certificate)

    @property
    def timestamps(self) -> bytes:
        """The certificate of the time-stamping unit, DER: the TSA/QTST service of a trusted list."""
        return der(self._tsu.certificate)

    def operator(self) -> Operator:
        """Give the key and certificate that sign a trusted list which knows these authorities: the same ones always."""
        if self._operator is None:
            self._operator = self._authority("operator", None)
        return Operator(certificate=der(self._operator.certificate), key=self._operator.key)

    def holder(self, *, given: str, last: str, email: str = "", country: str = COUNTRY) -> Held:
        """Make a key and a QCP-n certificate for a person."""
        key = new_key(self._key_type)
        made = self.certify(_public(key), given=given, last=last, email=email, country=country)
        return Held(
            key=key,
            chain=(der(made), self.authority, self.root),
            subject=made.subject.rfc4514_string(),
            issuer=made.issuer.rfc4514_string(),
            serial=made.serial_number,
            not_before=made.not_valid_before_utc,
            not_after=made.not_valid_after_utc,
        )

    def certify(
        self, public: PublicKey, *, given: str, last: str, email: str = "", country: str = COUNTRY
    ) -> x509.Certificate:
        """Make a QCP-n certificate for a person's key."""
        subject = name(
            (NameOID.COUNTRY_NAME, country),
            (NameOID.COMMON_NAME, common_name(f"{given} {last}", MARK)),
            (NameOID.GIVEN_NAME, given),
            (NameOID.SURNAME, last),
            (NameOID.SERIAL_NUMBER, f"TS:{COUNTRY}-{secrets.token_hex(8).upper()}"),
        )
        made = build(
            HOLDERS[CertificateLevel.QCP_N].profile,
            subject=subject,
            key=public,
            issuer=self._qcp,
            serial=_serial(),
            not_before=self._clock.now() - BACKDATED,
            addresses=self._addresses("qcp"),
            emails=(email,) if email else (),
        )
        self._issued.add(made.serial_number)
        return made

    def server(self, role: str) -> tuple[PrivateKey, bytes]:
        """Make a key and a certificate (DER) with which a server of this authority signs its messages."""
        key = new_key(self._key_type)
        subject = name(
            (NameOID.COUNTRY_NAME, COUNTRY), (NameOID.ORGANIZATION_NAME, ORGANISATION), (NameOID.COMMON_NAME, role)
        )
        made = build(
            _SERVER,
            subject=subject,
            key=_public(key),
            issuer=self._qcp,
            serial=_serial(),
            not_before=self._clock.now() - BACKDATED,
            addresses=self._addresses("qcp"),
        )
        return key, der(made)

    def timestamp(self, digest: bytes, *, nonce: int | None = None) -> bytes:
        """Give a TimeStampToken (DER) over this SHA-256 digest, at the clock's time."""
        return token(
            digest=digest,
            key=self._tsu.key,
            chain=(der(self._tsu.certificate),),
            policy=OUR_TIMESTAMPS,
            at=self._clock.now(),
            nonce=nonce,
        )

    def revoke(self, held: Held) -> None:
        """Revoke a person's certificate at this instant, for good."""
        self.revoke_serial(held.serial)

    def revoke_serial(self, serial: int) -> bool:
        """Revoke the certificate of this number at this instant, for good; say whether it was in force."""
        fresh = serial in self._issued and serial not in self._revoked
        if serial in self._issued:
            self._revoked.setdefault(serial, _whole(self._clock.now()))
        return fresh

    def issued(self, serial: int) -> bool:
        """Say whether a person's certificate has this number."""
        return serial in self._issued

    def ocsp(self, *, certificate: bytes, issuer: bytes) -> bytes | None:
        """Give an OCSP answer, as `adapters.shared.revocation.RevocationSource`; the root answers none."""
        if issuer != self.authority:
            return None
        subject, now = x509.load_der_x509_certificate(certificate), _whole(self._clock.now())
        revoked = self._revoked.get(subject.serial_number)
        known = subject.serial_number in self._issued or certificate == der(self._responder.certificate)
        status = ocsp.OCSPCertStatus.GOOD if known else ocsp.OCSPCertStatus.UNKNOWN
        answer = (
            ocsp.OCSPResponseBuilder()
            .add_response(
                cert=subject,
                issuer=self._qcp.certificate,
                # It only names the issuer, and is what every client looks for (RFC 5019 § 2.1.1).
                algorithm=hashes.SHA1(),  # noqa: S303
                cert_status=ocsp.OCSPCertStatus.REVOKED if revoked else status,
                this_update=now,
                next_update=now + ANSWER_LIFE,
                revocation_time=revoked,
                revocation_reason=None,
            )
            .responder_id(ocsp.OCSPResponderEncoding.HASH, self._responder.certificate)
            .certificates([self._responder.certificate])
            .sign(self._responder.key, hashes.SHA256())
        )
        return answer.public_bytes(Encoding.DER)

    def crl(self, *, issuer: bytes, certificate: bytes | None = None) -> bytes | None:  # noqa: ARG002  # the protocol
        """Give the authority's present revocation list, as `RevocationSource`."""
        signer = {self.root: self._root, self.authority: self._qcp}.get(issuer)
        if signer is None:
            return None
        self._lists += 1
        now = _whole(self._clock.now())
        identifier = signer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(signer.certificate.subject)
            .last_update(now)
            .next_update(now + LIST_LIFE)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
            .add_extension(x509.CRLNumber(self._lists), critical=False)
        )
        for serial, at in self._revoked.items() if signer is self._qcp else ():
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(signer.key, hashes.SHA256()).public_bytes(Encoding.DER)

    def issuer(self, *, certificate: bytes) -> bytes | None:
        """Give the certificate that issued this one, as `RevocationSource`."""
        name = x509.load_der_x509_certificate(certificate).issuer
        for above in (self._qcp, self._root):
            if above.certificate.subject == name and der(above.certificate) != certificate:
                return der(above.certificate)
        return None

    def _addresses(self, issuer: str) -> Addresses:
        return Addresses(
            issuer=f"{self._url}/{issuer}.cer",
            ocsp=f"{self._url}/ocsp" if issuer == "qcp" else "",
            crl=f"{self._url}/{issuer}.crl",
            disclosure=_DISCLOSURE,
            registration="https://sandbox.example.org/subjects",
        )

    def _authority(self, role: str, issuer: Issuer | None) -> Issuer:
        key = new_key(self._key_type)
        subject = name(
            (NameOID.COUNTRY_NAME, COUNTRY),
            (NameOID.ORGANIZATION_NAME, ORGANISATION),
            (NameOID.ORGANIZATION_IDENTIFIER, ORGANISATION_ID),
            (NameOID.COMMON_NAME, ROLES[role].common_name.replace("QCP SDK TEST", "QCP SDK SANDBOX TEST")),
        )
        made = build(
            ROLES[role].profile,
            subject=subject,
            key=_public(key),
            issuer=issuer or key,
            serial=_serial(),
            not_before=self._clock.now() - BACKDATED,
            addresses=self._addresses(ROLES[role].issuer) if issuer is not None else Addresses(),
        )
        return Issuer(certificate=made, key=key)


def _whole(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def _serial() -> int:
    return secrets.randbits(158) | 1 << 158


def _public(key: PrivateKey) -> rsa.RSAPublicKey | ec.EllipticCurvePublicKey:
    public: rsa.RSAPublicKey | ec.EllipticCurvePublicKey = key.public_key()
    return public
