"""Events to a host: every notice is also, or only, posted to an address of its own, signed as Standard Webhooks say.

The engine's outbox is what retries: a host that does not answer with 2xx is tried again later, with the same
`webhook-id`. The id is made from the key, so that the host does once what arrives twice.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any, Final

from qcp_sdk import codec
from qcp_sdk.adapters.shared.answers import KeptAnswers, stream_of
from qcp_sdk.adapters.shared.http import Answer, Http
from qcp_sdk.adapters.shared.letters import size_of
from qcp_sdk.adapters.shared.webhooks import StandardWebhooks, event_id
from qcp_sdk.errors import PortError, Rejected, Unavailable
from qcp_sdk.notices import Attachment, Notice, Recipient
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.documents import Documents
from qcp_sdk.ports.notices import Notices
from qcp_sdk.values import Key

GONE: Final = 410
"""The host wants no more of it (Standard Webhooks, "operational considerations")."""


class WebhookNotices:
    """Posts notices as events. `http` is the host's address, `signatures` what they are signed with.

    `also` writes to the person first, as it would alone; without it, the host writes from the event. `documents` is
    where attachments must lie: an event names them by their hash, and does not carry them. `remember` is a folder of
    posted keys: with it a key is posted once, without it the host counts on `webhook-id`.
    """

    def __init__(
        self,
        *,
        http: Http,
        path: str = "",
        signatures: StandardWebhooks,
        clock: Clock,
        also: Notices | None = None,
        documents: Documents | None = None,
        remember: Path | None = None,
    ) -> None:
        self._http, self._path, self._signatures, self._clock = http, path, signatures, clock
        self._also, self._documents = also, documents
        self._posted = KeptAnswers(remember) if remember is not None else None
        self._locks = tuple(threading.Lock() for _ in range(64))

    def send(self, *, key: Key, to: Recipient, notice: Notice, attachments: tuple[Attachment, ...] = ()) -> None:
        """Post the event; the host has it when this returns.

        Raises:
            Rejected: `undeliverable`: the host answers 410; `attachment_missing`; `key_reused`: it is remembered for
                another recipient or message. Whatever `also` says.
            Unavailable: The host was not reached or answered anything else than 2xx: the event is posted again.
        """
        meant = (to.email.text, notice.template)
        with self._locks[hash(key) % len(self._locks)]:
            if self._posted is not None and self._posted.get(key=key, meant=meant) is not None:
                return
            if self._also is not None:
                self._also.send(key=key, to=to, notice=notice, attachments=attachments)
            body = json.dumps(self._event(to, notice, attachments), ensure_ascii=False).encode(errors="replace")
            headers = self._signatures.sign(id=event_id(key), body=body)
            # Asking again harms nothing: the host knows the id.
            self._http.ask(
                "POST",
                self._path,
                acts=False,
                content=body,
                headers={**headers, "content-type": "application/json"},
                explain=_refusal,
                quiet=True,
            )
            if self._posted is not None:
                self._posted.put(key=key, answer="posted", meant=meant, of=stream_of(key))

    @property
    def parts(self) -> tuple[object, ...]:
        """What this is made of, for whoever looks whether all of it works."""
        return (self._also,)

    def forget_stream(self, *, stream: str) -> None:
        """Forget what was posted about this subscription or ceremony. Repeatable.

        Raises:
            Unavailable: The folder cannot be written.
        """
        if self._posted is not None:
            self._posted.forget_stream(stream=stream)

    def _event(self, to: Recipient, notice: Notice, attachments: tuple[Attachment, ...]) -> dict[str, Any]:
        return {
            "type": f"qcp.{notice.template}",
            "timestamp": self._clock.now().isoformat(),
            "data": {
                "recipient": {
                    "given": to.name.given,
                    "last": to.name.last,
                    "email": to.email.text,
                    "mobile": to.mobile.text if to.mobile is not None else None,
                    "language": to.language,
                },
                "notice": codec.converter().unstructure(notice, type(notice)),
                "attachments": [self._named(one) for one in attachments],
            },
        }

    def _named(self, attachment: Attachment) -> dict[str, object]:
        size = size_of(self._documents, attachment)
        return {"name": attachment.name, "content": attachment.content, "size": size}


def _refusal(answer: Answer) -> PortError:
    if answer.status == GONE:
        return Rejected("the host wants no more events (410)", reason="undeliverable")
    return Unavailable(
        f"the host did not take the event ({answer.status})", mend="it is posted again; look at the host's log"
    )
