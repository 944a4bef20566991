"""Having every certificate followed that nobody follows yet: those that were issued before following was there.

From then on due work asks for their status as it does for new ones (`engine.following`). The store lists no streams by
stage, which would cost each step an index for what is done once: it lists data keys, and each stream has one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from attrs import frozen

from qcp_sdk.engine import Engine, following, schedule
from qcp_sdk.errors import Conflict, Erased, InvalidInput, NewerRecord, NotFound, Rejected, Unavailable
from qcp_sdk.ports.store import Batch, Store
from qcp_sdk.subscription.effects import CheckStatus
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.subscription.state import Subscription
from qcp_sdk.values import Key

AT_A_TIME: Final = 200
MOST_CONFLICTS: Final = 20


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
    counted: Counter[str] = Counter()
    unreadable: list[str] = []
    for id in _active(engine.ports.store):
        try:
            counted[_followed(engine, id)] += 1
        except (Erased, NotFound):
            continue  # it went in this very moment
        except (NewerRecord, Rejected, InvalidInput):
            unreadable.append(id)
    return Following(
        begun=counted["begun"], before=counted["before"], never=counted["never"], unreadable=tuple(unreadable)
    )


def _followed(engine: Engine, id: str) -> str:
    """Have one certificate followed; say how it stands."""
    store = engine.ports.store
    for attempt in range(MOST_CONFLICTS):
        stream = engine.streams.load(id)
        state = stream.state
        if not isinstance(state, Subscription) or state.stage is not Stage.ACTIVE:
            return "ended"
        every = following.interval(state)
        if every is None or state.certificate is None:
            return "never"
        if any(row.kind == CheckStatus.kind for row in store.outstanding(stream=id)):
            return "before"
        now = engine.ports.clock.now()
        due = now + schedule.spread(every, Key(id), 0)
        check = CheckStatus(at=due, fingerprint=state.certificate.fingerprint)
        # One key at one version: of two that look at once, one is refused, and looks again; what an operator settled by
        # hand has left its key behind. The stream is written as it is, so that nothing is asked for what ends, or is
        # erased, in this very moment.
        row = engine.streams.later(stream, Key(f"{id}/{stream.version}/follow-{attempt}"), check, due)
        try:
            store.commit(batch=Batch(at=now, streams=(stream.row,), expected=(stream.version,), outbox=(row,)))
        except Conflict:
            continue
        engine.put_back(id, due)
        return "begun"
    raise Unavailable("others kept moving first", where=f"stream `{id}`", mend="try again in a moment")


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
