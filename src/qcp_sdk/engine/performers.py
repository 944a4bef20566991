"""From effects to ports: one row an effect. What a port answers becomes a fact; what it refuses, another.

`PERFORMERS` says how each effect is performed, `REFUSALS` which fact a refusal is, `QUERIES` how a key's outcome
is asked for. A performer answers with a fact, with `Pending` (ask again later), with `Later` (look again after that
long), or with None (done, nothing to say).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from attrs import evolve, frozen

from qcp_sdk import otp
from qcp_sdk.audit import ForgetDocument, ForgetStream
from qcp_sdk.ceremony import effects as ce
from qcp_sdk.ceremony import facts as cf
from qcp_sdk.ceremony.stages import CeremonyStage
from qcp_sdk.ceremony.state import Ceremony
from qcp_sdk.certificates import StatusKind
from qcp_sdk.collectes import Signatory
from qcp_sdk.effects import Alert, Effect, Notify, SendCode, Wake
from qcp_sdk.engine.collaborators import Collaborators, routed
from qcp_sdk.engine.following import SOONER, interval
from qcp_sdk.errors import ConfigurationError, Rejected, Unavailable, Unconfirmed
from qcp_sdk.facts import CodeSent, CodeUndeliverable, Fact
from qcp_sdk.ports.answers import Outcome, OutcomeKind, Pending
from qcp_sdk.ports.envelope import Appearance, PreparedSignature
from qcp_sdk.ports.forgetting import forgetting
from qcp_sdk.ports.signer import HashAnswer, HashSigned, SigningPending
from qcp_sdk.subscription import effects as se
from qcp_sdk.subscription import facts as sf
from qcp_sdk.subscription.stages import FINAL
from qcp_sdk.subscription.state import Subscription
from qcp_sdk.values import ChallengeId, ContentHash, DocumentId, HoldId, Key

log = logging.getLogger("qcp_sdk")


@frozen
class Later:
    """There is no news, which was to be expected: look again after `wait`, give or take a fifth."""

    wait: timedelta
    note: str


Answer: TypeAlias = Fact | Pending | Later | None


@frozen
class Surroundings:
    """What a performer may use of the engine around it, beside the ports."""

    alert: Callable[[Alert], None]
    revision: Callable[[Ceremony, DocumentId], tuple[ContentHash, int]]
    """Give the present content of a document of a collecte, and how many signatures it carries."""
    pass_turn: Callable[[Ceremony], None]
    end_collecte: Callable[[Ceremony, str], None]


@frozen(slots=False)
class Context:
    """What a performer may use: the collaborators, the stream's state, the key to act under, the instant."""

    ports: Collaborators
    state: Any
    key: Key
    now: datetime
    engine: Surroundings

    def route(self, role: str) -> str:
        """Give the route that the stream was opened with, for a role."""
        opened = self.state.terms if isinstance(self.state, Subscription) else self.state.opened
        return str(getattr(opened.routes, role, "default"))


# --- both machines ------------------------------------------------------------------------------------------


def _send_code(c: Context, e: SendCode) -> Answer:
    if c.now >= e.not_after:
        return CodeUndeliverable(challenge=e.challenge, reason="expired")
    latest = c.state.codes.challenge
    if latest is None or latest.id != e.challenge:
        # A newer code may be out already: the one that arrives last must be the one that counts.
        return CodeUndeliverable(challenge=e.challenge, reason="superseded")
    code = otp.derive(c.ports.keys.derive(purpose="codes"), purpose=e.purpose, subject=e.subject, challenge=e.challenge)
    routed(c.ports.codes, c.route("codes"), "codes").send(
        key=c.key,
        channel=otp.CHANNELS[e.purpose],
        to=e.to,
        code=code,
        purpose=e.purpose,
        language=e.language,
        not_after=e.not_after,
    )
    return CodeSent(challenge=e.challenge)


def _notify(c: Context, e: Notify) -> Answer:
    routed(c.ports.notices, c.route("notices"), "notices").send(
        key=c.key, to=e.to, notice=e.notice, attachments=e.attachments
    )
    return None


def _wake(c: Context, e: Wake) -> Answer:
    return _not_lost(c, e.fact) if isinstance(e.fact, cf.ActivationLost) else e.fact


