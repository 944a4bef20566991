"""SMS gateways, played: the JSON shape of our own, Twilio's and Brevo's. `GET /inbox` shows what telephones received.

`script`: `{"refuse": "+336…"}` takes no message for a number any more; `{"undelivered": "+336…"}` takes them and says
later that they did not arrive: by a signed receipt to `{"webhook": url}`, to Twilio's `StatusCallback`, to Brevo's
`webUrl`, each as that gateway does. Twilio's own magic numbers work as well.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

from attrs import evolve, frozen

from qcp_sdk.adapters.shared.webhooks import StandardWebhooks
from qcp_sdk.sandbox.wsgi import Answer, Failed, Provider, Request, answer_json, route
from qcp_sdk.values import Secret

TOKEN: Final = "sandbox-sms-token"  # noqa: S105  # a sandbox's secrets are known to everybody
WEBHOOK_SECRET: Final = "whsec_" + base64.b64encode(b"the sandbox's SMS gateway").decode()
MAGIC: Final = {"+15005550001": 21211, "+15005550009": 21614}
"""Twilio's test numbers: not a number, not a mobile."""


@frozen(kw_only=True)
class Sms:
    """One message, as a telephone shows it."""

    to: str
    text: str
    gateway: str
    reference: str = ""
    valid_for: int | None = None
    id: str = ""
    arrived: bool = True

    def told(self) -> dict[str, object]:
        """Give it as JSON."""
        return {"to": self.to, "text": self.text, "gateway": self.gateway, "reference": self.reference}


