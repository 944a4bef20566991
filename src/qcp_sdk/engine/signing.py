"""The one call that carries a secret to a collaborator: the activation of a signature (behaviour § 7.5).

The intent is recorded first, the code goes to the signer in the same call and nowhere else, and the answer is
recorded. A process that dies in between leaves a wait: it asks the signer what it answered, and calls the activation
lost only where the signer knows of nothing.
"""

from __future__ import annotations

import logging

from qcp_sdk.ceremony import facts as cf
from qcp_sdk.ceremony.stages import CeremonyStage
from qcp_sdk.ceremony.state import Ceremony
from qcp_sdk.engine.collaborators import routed
from qcp_sdk.engine.core import Engine
from qcp_sdk.engine.performers import hashes_answered, live_key, unsigned
from qcp_sdk.errors import CodeRefused, ConfigurationError, Rejected, Unavailable, Unconfirmed
from qcp_sdk.facts import Fact
from qcp_sdk.ports.signer import SigningPending
from qcp_sdk.values import CeremonyId, Key, Secret

log = logging.getLogger("qcp_sdk")


def activate(engine: Engine, id: CeremonyId, code: Secret, *, allowed: bool, findings: tuple[str, ...]) -> Ceremony:
    """Show the code to the signer and record what it answers. `allowed` is the policy's answer at this moment.

    Raises:
        CodeRefused: There is no challenge to answer, or it has expired; the signer was not asked.
    """
    ceremony: Ceremony = engine.streams.load(id).state
    if ceremony.challenge is None:
        raise CodeRefused("no code was sent", reason="none_sent", mend="ask for a code")
    challenge = ceremony.challenge.id
    asked: Ceremony = engine.record(
        id, cf.ActivationAsked(challenge=challenge, allowed=allowed, findings=findings)
    ).state
    if asked.stage is not CeremonyStage.SIGNING:
        return asked  # the policy said no, or the deadline came first: the signer sees no code
    fact = _answer(engine, asked, code)
    answered: Ceremony = engine.record(id, fact).state
    return answered


def _answer(engine: Engine, ceremony: Ceremony, code: Secret) -> Fact:
    assert ceremony.challenge is not None
    challenge = ceremony.challenge.id
    digests = unsigned(ceremony)
    try:
        signer = routed(engine.ports.signers, ceremony.opened.routes.signer, "signers")
    except ConfigurationError as error:
        log.error("nobody was asked to activate %s: %s", ceremony.id, error)  # noqa: TRY400
        return cf.ActivationRefused(challenge=challenge, reason="unavailable")
    key = live_key(Key(f"{ceremony.id}/{ceremony.sequence}/0"))
    try:
        try:
            answers = signer.activate(key=key, challenge=challenge, digests=digests, code=code)
        except Unconfirmed:
            # While the code is still at hand the key may be asked once more: it answers what it answered.
            answers = signer.activate(key=key, challenge=challenge, digests=digests, code=code)
        if isinstance(answers, SigningPending):
            return cf.SigningDelayed(challenge=challenge, handle=answers.handle)
        return hashes_answered(challenge, answers)
    except Rejected as rejected:
        return cf.ActivationRefused(challenge=challenge, reason=rejected.reason)
    except Unavailable:
        return cf.ActivationRefused(challenge=challenge, reason="unavailable")
    except Unconfirmed:
        return cf.ActivationLost(challenge=challenge)
    except Exception as error:  # noqa: BLE001 - an adapter's own fault: nobody knows what it did, or what it would say
        log.error("fault %s when activating %s", type(error).__name__, ceremony.id)  # noqa: TRY400
        return cf.ActivationLost(challenge=challenge)
