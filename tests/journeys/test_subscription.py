"""The subscription from the host's side, both plans, every branch of the guide: stage, money and messages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from attrs import evolve

from qcp_sdk import notices
from qcp_sdk.adapters.memory import authority as ca
from qcp_sdk.adapters.memory import identity as idv
from qcp_sdk.adapters.memory import registration as rp
from qcp_sdk.errors import CodeRefused, FactRefused, SubscriptionRefused
from qcp_sdk.facts import Cancelled, CodeRequested, Fact, Origin
from qcp_sdk.host.saying import Code
from qcp_sdk.host.subscriptions import SubscriptionView
from qcp_sdk.identity import Proofing
from qcp_sdk.levels import CertificateLevel, SignatureLevel
from qcp_sdk.offers import Offer
from qcp_sdk.otp import Purpose
from qcp_sdk.subscription import facts as sf
from qcp_sdk.subscription.facts import Waits
from qcp_sdk.subscription.stages import Plan, Stage
from qcp_sdk.subscription.state import CONSENTS
from qcp_sdk.testing.scene import CABINET, CREDIT, Scene, hash_of
from qcp_sdk.values import CabinetId, Cents, EmailAddress, Fingerprint, Key, PersonName, PhoneNumber

PRICE = Cents(2_000)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def now(scene: Scene, view: SubscriptionView) -> SubscriptionView:
    return scene.qcp.subscriptions.get(view.id)


def at(stage: Stage, *, plan: Plan = Plan.ASSEMBLED, offer: Offer | None = None) -> tuple[Scene, SubscriptionView]:
    """Give a subscription of Jessica's that has come to this stage."""
    scene = Scene(offer=offer or Offer(plan=plan))
    return scene, scene.subscribe(scene.jessica, until=stage)


def reason(refused: pytest.ExceptionInfo[FactRefused]) -> str:
    return refused.value.reason


# --- to the certificate -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plan", "stages"),
    [
        (
            Plan.ASSEMBLED,
            "verifying_email confirming_details consenting proving_identity confirming_identity reading_request "
            "signing_request awaiting_certificate active",
        ),
        (Plan.HOSTED, "verifying_email confirming_details consenting registering active"),
    ],
)
def test_the_whole_journey(plan: Plan, stages: str) -> None:
    scene = Scene(offer=Offer(plan=plan))
    scene.world.authority.script(None, ca.issue(after=10 * MINUTE))
    view = scene.open(scene.jessica)
    for stage in stages.split():
        view = scene.advance(view, Stage(stage))
        if stage in ("confirming_details", "awaiting_certificate"):
            assert scene.balance() == CREDIT - PRICE, "set aside"
            assert scene.taken() == 0, "and not taken"
        scene.prove(view.id)

    assert scene.taken() == PRICE
    assert scene.balance() == CREDIT - PRICE
    assert view.show.money == "captured"
    certificate = view.show.certificate
    assert certificate is not None
    assert (certificate.level, certificate.state, certificate.holder) == ("QCP_N", "usable", "Jessica Poussart")
    issued = scene.world.notices.to(scene.jessica.email)[-1]
    assert isinstance(issued, notices.CertificateIssued)
    assert (issued.holder, issued.not_after) == ("Jessica Poussart", certificate.not_after)
    assert issued.price == PRICE
    page = scene.qcp.subscriptions.page(account=scene.jessica.id)
    assert page.qcp is not None
    assert evolve(page.qcp, allows=None) == certificate
    assert page.qcp.allows is SignatureLevel.NIVEAU_3, "which the page says besides"
    assert page.in_progress is None
    assert scene.alerts == []


def test_what_each_page_may_show() -> None:
    scene, view = at(Stage.VERIFYING_EMAIL)
    assert (view.show.step, view.show.steps) == (1, 8)
    assert view.show.email == "j…@cabinet.example"
    assert view.show.mobile == "*****1316"
    assert view.show.code is not None
    assert view.show.code.to == "j…@cabinet.example"
    assert view.can == (CodeRequested, *(fact for fact in view.can if fact is not CodeRequested))
    view = scene.advance(view, Stage.CONSENTING)
    assert view.show.consents_needed == CONSENTS
    view = view.say(sf.ConsentGiven(text=CONSENTS[1], version="1", hash=hash_of("text")))
    assert (view.stage, view.show.consents_needed) == (Stage.CONSENTING, CONSENTS[:1])
    view = scene.advance(view, Stage.PROVING_IDENTITY)
    assert view.show.identity is not None
    assert view.show.identity.url.startswith("https://")
    assert not view.show.identity.captured
    scene.world.identity.capture(scene.identity_session(view))
    scene.wait(MINUTE)
    view = now(scene, view)
    assert view.show.identity is not None
    assert view.show.identity.captured, "the computer's page moves on by itself (C4)"
    view = scene.answered(view)
    assert view.show.identity is not None
    assert (view.show.identity.given_names, view.show.identity.last_name) == ("Jessica", "Poussart")
    view = scene.advance(view, Stage.SIGNING_REQUEST)
    assert view.show.code is not None
    assert view.show.code.to == "*****1316"
    assert view.show.request is not None
    assert "Poussart" not in repr(view.show)
    assert view.show.identity is not None
    assert view.show.identity.url not in repr(view.show)


# --- opening (A3, A4) -------------------------------------------------------------------------------------------


def test_every_reason_why_it_cannot_be_opened_is_given_at_once() -> None:
    scene = Scene()
    changed = evolve(
        scene.jessica, mobile=PhoneNumber("+33639980000"), email=EmailAddress("new@cabinet.example"),
        name=PersonName(given="Jessica", last="Martin"),
    )  # fmt: skip
    scene.open(scene.jessica)
    scene.world.accounts.put(changed)
    scene.world.books.hold(key=Key("spent"), cabinet=CABINET.id, amount=Cents(7_000), memo="spent")
    with pytest.raises(SubscriptionRefused) as refused:
        scene.open(scene.jessica)
    reasons = refused.value.reasons
    assert {"balance_too_small", "already_open"} < set(reasons)
    assert sum(one.startswith("differs_from_lcp:") for one in reasons) == 3, reasons