def _not_lost(c: Context, lost: cf.ActivationLost) -> Fact:
    """Ask the signer what it answered before an activation is called lost: whoever showed the code may have died with
    the answer in hand, and what was signed must not be bought again.
    """
    ceremony: Ceremony = c.state
    challenge = ceremony.challenge
    if ceremony.stage is not CeremonyStage.SIGNING or challenge is None or challenge.id != lost.challenge:
        return lost  # which changes nothing
    try:
        answers = routed(c.ports.signers, c.route("signer"), "signers").answered(
            key=live_key(c.key), challenge=lost.challenge, digests=unsigned(ceremony)
        )
    except (Rejected, ConfigurationError):
        return lost
    except (Unavailable, Unconfirmed):
        raise
    except Exception as error:  # noqa: BLE001 - an adapter's own fault, as when it was shown the code: a person waits
        log.error("fault %s when asking what was answered to %s", type(error).__name__, ceremony.id)  # noqa: TRY400
        return lost
    if answers is None:
        return lost
    if isinstance(answers, SigningPending):
        return cf.SigningDelayed(challenge=lost.challenge, handle=answers.handle)
    return hashes_answered(lost.challenge, answers)


def live_key(key: Key) -> Key:
    """Give the key of the live call that the fact behind this effect leads to: the fact's own, so to speak."""
    return Key(f"{key.rsplit('/', 1)[0]}/live")


def unsigned(c: Ceremony) -> tuple[bytes, ...]:
    """Give the digests that an activation is for."""
    return tuple(one.preparation.digest for one in c.documents if one.preparation and not one.settled)


def _alert(c: Context, e: Alert) -> Answer:
    c.engine.alert(e)
    return None


def _forget(c: Context, e: ForgetDocument) -> Answer:
    routed(c.ports.documents, e.route, "documents").forget(document=e.document)
    return None


def _forget_stream(c: Context, e: ForgetStream) -> Answer:
    for adapter in forgetting(one for _, one in c.ports.every()):
        adapter.forget_stream(stream=e.stream)
    return None


# --- the subscription ---------------------------------------------------------------------------------------


def _hold(c: Context, e: se.HoldFunds) -> Answer:
    ledger = routed(c.ports.ledgers, c.route("ledger"), "ledgers")
    hold = ledger.hold(key=c.key, cabinet=e.cabinet, amount=e.amount, memo=e.memo)
    return sf.FundsHeld(attempt=e.attempt, hold=hold)


def _capture(c: Context, e: se.CaptureFunds) -> Answer:
    routed(c.ports.ledgers, c.route("ledger"), "ledgers").capture(key=c.key, hold=e.hold)
    return sf.FundsCaptured(hold=e.hold)


def _release(c: Context, e: se.ReleaseFunds) -> Answer:
    routed(c.ports.ledgers, c.route("ledger"), "ledgers").release(key=c.key, hold=e.hold)
    return sf.FundsReleased(hold=e.hold)


def _open_identity(c: Context, e: se.OpenIdentity) -> Answer:
    port = routed(c.ports.identities, c.route("identity"), "identities")
    return port.open(key=c.key, attempt=e.attempt, subscription=e.subscription, person=e.person)


def _ask_identity(c: Context, e: se.AskIdentity) -> Answer:
    return routed(c.ports.identities, c.route("identity"), "identities").ask(session=e.session)


def _cancel_identity(c: Context, e: se.CancelIdentity) -> Answer:
    routed(c.ports.identities, c.route("identity"), "identities").cancel(key=c.key, session=e.session)
    return None


def _prepare_request(c: Context, e: se.PrepareRequest) -> Answer:
    s: Subscription = c.state
    confirmed = s.identity.confirmed_at or c.now
    document = routed(c.ports.documents, c.route("documents"), "documents").compose_request(
        key=c.key, application=e.application, language=s.terms.account.language, at=confirmed
    )
    return sf.RequestPrepared(document=document)


def _seal_request(c: Context, e: se.SealRequest) -> Answer:
    sealed = routed(c.ports.documents, c.route("documents"), "documents").seal_request(
        key=c.key,
        document=e.document,
        signatory=e.signatory,
        challenge=e.challenge,
        verified_at=e.verified_at,
    )
    return sf.RequestSealed(shown=e.document, sealed=sealed)


