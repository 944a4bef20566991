"""Amounts of money, in euro cents."""

from __future__ import annotations

from functools import cache

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from qcp_sdk.values import Cents


@cache
def cents(least: int = -(10**12), most: int = 10**12) -> SearchStrategy[Cents]:
    """An amount of either sign; the guide's price and balance among them."""
    known = [one for one in (0, 1, -1, 2_000, 1_999, 8_220, 100_000_000) if least <= one <= most]
    drawn = st.integers(least, most)
    return (st.sampled_from(known) | drawn if known else drawn).map(Cents)


@cache
def prices() -> SearchStrategy[Cents]:
    """What something may cost: 0 or more."""
    return cents(least=0, most=10**7)
