"""Collectes and niveau 3 from the host's side (features E1 to E4): every way in which a ceremony goes and ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from qcp_sdk import notices
from qcp_sdk.adapters.memory import signer as sg
from qcp_sdk.adapters.memory.pages import PageScript
from qcp_sdk.adapters.shared.simulation.pages import PageEnding
from qcp_sdk.ceremony import facts as cf
from qcp_sdk.ceremony.facts import CeremonyWaits, DocumentsConsented
from qcp_sdk.ceremony.stages import CeremonyPlan, CeremonyStage
from qcp_sdk.collectes import Collecte, Order
from qcp_sdk.errors import CodeRefused, FactRefused, InvalidValue, LevelRefused, Rejected, Unavailable
from qcp_sdk.facts import CodeRequested
from qcp_sdk.host.collectes import CeremonyView
from qcp_sdk.host.saying import Code
from qcp_sdk.levels import SignatureLevel
from qcp_sdk.otp import Purpose
from qcp_sdk.people import Account
from qcp_sdk.policy.decision import Verdict
from qcp_sdk.ports.signer import HashAnswer, SigningPending
from qcp_sdk.ports.store import Batch
from qcp_sdk.subscription.facts import RevocationOrdered
from qcp_sdk.testing.scene import Scene, hash_of
from qcp_sdk.values import ChallengeId, CollecteId, DocumentId, Key, Secret, SessionId, TenantId

S = CeremonyStage
SECONDS, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
TWO = {"letter.pdf": b"%PDF-1.7 letter", "annex.pdf": b"%PDF-1.7 annex"}


@pytest.fixture
def scene() -> Scene:
    """Both accountants hold a qualified certificate; what was said until then is forgotten."""
    scene = Scene()
    for person in (scene.jessica, scene.irene):
        scene.world.authority.issue_to(person)
    return scene


def now(scene: Scene, view: CeremonyView) -> CeremonyView:
    return scene.qcp.collectes.ceremony(view.id)


def pair(
    scene: Scene, *, order: Order = Order.SEQUENTIAL, documents: Mapping[str, bytes] | None = None
) -> tuple[Collecte, CeremonyView, CeremonyView]:
    """Start a collecte of Jessica, then Irène."""
    collecte = scene.collecte(scene.jessica, scene.irene, order=order, documents=documents)
    first, second = scene.start(collecte)
    return collecte, first, second


def signatures(scene: Scene, view: CeremonyView, place: int = 0) -> int:
    content = now(scene, view).show.documents[place].signed
    return len(scene.world.envelope.signatures(scene.qcp.collectes.read(content))) if content else 0


def wrong(scene: Scene, person: Account) -> Code:
    return scene.wrong_code(person, Purpose.SIGN)


def problem(scene: Scene, view: CeremonyView) -> str:
    shown = now(scene, view).show.code
    assert shown is not None
    return shown.problem


# --- levels (E1, E3) --------------------------------------------------------------------------------------------


def test_niveau_3_without_a_qualified_certificate_is_refused_for_everybody_at_once() -> None:
    scene = Scene()
    collecte = scene.collecte(scene.jessica, scene.irene)
    decision = scene.qcp.collectes.assess(collecte)
    assert decision.verdict is Verdict.FAILED
    for call in (scene.qcp.collectes.enforce, scene.start):
        with pytest.raises(LevelRefused) as refused:
            call(collecte)
        assert {one.signatory for one in refused.value.decision.refused} == {"jessica", "irene"}
        assert all(one.findings for one in refused.value.decision.refused)
    assert scene.world.notices.outbox == (), "nobody was invited"
    assert scene.qcp.collectes.ceremonies(collecte.id) == ()


def test_niveau_1_needs_no_certificate_and_no_ceremony_of_ours(scene: Scene) -> None:
    with pytest.raises(InvalidValue, match="niveau 1"):
        scene.start(scene.collecte(scene.jessica, level=SignatureLevel.NIVEAU_1))


# --- together (E2, E4) ------------------------------------------------------------------------------------------


def test_one_after_the_other(scene: Scene) -> None:
    collecte, first, second = pair(scene)
    assert (first.stage, second.stage) == (S.CONSENTING, S.WAITING_TURN)
    assert CodeRequested not in second.can
    with pytest.raises(FactRefused):
        scene.consent(second)
    first = scene.sign(first, scene.jessica)
    assert first.stage is S.SIGNED
    assert now(scene, second).stage is S.CONSENTING
    second = scene.sign(second, scene.irene)
    assert second.stage is S.SIGNED

    assert (signatures(scene, first), signatures(scene, second)) == (1, 2)
    final = second.show.documents[0].signed
    assert final is not None
    content = scene.qcp.collectes.read(final)
    assert content.startswith(b"%PDF-1.7 a letter"), "what was validated is a prefix of what was signed"
    for person, turn in ((scene.jessica, False), (scene.irene, True)):
        told = scene.world.notices.to(person.email)
        kinds = [type(one) for one in told]
        assert kinds == [notices.Invitation, *([notices.TurnCame] if turn else []), notices.SignedCopy]
        invitation = told[0]
        assert isinstance(invitation, notices.Invitation)
        assert invitation.now is not turn
    copies = [sent for sent in scene.world.notices.outbox if isinstance(sent.notice, notices.SignedCopy)]
    assert [[(a.name, a.content) for a in sent.attachments] for sent in copies] == [[("letter.pdf", final)]] * 2
    assert scene.alerts == []
    for one in (first, second):
        scene.prove(one.id)
    assert scene.qcp.collectes.start(collecte) == (now(scene, first), now(scene, second)), (
        "starting again starts nothing"
    )
    assert len(scene.world.notices.outbox) == 5


def test_all_at_once_signs_in_any_order_and_one_document_at_a_time(scene: Scene) -> None:
    _, first, second = pair(scene, order=Order.PARALLEL)
    assert (first.stage, second.stage) == (S.CONSENTING, S.CONSENTING)
    second = scene.ask_code(second)
    with pytest.raises(FactRefused) as busy:
        scene.ask_code(first)
    assert busy.value.reason == "document_busy"
    assert now(scene, first).stage is S.AWAITING_CODE, "the consent stands; only the code has to wait"

    assert second.say(scene.code(scene.irene, Purpose.SIGN)).stage is S.SIGNED
    first = scene.sign(first, scene.jessica)
    assert first.stage is S.SIGNED
    assert (signatures(scene, second), signatures(scene, first)) == (1, 2)
    assert scene.notices(scene.irene)[-1] is notices.SignedCopy
    assert notices.TurnCame not in scene.notices(scene.jessica)
    for one in (first, second):
        scene.prove(one.id)


def test_documents_are_reserved_for_a_while_and_no_longer(scene: Scene) -> None:
    _, first, second = pair(scene, order=Order.PARALLEL)
    scene.ask_code(second)
    scene.wait(5 * MINUTE)
    assert problem(scene, second) == "lease_ended"
    with pytest.raises(CodeRefused) as refused:
        second.say(scene.code(scene.irene, Purpose.SIGN))
    assert refused.value.reason == "none_sent"
    assert scene.sign(first, scene.jessica).stage is S.SIGNED
    assert scene.sign(second, scene.irene).stage is S.SIGNED
    assert signatures(scene, second) == 2, "prepared anew, over the other's signature"


def test_a_new_code_renews_the_reservation_and_keeps_what_is_prepared(scene: Scene) -> None:
    _, first, _ = pair(scene)
    view = scene.ask_code(first)
    scene.wait(4 * MINUTE)
    view = now(scene, view).say(CodeRequested())
    scene.wait(2 * MINUTE)
    assert now(scene, view).say(scene.code(scene.jessica, Purpose.SIGN)).stage is S.SIGNED
    assert scene.world.faults.calls["envelope", "prepare"] == 1
    assert scene.world.faults.calls["signer", "challenge"] == 2


@pytest.mark.parametrize("order", list(Order))
def test_a_start_that_was_interrupted_is_completed(scene: Scene, order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process died after the first invitation, and the first signatory signed before anybody noticed."""
    collecte = scene.collecte(scene.jessica, scene.irene, order=order)
    batches = 0
    commit = scene.world.store.commit

    def dying(*, batch: Batch) -> None:
        nonlocal batches
        batches += any(row.kind == "ceremony_opened" for row in batch.journal)
        if batches == 2:
            raise Unavailable("killed")
        commit(batch=batch)

    with monkeypatch.context() as patched, pytest.raises(Unavailable):
        patched.setattr(scene.world.store, "commit", dying)
        scene.start(collecte)
    (first,) = scene.qcp.collectes.ceremonies(collecte.id)
    assert scene.sign(first, scene.jessica).stage is S.SIGNED
    assert notices.SignedCopy not in scene.notices(scene.jessica), "not everybody has signed: one was never invited"

    first, second = scene.start(collecte)
    assert second.stage is S.CONSENTING
    assert scene.sign(second, scene.irene).stage is S.SIGNED
    assert scene.notices(scene.jessica)[-1] is scene.notices(scene.irene)[-1] is notices.SignedCopy


