"""The hosted plan: the provider's own page signs.

Leaving is never sudden: the transaction is ended at the provider, and its last word is waited for: the signatory may
have signed a moment ago. `Ceremony.ended` says meanwhile why we leave.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from attrs import evolve

from qcp_sdk.ceremony import facts
from qcp_sdk.ceremony.effects import AskTransaction, CloseTransaction
from qcp_sdk.ceremony.moves import DECLINED, Moved, conclude, end, fail, lapse, refuse
from qcp_sdk.ceremony.state import Ceremony, Progress, at
from qcp_sdk.effects import Wake
from qcp_sdk.facts import DeadlinePassed, Fact

THE_DEADLINE: Final = "collecte"
"""Id of the wait for the collecte's own deadline."""
LEAVING: Final = "leaving"
"""Id of the wait for the provider's last word."""
LAST_WORD: Final = timedelta(hours=1)
"""How long a provider is asked how a transaction ended, before we end without its answer."""


def leave_provider(c: Ceremony, fact: Fact, now: datetime) -> Moved:
    """Hosted: end it at the provider, and wait for its last word: the signatory may have signed a moment ago."""
    if isinstance(fact, DeadlinePassed) and fact.deadline == LEAVING:
        return end(c) if c.ended else (c, ())
    if (isinstance(fact, DeadlinePassed) and fact.deadline != THE_DEADLINE) or c.ended:
        return c, ()
    cause, reason = "deadline", ""
    if isinstance(fact, facts.CollecteEnded):
        cause = fact.cause
    elif isinstance(fact, facts.Declined):
        cause, reason = DECLINED, fact.reason
    following = at(c, c.stage, ended=cause, reason=reason)
    if c.session is None:  # the signatory never saw the page
        return end(evolve(following, sequence=c.sequence))
    waits = Wake(at=now + LAST_WORD, fact=DeadlinePassed(deadline=LEAVING))
    return following, (CloseTransaction(session=c.session), waits)


def transaction_opened(c: Ceremony, fact: Fact, _now: datetime) -> Moved:
    """Hosted: the provider's page waits."""
    assert isinstance(fact, facts.TransactionOpened)
    if c.session is not None:
        return c, ()
    return at(c, c.stage, session=fact.session, url=fact.url), (AskTransaction(session=fact.session),)


def transaction_rejected(c: Ceremony, fact: Fact, _now: datetime) -> Moved:
    """Hosted: the provider opens none."""
    assert isinstance(fact, facts.TransactionRejected)
    return fail(c, fact.reason) if c.session is None else (c, ())


def transaction_signed(c: Ceremony, fact: Fact, _now: datetime) -> Moved:
    """Hosted: signed on the provider's page."""
    assert isinstance(fact, facts.TransactionSigned)
    if fact.session != c.session:
        return c, ()
    given, counted = dict(fact.documents), dict(fact.revisions)
    documents = tuple(
        Progress(document=one.document, signed=given[one.document.id], revision=counted.get(one.document.id, 1))
        if one.document.id in given
        else Progress(document=one.document, failed="not_signed_by_provider")
        for one in c.documents
    )
    return conclude(evolve(c, documents=documents, session=None))


def transaction_ended(c: Ceremony, fact: Fact, _now: datetime) -> Moved:
    """Hosted: ended without a signature."""
    assert isinstance(fact, facts.TransactionEnded)
    if fact.session != c.session:
        return c, ()
    over = evolve(c, session=None)  # it has ended by itself: there is nothing to close
    if c.ended:
        return end(over)
    if fact.reason == "refused":
        return refuse(over, "")
    if fact.reason == "expired":
        return lapse(over, "deadline")
    return fail(over, fact.reason)


def late_transaction(c: Ceremony, fact: Fact, _now: datetime) -> Moved:
    """A transaction that nobody waits for: close it."""
    assert isinstance(fact, facts.TransactionOpened)
    if c.session is not None:
        return c, ()
    return at(c, c.stage, session=fact.session), (CloseTransaction(session=fact.session),)
