"""The key ring of an installation, from a file or the environment.

It holds one root secret, from which the keys of purposes are derived and which never changes, and one or more
wrapping keys, one of them current. A data key is drawn for each stream, wrapped by the current key and stored
beside what it seals. After `rotate`, new data keys use the new wrapping key; `rewrap` brings an old one over
without touching what it sealed.

Forms, each with a version in its first byte:

* wrapped: ``0x01 | length of the key's id | id | nonce | AES-256-GCM(data key)``, the id as associated data;
* sealed: ``0x01 | nonce | AES-256-GCM(payload)``, the place as associated data. A data key seals one stream,
  far from the 2³² random nonces that NIST SP 800-38D § 8.3 allows for one key.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import secrets
import stat
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from qcp_sdk.errors import ConfigurationError, Rejected

VARIABLE: Final = "QCP_KEY_RING"
"""The environment variable that `from_environment` reads unless told otherwise."""

_FORM: Final = b"\x01"
_SIZE: Final = 32
_NONCE: Final = 12
_SALT: Final = b"qcp_sdk key ring"


class KeyRing:
    """Gives keys for a purpose, and wraps data keys. Never prints one."""

    __slots__ = ("_current", "_derived", "_keys", "_root")

    def __init__(self, *, root: bytes, keys: Mapping[str, bytes], current: str) -> None:
        if len(root) != _SIZE or not keys or any(len(key) != _SIZE for key in keys.values()):
            raise ConfigurationError(f"every key of the ring is {_SIZE} bytes long", where="key ring")
        if any(not id.isascii() or not 1 <= len(id) <= 64 for id in keys):
            raise ConfigurationError("a key's id is 1 to 64 ASCII characters", where="key ring")
        if current not in keys:
            raise ConfigurationError(f"the current key `{current}` is not in the ring", where="key ring")
        self._root, self._keys, self._current = root, dict(keys), current
        self._derived: dict[str, bytes] = {}

    @classmethod
    def generate(cls) -> KeyRing:
        """Make a new ring with one wrapping key."""
        key = secrets.token_bytes(_SIZE)
        return cls(root=secrets.token_bytes(_SIZE), keys={_id(key): key}, current=_id(key))

    @classmethod
    def from_text(cls, text: str) -> KeyRing:
        """Read a ring from its JSON text, as `text` gives it.

        Raises:
            ConfigurationError: It is not a ring.
        """
        try:
            data = json.loads(text)
            if data["version"] != 1:
                raise ConfigurationError("it has a version that we do not know", where="key ring")
            keys = {str(id): _bytes(key) for id, key in data["keys"].items()}
            return cls(root=_bytes(data["root"]), keys=keys, current=str(data["current"]))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            # Not `from` the original: its text may quote what was read, and that is a key.
            raise ConfigurationError(
                "it cannot be read", where="key ring", mend="give the JSON text that `KeyRing.text` wrote"
            ) from None

    @classmethod
    def from_environment(cls, variable: str = VARIABLE) -> KeyRing:
        """Read the ring from an environment variable that holds its JSON text.

        Raises:
            ConfigurationError: The variable is not set, or holds no ring.
        """
        if not (text := os.environ.get(variable, "")):
            raise ConfigurationError(f"the variable `{variable}` is not set", where="key ring")
        return cls.from_text(text)

    @classmethod
    def from_file(cls, path: str | Path, *, create: bool = False) -> KeyRing:
        """Read the ring from a file that only its owner may read; with `create`, make it first if it is not there.

        Raises:
            ConfigurationError: There is no such file, others may read it, or it holds no ring.
        """
        path = Path(path)
        try:
            if create and not path.exists():
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                with suppress(FileExistsError):  # another process was faster: its ring is the ring
                    _write(path, cls.generate().text(), replace=False)
            if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
                raise ConfigurationError(
                    "others than its owner may read it", where=f"key ring `{path.name}`", mend="chmod 600 the file"
                )
            text = path.read_text(encoding="ascii")
        except (OSError, UnicodeError) as error:
            raise ConfigurationError(
                f"it cannot be opened ({type(error).__name__})", where=f"key ring `{path.name}`"
            ) from error
        return cls.from_text(text)

    def save(self, path: str | Path) -> None:
        """Write the ring to a file that only its owner may read, in one move.

        Raises:
            ConfigurationError: The file cannot be written.
        """
        path = Path(path)
        try:
            _write(path, self.text(), replace=True)
        except OSError as error:
            raise ConfigurationError(
                f"it cannot be written ({type(error).__name__})", where=f"key ring `{path.name}`"
            ) from error

    def text(self) -> str:
        """Give the ring as JSON text, keys and all: for a file or a secret manager, for nothing else."""
        keys = {id: _text(key) for id, key in self._keys.items()}
        return json.dumps({"version": 1, "root": _text(self._root), "current": self._current, "keys": keys}, indent=2)

    def rotate(self) -> KeyRing:
        """Give a ring with a new current key; it opens all that this one opens."""
        key = secrets.token_bytes(_SIZE)
        return KeyRing(root=self._root, keys={**self._keys, _id(key): key}, current=_id(key))

    @property
    def current(self) -> str:
        """The id of the key that wraps new data keys."""
        return self._current

    def derive(self, *, purpose: str) -> bytes:
        """Give the 32-byte key of this purpose (`codes`, `index` …); always the same for one installation."""
        if (key := self._derived.get(purpose)) is None:
            info = b"derive/" + purpose.encode("utf-8", "surrogatepass")
            key = HKDF(algorithm=SHA256(), length=_SIZE, salt=_SALT, info=info).derive(self._root)
            self._derived[purpose] = key
        return key

    def new_data_key(self) -> bytes:
        """Make a data key and give it wrapped, to be stored beside what it seals."""
        return self._wrap(secrets.token_bytes(_SIZE))

    def rewrap(self, *, data_key: bytes) -> bytes:
        """Give a data key wrapped by the current key; what it sealed opens as before.

        Raises:
            Rejected: `unknown_key`: it was wrapped by a key that the ring no longer holds.
        """
        return self._wrap(self._unwrap(data_key))

    def seal(self, *, data_key: bytes, place: str, payload: bytes) -> bytes:
        """Encrypt and authenticate the payload for this place (`table/id/sequence`), under a wrapped data key.

        Raises:
            Rejected: `unknown_key`: the data key was wrapped by a key that the ring no longer holds.
        """
        nonce = os.urandom(_NONCE)
        return _FORM + nonce + AESGCM(self._unwrap(data_key)).encrypt(nonce, payload, _place(place))

    def open(self, *, data_key: bytes, place: str, sealed: bytes) -> bytes:
        """Give the payload back.

        Raises:
            Rejected: `unknown_key`, or `not_authentic`: changed, or moved from another place.
        """
        key = self._unwrap(data_key)
        nonce, secret = sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
        if sealed[:1] != _FORM or len(nonce) != _NONCE:
            raise _not_authentic()
        try:
            return AESGCM(key).decrypt(nonce, secret, _place(place))
        except InvalidTag as error:
            raise _not_authentic() from error

    def _wrap(self, key: bytes) -> bytes:
        id, nonce = self._current.encode("ascii"), os.urandom(_NONCE)
        return _FORM + bytes([len(id)]) + id + nonce + AESGCM(self._keys[self._current]).encrypt(nonce, key, id)

    def _unwrap(self, wrapped: bytes) -> bytes:
        end = 2 + (wrapped[1] if wrapped[:1] == _FORM and len(wrapped) > 1 else 0)
        id, nonce, secret = wrapped[2:end], wrapped[end : end + _NONCE], wrapped[end + _NONCE :]
        wrapping = self._keys.get(id.decode("ascii", "replace"))
        if wrapping is None or len(nonce) != _NONCE:
            raise _unknown_key()
        try:
            return AESGCM(wrapping).decrypt(nonce, secret, id)
        except InvalidTag as error:
            raise _unknown_key() from error

    def __repr__(self) -> str:
        return f"KeyRing({len(self._keys)} keys, current {self._current})"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a KeyRing is never serialised by accident: `text` gives it on purpose")


def _not_authentic() -> Rejected:
    return Rejected("it was changed, or moved from another place", reason="not_authentic", where="sealed payload")


def _unknown_key() -> Rejected:
    return Rejected("no key of the ring wrapped it", reason="unknown_key", where="data key")


def _place(place: str) -> bytes:
    return b"seal/" + place.encode("utf-8", "surrogatepass")


def _id(key: bytes) -> str:
    return f"k-{sha256(b'qcp_sdk key id' + key).hexdigest()[:12]}"


def _text(key: bytes) -> str:
    return base64.b64encode(key).decode("ascii")


def _bytes(text: object) -> bytes:
    try:
        return base64.b64decode(str(text), validate=True)
    except binascii.Error:
        raise ValueError from None


def _write(path: Path, text: str, *, replace: bool) -> None:
    """Write a private file that is there in full or not at all.

    Raises:
        FileExistsError: It is there already, and `replace` is False.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        if replace:
            beside.replace(path)
        else:
            os.link(beside, path)
    finally:
        beside.unlink(missing_ok=True)
