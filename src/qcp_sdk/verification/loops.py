"""Running pyHanko's coroutines from plain functions, whoever calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def outside_any_loop(work: Callable[[], T]) -> T:
    """Do the work here, or in a thread of its own where an event loop is running in this one."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return work()
    outcome: list[T] = []
    failure: list[BaseException] = []
    context = copy_context()

    def run() -> None:
        try:
            outcome.append(context.run(work))
        except BaseException as error:  # noqa: BLE001  # it is raised again, in the caller's thread
            failure.append(error)

    thread = Thread(target=run, name="qcp-verify")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]