def _submit_request(c: Context, e: se.SubmitRequest) -> Answer:
    port = routed(c.ports.authorities, c.route("authority"), "authorities")
    return port.submit(key=c.key, application=e.application, request=e.request)


def _ask_certificate(c: Context, e: se.AskCertificate) -> Answer:
    return routed(c.ports.authorities, c.route("authority"), "authorities").ask(reference=e.reference)


def _revoke(c: Context, e: se.RevokeCertificate) -> Answer:
    port = routed(c.ports.authorities, c.route("authority"), "authorities")
    return port.revoke(key=c.key, fingerprint=e.fingerprint, reason=e.reason)


def _check_status(c: Context, e: se.CheckStatus) -> Answer:
    s: Subscription = c.state
    every = interval(s)
    if s.stage in FINAL or s.certificate is None or c.now >= s.certificate.not_after or every is None:
        return None
    try:
        status = routed(c.ports.authorities, c.route("authority"), "authorities").status(fingerprint=e.fingerprint)
    except (Unavailable, Unconfirmed) as error:
        return Later(every / SOONER, error.code)
    if status.kind is not StatusKind.REVOKED:
        return Later(every, status.kind.value)
    return sf.CertificateRevoked(
        fingerprint=e.fingerprint, at=status.revoked_at or status.checked_at, reason=status.reason
    )


def _open_registration(c: Context, e: se.OpenRegistration) -> Answer:
    port = routed(c.ports.registrations, c.route("registration"), "registrations")
    return port.open(key=c.key, subscription=e.subscription, person=e.person)


def _ask_registration(c: Context, e: se.AskRegistration) -> Answer:
    return routed(c.ports.registrations, c.route("registration"), "registrations").ask(session=e.session)


def _close_registration(c: Context, e: se.CloseRegistration) -> Answer:
    port = routed(c.ports.registrations, c.route("registration"), "registrations")
    return port.close(key=c.key, opened_by=e.opened_by, session=e.session)


# --- the ceremony -------------------------------------------------------------------------------------------


def _prepare_signature(c: Context, e: ce.PrepareSignature) -> Answer:
    ceremony: Ceremony = c.state
    credential = routed(c.ports.signers, c.route("signer"), "signers").credential(fingerprint=e.fingerprint)
    base, _ = c.engine.revision(ceremony, e.document)
    made = routed(c.ports.envelopes, c.route("envelope"), "envelopes").prepare(
        key=c.key,
        validated=e.validated,
        base=base,
        credential=credential,
        at=c.now,
        appearance=_appearance(ceremony.signatory, e.document),
    )
    return cf.DocumentPrepared(
        round=e.round,
        document=e.document,
        base=made.base,
        prepared=made.prepared,
        digest=made.digest,
        state=made.state,
    )


_LEVELS: Final[Mapping[str, str]] = {"fr": "Signature de niveau {}", "en": "Level {} signature"}
"""What a visible signature says of its level, in the signatory's language."""


def _appearance(signatory: Signatory, document: DocumentId) -> Appearance | None:
    stamp = next((one for one in signatory.stamps if one.document == document), None)
    if stamp is None:
        return None
    level = _LEVELS[signatory.language].format(signatory.level.value)
    return Appearance(page=stamp.page, box=stamp.box, name=signatory.name.full, level=level, url=stamp.url)


def _challenge_signer(c: Context, e: ce.ChallengeSigner) -> Answer:
    challenge = routed(c.ports.signers, c.route("signer"), "signers").challenge(
        key=c.key, fingerprint=e.fingerprint, digests=e.digests, language=e.language
    )
    return cf.ChallengeOpened(
        round=e.round, challenge=challenge.id, not_after=challenge.not_after, masked=challenge.masked
    )


def _poll_signing(c: Context, e: ce.PollSigning) -> Answer:
    answers = routed(c.ports.signers, c.route("signer"), "signers").poll(handle=e.handle)
    if isinstance(answers, SigningPending):
        return Pending(note=answers.note)
    return hashes_answered(e.challenge, answers)