# --- several documents ------------------------------------------------------------------------------------------


def test_one_bad_document_costs_no_other(scene: Scene) -> None:
    collecte = scene.collecte(scene.jessica, documents=TWO)
    scene.world.envelope.refuse(collecte.documents[1].content, "encrypted")
    (view,) = scene.start(collecte)
    view = scene.sign(view, scene.jessica)
    assert view.stage is S.PARTLY_SIGNED
    letter, annex = view.show.documents
    assert letter.signed is not None
    assert (annex.signed, annex.failed) == (None, "encrypted")
    told = scene.world.notices.to(scene.jessica.email)
    failed = next(one for one in told if isinstance(one, notices.SigningFailed))
    assert (failed.failed, failed.reason) == (("annex.pdf",), "encrypted")
    assert "partly_signed" in [alert.what for alert in scene.alerts]
    scene.prove(view.id)


def test_a_refused_hash_fails_its_document_only(scene: Scene) -> None:
    (view,) = scene.start(scene.collecte(scene.jessica, documents=TWO))
    view = scene.ask_code(view)
    state = scene.qcp.engine.streams.load(view.id).state
    scene.world.signer.script(None, sg.refuse("policy", only=frozenset({state.documents[0].preparation.digest})))
    view = view.say(scene.code(scene.jessica, Purpose.SIGN))
    assert view.stage is S.PARTLY_SIGNED
    assert [one.failed for one in view.show.documents] == ["policy", ""]
    scene.prove(view.id)


