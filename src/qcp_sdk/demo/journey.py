"""The people of the demonstration and what they do, step by step, told as it happens."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final, Protocol

from attrs import define, field, frozen

from qcp_sdk.ceremony.facts import DocumentsConsented
from qcp_sdk.ceremony.stages import CeremonyStage
from qcp_sdk.collectes import Collecte, Document, Order, Role, Signatory
from qcp_sdk.errors import CodeRefused, DocumentError, LevelRefused
from qcp_sdk.facts import CodeRequested
from qcp_sdk.host.saying import Code
from qcp_sdk.host.subscriptions import SubscriptionView
from qcp_sdk.levels import SignatureLevel
from qcp_sdk.local import LocalQcp
from qcp_sdk.otp import Purpose
from qcp_sdk.people import Account, Cabinet
from qcp_sdk.policy.decision import Decision
from qcp_sdk.subscription.facts import ConsentGiven, DetailsConfirmed, IdentityConfirmed, RequestAccepted
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.subscription.state import CONSENTS
from qcp_sdk.values import (
    AccountId,
    CabinetId,
    Cents,
    CollecteId,
    ContentHash,
    DocumentId,
    EmailAddress,
    Key,
    PersonName,
    PhoneNumber,
    SignatoryId,
)

CABINET: Final = Cabinet(id=CabinetId("freyssinet"), name="Cabinet Freyssinet & Associés")
CREDIT: Final = Cents(8_220)
"""The guide's example: 82.20 EUR."""
CONSENT_VERSION: Final = "2026-11"
PATIENCE: Final = 30.0
"""Seconds to wait for a simulated answer that takes three."""


def people(language: str) -> tuple[Account, Account]:
    """Give the two signatories."""
    return (
        Account(
            id=AccountId("jessica"),
            name=PersonName(given="Jessica", last="Poussart"),
            email=EmailAddress("jessica.poussart@cabinet.example"),
            mobile=PhoneNumber("+33 6 39 98 13 16"),
            language=language,
            cabinets=(CABINET,),
        ),
        Account(
            id=AccountId("irene"),
            name=PersonName(given="Irène", last="Faron"),
            email=EmailAddress("irene.faron@cabinet.example"),
            mobile=PhoneNumber("+33 6 39 98 77 20"),
            language=language,
            cabinets=(CABINET,),
        ),
    )


@frozen(kw_only=True)
class Teller:
    """Says what happens. `wait` shows that something takes time while `ready` is asked again and again."""

    say: Callable[..., None]
    wait: Callable[[str, Callable[[], bool]], None]
    head: Callable[..., None]


class Hands(Protocol):
    """What people do outside of the platform: on their telephones, and on providers' pages."""

    def capture(self, view: SubscriptionView) -> None:
        """Show a document and a face where the view sends the person."""

    def sms_code(self, account: Account, purpose: Purpose) -> Code:
        """Read the newest code on the telephone."""


@frozen
class LocalHands:
    """The folder's own simulation: nobody asks anything over a network."""

    qcp: LocalQcp

    def capture(self, view: SubscriptionView) -> None:
        """Let the simulated telephone capture."""
        session = next(one for one in reversed(self.qcp.identity.sessions()) if one.subscription == view.id)
        self.qcp.identity.capture(session.id)

    def sms_code(self, account: Account, purpose: Purpose) -> Code:
        """Read the mailbox."""
        return Code(self.qcp.mailbox.latest_code(to=account.mobile, purpose=purpose))


