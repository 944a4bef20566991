"""Subscriptions and ceremonies that were really lived through: nobody builds a state here, the engine does.

A history is a `Scene` in which a person, the providers and time did something: mostly what is right, and now and then
a wrong code, a change of mind, a long wait, a provider that refuses or fails. Whatever it came to is a state that the
product can come to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Final

from attrs import frozen
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from qcp_sdk.adapters.memory import authority, identity, registration
from qcp_sdk.ceremony.facts import CeremonyWaits
from qcp_sdk.ceremony.state import Ceremony
from qcp_sdk.collectes import Order
from qcp_sdk.errors import PortError, Refusal
from qcp_sdk.facts import Cancelled, CodeRequested, Fact
from qcp_sdk.host.collectes import CeremonyView
from qcp_sdk.host.saying import Code
from qcp_sdk.host.subscriptions import SubscriptionView
from qcp_sdk.identity import Proofing
from qcp_sdk.offers import Offer
from qcp_sdk.otp import Purpose
from qcp_sdk.people import Account
from qcp_sdk.subscription import facts as sf
from qcp_sdk.subscription.opening import PURPOSES
from qcp_sdk.subscription.stages import Plan, Stage
from qcp_sdk.subscription.state import Subscription
from qcp_sdk.testing.scene import Scene
from qcp_sdk.testing.strategies.names import person_names
from qcp_sdk.testing.strategies.records import facts
from qcp_sdk.values import CollecteId, SignatoryId

WAITS: Final = tuple(
    timedelta(days=days, seconds=seconds)
    for days, seconds in ((0, 1), (0, 30), (0, 180), (0, 3_600), (1, 0), (8, 0), (31, 0), (1_800, 0), (2_000, 0))
)
"""Around the product's own waits: a code, a day, an identity session, a month, a certificate's life."""


@frozen(kw_only=True)
class History:
    """A scene, and the subscription or ceremony in it that this is about."""

    scene: Scene
    id: str

    @property
    def state(self) -> Subscription | Ceremony:
        """What it came to."""
        state: Subscription | Ceremony = self.scene.qcp.engine.streams.load(self.id).state
        return state

    @property
    def facts(self) -> tuple[Fact, ...]:
        """What happened, in order."""
        return tuple(one.fact for one in self.scene.qcp.records.history(self.id))


# --- subscriptions ------------------------------------------------------------------------------------------------


def _go_on(_draw: DrawFn, scene: Scene, view: SubscriptionView) -> None:
    if scene.can_step(view):
        scene.step(view)


def _say(draw: DrawFn, _scene: Scene, view: SubscriptionView) -> None:
    sayable = [kind for kind in view.can if kind is not Cancelled]
    if sayable:
        view.say(draw(facts(draw(st.sampled_from(sayable)))))


def _cancel(_draw: DrawFn, _scene: Scene, view: SubscriptionView) -> None:
    view.say(Cancelled())


def _ask_code(_draw: DrawFn, _scene: Scene, view: SubscriptionView) -> None:
    view.say(CodeRequested())


def _type_wrongly(draw: DrawFn, scene: Scene, view: SubscriptionView) -> None:
    purpose = PURPOSES.get(view.stage)
    if purpose is not None and scene.qcp.engine.streams.load(view.id).state.codes.challenge is not None:
        wrong = scene.wrong_code(scene.account_of(view), purpose)
        for _ in range(draw(st.integers(1, 5))):
            _unless_refused(lambda: view.say(wrong))


def _report(draw: DrawFn, scene: Scene, view: SubscriptionView) -> None:
    scene.qcp.subscriptions.report(view.id, draw(facts(draw(st.sampled_from(_REPORTS)))))


_REPORTS: Final = (
    sf.AccountChanged, sf.LcpRevoked, sf.FraudReported, sf.RevocationOrdered, sf.EndReported, sf.SettledByOperator,
)  # fmt: skip


def _revoke(_draw: DrawFn, scene: Scene, view: SubscriptionView) -> None:
    """The holder has the certificate revoked, after the code for that."""
    if view.stage is Stage.ACTIVE:
        view = view.say(CodeRequested())
        view = view.say(scene.code(scene.account_of(view), Purpose.REVOKE))
        view.say(sf.RevocationRequested(reason="cessation_of_operation"))


def _wait(draw: DrawFn, scene: Scene, _view: SubscriptionView | CeremonyView) -> None:
    scene.wait(draw(st.sampled_from(WAITS[:-2])))


def _wait_for_years(draw: DrawFn, scene: Scene, view: SubscriptionView) -> None:
    if view.stage in (Stage.ACTIVE, Stage.REVOKING):
        scene.wait(draw(st.sampled_from(WAITS[-2:])))


def _ask_again(_draw: DrawFn, scene: Scene, view: SubscriptionView) -> None:
    scene.qcp.subscriptions.refresh(view.id)


_MOVES: Final[Mapping[str, Callable[[DrawFn, Scene, SubscriptionView], None]]] = {
    "go on": _go_on, "say": _say, "ask for a code": _ask_code, "type wrongly": _type_wrongly, "wait": _wait,
    "report": _report, "ask again": _ask_again, "revoke": _revoke, "wait for years": _wait_for_years, "cancel": _cancel,
}  # fmt: skip


_OFTEN: Final = ("go on",) * 6 + ("say", "ask for a code") * 2 + tuple(_MOVES)
"""How often each is drawn: what ends a history at once would otherwise end most of them early."""


def _unless_refused(act: Callable[[], object]) -> None:
    """Do it; what is refused leaves nothing behind, and what a port cannot do the person tries again."""
    try:
        act()
    except (Refusal, PortError):
        return


def _scripts(draw: DrawFn, scene: Scene) -> None:
    """Decide what the providers will say and do in this world."""
    name = draw(st.none() | person_names())
    verdict = draw(
        st.sampled_from(
            (
                *(identity.approve(),) * 12,
                *(identity.data_changed(name) if name else identity.approve(proofing=Proofing.NONE),),
                *(identity.retry(), identity.refuse(), identity.fraud(), identity.abandon(), identity.silence()),
            )
        )
    )
    scene.world.identity.script(None, verdict)
    decision = draw(
        st.sampled_from(
            (
                *(authority.issue(),) * 6,
                authority.issue(after=timedelta(days=2)),
                authority.issue_wrongly(name=name),
                *(authority.refuse(), authority.silence()),
            )
        )
    )
    scene.world.authority.script(None, decision)
    hosted = (
        registration.issue(),
        registration.issue(),
        registration.attest(),
        registration.refuse(),
        registration.expire(),
    )
    scene.world.registration.script(None, draw(st.sampled_from(hosted)))


_PORTS: Final = ("ledger", "codes", "notices", "documents", "identity", "authority", "registration")


def _trouble(draw: DrawFn, scene: Scene, ports: tuple[str, ...] = _PORTS) -> None:
    """Let the next calls of some port fail, before or after they have done what they were asked; or every call."""
    for times in draw(st.sampled_from(((), (), (1,), (1, 2), (10_000,)))):
        method = draw(st.sampled_from((scene.world.faults.unavailable, scene.world.faults.unconfirmed)))
        method(draw(st.sampled_from(ports)), times=times)


@st.composite
def subscription_histories(
    draw: DrawFn, *, plans: SearchStrategy[Plan] | None = None, most: int = 6, trouble: bool = True
) -> History:
    """A subscription that went through up to `most` moves after a run of right ones.

    Without `trouble` every provider answers, and says yes.
    """
    plan = draw(plans if plans is not None else st.sampled_from(Plan))
    scene = Scene(offer=Offer(plan=plan))
    if trouble:
        _scripts(draw, scene)
    view = scene.open(scene.jessica)
    if trouble:
        _trouble(draw, scene)
    for _ in range(draw(st.sampled_from((12, *range(12))))):  # simplest first: a certificate
        _unless_refused(partial(_go_on, draw, scene, scene.qcp.subscriptions.get(view.id)))
    for move in draw(st.lists(st.sampled_from(_OFTEN), max_size=most)):
        _unless_refused(partial(_MOVES[move], draw, scene, scene.qcp.subscriptions.get(view.id)))
    return History(scene=scene, id=view.id)


def subscriptions(*, plans: SearchStrategy[Plan] | None = None) -> SearchStrategy[Subscription]:
    """What a subscription can come to be, of either plan, at any stage."""
    return subscription_histories(plans=plans).map(_subscription)


def _subscription(history: History) -> Subscription:
    assert isinstance(history.state, Subscription)
    return history.state


def subscription_views() -> SearchStrategy[SubscriptionView]:
    """A subscription as its host sees it; it can be spoken to, in a world of its own."""
    return subscription_histories().map(lambda history: history.scene.qcp.subscriptions.get(_subscription(history).id))


# --- ceremonies -----------------------------------------------------------------------------------------------------


def _consent(_draw: DrawFn, scene: Scene, view: CeremonyView) -> None:
    scene.consent(view)


def _ask_signing_code(_draw: DrawFn, scene: Scene, view: CeremonyView) -> None:
    scene.ask_code(view)


def _type(draw: DrawFn, scene: Scene, view: CeremonyView) -> None:
    person = _person_of(scene, view)
    if scene.qcp.engine.streams.load(view.id).state.challenge is not None:
        right = draw(st.sampled_from((True, True, False)))
        code: Code = (scene.code if right else scene.wrong_code)(person, Purpose.SIGN)
        view.say(code)


def _say_signing(draw: DrawFn, _scene: Scene, view: CeremonyView) -> None:
    if view.can:
        view.say(draw(facts(draw(st.sampled_from(view.can)))))


def _sign(_draw: DrawFn, scene: Scene, view: CeremonyView) -> None:
    scene.sign(view, _person_of(scene, view))


def _end(draw: DrawFn, scene: Scene, _view: CeremonyView) -> None:
    scene.qcp.collectes.end(_COLLECTE, cause=draw(st.sampled_from(("cancelled", "expired"))))


_COLLECTE: Final = CollecteId("collecte")
_SIGNING_MOVES: Final[Mapping[str, Callable[[DrawFn, Scene, CeremonyView], None]]] = {
    "sign": _sign, "consent": _consent, "ask for a code": _ask_signing_code, "type": _type, "say": _say_signing,
    "wait": _wait, "end": _end,
}  # fmt: skip


def _person_of(scene: Scene, view: CeremonyView) -> Account:
    return scene.jessica if view.signatory == SignatoryId(scene.jessica.id) else scene.irene


@st.composite
def ceremony_histories(draw: DrawFn, *, most: int = 8, trouble: bool = True) -> History:
    """A ceremony of one of up to two signatories, over up to two documents, after up to `most` moves of either."""
    scene = Scene()
    people = draw(st.sampled_from(((scene.jessica,), (scene.jessica, scene.irene))))
    for person in people:
        scene.world.authority.issue_to(person)
    names = draw(st.sampled_from((("letter.pdf",), ("letter.pdf", "accounts.pdf"))))
    collecte = scene.collecte(
        *people,
        id=_COLLECTE,
        order=draw(st.sampled_from(Order)),
        documents={name: f"%PDF-1.7 {name}".encode() for name in names},
        deadline=draw(st.sampled_from((timedelta(days=15), timedelta(hours=1)))),
    )
    if trouble:
        _trouble(draw, scene, ("signer", "envelope", "documents", "notices", "codes", "authority"))
    try:
        views = scene.start(collecte, waits=CeremonyWaits())
    except PortError:  # nobody was invited: the host starts it again
        scene.world.faults.clear()
        views = scene.start(collecte, waits=CeremonyWaits())
    for move in draw(st.lists(st.sampled_from(tuple(_SIGNING_MOVES)), max_size=most)):
        now = scene.qcp.collectes.ceremony(draw(st.sampled_from(views)).id)
        _unless_refused(partial(_SIGNING_MOVES[move], draw, scene, now))
    return History(scene=scene, id=draw(st.sampled_from(views)).id)


def ceremonies() -> SearchStrategy[Ceremony]:
    """What a ceremony can come to be, at any stage."""
    return ceremony_histories().map(_ceremony)


def _ceremony(history: History) -> Ceremony:
    assert isinstance(history.state, Ceremony)
    return history.state


def ceremony_views() -> SearchStrategy[CeremonyView]:
    """A ceremony as its host sees it; it can be spoken to, in a world of its own."""
    return ceremony_histories().map(lambda history: history.scene.qcp.collectes.ceremony(_ceremony(history).id))