def test_nobody_subscribes_without_an_lcp_certificate_in_force() -> None:
    scene = Scene()
    stranger = evolve(scene.jessica, id=type(scene.jessica.id)("stranger"))
    scene.world.accounts.put(stranger)
    with pytest.raises(SubscriptionRefused) as refused:
        scene.open(stranger)
    assert refused.value.reasons == ("no_lcp_certificate",)

    (lcp,) = scene.world.lcp_authority.held_by(scene.jessica.id)
    scene.world.lcp_authority.revoke(key=Key("r"), fingerprint=lcp.certificate.fingerprint, reason="key_compromise")
    with pytest.raises(SubscriptionRefused) as refused:
        scene.open(scene.jessica)
    assert refused.value.reasons == ("lcp_not_usable",)


def test_a_cabinet_pays_for_its_members_and_from_its_own_credit() -> None:
    scene = Scene()
    with pytest.raises(SubscriptionRefused) as refused:
        scene.qcp.subscriptions.open(account=scene.jessica.id, cabinet=CabinetId("another"))
    assert refused.value.reasons == ("not_a_member_of_the_cabinet",)

    poor = type(CABINET)(id=CabinetId("poor"), name="Cabinet sans crédit")
    scene.world.accounts.put(evolve(scene.jessica, cabinets=(CABINET, poor)))
    page = scene.qcp.subscriptions.page(account=scene.jessica.id)
    assert [(one.cabinet.id, one.balance, one.suffices) for one in page.cabinets] == [
        (CABINET.id, CREDIT, True),
        (poor.id, 0, False),  # it never paid anything in: that is said, and breaks no page
    ]
    with pytest.raises(SubscriptionRefused) as refused:
        scene.qcp.subscriptions.open(account=scene.jessica.id, cabinet=poor.id)
    assert refused.value.reasons == ("balance_too_small",)


def test_a_second_subscription_is_refused_while_one_is_open_or_a_certificate_is_in_force() -> None:
    scene, view = at(Stage.PROVING_IDENTITY)
    assert scene.qcp.subscriptions.page(account=scene.jessica.id).in_progress == view.id
    with pytest.raises(SubscriptionRefused) as refused:
        scene.open(scene.jessica)
    assert refused.value.reasons == ("already_open",)
    scene.advance(view, Stage.ACTIVE)
    with pytest.raises(SubscriptionRefused) as refused:
        scene.open(scene.jessica)
    assert refused.value.reasons == ("qualified_certificate_held",)
    assert scene.taken() == PRICE


# --- codes (B1, D2) ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "purpose", "after"),
    [
        (Stage.VERIFYING_EMAIL, Purpose.OPEN, Stage.CONFIRMING_DETAILS),
        (Stage.SIGNING_REQUEST, Purpose.REQUEST, Stage.ACTIVE),
    ],
    ids=["e-mail", "sms"],
)
def test_codes(stage: Stage, purpose: Purpose, after: Stage) -> None:
    scene, view = at(stage)
    with pytest.raises(CodeRefused) as none_sent:
        view.say(Code("R544XM"))
    assert reason(none_sent) == "none_sent"

    view = view.say(CodeRequested())
    first = scene.code(scene.jessica, purpose)
    assert len(first.text.reveal()) == {Purpose.OPEN: 6, Purpose.REQUEST: 7}[purpose]
    with pytest.raises(CodeRefused) as wrong:
        view.say(scene.wrong_code(scene.jessica, purpose))
    assert (reason(wrong), wrong.value.tries_left) == ("wrong", 4)
    shown = now(scene, view).show.code
    assert shown is not None
    assert shown.tries_left == 4

    with pytest.raises(CodeRefused) as soon:
        view.say(CodeRequested())
    assert reason(soon) == "too_soon"
    assert soon.value.until == scene.world.clock.now() + timedelta(seconds=30) == shown.next_request

    scene.wait(timedelta(minutes=3))
    with pytest.raises(CodeRefused) as expired:
        view.say(first)
    assert reason(expired) == "expired"

    view = view.say(CodeRequested())
    second = scene.code(scene.jessica, purpose)
    assert second.text != first.text
    with pytest.raises(CodeRefused) as older:
        view.say(first)
    assert reason(older) == "wrong", "only the newest code counts"
    view = view.say(second)
    assert scene.advance(view, after).stage is after
    with pytest.raises(FactRefused):
        view.say(second)
    assert scene.taken() == (PRICE if after is Stage.ACTIVE else 0)
    scene.prove(view.id)


def test_a_code_takes_five_wrong_entries_and_no_right_one_after() -> None:
    scene, view = at(Stage.VERIFYING_EMAIL)
    view = view.say(CodeRequested())
    for left in (4, 3, 2, 1, 0):
        with pytest.raises(CodeRefused) as wrong:
            view.say(scene.wrong_code(scene.jessica, Purpose.OPEN))
        assert wrong.value.tries_left == left
    with pytest.raises(CodeRefused) as spent:
        view.say(scene.code(scene.jessica, Purpose.OPEN))
    assert reason(spent) == "too_many_tries"
    scene.wait(MINUTE)
    assert view.say(CodeRequested()).say(scene.code(scene.jessica, Purpose.OPEN)).stage is Stage.CONFIRMING_DETAILS