class SmsSandbox(Provider):
    """Plays the three gateways; they share one inbox."""

    def reset(self) -> None:
        """Forget every message."""
        super().reset()
        self.messages: list[Sms] = []
        """What telephones show."""
        self.taken: list[Sms] = []
        """What was taken, whether or not it arrived."""
        self.refused: set[str] = set()
        self.undelivered: set[str] = set()
        self.webhook = ""

    @route("POST", "/messages")
    def json_shape(self, request: Request) -> Answer:
        """Take a message in our own shape, once for each reference."""
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            raise Failed(HTTPStatus.UNAUTHORIZED, "wrong token")
        told = request.json()
        to, text, reference = (_text(told, name) for name in ("to", "text", "reference"))
        if request.headers.get("idempotency-key") != reference:
            raise Failed(HTTPStatus.BAD_REQUEST, "Idempotency-Key and reference differ")
        if to in self.refused:
            raise Failed(HTTPStatus.UNPROCESSABLE_ENTITY, "not a number that can be written to")
        if all(one.reference != reference or one.gateway != "json" for one in self.taken):
            valid = told.get("valid_for")
            self._take(Sms(to=to, text=text, gateway="json", reference=reference, valid_for=valid))
        return answer_json({"id": reference}, HTTPStatus.ACCEPTED)

    @route("POST", "/2010-04-01/Accounts/{account}/Messages.json")
    def twilio(self, request: Request, account: str) -> Answer:
        """Take a message as Twilio does."""
        basic = base64.b64encode(f"{account}:{TOKEN}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {basic}":
            raise Failed(HTTPStatus.UNAUTHORIZED, "Authenticate", word="20003")
        form = request.form()
        to, text = _text(form, "To"), _text(form, "Body")
        if not form.get("From") and not form.get("MessagingServiceSid"):
            raise Failed(HTTPStatus.BAD_REQUEST, "A 'From' phone number is required", word="21603")
        if to in MAGIC or to in self.refused:
            raise Failed(HTTPStatus.BAD_REQUEST, "Invalid 'To' Phone Number", word=str(MAGIC.get(to, 21211)))
        period = form.get("ValidityPeriod")
        if period is not None and not (period.isdecimal() and 1 <= int(period) <= 36_000):
            raise Failed(HTTPStatus.BAD_REQUEST, "Invalid validity period value", word="90007")
        id = f"SM{len(self.taken):032x}"
        sms = self._take(Sms(to=to, text=text, gateway="twilio", valid_for=int(period) if period else None, id=id))
        if form.get("StatusCallback"):
            told = {
                "AccountSid": account,
                "From": form.get("From", ""),
                "MessageSid": id,
                "MessageStatus": "delivered" if sms.arrived else "undelivered",
                "SmsSid": id,
                "SmsStatus": "delivered" if sms.arrived else "undelivered",
                "To": to,
                **({} if sms.arrived else {"ErrorCode": "30003"}),
            }
            headers = {"X-Twilio-Signature": twilio_signature(form["StatusCallback"], told)}
            sent = {**headers, "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}
            self.post(form["StatusCallback"], sent, urlencode(told).encode())
        return answer_json({"sid": id, "status": "queued"}, HTTPStatus.CREATED)

    @route("POST", "/v3/transactionalSMS/send")
    def brevo(self, request: Request) -> Answer:
        """Take a message as Brevo does."""
        if request.headers.get("api-key") != TOKEN:
            raise Failed(HTTPStatus.UNAUTHORIZED, "Key not found", word="unauthorized")
        told = request.json()
        to, text = "+" + _text(told, "recipient"), _text(told, "content")
        if to in self.refused:
            raise Failed(HTTPStatus.BAD_REQUEST, "Invalid telephone number", word="invalid_parameter")
        id, tag = 1511882900176220 + len(self.taken), str(told.get("tag", ""))
        sms = self._take(Sms(to=to, text=text, gateway="brevo", reference=tag, id=str(id)))
        if told.get("webUrl"):
            status = "delivered" if sms.arrived else "hard_bounce"
            event = {"id": 26570, "to": to[1:], "sms_count": 1, "messageId": id, "msg_status": status, "tag": tag}
            self.post(str(told["webUrl"]), {"Content-Type": "application/json"}, json.dumps(event).encode())
        return answer_json({"messageId": id}, HTTPStatus.CREATED)

    @route("GET", "/v3/transactionalSMS/statistics/events")
    def brevo_events(self, request: Request) -> Answer:
        """Give what became of messages: all of them, or those with a tag."""
        if request.headers.get("api-key") != TOKEN:
            raise Failed(HTTPStatus.UNAUTHORIZED, "Key not found", word="unauthorized")
        tag = request.query.get("tags", "")
        events = [
            {
                "phoneNumber": one.to[1:],
                "messageId": one.id,
                "event": "delivered" if one.arrived else "hardBounces",
                "tag": one.reference,
            }
            for one in reversed(self.taken)
            if one.gateway == "brevo" and tag in {"", one.reference}
        ]
        return answer_json({"events": events})

    @route("GET", "/2010-04-01/Accounts/{account}.json")
    def twilio_account(self, request: Request, account: str) -> Answer:
        """Say who an account is."""
        basic = base64.b64encode(f"{account}:{TOKEN}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {basic}":
            raise Failed(HTTPStatus.UNAUTHORIZED, "Authenticate", word="20003")
        return answer_json({"sid": account, "status": "active"})

    @route("GET", "/v3/account")
    def brevo_account(self, request: Request) -> Answer:
        """Say who an account is."""
        if request.headers.get("api-key") != TOKEN:
            raise Failed(HTTPStatus.UNAUTHORIZED, "Key not found", word="unauthorized")
        return answer_json({"plan": []})

    @route("GET", "/inbox")
    def inbox(self, request: Request) -> Answer:
        """Give what telephones received: `?to=+336…` of one."""
        to = request.query.get("to", "").replace(" ", "+")
        return answer_json([one.told() for one in self.messages if to in {"", one.to}])

    def script(self, told: Mapping[str, Any]) -> object:
        """Refuse a number, let messages to one get lost, or say where receipts go."""
        self.refused |= {str(told["refuse"])} if "refuse" in told else set()
        self.undelivered |= {str(told["undelivered"])} if "undelivered" in told else set()
        self.webhook = str(told.get("webhook", self.webhook))
        return len(self.messages)

    def state(self) -> object:
        """Give the inbox."""
        return {"messages": [one.told() for one in self.messages], "webhook": self.webhook}

    def failed(self, failure: Failed) -> Answer:
        """Say a failure: all three have a code and a message."""
        code: object = int(failure.word) if failure.word.isdecimal() else failure.word
        return answer_json({"code": code, "message": failure.message, "status": failure.status}, failure.status)

    def forged(self, headers: Mapping[str, str], body: bytes) -> tuple[dict[str, str], bytes]:
        """Give a receipt about another message, under the old signature; of Brevo's, which has none, another tag."""
        return dict(headers), body.replace(b"undelivered", b"undelivered ").replace(b'"msg_', b'"msg_0')

    def _take(self, sms: Sms) -> Sms:
        sms = evolve(sms, arrived=sms.to not in self.undelivered)
        self.taken.append(sms)
        if sms.arrived:
            self.messages.append(sms)
        elif self.webhook and sms.gateway == "json":
            body = json.dumps({"type": "sms.undelivered", "data": {"reference": sms.reference}}).encode()
            signatures = StandardWebhooks((Secret(WEBHOOK_SECRET),), clock=self.clock)
            headers = signatures.sign(id=f"receipt-{sms.reference}", body=body)
            self.post(self.webhook, {**headers, "Content-Type": "application/json"}, body)
        return sms


def twilio_signature(url: str, fields: Mapping[str, str]) -> str:
    """Sign as Twilio does: HMAC-SHA1 over the address and the fields, sorted by name."""
    said = url + "".join(f"{name}{value}" for name, value in sorted(fields.items()))
    return base64.b64encode(hmac.new(TOKEN.encode(), said.encode(), hashlib.sha1).digest()).decode()


def _text(told: Mapping[str, Any], name: str) -> str:
    value = told.get(name)
    if not isinstance(value, str) or not value:
        raise Failed(HTTPStatus.BAD_REQUEST, f"`{name}` is missing", word="missing_parameter")
    return value
