"""Stripe Identity: verification sessions as the port `identity`, and its signed webhooks.

After the types and the signing code of Stripe's own Python library [read]; nothing was tried on the live service
(docs/providers/stripe.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

from qcp_sdk.adapters.shared.fields import Fields
from qcp_sdk.adapters.shared.http import Answer, Http, segment
from qcp_sdk.adapters.shared.probing import told_time
from qcp_sdk.adapters.shared.sessions import CANCELLED, Means, Sessions, Verdict, told
from qcp_sdk.adapters.shared.webhooks import (
    TOLERANCE,
    bounded,
    event_id,
    fresh,
    header,
    json_object,
    seconds,
    secrets_given,
    signed_hex,
    text_at,
)
from qcp_sdk.errors import ConfigurationError, InvalidValue, PortError, Rejected, WebhookRefused
from qcp_sdk.identity import DocumentKind, IdentityEvidence, Proofing, ProvenIdentity
from qcp_sdk.people import Account
from qcp_sdk.ports.answers import Pending
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.identity import Verdict as Told
from qcp_sdk.ports.webhooks import Delivery
from qcp_sdk.subscription.facts import CaptureFinished, IdentityApproved, IdentityOpened
from qcp_sdk.values import BirthDate, Key, PersonName, Secret, SessionId, SubscriptionId

LIVE: Final = "https://api.stripe.com"
SESSION_LIFE: Final = timedelta(hours=48)
"""How long the link of a session works [known]."""
PATH: Final = "/v1/identity/verification_sessions"
DOCUMENTS: Final = {"id_card": DocumentKind.IDENTITY_CARD, "passport": DocumentKind.PASSPORT}
"""Stripe's kinds that the journey accepts (C2): no driving licence; a residence permit is none of its kinds."""

ERRORS: Final = {
    # The person left, or said no to being checked.
    "abandoned": Verdict(Means.ABANDONED),
    "consent_declined": Verdict(Means.ABANDONED),
    # A face that was tampered with.
    "selfie_manipulated": Verdict(Means.FRAUD, "selfie_manipulated"),
    # Nothing that another try changes.
    "country_not_supported": Verdict(Means.REFUSED, "country_not_supported"),
    "under_supported_age": Verdict(Means.REFUSED, "under_supported_age"),
    "device_not_supported": Verdict(Means.RETRYABLE, "technical"),
    "document_expired": Verdict(Means.RETRYABLE, "document_expired"),
    "document_type_not_supported": Verdict(Means.RETRYABLE, "document_not_accepted"),
    "document_unverified_other": Verdict(Means.RETRYABLE, "document_unreadable"),
    "email_unverified_other": Verdict(Means.RETRYABLE, "other"),
    "email_verification_declined": Verdict(Means.RETRYABLE, "other"),
    "id_number_insufficient_document_data": Verdict(Means.RETRYABLE, "document_unreadable"),
    "id_number_mismatch": Verdict(Means.RETRYABLE, "other"),
    "id_number_unverified_other": Verdict(Means.RETRYABLE, "other"),
    "phone_unverified_other": Verdict(Means.RETRYABLE, "other"),
    "phone_verification_declined": Verdict(Means.RETRYABLE, "other"),
    "selfie_document_missing_photo": Verdict(Means.RETRYABLE, "selfie_failed"),
    "selfie_face_mismatch": Verdict(Means.RETRYABLE, "selfie_failed"),
    "selfie_unverified_other": Verdict(Means.RETRYABLE, "selfie_failed"),
}
"""`last_error.code`, all that Stripe's types name [read]; what each comes to is our reading [inferred]."""
OTHERWISE: Final = Verdict(Means.RETRYABLE, "other")


