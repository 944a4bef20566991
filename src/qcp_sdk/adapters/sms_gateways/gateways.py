"""Three shapes of gateway, each of which hands one text over."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Final, Protocol
from urllib.parse import urlencode

from qcp_sdk.adapters.shared.fields import Fields
from qcp_sdk.adapters.shared.http import Answer, Explain, Http, segment
from qcp_sdk.adapters.shared.probing import told_time
from qcp_sdk.errors import PortError, Rejected, Unavailable
from qcp_sdk.values import PhoneNumber, Secret

TWILIO_NUMBERS: Final = frozenset({21211, 21214, 21217, 21401, 21408, 21421, 21610, 21612, 21614})
"""Twilio's codes for a number that cannot be written to: not one, in a country that is not allowed, unsubscribed, not a
mobile [read in its error dictionary]."""
TWILIO_LONGEST: Final = 36_000
"""Seconds of `ValidityPeriod` at most [read: error 90007]."""
BREVO_NUMBERS: Final = frozenset({"invalid_parameter", "missing_parameter", "blacklisted_number"})
"""Brevo's words for a recipient that it does not take [known]."""


class SmsGateway(Protocol):
    """Hands one text over. `id` is made from the key, `seconds` is how long the text is of any use."""

    def hand_over(self, *, id: str, to: PhoneNumber, text: str, seconds: int | None) -> str:
        """Hand it over, and give the gateway's own id for it, by which receipts may name it; "" where it has none.

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

    def hand_over(self, *, id: str, to: PhoneNumber, text: str, seconds: int | None) -> str:
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
            quiet=True,
        )
        return ""  # `reference` names it


class TwilioGateway:
    """Twilio's Messages resource (2010-04-01). `sender` is a number, or the sid of a messaging service (`MG…`).

    `receipts` is the address that status callbacks shall go to, for `TwilioReceipts`; `reference` is added to it.
    """

    def __init__(self, http: Http, *, account: str, token: Secret, sender: str, receipts: str = "") -> None:
        self._http, self._sender, self._receipts = http, sender, receipts
        self._path = f"/2010-04-01/Accounts/{segment(account)}/Messages.json"
        basic = base64.b64encode(f"{account}:{token.reveal()}".encode()).decode()
        self._headers = {"authorization": Secret(f"Basic {basic}")}

    def hand_over(self, *, id: str, to: PhoneNumber, text: str, seconds: int | None) -> str:
        """Hand it over."""
        form: dict[str, str | Secret] = {"To": Secret(to.text), "Body": Secret(text)}
        form["MessagingServiceSid" if self._sender.startswith("MG") else "From"] = self._sender
        if seconds is not None:
            form["ValidityPeriod"] = str(min(TWILIO_LONGEST, max(1, seconds)))
        if self._receipts:
            form["StatusCallback"] = callback(self._receipts, id)
        answer = self._http.ask(
            "POST", self._path, acts=True, form=form, headers=self._headers, explain=self._explained, quiet=True
        )
        return _id(answer, "sid")

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
    """Brevo's `POST /v3/transactionalSMS/send`. `sender` is a name of at most 11 letters and digits, or a number.

    `receipts` is the address that Brevo shall post events to, for `BrevoReceipts`.
    """

    def __init__(self, http: Http, *, api_key: Secret, sender: str, receipts: str = "") -> None:
        self._http, self._sender, self._receipts, self._headers = http, sender, receipts, {"api-key": api_key}

    def hand_over(self, *, id: str, to: PhoneNumber, text: str, seconds: int | None) -> str:  # noqa: ARG002
        """Hand it over. Brevo takes no validity: a code that comes too late is refused by whoever checks it."""
        told = {
            "sender": self._sender,
            "recipient": Secret(to.text.removeprefix("+")),
            "content": Secret(text),
            "type": "transactional",
            "tag": id,
            **({"webUrl": self._receipts} if self._receipts else {}),
        }
        answer = self._http.ask(
            "POST",
            "/v3/transactionalSMS/send",
            acts=True,
            json=told,
            headers=self._headers,
            hide=(Secret(to.text),),
            explain=self._explained,
            quiet=True,
        )
        return _id(answer, "messageId")

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


def callback(url: str, reference: str) -> str:
    """Give the address of status callbacks about one message."""
    return f"{url}{'&' if '?' in url else '?'}{urlencode({'reference': reference})}"


def _id(answer: Answer, name: str) -> str:
    """Give the gateway's id. The message was taken: an answer without one is no failure."""
    value = _code(answer, name)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


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
