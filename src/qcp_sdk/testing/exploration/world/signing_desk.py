"""The providers of two signatories, as small as they can be: envelope, signer, hosted pages. See `providers`.

A document's content is spelled out: `doc+a+b` is the document with the signatures of `a` and `b`, in that order. So a
signature that was dropped, or stands twice, can be read off its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from attrs import evolve, field, frozen

from qcp_sdk.ceremony import effects as ce
from qcp_sdk.ceremony import facts as cf
from qcp_sdk.effects import Effect
from qcp_sdk.engine.collaborators import Collaborators
from qcp_sdk.errors import Rejected
from qcp_sdk.ports.answers import Pending
from qcp_sdk.ports.envelope import PreparedSignature
from qcp_sdk.ports.signer import Credential, HashAnswer, HashRefused, HashSigned, SigningChallenge, SigningPending
from qcp_sdk.testing.exploration.subscription import NOW
from qcp_sdk.values import CeremonyId, ChallengeId, ContentHash, DocumentId, Fingerprint, Key, SessionId

DOCUMENT: Final = DocumentId("doc")
LONG: Final = NOW + timedelta(minutes=3)


@frozen
class Challenge:
    """A challenge at the signer: the digests it is pinned to, and how it stands: `open`, `pending`, `signed`,
    `refused`.
    """

    digests: tuple[bytes, ...]
    standing: str = "open"


@frozen
class Page:
    """A transaction on the provider's page: over which content, and how it stands: `open`, `signed`, `refused`,
    `expired`.
    """

    content: ContentHash
    standing: str = "open"


@frozen
class SigningProviders:
    """What everybody outside holds."""

    answers: tuple[tuple[Key, str], ...] = ()
    """How each key that may still come again was answered."""
    challenges: tuple[tuple[ChallengeId, Challenge], ...] = ()
    pages: tuple[tuple[SessionId, Page], ...] = ()

    def answered(self, key: Key) -> str | None:
        """Give how a key was answered; None: it never came."""
        return next((answer for known, answer in self.answers if known == key), None)

    def challenge(self, id: ChallengeId) -> Challenge:
        """Give a challenge."""
        return dict(self.challenges)[id]

    def page(self, session: SessionId) -> Page:
        """Give a transaction."""
        return dict(self.pages)[session]

    def with_challenge(self, id: ChallengeId, one: Challenge) -> SigningProviders:
        """Give the same with this challenge."""
        return evolve(self, challenges=tuple(sorted({**dict(self.challenges), id: one}.items())))

    def with_page(self, session: SessionId, page: Page) -> SigningProviders:
        """Give the same with this transaction."""
        return evolve(self, pages=tuple(sorted({**dict(self.pages), session: page}.items())))


CHOICES: Final[Mapping[type[Effect], tuple[str, ...]]] = {
    ce.PrepareSignature: ("prepared", "unreadable"),
    ce.ChallengeSigner: ("sent", "disabled"),
    ce.EmbedSignature: ("embedded", "value_refused"),
    ce.OpenTransaction: ("opened", "rejected"),
}
"""How a provider may take what comes to it for the first time."""
REFUSED: Final = frozenset({"unreadable", "disabled", "value_refused", "rejected"})


def by_themselves(p: SigningProviders) -> tuple[tuple[str, SigningProviders], ...]:
    """Give everything that providers, and persons on their pages, may do without being asked by us."""
    found = [
        (f"provider: {id} {standing}", p.with_challenge(id, evolve(one, standing=standing)))
        for id, one in p.challenges
        if one.standing == "pending"
        for standing in ("signed", "refused")
    ]
    found += [
        (f"provider: {session} {standing}", p.with_page(session, evolve(page, standing=standing)))
        for session, page in p.pages
        if page.standing == "open"
        for standing in ("signed", "refused", "expired")
    ]
    return tuple(found)


def signed(content: ContentHash, who: str) -> ContentHash:
    """Give a document with one more signature."""
    return ContentHash(f"{content}+{who}")


class SigningDesk:
    """The ports over one value: set `p`, `choice` and whose effect it is, let a performer call, take `p` again."""

    def __init__(self) -> None:
        self.p, self.choice = SigningProviders(), ""
        self.who, self.round = "", 0
        ports: dict[str, Any] = {
            "signers": _Signer(self),
            "envelopes": _Envelope(self),
            "pages": _Pages(self),
        }
        routes: dict[str, Any] = {role: {"default": port} for role, port in ports.items()}
        nobody: Any = None
        self.ports = Collaborators(
            store=nobody,
            clock=nobody,
            ids=nobody,
            keys=nobody,
            accounts=nobody,
            ledgers={},
            codes={},
            notices={},
            documents={},
            **routes,
        )

    def once(self, key: Key) -> str:
        """Give how a key is answered, or raise what a port raises; for the first time it is `choice`."""
        answer = self.p.answered(key)
        if answer is None:
            answer = self.choice
            self.p = evolve(self.p, answers=(*self.p.answers, (key, answer)))
        if answer in REFUSED:
            raise Rejected("refused", reason=answer)
        return answer


@frozen
class _Port:
    desk: SigningDesk = field(repr=False)


class _Envelope(_Port):
    def prepare(self, *, key: Key, base: ContentHash, **_said: object) -> PreparedSignature:
        # The same key makes the same place, in the bytes that it was first asked for.
        self.desk.choice = f"{base}" if self.desk.choice == "prepared" else self.desk.choice
        first = ContentHash(self.desk.once(key))
        digest = f"{first}|{self.desk.who}|{self.desk.round}".encode()
        return PreparedSignature(base=first, prepared=ContentHash(f"{first}_"), digest=digest, state=b"")

    def embed(self, *, key: Key, prepared: PreparedSignature, **_said: object) -> ContentHash:
        self.desk.once(key)
        return signed(prepared.base, self.desk.who)


class _Signer(_Port):
    def credential(self, *, fingerprint: Fingerprint) -> Credential:
        return Credential(fingerprint=fingerprint, chain=(), algorithm="sha256_rsa")

    def challenge(self, *, key: Key, digests: tuple[bytes, ...], **_said: object) -> SigningChallenge:
        self.desk.once(key)
        id = ChallengeId(f"{self.desk.who}/{self.desk.round}")
        if id not in dict(self.desk.p.challenges):
            self.desk.p = self.desk.p.with_challenge(id, Challenge(digests))
        return SigningChallenge(id=id, not_after=LONG, masked="*****1316")

    def poll(self, *, handle: str) -> tuple[HashAnswer, ...] | SigningPending:
        one = self.desk.p.challenge(ChallengeId(handle))
        if one.standing == "pending":
            return SigningPending(handle=handle)
        return answers(one)


def answers(one: Challenge) -> tuple[HashAnswer, ...]:
    """Give what the signer says of each digest."""
    if one.standing == "signed":
        return tuple(HashSigned(digest=digest, value=b"v") for digest in one.digests)
    return tuple(HashRefused(digest=digest, reason="r") for digest in one.digests)


class _Pages(_Port):
    def open(
        self, *, key: Key, ceremony: CeremonyId, documents: tuple[tuple[DocumentId, ContentHash], ...], **_said: object
    ) -> cf.TransactionOpened:
        self.desk.once(key)
        session = SessionId(f"page-{ceremony}")
        if session not in dict(self.desk.p.pages):
            self.desk.p = self.desk.p.with_page(session, Page(dict(documents)[DOCUMENT]))
        return cf.TransactionOpened(session=session, url="u", expires=LONG)

    def ask(self, *, session: SessionId) -> cf.TransactionSigned | cf.TransactionEnded | Pending:
        page = self.desk.p.page(session)
        if page.standing == "open":
            return Pending()
        if page.standing == "signed":
            content = signed(page.content, session.removeprefix("page-"))
            return cf.TransactionSigned(session=session, documents=((DOCUMENT, content),))
        return cf.TransactionEnded(session=session, reason=page.standing)

    def close(self, *, key: Key, session: SessionId) -> None:  # noqa: ARG002 - doing it twice does nothing more
        page = self.desk.p.page(session)
        if page.standing == "open":
            self.desk.p = self.desk.p.with_page(session, evolve(page, standing="expired"))