def test_when_no_document_can_be_signed_it_fails(scene: Scene) -> None:
    collecte = scene.collecte(scene.jessica, documents=TWO)
    for document in collecte.documents:
        scene.world.envelope.refuse(document.content, "not_allowed")
    (view,) = scene.start(collecte)
    view = scene.ask_code(view)
    assert (view.stage, view.show.reason) == (S.FAILED, "not_allowed")
    assert scene.notices(scene.jessica)[-1] is notices.SigningFailed
    assert scene.world.codes.outbox == (), "no code was sent for nothing"
    scene.prove(view.id)


def test_consent_is_to_every_document_and_to_its_very_bytes(scene: Scene) -> None:
    (view,) = scene.start(scene.collecte(scene.jessica, documents=TWO))
    good = tuple((one.id, one.validated) for one in view.show.documents)
    for bad in (
        good[:1],
        (),
        (good[0], (good[1][0], hash_of("other"))),
        (*good, (DocumentId("doc-9"), hash_of("x"))),
        (good[0], good[0]),
    ):
        with pytest.raises(FactRefused) as refused:
            view.say(DocumentsConsented(documents=bad))
        assert refused.value.reason == "hash_differs"
    assert view.say(DocumentsConsented(documents=tuple(reversed(good)))).stage is S.AWAITING_CODE


def test_a_document_that_changed_on_the_shelf_is_not_signed(scene: Scene) -> None:
    collecte = scene.collecte(scene.jessica)
    (view,) = scene.start(collecte)
    scene.world.documents.damage(collecte.documents[0].content)
    view = scene.ask_code(view)
    assert view.stage is S.FAILED
    assert signatures(scene, view) == 0


# --- codes ------------------------------------------------------------------------------------------------------


def test_wrong_codes_are_counted_and_the_right_one_still_signs(scene: Scene) -> None:
    _, view, _ = pair(scene)
    with pytest.raises(FactRefused):
        view.say(CodeRequested())  # before the consent
    view = scene.ask_code(view)
    assert view.show.code is not None
    assert view.show.code.to == "*****1316"
    for left in (4, 3):
        with pytest.raises(CodeRefused) as refused:
            view.say(wrong(scene, scene.jessica))
        assert (refused.value.reason, refused.value.tries_left) == ("wrong", left)
    shown = now(scene, view).show.code
    assert shown is not None
    assert (shown.tries_left, shown.problem) == (3, "wrong_code")
    assert view.say(scene.code(scene.jessica, Purpose.SIGN)).stage is S.SIGNED
    scene.prove(view.id)


def test_after_five_wrong_codes_a_new_one_is_needed(scene: Scene) -> None:
    _, view, _ = pair(scene)
    view = scene.ask_code(view)
    right = scene.code(scene.jessica, Purpose.SIGN)
    for _ in range(5):
        with pytest.raises(CodeRefused):
            view.say(wrong(scene, scene.jessica))
    with pytest.raises(CodeRefused) as refused:
        view.say(right)
    assert refused.value.reason == "too_many_tries"
    assert scene.world.faults.calls["signer", "activate"] == 5, "the signer is not asked again"
    scene.wait(MINUTE)
    assert scene.sign(view, scene.jessica).stage is S.SIGNED


def test_an_expired_code_asks_nobody(scene: Scene) -> None:
    _, view, _ = pair(scene)
    view = scene.ask_code(view)
    code = scene.code(scene.jessica, Purpose.SIGN)
    scene.wait(3 * MINUTE)
    with pytest.raises(CodeRefused) as refused:
        view.say(code)
    assert refused.value.reason == "expired"
    assert scene.world.faults.calls["signer", "activate"] == 0
    assert scene.sign(view, scene.jessica).stage is S.SIGNED


