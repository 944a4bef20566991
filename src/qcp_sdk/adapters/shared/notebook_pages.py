"""The sealed pages of a `FileNotebook`.

Names, shelves and owners are keyed hashes; a page is encrypted for its place (AES-256-GCM). Pages of one subscription
or ceremony have a random key of its own, which is sealed under the notebook's: without it, copies of pages in backups
and free blocks open nowhere.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import sqlite3
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from qcp_sdk.adapters.shared import sealed
from qcp_sdk.errors import Rejected, Unavailable

Page: TypeAlias = dict[str, Any]
_SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS sealed_pages (number INTEGER PRIMARY KEY AUTOINCREMENT, name BLOB NOT NULL UNIQUE,"
    " shelf BLOB NOT NULL, owner BLOB NOT NULL, page BLOB NOT NULL)",
    "CREATE INDEX IF NOT EXISTS pages_by_shelf ON sealed_pages (shelf, number)",
    "CREATE INDEX IF NOT EXISTS pages_by_owner ON sealed_pages (owner)",
    "CREATE TABLE IF NOT EXISTS owners (owner BLOB PRIMARY KEY, key BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS forgotten (owner BLOB PRIMARY KEY)",
)
_NOBODY: Final = b""


def erased() -> Rejected:
    """Give the refusal to write about whom was forgotten: a call was on its way."""
    return Rejected("it was erased: nothing is written down about it any more", reason="erased")


def shelf_of(name: str) -> str:
    """Give what stands before the last slash of a page's name."""
    return name.rpartition("/")[0]


class SealedPages:
    """The pages within one transaction, under the notebook's key."""

    def __init__(self, connection: sqlite3.Connection, key: bytes) -> None:
        self._connection, self._key = connection, key

    @staticmethod
    def prepare(connection: sqlite3.Connection) -> None:
        """Make the tables, unless they are there."""
        for statement in _SCHEMA:
            connection.execute(statement)

    def get(self, name: str) -> Page | None:
        """Give the page of this name, or None."""
        row = self._connection.execute(
            "SELECT name, owner, page FROM sealed_pages WHERE name = ?", (self._blind("name", name),)
        ).fetchone()
        return self._opened(*row)[1] if row is not None else None

    def put(self, name: str, page: Mapping[str, object], *, of: str = "") -> None:
        """Write the page of this name anew; it stays whose it was at first.

        Raises:
            Rejected: `erased`: its owner was forgotten.
        """
        blind = self._blind("name", name)
        row = self._connection.execute("SELECT owner FROM sealed_pages WHERE name = ?", (blind,)).fetchone()
        owner = row[0] if row is not None else self._blind("owner", of) if of else _NOBODY
        content = sealed.seal(self._owned(owner, make=True), _place(owner, blind), json.dumps([name, page]).encode())
        self._connection.execute(
            "INSERT INTO sealed_pages (name, shelf, owner, page) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET page = excluded.page",
            (blind, self._blind("shelf", shelf_of(name)), owner, content),
        )

    def names(self, shelf: str) -> tuple[str, ...]:
        """Give the names `shelf/…` in the order in which the pages were first written."""
        rows = self._connection.execute(
            "SELECT name, owner, page FROM sealed_pages WHERE shelf = ? ORDER BY number", (self._blind("shelf", shelf),)
        )
        return tuple(self._opened(*row)[0] for row in rows.fetchall())

    def forget(self, stream: str) -> None:
        """Destroy this owner's key, then its pages; what comes late is refused."""
        owner = self._blind("owner", stream)
        self._connection.execute("INSERT OR IGNORE INTO forgotten (owner) VALUES (?)", (owner,))
        self._connection.execute("DELETE FROM owners WHERE owner = ?", (owner,))
        self._connection.execute("DELETE FROM sealed_pages WHERE owner = ?", (owner,))

    def _opened(self, blind: bytes, owner: bytes, page: bytes) -> tuple[str, Page]:
        try:
            name, told = json.loads(sealed.unseal(self._owned(owner), _place(owner, blind), page))
        except Rejected as error:
            raise Unavailable(
                "the notebook was sealed by another installation, or changed",
                mend="give it the key ring that it was begun with",
            ) from error
        return name, told

    def _owned(self, owner: bytes, *, make: bool = False) -> bytes:
        """Give the key of an owner's pages, made now if there is none; the notebook's where nobody owns them."""
        if owner == _NOBODY:
            return self._key
        row = self._connection.execute("SELECT key FROM owners WHERE owner = ?", (owner,)).fetchone()
        if row is not None:
            return sealed.unseal(self._key, f"notebook/owner/{owner.hex()}", row[0])
        if not make:
            raise Rejected("the key of this page is gone", reason="unknown_key")
        if self._connection.execute("SELECT 1 FROM forgotten WHERE owner = ?", (owner,)).fetchone() is not None:
            raise erased()
        key = os.urandom(sealed.SIZE)
        wrapped = sealed.seal(self._key, f"notebook/owner/{owner.hex()}", key)
        self._connection.execute("INSERT INTO owners (owner, key) VALUES (?, ?)", (owner, wrapped))
        return key

    def _blind(self, what: str, text: str) -> bytes:
        told = f"{what}/{text}".encode(errors="surrogatepass")
        return hmac.digest(self._key, told, hashlib.sha256)


def _place(owner: bytes, name: bytes) -> str:
    return f"notebook/page/{owner.hex()}/{name.hex()}"
