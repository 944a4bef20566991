"""What an operator does by hand: look at parked effects, and try or settle them, on record (behaviour § 7.4)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Final

from attrs import frozen

from qcp_sdk.audit import AUDIT, OperatorActed, need_approval
from qcp_sdk.engine import Engine
from qcp_sdk.errors import Conflict, NotFound, QcpError
from qcp_sdk.host.custody import Custody, Rotation
from qcp_sdk.host.following import Following, follow
from qcp_sdk.host.records import Recorded, Records
from qcp_sdk.host.retention import Retention
from qcp_sdk.ports.store import ParkedEffect
from qcp_sdk.values import Key

RETRIED: Final = "effect_retried"
PROPOSED: Final = "settlement_proposed"
SETTLED: Final = "effect_settled"
REVEALED: Final = "data_revealed"
ASKED: Final = "asked_again"


@frozen(kw_only=True)
class ParkedShown:
    """A parked effect and where it belongs, for an operator to read. Personal data are masked."""

    effect: ParkedEffect
    stage: str
    """Where its subscription or ceremony stands."""
    content: str
    """What it would do; why it cannot be read, where it cannot."""


@frozen(kw_only=True)
class Standing:
    """What waits. Alert on `age`: it grows when workers are too few, or none runs."""

    due: int
    """Effects that are due and that nobody has taken."""
    age: timedelta
    """How long the most overdue of them has waited; 0 when there is none."""
    parked: int


class Operations:
    """The operators' side of one installation."""

    def __init__(self, engine: Engine, records: Records, retention: Retention | None = None) -> None:
        self._engine, self._store, self._records = engine, engine.ports.store, records
        self._custody = Custody(engine, records, retention or Retention(), self._on_record)

    def standing(self) -> Standing:
        """Say how much is waiting, and for how long.

        Raises:
            Unavailable: The store does not answer.
        """
        now = self._engine.ports.clock.now()
        backlog = self._store.backlog(now=now)
        age = timedelta(0) if backlog.oldest is None else max(timedelta(0), now - backlog.oldest)
        return Standing(due=backlog.due, age=age, parked=backlog.parked)

    def parked(self) -> tuple[ParkedEffect, ...]:
        """Give what waits for a person, oldest first."""
        return self._store.parked()

    def show(self, key: Key) -> ParkedShown:
        """Give one parked effect in full.

        Raises:
            NotFound: Nothing is parked under this key.
        """
        parked = self._parked(key)
        stage, content = "", ""
        try:
            stream = self._engine.streams.load(parked.stream)
            stage = stream.state.stage.value
            row = next(row for row in self._store.outstanding(stream=parked.stream) if row.key == key)
            content = repr(self._engine.streams.effect(stream, key, row.payload))
        except QcpError as error:
            content = f"unreadable: {error.code}"
        return ParkedShown(effect=parked, stage=stage, content=content)

    def retry(self, key: Key, *, by: str, reason: str) -> None:
        """Put a parked effect back in line, under its own key: what it did before is not done twice.

        Raises:
            NotFound: Nothing is parked under this key.
            FactRefused: Nobody says who does it, or why.
        """
        parked, now = self._parked(key), self._engine.ports.clock.now()
        self._on_record(OperatorActed(what=RETRIED, about=key, by=by, reason=reason))
        self._changed(lambda: self._store.unpark(key=key, due=now), key)
        self._engine.put_back(parked.stream, now)

    def propose(self, key: Key, *, by: str, reason: str) -> None:
        """Put on record that somebody would settle a parked effect by hand. Nothing else happens: `settle` does it
        once a second person approves; what is proposed meanwhile is for the caller to keep.

        Raises:
            NotFound: Nothing is parked under this key.
            FactRefused: Nobody says who proposes it, or why.
        """
        self._parked(key)
        self._on_record(OperatorActed(what=PROPOSED, about=key, by=by, reason=reason))

    def settle(self, key: Key, *, by: str, reason: str, approved_by: str) -> None:
        """Mark a parked effect as settled by hand: it is never performed. A second person has to approve.

        What the outside world then looks like is for these two to see to; where the subscription must know, report it
        (`SettledByOperator`, `EndReported` …).

        Raises:
            NotFound: Nothing is parked under this key.
            FactRefused: Nobody says who does it, or why, or the same person approves it.
        """
        self._parked(key)
        need_approval(by, approved_by)
        self._on_record(OperatorActed(what=SETTLED, about=key, by=by, reason=reason, approved_by=approved_by))
        self._changed(lambda: self._store.discard(key=key), key)

    def ask(self, id: str, *, by: str, reason: str) -> None:
        """Ask now whoever a subscription or ceremony waits for, and put on record who wanted it, and why.

        Raises:
            NotFound: Nothing is known under this id; `Erased`: it was erased.
            FactRefused: Nobody says who does it, or why.
        """
        self._engine.streams.load(id)
        self._on_record(OperatorActed(what=ASKED, about=id, by=by, reason=reason))
        self._engine.ask_now(id)

    def reveal(self, id: str, *, by: str, reason: str) -> tuple[Recorded, ...]:
        """Give everything that happened to a subscription or ceremony, personal data included, and put on record who
        looked, and why.

        Raises:
            NotFound: Nothing is known under this id; `Erased`: it was erased.
            FactRefused: Nobody says who does it, or why.
        """
        self._engine.streams.load(id)
        self._on_record(OperatorActed(what=REVEALED, about=id, by=by, reason=reason))
        return self._records.history(id)

    def hold(self, id: str, *, by: str, reason: str) -> None:
        """Place a legal hold on a subscription or ceremony: it is not erased until `release`. Repeatable.

        Raises:
            NotFound: Nothing is known under this id; `Erased`: it was erased.
            FactRefused: Nobody says who does it, or why.
        """
        self._custody.hold(id, by=by, reason=reason)

    def release(self, id: str, *, by: str, reason: str) -> None:
        """End a legal hold. Repeatable. Raises as `hold`."""
        self._custody.release(id, by=by, reason=reason)

    def erase(self, id: str, *, by: str, reason: str, despite: Collection[str] = (), approved_by: str = "") -> None:
        """Destroy the data key of a subscription or ceremony, for good: nothing of it can be read any more, it is found
        by nobody, and its journal still verifies. Repeatable. Write nothing personal into `reason`: acts stay.

        `despite` names what may stand against it and does not count this time (`legal_hold`, `before_retention_end`,
        `not_final`, `money_unsettled`, `work_outstanding`, `collecte_open`, `unreadable`); a second person then has to
        approve it.
        Its certificate request goes from the shelf with it; a collecte's documents are the host's to remove.

        Raises:
            ErasureRefused: Once, with every obstacle.
            NotFound: Nothing is known under this id.
            FactRefused: Nobody says who does it, or why, or approves what is forced.
            InvalidInput: `despite` names no obstacle.
        """
        self._custody.erase(id, by=by, reason=reason, despite=despite, approved_by=approved_by)

    def data_keys(self) -> Mapping[str, int]:
        """Count the data keys by the id of the key that wraps them: an old key without any may go."""
        return self._custody.wrappings()

    def rewrap(self, *, by: str, reason: str, batch: int = 100) -> Rotation:
        """Bring every data key under the current key of the installation, `batch` at a time. What they seal is not
        touched, and workers go on. Repeatable: what a crash left is done by the next call.

        Raises:
            FactRefused: Nobody says who does it, or why.
        """
        return self._custody.rewrap(by=by, reason=reason, batch=batch)

    def follow(self) -> Following:
        """Have the status of every certificate in force asked for from now on, as that of new ones is: of those too
        that were issued before this was there. Repeatable, beside workers; nothing is recorded, and nobody is told.

        Raises:
            Unavailable: The store does not answer; what was begun stays, and the next call goes on.
        """
        return follow(self._engine)

    def acts(self) -> tuple[Recorded, ...]:
        """Give what operators did, in order. `qcp.records.journal("audit")` gives its chain."""
        return self._records.history(AUDIT) if self._store.load(id=AUDIT) is not None else ()

    def _parked(self, key: Key) -> ParkedEffect:
        found = next((one for one in self._store.parked() if one.key == key), None)
        if found is None:
            raise NotFound(f"nothing is parked under `{key}`", mend="look at what `parked` gives")
        return found

    def _on_record(self, act: OperatorActed) -> None:
        """Record first: an act that then fails can be repeated; one that nobody recorded must not have happened."""
        try:
            self._engine.record(AUDIT, act)
        except NotFound:
            try:
                self._engine.record(AUDIT, act, opens=AUDIT)
            except Conflict:  # another operator opened it at this very moment
                self._engine.record(AUDIT, act)

    def _changed(self, change: Callable[[], None], key: Key) -> None:
        try:
            change()
        except Conflict as conflict:
            raise NotFound(f"`{key}` is no longer parked", mend="somebody else was faster: look again") from conflict
