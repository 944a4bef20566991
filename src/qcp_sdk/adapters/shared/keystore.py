"""Private keys in a directory, encrypted under one passphrase."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import tempfile
from pathlib import Path
from typing import Final, Literal, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from qcp_sdk.errors import ConfigurationError, Unavailable
from qcp_sdk.values import Secret

PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
KeyType: TypeAlias = Literal["p256", "rsa-2048", "rsa-3072"]
KEY_TYPES: Final[tuple[KeyType, ...]] = ("p256", "rsa-2048", "rsa-3072")

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,79}")
_HEADER: Final = "keystore.json"
WORK: Final = 2**15
"""scrypt's N (RFC 7914), with r = 8 and p = 1: 32 MiB and about a tenth of a second, once a process."""
_MEMORY: Final = 2**26


def new_key(kind: KeyType) -> PrivateKey:
    """Make a private key of this kind.

    Raises:
        ConfigurationError: There is no such kind.
    """
    if kind == "p256":
        return ec.generate_private_key(ec.SECP256R1())
    if kind in KEY_TYPES:
        return rsa.generate_private_key(public_exponent=65537, key_size=int(kind.removeprefix("rsa-")))
    raise ConfigurationError(f"`{kind}` is no kind of key", where="key_type", mend=f"use one of {', '.join(KEY_TYPES)}")


def algorithm(key: PrivateKey) -> str:
    """Name the key's signature algorithm as asn1crypto does: `sha256_ecdsa` or `sha256_rsa`."""
    return "sha256_ecdsa" if isinstance(key, ec.EllipticCurvePrivateKey) else "sha256_rsa"


def sign_digest(key: PrivateKey, digest: bytes) -> bytes:
    """Sign a SHA-256 digest (32 bytes): PKCS#1 v1.5 for RSA, DER of r and s for ECDSA.

    Raises:
        ValueError: The digest does not have 32 bytes.
    """
    prehashed = Prehashed(hashes.SHA256())
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(digest, ec.ECDSA(prehashed))
    return key.sign(digest, padding.PKCS1v15(), prehashed)


class KeyStore:
    """Private keys by name: one PKCS#8 PEM file each, mode 0600, written whole or not at all.

    The passphrase goes through scrypt once, with a salt of this store; what comes out encrypts every file
    (PBES2, AES-256) and derives the store's other keys. A loaded key is kept in the process, because checking
    an RSA key takes longer than signing with it. Safe for threads, processes and forks. `work` is what a new store
    makes of guessing its passphrase; an old one keeps its own.

    Raises:
        ConfigurationError: The passphrase is empty or not this store's, or the directory cannot be used.
    """

    def __init__(self, directory: Path, passphrase: Secret, *, work: int = WORK) -> None:
        if not passphrase:
            raise ConfigurationError("the key store's passphrase is empty", mend="give one of 16 characters or more")
        self._directory = directory
        self._loaded: dict[str, PrivateKey] = {}
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not (directory / _HEADER).exists():
                self._write(_HEADER, _new_header(passphrase, work))
            header = json.loads((directory / _HEADER).read_bytes())
            self._master = _stretch(
                passphrase, salt=bytes.fromhex(header["salt"]), n=header["n"], r=header["r"], p=header["p"]
            )
            check = str(header["check"])
        except OSError as error:
            raise ConfigurationError(
                "the key store cannot be used", mend="check the directory's permissions"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigurationError("the key store is damaged", where=_HEADER, mend="restore it") from error
        if not hmac.compare_digest(_check(self._master), check):
            raise ConfigurationError("this passphrase does not open the key store")

    def ensure(self, name: str, kind: KeyType) -> PrivateKey:
        """Give the key of this name, made now if there is none. Whoever comes second gets the first one's.

        Raises:
            Unavailable: The directory cannot be written, or the key is there and cannot be read.
        """
        path = self._path(name)
        if name in self._loaded or path.exists():
            return self.key(name)
        pem = new_key(kind).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(self._password))
        try:
            self._write(path.name, pem)
        except OSError as error:
            raise Unavailable("the key store cannot be written", mend="check permissions and free space") from error
        return self.key(name)

    def key(self, name: str) -> PrivateKey:
        """Give the key of this name.

        Raises:
            Unavailable: There is none, or its file cannot be read.
        """
        # Without a lock, which a fork could inherit held: loading twice costs time and nothing else.
        if name not in self._loaded:
            self._loaded[name] = self._load(self._path(name))
        return self._loaded[name]

    def destroy(self, name: str) -> None:
        """Destroy the key of this name: its file is overwritten, then removed. Repeatable.

        Another process that has loaded it keeps it until it ends.

        Raises:
            Unavailable: The directory cannot be written.
        """
        path = self._path(name)
        self._loaded.pop(name, None)
        try:
            with path.open("r+b") as file:
                file.write(bytes(path.stat().st_size))
                file.flush()
                os.fsync(file.fileno())
            path.unlink()
        except FileNotFoundError:
            return
        except OSError as error:
            raise Unavailable("the key store cannot be written", mend="check permissions") from error

    def derive(self, purpose: str) -> bytes:
        """Give 32 secret bytes for this purpose; always the same for this store."""
        return hmac.digest(self._master, b"derive|" + purpose.encode(), hashlib.sha256)

    @property
    def _password(self) -> bytes:
        return self.derive("private keys").hex().encode()

    def _load(self, path: Path) -> PrivateKey:
        try:
            key = load_pem_private_key(path.read_bytes(), self._password)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise Unavailable("a private key is missing or damaged", mend="restore the key store") from error
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise Unavailable("a private key is of a kind that is not used here", mend="restore the key store")
        return key

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ConfigurationError(f"`{name}` cannot name a key", mend="use lower-case letters, digits and dashes")
        return self._directory / f"{name}.pem"

    def _write(self, name: str, content: bytes) -> None:
        """Write a file that does not exist yet; one that does is left as it is."""
        descriptor, temporary = tempfile.mkstemp(dir=self._directory, prefix=".new-")  # mode 0600
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            # A link fails where the name exists; a rename would replace the key of whoever was first.
            os.link(temporary, self._directory / name)
            directory = os.open(self._directory, os.O_RDONLY)
            try:
                os.fsync(directory)  # the name too survives a power cut: a certificate may rest on this key
            finally:
                os.close(directory)
        except FileExistsError:
            return
        finally:
            Path(temporary).unlink(missing_ok=True)


def _new_header(passphrase: Secret, work: int) -> bytes:
    salt = secrets.token_bytes(16)
    check = _check(_stretch(passphrase, salt=salt, n=work, r=8, p=1))
    return json.dumps({"n": work, "r": 8, "p": 1, "salt": salt.hex(), "check": check}).encode()


def _stretch(passphrase: Secret, *, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(passphrase.reveal().encode(), salt=salt, n=n, r=r, p=p, maxmem=_MEMORY, dklen=32)


def _check(master: bytes) -> str:
    return hmac.digest(master, b"check", hashlib.sha256).hex()