def hashes_answered(challenge: ChallengeId, answers: tuple[HashAnswer, ...]) -> cf.HashesAnswered:
    """Turn a signer's answers into the fact."""
    return cf.HashesAnswered(
        challenge=challenge,
        signed=tuple((one.digest, one.value) for one in answers if isinstance(one, HashSigned)),
        refused=tuple((one.digest, one.reason) for one in answers if not isinstance(one, HashSigned)),
    )


def _embed(c: Context, e: ce.EmbedSignature) -> Answer:
    ceremony: Ceremony = c.state
    present, revisions = c.engine.revision(ceremony, e.document)
    if present != e.base:
        # Somebody else's signature came in between: embedding here would drop it.
        return cf.EmbeddingFailed(document=e.document, reason="document_changed")
    credential = routed(c.ports.signers, c.route("signer"), "signers").credential(fingerprint=e.fingerprint)
    prepared = PreparedSignature(base=e.base, prepared=e.prepared, digest=e.digest, state=e.state)
    content = routed(c.ports.envelopes, c.route("envelope"), "envelopes").embed(
        key=c.key, prepared=prepared, credential=credential, value=e.value
    )
    return cf.DocumentSigned(document=e.document, content=content, revision=revisions + 1)


def _pass_turn(c: Context, _e: ce.PassTurn) -> Answer:
    c.engine.pass_turn(c.state)
    return None


def _end_collecte(c: Context, e: ce.EndCollecte) -> Answer:
    c.engine.end_collecte(c.state, e.cause)
    return None


def _open_transaction(c: Context, e: ce.OpenTransaction) -> Answer:
    ceremony: Ceremony = c.state
    documents = tuple((one.document.id, c.engine.revision(ceremony, one.document.id)[0]) for one in ceremony.documents)
    return routed(c.ports.pages, c.route("pages"), "pages").open(
        key=c.key,
        ceremony=e.ceremony,
        collecte=ceremony.opened.collecte,
        signatory=ceremony.opened.signatory,
        documents=documents,
    )


def _ask_transaction(c: Context, e: ce.AskTransaction) -> Answer:
    answer = routed(c.ports.pages, c.route("pages"), "pages").ask(session=e.session)
    if not isinstance(answer, cf.TransactionSigned):
        return answer
    ceremony: Ceremony = c.state
    revisions = tuple((document, c.engine.revision(ceremony, document)[1] + 1) for document, _ in answer.documents)
    return evolve(answer, revisions=revisions)


def _close_transaction(c: Context, e: ce.CloseTransaction) -> Answer:
    routed(c.ports.pages, c.route("pages"), "pages").close(key=c.key, session=e.session)
    return None


PERFORMERS: Final[Mapping[type[Effect], Callable[[Context, Any], Answer]]] = {
    SendCode: _send_code,
    Notify: _notify,
    Wake: _wake,
    Alert: _alert,
    ForgetDocument: _forget,
    ForgetStream: _forget_stream,
    se.HoldFunds: _hold,
    se.CaptureFunds: _capture,
    se.ReleaseFunds: _release,
    se.OpenIdentity: _open_identity,
    se.AskIdentity: _ask_identity,
    se.CancelIdentity: _cancel_identity,
    se.PrepareRequest: _prepare_request,
    se.SealRequest: _seal_request,
    se.SubmitRequest: _submit_request,
    se.AskCertificate: _ask_certificate,
    se.RevokeCertificate: _revoke,
    se.CheckStatus: _check_status,
    se.OpenRegistration: _open_registration,
    se.AskRegistration: _ask_registration,
    se.CloseRegistration: _close_registration,
    ce.PrepareSignature: _prepare_signature,
    ce.ChallengeSigner: _challenge_signer,
    ce.PollSigning: _poll_signing,
    ce.EmbedSignature: _embed,
    ce.PassTurn: _pass_turn,
    ce.EndCollecte: _end_collecte,
    ce.OpenTransaction: _open_transaction,
    ce.AskTransaction: _ask_transaction,
    ce.CloseTransaction: _close_transaction,
}
"""How each effect is performed."""


def _release_refused(e: se.ReleaseFunds, r: Rejected) -> Fact | None:
    # A hold that is gone has given its money back by itself; one that was captured needs a person.
    return sf.FundsReleased(hold=e.hold) if r.reason in ("hold_gone", "already_released") else None