class StripeIdentity:
    """Opens verification sessions (document and selfie) and says how they ended.

    `api_key` is best a restricted key that may write verification sessions and read their sensitive results.
    `remember` is a folder that all processes share. `return_url` is where Stripe sends the person back. `proofing` is
    what your auditor says its verification is worth: Stripe claims no level of ETSI TS 119 461.

    Raises:
        ConfigurationError: The key is missing.
    """

    def __init__(
        self,
        *,
        http: Http,
        api_key: Secret,
        clock: Clock,
        remember: Path,
        return_url: str = "",
        proofing: Proofing = Proofing.BASELINE,
        session_life: timedelta = SESSION_LIFE,
    ) -> None:
        if not api_key:
            raise ConfigurationError("the API key is missing", where="stripe", mend="give a restricted key")
        self._http, self._headers = http, {"authorization": Secret(f"Bearer {api_key.reveal()}")}
        self._clock, self._sessions = clock, Sessions(remember, provider="stripe")
        self._return_url, self._proofing, self._life = return_url, proofing, session_life

    def open(self, *, key: Key, attempt: int, subscription: SubscriptionId, person: Account) -> IdentityOpened:
        """Open a session; asked again, the same one.

        Raises:
            Rejected: `key_reused`, for anything but the first opening; `data_refused`.
            Unavailable: Stripe was not reached, or did nothing; the same key opens the same (`Idempotency-Key`).
        """
        return self._sessions.opened(
            key=key,
            attempt=attempt,
            subscription=subscription,
            person=person,
            open=lambda: self._created(key, subscription),
        )

    def ask(self, *, session: SessionId) -> Told | CaptureFinished | Pending:
        """Say how a session stands. A verdict, once told, stays.

        Raises:
            Rejected: `unknown_session`.
            Unavailable: Stripe was not reached, or its answer cannot be used; or it no longer shows what it approved.
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
        fields = self._fetched(session)
        match fields.text("status"):
            case "verified":
                return self._approved(session, fields)
            case "processing":
                return CaptureFinished(session=session)
            case "canceled":
                verdict = Verdict(Means.ABANDONED)
            case "requires_input" if fields.has("last_error"):
                verdict = ERRORS.get(fields.inner("last_error").text("code", ""), OTHERWISE)
            case "requires_input" if self._clock.now() >= expires:
                verdict = Verdict(Means.ABANDONED)
            case "requires_input":
                return Pending(note="the person has not finished")
            case _:
                raise fields.answer.unreadable("its status is not known to this release")
        return told(session, self._sessions.settled(session, verdict))

    def forget_stream(self, *, stream: str) -> None:
        """Forget the sessions of a subscription, and how they ended. Repeatable.

        Raises:
            Unavailable: The folder cannot be written.
        """
        self._sessions.forget_stream(stream=stream)

    def cancel(self, *, key: Key, session: SessionId) -> None:
        """Close the session; one that has ended, or was never known, is left as it is.

        Raises:
            Unavailable: Stripe was not reached: it may be open there; asked again, it is closed there too.
        """
        if self._sessions.expires(session) is None:
            return
        verdict = self._sessions.verdict(session)
        if verdict is None and isinstance(self.ask(session=session), Pending | CaptureFinished):
            verdict = self._sessions.settled(session, CANCELLED)
        if verdict == CANCELLED:  # also where an earlier try did not reach Stripe
            # 400: it is being processed, and ends by itself; for us it is over.
            self._http.ask(
                "POST",
                f"{PATH}/{segment(session)}/cancel",
                acts=False,
                form={},
                headers={**self._headers, "idempotency-key": event_id(key)},
                expect=frozenset({400, 404}),
                quiet=True,
            )

    def probe(self) -> datetime | None:
        """List one session at Stripe and give its time. Nothing is changed.

        Raises:
            Unavailable: It was not reached, or does not know us.
        """
        return told_time(self._http.ask("GET", PATH, acts=False, query={"limit": "1"}, headers=self._headers))

    def _created(self, key: Key, subscription: SubscriptionId) -> tuple[SessionId, str, datetime]:
        form = {
            "type": "document",
            "options[document][require_matching_selfie]": "true",
            "options[document][allowed_types][0]": "id_card",
            "options[document][allowed_types][1]": "passport",
            "client_reference_id": subscription,
        }
        if self._return_url:
            form["return_url"] = self._return_url
        # Stripe keeps the answer to a key for a day at least: a lost one is asked for again without harm.
        answer = self._http.ask(
            "POST",
            PATH,
            acts=False,
            form=form,
            headers={**self._headers, "idempotency-key": event_id(key)},
            explain=_data_refused,
            quiet=True,
        )
        fields = Fields.of(answer)
        return SessionId(fields.text("id")), fields.text("url"), self._clock.now() + self._life

    def _fetched(self, session: SessionId) -> Fields:
        query = {"expand[0]": "verified_outputs.dob", "expand[1]": "last_verification_report"}
        answer = self._http.ask(
            "GET", f"{PATH}/{segment(session)}", acts=False, query=query, headers=self._headers, quiet=True
        )
        return Fields.of(answer)

    def _approved(self, session: SessionId, fields: Fields) -> Told:
        document = fields.inner("last_verification_report").inner("document")
        kind = DOCUMENTS.get(document.text("type"))
        verdict = Verdict(Means.APPROVED) if kind else Verdict(Means.RETRYABLE, "document_not_accepted")
        identity = _proven(fields.inner("verified_outputs"), document, kind) if kind else None
        verdict = self._sessions.settled(session, verdict)
        if identity is None or verdict.means is not Means.APPROVED:
            return told(session, verdict)
        reference = fields.inner("last_verification_report").text("id")
        evidence = IdentityEvidence(provider="Stripe Identity", reference=reference, proofing=self._proofing)
        return IdentityApproved(session=session, identity=identity, evidence=evidence)


class StripeWebhooks:
    """Believes what one of `secrets` (`whsec_…`) has signed, lately: `Stripe-Signature: t=…,v1=…`.

    Raises:
        ConfigurationError: There is no secret, or an empty one.
    """

    def __init__(self, secrets: Sequence[Secret], *, clock: Clock, tolerance: timedelta = TOLERANCE) -> None:
        self._secrets = secrets_given(secrets, "stripe.webhooks")
        self._clock, self._tolerance = clock, tolerance

    def sessions(self, *, delivery: Delivery) -> tuple[SessionId, ...]:
        """Give the session that an event is about; none, for an event about something else.

        Raises:
            WebhookRefused: `unsigned`, `malformed`, `forged`, `stale` or `too_large`.
        """
        body = bounded(delivery.body)
        parts = [part.partition("=") for part in header(delivery.headers, "stripe-signature").split(",")]
        times = [value for name, _, value in parts if name.strip() == "t"]
        if len(times) != 1:
            raise WebhookRefused("its signature says no time", reason="malformed")
        at = seconds(times[0])
        given = [value for name, _, value in parts if name.strip() == "v1"]
        signed_hex(self._secrets, times[0].encode() + b"." + body, given)
        fresh(at, self._clock.now(), self._tolerance)
        event = json_object(body)
        if not text_at(event, "type").startswith("identity.verification_session."):
            return ()
        return (SessionId(text_at(event, "data", "object", "id")),)


def _proven(outputs: Fields, document: Fields, kind: DocumentKind) -> ProvenIdentity:
    country = document.text("issuing_country").upper()
    if len(country) != 2 or not country.isascii() or not country.isalpha():
        raise document.answer.unreadable("its document's country is no ISO 3166-1 alpha-2")
    try:
        return ProvenIdentity(
            name=PersonName(given=outputs.text("first_name"), last=outputs.text("last_name")),
            birth_date=BirthDate(_day(outputs.inner("dob"))),
            document=kind,
            issuing_country=country,
            valid_until=_day(document.inner("expiration_date")) if document.has("expiration_date") else None,
        )
    except (InvalidValue, ValueError, OverflowError):
        raise outputs.answer.unreadable("its names or dates make no sense") from None


def _day(fields: Fields) -> date:
    return date(fields.whole("year"), fields.whole("month"), fields.whole("day"))


def _data_refused(answer: Answer) -> PortError | None:
    if answer.status in {400, 402, 422}:
        return Rejected("Stripe opens no session from these data", reason="data_refused")
    return None