def test_five_codes_an_hour_and_no_more() -> None:
    scene, view = at(Stage.VERIFYING_EMAIL)
    started = scene.world.clock.now()
    for _ in range(5):
        view = view.say(CodeRequested())
        scene.wait(MINUTE)
    with pytest.raises(CodeRefused) as many:
        view.say(CodeRequested())
    assert (reason(many), many.value.until) == ("too_many_codes", started + HOUR)
    scene.wait(HOUR)
    assert view.say(CodeRequested()).stage is Stage.VERIFYING_EMAIL
    assert len(scene.world.codes.outbox) == 6


def test_a_lock_waits_where_the_request_is_signed() -> None:
    scene, view = at(Stage.SIGNING_REQUEST)
    for _ in range(4):
        view = view.say(CodeRequested())
        for _ in range(5):
            with pytest.raises(CodeRefused):
                view.say(scene.wrong_code(scene.jessica, Purpose.REQUEST))
        scene.wait(20 * MINUTE)
    assert now(scene, view).stage is Stage.SIGNING_REQUEST
    with pytest.raises(CodeRefused) as locked:
        view.say(CodeRequested())
    assert reason(locked) == "locked"
    scene.wait(DAY)
    view = view.say(CodeRequested()).say(scene.code(scene.jessica, Purpose.REQUEST))
    assert scene.advance(view, Stage.ACTIVE).stage is Stage.ACTIVE
    scene.prove(view.id)


def test_a_code_for_one_purpose_is_worth_nothing_for_another() -> None:
    scene, view = at(Stage.ACTIVE)
    old = scene.code(scene.jessica, Purpose.REQUEST)
    view = view.say(CodeRequested())
    with pytest.raises(CodeRefused) as wrong:
        view.say(old)
    assert reason(wrong) == "wrong"


# --- ends that cost nothing -------------------------------------------------------------------------------------

Act = Callable[[Scene, SubscriptionView], object]


def say(fact: Fact) -> Act:
    return lambda _scene, view: view.say(fact)


def report(fact: Fact) -> Act:
    return lambda scene, view: scene.qcp.subscriptions.report(view.id, fact)


def wait(by: timedelta) -> Act:
    return lambda scene, _view: scene.wait(by)


def verdict(script: idv.IdentityScript, *, times: int = 1) -> Act:
    def act(scene: Scene, view: SubscriptionView) -> None:
        scene.world.identity.script(None, script)
        for _ in range(times):
            scene.world.identity.capture(scene.identity_session(view))
            scene.wait(5 * MINUTE)
            scene.qcp.subscriptions.refresh(view.id)

    return act


def on(port: Callable[[Scene], object], act: Act) -> Act:
    """Prepare a collaborator, then act."""

    def both(scene: Scene, view: SubscriptionView) -> None:
        port(scene)
        act(scene, view)

    return both


def right_code(scene: Scene, view: SubscriptionView) -> None:
    view.say(CodeRequested()).say(scene.code(scene.jessica, Purpose.REQUEST))


def consents(_scene: Scene, view: SubscriptionView) -> None:
    for text in CONSENTS:
        view = view.say(sf.ConsentGiven(text=text, version="1", hash=hash_of(text)))


def spend(scene: Scene) -> None:
    scene.world.books.hold(key=Key("spent"), cabinet=CABINET.id, amount=Cents(7_000), memo="spent elsewhere")


OTHER = PersonName(given="Camille", last="Martin")
ENDS: list[tuple[str, Stage, Act, str]] = [
    ("B1 cancelled", Stage.VERIFYING_EMAIL, say(Cancelled()), "cancelled"),
    ("B1 left alone", Stage.VERIFYING_EMAIL, wait(DAY), "deadline_passed"),
    ("B2 details wrong", Stage.CONFIRMING_DETAILS, say(sf.DetailsContested(fields=("mobile",))), "details_wrong"),
    ("B2 cancelled", Stage.CONFIRMING_DETAILS, say(Cancelled()), "cancelled"),
    ("B2 left alone", Stage.CONFIRMING_DETAILS, wait(DAY), "deadline_passed"),
    ("B3 cancelled", Stage.CONSENTING, say(Cancelled()), "cancelled"),
    ("B3 left alone", Stage.CONSENTING, wait(DAY), "deadline_passed"),
    (
        "C1 no session",
        Stage.CONSENTING,
        on(lambda scene: scene.world.identity.reject_openings("blocked"), consents),
        "identity_unavailable",
    ),
    ("C2 no document", Stage.PROVING_IDENTITY, say(sf.NoDocument()), "no_document"),
    ("C4 never captured", Stage.PROVING_IDENTITY, wait(7 * DAY), "deadline_passed"),
    ("C5 refused", Stage.PROVING_IDENTITY, verdict(idv.refuse()), "identity_refused"),
    ("C5 unreadable four times", Stage.PROVING_IDENTITY, verdict(idv.retry(), times=4), "too_many_retries"),
    ("C5 abandoned ten times", Stage.PROVING_IDENTITY, verdict(idv.abandon(), times=10), "too_many_retries"),
    ("C5 fraud", Stage.PROVING_IDENTITY, verdict(idv.fraud()), "fraud_suspected"),
    ("C5 somebody else", Stage.PROVING_IDENTITY, verdict(idv.data_changed(OTHER)), "identity_mismatch"),
    (
        "C5 proven too weakly",
        Stage.PROVING_IDENTITY,
        verdict(idv.approve(proofing=Proofing.NONE)),
        "proofing_too_low",
    ),
    ("C6 data wrong", Stage.CONFIRMING_IDENTITY, say(sf.IdentityContested(fields=("last",))), "identity_contested"),
    ("C6 left alone", Stage.CONFIRMING_IDENTITY, wait(30 * DAY), "deadline_passed"),
    ("C6 account changed", Stage.CONFIRMING_IDENTITY, report(sf.AccountChanged(fields=("email",))), "account_changed"),
    (
        "D1 not made",
        Stage.CONFIRMING_IDENTITY,
        on(lambda scene: scene.world.documents.refuse("cannot_compose"), say(sf.IdentityConfirmed())),
        "request_rejected",
    ),
    ("D1 cancelled", Stage.READING_REQUEST, say(Cancelled()), "cancelled"),
    ("D1 left alone", Stage.READING_REQUEST, wait(30 * DAY), "deadline_passed"),
    ("D2 left alone", Stage.SIGNING_REQUEST, wait(30 * DAY), "deadline_passed"),
    ("D2 cancelled", Stage.SIGNING_REQUEST, say(Cancelled()), "cancelled"),
    (
        "D3 not sealed",
        Stage.SIGNING_REQUEST,
        on(lambda scene: scene.world.documents.refuse("cannot_seal"), right_code),
        "seal_refused",
    ),
    (
        "D4 refused",
        Stage.SIGNING_REQUEST,
        on(lambda scene: scene.world.authority.script(None, ca.refuse()), right_code),
        "ca_refused",
    ),
]


