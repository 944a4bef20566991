"""The gateway API as the port `identity`: create, start link, login token, results."""

from __future__ import annotations

import hashlib
import threading
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from attrs import frozen

from qcp_sdk.adapters.idnow.results import judged, proven
from qcp_sdk.adapters.shared.fields import Fields
from qcp_sdk.adapters.shared.http import Answer, Http, segment
from qcp_sdk.adapters.shared.probing import told_time
from qcp_sdk.adapters.shared.sessions import CANCELLED, Means, Sessions, Verdict, told
from qcp_sdk.errors import ConfigurationError, PortError, Rejected, Unavailable
from qcp_sdk.identity import IdentityEvidence, Proofing
from qcp_sdk.people import Account
from qcp_sdk.ports.answers import Pending
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.identity import Verdict as Told
from qcp_sdk.subscription.facts import (
    CaptureFinished,
    IdentityApproved,
    IdentityOpened,
)
from qcp_sdk.values import Key, Secret, SessionId, SubscriptionId

SESSION_LIFE: Final = timedelta(days=7)
"""IDnow's answer names no end; this is how long the person has [inferred]."""
FINISHED: Final = frozenset({409})
"""EXISTING_IDENTIFICATION: this transaction is decided."""
NOTHING: Final = frozenset({401, 404, 409, 412})
"""What a deletion may be answered where there is nothing to delete."""
UNREADABLE_DOCUMENT: Final = "document_not_accepted"


class Product(StrEnum):
    """Which product the company's contract is for: they differ in the address that the person opens."""

    VIDEO = "video"
    """VideoIdent: the address holds the transaction number [read]."""
    AUTO = "auto"
    """AutoIdent: the address holds IDnow's own id [read, in a public client]."""


@frozen(kw_only=True)
class Places:
    """Where IDnow is: the API, and the pages that people open."""

    gateway: str
    go: str


LIVE: Final = Places(gateway="https://gateway.idnow.de", go="https://go.idnow.de")
TEST: Final = Places(gateway="https://gateway.test.idnow.de", go="https://go.test.idnow.de")


