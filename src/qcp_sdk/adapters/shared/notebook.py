"""What an adapter has to remember of a service that remembers no keys: pages of JSON by name, in one transaction.

A service's API may know no idempotency keys. The adapter then writes down what a key was for and what it was
answered, before and after it asks. No secret is ever written down; people's contact data may be (see each adapter).

So a `FileNotebook` is sealed (`notebook_pages`): names are keyed hashes, pages are encrypted, and those of one
subscription or ceremony under a key of its own, which `forget_stream` destroys with them.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from qcp_sdk.adapters.shared.answers import stream_of
from qcp_sdk.adapters.shared.notebook_pages import Page, SealedPages, erased, shelf_of
from qcp_sdk.errors import ConfigurationError, Rejected, Unavailable
from qcp_sdk.ports.keys import Keys
from qcp_sdk.values import Key

BUSY: Final = 30.0
"""Seconds that one writer waits for another."""


class Pages(Protocol):
    """The pages, within one transaction that nobody else writes in."""

    def get(self, name: str) -> Page | None:
        """Give the page of this name, or None."""

    def put(self, name: str, page: Mapping[str, object], *, of: str = "") -> None:
        """Write the page of this name anew; `of` is the id of the subscription or ceremony that it is about.

        A page stays whose it was at first. Say `of` again in a later transaction: it may have been forgotten meanwhile.

        Raises:
            Rejected: `erased`: that owner was forgotten.
        """

    def names(self, shelf: str) -> tuple[str, ...]:
        """Give the names `shelf/…`, where … has no slash, in the order in which the pages were first written."""


class Notebook(Protocol):
    """Opens transactions. Give one of your own where workers on several machines must share it."""

    def open(self) -> AbstractContextManager[Pages]:
        """Begin a transaction; what is raised inside undoes all of it.

        Raises:
            Unavailable: The notebook cannot be read or written.
        """

    def forget_stream(self, *, stream: str) -> None:
        """Destroy every page that is about this subscription or ceremony, and refuse new ones. Repeatable.

        Raises:
            Unavailable: The notebook cannot be read or written.
        """


class FileNotebook:
    """A notebook in one SQLite file, for any number of threads and processes of one machine.

    `keys` are the installation's: what seals the file is derived from them, and does not change when they are rotated.

    Raises:
        ConfigurationError: The file cannot be made.
    """

    def __init__(self, path: Path, *, keys: Keys) -> None:
        self._path, self._key = path, keys.derive(purpose="notebook")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            with self._connected() as connection:
                SealedPages.prepare(connection)
        except (OSError, Unavailable) as error:
            raise ConfigurationError("the notebook cannot be used", where=path.name, mend="check its folder") from error

    @contextmanager
    def open(self) -> Iterator[Pages]:
        """Begin a transaction.

        Raises:
            Unavailable: The notebook cannot be read or written, or was sealed by another installation.
        """
        with self._begun() as pages:
            yield pages

    def forget_stream(self, *, stream: str) -> None:
        """Destroy every page that is about this subscription or ceremony, and the key that sealed them. Repeatable.

        Raises:
            Unavailable: The notebook cannot be read or written.
        """
        with self._begun() as pages:
            pages.forget(stream)

    @contextmanager
    def _begun(self) -> Iterator[SealedPages]:
        with self._connected() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield SealedPages(connection, self._key)
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        # One connection a transaction: none crosses a thread or a fork.
        try:
            with closing(sqlite3.connect(self._path, timeout=BUSY, isolation_level=None)) as connection:
                connection.execute("PRAGMA synchronous=FULL")
                connection.execute("PRAGMA secure_delete=ON")  # what is destroyed is overwritten, not only unlinked
                yield connection
        except sqlite3.Error as error:
            raise Unavailable("the notebook does not answer", mend="ask again with the same key") from error


class MemoryNotebook:
    """A notebook that ends with its process: for tests, and for demonstrations."""

    def __init__(self) -> None:
        self._lock, self._pages = threading.Lock(), dict[str, tuple[str, str]]()
        self._forgotten: set[str] = set()

    @contextmanager
    def open(self) -> Iterator[Pages]:
        """Begin a transaction."""
        with self._lock:
            pages = _MemoryPages(dict(self._pages), self._forgotten)
            yield pages
            self._pages = pages.written

    def forget_stream(self, *, stream: str) -> None:
        """Destroy every page that is about this subscription or ceremony. Repeatable."""
        with self._lock:
            self._forgotten.add(stream)
            self._pages = {name: one for name, one in self._pages.items() if one[0] != stream}


class _MemoryPages:
    def __init__(self, written: dict[str, tuple[str, str]], forgotten: set[str]) -> None:
        self.written, self._forgotten = written, forgotten

    def get(self, name: str) -> Page | None:
        page = self.written.get(name)
        return json.loads(page[1]) if page is not None else None

    def put(self, name: str, page: Mapping[str, object], *, of: str = "") -> None:
        before = self.written.get(name)
        owner = before[0] if before is not None else of
        if owner in self._forgotten:
            raise erased()
        self.written[name] = owner, json.dumps(page)

    def names(self, shelf: str) -> tuple[str, ...]:
        return tuple(name for name in self.written if shelf_of(name) == shelf)


# Answers by key, on pages of their own.


def meant(call: str, *arguments: str) -> str:
    """Name a call with its arguments, so that a key that is used for something else is noticed."""
    return hashlib.sha256(json.dumps([call, *arguments]).encode()).hexdigest()


def recall(pages: Pages, *, key: Key, meant: str) -> Page | None:
    """Give what is remembered of this key: `{"asked": true}` while it has no answer, None where it never came.

    Raises:
        Rejected: `key_reused`, or as it was at first.
    """
    page = pages.get(f"key/{key}")
    if page is None:
        return None
    if page["meant"] != meant:
        raise Rejected("this key was used for something else", reason="key_reused", mend="derive a key for each intent")
    answer: Page = page["answer"]
    if "rejected" in answer:
        raise Rejected(answer["what"], reason=answer["rejected"])
    return answer


def remember(pages: Pages, *, key: Key, meant: str, answer: Mapping[str, Any] | Rejected) -> None:
    """Write down what this key is for, and what it is answered."""
    if isinstance(answer, Rejected):
        answer = {"rejected": answer.reason, "what": answer.what}
    pages.put(f"key/{key}", {"meant": meant, "answer": dict(answer)}, of=stream_of(key))
