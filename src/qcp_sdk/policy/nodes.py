"""Reading what came from a file, value by value, knowing at every moment where we are.

A node is a value and its place (`signatories[0].mobile`). Whatever the value is, a method gives what was asked for
or raises the reader's one kind of error, with the place, what is wrong and how to mend it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NoReturn, TypeAlias, TypeVar

from attrs import frozen

from qcp_sdk.errors import InvalidInput, QcpError
from qcp_sdk.policy.words import shows
from qcp_sdk.values import utc

T = TypeVar("T")
Flaw: TypeAlias = Callable[[str, str, str], InvalidInput]
"""Makes the reader's error from a place, what is wrong there, and how to mend it."""


@frozen
class Node:
    """One value of a file. Never shown in an error but for short words that should have been one of a list."""

    value: object
    path: str
    flaw: Flaw

    def fail(self, what: str, mend: str = "", cause: BaseException | None = None) -> NoReturn:
        """Refuse the value.

        Raises:
            InvalidInput: Always; of the reader's kind.
        """
        raise self.flaw(self.path, what, mend) from cause

    def at(self, key: str | int) -> str:
        """Give the place of something inside."""
        if isinstance(key, int):
            return f"{self.path}[{key}]"
        return f"{self.path}.{key}" if self.path else key

    def table(self, *required: str, optional: tuple[str, ...] = ()) -> dict[str, Node]:
        """Give the values of these keys; the optional ones where they are given. No other key may be there."""
        if not isinstance(self.value, dict):
            self.fail("it is not a table of keys and values", f"give {_listed(required or optional)}")
        known = (*required, *optional)
        for key in self.value:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, n=1)
                mend = f"did you mean `{near[0]}`?" if near else f"the keys here are {_listed(known)}"
                Node(None, self.at(str(key)), self.flaw).fail("it is not a known key", mend)
        for key in required:
            if key not in self.value:
                self.fail(f"`{key}` is missing", f"give {_listed(required)}")
        return {key: Node(inner, self.at(key), self.flaw) for key, inner in self.value.items()}

    def items(self) -> tuple[Node, ...]:
        """Give the values of a list."""
        if not isinstance(self.value, list):
            self.fail("it is not a list", "write it in square brackets")
        return tuple(Node(inner, self.at(at), self.flaw) for at, inner in enumerate(self.value))

    def text(self, *, longest: int = 500) -> str:
        """Give a text that can be printed on one line; not empty."""
        text = self._text()
        if not text.strip() or len(text) > longest:
            self.fail("it is empty or too long", f"write 1 to {longest} characters")
        if not all(map(shows, text)):
            self.fail("it holds a character that cannot be printed", "remove it")
        return text

    def block(self) -> str:
        """Give a text of several lines."""
        return self._text()

    def flag(self) -> bool:
        """Give a yes or a no."""
        if not isinstance(self.value, bool):
            self.fail("it is neither true nor false", "write `true` or `false`")
        return self.value

    def one_of(self, choices: Mapping[str, T]) -> T:
        """Give what one of these words stands for."""
        word = self._text()
        if word not in choices:
            shown = f"`{word}`" if word.isprintable() and len(word) < 60 else "it"
            self.fail(f"{shown} is not one of the words here", f"write one of {_listed(choices)}")
        return choices[word]

    def some_of(self, choices: Mapping[str, T]) -> tuple[T, ...]:
        """Give what each word of a list stands for; no word twice."""
        items = self.items()
        chosen = tuple(item.one_of(choices) for item in items)
        if len({item.value for item in items}) < len(items):  # words, or `one_of` had refused
            self.fail("a word stands twice", "write each once")
        return chosen

    def made(self, make: Callable[[str], T]) -> T:
        """Give what is made from a text by something that refuses what it cannot mean."""
        text = self._text()
        return self.built(lambda: make(text))

    def built(self, build: Callable[[], T]) -> T:
        """Give what is built, of values that were read before; a refusal is told with this place."""
        try:
            return build()
        except QcpError as error:
            inner = f"{error.where}: " if error.where and not self._said(error.where) else ""
            self.fail(f"{inner}{error.what}", error.mend, error)

    def moment(self) -> datetime:
        """Give an instant in UTC."""
        try:
            read = datetime.fromisoformat(self._text())
            return self.built(lambda: utc(read))
        except (ValueError, OverflowError) as error:
            if isinstance(error, QcpError):
                raise
            self.fail("it is not an instant", "write it as 2027-01-31T18:00:00+01:00", error)

    def _said(self, where: str) -> bool:
        return self.path.endswith((where, where.replace(" ", "_"), where.replace("-", ""))) or where == "moment"

    def _text(self) -> str:
        if not isinstance(self.value, str):
            self.fail("it is not a text", "write it in quotation marks")
        return self.value


def _listed(words: Mapping[str, object] | tuple[str, ...]) -> str:
    return ", ".join(f"`{word}`" for word in words)
