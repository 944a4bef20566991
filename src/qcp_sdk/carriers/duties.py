"""What a worker does that a broker has woken: look at one stream, or sweep up what no message told of.

Both only ask the store what is due. So the same message twice, late, early or about something that is not there does
nothing that should not be done.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from qcp_sdk.errors import InvalidValue, PortError
from qcp_sdk.ports.carriers import DueWork
from qcp_sdk.sdk import Qcp

log = logging.getLogger("qcp_sdk")

LOOK: Final = "qcp_sdk.look"
SWEEP: Final = "qcp_sdk.sweep"
"""The names of the tasks in the broker; never renamed, because messages outlive a deployment."""

BATCH: Final = 10
"""How many effects a sweep performs; a stop waits for these at most."""
AHEAD: Final = timedelta(seconds=2)
"""How far a broker's clock may be ahead of ours: a message that comes earlier than its work is waited out so long."""


def message(work: DueWork) -> dict[str, str]:
    """Give what the broker is told: the stream's id, and an instant."""
    return {"stream": work.stream, "at": work.at.isoformat()}


def look(qcp: Qcp, *, stream: str, at: str) -> int:
    """Do what is due of one stream; give how many effects were tried."""
    early = _instant(at) - qcp.ports.clock.now()
    if timedelta(0) < early <= AHEAD:
        time.sleep(early.total_seconds())
    return _tried(lambda: qcp.run_due(limit=BATCH, stream=stream), until_none=True)


def sweep(qcp: Qcp, *, again: Callable[[], object]) -> int:
    """Do what is due, up to `BATCH` effects, and give how many were tried. When there are as many, there may be more:
    `again` is called twice, so that however much was left is soon on as many workers as there are.
    """
    tried = _tried(lambda: qcp.run_due(limit=BATCH), until_none=False)
    if tried == BATCH:
        again()
        again()
    return tried


def _tried(run: Callable[[], int], *, until_none: bool) -> int:
    total = 0
    try:
        while tried := run():
            total += tried
            if not until_none:
                break
    except PortError as error:
        log.warning("the store does not answer (%s): the next sweep looks again", error.code)
    return total


def _instant(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise InvalidValue(f"`{text}` has no time zone", where="at", mend="send what `message` gives")
    return moment
