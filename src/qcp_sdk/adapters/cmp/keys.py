"""Signatories' keys that the installation makes and holds, encrypted in a folder, with their certificates beside.

For a qualified certificate without QSCD (QCP-n). They are worth what the machine is worth that holds them: a service
that is audited for remote signing, or an HSM (`Pkcs11Signer`), is worth more. Your trust provider says what it accepts.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from qcp_sdk.adapters.shared import sealed
from qcp_sdk.adapters.shared.code_signer import DIGEST_LENGTH, CodeSigner, TokenKey
from qcp_sdk.adapters.shared.keystore import WORK, KeyStore, KeyType, algorithm, sign_digest
from qcp_sdk.certificates import fingerprint as fingerprint_of
from qcp_sdk.errors import Rejected, Unavailable
from qcp_sdk.values import Fingerprint, Secret

CERTIFICATES: Final = "certificates"


class HolderKeys(Protocol):
    """Makes a key for a certificate that is going to be asked for, and takes the certificate. `HeldKeys` is one."""

    def request(self, handle: str, subject: x509.Name) -> bytes:
        """Give a certification request (PKCS#10, DER) for the key of this handle, made now if there is none.

        Raises:
            Unavailable: Again later.
        """

    def certified(self, handle: str, chain: tuple[bytes, ...]) -> None:
        """Take the certificates of a key (DER, its own first). Repeatable.

        Raises:
            Unavailable: Again later.
        """

    def destroy(self, handle: str) -> None:
        """Destroy a key, for good: its certificate was revoked, or its holder erased. Repeatable.

        Raises:
            Unavailable: Again later.
        """


class HeldKeys:
    """Keys in a folder, for any number of processes of one machine, encrypted under `passphrase`.

    Raises:
        ConfigurationError: The folder cannot be used, or the passphrase is not its own.
    """

    def __init__(self, directory: Path, passphrase: Secret, *, key_type: KeyType = "p256", work: int = WORK) -> None:
        self._directory, self._type = directory, key_type
        self._store = KeyStore(directory, passphrase, work=work)
        self._sealing = self._store.derive("certificates")

    def request(self, handle: str, subject: x509.Name) -> bytes:
        """Give a certification request (PKCS#10, DER) for the key of this handle, made now if there is none.

        Raises:
            Unavailable: The folder cannot be read or written.
        """
        key = self._store.ensure(handle, self._type)
        made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
        return made.public_bytes(Encoding.DER)

    def certified(self, handle: str, chain: tuple[bytes, ...]) -> None:
        """Take the certificates of a key (DER, its own first). Repeatable.

        Raises:
            Unavailable: The folder cannot be written.
        """
        told = json.dumps({"handle": handle, "chain": [one.hex() for one in chain]})
        path = self._path(fingerprint_of(chain[0]))
        content = sealed.seal(self._sealing, path.name, told.encode())  # a certificate says a name
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except OSError as error:
            raise Unavailable("the folder of keys cannot be written", mend="check its permissions and space") from error

    def destroy(self, handle: str) -> None:
        """Destroy a key and its certificates, for good. Repeatable.

        Raises:
            Unavailable: The folder cannot be written.
        """
        try:
            for path in (self._directory / CERTIFICATES).glob("[0-9a-f]*"):
                if self._held(path)["handle"] == handle:
                    path.unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable("the folder of keys cannot be written", mend="check its permissions") from error
        self._store.destroy(handle)

    def find(self, fingerprint: Fingerprint) -> TokenKey | None:
        """Give the key of this certificate, or None.

        Raises:
            Unavailable: The folder cannot be read.
        """
        path = self._path(fingerprint)
        if not path.exists():
            return None
        told = self._held(path)
        chain = tuple(bytes.fromhex(one) for one in told["chain"])
        return TokenKey(id=told["handle"].encode(), chain=chain, algorithm=algorithm(self._store.key(told["handle"])))

    def sign(self, key: TokenKey, digests: Sequence[bytes]) -> tuple[bytes, ...]:
        """Sign SHA-256 digests: PKCS#1 v1.5 for RSA, DER of r and s for ECDSA.

        Raises:
            Rejected: `bad_digest`.
            Unavailable: The key cannot be read.
        """
        if any(len(digest) != DIGEST_LENGTH for digest in digests):
            raise Rejected("these are no SHA-256 digests", reason="bad_digest", mend="pass 32 bytes each")
        private = self._store.key(key.id.decode())
        return tuple(sign_digest(private, digest) for digest in digests)

    def _held(self, path: Path) -> dict[str, Any]:
        try:
            told: dict[str, Any] = json.loads(sealed.unseal(self._sealing, path.name, path.read_bytes()))
        except (OSError, Rejected) as error:
            raise Unavailable("the folder of keys cannot be read", mend="check its permissions") from error
        return told

    def _path(self, fingerprint: Fingerprint) -> Path:
        # Hashed: a fingerprint may be any text.
        name = hashlib.sha256(fingerprint.encode(errors="surrogatepass")).hexdigest()
        return self._directory / CERTIFICATES / name


class HeldKeySigner(CodeSigner):
    """Implements the `Signer` port for every certificate of a `HeldKeys`. `CmpAuthority.mobile_of` says to whom."""


def public_of(request: bytes) -> bytes:
    """Give the public key of a certification request, as SubjectPublicKeyInfo (DER)."""
    key = x509.load_der_x509_csr(request).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
