"""SMS over HTTP: codes and the notices that go by telephone, through one of three shapes of gateway.

- `JsonGateway`: a documented shape of our own, for a gateway that you put in front of whatever you have; it knows an
  idempotency key and signs its receipts (docs/providers/sms.md).
- `TwilioGateway` and `BrevoGateway`: as those document theirs. Neither knows a key: a lost answer is `Unconfirmed`.
"""

from __future__ import annotations

import base64
import json
import threading
from datetime import datetime
from math import ceil
from pathlib import Path
from typing import Final, Protocol

from qcp_sdk.adapters.shared.answers import KeptAnswers
from qcp_sdk.adapters.shared.fields import Fields
from qcp_sdk.adapters.shared.http import Answer, Explain, Http, segment
from qcp_sdk.adapters.shared.messages import Renderer
from qcp_sdk.adapters.shared.probing import told_time
from qcp_sdk.adapters.shared.webhooks import StandardWebhooks, event_id, json_object, text_at
from qcp_sdk.errors import PortError, Rejected, Unavailable
from qcp_sdk.notices import Attachment, Notice, Recipient
from qcp_sdk.otp import Channel, Purpose
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.codes import Codes
from qcp_sdk.ports.notices import Notices
from qcp_sdk.ports.webhooks import Delivery
from qcp_sdk.values import EmailAddress, Key, PhoneNumber, Secret

TWILIO_NUMBERS: Final = frozenset({21211, 21214, 21217, 21401, 21408, 21421, 21610, 21612, 21614})
"""Twilio's codes for a number that cannot be written to: not one, in a country that is not allowed, unsubscribed, not a
mobile [read in its error dictionary]."""
TWILIO_LONGEST: Final = 36_000
"""Seconds of `ValidityPeriod` at most [read: error 90007]."""
BREVO_NUMBERS: Final = frozenset({"invalid_parameter", "missing_parameter", "blacklisted_number"})
"""Brevo's words for a recipient that it does not take [known]."""


class SmsGateway(Protocol):
    """Hands one text over. `id` is made from the key, `seconds` is how long the text is of any use."""

    def hand_over(self, *, id: str, to: PhoneNumber, text: str, seconds: int | None) -> None:
        """Hand it over.

        Raises:
            Rejected: `undeliverable`: the gateway does not take this number.
            Unavailable: It was not reached, or did nothing.
            Unconfirmed: It may have taken it.
        """


class JsonGateway:
    """`POST {path}` with `{"to", "text", "reference", "valid_for"}`; 2xx is taken, 404 and 422 refuse the number.

    The header `Idempotency-Key` repeats `reference`: the gateway sends once what comes twice, so that a lost answer
    is asked for again without harm.
    """

    def __init__(self, http: Http, *, path: str = "/messages", token: Secret) -> None:
        self._http, self._path = http, path
        self._headers = {"authorization": Secret(f"Bearer {token.reveal()}")}

    def hand_over(self, *, id: str, to: PhoneNumber, text: str, seconds: int | None) -> None:
        """Hand it over; once, however often."""
        told: dict[str, object] = {"to": to.text, "text": Secret(text), "reference": id, "valid_for": seconds}
        self._http.ask(
            "POST",
            self._path,
            acts=False,
            json=told,
            headers={**self._headers, "idempotency-key": id},
            hide=(Secret(to.text),),
            explain=_plainly({404, 422}),
        )


