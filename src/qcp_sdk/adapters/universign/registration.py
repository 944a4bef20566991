"""Hosted registrations for a qualified certificate.

The words for a registration's state could not be read. So nothing rests on them: whether a certificate was issued is
asked of `/v1/certificates/match`.
"""

from __future__ import annotations

import hashlib
import json
import threading
from base64 import b64decode, b64encode
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from qcp_sdk.adapters.shared import sealed
from qcp_sdk.adapters.shared.answers import KeptAnswers
from qcp_sdk.adapters.shared.http import Http, segment
from qcp_sdk.adapters.universign.api import LEVELS, MATCHED, NAME, UniversignCertificates
from qcp_sdk.errors import ConfigurationError, Rejected, Unavailable, Unconfirmed
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.people import Account
from qcp_sdk.ports.answers import Pending
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.keys import Keys
from qcp_sdk.ports.registration import Ended
from qcp_sdk.subscription.facts import (
    CertificateAttested,
    RegistrationExpired,
    RegistrationOpened,
    RegistrationRefused,
)
from qcp_sdk.values import Key, Secret, SessionId, SubscriptionId, joined, utc

SESSION_LIFE: Final = timedelta(days=7)
"""How long a registration's session is valid [read]."""
REFUSED: Final = frozenset({"refused", "rejected", "failed", "declined"})
EXPIRED: Final = frozenset({"expired", "cancelled", "canceled", "abandoned"})
"""States that end a registration without a certificate [inferred: the list of states could not be read]. Any other
word decides nothing."""
_WORD: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-")


