"""What a certificate allows today, by the installation's own policy: the answer of the certificates page. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from qcp_sdk.collectes import Collecte, Document, Role, Signatory
from qcp_sdk.levels import SignatureLevel
from qcp_sdk.people import Account
from qcp_sdk.policy.assess import assess
from qcp_sdk.policy.evidence import Evidence
from qcp_sdk.policy.shapes import Policy
from qcp_sdk.values import CollecteId, ContentHash, DocumentId, SignatoryId

SOON: Final = timedelta(minutes=1)
"""How long the collecte that is asked about stays open: what is asked is what may be signed now."""
_ME: Final = SignatoryId("oneself")


def allowed(person: Account, evidence: Evidence, *, now: datetime, policy: Policy) -> SignatureLevel | None:
    """Give the highest level that this person may sign at now with this certificate alone; None: no level that needs
    one (niveau 1 is everybody's).
    """
    signatory = Signatory(
        id=_ME,
        name=person.name,
        email=person.email,
        mobile=person.mobile,
        level=SignatureLevel.NIVEAU_1,
        account=person.id,
        role=Role.ONESELF,
    )
    asked = Collecte(
        id=CollecteId("asked"),
        title="",
        sender="",
        documents=(Document(id=DocumentId("any"), name="any.pdf", content=ContentHash("sha256:" + "0" * 64)),),
        signatories=(signatory,),
        deadline=now + SOON,
    )
    decision = assess(asked, {_ME: (evidence,)}, now=now, policy=policy)
    highest = max(decision.of(_ME).levels_available, default=SignatureLevel.NIVEAU_1)
    return highest if highest > SignatureLevel.NIVEAU_1 else None
