"""The key ring of an installation, from a file or the environment.

It holds one root secret, from which the keys of purposes are derived and which never changes, and one or more
wrapping keys, one of them current. A data key is drawn for each stream, wrapped by the current key and stored
beside what it seals. A ring is rotated in steps, so that no process ever meets a key that it does not hold: `added`
gives every process a new key, `using` makes it the current one, `rewrap` brings data keys over without touching what
they sealed, and `without` drops the old one.

A ring that came from a file follows the file: it is read again before a data key is made, and when a data key was
wrapped by a key that the ring does not hold. It wraps and unwraps like a `Kms`, too.
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

from qcp_sdk.adapters.shared import sealed as forms
from qcp_sdk.adapters.shared.wrapping import WrappingKeys
from qcp_sdk.errors import ConfigurationError, NotFound, Rejected
from qcp_sdk.ports.kms import Wrapped

VARIABLE: Final = "QCP_KEY_RING"
"""The environment variable that `from_environment` reads unless told otherwise."""

_SIZE: Final = forms.SIZE


class KeyRing(WrappingKeys):
    """Gives keys for a purpose, and wraps data keys. Never prints one."""

    __slots__ = ("_current", "_keys", "_path", "_seen")

    def __init__(self, *, root: bytes, keys: Mapping[str, bytes], current: str) -> None:
        if len(root) != _SIZE or not keys or any(len(key) != _SIZE for key in keys.values()):
            raise ConfigurationError(f"every key of the ring is {_SIZE} bytes long", where="key ring")
        if any(not forms.is_id(id) for id in keys):
            raise ConfigurationError("a key's id is 1 to 255 printable ASCII characters", where="key ring")
        if current not in keys:
            raise ConfigurationError(f"the current key `{current}` is not in the ring", where="key ring")
        super().__init__(root)
        self._keys, self._current = dict(keys), current
        self._path: Path | None = None
        self._seen: tuple[int, ...] = ()

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
            seen = _mark(path)  # before it is read: a change in between is then read once more, and never missed
            text = path.read_text(encoding="ascii")
        except (OSError, UnicodeError) as error:
            raise ConfigurationError(
                f"it cannot be opened ({type(error).__name__})", where=f"key ring `{path.name}`"
            ) from error
        ring = cls.from_text(text)
        ring._path, ring._seen = path, seen
        return ring

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

    def added(self) -> KeyRing:
        """Give a ring with one key more, which wraps nothing yet: every process must hold it before one uses it."""
        key = secrets.token_bytes(_SIZE)
        return KeyRing(root=self._root, keys={**self._keys, _id(key): key}, current=self._current)

    def using(self, id: str) -> KeyRing:
        """Give a ring whose current key is this one.

        Raises:
            NotFound: The ring holds no such key.
        """
        self._known(id)
        return KeyRing(root=self._root, keys=self._keys, current=id)

    def rotate(self) -> KeyRing:
        """Give a ring with a new current key; it opens all that this one opens. For one process; `added` for many."""
        ring = self.added()
        return ring.using(ring.ids[-1])

    def without(self, id: str) -> KeyRing:
        """Give a ring that no longer holds this key: what it wrapped never opens again.

        Raises:
            NotFound: The ring holds no such key.
            ConfigurationError: It is the current one.
        """
        self._known(id)
        if id == self._current:
            raise ConfigurationError("the current key cannot go", where=f"key `{id}`", mend="use another one first")
        keys = {name: key for name, key in self._keys.items() if name != id}
        return KeyRing(root=self._root, keys=keys, current=self._current)

    def _known(self, id: str) -> None:
        if id not in self._keys:
            raise NotFound(f"the ring holds no key `{id}`", mend="take one that `qcp-sdk keys show` prints")

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of every wrapping key, oldest first."""
        return tuple(self._keys)

    @property
    def current(self) -> str:
        """The id of the key that wraps new data keys."""
        self._follow()
        return self._current

    # --- as a Kms ---------------------------------------------------------------------------------------------

    def wrap(self, *, secret: bytes) -> Wrapped:
        """Wrap a secret under the current key. Two wrappings of one secret are not alike."""
        id = self.current
        return Wrapped(key=id, content=forms.encrypted(self._keys[id], secret, id.encode("ascii")))

    def unwrap(self, *, wrapped: Wrapped) -> bytes:
        """Give the secret back, under whichever key of the ring it was wrapped.

        Raises:
            Rejected: `unknown_key`: the ring holds no such key; `not_authentic`: what was wrapped has changed.
        """
        if wrapped.key not in self._keys:
            self._follow()
        key = self._keys.get(wrapped.key)
        if key is None:
            raise forms.unknown_key()
        secret = forms.decrypted(key, wrapped.content, wrapped.key.encode("ascii"))
        if secret is None:
            raise Rejected("what was wrapped has changed", reason="not_authentic", where="data key")
        return secret

    def _wrapped(self, secret: bytes) -> Wrapped:
        return self.wrap(secret=secret)

    def _unwrapped(self, wrapped: Wrapped) -> bytes:
        return self.unwrap(wrapped=wrapped)

    def _follow(self) -> None:
        """Read the file again where it has changed: an operator added a key, or made another one current.

        A file that is gone, unreadable or another installation's changes nothing: what is held goes on being used.
        """
        if self._path is None:
            return
        with suppress(OSError, ConfigurationError):
            if _mark(self._path) != self._seen:
                found = KeyRing.from_file(self._path)
                if found._root == self._root:
                    # The keys first: another thread that reads the new `_current` finds it among them.
                    self._keys = {**self._keys, **found._keys}
                    self._current, self._keys, self._seen = found._current, found._keys, found._seen

    def __repr__(self) -> str:
        return f"KeyRing({len(self._keys)} keys, current {self._current})"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a KeyRing is never serialised by accident: `text` gives it on purpose")


def _mark(path: Path) -> tuple[int, ...]:
    """Tell a file from what it was before: its inode changes when it is replaced in one move."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size


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
