"""From the consent to the last document: what happens on the host's own pages."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from attrs import evolve

from qcp_sdk import otp
from qcp_sdk.ceremony.effects import ChallengeSigner, EmbedSignature, PollSigning, PrepareSignature
from qcp_sdk.ceremony.facts import (
    ActivationAsked,
    ActivationLost,
    ActivationRefused,
    ChallengeOpened,
    ChallengeRefused,
    DocumentFailed,
    DocumentPrepared,
    DocumentsConsented,
    DocumentSigned,
    EmbeddingFailed,
    HashesAnswered,
    SigningDelayed,
)
from qcp_sdk.ceremony.moves import Moved, Stage, conclude, end, fail
from qcp_sdk.ceremony.state import Ceremony, Preparation, Progress, SignerChallenge, at, unprepared
from qcp_sdk.effects import Effect, Wake
from qcp_sdk.errors import CodeRefused, FactRefused
from qcp_sdk.facts import DeadlinePassed, Fact
from qcp_sdk.otp import Codes

ANSWER_WAIT: Final = timedelta(minutes=2)
"""How long a live activation may take before it counts as lost: its process may have died with the code."""
HOPELESS: Final = frozenset({"unknown_credential", "disabled", "too_many"})
"""Reasons of the signer's that another code does not mend."""


def consented(c: Ceremony, fact: Fact, now: datetime) -> Moved:
    """The signatory agrees to sign exactly the validated bytes.

    Raises:
        FactRefused: `hash_differs`: not every document, or not these bytes.
    """
    assert isinstance(fact, DocumentsConsented)
    wanted = {document.id: document.content for document in c.opened.collecte.documents}
    if len(fact.documents) != len(wanted) or dict(fact.documents) != wanted:
        raise FactRefused(
            "the consent is not to the documents of the collecte", reason="hash_differs", mend="show them again"
        )
    return at(c, Stage.AWAITING_CODE, consented_at=now), ()


def code_requested(c: Ceremony, _fact: Fact, now: datetime) -> Moved:
    """Reserve the documents, prepare them (or keep what is prepared), and have the signer send a code."""
    otp.may_request(c.codes, now)
    codes = Codes(
        issued=c.codes.issued + 1,
        requested=(*(moment for moment in c.codes.requested if now - moment < otp.HOUR), now),
    )
    until = now + c.opened.waits.lease
    number = c.round + 1
    lease = Wake(at=until, fact=DeadlinePassed(deadline=f"lease/{number}"))
    open_documents = tuple(one for one in c.documents if not one.settled)
    kept = c.lease_until is not None and all(one.preparation is not None for one in open_documents)
    documents = c.documents if kept else unprepared(c)
    following = at(
        c,
        Stage.AWAITING_CODE,
        codes=codes,
        round=number,
        lease_until=until,
        challenge=None,
        problem="",
        documents=documents,
        lost=c.lost if kept else None,
    )
    if kept:
        return following, (_challenge(following), lease)
    assert c.opened.certificate is not None
    prepare = tuple(
        PrepareSignature(
            round=number,
            document=one.document.id,
            validated=one.document.content,
            fingerprint=c.opened.certificate.fingerprint,
        )
        for one in open_documents
    )
    return following, (*prepare, lease)


def _challenge(c: Ceremony) -> ChallengeSigner:
    assert c.opened.certificate is not None
    return ChallengeSigner(
        round=c.round,
        fingerprint=c.opened.certificate.fingerprint,
        digests=tuple(one.preparation.digest for one in c.documents if one.preparation and not one.settled),
        language=c.signatory.language,
    )


def prepared(c: Ceremony, fact: Fact, _now: datetime) -> Moved:
    """One document is ready; when all are, the signer is asked for a code."""
    assert isinstance(fact, DocumentPrepared)
    one = c.progress(fact.document)
    if fact.round != c.round or c.lease_until is None or one is None or one.settled or one.preparation:
        return c, ()
    preparation = Preparation(base=fact.base, prepared=fact.prepared, digest=fact.digest, state=fact.state)
    return _ready(at(c, c.stage, documents=c.with_progress(evolve(one, preparation=preparation))))