class TwilioGateway:
    """Twilio's Messages resource (2010-04-01). `sender` is a number, or the sid of a messaging service (`MG…`)."""

    def __init__(self, http: Http, *, account: str, token: Secret, sender: str, receipts: str = "") -> None:
        self._http, self._sender, self._receipts = http, sender, receipts
        self._path = f"/2010-04-01/Accounts/{segment(account)}/Messages.json"
        basic = base64.b64encode(f"{account}:{token.reveal()}".encode()).decode()
        self._headers = {"authorization": Secret(f"Basic {basic}")}

    def hand_over(self, *, id: str, to: PhoneNumber, text: str, seconds: int | None) -> None:  # noqa: ARG002
        """Hand it over."""
        form: dict[str, str | Secret] = {"To": Secret(to.text), "Body": Secret(text)}
        form["MessagingServiceSid" if self._sender.startswith("MG") else "From"] = self._sender
        if seconds is not None:
            form["ValidityPeriod"] = str(min(TWILIO_LONGEST, max(1, seconds)))
        if self._receipts:
            form["StatusCallback"] = self._receipts
        self._http.ask("POST", self._path, acts=True, form=form, headers=self._headers, explain=self._explained)

    def probe(self) -> datetime | None:
        """Ask Twilio for our account and give its time. Nothing is changed.

        Raises:
            Unavailable: It was not reached, or does not know us.
        """
        path = self._path.removesuffix("/Messages.json") + ".json"
        return told_time(self._http.ask("GET", path, acts=False, headers=self._headers))

    def _explained(self, answer: Answer) -> PortError | None:
        if answer.status != 400:
            return None
        return _no_such_number() if _code(answer, "code") in TWILIO_NUMBERS else _not_taken(answer)


class BrevoGateway:
    """Brevo's `POST /v3/transactionalSMS/send`. `sender` is a name of at most 11 letters and digits, or a number."""

    def __init__(self, http: Http, *, api_key: Secret, sender: str) -> None:
        self._http, self._sender, self._headers = http, sender, {"api-key": api_key}

    def hand_over(self, *, id: str, to: PhoneNumber, text: str, seconds: int | None) -> None:  # noqa: ARG002
        """Hand it over. Brevo takes no validity: a code that comes too late is refused by whoever checks it."""
        told = {
            "sender": self._sender,
            "recipient": Secret(to.text.removeprefix("+")),
            "content": Secret(text),
            "type": "transactional",
            "tag": id,
        }
        self._http.ask(
            "POST",
            "/v3/transactionalSMS/send",
            acts=True,
            json=told,
            headers=self._headers,
            hide=(Secret(to.text),),
            explain=self._explained,
        )

    def probe(self) -> datetime | None:
        """Ask Brevo for our account and give its time. Nothing is changed.

        Raises:
            Unavailable: It was not reached, or does not know us.
        """
        return told_time(self._http.ask("GET", "/v3/account", acts=False, headers=self._headers))

    def _explained(self, answer: Answer) -> PortError | None:
        if answer.status == 402:
            return Unavailable("the account has no SMS credits left (402)", where="brevo", mend="buy credits")
        if answer.status != 400:
            return None
        return _no_such_number() if _code(answer, "code") in BREVO_NUMBERS else _not_taken(answer)


class SmsCodes:
    """Sends codes by SMS, and those by e-mail through `otherwise`. `remember` is a folder of sent keys.

    With it a key is sent once, even after a restart, and receipts find their key (`SmsReceipts`).
    """

    def __init__(
        self,
        *,
        gateway: SmsGateway,
        renderer: Renderer,
        clock: Clock,
        remember: Path,
        otherwise: Codes | None = None,
    ) -> None:
        self._once, self._gateway, self._renderer, self._clock = _Once(remember), gateway, renderer, clock
        self._otherwise = otherwise

    def send(
        self,
        *,
        key: Key,
        channel: Channel,
        to: EmailAddress | PhoneNumber,
        code: Secret,
        purpose: Purpose,
        language: str,
        not_after: datetime,
    ) -> None:
        """Hand the code over, unless it has expired; the gateway is told for how long it is of use.

        Raises:
            Rejected: `undeliverable`: the gateway does not take the number, or it is none; `expired`; `key_reused`.
            Unavailable: The gateway was not reached, or did nothing.
            Unconfirmed: It may have taken the message.
        """
        meant = (to.text, purpose.value)
        with self._once.alone(key):
            if self._once.sent(key, meant):
                return
            if channel is not Channel.SMS and self._otherwise is not None:
                self._otherwise.send(
                    key=key, channel=channel, to=to, code=code, purpose=purpose, language=language, not_after=not_after
                )
                self._once.note(key, meant)
                return
            if channel is not Channel.SMS or not isinstance(to, PhoneNumber):
                raise Rejected("a code by SMS needs a number", reason="undeliverable")
            left = (not_after - self._clock.now()).total_seconds()
            if left <= 0:
                raise Rejected(
                    "the code has expired before it could be sent", reason="expired", mend="ask for a new code"
                )
            message = self._renderer.render_code(
                channel=channel, code=code, purpose=purpose, language=language, not_after=not_after
            )
            self._gateway.hand_over(id=self._once.name(key), to=to, text=message.sms, seconds=ceil(left))
            self._once.note(key, meant)

    @property
    def parts(self) -> tuple[object, ...]:
        """What this is made of, for whoever looks whether all of it works."""
        return self._gateway, self._otherwise


