"""Where providers post: authenticated, answered at once, and never believed: what they say is asked about afterwards.

So a delivery that is doubled, late or out of order changes nothing, and one that is lost costs minutes (the poll
finds out): asking may be done after the answer, in the background, and its failure needs no retry.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from qcp_sdk.errors import QcpError, Unavailable, WebhookRefused
from qcp_sdk.ports.webhooks import Delivery, Webhooks
from qcp_sdk.sdk import Qcp
from qcp_sdk.values import SessionId

log = logging.getLogger("qcp_sdk")

Later = Callable[[Callable[[], None]], object]
"""Does something once the answer is on its way."""


class WebhookDesk:
    """The webhooks of one host, by the name that their addresses end with.

    `later` runs the question that a delivery causes; by default two threads of this process, made when first needed.
    """

    def __init__(self, qcp: Qcp, providers: Mapping[str, Webhooks], *, later: Later | None = None) -> None:
        self._qcp, self._providers, self._later = qcp, dict(providers), later
        self._pool: ThreadPoolExecutor | None = None

    def receive(self, provider: str, *, headers: Mapping[str, str], body: bytes, source: str = "") -> int:
        """Take a delivery, and give the status to answer with: 204, 400 (not believed), 404 (no such provider), 503
        (its sender's keys cannot be had: it is sent again).
        """
        webhooks = self._providers.get(provider)
        if webhooks is None:
            return 404
        try:
            sessions = webhooks.sessions(delivery=Delivery(headers=headers, body=body, source=source))
        except WebhookRefused as refused:
            log.warning("a webhook of %s was refused: %s", provider, refused.reason)
            return 400
        except Unavailable as unavailable:
            log.warning("a webhook of %s could not be checked: %s", provider, unavailable.what)
            return 503
        for session in sessions:
            self._do(partial(self._ask, session))
        return 204

    def _do(self, work: Callable[[], None]) -> None:
        if self._later is not None:
            self._later(work)
            return
        if self._pool is None:  # not at import: a server forks its workers after that
            self._pool = ThreadPoolExecutor(2, thread_name_prefix="qcp-webhooks")
        self._pool.submit(work)

    def _ask(self, session: SessionId) -> None:
        try:
            self._qcp.subscriptions.hint(session)
        except QcpError as error:
            log.info("a webhook's session could not be asked about (%s): the poll will", error.code)