def assert_cost_nothing(scene: Scene, view: SubscriptionView, ending: str) -> None:
    """Closed for this reason, the money back, said once, nothing left to do, and free to begin again."""
    scene.wait(HOUR)
    view = now(scene, view)
    assert (view.stage, view.show.ending) == (Stage.CLOSED, ending)
    assert scene.taken() == 0
    assert scene.balance() == CREDIT
    assert view.show.money in ("released", "none", "refused")
    told = [one for one in scene.world.notices.to(scene.jessica.email) if isinstance(one, notices.SubscriptionClosed)]
    assert [one.reason for one in told] == [ending]
    assert view.can == ()
    left = [row.kind for row in scene.world.store.outstanding(stream=view.id)]
    assert set(left) <= {"wake"}
    scene.prove(view.id)
    scene.wait(40 * DAY)
    assert now(scene, view).show == view.show, "nothing that comes late changes it"
    assert scene.world.store.outstanding(stream=view.id) == ()
    assert scene.world.store.parked() == ()
    assert scene.open(scene.jessica).id != view.id


@pytest.mark.parametrize(("stage", "act", "ending"), [end[1:] for end in ENDS], ids=[end[0] for end in ENDS])
def test_an_end_without_a_certificate_costs_nothing(stage: Stage, act: Act, ending: str) -> None:
    scene, view = at(stage)
    act(scene, view)
    assert_cost_nothing(scene, view, ending)


def test_credit_that_was_spent_meanwhile_ends_it() -> None:
    scene, view = at(Stage.VERIFYING_EMAIL)
    spend(scene)
    view = view.say(CodeRequested()).say(scene.code(scene.jessica, Purpose.OPEN))
    assert (view.stage, view.show.ending, view.show.money) == (Stage.CLOSED, "insufficient_funds", "refused")
    assert scene.taken() == 0
    scene.prove(view.id)


@pytest.mark.parametrize(
    "stage",
    [Stage.VERIFYING_EMAIL, Stage.CONFIRMING_DETAILS, Stage.CONSENTING, Stage.READING_REQUEST, Stage.SIGNING_REQUEST],
)
def test_what_is_said_at_or_after_the_deadline_comes_too_late(stage: Stage) -> None:
    """Even where no worker has noticed the deadline yet."""
    scene, view = at(stage)
    assert view.show.deadline is not None
    scene.world.clock.advance_to(view.show.deadline)
    facts: dict[Stage, Fact] = {
        Stage.VERIFYING_EMAIL: CodeRequested(),
        Stage.CONFIRMING_DETAILS: sf.DetailsConfirmed(),
        Stage.CONSENTING: sf.ConsentGiven(text=CONSENTS[0], version="1", hash=hash_of("text")),
        Stage.READING_REQUEST: sf.RequestAccepted(hash=view.show.request or hash_of("")),
        Stage.SIGNING_REQUEST: CodeRequested(),
    }
    with pytest.raises(FactRefused) as late:
        view.say(facts[stage])
    assert reason(late) == "too_late"
    assert_cost_nothing(scene, view, "deadline_passed")


def test_an_end_is_said_again_as_a_refusal() -> None:
    _, view = at(Stage.CONFIRMING_DETAILS)
    view.say(Cancelled())
    for fact in (Cancelled(), sf.DetailsConfirmed()):
        with pytest.raises(FactRefused):
            view.say(fact)


# --- identity (C) -----------------------------------------------------------------------------------------------


def test_an_unreadable_document_may_be_shown_again() -> None:
    scene, view = at(Stage.PROVING_IDENTITY)
    verdict(idv.retry("document_unreadable"))(scene, view)
    view = now(scene, view)
    assert view.stage is Stage.PROVING_IDENTITY
    told = scene.world.notices.to(scene.jessica.email)[-1]
    assert isinstance(told, notices.IdentityToRetry)
    assert (told.reason, told.tries_left) == ("document_unreadable", 3)
    assert len(scene.world.identity.sessions()) == 2
    scene.world.identity.script(None, idv.approve())
    scene.advance(view, Stage.ACTIVE)
    assert scene.taken() == PRICE


def test_leaving_half_way_opens_another_session() -> None:
    scene, view = at(Stage.PROVING_IDENTITY)
    first = scene.identity_session(view)
    verdict(idv.abandon())(scene, view)
    scene.world.identity.script(None, idv.approve())
    view = now(scene, view)
    assert scene.identity_session(view) != first
    assert scene.advance(view, Stage.ACTIVE).stage is Stage.ACTIVE


def test_a_close_name_is_accepted_where_the_offer_lists_it() -> None:
    scene, view = at(Stage.PROVING_IDENTITY)
    more = PersonName(given="Jessica Marie", last="Poussart")
    verdict(idv.data_changed(more))(scene, view)
    view = now(scene, view)
    assert view.stage is Stage.CONFIRMING_IDENTITY
    assert view.show.identity is not None
    assert view.show.identity.given_names == "Jessica Marie"

    strict = Offer(accepted_close=frozenset())
    scene, view = at(Stage.PROVING_IDENTITY, offer=strict)
    verdict(idv.data_changed(more))(scene, view)
    assert now(scene, view).show.ending == "identity_mismatch"