def test_another_signatorys_code_is_worth_nothing(scene: Scene) -> None:
    _, first, second = pair(scene, order=Order.PARALLEL, documents=TWO)
    del second
    other = scene.collecte(scene.irene, id="other")
    (elsewhere,) = scene.start(other)
    scene.ask_code(elsewhere)
    first = scene.ask_code(first)
    with pytest.raises(CodeRefused) as refused:
        first.say(scene.code(scene.irene, Purpose.SIGN))
    assert refused.value.reason == "wrong"


def test_a_signer_that_sends_no_code_says_why(scene: Scene) -> None:
    _, view, _ = pair(scene)
    scene.world.codes.make_unreachable(scene.jessica.mobile)
    view = scene.ask_code(view)
    assert view.stage is S.AWAITING_CODE
    assert problem(scene, view) == "undeliverable"
    with pytest.raises(CodeRefused):
        view.say(Code("1234567"))


def test_a_signer_that_will_never_sign_ends_it(scene: Scene) -> None:
    _, view, _ = pair(scene)
    (held,) = scene.world.authority.held_by(scene.jessica.id)
    scene.world.signer.disable(held.certificate.fingerprint)
    view = scene.ask_code(view)
    assert (view.stage, view.show.reason) == (S.FAILED, "disabled")
    assert scene.notices(scene.jessica)[-1] is notices.SigningFailed
    assert "signing_failed" in [alert.what for alert in scene.alerts]
    scene.prove(view.id)


# --- the activation ---------------------------------------------------------------------------------------------


def test_a_signer_that_was_not_asked_takes_the_same_code_again(scene: Scene) -> None:
    _, view, _ = pair(scene)
    view = scene.ask_code(view)
    code = scene.code(scene.jessica, Purpose.SIGN)
    scene.world.faults.unavailable("signer", "activate")
    with pytest.raises(CodeRefused) as refused:
        view.say(code)
    assert (refused.value.reason, refused.value.tries_left) == ("unavailable", 5)
    assert view.say(code).stage is S.SIGNED
    assert len(scene.world.codes.outbox) == 1
    scene.prove(view.id)


def test_a_lost_activation_is_made_again_with_a_new_code_and_signs_once(scene: Scene) -> None:
    _, view, _ = pair(scene)
    view = scene.ask_code(view)
    code = scene.code(scene.jessica, Purpose.SIGN)
    scene.world.faults.unconfirmed("signer", "activate", times=2)  # asked once more while the code is at hand
    with pytest.raises(CodeRefused) as refused:
        view.say(code)
    assert refused.value.reason == "activation_lost"
    scene.wait(MINUTE)
    assert scene.sign(view, scene.jessica).stage is S.SIGNED
    assert signatures(scene, view) == 1
    scene.prove(view.id)


