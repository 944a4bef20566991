"""Terms on which a subscription may be opened."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from qcp_sdk.identity import Proofing
from qcp_sdk.matching import Transformation
from qcp_sdk.offers import Offer
from qcp_sdk.subscription.facts import Routes, Waits
from qcp_sdk.subscription.stages import Plan
from qcp_sdk.testing.strategies.amounts import prices
from qcp_sdk.testing.strategies.records import record


def offers(*, routes: SearchStrategy[Routes] | None = None) -> SearchStrategy[Offer]:
    """Any terms; over the default routes, unless others are given."""
    return st.builds(
        Offer,
        price=prices(),
        issuer=st.sampled_from(("", "Autorité Exemple")),
        plan=st.sampled_from(Plan),
        routes=routes if routes is not None else st.just(Routes()),
        waits=record(Waits),
        minimum_proofing=st.sampled_from(Proofing),
        accepted_close=st.frozensets(st.sampled_from([each.value for each in Transformation])),
        attestation_suffices=st.booleans(),
    )