def test_leaving_the_page_cancels_the_session_and_a_late_verdict_changes_nothing() -> None:
    scene, view = at(Stage.PROVING_IDENTITY)
    session = scene.identity_session(view)
    scene.world.identity.capture(session)
    view.say(sf.NoDocument())
    (closed,) = scene.world.identity.sessions()
    assert closed.verdict is not None, "it is closed at the provider"
    scene.qcp.subscriptions.hint(session)
    assert_cost_nothing(scene, view, "no_document")


def test_a_session_that_opens_late_is_closed_at_the_provider() -> None:
    scene, view = at(Stage.CONSENTING)
    scene.world.faults.unconfirmed("identity", "open", times=1)
    consents(scene, view)
    view = now(scene, view)
    assert view.stage is Stage.OPENING_IDENTITY
    view.say(Cancelled())
    scene.wait(HOUR)
    (session,) = scene.world.identity.sessions()
    assert session.verdict is not None
    assert_cost_nothing(scene, view, "cancelled")


def test_a_provider_that_says_something_happened_is_asked() -> None:
    scene, view = at(Stage.PROVING_IDENTITY)
    session = scene.identity_session(view)
    scene.world.identity.capture(session)
    scene.world.clock.advance(4 * MINUTE)
    for _ in range(3):
        scene.qcp.subscriptions.hint(session)
    assert now(scene, view).stage is Stage.CONFIRMING_IDENTITY
    assert scene.notices(scene.jessica) == (notices.IdentityApproved,)
    scene.prove(view.id)


# --- the request (D) --------------------------------------------------------------------------------------------


def test_only_what_was_shown_can_be_accepted() -> None:
    scene, view = at(Stage.READING_REQUEST)
    with pytest.raises(FactRefused) as refused:
        view.say(sf.RequestAccepted(hash=hash_of("another document")))
    assert reason(refused) == "hash_differs"
    assert now(scene, view).stage is Stage.READING_REQUEST
    assert scene.advance(view, Stage.ACTIVE).stage is Stage.ACTIVE


def test_from_the_point_of_no_return_nothing_but_the_authority_decides() -> None:
    scene, view = at(Stage.SIGNING_REQUEST)
    scene.world.authority.script(None, ca.issue(after=3 * DAY))
    right_code(scene, view)
    view = now(scene, view)
    assert view.stage is Stage.AWAITING_CERTIFICATE
    assert notices.RequestSubmitted in scene.notices(scene.jessica)
    with pytest.raises(FactRefused):
        view.say(Cancelled())
    scene.wait(2 * DAY)
    assert now(scene, view).stage is Stage.AWAITING_CERTIFICATE
    assert scene.taken() == 0
    assert "silence" in [alert.what for alert in scene.alerts]
    scene.wait(2 * DAY)
    assert now(scene, view).stage is Stage.ACTIVE
    assert scene.taken() == PRICE
    scene.prove(view.id)


def test_a_late_certificate_that_the_authority_does_not_revoke_is_told_to_an_operator_once() -> None:
    scene, view = at(Stage.SIGNING_REQUEST)
    scene.world.authority.script(None, ca.issue(after=10 * DAY))
    scene.world.authority.refuse_revocations("not now")
    right_code(scene, view)
    scene.wait(5 * DAY)
    settled = sf.SettledByOperator(evidence="letter of 4 March", by="Irène Faron", certificate=None)
    scene.qcp.subscriptions.report(view.id, settled)
    scene.wait(7 * DAY)
    (late,) = scene.world.authority.held_by(scene.jessica.id)
    assert late.status.kind.value == "good"
    told = [alert.about for alert in scene.alerts if alert.what == "revocation_refused"]
    assert told == [f"{view.id}: not now"]
    again = sf.RevocationRefused(fingerprint=late.certificate.fingerprint, reason="not now")
    assert not scene.qcp.engine.record(view.id, again).changed
    stranger = sf.RevocationRefused(fingerprint=Fingerprint("0" * 64), reason="not now")
    assert not scene.qcp.engine.record(view.id, stranger).changed
    scene.prove(view.id)


def test_a_silent_authority_is_settled_by_an_operator_and_what_it_issues_after_all_is_revoked() -> None:
    scene, view = at(Stage.SIGNING_REQUEST)
    scene.world.authority.script(None, ca.issue(after=10 * DAY))
    right_code(scene, view)
    scene.wait(5 * DAY)
    with pytest.raises(FactRefused) as refused:
        scene.qcp.subscriptions.report(view.id, sf.SettledByOperator(evidence=" ", by="Irène", certificate=None))
    assert reason(refused) == "no_evidence"
    settled = sf.SettledByOperator(evidence="letter of 4 March", by="Irène Faron", certificate=None)
    with pytest.raises(FactRefused) as refused:
        view.say(settled)
    assert reason(refused) == "not_yours", "what a browser sends is a person's, never an operator's"
    scene.qcp.subscriptions.report(view.id, settled)
    view = now(scene, view)
    assert (view.stage, view.show.ending) == (Stage.CLOSED, "ca_refused")
    assert scene.balance() == CREDIT
    scene.wait(7 * DAY)
    (late,) = scene.world.authority.held_by(scene.jessica.id)
    assert late.status.kind.value == "revoked"
    assert "late_certificate" in [alert.what for alert in scene.alerts]
    assert (scene.taken(), scene.balance()) == (0, CREDIT)
    assert now(scene, view).stage is Stage.CLOSED
    scene.prove(view.id)


