"""For asynchronous hosts: the same calls, in worker threads.

`Qcp` and its ports are synchronous and thread-safe; an event loop must not wait for them. `AsyncQcp` runs any of their
methods in a pool of threads, typed as the method is::

    aio = AsyncQcp(qcp)
    view = await aio.run(qcp.subscriptions.get, id, account=signed_in)
    view = await aio.run(view.say, CodeRequested())
    ...
    await aio.close()
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from types import TracebackType
from typing import Final, ParamSpec, TypeVar

from qcp_sdk.errors import ConfigurationError
from qcp_sdk.sdk import Qcp

P = ParamSpec("P")
T = TypeVar("T")
THREADS: Final = 8
"""As many calls as one process makes at a time; SQLite's connection pool holds as many."""


class AsyncQcp:
    """Runs the calls of one `Qcp` in worker threads. One for each process: make it after a fork, not before.

    Raises:
        ConfigurationError: `threads` is below 1.
    """

    def __init__(self, qcp: Qcp, *, threads: int = THREADS) -> None:
        if threads < 1:
            raise ConfigurationError(f"`{threads}` threads do nothing", where="threads", mend="give 1 or more")
        self.qcp = qcp
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="qcp")

    async def run(self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a method of `Qcp`, or of a view, and give what it gives.

        Context variables (a request's id, a trace) go along. When the awaiting task is cancelled, the call still goes
        on to its end in its thread: what was begun is recorded, and seen by whoever looks next.

        Raises:
            Whatever the method raises.
        """
        call = partial(copy_context().run, partial(method, *args, **kwargs))
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)

    async def close(self) -> None:
        """Wait for the calls that are under way, and end the threads."""
        await asyncio.to_thread(self._pool.shutdown)

    async def __aenter__(self) -> AsyncQcp:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
