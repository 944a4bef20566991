"""Stripe Identity, played: verification sessions with idempotency keys, and webhooks signed as Stripe signs them.

`script`: `{"session": id, "capture": true}` is what the person does; `"decide"`: now; `"ending"`: `verified`, or a code
of `last_error` (`document_expired` …); `"document"`: `id_card`, `passport`, `driving_license`. `{"webhook": url}`:
where events go.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from html import escape
from http import HTTPStatus
from typing import Any, Final

from attrs import define, field

from qcp_sdk.sandbox.wsgi import Answer, Failed, Provider, Request, answer_html, answer_json, route

API_KEY: Final = "rk_test_sandbox"
WEBHOOK_SECRET: Final = "whsec_sandbox_stripe"  # noqa: S105  # a sandbox's secrets are known to everybody
VERDICT_AFTER: Final = timedelta(minutes=4)
SESSIONS: Final = "/v1/identity/verification_sessions"


@define(kw_only=True)
class VerificationSession:
    """One session, as Stripe keeps it."""

    id: str
    created: datetime
    given: dict[str, str] = field(repr=False)
    status: str = "requires_input"
    error: str = ""
    ending: str = "verified"
    document: str = "id_card"
    first_name: str = "Jenny"
    last_name: str = "Rosen"
    captured_at: datetime | None = None


class StripeSandbox(Provider):
    """Plays the part of Stripe's API that Identity needs."""

    verdict_after = VERDICT_AFTER

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self.sessions: dict[str, VerificationSession] = {}
        self.keys: dict[str, tuple[bytes, str]] = {}
        self.webhook = ""
        self._events = 0

    @route("POST", SESSIONS)
    def create(self, request: Request) -> Answer:
        """Create a session, once for each idempotency key."""
        self._authorised(request)
        form, key = request.form(), request.headers.get("idempotency-key", "")
        if form.get("type") != "document":
            raise Failed(HTTPStatus.BAD_REQUEST, "Missing required param: type.", word="parameter_missing")
        if key in self.keys:
            body, id = self.keys[key]
            if body != request.body:
                raise Failed(HTTPStatus.BAD_REQUEST, "Keys are for one request", word="idempotency_error")
            return answer_json(self._shown(self.sessions[id], request.base_url))
        id = f"vs_{hashlib.sha256(f'{len(self.sessions)}/{key}'.encode(errors='replace')).hexdigest()[:24]}"
        self.sessions[id] = VerificationSession(id=id, created=self.clock.now(), given=form)
        if key:
            self.keys[key] = request.body, id
        return answer_json(self._shown(self.sessions[id], request.base_url))

    @route("GET", SESSIONS)
    def list(self, request: Request) -> Answer:
        """Give the newest sessions."""
        self._authorised(request)
        newest = [*self.sessions.values()][::-1][:10]
        return answer_json({"object": "list", "data": [self._shown(one, request.base_url) for one in newest]})

    @route("GET", SESSIONS + "/{id}")
    def retrieve(self, request: Request, id: str) -> Answer:
        """Give a session."""
        self._authorised(request)
        return answer_json(self._shown(self._known(id), request.base_url))

    @route("POST", SESSIONS + "/{id}/cancel")
    def cancel(self, request: Request, id: str) -> Answer:
        """Cancel a session that waits for the person."""
        self._authorised(request)
        one = self._known(id)
        if one.status != "requires_input":
            raise Failed(HTTPStatus.BAD_REQUEST, "It cannot be canceled.", word="verification_session_not_cancelable")
        self._become(one, "canceled")
        return answer_json(self._shown(one, request.base_url))

    @route("GET", "/start/{id}")
    def page(self, request: Request, id: str) -> Answer:
        """Show the page on which the person shows a document: one button."""
        one = self._known(id)
        return answer_html(
            '<!doctype html><html lang="fr"><meta charset="utf-8"><title>Stripe (bac à sable / sandbox)</title><main>'
            f"<h1>Stripe Identity (bac à sable / sandbox)</h1><p>{escape(one.status)}</p>"
            f'<form method="post" action="{escape(request.base_url + request.path)}">'
            "<button>Montrer une pièce d’identité et mon visage / Show a document and my face</button></form></main>",
            leads_to=one.given.get("return_url", ""),
        )

    @route("POST", "/start/{id}")
    def pressed(self, request: Request, id: str) -> Answer:
        """Capture, and go back to the host."""
        one = self._known(id)
        self.capture(one)
        target = one.given.get("return_url", "")
        return (
            Answer(status=HTTPStatus.SEE_OTHER, headers=(("Location", target),)) if target else self.page(request, id)
        )

    def capture(self, one: VerificationSession) -> None:
        """Do what the person does."""
        if one.status == "requires_input" and not one.error:
            one.captured_at = self.clock.now()
            self._become(one, "processing")
            self.tick()

    def script(self, told: Mapping[str, Any]) -> object:
        """Do what is asked of one `session`."""
        self.webhook = str(told.get("webhook", self.webhook))
        if "session" not in told:
            return {"webhook": self.webhook}
        one = self._known(str(told["session"]))
        for name in ("ending", "document", "first_name", "last_name"):
            setattr(one, name, str(told.get(name, getattr(one, name))))
        if told.get("capture"):
            self.capture(one)
        if told.get("decide") and one.status == "processing":
            self._decide(one)
        return one.status

    def tick(self) -> None:
        """Decide what time has made due."""
        for one in self.sessions.values():
            wait = self.wait(self.verdict_after)
            if one.status != "processing" or one.captured_at is None or wait is None:
                continue
            if self.clock.now() >= one.captured_at + wait:
                self._decide(one)

    def state(self) -> object:
        """Give every session: no personal data."""
        told = [{"id": one.id, "status": one.status, "error": one.error} for one in self.sessions.values()]
        return {"sessions": told, "webhook": self.webhook}

    def failed(self, failure: Failed) -> Answer:
        """Say a failure as Stripe does."""
        error = {"type": "invalid_request_error", "code": failure.word, "message": failure.message}
        return answer_json({"error": error}, failure.status)

    def forged(self, headers: Mapping[str, str], body: bytes) -> tuple[dict[str, str], bytes]:
        """Give an event under a signature that somebody made up."""
        return {**headers, "Stripe-Signature": signed("whsec_guessed", self.clock.now(), body)}, body

    def _decide(self, one: VerificationSession) -> None:
        one.error = "" if one.ending == "verified" else one.ending
        self._become(one, "requires_input" if one.error else "verified")

    def _become(self, one: VerificationSession, status: str) -> None:
        one.status = status
        if not self.webhook:
            return
        self._events += 1
        event = {
            "id": f"evt_{self._events}",
            "object": "event",
            "type": f"identity.verification_session.{status}",
            "created": int(self.clock.now().timestamp()),
            "data": {"object": {"id": one.id, "object": "identity.verification_session", "status": status}},
        }
        body = json.dumps(event).encode()
        headers = {"Content-Type": "application/json"}
        self.post(self.webhook, {**headers, "Stripe-Signature": signed(WEBHOOK_SECRET, self.clock.now(), body)}, body)

    def _authorised(self, request: Request) -> None:
        if request.headers.get("authorization") != f"Bearer {API_KEY}":
            raise Failed(HTTPStatus.UNAUTHORIZED, "Invalid API Key provided", word="")

    def _known(self, id: str) -> VerificationSession:
        one = self.sessions.get(id)
        if one is None:
            raise Failed(HTTPStatus.NOT_FOUND, "No such verificationsession", word="resource_missing")
        return one

    def _shown(self, one: VerificationSession, base_url: str) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "id": one.id,
            "object": "identity.verification_session",
            "created": int(one.created.timestamp()),
            "client_reference_id": one.given.get("client_reference_id"),
            "livemode": False,
            "status": one.status,
            "type": "document",
            "url": f"{base_url}/start/{one.id}" if one.status == "requires_input" else None,
            "last_error": {"code": one.error, "reason": "…"} if one.error else None,
            "last_verification_report": None,
            "verified_outputs": None,
        }
        if one.status == "verified":
            shown["verified_outputs"] = {
                "first_name": one.first_name,
                "last_name": one.last_name,
                "dob": {"day": 12, "month": 4, "year": 1985},
            }
            shown["last_verification_report"] = {
                "id": one.id.replace("vs_", "vr_"),
                "object": "identity.verification_report",
                "document": {
                    "status": "verified",
                    "type": one.document,
                    "issuing_country": "FR",
                    "expiration_date": {"day": 30, "month": 6, "year": one.created.year + 5},
                },
            }
        return shown


def signed(secret: str, at: datetime, body: bytes) -> str:
    """Give the header `Stripe-Signature`."""
    seconds = int(at.timestamp())
    mac = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={mac}"