def test_an_operator_brings_the_certificate_that_the_authority_never_sent() -> None:
    scene, view = at(Stage.SIGNING_REQUEST)
    scene.world.authority.script(None, ca.silence())
    right_code(scene, view)
    issued = scene.world.authority.issue_to(scene.jessica)
    settled = sf.SettledByOperator(evidence="by post", by="Irène Faron", certificate=issued.certificate)
    scene.qcp.subscriptions.report(view.id, settled)
    assert now(scene, view).stage is Stage.ACTIVE
    assert scene.taken() == PRICE
    scene.prove(view.id)


@pytest.mark.parametrize(
    "wrong",
    [ca.issue_wrongly(name=OTHER), ca.issue_wrongly(level=CertificateLevel.LCP)],
    ids=["name", "level"],
)
@pytest.mark.parametrize("plan", list(Plan))
def test_a_certificate_that_is_not_what_was_asked_for_is_revoked_and_not_paid(
    plan: Plan, wrong: ca.AuthorityScript
) -> None:
    scene = Scene(offer=Offer(plan=plan))
    scene.world.authority.script(None, wrong)
    view = scene.open(scene.jessica)
    view = scene.advance(view, Stage.REVOKED)
    assert view.show.ending == "certificate_not_conforming"
    assert scene.taken() == 0
    assert scene.balance() == CREDIT
    (held,) = scene.world.authority.held_by(scene.jessica.id)
    assert held.status.kind.value == "revoked"
    assert "certificate_not_conforming" in [alert.what for alert in scene.alerts]
    assert notices.CertificateIssued not in scene.notices(scene.jessica)
    scene.prove(view.id)


def test_fraud_suspected_while_the_authority_decides_revokes_what_it_issues() -> None:
    scene, view = at(Stage.SIGNING_REQUEST)
    scene.world.authority.script(None, ca.issue(after=HOUR))
    right_code(scene, view)
    scene.qcp.engine.record(view.id, sf.FraudSuspected(reason="provider"))
    scene.wait(2 * HOUR)
    view = now(scene, view)
    assert (view.stage, view.show.ending) == (Stage.REVOKED, "fraud_suspected")
    assert (scene.taken(), scene.balance()) == (0, CREDIT)
    scene.prove(view.id)


def test_a_hold_that_is_gone_at_capture_is_made_again_once() -> None:
    scene, view = at(Stage.SIGNING_REQUEST)
    hold = scene.qcp.engine.streams.load(view.id).state.money.hold
    scene.world.books.expire(key=Key("expired"), hold=hold)
    right_code(scene, view)
    view = now(scene, view)
    assert (view.stage, view.show.money) == (Stage.ACTIVE, "captured")
    assert scene.taken() == PRICE
    scene.prove(view.id)


def test_a_price_that_can_no_longer_be_taken_is_for_a_person_to_settle_and_the_certificate_stands() -> None:
    scene, view = at(Stage.SIGNING_REQUEST)
    hold = scene.qcp.engine.streams.load(view.id).state.money.hold
    scene.world.books.expire(key=Key("expired"), hold=hold)
    scene.world.books.hold(key=Key("all of it"), cabinet=CABINET.id, amount=CREDIT, memo="spent elsewhere")
    right_code(scene, view)
    view = now(scene, view)
    assert (view.stage, view.show.money) == (Stage.ACTIVE, "parked")
    assert "price_not_captured" in [alert.what for alert in scene.alerts]
    assert scene.taken() == 0
    scene.prove(view.id)


# --- the hosted plan --------------------------------------------------------------------------------------------


def registration(script: rp.RegistrationScript) -> Act:
    def act(scene: Scene, view: SubscriptionView) -> None:
        scene.world.registration.script(None, script)
        scene.world.registration.complete(scene.registration_session(view))

    return act


HOSTED_ENDS: list[tuple[str, Stage, Act, str]] = [
    (
        "not opened",
        Stage.CONSENTING,
        on(lambda scene: scene.world.registration.reject_openings("blocked"), consents),
        "registration_unavailable",
    ),
    ("refused", Stage.REGISTERING, registration(rp.refuse()), "registration_refused"),
    ("ended", Stage.REGISTERING, registration(rp.expire()), "registration_expired"),
    ("cancelled", Stage.REGISTERING, say(Cancelled()), "cancelled"),
    ("account changed", Stage.REGISTERING, report(sf.AccountChanged(fields=("email",))), "account_changed"),
    ("left alone", Stage.REGISTERING, wait(8 * DAY), "deadline_passed"),
    (
        "silent",
        Stage.REGISTERING,
        on(lambda scene: scene.world.registration.script(None, rp.silence()), wait(8 * DAY)),
        "deadline_passed",
    ),
    (
        "authority refuses",
        Stage.REGISTERING,
        on(lambda scene: scene.world.authority.script(None, ca.refuse()), registration(rp.issue())),
        "registration_refused",
    ),
]


@pytest.mark.parametrize(
    ("stage", "act", "ending"), [end[1:] for end in HOSTED_ENDS], ids=[end[0] for end in HOSTED_ENDS]
)
def test_a_hosted_end_without_a_certificate_costs_nothing(stage: Stage, act: Act, ending: str) -> None:
    scene, view = at(stage, plan=Plan.HOSTED)
    act(scene, view)
    assert_cost_nothing(scene, view, ending)


def test_leaving_a_registration_asks_how_it_ended_and_keeps_what_was_issued() -> None:
    """The person finished on the provider's page, then cancelled on ours, before we heard."""
    scene, view = at(Stage.REGISTERING, plan=Plan.HOSTED)
    scene.world.registration.complete(scene.registration_session(view))
    scene.world.clock.advance(10 * MINUTE)
    view = view.say(Cancelled())
    assert view.stage is Stage.ACTIVE
    assert scene.taken() == PRICE
    scene.prove(view.id)


