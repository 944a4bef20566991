"""How a simulated signing page signs: through an envelope and a signer, or through any function."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol, TypeAlias

from attrs import field, frozen

from qcp_sdk.certificates import Certificate
from qcp_sdk.collectes import Signatory
from qcp_sdk.errors import Rejected
from qcp_sdk.levels import REQUIRED_CERTIFICATE
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.envelope import Envelope, PreparedSignature
from qcp_sdk.ports.signer import HashRefused, HashSigned, Signer, SigningPending
from qcp_sdk.values import ChallengeId, ContentHash, DocumentId, Fingerprint, Key, Secret

SignedDocuments: TypeAlias = tuple[tuple[DocumentId, ContentHash], ...]


@frozen(kw_only=True)
class Begun:
    """A signature that waits for the signatory's code."""

    challenge: ChallengeId
    masked: str
    """Where the code went, as it may be shown."""
    not_after: datetime | None = None
    prepared: tuple[tuple[DocumentId, PreparedSignature], ...] = field(default=(), repr=False)


@frozen(kw_only=True)
class Spoilt:
    """The code was right and no signature came of it; `reason` says why."""

    reason: str


@frozen(kw_only=True)
class Task:
    """What a pen is to sign, and for whom."""

    signatory: Signatory
    documents: SignedDocuments
    fingerprint: Fingerprint | None


class Pen(Protocol):
    """Signs the documents of one transaction. A key acts once, as for every port."""

    def accept(self, *, signatory: Signatory) -> Fingerprint | None:
        """Say with which certificate this person signs; None where that needs none.

        Raises:
            Rejected: This person cannot sign at the level asked for.
        """

    def begin(self, *, key: Key, task: Task) -> Begun:
        """Make everything ready, and send the signatory a code.

        Raises:
            Rejected: As the ports beneath say it.
        """

    def finish(self, *, key: Key, task: Task, begun: Begun, code: Secret) -> SignedDocuments | Spoilt | None:
        """Sign, if the code is right; None when the answer comes later: call again with the same key.

        Raises:
            Rejected: The code is not accepted; the signatory may try again.
        """


class PortsPen:
    """Signs as the host's own pages would: `envelope` makes the place, `signer` sends and checks the code."""

    def __init__(
        self,
        *,
        envelope: Envelope,
        signer: Signer,
        certificate_of: Callable[[Signatory], Certificate | None],
        clock: Clock,
    ) -> None:
        self._envelope, self._signer = envelope, signer
        self._certificate_of, self._clock = certificate_of, clock

    def accept(self, *, signatory: Signatory) -> Fingerprint | None:
        """Give the signatory's certificate, if it is good for the level.

        Raises:
            Rejected: `no_certificate`, or `level_unavailable`.
        """
        certificate = self._certificate_of(signatory)
        if certificate is None:
            raise Rejected("the signatory holds no certificate", reason="no_certificate")
        required = REQUIRED_CERTIFICATE[signatory.level]
        if required is not None and (certificate.level is None or certificate.level < required):
            raise Rejected("the signatory's certificate is of a lower level", reason="level_unavailable")
        return certificate.fingerprint

    def begin(self, *, key: Key, task: Task) -> Begun:
        """Make a place in every document and challenge the signatory over all of them at once."""
        assert task.fingerprint is not None
        credential = self._signer.credential(fingerprint=task.fingerprint)
        now = self._clock.now()
        prepared = tuple(
            (
                document,
                self._envelope.prepare(
                    key=Key(f"{key}/{document}"), validated=content, base=content, credential=credential, at=now
                ),
            )
            for document, content in task.documents
        )
        challenge = self._signer.challenge(
            key=key,
            fingerprint=task.fingerprint,
            digests=tuple(place.digest for _, place in prepared),
            language=task.signatory.language,
        )
        return Begun(challenge=challenge.id, masked=challenge.masked, not_after=challenge.not_after, prepared=prepared)

    def finish(self, *, key: Key, task: Task, begun: Begun, code: Secret) -> SignedDocuments | Spoilt | None:
        """Activate, and embed every value; one refused hash spoils the transaction."""
        assert task.fingerprint is not None
        digests = tuple(place.digest for _, place in begun.prepared)
        answer = self._signer.activate(key=key, challenge=begun.challenge, digests=digests, code=code)
        if isinstance(answer, SigningPending):
            answer = self._signer.poll(handle=answer.handle)
        if isinstance(answer, SigningPending):
            return None
        values = {told.digest: told.value for told in answer if isinstance(told, HashSigned)}
        refused = [told.reason for told in answer if isinstance(told, HashRefused)]
        if refused or not values.keys() >= set(digests):
            return Spoilt(reason=refused[0] if refused else "unanswered")
        credential = self._signer.credential(fingerprint=task.fingerprint)
        try:
            return tuple(
                (
                    document,
                    self._envelope.embed(
                        key=Key(f"{key}/{document}"), prepared=place, credential=credential, value=values[place.digest]
                    ),
                )
                for document, place in begun.prepared
            )
        except Rejected as refusal:
            return Spoilt(reason=refusal.reason)


@frozen
class FunctionPen:
    """Signs by calling `sign` for each document; there is no code, so any is right."""

    sign: Callable[[Key, Signatory, ContentHash], ContentHash]

    def accept(self, *, signatory: Signatory) -> Fingerprint | None:  # noqa: ARG002
        """Accept everybody."""
        return None

    def begin(self, *, key: Key, task: Task) -> Begun:
        """Send nothing."""
        return Begun(challenge=ChallengeId(key), masked=task.signatory.mobile.masked)

    def finish(self, *, key: Key, task: Task, begun: Begun, code: Secret) -> SignedDocuments | Spoilt:  # noqa: ARG002
        """Call the function for each document, under a key of its own."""
        try:
            return tuple(
                (document, self.sign(Key(f"{key}/{document}"), task.signatory, content))
                for document, content in task.documents
            )
        except Rejected as refusal:
            return Spoilt(reason=refusal.reason)