@define(kw_only=True)
class Journey:
    """One run: an installation, a teller, and what came of it."""

    qcp: LocalQcp
    tell: Teller
    language: str
    hands: Hands
    a: Account = field(init=False)
    b: Account = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.a, self.b = people(self.language)

    def prepare(self) -> None:
        """Two accounts with an LCP certificate each, one cabinet with credit."""
        for account in (self.a, self.b):
            self.qcp.accounts.put(account)
            self.qcp.centre.enrol(account)
        self.qcp.ledger.credit(key=Key("demo/credit"), cabinet=CABINET.id, amount=CREDIT, memo="prepaid credit")
        self.tell.say("people", a=self.a.name.full, b=self.b.name.full, balance=self.balance())

    def balance(self) -> str:
        """What the cabinet may spend."""
        return self.qcp.ledger.balance(cabinet=CABINET.id).text(self.language)

    def collecte(self, id: str, content: ContentHash, name: str) -> Collecte:
        """One document, two signatories in order, niveau 3."""
        return Collecte(
            id=CollecteId(id),
            title="Lettre de mission",
            sender=CABINET.name,
            documents=(Document(id=DocumentId("contract"), name=name, content=content, kind="engagement_letter"),),
            signatories=tuple(
                Signatory(
                    id=SignatoryId(account.id),
                    name=account.name,
                    email=account.email,
                    mobile=account.mobile,
                    level=SignatureLevel.NIVEAU_3,
                    role=Role.MEMBER,
                    account=account.id,
                    language=self.language,
                )
                for account in (self.a, self.b)
            ),
            deadline=self.qcp.clock.now() + timedelta(days=15),
            order=Order.SEQUENTIAL,
        )

    def refused(self, collecte: Collecte) -> Decision:
        """Ask for niveau 3 before anybody may: the refusal, with every reason."""
        try:
            return self.qcp.collectes.enforce(collecte)
        except LevelRefused as refusal:
            return refusal.decision

    def subscribe(self, account: Account, *, stumble: bool) -> SubscriptionView:
        """Features A3 to D5, for one person. With `stumble`, a wrong code is typed first."""
        qcp, tell = self.qcp, self.tell
        tell.head("subscribing", name=account.name.full)
        view = qcp.subscriptions.open(account=account.id, cabinet=CABINET.id)
        price = view.show.price.text(self.language)
        tell.say("opened", price=price, cabinet=CABINET.name)
        view = view.say(CodeRequested())
        if stumble:
            try:
                view.say(Code("AAAAAA"))
            except CodeRefused as refused:
                tell.say("wrong_code", left=refused.tries_left)
        view = view.say(Code(qcp.mailbox.latest_code(to=account.email, purpose=Purpose.OPEN)))
        tell.say("email_code", to=account.email.masked)
        tell.say("held", price=price, balance=self.balance())
        view = view.say(DetailsConfirmed())
        for text in CONSENTS:
            view = view.say(ConsentGiven(text=text, version=CONSENT_VERSION, hash=consent_hash(text)))
        tell.say("details")
        self.hands.capture(view)
        tell.say("capture")
        tell.wait("verdict_wait", lambda: qcp.subscriptions.refresh(view.id).stage is Stage.CONFIRMING_IDENTITY)
        view = qcp.subscriptions.get(view.id).say(IdentityConfirmed())
        tell.say("approved")
        assert view.show.request is not None
        view = view.say(RequestAccepted(hash=view.show.request))
        tell.say("request", hash=view.show.request[7:19] if view.show.request else "")
        view = view.say(CodeRequested())
        view = view.say(self.hands.sms_code(account, Purpose.REQUEST))
        tell.say("sms_code", to=account.mobile.masked)
        tell.wait("issue_wait", lambda: qcp.subscriptions.refresh(view.id).stage is Stage.ACTIVE)
        view = qcp.subscriptions.get(view.id)
        certificate = view.show.certificate
        assert certificate is not None
        tell.say("issued", issuer=certificate.issuer, until=certificate.not_after.date().isoformat(), price=price)
        return view

    def sign(self, collecte: Collecte) -> ContentHash:
        """Features E2 to E4: both sign in turn; gives the signed document.

        Raises:
            DocumentError: It cannot be signed: encrypted, or closed to signatures.
        """
        qcp, tell = self.qcp, self.tell
        qcp.collectes.start(collecte)
        consent = DocumentsConsented(documents=tuple((one.id, one.content) for one in collecte.documents))
        signed: ContentHash | None = None
        for place, account in enumerate((self.a, self.b)):
            tell.head("signing", name=account.name.full)
            view = qcp.collectes.ceremonies(collecte.id)[place].say(consent).say(CodeRequested())
            if view.stage is CeremonyStage.FAILED:
                raise DocumentError(
                    f"it cannot be signed ({view.show.reason})",
                    where=collecte.documents[0].name,
                    mend="give another PDF",
                )
            code = self.hands.sms_code(account, Purpose.SIGN)
            tell.say("consented", to=account.mobile.masked)
            done = view.say(code)
            signed = done.show.documents[0].signed
            tell.say("signed" if place == 0 else "copies")
        assert signed is not None
        return signed


def consent_hash(text: str) -> ContentHash:
    """Name the exact text that was shown. The demonstration's texts are one line each."""
    shown = f"{text} ({CONSENT_VERSION})".encode()
    return ContentHash(f"sha256:{hashlib.sha256(shown).hexdigest()}")


def patiently(ready: Callable[[], bool], tick: Callable[[], None]) -> None:
    """Ask again and again until it is so.

    Raises:
        TimeoutError: It never was.
    """
    start = time.monotonic()
    while not ready():
        if time.monotonic() - start > PATIENCE:
            raise TimeoutError("a simulated answer did not come")
        tick()
        time.sleep(0.2)


def read_document(path: Path | None, qcp: LocalQcp) -> tuple[bytes, str]:
    """Give the contract to be signed: the caller's PDF, or an engagement letter made for the occasion."""
    if path is not None:
        return path.read_bytes(), path.name
    from qcp_sdk.demo_documents import demo_contract

    return demo_contract(at=qcp.clock.now()), "lettre-de-mission.pdf"
