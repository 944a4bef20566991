"""Answers that several ports give."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen


@frozen(kw_only=True)
class Pending:
    """No answer yet. `note` is for an operator to read; never a reason."""

    note: str = ""


class OutcomeKind(StrEnum):
    """How a key ended."""

    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """This key never arrived: it may be sent."""


@frozen(kw_only=True)
class Outcome:
    """What a port says when asked for a key. `reference` is what the call would have returned, as text."""

    kind: OutcomeKind
    reference: str = ""
    reason: str = ""