def test_a_provider_that_is_away_when_we_leave_does_not_hold_the_money_for_ever() -> None:
    scene, view = at(Stage.REGISTERING, plan=Plan.HOSTED)
    scene.world.faults.unavailable("registration", "close", times=10_000)
    view = view.say(Cancelled())
    assert view.stage is Stage.REGISTERING
    scene.wait(2 * HOUR)
    view = now(scene, view)
    assert (view.stage, view.show.ending) == (Stage.CLOSED, "cancelled")
    assert scene.balance() == CREDIT
    scene.prove(view.id)


def test_a_certificate_that_comes_after_the_end_is_revoked_and_told() -> None:
    scene, view = at(Stage.REGISTERING, plan=Plan.HOSTED)
    scene.world.faults.unavailable("registration", "close", times=12)
    scene.world.faults.unavailable("registration", "ask", times=10_000)
    scene.world.registration.complete(scene.registration_session(view))
    scene.wait(10 * MINUTE)
    view = view.say(Cancelled())
    scene.wait(DAY)
    view = now(scene, view)
    assert (view.stage, view.show.ending) == (Stage.CLOSED, "cancelled")
    (held,) = scene.world.authority.held_by(scene.jessica.id)
    assert held.status.kind.value == "revoked"
    assert "late_certificate" in [alert.what for alert in scene.alerts]
    assert (scene.taken(), scene.balance()) == (0, CREDIT)
    scene.prove(view.id)


@pytest.mark.parametrize("suffices", [True, False])
def test_a_certificate_that_is_only_attested(suffices: bool) -> None:
    offer = Offer(plan=Plan.HOSTED, attestation_suffices=suffices)
    scene, view = at(Stage.REGISTERING, offer=offer)
    registration(rp.attest())(scene, view)
    scene.wait(10 * MINUTE)
    view = now(scene, view)
    if suffices:
        assert view.stage is Stage.ACTIVE
        assert view.show.attested_by == "Simulated trust provider"
        assert view.show.certificate is None
        assert scene.taken() == PRICE
        told = scene.world.notices.to(scene.jessica.email)[-1]
        assert isinstance(told, notices.CertificateIssued)
        assert told.not_after is None
    else:
        assert (view.stage, view.show.ending) == (Stage.CLOSED, "certificate_not_conforming")
        assert (scene.taken(), scene.balance()) == (0, CREDIT)
    scene.prove(view.id)


# --- the certificate's life (A2, A5) ----------------------------------------------------------------------------


def revoke(scene: Scene, view: SubscriptionView) -> SubscriptionView:
    view = now(scene, view).say(CodeRequested()).say(scene.code(scene.jessica, Purpose.REVOKE))
    return view.say(sf.RevocationRequested(reason="key_compromise"))


@pytest.mark.parametrize("plan", list(Plan))
def test_the_holder_revokes_with_a_code(plan: Plan) -> None:
    scene, view = at(Stage.ACTIVE, plan=plan)
    for _ in range(2):
        with pytest.raises(FactRefused) as refused:
            view.say(sf.RevocationRequested(reason="key_compromise"))
        assert reason(refused) == "code_needed"
    with pytest.raises(FactRefused):  # a wrong code allows nothing
        view.say(CodeRequested()).say(scene.wrong_code(scene.jessica, Purpose.REVOKE))
    with pytest.raises(FactRefused):
        view.say(sf.RevocationRequested(reason="key_compromise"))
    scene.wait(MINUTE)
    view = revoke(scene, view)
    assert view.stage is Stage.REVOKED
    assert view.show.certificate is not None
    assert view.show.certificate.state == "revoked"
    told = scene.world.notices.to(scene.jessica.email)[-1]
    assert isinstance(told, notices.CertificateRevoked)
    assert told.reason == "key_compromise"
    page = scene.qcp.subscriptions.page(account=scene.jessica.id)
    assert page.qcp is not None
    assert page.qcp.state == "revoked"
    assert scene.taken() == PRICE, "what was issued was paid for"
    scene.prove(view.id)
    assert scene.subscribe(scene.jessica).stage is Stage.ACTIVE, "and one may subscribe again"


def test_a_right_code_allows_a_revocation_for_some_minutes_only() -> None:
    scene, view = at(Stage.ACTIVE)
    view = view.say(CodeRequested()).say(scene.code(scene.jessica, Purpose.REVOKE))
    scene.wait(timedelta(minutes=6))
    with pytest.raises(FactRefused) as refused:
        view.say(sf.RevocationRequested(reason="key_compromise"))
    assert reason(refused) == "code_needed"


def test_a_revocation_takes_its_time_and_is_never_usable_meanwhile() -> None:
    scene, view = at(Stage.ACTIVE)
    scene.world.authority.delay_revocations(HOUR)
    view = revoke(scene, view)
    assert view.stage is Stage.REVOKING
    assert view.show.certificate is not None
    assert view.show.certificate.state == "revoking"
    scene.wait(2 * HOUR)
    assert now(scene, view).stage is Stage.REVOKED
    assert scene.notices(scene.jessica).count(notices.CertificateRevoked) == 1
    scene.prove(view.id)


def test_a_refused_revocation_leaves_the_certificate_as_it_was_and_says_so() -> None:
    scene, view = at(Stage.ACTIVE)
    scene.world.authority.refuse_revocations("not_now")
    view = revoke(scene, view)
    assert view.stage is Stage.ACTIVE
    assert notices.CertificateRevocationRefused in scene.notices(scene.jessica)
    assert "revocation_refused" in [alert.what for alert in scene.alerts]
    scene.world.authority.refuse_revocations("")
    scene.wait(MINUTE)
    assert revoke(scene, view).stage is Stage.REVOKED
    scene.prove(view.id)


