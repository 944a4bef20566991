"""What an adapter of an identity provider remembers: which sessions it opened, and how it said that they ended.

A provider may say more than one last word (IDnow: ABORTED, then SUCCESS when the person goes on by the old link). The
port may not: what was told is written down first, and stays. No personal data lies here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

from attrs import frozen

from qcp_sdk.adapters.shared.answers import KeptAnswers
from qcp_sdk.errors import Unavailable
from qcp_sdk.people import Account
from qcp_sdk.ports.identity import Verdict as Told
from qcp_sdk.subscription.facts import (
    FraudSuspected,
    IdentityAbandoned,
    IdentityOpened,
    IdentityRefused,
    IdentityRetryable,
)
from qcp_sdk.values import Key, SessionId, SubscriptionId, joined, utc


class Means(StrEnum):
    """What a provider's result comes to. Values are stored."""

    APPROVED = "approved"
    UNDECIDED = "undecided"
    """The person is done; the provider is not."""
    FRAUD = "fraud"
    RETRYABLE = "retryable"
    REFUSED = "refused"
    ABANDONED = "abandoned"


@frozen
class Verdict:
    """What a session comes to, and our word for why."""

    means: Means
    reason: str = ""


CANCELLED: Final = Verdict(Means.ABANDONED, "cancelled")
"""We ended it; the provider may not know yet. Told as any other that was abandoned."""

_FACTS: Final[Mapping[Means, type[IdentityRetryable] | type[IdentityRefused]]] = {
    Means.RETRYABLE: IdentityRetryable,
    Means.REFUSED: IdentityRefused,
}


def told(session: SessionId, verdict: Verdict) -> Told:
    """Give the fact of a verdict.

    Raises:
        Unavailable: It is an approval: that takes the person's data, which only the provider has. Nothing else may
            follow it.
    """
    if verdict.means is Means.APPROVED:
        raise Unavailable(
            "this session was approved before, and the provider no longer shows the data",
            mend="look at the provider's own pages; ask for a new identification if they are gone",
        )
    if verdict.means is Means.FRAUD:
        return FraudSuspected(reason=verdict.reason)
    fact = _FACTS.get(verdict.means)
    return fact(session=session, reason=verdict.reason) if fact else IdentityAbandoned(session=session)


class Sessions:
    """The sessions that were opened at `provider`, in a folder that all processes of the installation share."""

    def __init__(self, remember: Path, *, provider: str) -> None:
        self._kept, self._provider = KeptAnswers(remember), provider

    def opened(
        self,
        *,
        key: Key,
        attempt: int,
        subscription: SubscriptionId,
        person: Account,
        open: Callable[[], tuple[SessionId, str, datetime]],
    ) -> IdentityOpened:
        """Give the session of a key; `open` opens it, where none was opened: it gives the session, where, until when.

        Raises:
            Rejected: `key_reused`: it was opened for something else.
        """
        meant = (str(attempt), subscription, _digest(person))
        kept = self._kept.get(key=key, meant=meant)
        if kept is None:
            session, url, expires = open()
            self._kept.put(key=self._about("opened", session), answer=expires.isoformat(), of=subscription)
            answer = json.dumps({"session": session, "url": url, "expires": expires.isoformat()})
            kept = self._kept.put(key=key, answer=answer, meant=meant, of=subscription)
        first = json.loads(kept)
        return IdentityOpened(
            attempt=attempt,
            session=SessionId(first["session"]),
            url=first["url"],
            expires=datetime.fromisoformat(first["expires"]),
        )

    def forget_stream(self, *, stream: str) -> None:
        """Forget the sessions of a subscription and their verdicts. Repeatable.

        Raises:
            Unavailable: The folder cannot be written.
        """
        for answer in self._kept.forget_stream(stream=stream):
            if answer.startswith("{"):
                self._kept.forget(key=self._about("verdict", SessionId(json.loads(answer)["session"])))

    def expires(self, session: SessionId) -> datetime | None:
        """Give until when a session was opened; None for one that was not opened here."""
        kept = self._kept.get(key=self._about("opened", session))
        return utc(datetime.fromisoformat(kept)) if kept is not None else None

    def verdict(self, session: SessionId) -> Verdict | None:
        """Give the verdict that was told."""
        kept = self._kept.get(key=self._about("verdict", session))
        return _verdict(kept) if kept is not None else None

    def settled(self, session: SessionId, verdict: Verdict) -> Verdict:
        """Write a verdict down before it is told, and give the one that was first."""
        before = self.verdict(session)  # reading is cheap, and a verdict is asked for again and again
        if before is not None:
            return before
        text = json.dumps([verdict.means.value, verdict.reason])
        return _verdict(self._kept.put(key=self._about("verdict", session), answer=text))

    def _about(self, what: str, session: SessionId) -> Key:
        return Key(joined(self._provider, what, session))


def _verdict(kept: str) -> Verdict:
    means, reason = json.loads(kept)
    return Verdict(Means(means), reason)


def _digest(person: Account) -> str:
    said = (person.id, person.name.given, person.name.last, person.name.birth_name, person.email.text)
    return hashlib.sha256(joined(*said, person.mobile.text).encode(errors="surrogatepass")).hexdigest()
