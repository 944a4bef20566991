"""Real keys and certificates behind the sandbox: a root, an authority for QCP-n, a time-stamping unit. In memory."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Final

from attrs import field, frozen
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from qcp_sdk.adapters.shared.keystore import KeyType, PrivateKey, new_key
from qcp_sdk.adapters.shared.profiles import COUNTRY, HOLDERS, ORGANISATION_ID, OUR_TIMESTAMPS, ROLES
from qcp_sdk.adapters.shared.timestamp_tokens import token
from qcp_sdk.adapters.shared.x509 import Addresses, Issuer, build, common_name, der, name
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.ports.clock import Clock

ORGANISATION: Final = "QCP SDK SANDBOX (TEST)"
MARK: Final = " (TEST)"
BACKDATED: Final = timedelta(minutes=1)
"""A certificate is valid a little before it is made: relying parties' clocks differ."""
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


class SandboxPki:
    """Makes certificates at the clock's time. Every name says TEST."""

    def __init__(self, *, clock: Clock, key_type: KeyType = "p256") -> None:
        self._clock, self._key_type = clock, key_type
        self._root = self._authority("root", None)
        self._qcp = self._authority("qcp", self._root)
        self._tsu = self._authority("tsu", self._root)

    @property
    def root(self) -> bytes:
        """The root's certificate, DER: what a verifier anchors."""
        return der(self._root.certificate)

    @property
    def issuer(self) -> bytes:
        """The certificate of the authority that issues, DER."""
        return der(self._qcp.certificate)

    def holder(self, *, given: str, last: str, email: str = "", country: str = COUNTRY) -> Held:
        """Make a key and a QCP-n certificate for a person."""
        key = new_key(self._key_type)
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
            key=_public(key),
            issuer=self._qcp,
            serial=_serial(),
            not_before=self._clock.now() - BACKDATED,
            addresses=Addresses(disclosure=_DISCLOSURE, registration="https://sandbox.example.org/subjects"),
            emails=(email,) if email else (),
        )
        return Held(
            key=key,
            chain=(der(made), self.issuer, self.root),
            subject=made.subject.rfc4514_string(),
            issuer=made.issuer.rfc4514_string(),
            serial=made.serial_number,
            not_before=made.not_valid_before_utc,
            not_after=made.not_valid_after_utc,
        )

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
        )
        return Issuer(certificate=made, key=key)


def _serial() -> int:
    return secrets.randbits(158) | 1 << 158


def _public(key: PrivateKey) -> rsa.RSAPublicKey | ec.EllipticCurvePublicKey:
    public: rsa.RSAPublicKey | ec.EllipticCurvePublicKey = key.public_key()
    return public
