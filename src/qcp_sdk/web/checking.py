"""Checking the journals of an installation where they are kept: every chain, against the head noted beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import frozen

from qcp_sdk import journal
from qcp_sdk.errors import JournalError, NotFound
from qcp_sdk.sdk import Qcp


@frozen(kw_only=True)
class Checked:
    """One stream's journal. `broken` says how, and is empty when it is intact."""

    id: str
    facts: int
    broken: str = ""


def check_journals(qcp: Qcp, ids: Iterable[str]) -> Iterator[Checked]:
    """Check one journal after the other."""
    for id in ids:
        try:
            entries, head = qcp.records.journal(id)
            journal.verify(entries, head=head)
        except (JournalError, NotFound) as broken:
            yield Checked(id=id, facts=0, broken=str(broken))
        else:
            yield Checked(id=id, facts=len(entries))
