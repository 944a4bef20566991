"""A PKCS#11 token with certificates and their private keys, which have one CKA_ID (PKCS #11 v2.40 § 4.6.3).

One session a process, one call at a time: the standard leaves it to each module whether more is safe. After a fork the
module is initialised anew; after a failure the session is opened anew.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import pkcs11
from asn1crypto import x509 as asn1_x509  # type: ignore[import-untyped]
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from pkcs11.constants import Attribute, ObjectClass
from pkcs11.mechanisms import KeyType, Mechanism

from qcp_sdk.adapters.shared.code_signer import DIGEST_LENGTH, TokenKey
from qcp_sdk.certificates import fingerprint as fingerprint_of
from qcp_sdk.errors import ConfigurationError, Rejected, Unavailable
from qcp_sdk.values import Fingerprint, Secret

_SHA256_INFO: Final = bytes.fromhex("3031300d060960864801650304020105000420")
"""DigestInfo before a SHA-256 digest (RFC 8017 § 9.2): CKM_RSA_PKCS pads, and leaves the rest to us."""
_ALGORITHMS: Final = {KeyType.RSA: "sha256_rsa", KeyType.EC: "sha256_ecdsa"}

T = TypeVar("T")


class Pkcs11Token:
    """The token named `label` of this module, opened with the user's PIN when it is first needed.

    Raises:
        ConfigurationError: The module cannot be loaded.
    """

    def __init__(self, module: str | Path, *, label: str, pin: Secret) -> None:
        self._label, self._pin = label, pin
        self._lock, self._session, self._process = threading.Lock(), None, os.getpid()
        try:
            self._module = pkcs11.lib(str(module))
        except (pkcs11.PKCS11Error, RuntimeError, OSError) as error:
            raise ConfigurationError(
                "the PKCS#11 module cannot be loaded", where=Path(module).name, mend="give the path of its library"
            ) from error

    _session: Any

    def __repr__(self) -> str:
        return f"Pkcs11Token({self._label})"

    def find(self, fingerprint: Fingerprint) -> TokenKey | None:
        """Give the key of this certificate, or None where the token does not hold both.

        Raises:
            Unavailable: The token does not answer.
        """
        return self._asked(lambda session: _found(session, fingerprint))

    def sign(self, key: TokenKey, digests: Sequence[bytes]) -> tuple[bytes, ...]:
        """Sign SHA-256 digests: PKCS#1 v1.5 for RSA, DER of r and s for ECDSA.

        Raises:
            Rejected: `bad_digest`; `unknown_credential`: the key is gone.
            Unavailable: The token does not answer.
        """
        if any(len(digest) != DIGEST_LENGTH for digest in digests):
            raise Rejected("these are no SHA-256 digests", reason="bad_digest", mend="pass 32 bytes each")
        return self._asked(lambda session: tuple(_signed(session, key, digest) for digest in digests))

    def close(self) -> None:
        """Close the session; asking again opens another."""
        with self._lock:
            self._forget()

    def _asked(self, ask: Callable[[Any], T]) -> T:
        with self._lock:
            try:
                if self._session is None or self._process != os.getpid():
                    self._open()
                return ask(self._session)
            except pkcs11.NoSuchKey as error:
                raise Rejected("the key is not on the token any more", reason="unknown_credential") from error
            except (pkcs11.PKCS11Error, RuntimeError, OSError) as error:
                self._forget()
                raise Unavailable(
                    f"the token does not answer ({type(error).__name__})",
                    where=self._label,
                    mend="ask again later; check the token, its label and its PIN",
                ) from error

    def _open(self) -> None:
        if self._process != os.getpid():
            self._module.reinitialize()  # PKCS #11 v2.40 § 2.2: a child of a fork begins anew
            self._session, self._process = None, os.getpid()
        token = self._module.get_token(token_label=self._label)
        try:
            self._session = token.open(user_pin=self._pin.reveal())
        except pkcs11.UserAlreadyLoggedIn:
            self._session = token.open()  # by another part of this process: a login counts for all of them (§ 2.6)

    def _forget(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            try:
                session.close()
            except (pkcs11.PKCS11Error, RuntimeError, OSError):
                return  # it is gone already


def _found(session: Any, fingerprint: Fingerprint) -> TokenKey | None:
    held = {}
    for each in session.get_objects({Attribute.CLASS: ObjectClass.CERTIFICATE}):
        held[bytes(each[Attribute.VALUE])] = bytes(each[Attribute.ID])
    certificate = next((one for one in held if fingerprint_of(one) == fingerprint), None)
    if certificate is None or not held[certificate]:
        return None
    try:
        key = session.get_key(object_class=ObjectClass.PRIVATE_KEY, id=held[certificate])
    except pkcs11.NoSuchKey:
        return None
    algorithm = _ALGORITHMS.get(key.key_type)
    if algorithm is None:
        return None
    return TokenKey(id=held[certificate], chain=_chain(certificate, tuple(held)), algorithm=algorithm)


def _chain(certificate: bytes, held: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Give the certificate and those above it, as far as the token holds them."""
    try:
        by_subject = {_names(one)[0]: one for one in held}
        found = [certificate]
        while (above := by_subject.get(_names(found[-1])[1])) is not None and above not in found:
            found.append(above)
    except ValueError:  # something else on the token is no certificate
        return (certificate,)
    return tuple(found)


def _names(certificate: bytes) -> tuple[bytes, bytes]:
    told = asn1_x509.Certificate.load(certificate)
    return told.subject.dump(), told.issuer.dump()


def _signed(session: Any, key: TokenKey, digest: bytes) -> bytes:
    private = session.get_key(object_class=ObjectClass.PRIVATE_KEY, id=key.id)
    if key.algorithm == "sha256_rsa":
        return bytes(private.sign(_SHA256_INFO + digest, mechanism=Mechanism.RSA_PKCS))
    plain = bytes(private.sign(digest, mechanism=Mechanism.ECDSA))
    half = len(plain) // 2
    return encode_dss_signature(int.from_bytes(plain[:half]), int.from_bytes(plain[half:]))