class SmsNotices:
    """Sends those notices by SMS that are made for a telephone, and the others through `otherwise`."""

    def __init__(self, *, gateway: SmsGateway, renderer: Renderer, otherwise: Notices, remember: Path) -> None:
        self._once, self._gateway, self._renderer, self._otherwise = _Once(remember), gateway, renderer, otherwise

    def send(self, *, key: Key, to: Recipient, notice: Notice, attachments: tuple[Attachment, ...] = ()) -> None:
        """Hand the message over.

        Raises:
            Rejected: `undeliverable`, `key_reused`, or what `otherwise` says.
            Unavailable: The gateway was not reached, or did nothing.
            Unconfirmed: It may have taken the message.
        """
        meant = (to.email.text, notice.template)
        with self._once.alone(key):
            if self._once.sent(key, meant):
                return
            if notice.by_sms and to.mobile is not None:
                text = self._renderer.render_notice(notice, to).sms
                self._gateway.hand_over(id=self._once.name(key), to=to.mobile, text=text, seconds=None)
            else:
                self._otherwise.send(key=key, to=to, notice=notice, attachments=attachments)
            self._once.note(key, meant)

    @property
    def parts(self) -> tuple[object, ...]:
        """What this is made of, for whoever looks whether all of it works."""
        return self._gateway, self._otherwise


class SmsReceipts:
    """Reads the receipts of a `JsonGateway`: `{"type": "sms.undelivered", "data": {"reference": …}}`, signed.

    `remember` is the folder of the adapter that sent: give the key to `qcp_sdk.host.receipts.undelivered`.
    """

    def __init__(self, *, signatures: StandardWebhooks, remember: Path) -> None:
        self._signatures, self._names = signatures, KeptAnswers(remember / "names")

    def undelivered(self, *, delivery: Delivery) -> Key | None:
        """Give the key of the message that did not arrive; None for any other receipt.

        Raises:
            WebhookRefused: It is not the gateway's.
        """
        told = json_object(self._signatures.check(delivery).body)
        if text_at(told, "type") != "sms.undelivered":
            return None
        key = self._names.get(key=Key(text_at(told, "data", "reference")))
        return Key(json.loads(key)) if key is not None else None


class _Once:
    """Which keys were sent, and the names under which gateways know them."""

    def __init__(self, remember: Path) -> None:
        self._sent, self._names = KeptAnswers(remember / "sent"), KeptAnswers(remember / "names")
        self._locks = tuple(threading.Lock() for _ in range(64))

    def alone(self, key: Key) -> threading.Lock:
        return self._locks[hash(key) % len(self._locks)]

    def sent(self, key: Key, meant: tuple[str, ...]) -> bool:
        return self._sent.get(key=key, meant=meant) is not None

    def name(self, key: Key) -> str:
        name = event_id(key)
        self._names.put(key=Key(name), answer=json.dumps(key))
        return name

    def note(self, key: Key, meant: tuple[str, ...]) -> None:
        self._sent.put(key=key, answer="sent", meant=meant)


def _no_such_number() -> Rejected:
    return Rejected("the gateway does not take this number", reason="undeliverable")


def _not_taken(answer: Answer) -> Unavailable:
    # Our own fault (a sender that is not allowed …): the code is not lost, and somebody has to look.
    return Unavailable(
        f"the gateway does not take the message ({answer.status})", where=answer.where, mend="check the sender"
    )


def _plainly(refused: set[int]) -> Explain:
    def explained(answer: Answer) -> PortError | None:
        if answer.status in refused:
            return _no_such_number()
        return _not_taken(answer) if answer.status < 500 and answer.status not in {401, 403, 429} else None

    return explained


def _code(answer: Answer, name: str) -> object:
    try:
        return Fields.of(answer).members.get(name)
    except PortError:
        return None