def document_failed(c: Ceremony, fact: Fact, _now: datetime) -> Moved:
    """One document cannot be signed; the others go on."""
    assert isinstance(fact, DocumentFailed)
    one = c.progress(fact.document)
    if fact.round != c.round or c.lease_until is None or one is None or one.settled or one.preparation:
        return c, ()
    return _ready(at(c, c.stage, documents=c.with_progress(evolve(one, failed=fact.reason))))


def _ready(c: Ceremony) -> Moved:
    if all(one.settled for one in c.documents):
        before = evolve(c, sequence=c.sequence - 1)
        return conclude(before)
    if all(one.settled or one.preparation is not None for one in c.documents):
        return c, (_challenge(c),)
    return c, ()


def challenge_opened(c: Ceremony, fact: Fact, _now: datetime) -> Moved:
    """The code is on its way."""
    assert isinstance(fact, ChallengeOpened)
    ready = all(one.settled or one.preparation is not None for one in c.documents)
    if fact.round != c.round or c.challenge is not None or c.lease_until is None or not ready:
        return c, ()
    challenge = SignerChallenge(id=fact.challenge, not_after=fact.not_after, masked=fact.masked)
    return at(c, c.stage, challenge=challenge, problem=""), ()


def challenge_refused(c: Ceremony, fact: Fact, _now: datetime) -> Moved:
    """The signer sends no code: say why; some reasons end the ceremony."""
    assert isinstance(fact, ChallengeRefused)
    if fact.round != c.round or c.challenge is not None:
        return c, ()
    if fact.reason in HOPELESS:
        return fail(c, fact.reason)
    return at(c, c.stage, problem=fact.reason), ()


def activation_asked(c: Ceremony, fact: Fact, now: datetime) -> Moved:
    """A code is about to be shown to the signer; the policy was asked again at this very moment.

    Raises:
        CodeRefused: `none_sent`, `superseded`, `expired`, `too_many_tries`: the signer is not asked.
    """
    assert isinstance(fact, ActivationAsked)
    challenge = c.challenge
    if challenge is None:
        raise CodeRefused("no code was sent", reason="none_sent", mend="ask for a code")
    if challenge.id != fact.challenge:
        raise CodeRefused("a newer code was asked for", reason="superseded", mend="type the newest code")
    if now >= challenge.not_after:
        raise CodeRefused("this code has expired", reason="expired", mend="ask for a new code")
    if challenge.wrong >= otp.WRONG_PER_CHALLENGE:
        raise CodeRefused("too many wrong codes", reason="too_many_tries", tries_left=0, mend="ask for a new code")
    if not fact.allowed:
        return fail(c, "level_no_longer_allowed")
    lost = Wake(at=now + ANSWER_WAIT, fact=ActivationLost(challenge=challenge.id))
    return at(c, Stage.SIGNING, problem=""), (lost,)


def _back(c: Ceremony, problem: str, challenge: SignerChallenge | None, now: datetime, **changes: object) -> Moved:
    """Wait for a code again, unless the collecte ended meanwhile; the lease may have ended too."""
    if c.ended:
        return end(c)
    if c.lease_until is not None and now >= c.lease_until:
        changes |= {"lease_until": None, "documents": unprepared(c), "lost": None}
        challenge = None
    return at(c, Stage.AWAITING_CODE, problem=problem, challenge=challenge, handle="", **changes), ()


def _answers_are_in(c: Ceremony) -> bool:
    """Whether the signer has answered: what else is said of that activation comes late."""
    return any(one.value is not None for one in c.documents)


def activation_refused(c: Ceremony, fact: Fact, now: datetime) -> Moved:
    """The signer did not accept the code: a wrong one counts, any other reason needs a new code."""
    assert isinstance(fact, ActivationRefused)
    challenge = c.challenge if c.challenge is not None and c.challenge.id == fact.challenge else None
    late = c.lost == fact.challenge and bool(c.handle)
    if (challenge is None and not late) or _answers_are_in(c):
        return c, ()
    if fact.reason in HOPELESS:
        return fail(c, fact.reason)
    if fact.reason == "unavailable":  # the signer was not asked: the same code is still good
        return _back(c, fact.reason, challenge, now)
    wrong = challenge is not None and fact.reason == "wrong_code"
    counted = evolve(challenge, wrong=challenge.wrong + 1) if challenge is not None and wrong else None
    return _back(c, fact.reason, counted, now, lost=None)