def _capture_refused(e: se.CaptureFunds, r: Rejected) -> Fact | None:
    if r.reason == "already_captured":
        return sf.FundsCaptured(hold=HoldId(e.hold))
    return sf.CaptureRefused(hold=e.hold, reason=r.reason)


REFUSALS: Final[Mapping[type[Effect], Callable[[Any, Rejected], Fact | None]]] = {
    SendCode: lambda e, r: CodeUndeliverable(challenge=e.challenge, reason=r.reason),
    se.HoldFunds: lambda e, r: sf.FundsRefused(attempt=e.attempt, reason=r.reason),
    se.CaptureFunds: _capture_refused,
    se.ReleaseFunds: _release_refused,
    se.OpenIdentity: lambda e, r: sf.IdentityOpeningRejected(attempt=e.attempt, reason=r.reason),
    se.AskIdentity: lambda e, _r: sf.IdentityAbandoned(session=e.session),
    se.PrepareRequest: lambda _e, r: sf.RequestRejected(reason=r.reason),
    se.SealRequest: lambda _e, r: sf.SealRefused(reason=r.reason),
    se.SubmitRequest: lambda _e, r: sf.CertificateRefused(reason=r.reason),
    se.OpenRegistration: lambda _e, r: sf.RegistrationRejected(reason=r.reason),
    se.AskRegistration: lambda e, _r: sf.RegistrationExpired(session=e.session),
    se.RevokeCertificate: lambda e, r: sf.RevocationRefused(fingerprint=e.fingerprint, reason=r.reason),
    ce.PrepareSignature: lambda e, r: cf.DocumentFailed(round=e.round, document=e.document, reason=r.reason),
    ce.ChallengeSigner: lambda e, r: cf.ChallengeRefused(round=e.round, reason=r.reason),
    ce.PollSigning: lambda e, r: cf.ActivationRefused(challenge=e.challenge, reason=r.reason),
    ce.EmbedSignature: lambda e, r: cf.EmbeddingFailed(document=e.document, reason=r.reason),
    ce.OpenTransaction: lambda _e, r: cf.TransactionRejected(reason=r.reason),
    ce.AskTransaction: lambda e, _r: cf.TransactionEnded(session=e.session, reason="expired"),
}
"""Which fact a refusal is. An effect without a row, or a row that answers None, is parked for a person to settle."""

UNCONFIRMED: Final[Mapping[type[Effect], Callable[[Any], Fact]]] = {
    # Neither repeatable nor queryable: superseded by a new challenge, which the person asks for.
    SendCode: lambda e: CodeUndeliverable(challenge=e.challenge, reason="unconfirmed"),
}
"""Which fact it is when nobody knows whether an effect of nature NEITHER happened."""


def _ledger_outcome(c: Context) -> Outcome:
    return routed(c.ports.ledgers, c.route("ledger"), "ledgers").outcome(key=c.key)


def _authority_outcome(c: Context) -> Outcome:
    return routed(c.ports.authorities, c.route("authority"), "authorities").outcome(key=c.key)


QUERIES: Final[Mapping[type[Effect], Callable[[Context], Outcome]]] = {
    se.HoldFunds: _ledger_outcome,
    se.CaptureFunds: _ledger_outcome,
    se.ReleaseFunds: _ledger_outcome,
    se.SubmitRequest: _authority_outcome,
    se.RevokeCertificate: _authority_outcome,
}
"""How the outcome of a key is asked for, for each effect of nature QUERYABLE."""


def ask(context: Context, effect: Effect, *, attempts: int) -> Answer:
    """Perform an effect, for the `attempts`-th time, through its port.

    A try before this one may have acted. Where the port can tell, the outcome of the key is asked for first, and the
    key sent again either way: known, it answers what it answered; unknown, it was never received.

    Raises:
        Rejected, Unavailable, Unconfirmed: As the port says.
    """
    query = QUERIES.get(type(effect)) if attempts > 1 else None
    if query is not None:
        outcome = query(context)
        if outcome.kind is OutcomeKind.REFUSED:
            raise Rejected("refused before", reason=outcome.reason)
    return PERFORMERS[type(effect)](context, effect)
