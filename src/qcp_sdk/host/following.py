"""Having every certificate followed that nobody follows yet: those that were issued before following was there.

From then on due work asks for their status as it does for new ones (`engine.following`). The store lists no streams by
stage, which would cost each step an index for what is done once: it lists data keys, and each stream has one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from attrs import frozen

from qcp_sdk.engine import Engine, following, schedule
from qcp_sdk.errors import Conflict, Erased, InvalidInput, NewerRecord, NotFound, Rejected
from qcp_sdk.ports.store import Batch, Store
from qcp_sdk.subscription.effects import CheckStatus
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.subscription.state import Subscription
from qcp_sdk.values import Key

AT_A_TIME: Final = 200


@frozen(kw_only=True)
class Following:
    """How subscriptions with a certificate in force stand, by number."""

    begun: int
    """Those whose status is asked for from now on."""
    before: int
    """Those whose status was asked for already."""
    never: int
    """Those whose offer asks for no status (`Waits.status` is None), or whose certificate was only attested: nobody can
    be asked about what was never seen here."""
    unreadable: tuple[str, ...]
    """Those that no key opens, or that a newer release wrote; they are left as they are."""


def follow(engine: Engine) -> Following:
    """Look at every subscription, and have the certificates followed that are not. Repeatable, beside workers.

    Raises:
        Unavailable: The store does not answer; what was begun stays.
    """
    begun = before = never = 0
    unreadable: list[str] = []
    for id in _active(engine.ports.store):
        try:
            state = engine.streams.load(id).state
        except (Erased, NotFound):
            continue  # it went in this very moment
        except (NewerRecord, Rejected, InvalidInput):
            unreadable.append(id)
            continue
        if not isinstance(state, Subscription) or state.stage is not Stage.ACTIVE:
            continue
        every = following.interval(state)
        if every is None or state.certificate is None:
            never += 1
        elif any(row.kind == CheckStatus.kind for row in engine.ports.store.outstanding(stream=id)):
            before += 1
        else:
            now = engine.ports.clock.now()
            due = now + schedule.spread(every, Key(id), 0)
            check = CheckStatus(at=due, fingerprint=state.certificate.fingerprint)
            # One key for as long as nothing happens to it: of two that look at once, one is refused.
            row = engine.streams.later(engine.streams.load(id), Key(f"{id}/{state.sequence}/follow"), check, due)
            try:
                engine.ports.store.commit(batch=Batch(at=now, outbox=(row,)))
            except Conflict:
                before += 1
                continue
            engine.put_back(id, due)
            begun += 1
    return Following(begun=begun, before=before, never=never, unreadable=tuple(unreadable))


def _active(store: Store) -> Iterator[str]:
    """Give the ids of all subscriptions that say that they are active. Those that become so meanwhile are followed by
    themselves.
    """
    for key in sorted(store.wrappings()):
        after = ""
        while found := store.wrapped_keys(wrapped_by=key, limit=AT_A_TIME, after=after):
            after = found[-1].stream
            for one in found:
                stored = store.load(id=one.stream)
                if stored is not None and stored.kind == "subscription" and stored.stage == Stage.ACTIVE.value:
                    yield stored.id
