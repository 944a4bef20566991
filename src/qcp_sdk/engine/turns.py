"""Between the ceremonies of one collecte: whose turn it is, which revision is present, who is told of an end. Pure.

The engine reads the ceremonies from the store and records what is decided here; exploration does the same over every
world. Nothing of it is stored twice: it is derived from the ceremonies each time.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from qcp_sdk.ceremony import facts as cf
from qcp_sdk.ceremony.stages import CEREMONY_FINAL, CeremonyPlan, CeremonyStage
from qcp_sdk.ceremony.state import Ceremony
from qcp_sdk.collectes import Collecte, Order
from qcp_sdk.facts import Fact
from qcp_sdk.values import CeremonyId, ContentHash, DocumentId

HAS_SIGNED: Final = frozenset({CeremonyStage.SIGNED, CeremonyStage.PARTLY_SIGNED})
Siblings: TypeAlias = tuple[Ceremony, ...]
"""The ceremonies of one collecte that were opened so far, in signing order."""
Telling: TypeAlias = tuple[tuple[CeremonyId, Fact], ...]
"""What is to be recorded, and of whom, in this order."""


def in_parallel(collecte: Collecte, plan: CeremonyPlan) -> bool:
    """Say whether all may sign from the start. A provider's page reserves the documents for as long as it is open, so
    there signatories always come one after another.
    """
    return collecte.order is Order.PARALLEL and plan is CeremonyPlan.OURS


def in_order(ceremonies: Siblings) -> Siblings:
    """Give the ceremonies of a collecte in signing order."""
    order = {one.id: place for place, one in enumerate(ceremonies[0].opened.collecte.signatories)} if ceremonies else {}
    return tuple(sorted(ceremonies, key=lambda one: order[one.opened.signatory]))


def revision(ceremony: Ceremony, siblings: Siblings, document: DocumentId) -> tuple[ContentHash, int]:
    """Give the present content of a document, and how many signatures it carries."""
    validated = next(one.content for one in ceremony.opened.collecte.documents if one.id == document)
    latest, count = validated, 0
    for sibling in siblings:
        progress = sibling.progress(document)
        if progress is not None and progress.signed is not None and progress.revision > count:
            latest, count = progress.signed, progress.revision
    return latest, count


def passing(ceremony: Ceremony, siblings: Siblings) -> Telling:
    """Say whom to tell when this ceremony has signed: whoever comes next, or everybody that all have signed."""
    collecte = ceremony.opened.collecte
    opened = len(siblings) == len(collecte.signatories)  # else their opening was interrupted
    if opened and all(one.stage in HAS_SIGNED for one in siblings):
        documents = tuple(
            (document.name, revision(ceremony, siblings, document.id)[0])
            for document in collecte.documents
            if all((found := one.progress(document.id)) is not None and found.signed for one in siblings)
        )
        return tuple((one.id, cf.CollecteCompleted(documents=documents)) for one in siblings)
    if in_parallel(collecte, ceremony.opened.plan):
        return ()
    following = next((one for one in siblings if one.stage not in CEREMONY_FINAL), None)
    if following is None or following.stage is not CeremonyStage.WAITING_TURN:
        return ()
    return ((following.id, cf.TurnArrived()),)


def ending(ceremony: Ceremony, siblings: Siblings, cause: str) -> Telling:
    """Say whom to tell that this ceremony has ended the collecte: everybody else."""
    return tuple((one.id, cf.CollecteEnded(cause=cause)) for one in siblings if one.id != ceremony.id)
