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


def only_a_persons(fact: Fact) -> None:
    """Refuse what a person may not say: what collaborators, the clock or the host say, and whether a code is right."""
    if fact.origin is not Origin.PERSON or fact.kind in ("code_entered", "activation_asked"):
        raise FactRefused(
            f"`{fact.kind}` is not for a person to say", reason="not_yours", mend="say `Code(text)` for a code"
        )


def only_the_hosts(fact: Fact) -> None:
    """Refuse what is not the host's to report; what opens a stream has a method of its own."""
    if fact.origin is not Origin.HOST or fact.kind.endswith(("_opened", "_adopted")):
        raise FactRefused(f"`{fact.kind}` is not for the host to report", reason="not_yours", mend="see `report`")
