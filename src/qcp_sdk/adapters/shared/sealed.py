"""The bytes of sealed payloads and of wrapped data keys, which every `Keys` of ours writes alike.

Each has its version in the first byte:

* wrapped: ``0x01 | length of the key's id | id | what the wrapping key made of it``;
* sealed: ``0x01 | nonce | AES-256-GCM(payload)``, the place as associated data. A data key seals one stream,
  far from the 2³² random nonces that NIST SP 800-38D § 8.3 allows for one key.
"""

from __future__ import annotations

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from qcp_sdk.errors import Rejected

FORM: Final = b"\x01"
SIZE: Final = 32
"""Bytes of every key."""
LONGEST: Final = 255
"""Characters of a key's id."""
_NONCE: Final = 12
_SALT: Final = b"qcp_sdk key ring"


def derived(root: bytes, purpose: str) -> bytes:
    """Give the key of a purpose, from the root secret of an installation (HKDF, RFC 5869)."""
    info = b"derive/" + purpose.encode("utf-8", "surrogatepass")
    return HKDF(algorithm=SHA256(), length=SIZE, salt=_SALT, info=info).derive(root)


def seal(key: bytes, place: str, payload: bytes) -> bytes:
    """Encrypt and authenticate a payload for its place."""
    return seal_by(AESGCM(key), place, payload)


def unseal(key: bytes, place: str, sealed: bytes) -> bytes:
    """Give the payload back.

    Raises:
        Rejected: `not_authentic`: changed, or moved from another place.
    """
    return unseal_by(AESGCM(key), place, sealed)


def seal_by(cipher: AESGCM, place: str, payload: bytes) -> bytes:
    """Encrypt and authenticate a payload as `seal`, under a key that was made ready."""
    nonce = os.urandom(_NONCE)
    return FORM + nonce + cipher.encrypt(nonce, payload, _place(place))


def unseal_by(cipher: AESGCM, place: str, sealed: bytes) -> bytes:
    """Give the payload back as `unseal`, under a key that was made ready."""
    payload = _decrypted(cipher, sealed[1:], _place(place)) if sealed[:1] == FORM else None
    if payload is None:
        raise Rejected("it was changed, or moved from another place", reason="not_authentic", where="sealed payload")
    return payload


def encrypted(key: bytes, content: bytes, about: bytes) -> bytes:
    """Give nonce and ciphertext; `about` is authenticated with it."""
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, content, about)


def decrypted(key: bytes, content: bytes, about: bytes) -> bytes | None:
    """Give what `encrypted` was given; None for anything else."""
    return _decrypted(AESGCM(key), content, about)


def _decrypted(cipher: AESGCM, content: bytes, about: bytes) -> bytes | None:
    if len(content) <= _NONCE:
        return None
    try:
        return cipher.decrypt(content[:_NONCE], content[_NONCE:], about)
    except InvalidTag:
        return None


def data_key(id: str, content: bytes) -> bytes:
    """Give a wrapped data key that names the key which wrapped it."""
    return FORM + bytes([len(id)]) + id.encode("ascii") + content


def wrapped(data_key: bytes) -> tuple[str, bytes]:
    """Give the id of the key that wrapped a data key, and what it made of it.

    Raises:
        Rejected: `unknown_key`: it is no data key.
    """
    end = 2 + data_key[1] if data_key[:1] == FORM and len(data_key) > 1 else 0
    id = data_key[2:end].decode("ascii", "replace")
    if not is_id(id) or len(data_key) <= end:
        raise unknown_key()
    return id, data_key[end:]


def is_id(text: str) -> bool:
    """Say whether it may name a key."""
    return 1 <= len(text) <= LONGEST and text.isascii() and text.isprintable()


def unknown_key() -> Rejected:
    """Say that a data key opens nothing here."""
    return Rejected("no key that is held wrapped it", reason="unknown_key", where="data key")


def _place(place: str) -> bytes:
    return b"seal/" + place.encode("utf-8", "surrogatepass")