class IdnowIdentity:
    """Opens identifications at IDnow and says how they ended. One identification a key.

    `http` is the gateway (`Places.gateway`), `go` where people go. `remember` is a folder that all processes of the
    installation share: which sessions were opened, cancelled, or told to be over; no personal data lies there.
    `proofing` is what the contract with IDnow says its verification is worth (ETSI TS 119 461): nothing in an answer
    tells. `test_case` (`X-AUTOTEST-HAPPYPATH` …) lets the robots of the test environment play the person.

    Raises:
        ConfigurationError: The company, the key or the address of the pages cannot be used.
    """

    def __init__(
        self,
        *,
        http: Http,
        go: str,
        company: str,
        api_key: Secret,
        clock: Clock,
        remember: Path,
        product: Product = Product.AUTO,
        proofing: Proofing = Proofing.BASELINE,
        session_life: timedelta = SESSION_LIFE,
        test_case: str = "",
    ) -> None:
        if not company or not api_key:
            raise ConfigurationError("the company or its API key is missing", where="idnow", mend="give both")
        if urlsplit(go).scheme not in {"http", "https"}:
            raise ConfigurationError("the pages' address is none", where="idnow.go", mend="use Places.go")
        self._http, self._go, self._company = http, go.rstrip("/"), segment(company)
        self._api_key, self._clock = api_key, clock
        self._sessions = Sessions(remember, provider="idnow")
        self._product, self._proofing, self._life, self._case = product, proofing, session_life, test_case
        self._token: Secret | None = None
        self._lock = threading.Lock()

    # The port.

    def open(self, *, key: Key, attempt: int, subscription: SubscriptionId, person: Account) -> IdentityOpened:
        """Open an identification; asked again, the same one.

        Raises:
            Rejected: `key_reused`, for anything but the first opening; `data_refused`: IDnow does not take the data.
            Unavailable: IDnow was not reached, or did nothing.
            Unconfirmed: It may have opened it; the same key opens the same.
        """
        return self._sessions.opened(
            key=key,
            attempt=attempt,
            subscription=subscription,
            person=person,
            open=lambda: self._started(session_of(key), subscription, person),
        )

    def ask(self, *, session: SessionId) -> Told | CaptureFinished | Pending:
        """Say how an identification stands. A verdict, once told, stays, whatever IDnow says later.

        Raises:
            Rejected: `unknown_session`.
            Unavailable: IDnow was not reached, or its answer cannot be used; or it no longer shows what it approved.
        """
        expires = self._sessions.expires(session)
        if expires is None:
            raise Rejected("no such session", reason="unknown_session")
        before = self._sessions.verdict(session)
        if before is not None and before.means is not Means.APPROVED:
            return told(session, before)
        found = self._asked(session, expires)
        return told(session, before) if before and isinstance(found, Pending | CaptureFinished) else found

    def _asked(self, session: SessionId, expires: datetime) -> Told | CaptureFinished | Pending:
        answer = self._fetched(session)
        if answer is None:
            if self._clock.now() < expires:
                return Pending(note="the person has not finished")
            return told(session, self._sessions.settled(session, Verdict(Means.ABANDONED)))
        verdict = judged(answer.inner("identificationprocess"))
        if verdict.means is Means.UNDECIDED:
            return CaptureFinished(session=session)
        if verdict.means is not Means.APPROVED:
            return told(session, self._sessions.settled(session, verdict))
        identity = proven(answer)
        if identity is None:
            return told(session, self._sessions.settled(session, Verdict(Means.RETRYABLE, UNREADABLE_DOCUMENT)))
        verdict = self._sessions.settled(session, verdict)
        if verdict.means is not Means.APPROVED:  # cancelled at the same time
            return told(session, verdict)
        reference = answer.inner("identificationprocess").text("id", session)
        evidence = IdentityEvidence(provider="IDnow", reference=reference, proofing=self._proofing)
        return IdentityApproved(session=session, identity=identity, evidence=evidence)

    def forget_stream(self, *, stream: str) -> None:
        """Forget the sessions of a subscription, and how they ended. Repeatable.

        Raises:
            Unavailable: The folder cannot be written.
        """
        self._sessions.forget_stream(stream=stream)

    def cancel(self, *, key: Key, session: SessionId) -> None:  # noqa: ARG002  # doing it twice does nothing more
        """Close the session; one that has ended, or was never known, is left as it is.

        Raises:
            Unavailable: IDnow was not reached: it may be open there; asked again, it is closed there too.
        """
        if self._sessions.expires(session) is None:
            return
        verdict = self._sessions.verdict(session)
        if verdict is None and isinstance(self.ask(session=session), Pending | CaptureFinished):
            verdict = self._sessions.settled(session, CANCELLED)  # over for us, whether or not IDnow forgets it
        if verdict == CANCELLED:  # also where an earlier try did not reach IDnow
            self._signed_in("DELETE", session)

    def probe(self) -> datetime | None:
        """Log in at IDnow and give its time. Nothing is changed.

        Raises:
            Unavailable: It was not reached, or does not know us.
        """
        answer = self._logged_in()
        Fields.of(answer).text("authToken")  # a page that answers 200 to anything is no IDnow
        return told_time(answer)

    # IDnow's side.

    def _started(
        self, session: SessionId, subscription: SubscriptionId, person: Account
    ) -> tuple[SessionId, str, datetime]:
        expires = self._clock.now() + self._life
        answer = self._http.ask(
            "POST",
            f"/api/v1/{self._company}/identifications/{segment(session)}/start",
            acts=True,
            json=self._data(subscription, person),
            headers={"x-api-key": self._api_key},
            expect=FINISHED,
            explain=_data_refused,
            quiet=True,
        )
        return session, self._url(session, "" if answer.status in FINISHED else Fields.of(answer).text("id")), expires

    def _data(self, subscription: SubscriptionId, person: Account) -> dict[str, str]:
        told = {
            "firstname": person.name.given,
            "lastname": person.name.last,
            "birthname": person.name.birth_name,
            "email": person.email.text,
            "mobilephone": person.mobile.text,
            "custom1": subscription,
            "custom2": self._case,
        }
        return {name: value for name, value in told.items() if value}

    def _url(self, session: SessionId, id: str) -> str:
        if self._product is Product.AUTO and id:
            return f"{self._go}/app/{self._company}/identifications/{segment(id)}/identification/start"
        return f"{self._go}/{self._company}/identifications/{segment(session)}/identification/start"

    def _fetched(self, session: SessionId) -> Fields | None:
        answer = self._signed_in("GET", session)
        if answer.status in NOTHING:
            return None
        told = Fields.of(answer)
        return told if told.inner("identificationprocess").has("result") else None  # listed, and not begun

    def _signed_in(self, method: str, session: SessionId) -> Answer:
        """Ask about a session with the login token; renew it once where it has run out (one hour unused)."""
        path = f"/api/v1/{self._company}/identifications/{segment(session)}"
        token = self._login(None)
        answer = self._with(token, method, path)
        if _says_who_are_you(answer):
            answer = self._with(self._login(token), method, path)
        if _says_who_are_you(answer):
            raise answer.failure()
        return answer

    def _with(self, token: Secret, method: str, path: str) -> Answer:
        return self._http.ask(
            method, path, acts=False, headers={"x-api-login-token": token}, expect=NOTHING, quiet=True
        )

    def _login(self, stale: Secret | None) -> Secret:
        """Give a token other than the one that has run out; one login at a time."""
        with self._lock:
            if self._token is not None and self._token is not stale:
                return self._token
            answer = self._logged_in()
            self._token = Secret(Fields.of(answer).text("authToken"))
            return self._token

    def _logged_in(self) -> Answer:
        return self._http.ask("POST", f"/api/v1/{self._company}/login", acts=False, json={"apiKey": self._api_key})


def session_of(key: Key) -> SessionId:
    """Name the transaction of a key: derived, so that an opening whose answer was lost finds it again."""
    return SessionId(f"qcp-{hashlib.sha256(key.encode(errors='surrogatepass')).hexdigest()[:32]}")


def _says_who_are_you(answer: Answer) -> bool:
    # A public client's specs show an unknown identification as 401 too: the cause tells.
    return answer.status == 401 and _cause(answer) != "OBJECT_NOT_FOUND"


def _cause(answer: Answer) -> str:
    try:
        errors = Fields.of(answer).inners("errors")
        return errors[0].text("cause", "") if errors else ""
    except Unavailable:
        return ""


def _data_refused(answer: Answer) -> PortError | None:
    """Say a refusal without IDnow's words: they may repeat the data."""
    if answer.status in {400, 412, 422}:
        return Rejected("IDnow does not take the data of this person", reason="data_refused")
    return None