def activation_lost(c: Ceremony, fact: Fact, now: datetime) -> Moved:
    """Nobody knows whether the signer saw the code: a new one is needed. What it answers late still counts."""
    assert isinstance(fact, ActivationLost)
    if c.challenge is None or c.challenge.id != fact.challenge or c.handle or _answers_are_in(c):
        return c, ()
    return _back(c, "activation_lost", None, now, lost=fact.challenge)


def delayed(c: Ceremony, fact: Fact, _now: datetime) -> Moved:
    """The signer will answer later."""
    assert isinstance(fact, SigningDelayed)
    if c.challenge is None or c.challenge.id != fact.challenge or c.handle:
        return c, ()
    return at(c, c.stage, handle=fact.handle), (PollSigning(challenge=fact.challenge, handle=fact.handle),)


def delayed_late(c: Ceremony, fact: Fact, _now: datetime) -> Moved:
    """The signer had accepted the code after all, and will answer: wait for that instead of another code."""
    assert isinstance(fact, SigningDelayed)
    ready = c.lease_until is not None and all(one.settled or one.preparation is not None for one in c.documents)
    if c.lost != fact.challenge or not ready:
        return c, ()
    following = at(c, Stage.SIGNING, handle=fact.handle, challenge=None, problem="")
    return following, (PollSigning(challenge=fact.challenge, handle=fact.handle),)


def answered(c: Ceremony, fact: Fact, _now: datetime) -> Moved:
    """The signer's answers, hash by hash: each value goes into its document, each refusal fails only its own."""
    assert isinstance(fact, HashesAnswered)
    assert c.opened.certificate is not None
    values, refusals = dict(fact.signed), dict(fact.refused)
    waiting = {one.preparation.digest for one in c.documents if one.preparation and not one.settled}
    if not waiting.intersection(values.keys() | refusals.keys()):
        return c, ()  # an older round's digests: those preparations are gone
    effects: list[Effect] = []
    documents: list[Progress] = []
    for one in c.documents:
        place = one.preparation
        if one.settled or one.value is not None or place is None:
            documents.append(one)
        elif place.digest in values:
            value = values[place.digest]
            documents.append(evolve(one, value=value))
            effects.append(
                EmbedSignature(
                    document=one.document.id,
                    fingerprint=c.opened.certificate.fingerprint,
                    base=place.base,
                    prepared=place.prepared,
                    digest=place.digest,
                    state=place.state,
                    value=value,
                )
            )
        else:
            documents.append(evolve(one, failed=refusals.get(place.digest, "not_answered")))
    progress = tuple(documents)
    if progress == c.documents:
        return c, ()
    if all(one.settled for one in progress):
        return conclude(evolve(c, documents=progress))
    return at(c, Stage.SIGNING, documents=progress, handle=""), tuple(effects)


def signed(c: Ceremony, fact: Fact, _now: datetime) -> Moved:
    """The signature is in the document."""
    assert isinstance(fact, DocumentSigned)
    one = c.progress(fact.document)
    if one is None or one.settled:
        return c, ()
    return _settled(c, evolve(one, signed=fact.content, revision=fact.revision))


def embedding_failed(c: Ceremony, fact: Fact, _now: datetime) -> Moved:
    """The value could not be put into the document; the others go on."""
    assert isinstance(fact, EmbeddingFailed)
    one = c.progress(fact.document)
    if one is None or one.settled:
        return c, ()
    return _settled(c, evolve(one, failed=fact.reason))


def _settled(c: Ceremony, one: Progress) -> Moved:
    documents = c.with_progress(one)
    if all(each.settled for each in documents):
        return conclude(evolve(c, documents=documents))
    return at(c, c.stage, documents=documents), ()
