"""What a subscription costs and how it is carried out; may differ by tenant and by cabinet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from attrs import field, frozen

from qcp_sdk.errors import InvalidValue
from qcp_sdk.identity import Proofing
from qcp_sdk.matching import USUALLY_ACCEPTED
from qcp_sdk.subscription.facts import Routes, Waits
from qcp_sdk.subscription.stages import Plan
from qcp_sdk.values import CabinetId, Cents, TenantId

PRICE: Final = Cents(2_000)
"""20.00 EUR (feature A3)."""


@frozen(kw_only=True)
class Offer:
    """The terms on which a subscription is opened; they stay with it for life."""

    price: Cents = field(default=PRICE)
    issuer: str = ""
    """The issuer's name as shown; empty: what the authority calls itself."""
    plan: Plan = Plan.ASSEMBLED
    routes: Routes = Routes()
    waits: Waits = Waits()
    minimum_proofing: Proofing = Proofing.BASELINE
    accepted_close: frozenset[str] = frozenset(one.value for one in USUALLY_ACCEPTED)
    """The listed transformations by which account and identity document are still the same person."""
    attestation_suffices: bool = True

    @price.validator
    def _not_negative(self, _attribute: object, price: Cents) -> None:
        if price < 0:
            raise InvalidValue(f"`{int(price)}` cents is below nothing", where="price", mend="give 0 or more")


Offers: TypeAlias = Callable[[TenantId, CabinetId], Offer]
"""Gives the terms for a tenant's cabinet."""
