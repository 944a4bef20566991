"""Looks at everything that is committed, as it is committed, and at the whole town when it has come to rest.

It reads what the store was given, not what the engine says that it did: what is forgotten on the way is found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

from attrs import define, field

from qcp_sdk import journal
from qcp_sdk.effects import Alert, Effect
from qcp_sdk.engine.packing import Packing
from qcp_sdk.engine.streams import MACHINES, planned
from qcp_sdk.errors import Rejected
from qcp_sdk.facts import Fact
from qcp_sdk.ports.ledger import Ledger
from qcp_sdk.ports.store import FIRST_TOKEN, Batch, LeasedEffect, Store, StoredStream
from qcp_sdk.subscription.money import MoneyState
from qcp_sdk.subscription.stages import FINAL, Stage
from qcp_sdk.subscription.state import Subscription, claims
from qcp_sdk.testing import invariants
from qcp_sdk.testing.invariants import Ghost
from qcp_sdk.values import CabinetId, Cents, Fingerprint, Key

HOLDING: Final = frozenset({Stage.ACTIVE, Stage.REVOKING})
"""Stages in which a person has a certificate, and may open another subscription."""


class Broken(BaseException):
    """An invariant does not hold. No `Exception`: nothing on the way may catch it."""

    def __init__(self, invariant: str, about: str) -> None:
        super().__init__(f"{invariant} ({about})")
        self.invariant, self.about = invariant, about


@define
class Seen:
    """What is known of one subscription from its commits."""

    state: Subscription
    ghost: Ghost
    outbox: list[Key] = field(factory=list)
    """Keys of all effects that were committed, in order."""


class Watch:
    """The one who looks. `moved` is told of every step; `told` takes lines for the trace."""

    def __init__(
        self,
        packing: Packing,
        moved: Callable[[Subscription | None, Fact, Subscription], None],
    ) -> None:
        self._packing, self._moved = packing, moved
        self.seen: dict[str, Seen] = {}
        self._tokens: dict[Key, int] = {}
        self._open: dict[tuple[str, str], str] = {}
        """(tenant, account) to the one open subscription of that person."""

    # --- at every step ---------------------------------------------------------------------------------------

    def committed(self, batch: Batch) -> None:
        """Judge what was just written.

        Raises:
            Broken: By the number of the invariant.
        """
        for key, token in batch.answered:
            if token != self._tokens.get(key, FIRST_TOKEN):
                raise Broken("store: an answer was taken from a worker that had been fenced off", key)
        for stored in batch.streams:
            if stored.kind == "subscription":
                self._stepped(stored, batch)

    def leased(self, rows: Iterable[LeasedEffect], now: datetime) -> None:
        """Judge what a worker was just given.

        Raises:
            Broken: A token did not grow, or what is not due was given.
        """
        for row in rows:
            if row.token <= self._tokens.get(row.key, 0):
                raise Broken("store: a lease was given under a token that was used before", row.key)
            if row.due > now:
                raise Broken("store: an effect was given before it is due", row.key)
            self._tokens[row.key] = row.token

    def _stepped(self, stored: StoredStream, batch: Batch) -> None:
        row = batch.journal[0]
        id, key, unpack = stored.id, stored.data_key, self._packing
        after: Subscription = unpack.unpack_state(stored.state, data_key=key, place=f"state/{id}/{stored.version}")
        fact = unpack.unpack_fact(row.payload, data_key=key, place=f"journal/{id}/{row.sequence}")
        effects: tuple[Effect, ...] = tuple(
            [unpack.unpack_effect(one.payload, data_key=key, place=f"outbox/{one.key}") for one in batch.outbox]
        )
        seen = self.seen.get(id)
        before, ghost = (seen.state, seen.ghost) if seen is not None else (None, Ghost())
        broken: tuple[str, ...] = ()
        if before is not None:
            _same_where_equal(before, after)
            broken = invariants.broken_by_step(before, fact, row.at, after, effects, ghost)
        ghost = ghost.after(before, after, effects)
        broken += invariants.broken_in(after, ghost, before)
        if broken:
            raise Broken(broken[0], id)
        if seen is None:
            seen = self.seen[id] = Seen(after, ghost)
        else:
            seen.state, seen.ghost = after, ghost
        seen.outbox += [one.key for one in batch.outbox]
        self._one_at_a_time(before, after)
        self._moved(before, fact, after)

    def _one_at_a_time(self, before: Subscription | None, after: Subscription) -> None:
        if before is not None and (before.stage in FINAL or before.stage is after.stage):
            return
        person = (after.terms.tenant, after.terms.account.id)
        is_open = after.stage not in FINAL and after.stage not in HOLDING
        mine = self._open.get(person)
        if is_open and mine not in (None, after.id):
            raise Broken("4: a person has two open subscriptions", f"{mine} and {after.id}")
        if is_open:
            self._open[person] = after.id
        elif mine == after.id:
            del self._open[person]

    def open_of(self, account: str) -> str | None:
        """Give the open subscription of an account, if it has one."""
        return self._open.get(("", account))

    # --- when everything has come to rest --------------------------------------------------------------------

    def rest(
        self,
        store: Store,
        *,
        alerts: Iterable[Alert],
        claimed: Callable[[str], str],
        revoked: Callable[[Fingerprint], bool],
    ) -> None:
        """Judge every subscription at the end.

        `claimed` gives the name under which the store keeps a claim; `revoked` says whether the authority has revoked.

        Raises:
            Broken: By the number of the invariant.
        """
        told = Counter((alert.what, alert.about) for alert in alerts)
        parked_alerts = {about.split(" ")[1].rstrip(":") for what, about in told if what == "effect_parked"}
        unpaid = {about.split(":")[0] for what, about in told if what == "price_not_captured"}
        kept = {about.split(":")[0] for what, about in told if what == "revocation_refused"}
        for parked in store.parked():
            if parked.key not in parked_alerts:
                raise Broken("7.4: an effect is parked, and nobody was told", parked.key)
        for id, seen in self.seen.items():
            s = seen.state
            self._at_rest(s, unpaid)
            for mark in s.settled:
                if len(mark) == 64 and not revoked(Fingerprint(mark)) and id not in kept:
                    raise Broken("6: a late certificate was not revoked", f"{id}: {mark[:8]}")
            left = store.outstanding(stream=id)
            if left:
                raise Broken("2: it is at rest, and something is still to be done", f"{id}: {left[0].kind}")
            if s.stage in FINAL:
                terms = s.terms
                for name in claims(_as_open(s)):
                    if store.owner(claim=claimed(name)) == id:
                        raise Broken("4: final, and a claim is kept", f"{id} of {terms.account.id}")
            self._folded(store, id, seen)

    def _at_rest(self, s: Subscription, unpaid: set[str]) -> None:
        attested = s.stage is Stage.ACTIVE and s.certificate is None
        if s.stage not in FINAL and not attested:
            raise Broken("8: it never came to an end", f"{s.id}: {s.stage}")
        if invariants.money_outstanding(s) or s.money.state is MoneyState.HELD:
            raise Broken("2: at rest, and the hold is not settled", f"{s.id}: {s.money.state}")
        if s.money.state is MoneyState.PARKED and s.id not in unpaid:
            raise Broken("7.4: the price is not captured, and nobody was told", s.id)

    def _folded(self, store: Store, id: str, seen: Seen) -> None:
        stored = store.load(id=id)
        assert stored is not None
        rows = store.journal(stream=id)
        journal.verify(rows, head=stored.head)
        if any(earlier.at > later.at for earlier, later in pairwise(rows)):
            raise Broken("7: a journal runs backwards in time", id)
        step, state, asked = MACHINES["subscription"].step, None, []
        for row in rows:
            fact = self._packing.unpack_fact(
                row.payload, data_key=stored.data_key, place=f"journal/{id}/{row.sequence}"
            )
            state, effects = step(state, fact, row.at)
            asked += [key for key, *_ in planned(id, row.sequence, effects, row.at)]
        if state != seen.state:
            raise Broken("7: the journal does not fold to the stored state", id)
        if asked != seen.outbox:
            lost = sorted(set(asked) - set(seen.outbox))
            raise Broken("7.1: what a fact asks for is not in the outbox", f"{id}: {lost or 'too much'}")

    def balanced(self, ledger: Ledger, opening: dict[CabinetId, Cents]) -> None:
        """Judge the books: each cabinet has paid for what was captured, and for nothing else.

        Raises:
            Broken: They do not balance to the cent.
        """
        paid: Counter[CabinetId] = Counter()
        for seen in self.seen.values():
            if seen.state.money.state is MoneyState.CAPTURED:
                paid[seen.state.terms.cabinet.id] += int(seen.state.terms.price)
        for cabinet, had in opening.items():
            has = balance_of(ledger, cabinet)
            if has != had - paid[cabinet]:
                raise Broken(
                    "1: the ledger does not balance", f"{cabinet} has {has}, and should have {int(had) - paid[cabinet]}"
                )
        check: Callable[[], Any] | None = getattr(ledger, "check", None)
        if check is not None:
            proof = check()
            if not proof.balanced:
                raise Broken("1: the ledger's books are wrong", "; ".join(proof.faults))


def _same_where_equal(before: Subscription, after: Subscription) -> None:
    """Let what did not change be the very same, as in the machine: reading what was sealed makes it anew."""
    was, now = before.__dict__, after.__dict__
    for name in ("terms", "certificate", "attestation"):
        kept = was[name]
        if now[name] is not kept and now[name] == kept:
            now[name] = kept


def balance_of(ledger: Ledger, cabinet: CabinetId) -> Cents:
    """Give what a cabinet has to spend; nothing, where it never paid anything in."""
    try:
        return ledger.balance(cabinet=cabinet)
    except Rejected:
        return Cents(0)


def _as_open(s: Subscription) -> Subscription:
    """Give the same subscription as if it had just been opened: what it claimed then."""
    opened = object.__new__(Subscription)
    opened.__dict__.update(s.__dict__, stage=Stage.VERIFYING_EMAIL)
    return opened