@pytest.mark.parametrize("later", [False, True], ids=["at once", "later"])
def test_what_was_signed_is_not_bought_again_by_whoever_died_with_the_answer(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, later: bool
) -> None:
    """Between the signer's answer and the record of it the process dies. The wait asks, and no new code is needed."""
    if later:
        scene.world.signer.script(None, sg.SignerScript(after=MINUTE))
    _, view, _ = pair(scene)
    asked, record = [], type(scene.qcp.engine).record
    activate = scene.world.signer.activate

    def bought(**named: Any) -> object:
        asked.append(named["key"])
        return activate(**named)

    def dies(engine: object, id: str, fact: object, **named: Any) -> object:
        if isinstance(fact, cf.HashesAnswered | cf.SigningDelayed):
            raise KeyboardInterrupt
        return record(engine, id, fact, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(scene.world.signer, "activate", bought)
    with monkeypatch.context() as within:
        within.setattr(type(scene.qcp.engine), "record", dies)
        with pytest.raises(KeyboardInterrupt):
            scene.sign(view, scene.jessica)
    assert now(scene, view).stage is S.SIGNING
    scene.wait(3 * MINUTE)
    assert now(scene, view).stage is S.SIGNED
    assert signatures(scene, view) == 1
    assert len(asked) == 1
    scene.prove(view.id)


class KilledSigner(sg.MemorySigner):
    """Its caller dies in the call, and it does not know afterwards."""

    killed = True

    def activate(
        self, *, key: Key, challenge: ChallengeId, digests: tuple[bytes, ...], code: Secret
    ) -> tuple[HashAnswer, ...] | SigningPending:
        if self.killed:
            raise KeyboardInterrupt
        return super().activate(key=key, challenge=challenge, digests=digests, code=code)

    def answered(self, **_named: object) -> tuple[HashAnswer, ...] | SigningPending | None:
        raise AttributeError("no such method")


class BrokenSigner(sg.MemorySigner):
    """Fails as no port may, when it is shown a code."""

    broken = True

    def activate(
        self, *, key: Key, challenge: ChallengeId, digests: tuple[bytes, ...], code: Secret
    ) -> tuple[HashAnswer, ...] | SigningPending:
        if self.broken:
            raise ValueError(f"the code is {code}")
        return super().activate(key=key, challenge=challenge, digests=digests, code=code)


def test_a_signer_that_cannot_say_what_it_answered_holds_nobody_up(scene: Scene) -> None:
    """Its own fault, or a method that it lacks, is no answer: the activation is lost, as before anybody asked."""
    w = scene.world
    w.signer = KilledSigner(holding_of=w.holding, codes=w.codes, clock=w.clock)
    scene.qcp = scene.installation()
    _, view, _ = pair(scene)
    with pytest.raises(KeyboardInterrupt):
        scene.sign(view, scene.jessica)
    w.signer.killed = False
    scene.wait(3 * MINUTE)
    assert now(scene, view).stage is S.AWAITING_CODE
    assert scene.sign(view, scene.jessica).stage is S.SIGNED


def test_a_signers_own_fault_is_a_lost_activation_and_never_comes_out(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    w = scene.world
    w.signer = BrokenSigner(holding_of=w.holding, codes=w.codes, clock=w.clock)
    scene.qcp = scene.installation()
    _, view, _ = pair(scene)
    view = scene.ask_code(view)
    code = scene.code(scene.jessica, Purpose.SIGN)
    with pytest.raises(CodeRefused) as refused:
        view.say(code)
    assert refused.value.reason == "activation_lost"
    assert code.text.reveal() not in caplog.text
    w.signer.broken = False
    scene.wait(MINUTE)
    assert scene.sign(view, scene.jessica).stage is S.SIGNED


def test_a_process_that_dies_with_the_code_leaves_a_wait_behind(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The intent is recorded before the signer is asked; nothing of the code is (behaviour § 7.5)."""
    _, view, _ = pair(scene)
    view = scene.ask_code(view)
    code = scene.code(scene.jessica, Purpose.SIGN)

    def killed(**_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(scene.world.signer, "activate", killed)
        view.say(code)
    assert now(scene, view).stage is S.SIGNING
    with pytest.raises(FactRefused):
        view.say(code)
    scene.wait(2 * MINUTE)
    assert (now(scene, view).stage, problem(scene, view)) == (S.AWAITING_CODE, "activation_lost")
    assert scene.sign(view, scene.jessica).stage is S.SIGNED
    for one in scene.qcp.records.history(view.id):
        assert code.text.reveal() not in str(one.fact)


def test_a_signature_may_take_its_time(scene: Scene) -> None:
    _, view, _ = pair(scene)
    scene.world.signer.script(None, sg.sign(after=HOUR))
    view = scene.ask_code(view).say(scene.code(scene.jessica, Purpose.SIGN))
    assert view.stage is S.SIGNING
    for fact in (cf.Declined(), CodeRequested()):
        with pytest.raises(FactRefused):
            view.say(fact)  # the code was shown to the signer
    scene.wait(2 * HOUR)
    assert now(scene, view).stage is S.SIGNED
    assert signatures(scene, view) == 1
    scene.prove(view.id)


def test_a_signer_that_never_answers_is_told_to_an_operator(scene: Scene) -> None:
    _, view, _ = pair(scene)
    scene.world.signer.script(None, sg.silence())
    view = scene.ask_code(view).say(scene.code(scene.jessica, Purpose.SIGN))
    scene.wait(DAY)
    assert now(scene, view).stage is S.SIGNING
    assert "silence" in [alert.what for alert in scene.alerts]
    scene.prove(view.id)


def no_such_handle(**_arguments: object) -> None:
    raise Rejected("no such activation", reason="unknown_handle")


def test_a_signer_that_forgot_what_it_promised_is_asked_anew(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    _, view, _ = pair(scene)
    scene.world.signer.script(None, sg.silence())
    view = scene.ask_code(view).say(scene.code(scene.jessica, Purpose.SIGN))
    with monkeypatch.context() as patched:
        patched.setattr(scene.world.signer, "poll", no_such_handle)
        scene.wait(MINUTE)
    assert (now(scene, view).stage, problem(scene, view)) == (S.AWAITING_CODE, "unknown_handle")
    scene.world.signer.script(None, sg.sign(after=MINUTE))
    assert scene.sign(view, scene.jessica).stage is S.SIGNING
    scene.wait(5 * MINUTE)
    assert now(scene, view).stage is S.SIGNED
    assert signatures(scene, view) == 1
    scene.prove(view.id)


def test_a_reservation_that_ended_while_the_signer_worked_is_given_back(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, first, second = pair(scene, order=Order.PARALLEL)
    scene.world.signer.script(None, sg.silence())
    scene.ask_code(first).say(scene.code(scene.jessica, Purpose.SIGN))
    scene.wait(10 * MINUTE)
    with pytest.raises(FactRefused) as busy:
        scene.ask_code(second)
    assert busy.value.reason == "document_busy", "an answer may still come"
    with monkeypatch.context() as patched:
        patched.setattr(scene.world.signer, "poll", no_such_handle)
        scene.wait(20 * MINUTE)
    assert now(scene, first).stage is S.AWAITING_CODE
    scene.world.signer.script(None, sg.sign())
    assert scene.sign(second, scene.irene).stage is S.SIGNED
    assert scene.sign(first, scene.jessica).stage is S.SIGNED
    assert signatures(scene, first) == 2


def test_the_wait_of_an_earlier_try_does_not_lose_a_later_one(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong code, then the right one just before the first try's wait ends, while the signer is slow."""
    _, view, _ = pair(scene)
    view = scene.ask_code(view)
    with pytest.raises(CodeRefused):
        view.say(wrong(scene, scene.jessica))
    scene.world.clock.advance(timedelta(seconds=119))
    activate = scene.world.signer.activate

    def slow(**arguments: Any) -> object:
        scene.wait(timedelta(seconds=5))
        return activate(**arguments)

    scene.world.signer.script(None, sg.sign(after=MINUTE))
    monkeypatch.setattr(scene.world.signer, "activate", slow)
    assert view.say(scene.code(scene.jessica, Purpose.SIGN)).stage is S.SIGNING
    scene.wait(10 * MINUTE)
    assert now(scene, view).stage is S.SIGNED
    scene.prove(view.id)


def test_the_policy_is_asked_again_at_the_moment_of_signing(scene: Scene) -> None:
    """The certificate was revoked between the invitation and the signature (E4)."""
    _, view, _ = pair(scene)
    view = scene.ask_code(view)
    (held,) = scene.world.authority.held_by(scene.jessica.id)
    scene.world.authority.revoke(key=Key("stolen"), fingerprint=held.certificate.fingerprint, reason="key_compromise")
    view = view.say(scene.code(scene.jessica, Purpose.SIGN))
    assert (view.stage, view.show.reason) == (S.FAILED, "level_no_longer_allowed")
    assert scene.world.faults.calls["signer", "activate"] == 0
    asked = [one.fact for one in scene.qcp.records.history(view.id) if isinstance(one.fact, cf.ActivationAsked)]
    assert [one.allowed for one in asked] == [False]
    assert asked[0].findings
    scene.prove(view.id)


def test_a_certificate_revoked_by_its_holders_subscription_no_longer_signs() -> None:
    scene = Scene()
    subscription = scene.subscribe(scene.jessica)
    (view,) = scene.start(scene.collecte(scene.jessica))
    view = scene.ask_code(view)
    scene.qcp.subscriptions.report(subscription.id, RevocationOrdered(reason="key_compromise", by="Irène Faron"))
    view = view.say(scene.code(scene.jessica, Purpose.SIGN))
    assert (view.stage, view.show.reason) == (S.FAILED, "level_no_longer_allowed")


# --- ends -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", list(Order))
def test_whoever_declines_ends_it_for_all(scene: Scene, order: Order) -> None:
    _, first, second = pair(scene, order=order)
    first = first.say(cf.Declined(reason="clause 4"))
    assert (first.stage, first.show.reason) == (S.REFUSED, "clause 4")
    second = now(scene, second)
    assert (second.stage, second.show.reason) == (S.LAPSED, "refused")
    told = scene.world.notices.to(scene.jessica.email)[-1]
    assert isinstance(told, notices.SigningRefused)
    assert (told.by, told.reason) == ("Jessica Poussart", "clause 4")
    lapsed = scene.world.notices.to(scene.irene.email)[-1]
    assert isinstance(lapsed, notices.SigningLapsed)
    assert lapsed.cause == "refused"
    assert second.can == ()
    with pytest.raises(FactRefused):
        scene.consent(second)
    for one in (first, second):
        scene.prove(one.id)


def test_who_has_signed_has_signed_even_when_the_next_declines(scene: Scene) -> None:
    _, first, second = pair(scene)
    scene.sign(first, scene.jessica)
    now(scene, second).say(cf.Declined())
    assert now(scene, first).stage is S.SIGNED
    scene.wait(20 * DAY)
    assert now(scene, first).stage is S.SIGNED
    assert notices.SignedCopy not in scene.notices(scene.jessica)


def test_the_host_ends_it(scene: Scene) -> None:
    collecte, first, second = pair(scene)
    scene.ask_code(first)
    scene.qcp.collectes.end(collecte.id)
    scene.qcp.collectes.end(collecte.id)
    for one, person in ((first, scene.jessica), (second, scene.irene)):
        view = now(scene, one)
        assert (view.stage, view.show.reason) == (S.LAPSED, "cancelled")
        assert scene.notices(person).count(notices.SigningLapsed) == 1
        scene.prove(view.id)
    with pytest.raises(FactRefused):
        now(scene, first).say(scene.code(scene.jessica, Purpose.SIGN))
    scene.qcp.collectes.end(CollecteId("never started"))


def test_a_reminder_comes_before_the_deadline_and_the_deadline_ends_it(scene: Scene) -> None:
    _, first, second = pair(scene)
    scene.sign(first, scene.jessica)
    scene.wait(11 * DAY)
    assert notices.SigningReminder not in scene.notices(scene.irene)
    scene.wait(2 * DAY)
    assert scene.notices(scene.irene)[-1] is notices.SigningReminder
    assert notices.SigningReminder not in scene.notices(scene.jessica), "who has signed is not reminded"
    scene.wait(3 * DAY)
    second = now(scene, second)
    assert (second.stage, second.show.reason) == (S.LAPSED, "deadline")
    assert scene.notices(scene.irene)[-1] is notices.SigningLapsed
    assert now(scene, first).stage is S.SIGNED
    for one in (first, second):
        scene.prove(one.id)
        assert scene.world.store.outstanding(stream=one.id) == ()


def test_what_is_said_at_the_deadline_comes_too_late(scene: Scene) -> None:
    """Even where no worker has noticed it yet."""
    says: list[Callable[[CeremonyView], object]] = [
        lambda view: scene.consent(view),
        lambda view: view.say(cf.Declined()),
        lambda view: view.say(CodeRequested()),
    ]
    for number, say in enumerate(says):
        (view,) = scene.start(scene.collecte(scene.jessica, id=f"late-{number}"))
        if number == 2:
            scene.consent(view)
        scene.world.clock.advance_to(view.show.deadline)
        with pytest.raises(FactRefused) as late:
            say(view)
        assert late.value.reason == "too_late"
        assert now(scene, view).stage is S.LAPSED
        scene.prove(view.id)


def test_a_code_typed_after_the_deadline_comes_too_late(scene: Scene) -> None:
    (view,) = scene.start(scene.collecte(scene.jessica, deadline=2 * MINUTE), waits=CeremonyWaits(reminder=MINUTE))
    view = scene.ask_code(view)
    scene.world.clock.advance_to(view.show.deadline)
    with pytest.raises(FactRefused) as late:
        view.say(scene.code(scene.jessica, Purpose.SIGN))
    assert late.value.reason == "too_late"
    assert scene.world.faults.calls["signer", "activate"] == 0


@pytest.mark.parametrize("signs", [True, False])
def test_an_end_that_comes_while_the_signer_works_waits_for_its_answer(scene: Scene, signs: bool) -> None:
    collecte, view, _ = pair(scene)
    view = scene.ask_code(view)
    script = sg.SignerScript(after=HOUR) if signs else sg.SignerScript(after=HOUR, refused="policy")
    scene.world.signer.script(None, script)
    view = view.say(scene.code(scene.jessica, Purpose.SIGN))
    scene.qcp.collectes.end(collecte.id)
    assert now(scene, view).stage is S.SIGNING
    scene.wait(2 * HOUR)
    view = now(scene, view)
    assert view.stage is (S.SIGNED if signs else S.FAILED)
    scene.prove(view.id)


def test_a_wrong_code_after_the_host_ended_it_is_the_end(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    collecte, view, _ = pair(scene)
    view = scene.ask_code(view)
    activate = scene.world.signer.activate

    def ended_meanwhile(**arguments: Any) -> object:
        scene.qcp.collectes.end(collecte.id)
        return activate(**arguments)

    monkeypatch.setattr(scene.world.signer, "activate", ended_meanwhile)
    with pytest.raises(FactRefused) as late:
        view.say(wrong(scene, scene.jessica))
    assert late.value.reason == "too_late"
    assert now(scene, view).stage is S.LAPSED
    scene.prove(view.id)


def test_a_double_click_signs_once(scene: Scene) -> None:
    _, view, _ = pair(scene)
    view = scene.ask_code(view)
    code = scene.code(scene.jessica, Purpose.SIGN)
    done = view.say(code)
    assert done.stage is S.SIGNED
    for again in (code, CodeRequested(), cf.Declined()):
        with pytest.raises(FactRefused):
            view.say(again)
    assert signatures(scene, view) == 1
    assert scene.notices(scene.irene).count(notices.TurnCame) == 1


def test_nobody_else_may_say_what_only_collaborators_may(scene: Scene) -> None:
    _, view, _ = pair(scene)
    for fact in (cf.TurnArrived(), cf.ActivationAsked(challenge=ChallengeId("c"), allowed=True)):
        with pytest.raises(FactRefused) as refused:
            view.say(fact)
        assert refused.value.reason == "not_yours"


@pytest.mark.parametrize("tenant", ["", "another"])
def test_ceremonies_of_two_collectes_do_not_wait_for_each_other(scene: Scene, tenant: str) -> None:
    """Two tenants' collectes may have the same id, and two collectes a document with the same one."""
    (one,) = scene.start(scene.collecte(scene.jessica, id="one"))
    (two,) = scene.start(scene.collecte(scene.irene, id="one" if tenant else "two", tenant=TenantId(tenant)))
    scene.ask_code(one)
    assert scene.sign(two, scene.irene).stage is S.SIGNED


# --- the hosted plan --------------------------------------------------------------------------------------------


def hosted(scene: Scene, *people: Account, order: Order = Order.SEQUENTIAL) -> tuple[CeremonyView, ...]:
    collecte = scene.collecte(*people, order=order)
    return scene.qcp.collectes.start(collecte, plan=CeremonyPlan.HOSTED)


def transaction(scene: Scene, view: CeremonyView) -> SessionId:
    return next(one.id for one in reversed(scene.world.pages.transactions()) if one.ceremony == view.id)


def sign_there(scene: Scene, view: CeremonyView, person: Account) -> CeremonyView:
    session = transaction(scene, view)
    scene.world.pages.ask_code(session)
    scene.world.pages.sign(session, scene.code(person, Purpose.SIGN).text)
    scene.wait(MINUTE)
    return now(scene, view)


@pytest.mark.parametrize("order", list(Order))
def test_a_provider_s_page_signs_for_one_after_the_other(scene: Scene, order: Order) -> None:
    """Its page is over the present revision, so even parallel invitations queue."""
    first, second = hosted(scene, scene.jessica, scene.irene, order=order)
    assert (first.stage, second.stage) == (S.SIGNING_AT_PROVIDER, S.WAITING_TURN)
    assert first.show.url.startswith("https://")
    assert first.show.url not in repr(first.show)
    assert sign_there(scene, first, scene.jessica).stage is S.SIGNED
    assert sign_there(scene, second, scene.irene).stage is S.SIGNED
    assert signatures(scene, second) == 2
    copies = [sent for sent in scene.world.notices.outbox if isinstance(sent.notice, notices.SignedCopy)]
    assert len(copies) == 2
    final = now(scene, second).show.documents[0].signed
    assert {sent.attachments[0].content for sent in copies} == {final}, "everybody gets the last revision"
    for one in (first, second):
        scene.prove(one.id)


def test_declined_on_the_providers_page(scene: Scene) -> None:
    first, second = hosted(scene, scene.jessica, scene.irene)
    scene.world.pages.decline(transaction(scene, first))
    scene.wait(MINUTE)
    assert (now(scene, first).stage, now(scene, second).stage) == (S.REFUSED, S.LAPSED)


def test_declined_here_closes_the_providers_page(scene: Scene) -> None:
    first, second = hosted(scene, scene.jessica, scene.irene)
    session = transaction(scene, first)
    now(scene, first).say(cf.Declined())
    assert now(scene, first).stage is S.SIGNING_AT_PROVIDER, "the provider has the last word"
    scene.wait(MINUTE)
    assert (now(scene, first).stage, now(scene, second).stage) == (S.REFUSED, S.LAPSED)
    (known,) = [one for one in scene.world.pages.transactions() if one.id == session]
    assert known.standing.value == "expired"


@pytest.mark.parametrize(
    ("ending", "stage"), [(PageEnding.FAIL, S.FAILED), (PageEnding.SILENCE, S.LAPSED)], ids=["fails", "silent"]
)
def test_a_page_that_does_not_sign(scene: Scene, ending: PageEnding, stage: CeremonyStage) -> None:
    scene.world.pages.script(None, PageScript(ending=ending))
    (view,) = hosted(scene, scene.jessica)
    if ending is PageEnding.FAIL:
        view = sign_there(scene, view, scene.jessica)
    scene.wait(16 * DAY)
    view = now(scene, view)
    assert view.stage is stage
    scene.prove(view.id)


def test_an_adapter_that_is_compared_by_value_serves_as_an_authority(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Adapters are told apart by which they are; they need not be hashable."""
    monkeypatch.setattr(type(scene.world.authority), "__hash__", None)
    assert scene.start(scene.collecte(scene.jessica))[0].stage is S.CONSENTING
