"""A platform in memory and the people on it: brings a subscription or a collecte to where a test begins.

::

    scene = Scene()
    view = scene.subscribe(scene.jessica, until=Stage.SIGNING_REQUEST)
    with pytest.raises(CodeRefused):
        view.say(Code("0000000"))

Time stands still until `wait` lets it pass; what falls due meanwhile is done at its own instant, as a worker would.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

from qcp_sdk import journal
from qcp_sdk.adapters.memory.world import MemoryWorld
from qcp_sdk.adapters.shared.books import Movement
from qcp_sdk.ceremony.facts import CeremonyWaits, DocumentsConsented
from qcp_sdk.collectes import Collecte, Document, Order, Role, Signatory
from qcp_sdk.effects import Alert
from qcp_sdk.engine.core import perform_now
from qcp_sdk.engine.streams import MACHINES
from qcp_sdk.facts import CodeRequested
from qcp_sdk.host.collectes import CeremonyView
from qcp_sdk.host.saying import Code
from qcp_sdk.host.subscriptions import SubscriptionView
from qcp_sdk.levels import CertificateLevel, SignatureLevel
from qcp_sdk.notices import Notice
from qcp_sdk.offers import Offer, Offers
from qcp_sdk.otp import Purpose
from qcp_sdk.people import Account, Cabinet
from qcp_sdk.policy.load import default_policy
from qcp_sdk.policy.shapes import Issuer, Policy
from qcp_sdk.ports.carriers import Carrier
from qcp_sdk.sdk import Qcp
from qcp_sdk.subscription.facts import ConsentGiven, DetailsConfirmed, IdentityConfirmed, RequestAccepted
from qcp_sdk.subscription.stages import Stage
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
    SessionId,
    SignatoryId,
    TenantId,
)

CABINET: Final = Cabinet(id=CabinetId("cabinet"), name="Cabinet Freyssinet")
CREDIT: Final = Cents(8_220)
"""What the cabinet begins with (the guide's example: 82,20 €)."""
PATIENCE: Final = timedelta(hours=2)
"""How long a step of `advance` waits for an answer before it gives up."""


def _person(id: str, given: str, last: str, mobile: str) -> Account:
    return Account(
        id=AccountId(id),
        name=PersonName(given=given, last=last),
        email=EmailAddress(f"{id}@cabinet.example"),
        mobile=PhoneNumber(mobile),
        cabinets=(CABINET,),
    )


def trusting(world: MemoryWorld) -> Policy:
    """Give the default policy, trusting both authorities of a world for what each is there for."""
    issuers = ((world.authority, CertificateLevel.QCP_N), (world.lcp_authority, CertificateLevel.LCP))
    return default_policy().trusting(
        *(Issuer(name=one.issuer, dn=f"CN={one.issuer},O=MEMORY", levels=frozenset({level})) for one, level in issuers)
    )


class Scene:
    """A `Qcp` over a `MemoryWorld`, a cabinet with credit, and two accountants who hold an LCP certificate each.

    `alerts` collects what operators are told. Give a `world` to write its script of failures first.
    """

    def __init__(
        self,
        *,
        world: MemoryWorld | None = None,
        offer: Offer | Offers | None = None,
        after_commit: Callable[[Callable[[], None]], None] = perform_now,
        on_alert: Callable[[Alert], None] | None = None,
    ) -> None:
        self.jessica = _person("jessica", "Jessica", "Poussart", "+33639981316")
        self.irene = _person("irene", "Irène", "Faron", "+33639987720")
        self.world = world if world is not None else MemoryWorld()
        self.alerts: list[Alert] = []
        for account in (self.jessica, self.irene):
            self.world.accounts.put(account)
            self.world.lcp_authority.issue_to(account)
        self.world.books.credit(key=Key("scene/credit"), cabinet=CABINET.id, amount=CREDIT, memo="prepaid credit")
        self.qcp = self.installation(offer=offer, after_commit=after_commit, on_alert=on_alert)

    def installation(
        self,
        *,
        offer: Offer | Offers | None = None,
        after_commit: Callable[[Callable[[], None]], None] = perform_now,
        on_alert: Callable[[Alert], None] | None = None,
        carrier: Carrier | None = None,
    ) -> Qcp:
        """Give another process of the same installation: the same store and collaborators, nothing in memory."""
        w = self.world
        return Qcp(
            store=w.store, clock=w.clock, ids=w.ids, keys=w.keys, accounts=w.accounts, ledger=w.ledger,
            codes=w.codes, notices=w.notices, documents=w.documents, authority=w.authority, lcp=w.lcp_authority,
            policy=trusting(w), identity=w.identity, registration=w.registration, signer=w.signer,
            envelope=w.envelope, pages=w.pages, offer=offer, after_commit=after_commit,
            on_alert=on_alert or self.alerts.append, carrier=carrier,
        )  # fmt: skip

    # --- time and what people see ---------------------------------------------------------------------------

    def wait(self, by: timedelta) -> None:
        """Let time pass; whatever falls due is done at its instant."""
        end = self.world.clock.now() + by
        while (due := self.world.store.next_due()) is not None and due <= end:
            if due > self.world.clock.now():
                self.world.clock.advance_to(due)
            self.qcp.run_due()
        self.world.clock.advance_to(end)

    def balance(self) -> Cents:
        """What the cabinet may spend now."""
        return self.world.books.balance(cabinet=CABINET.id)

    def taken(self) -> Cents:
        """What was taken from the cabinet for good; the books are proven on the way."""
        proof = self.world.books.check()
        assert proof.balanced, proof.faults
        lines = self.world.books.statement(cabinet=CABINET.id)
        return Cents(sum(int(line.amount) for line in lines if line.movement is Movement.CAPTURE))

    def notices(self, person: Account) -> tuple[type[Notice], ...]:
        """Which messages this person received, oldest first."""
        return tuple(type(notice) for notice in self.world.notices.to(person.email))

    def code(self, person: Account, purpose: Purpose) -> Code:
        """The newest code that this person received for this purpose."""
        to = person.email if purpose is Purpose.OPEN else person.mobile
        return Code(self.world.codes.latest(to, purpose=purpose))

    def wrong_code(self, person: Account, purpose: Purpose) -> Code:
        """A code of the right form that is not the newest one."""
        right = self.code(person, purpose).text.reveal()
        return Code(right[:-1] + ("3" if right[-1] == "2" else "2"))

    def prove(self, id: str) -> None:
        """Check what is kept of a subscription or ceremony: its journal's chain, and that it folds to the state.

        Raises:
            AssertionError: The fold is not the stored state (invariant 7).
            JournalError: The chain does not verify.
        """
        stream = self.qcp.engine.streams.load(id)
        entries, head = self.qcp.records.journal(id)
        journal.verify(entries, head=head)
        folded = None
        for one in self.qcp.records.history(id):
            folded, _ = MACHINES[stream.kind].step(folded, one.fact, one.at)
        assert folded == stream.state, f"{id}: the journal does not fold to the stored state"
        assert stream.version == len(entries) == stream.state.sequence, f"{id}: facts are not counted alike"

    # --- the subscription -----------------------------------------------------------------------------------

    def open(self, person: Account, *, tenant: TenantId = TenantId("")) -> SubscriptionView:
        """Open a subscription that the cabinet pays."""
        return self.qcp.subscriptions.open(account=person.id, cabinet=CABINET.id, tenant=tenant)

    def subscribe(self, person: Account, *, until: Stage = Stage.ACTIVE) -> SubscriptionView:
        """Open a subscription, and do everything right up to that stage."""
        return self.advance(self.open(person), until)

    def advance(self, view: SubscriptionView, until: Stage) -> SubscriptionView:
        """Do everything right, step by step, up to that stage.

        Raises:
            AssertionError: It ended, or stands still, before it came there.
        """
        view = self.qcp.subscriptions.get(view.id)
        while view.stage is not until:
            assert self.can_step(view), f"it is {view.stage} ({view.show.ending}), and never came to {until}"
            before = view
            view = self.step(view)
            assert view.stage is not before.stage, f"it stands still at {view.stage}"
        return view

    def can_step(self, view: SubscriptionView) -> bool:
        """Say whether somebody or something has to act for this stage to end."""
        return view.stage in _STEPS

    def step(self, view: SubscriptionView) -> SubscriptionView:
        """Do what is right at this stage, once: what the person would, or wait for whoever is asked."""
        return _STEPS[view.stage](self, view)

    def identity_session(self, view: SubscriptionView) -> SessionId:
        """The newest identity session of this subscription."""
        return next(one.id for one in reversed(self.world.identity.sessions()) if one.subscription == view.id)

    def registration_session(self, view: SubscriptionView) -> SessionId:
        """The newest registration of this subscription (hosted plan)."""
        return next(one.id for one in reversed(self.world.registration.sessions()) if one.subscription == view.id)

    def account_of(self, view: SubscriptionView) -> Account:
        """Whose subscription it is."""
        account: Account = self.qcp.engine.streams.load(view.id).state.account
        return account

    def answered(self, view: SubscriptionView) -> SubscriptionView:
        """Wait until whoever is asked has answered."""
        stage, end = view.stage, self.world.clock.now() + PATIENCE
        while view.stage is stage and self.world.clock.now() < end:
            self.wait(timedelta(seconds=30))
            view = self.qcp.subscriptions.get(view.id)
        return view

    # --- the collecte ---------------------------------------------------------------------------------------

    def collecte(
        self,
        *people: Account,
        id: str = "collecte",
        order: Order = Order.SEQUENTIAL,
        documents: Mapping[str, bytes] | None = None,
        deadline: timedelta = timedelta(days=15),
        level: SignatureLevel = SignatureLevel.NIVEAU_3,
        tenant: TenantId = TenantId(""),
    ) -> Collecte:
        """Give a collecte of these people, over one letter if no documents are named."""
        contents = documents if documents is not None else {"letter.pdf": b"%PDF-1.7 a letter"}
        return Collecte(
            id=CollecteId(id),
            title="Lettre de mission",
            sender=CABINET.name,
            documents=tuple(
                Document(id=DocumentId(f"doc-{place}"), name=name, content=self.qcp.collectes.keep(content))
                for place, (name, content) in enumerate(contents.items())
            ),
            signatories=tuple(
                Signatory(
                    id=SignatoryId(one.id), name=one.name, email=one.email, mobile=one.mobile, level=level,
                    role=Role.MEMBER, account=one.id,
                )
                for one in people
            ),
            deadline=self.world.clock.now() + deadline,
            order=order,
            tenant=tenant,
        )  # fmt: skip

    def start(self, collecte: Collecte, *, waits: CeremonyWaits | None = None) -> tuple[CeremonyView, ...]:
        """Start a collecte and give its ceremonies."""
        return self.qcp.collectes.start(collecte, waits=waits or CeremonyWaits())

    def consent(self, view: CeremonyView) -> CeremonyView:
        """Agree to sign every document, as it is shown."""
        return view.say(DocumentsConsented(documents=tuple((one.id, one.validated) for one in view.show.documents)))

    def ask_code(self, view: CeremonyView) -> CeremonyView:
        """Agree, where that is still to be done, and ask for the code."""
        current = self.qcp.collectes.ceremony(view.id)
        return (self.consent(current) if DocumentsConsented in current.can else current).say(CodeRequested())

    def sign(self, view: CeremonyView, person: Account) -> CeremonyView:
        """Agree, ask for the code, and type it."""
        return self.ask_code(view).say(self.code(person, Purpose.SIGN))


def hash_of(text: str) -> ContentHash:
    """Give a hash for a text that a test does not write out."""
    return ContentHash(f"sha256:{hashlib.sha256(text.encode()).hexdigest()}")


def _enter_code(purpose: Purpose) -> Callable[[Scene, SubscriptionView], SubscriptionView]:
    def step(scene: Scene, view: SubscriptionView) -> SubscriptionView:
        person = scene.account_of(view)
        if view.show.code is None or view.show.code.not_after is None:
            view = view.say(CodeRequested())
        return view.say(scene.code(person, purpose))

    return step


def _consent(_scene: Scene, view: SubscriptionView) -> SubscriptionView:
    for text in view.show.consents_needed:
        view = view.say(ConsentGiven(text=text, version="1", hash=hash_of(text)))
    return view


def _prove(scene: Scene, view: SubscriptionView) -> SubscriptionView:
    scene.world.identity.capture(scene.identity_session(view))
    return scene.answered(view)


def _register(scene: Scene, view: SubscriptionView) -> SubscriptionView:
    scene.world.registration.complete(scene.registration_session(view))
    return scene.answered(view)


def _accept(_scene: Scene, view: SubscriptionView) -> SubscriptionView:
    assert view.show.request is not None
    return view.say(RequestAccepted(hash=view.show.request))


_STEPS: Final[Mapping[Stage, Callable[[Scene, SubscriptionView], SubscriptionView]]] = {
    Stage.VERIFYING_EMAIL: _enter_code(Purpose.OPEN),
    Stage.HOLDING_FUNDS: Scene.answered,
    Stage.CONFIRMING_DETAILS: lambda _scene, view: view.say(DetailsConfirmed()),
    Stage.CONSENTING: _consent,
    Stage.OPENING_IDENTITY: Scene.answered,
    Stage.OPENING_REGISTRATION: Scene.answered,
    Stage.PROVING_IDENTITY: _prove,
    Stage.REGISTERING: _register,
    Stage.CONFIRMING_IDENTITY: lambda _scene, view: view.say(IdentityConfirmed()),
    Stage.PREPARING_REQUEST: Scene.answered,
    Stage.READING_REQUEST: _accept,
    Stage.SIGNING_REQUEST: _enter_code(Purpose.REQUEST),
    Stage.SEALING_REQUEST: Scene.answered,
    Stage.AWAITING_CERTIFICATE: Scene.answered,
    Stage.REVOKING: Scene.answered,
}
"""What a person does at each stage to go on; later stages are left as they are."""
