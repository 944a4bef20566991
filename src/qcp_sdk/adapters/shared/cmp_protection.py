"""How CMP messages are protected, made and read: by a shared secret (RFC 4210 § 5.1.3.1) or signatures (§ 5.1.3.3)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime
from typing import Any, Final, Protocol

from asn1crypto import core, x509  # type: ignore[import-untyped]
from attrs import field, frozen
from cryptography import x509 as crypto_x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from qcp_sdk.adapters.shared import x509 as x509_errors
from qcp_sdk.adapters.shared.cmp_shapes import (
    PBM,
    VERSION,
    Algorithm,
    Body,
    Header,
    Message,
    PbmParameter,
    protected_part,
)
from qcp_sdk.adapters.shared.keystore import PrivateKey, sign_digest
from qcp_sdk.values import Secret

UNREADABLE: Final = (*x509_errors.UNREADABLE, IndexError, AttributeError, OverflowError, RecursionError)
"""What reading a hostile message may raise below: the ASN.1 library parses lazily, so anywhere."""
ITERATIONS: Final = 10_000
MOST_ITERATIONS: Final = 100_000
"""More are not done for a stranger: OpenSSL's bound too."""
NONCE: Final = 16
_HASHES: Final = {
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
_MACS: Final = {
    "1.3.6.1.5.5.8.1.2": "sha1",
    "1.2.840.113549.2.7": "sha1",
    "1.2.840.113549.2.9": "sha256",
    "1.2.840.113549.2.10": "sha384",
    "1.2.840.113549.2.11": "sha512",
}
"""HMAC by the numbers of RFC 4210 and RFC 8018. SHA-256 is written; SHA-1 is read, for HMAC does not need its
collisions to be hard to find."""
_SHA256, _HMAC_SHA256 = "2.16.840.1.101.3.4.2.1", "1.2.840.113549.2.9"
_SIGNATURES: Final = {"1.2.840.10045.4.3.2": "ecdsa", "1.2.840.113549.1.1.11": "rsa"}


class Protection(Protocol):
    """Protects our messages, and says whether the other side's are its."""

    @property
    def sender(self) -> x509.GeneralName:
        """Who we say that we are."""

    @property
    def kid(self) -> bytes | None:
        """`senderKID`."""

    @property
    def extra(self) -> tuple[bytes, ...]:
        """Certificates that go along, DER."""

    def algorithm(self) -> Algorithm:
        """Give the algorithm of one message."""

    def made(self, algorithm: Algorithm, part: bytes) -> bytes:
        """Protect these bytes."""

    def holds(self, algorithm: Algorithm, part: bytes, value: bytes) -> bool:
        """Say whether the other side protected these bytes. May raise one of `UNREADABLE`."""


@frozen
class SharedSecret:
    """A secret that both sides know, under a reference that names it (a one-time or an installation's)."""

    reference: str
    secret: Secret = field(repr=False)
    iterations: int = ITERATIONS

    @property
    def sender(self) -> x509.GeneralName:
        """The empty name: the reference says who we are."""
        return x509.GeneralName("directory_name", x509.Name.build({}))

    @property
    def kid(self) -> bytes | None:
        """The reference."""
        return self.reference.encode()

    @property
    def extra(self) -> tuple[bytes, ...]:
        """None."""
        return ()

    def algorithm(self) -> Algorithm:
        """Give parameters with a salt of their own."""
        told = PbmParameter(
            {
                "salt": secrets.token_bytes(NONCE),
                "owf": {"algorithm": _SHA256},
                "iterations": self.iterations,
                "mac": {"algorithm": _HMAC_SHA256},
            }
        )
        return Algorithm({"algorithm": PBM, "parameters": told})

    def made(self, algorithm: Algorithm, part: bytes) -> bytes:
        """Give the MAC."""
        told = PbmParameter.load(algorithm["parameters"].dump(), strict=True)
        owf, mac = _HASHES[told["owf"]["algorithm"].dotted], _MACS[told["mac"]["algorithm"].dotted]
        iterations = told["iterations"].native
        if not 1 <= iterations <= MOST_ITERATIONS:
            raise ValueError("iterations out of bounds")
        key = self.secret.reveal().encode() + told["salt"].native
        for _ in range(iterations):
            key = hashlib.new(owf, key).digest()
        return hmac.digest(key, part, mac)

    def holds(self, algorithm: Algorithm, part: bytes, value: bytes) -> bool:
        """Compare the MAC, in constant time."""
        if algorithm["algorithm"].dotted != PBM:
            return False
        return hmac.compare_digest(self.made(algorithm, part), value)


@frozen
class SigningKey:
    """A key of ours with its certificates (DER, its own first), and the other side's certificate, which is pinned."""

    key: PrivateKey = field(repr=False)
    chain: tuple[bytes, ...] = field(repr=False)
    other: bytes = field(repr=False)

    @property
    def sender(self) -> x509.GeneralName:
        """Our certificate's subject."""
        return x509.GeneralName("directory_name", x509.Certificate.load(self.chain[0]).subject)

    @property
    def kid(self) -> bytes | None:
        """Our certificate's subject key identifier."""
        return x509.Certificate.load(self.chain[0]).key_identifier  # type: ignore[no-any-return]

    @property
    def extra(self) -> tuple[bytes, ...]:
        """Our certificates: the receiver has to find the key."""
        return self.chain

    def algorithm(self) -> Algorithm:
        """Give ECDSA or PKCS#1 v1.5, with SHA-256."""
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            return Algorithm({"algorithm": "1.2.840.10045.4.3.2"})
        return Algorithm({"algorithm": "1.2.840.113549.1.1.11", "parameters": core.Null()})

    def made(self, algorithm: Algorithm, part: bytes) -> bytes:  # noqa: ARG002  # the key decides
        """Sign."""
        return sign_digest(self.key, hashlib.sha256(part).digest())

    def holds(self, algorithm: Algorithm, part: bytes, value: bytes) -> bool:
        """Verify with the pinned certificate's key, whatever certificates came along."""
        kind = _SIGNATURES.get(algorithm["algorithm"].dotted, "")
        public = crypto_x509.load_der_x509_certificate(self.other).public_key()
        try:
            if kind == "ecdsa" and isinstance(public, ec.EllipticCurvePublicKey):
                public.verify(value, part, ec.ECDSA(hashes.SHA256()))
                return True
            if kind == "rsa" and isinstance(public, rsa.RSAPublicKey):
                public.verify(value, part, padding.PKCS1v15(), hashes.SHA256())
                return True
        except InvalidSignature:
            return False
        return False


@frozen(kw_only=True)
class Received:
    """A message whose protection held."""

    kind: str
    content: Any = field(repr=False)
    transaction: bytes
    sender_nonce: bytes
    recipient_nonce: bytes
    time: datetime | None = None
    """When the other side says that it wrote this."""
    extra: tuple[bytes, ...] = field(repr=False, default=())


def write(
    kind: str,
    content: object,
    *,
    protection: Protection,
    transaction: bytes,
    nonce: bytes,
    recipient: x509.GeneralName,
    at: datetime,
    answers: bytes = b"",
) -> bytes:
    """Make a protected PKIMessage, DER; `answers` is the nonce of the message before."""
    algorithm = protection.algorithm()
    told: dict[str, Any] = {
        "version": VERSION,
        "sender": protection.sender,
        "recipient": recipient,
        "time": at.replace(microsecond=0),
        "protection": algorithm,
        "transaction": transaction,
        "sender_nonce": nonce,
    }
    if protection.kid is not None:
        told["sender_kid"] = protection.kid
    if answers:
        told["recipient_nonce"] = answers
    header, body = Header(told), Body(kind, content)
    value = protection.made(algorithm, protected_part(header, body))
    message: dict[str, Any] = {"header": header, "body": body, "protection": value}
    if protection.extra:
        message["extra"] = [x509.Certificate.load(one) for one in protection.extra]
    return bytes(Message(message).dump())


def parsed(content: bytes) -> Message:
    """Parse a message; its protection was not looked at. May raise one of `UNREADABLE`, here or later."""
    return Message.load(content, strict=True)  # type: ignore[no-any-return]


def read(message: Message, *, protection: Protection) -> Received | None:
    """Give what a message says, or None where its protection does not hold. May raise one of `UNREADABLE`."""
    header, body, value = message["header"], message["body"], message["protection"].native
    algorithm = header["protection"]
    if value is None or algorithm.native is None:
        return None
    if not protection.holds(algorithm, protected_part(header, body), value):
        return None
    extra = message["extra"]
    return Received(
        kind=body.name,
        content=body.chosen,
        transaction=header["transaction"].native or b"",
        sender_nonce=header["sender_nonce"].native or b"",
        recipient_nonce=header["recipient_nonce"].native or b"",
        time=header["time"].native,
        extra=tuple(one.dump() for one in extra) if extra.native is not None else (),
    )
