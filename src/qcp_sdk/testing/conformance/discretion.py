"""What an adapter says aloud: on the console, in the log, in its errors, in its `repr`."""

from __future__ import annotations

import contextlib
import io
import logging
import traceback
from collections.abc import Iterator

from qcp_sdk.people import Account


def personal(person: Account) -> tuple[str, ...]:
    """Give what is not to be said aloud about a person."""
    return person.email.text, person.mobile.text, person.name.last


@contextlib.contextmanager
def unspoken(*private: str) -> Iterator[list[object]]:
    """Fail when one of these texts is printed or logged meanwhile, or is in anything put on the list that is given.

    An exception on the list is read with everything it was raised from, as a log would print it.
    """
    printed, said = io.StringIO(), list[object]()
    handler, root = logging.StreamHandler(printed), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            yield said
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
    heard = printed.getvalue() + "".join(_aloud(one) for one in said)
    # The texts themselves are not shown: a failing promise must not print them either.
    told = [number for number, text in enumerate(private, start=1) if text in heard]
    assert not told, f"said aloud: number {', '.join(map(str, told))} of what was not to be"


def _aloud(said: object) -> str:
    if isinstance(said, BaseException):
        return "".join(traceback.format_exception(said)) + repr(said)
    return f"{said!r}{said}"
