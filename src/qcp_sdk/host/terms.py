"""The terms on which a subscription is opened, and why it may not be. Pure: what is known of the person is given.

A person may hold one usable certificate of an issuer, and renew it within the last days of its life: the two then stand
side by side, each in a slot of its own, which the store's claims keep (behaviour § 2, invariant 4).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from qcp_sdk.certificates import Holding, StatusKind
from qcp_sdk.offers import Offer
from qcp_sdk.people import Account, Cabinet
from qcp_sdk.subscription.facts import SubscriptionOpened
from qcp_sdk.subscription.opening import refusals
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.subscription.state import Subscription
from qcp_sdk.values import Cents, SubscriptionId, TenantId


def in_progress(s: Subscription) -> bool:
    """Say whether a subscription, which has not ended, is still on its way to its certificate."""
    return s.stage not in (Stage.ACTIVE, Stage.REVOKING)


def terms(
    *,
    id: SubscriptionId,
    tenant: TenantId,
    account: Account,
    cabinet: Cabinet,
    offer: Offer,
    issuer: str,
    balance: Cents,
    lcp: Holding | None,
    qcp: Holding | None,
    mine: Sequence[Subscription],
) -> SubscriptionOpened:
    """Give the fact that opens a subscription. `mine` are the account's subscriptions that have not ended."""
    held = [one for one in mine if not in_progress(one)]
    return SubscriptionOpened(
        id=id,
        tenant=tenant,
        account=account,
        cabinet=cabinet,
        price=offer.price,
        balance=balance,
        lcp=lcp,
        qcp=qcp,
        plan=offer.plan,
        issuer=issuer,
        attested_held=any(
            one.terms.issuer == issuer and one.attestation is not None and one.stage is Stage.ACTIVE for one in held
        ),
        slot=free_slot(held, issuer),
        routes=offer.routes,
        waits=offer.waits,
        minimum_proofing=offer.minimum_proofing,
        accepted_close=offer.accepted_close,
        attestation_suffices=offer.attestation_suffices,
    )


def reasons(fact: SubscriptionOpened, mine: Iterable[Subscription], now: datetime) -> tuple[str, ...]:
    """Give every reason why it may not be opened; empty when it may."""
    already = ("already_open",) if any(in_progress(one) for one in mine) else ()
    return (*refusals(fact, now), *already)


def outdated(fact: SubscriptionOpened, before: Iterable[Subscription], after: Iterable[Subscription]) -> bool:
    """Say whether somebody else opened a subscription between the reading that these terms rest on and their commit.

    To be asked once more after the commit: from then on the claim on the open subscription keeps everybody else out.
    """
    known = {fact.id, *(one.id for one in before)}
    return any(one.id not in known for one in after)


def free_slot(held: Iterable[Subscription], issuer: str) -> int:
    """Give the slot beside the certificate of this issuer that is held: a renewal takes the other one of two."""
    taken = {one.terms.slot for one in held if one.terms.issuer == issuer}
    return 1 if 0 in taken else 0


def newest(holdings: Sequence[Holding], now: datetime) -> Holding | None:
    """The usable one that lasts longest; failing that, the newest."""
    usable = [
        one
        for one in holdings
        if one.status.kind is StatusKind.GOOD and one.certificate.not_before <= now < one.certificate.not_after
    ]
    if usable:
        return max(usable, key=lambda one: one.certificate.not_after)
    return holdings[0] if holdings else None
