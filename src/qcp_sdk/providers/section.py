"""One section of the settings, read with a clear error for whatever is missing, wrong or misspelt."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from enum import Enum
from ipaddress import ip_address
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from qcp_sdk.adapters.shared.http import Http
from qcp_sdk.adapters.shared.x509 import UNREADABLE
from qcp_sdk.errors import ConfigurationError
from qcp_sdk.values import Secret

E = TypeVar("E", bound=Enum)
_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.S)


class Section:
    """The members of `name`; `folder` is where relative paths begin."""

    def __init__(self, name: str, members: object, folder: Path) -> None:
        if not isinstance(members, Mapping):
            raise ConfigurationError("it is no table", where=name, mend=f"write it as [{name}]")
        self._name, self._members, self._folder = name, members, folder
        self._read: set[str] = set()

    def text(self, key: str, default: str | None = None) -> str:
        """Give a text; without a default it has to be there."""
        value = self._value(key, default)
        if not isinstance(value, str):
            raise self.wrong(key, "it is no text", "put it in quotes")
        return value

    def whole(self, key: str, default: int) -> int:
        """Give a whole number."""
        value = self._value(key, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.wrong(key, "it is no whole number", "write it without quotes")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """Give true or false."""
        value = self._value(key, default)
        if not isinstance(value, bool):
            raise self.wrong(key, "it is neither true nor false", "write one of them, without quotes")
        return value

    def choice(self, key: str, choices: type[E], default: E) -> E:
        """Give a member of an enum, by its name in lower case."""
        text = self.text(key, default.name.lower())
        named = {one.name.lower(): one for one in choices}
        if text not in named:
            raise self.wrong(key, f"`{text}` is none of its values", f"use {', '.join(named)}")
        return named[text]

    def secret(self, key: str, default: str | None = None) -> Secret:
        """Give a secret: `env:NAME` or `file:PATH` say where it is; anything else is the secret itself."""
        text = self.text(key, default)
        kind, colon, rest = text.partition(":")
        if colon and kind == "env":
            found = os.environ.get(rest)
            if not found:
                raise self.wrong(key, f"the environment has no `{rest}`", "set it")
            return Secret(found)
        if colon and kind == "file":
            try:
                return Secret((self._folder / rest).read_text(encoding="utf-8").strip())
            except (OSError, ValueError) as error:
                raise self.wrong(key, "its file cannot be read", "check its path and permissions") from error
        return Secret(text)

    def folder(self, key: str) -> Path | None:
        """Give a folder; None where the key is absent."""
        text = self.text(key, "")
        return self._folder / text if text else None

    def http(self, key: str = "url", default: str | None = None) -> Http:
        """Give the service at an address; `http://` is for this machine only."""
        return self.at(key, self.text(key, default))

    def at(self, key: str, address: str) -> Http:
        """Give the service at an address that is one of several under this key."""
        try:
            return Http(address, plain=_here(address))
        except ConfigurationError as error:
            raise self.wrong(key, error.what, error.mend) from error

    def certificates(self, key: str) -> tuple[bytes, ...]:
        """Give certificates (DER): PEM, or the path of a file of it."""
        text = self.text(key)
        try:
            if "-----BEGIN" not in text:
                text = (self._folder / text).read_text(encoding="ascii")
            found = tuple(
                x509.load_pem_x509_certificate(one.encode()).public_bytes(Encoding.DER) for one in _PEM.findall(text)
            )
        except (OSError, *UNREADABLE) as error:
            raise self.wrong(key, "they are no certificates", "give PEM, or the path of a file of it") from error
        if not found:
            raise self.wrong(key, "there is no certificate", "give PEM, or the path of a file of it")
        return found

    def texts(self, key: str) -> tuple[str, ...]:
        """Give a list of texts; none where it is absent."""
        value = self._value(key, [])
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise self.wrong(key, "it is no list of texts", 'write it as ["…", "…"]')
        return tuple(value)

    def done(self) -> None:
        """Refuse what nobody has read.

        Raises:
            ConfigurationError: A key is not one of this section.
        """
        unknown = sorted(set(self._members) - self._read)
        if unknown:
            raise self.wrong(unknown[0], "it means nothing here", f"use {', '.join(sorted(self._read))}")

    def wrong(self, key: str, what: str, mend: str) -> ConfigurationError:
        """Give the error about a key; secrets are never quoted."""
        return ConfigurationError(what, where=f"{self._name}.{key}", mend=mend)

    def _value(self, key: str, default: object) -> object:
        self._read.add(key)
        value = self._members.get(key, default)
        if value is None:
            raise self.wrong(key, "it is missing", "add it")
        return value


def _here(address: str) -> bool:
    try:
        host = urlsplit(address).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