class UniversignRegistration:
    """Opens registrations whose name, e-mail and mobile are prerequisites, and says how they ended.

    Who already holds a certificate that fits is not registered again: a later match would prove nothing. `remember`
    is a folder that all processes share; until a registration has ended, the person's data lie there, sealed under a
    key derived from `keys`. `redirect_url` is where Universign sends the person back.

    Raises:
        ConfigurationError: Something is missing, or the address is none.
    """

    def __init__(
        self,
        *,
        http: Http,
        api_key: Secret,
        keys: Keys,
        clock: Clock,
        remember: Path,
        redirect_url: str,
        level: CertificateLevel = CertificateLevel.QCP_N,
    ) -> None:
        if urlsplit(redirect_url).scheme not in {"http", "https"}:
            raise ConfigurationError("it is no web address", where="universign.redirect_url", mend="give https://…")
        self._certificates = UniversignCertificates(http, api_key=api_key)
        self._keys, self._clock, self._kept = keys, clock, KeptAnswers(remember)
        self._redirect_url, self._level = redirect_url, level
        self._locks = tuple(threading.Lock() for _ in range(64))

    # The port.

    def open(self, *, key: Key, subscription: SubscriptionId, person: Account) -> RegistrationOpened:
        """Open a registration; asked again, the same one.

        Raises:
            Rejected: `key_reused`; `closed`: it was closed before; `certificate_exists`; `data_refused`.
            Unavailable: Universign was not reached, or did nothing.
            Unconfirmed: It may have opened one; the same key opens another, and nobody is given the first.
        """
        meant = (subscription, _digest(person))
        with self._locks[hash(key) % len(self._locks)]:
            kept = self._kept.get(key=key, meant=meant)
            if kept is None:
                if self._kept.get(key=_about("closed", key)) is not None:
                    raise Rejected("it was closed before it was opened", reason="closed")
                kept = self._opened(key, subscription, person, meant)
        opened = json.loads(kept)
        return RegistrationOpened(
            session=SessionId(opened["session"]), url=opened["url"], expires=datetime.fromisoformat(opened["expires"])
        )

    def ask(self, *, session: SessionId) -> Ended | Pending:
        """Say how a registration stands. An end, once told, is told again unchanged.

        Raises:
            Rejected: `unknown_session`.
            Unavailable: Universign was not reached, or its answer cannot be used.
        """
        about = self._about(session)
        if about is None:
            raise Rejected("no such session", reason="unknown_session")
        before = self._ended(session)
        if before is not None:
            return before
        if self._matches(session):
            return self._settled(session, "attested")
        state = self._state(session)
        if state in REFUSED:
            return self._settled(session, "refused", state)
        if state in EXPIRED or self._clock.now() >= about:
            return self._settled(session, "expired")
        return Pending(note="no certificate yet")

    def close(self, *, key: Key, opened_by: Key, session: SessionId | None) -> Ended:  # noqa: ARG002
        """Close the registration that was opened under `opened_by`, and say how it ended.

        Universign publishes no call that cancels one: it is closed here, and what the person still does there is
        neither asked about nor charged.

        Raises:
            Unavailable: Universign was not reached: nothing is closed yet.
        """
        with self._locks[hash(opened_by) % len(self._locks)]:
            kept = self._kept.get(key=opened_by)
            if kept is None:
                self._kept.put(key=_about("closed", opened_by), answer="closed")
                return RegistrationExpired(session=session or SessionId(""))
            known = SessionId(json.loads(kept)["session"])
            told = self.ask(session=known)
            return self._settled(known, "expired") if isinstance(told, Pending) else told

    def forget_stream(self, *, stream: str) -> None:
        """Forget what was kept of this subscription. Repeatable.

        Raises:
            Unavailable: The folder cannot be written.
        """
        for answer in self._kept.forget_stream(stream=stream):
            if answer.startswith("{"):
                self._kept.forget(key=_about("ended", SessionId(json.loads(answer)["session"])))

    def probe(self) -> datetime | None:
        """Ask Universign for a certificate that nobody holds and give its time. Nothing is changed.

        Raises:
            Unavailable: It was not reached, or does not know us.
        """
        return self._certificates.api.probe()

    # Universign's side.

    def _opened(self, key: Key, subscription: SubscriptionId, person: Account, meant: tuple[str, ...]) -> str:
        if self._certificates.match(
            email=person.email.text, name=person.name.full, mobile=person.mobile.text, level=self._level
        ):
            raise Rejected("this person holds such a certificate already", reason="certificate_exists")
        form: dict[str, str | Secret] = {
            "applicant": Secret(person.email.text),
            "level": LEVELS[self._level],
            "session_type": "standalone",
            "redirect_url": self._redirect_url,
            "fullname": Secret(person.name.full),
            "fullname_type": "prerequisite",
            "phone_number": Secret(person.mobile.text),
            "phone_number_type": "prerequisite",
            "language": person.language,
        }
        sealing = self._sealing()  # before anything is opened: keys may be out of reach
        told = self._certificates.api.fields("POST", "/v1/registrations", acts=True, form=form)
        session = SessionId(told.text("id"))
        url = told.text("url") if told.has("url") else told.text("access_url")
        if urlsplit(url).scheme not in {"http", "https"}:
            raise told.answer.unreadable("its address is none")
        expires = (self._clock.now() + SESSION_LIFE).isoformat()
        data = json.dumps([person.email.text, person.name.full, person.mobile.text]).encode()
        held = b64encode(sealed.seal(sealing, f"universign/{session}", data)).decode()
        opened = json.dumps({"session": session, "url": url, "expires": expires})
        try:
            self._kept.put(key=_about("person", session), answer=held, of=subscription)
            self._kept.put(key=_about("expires", session), answer=expires, of=subscription)
            return self._kept.put(key=key, answer=opened, meant=meant, of=subscription)
        except Unavailable as error:
            raise Unconfirmed(
                "a registration was opened, and could not be noted", where="universign", mend=error.mend
            ) from error

    def _matches(self, session: SessionId) -> bool:
        held = self._kept.get(key=_about("person", session))
        if held is None:
            return False
        data = sealed.unseal(self._sealing(), f"universign/{session}", b64decode(held))
        email, name, mobile = json.loads(data)
        return self._certificates.match(email=email, name=name, mobile=mobile, level=self._level)

    def _state(self, session: SessionId) -> str:
        """Read a registration's state: one word, or "" for what is none."""
        told = self._certificates.api.fields("GET", f"/v1/registrations/{segment(session)}", acts=False)
        state = told.text("state", "").lower()
        return state if len(state) <= 40 and _WORD.issuperset(state) else ""

    # What is remembered.

    def _about(self, session: SessionId) -> datetime | None:
        kept = self._kept.get(key=_about("expires", session))
        return utc(datetime.fromisoformat(kept)) if kept is not None else None

    def _ended(self, session: SessionId) -> Ended | None:
        kept = self._kept.get(key=_about("ended", session))
        return self._told(session, kept) if kept is not None else None

    def _settled(self, session: SessionId, how: str, reason: str = "") -> Ended:
        """Write an end down before it is told, forget the person, and give the end that was first."""
        text = json.dumps([how, reason, self._clock.now().isoformat()])
        first = self._kept.put(key=_about("ended", session), answer=text)
        self._kept.forget(key=_about("person", session))
        return self._told(session, first)

    def _told(self, session: SessionId, kept: str) -> Ended:
        how, reason, at = json.loads(kept)
        if how == "attested":
            return CertificateAttested(provider=NAME, level=self._level, matched=MATCHED, at=datetime.fromisoformat(at))
        if how == "refused":
            return RegistrationRefused(session=session, reason=reason)
        return RegistrationExpired(session=session)

    def _sealing(self) -> bytes:
        return self._keys.derive(purpose="universign")


def _about(what: str, of: str) -> Key:
    return Key(joined("universign", what, of))


def _digest(person: Account) -> str:
    said = joined(person.id, person.name.full, person.email.text, person.mobile.text)
    return hashlib.sha256(said.encode(errors="surrogatepass")).hexdigest()