def test_the_host_revokes_in_somebodys_name() -> None:
    scene, view = at(Stage.ACTIVE)
    order = sf.RevocationOrdered(reason="affiliation_changed", by="Irène Faron")
    with pytest.raises(FactRefused) as refused:
        view.say(order)
    assert reason(refused) == "not_yours"
    with pytest.raises(FactRefused) as refused:
        scene.qcp.subscriptions.report(view.id, sf.RevocationOrdered(reason="affiliation_changed", by=" "))
    assert reason(refused) == "no_name"
    assert scene.qcp.subscriptions.report(view.id, order).stage is Stage.REVOKED


def test_the_end_is_announced_then_comes() -> None:
    scene, view = at(Stage.ACTIVE)
    assert view.show.certificate is not None
    end = view.show.certificate.not_after
    scene.wait(end - 90 * DAY - HOUR - scene.world.clock.now())
    assert notices.CertificateExpiring not in scene.notices(scene.jessica)
    scene.wait(DAY)
    assert scene.notices(scene.jessica)[-1] is notices.CertificateExpiring
    scene.wait(100 * DAY)
    view = now(scene, view)
    assert view.stage is Stage.EXPIRED
    assert scene.notices(scene.jessica)[-2:] == (notices.CertificateExpiring, notices.CertificateExpired)
    assert view.show.certificate is not None
    assert view.show.certificate.state == "expired"
    assert scene.world.store.outstanding(stream=view.id) == ()
    scene.prove(view.id)


def test_a_certificate_is_renewed_beside_the_one_that_ends() -> None:
    scene, first = at(Stage.ACTIVE)
    assert first.show.certificate is not None
    end = first.show.certificate.not_after
    scene.wait(end - 91 * DAY - scene.world.clock.now())
    with pytest.raises(SubscriptionRefused) as refused:
        scene.open(scene.jessica)
    assert "qualified_certificate_held" in refused.value.reasons
    scene.wait(2 * DAY)
    # Five years have passed for the LCP certificate too.
    scene.world.lcp_authority.issue_to(scene.jessica)
    second = scene.subscribe(scene.jessica)
    assert (now(scene, first).stage, second.stage) == (Stage.ACTIVE, Stage.ACTIVE)
    assert scene.taken() == 2 * PRICE
    with pytest.raises(SubscriptionRefused):
        scene.open(scene.jessica)
    page = scene.qcp.subscriptions.page(account=scene.jessica.id)
    assert page.qcp is not None
    assert second.show.certificate is not None
    assert page.qcp.fingerprint == second.show.certificate.fingerprint, "the newer one is shown"
    scene.wait(100 * DAY)
    assert (now(scene, first).stage, now(scene, second).stage) == (Stage.EXPIRED, Stage.ACTIVE)
    for one in (first, second):
        scene.prove(one.id)


def test_waits_are_the_offers() -> None:
    short = Waits(opening=HOUR, identity=2 * HOUR, finishing=3 * HOUR)
    scene, view = at(Stage.VERIFYING_EMAIL, offer=Offer(waits=short))
    assert view.show.deadline == scene.world.clock.now() + HOUR
    view = scene.advance(view, Stage.PROVING_IDENTITY)
    assert view.show.deadline == scene.world.clock.now() + 2 * HOUR
    view = scene.advance(view, Stage.CONFIRMING_IDENTITY)
    assert view.show.deadline is not None
    assert view.show.deadline <= scene.world.clock.now() + 3 * HOUR


def test_a_price_of_nothing_is_captured_like_any_other() -> None:
    scene, view = at(Stage.ACTIVE, offer=Offer(price=Cents(0)))
    assert view.show.money == "captured"
    assert (scene.taken(), scene.balance()) == (0, CREDIT)


# --- twice, and late --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "fact", "after"),
    [
        (Stage.CONFIRMING_DETAILS, sf.DetailsConfirmed(), Stage.CONSENTING),
        (Stage.CONFIRMING_IDENTITY, sf.IdentityConfirmed(), Stage.READING_REQUEST),
    ],
    ids=lambda value: str(getattr(value, "kind", value)),
)
def test_a_double_click_is_refused_and_does_nothing_twice(stage: Stage, fact: Fact, after: Stage) -> None:
    scene, view = at(stage)
    assert view.say(fact).stage is after
    with pytest.raises(FactRefused) as refused:
        view.say(fact)
    assert reason(refused) == "no_row"
    assert now(scene, view).stage is after
    assert scene.advance(view, Stage.ACTIVE).stage is Stage.ACTIVE
    assert scene.taken() == PRICE
    scene.prove(view.id)


def test_a_consent_given_twice_is_one_consent() -> None:
    scene, view = at(Stage.CONSENTING)
    one = sf.ConsentGiven(text=CONSENTS[0], version="1", hash=hash_of("v1"))
    for _ in range(3):
        assert view.say(one).stage is Stage.CONSENTING
    with pytest.raises(FactRefused) as refused:
        view.say(sf.ConsentGiven(text="newsletter", version="1", hash=hash_of("n")))
    assert reason(refused) == "unknown_text"
    view = view.say(sf.ConsentGiven(text=CONSENTS[1], version="1", hash=hash_of("v2")))
    assert view.stage is Stage.PROVING_IDENTITY
    assert len(scene.world.identity.sessions()) == 1


def test_answers_that_come_twice_or_late_change_nothing() -> None:
    """Every fact of a finished journey once more, and in reverse: none of them is news."""
    scene, view = at(Stage.ACTIVE)
    state = scene.qcp.engine.streams.load(view.id).state
    facts = [one.fact for one in scene.qcp.records.history(view.id)]
    for fact in (*facts, *reversed(facts)):
        if fact.origin in (Origin.ANSWER, Origin.TIME):
            assert not scene.qcp.engine.record(view.id, fact).changed
    assert scene.qcp.engine.streams.load(view.id).state == state
    assert scene.taken() == PRICE
    assert len(scene.world.identity.sessions()) == 1
