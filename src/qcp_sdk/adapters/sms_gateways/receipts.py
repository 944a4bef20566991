"""What gateways say afterwards: that a message which they took did not arrive."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from qcp_sdk.adapters.shared.answers import KeptAnswers
from qcp_sdk.adapters.shared.fields import Fields
from qcp_sdk.adapters.shared.http import Http
from qcp_sdk.adapters.shared.webhooks import (
    StandardWebhooks,
    bounded,
    forged,
    header,
    json_object,
    same,
    secrets_given,
    text_at,
)
from qcp_sdk.adapters.sms_gateways.gateways import callback
from qcp_sdk.errors import ConfigurationError, WebhookRefused
from qcp_sdk.ports.webhooks import Delivery
from qcp_sdk.values import Key, Secret

TWILIO_UNDELIVERED: Final = frozenset({"undelivered", "failed"})
"""`MessageStatus` of a message that did not arrive [read: track outbound message status]."""
BREVO_UNDELIVERED: Final = frozenset({"hardBounces", "softBounces", "rejected", "blocked"})
"""Events that mean the same [known]. A soft bounce may arrive one day: a code would be of no use by then."""
LARGEST: Final = 1 << 16
MOST_FIELDS: Final = 100


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


class TwilioReceipts:
    """Reads Twilio's status callbacks, signed over address and fields (`X-Twilio-Signature`).

    `tokens` are the account's auth token, and a second one while it is being changed. `url` is what the gateway was
    given as `receipts`, to the letter: it is part of what is signed, and not read from the request, which a proxy may
    have changed. `remember` is the folder of the adapter that sent.

    Raises:
        ConfigurationError: There is no token, or the address is none.
    """

    def __init__(self, tokens: Sequence[Secret], *, url: str, remember: Path) -> None:
        self._tokens = secrets_given(tokens, "twilio")
        if urlsplit(url).scheme not in {"http", "https"}:
            raise ConfigurationError("it is no web address", where="twilio.url", mend="give https://…")
        self._url, self._names = url, KeptAnswers(remember / "names")

    def undelivered(self, *, delivery: Delivery, reference: str = "") -> Key | None:
        """Give the key of the message that did not arrive; None for any other status.

        `reference` is the query's field of that name, where the request has one.

        Raises:
            WebhookRefused: It is not Twilio's.
        """
        try:
            told = parse_qsl(
                bounded(delivery.body, LARGEST).decode(),
                keep_blank_values=True,
                strict_parsing=True,
                max_num_fields=MOST_FIELDS,
            )
        except ValueError:
            raise WebhookRefused("it is no form", reason="malformed") from None
        given = header(delivery.headers, "x-twilio-signature")
        url = callback(self._url, reference) if reference else self._url
        # Sorted by name; of a name that comes twice, each value once (Twilio's own validators do so) [read].
        said = url + "".join(name + value for name, value in sorted(set(told)))
        macs = (hmac.new(one.reveal().encode(), said.encode(errors="replace"), hashlib.sha1) for one in self._tokens)
        if not any(same(base64.b64encode(mac.digest()).decode(), given) for mac in macs):
            raise forged()
        fields = dict(told)
        if fields.get("MessageStatus") not in TWILIO_UNDELIVERED:
            return None
        return _named(self._names, reference) or _named(self._names, fields.get("MessageSid", ""))


class BrevoReceipts:
    """Takes Brevo's events as hints, because nothing proves them, and asks Brevo what became of the message.

    `http` and `api_key` are the gateway's. `remember` is the folder of the adapter that sent: nobody is asked about a
    message that was not sent from it.
    """

    def __init__(self, http: Http, *, api_key: Secret, remember: Path) -> None:
        self._http, self._headers, self._names = http, {"api-key": api_key}, KeptAnswers(remember / "names")

    def undelivered(self, *, delivery: Delivery) -> Key | None:
        """Give the key of the message that did not arrive, as Brevo says when it is asked; None for any other event.

        Raises:
            WebhookRefused: It is no event.
            Unavailable: Brevo was not reached: answer 503, it is sent again.
        """
        told = json_object(bounded(delivery.body, LARGEST))
        for name in (told.get("tag"), told.get("messageId")):
            key = _named(self._names, str(name)) if isinstance(name, str | int) else None
            if key is not None and self._bounced(told, str(name)):
                return key
        return None

    def _bounced(self, told: dict[str, Any], name: str) -> bool:
        query = {"tags": name, "limit": "50"} if name == told.get("tag") else {"limit": "50", "sort": "desc"}
        answer = self._http.ask(
            "GET", "/v3/transactionalSMS/statistics/events", acts=False, query=query, headers=self._headers, quiet=True
        )
        return any(
            one.text("event", "") in BREVO_UNDELIVERED
            and name in {one.text("tag", ""), str(one.members.get("messageId", ""))}
            for one in Fields.of(answer).inners("events")
        )


def _named(names: KeptAnswers, name: str) -> Key | None:
    """Give the key of a message by a name under which its gateway knows it."""
    kept = names.get(key=Key(name)) if name else None
    return Key(json.loads(kept)) if kept is not None else None
