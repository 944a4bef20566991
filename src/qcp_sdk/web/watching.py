"""Server-sent events for pages that wait: their present mark, whenever it has changed. No framework and no thread.

A shell with an event loop sends what `events` yields, as `text/event-stream`. What is sent is the page's mark, a hash
that says nothing; a page that shows another one loads itself anew. Whoever has no such shell polls: nothing depends on
this.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from time import monotonic
from typing import Final

from qcp_sdk.errors import QcpError

SOONEST: Final = 1.0
"""Seconds between the first two questions to the store; they then come more and more slowly."""
LATEST: Final = 5.0
GROWTH: Final = 1.2
HEARTBEAT: Final = 15.0
"""Seconds of silence after which a line is sent that means nothing: proxies close what is silent, and a browser that is
gone is noticed.
"""
LONGEST: Final = 300.0
"""Seconds after which a stream ends. The browser comes back by itself, and is asked anew who it is."""
RETRY: Final = 2_000
"""Milliseconds after which a browser comes back."""


async def events(
    ask: Callable[[], Awaitable[str]],
    *,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    clock: Callable[[], float] = monotonic,
) -> AsyncIterator[bytes]:
    """Give the lines of a stream. `ask` gives the page's present mark, and raises a `QcpError` when the page is no
    longer this person's, or nobody knows: the stream then ends, and whoever comes back is told why.
    """
    began = spoken = clock()
    said, wait = "", SOONEST
    yield f"retry: {RETRY}\n\n".encode()
    while True:
        try:
            mark = await ask()
        except QcpError:
            return
        if mark != said:
            said, spoken, wait = mark, clock(), SOONEST
            yield f"event: mark\ndata: {mark}\n\n".encode()
        elif clock() - spoken >= HEARTBEAT:
            spoken = clock()
            yield b": still here\n\n"
        if clock() - began >= LONGEST:
            return
        await sleep(wait)
        wait = min(wait * GROWTH, LATEST)
