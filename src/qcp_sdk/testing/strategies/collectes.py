"""Collectes: documents, signatories in their order, a level for each."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from typing import Final

from attrs import evolve
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from qcp_sdk.collectes import Collecte, Document, Order, Role, Signatory, Stamp
from qcp_sdk.levels import SignatureLevel
from qcp_sdk.people import Account
from qcp_sdk.testing.strategies.accounts import accounts, firms
from qcp_sdk.testing.strategies.ids import content_hashes, ids, tenants
from qcp_sdk.testing.strategies.instants import NOW, instants
from qcp_sdk.values import CabinetId, CollecteId, DocumentId, SignatoryId, TenantId

FILES: Final = (
    "lettre de mission.pdf",
    "bilan 2025.pdf",
    "a.pdf",
    "Ça & là.PDF",
    "../../etc.pdf",
    'x".pdf',
    "é" * 80 + ".pdf",
)
KINDS: Final = ("other", "accounts", "engagement_letter", "annual_accounts")
TITLES: Final = ("Lettre de mission", "Bilan <2025>", "{{ title }}", "1", "Comptes\u00a0annuels : 12 000 €")


@cache
def documents() -> SearchStrategy[Document]:
    """One document, named by the bytes that it had."""
    return st.builds(
        Document,
        id=ids().map(DocumentId),
        name=st.sampled_from(FILES),
        content=content_hashes(),
        kind=st.sampled_from(KINDS),
    )


@cache
def stamps(document: DocumentId | None = None) -> SearchStrategy[Stamp]:
    """Where a signature is shown: on this document, or on any."""
    corner, size = st.integers(0, 500), st.integers(1, 300)
    boxes = st.tuples(corner, corner, size, size).map(lambda box: (box[0], box[1], box[0] + box[2], box[1] + box[3]))
    return st.builds(
        Stamp,
        document=st.just(document) if document is not None else ids().map(DocumentId),
        page=st.integers(0, 3),
        box=boxes,
        url=st.sampled_from(("", "https://host.example/verify")),
    )


@st.composite
def signatories(draw: DrawFn, *, people: SearchStrategy[Account] | None = None) -> Signatory:
    """One person who is to sign; most have an account on the platform, third parties often none."""
    person = draw(people if people is not None else accounts())
    role = draw(st.sampled_from(Role))
    known = people is not None or role is not Role.THIRD_PARTY or draw(st.booleans())
    return Signatory(
        id=SignatoryId(draw(ids())),
        name=person.name,
        email=person.email,
        mobile=person.mobile,
        level=draw(st.sampled_from(SignatureLevel)),
        role=role,
        account=person.id if known else None,
        language=person.language,
    )


@st.composite
def collectes(
    draw: DrawFn,
    *,
    people: SearchStrategy[Account] | None = None,
    levels: SearchStrategy[SignatureLevel] | None = None,
    now: datetime = NOW,
    open: bool = False,
) -> Collecte:
    """A collecte of one to four documents and signatories; with `open`, its deadline is still to come."""
    some = draw(st.lists(signatories(people=people), min_size=1, max_size=4, unique_by=lambda signatory: signatory.id))
    if levels is not None:
        some = [evolve(one, level=draw(levels)) for one in some]
    papers = draw(st.lists(documents(), min_size=1, max_size=4, unique_by=lambda document: document.id))
    some = [
        evolve(one, stamps=tuple(draw(st.lists(stamps(draw(st.sampled_from(papers)).id), max_size=1)))) for one in some
    ]
    coming = st.timedeltas(timedelta(seconds=1), timedelta(days=60)).map(lambda by: now + by)
    return Collecte(
        id=CollecteId(draw(ids())),
        title=draw(st.sampled_from(TITLES)),
        sender=draw(firms()),
        documents=tuple(papers),
        signatories=tuple(some),
        deadline=draw(coming if open else st.just(now) | coming | instants(around=now, within=timedelta(days=60))),
        order=draw(st.sampled_from(Order)),
        cabinet=draw(st.none() | ids().map(CabinetId)),
        tenant=TenantId(draw(tenants())),
    )
