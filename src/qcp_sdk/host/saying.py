"""What a person may say besides facts, and what nobody may say for them."""

from __future__ import annotations

from attrs import field, frozen

from qcp_sdk.errors import FactRefused
from qcp_sdk.facts import Fact, Origin
from qcp_sdk.values import Secret


def _secret(text: str | Secret) -> Secret:
    return text if isinstance(text, Secret) else Secret(text)


@frozen
class Code:
    """A one-time code that a person typed. Forgives case, spaces and dashes; never printed."""

    text: Secret = field(converter=_secret)


def not_for_callers(fact: Fact) -> None:
    """Refuse facts that only collaborators or the clock may say, and entries whose rightness a caller asserts."""
    if fact.origin not in (Origin.PERSON, Origin.HOST) or fact.kind in ("code_entered", "activation_asked"):
        raise FactRefused(
            f"`{fact.kind}` is not for a caller to say", reason="not_yours", mend="say `Code(text)` for a code"
        )
