"""The engine: load, step, save, perform.

One transaction for a fact (behaviour § 7.1). Effects that are due are performed right after it, by whoever
committed; what fails, waits or dies with the process is picked up by `run_due`, in any process.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import datetime
from functools import partial
from typing import Any, Final, assert_never

from attrs import frozen

from qcp_sdk import otp
from qcp_sdk.ceremony.state import Ceremony
from qcp_sdk.effects import Alert, Effect
from qcp_sdk.engine import turns
from qcp_sdk.engine.collaborators import Collaborators
from qcp_sdk.engine.deciding import (
    POLLS,
    Again,
    Decision,
    Done,
    Note,
    Park,
    Record,
    decide,
    fault,
    left,
    unrecorded,
)
from qcp_sdk.engine.packing import Packing
from qcp_sdk.engine.performers import PERFORMERS, Context, Surroundings, ask
from qcp_sdk.engine.streams import LEASE, MACHINES, Stream, Streams, owned
from qcp_sdk.engine.watching import Watcher
from qcp_sdk.errors import (
    CodeRefused,
    Conflict,
    Erased,
    FactRefused,
    InvalidInput,
    NewerRecord,
    NotFound,
    PortError,
    Rejected,
    Unavailable,
    Unconfirmed,
)
from qcp_sdk.facts import CodesLocked, Fact, SilenceNoted
from qcp_sdk.otp import Attempts, Purpose
from qcp_sdk.ports.carriers import Carrier, DueWork, due_work
from qcp_sdk.ports.store import FIRST_TOKEN, Batch, LeasedEffect, OutboxRow
from qcp_sdk.values import ContentHash, DocumentId, Key

log = logging.getLogger("qcp_sdk")
MOST_CONFLICTS: Final = 20
"""How often a fact is decided again because somebody else moved first, before the caller is told."""


@frozen(slots=False)
class Answering:
    """The effect that a fact answers, marked done in the fact's own transaction."""

    key: Key
    token: int


@frozen
class Tally:
    """A change to what is remembered of a person's codes across streams, in the fact's own transaction."""

    purpose: Purpose
    subject: str
    change: Callable[[Attempts, datetime], Attempts]


@frozen(kw_only=True, slots=False)
class Recorded:
    """What became of a fact: the state after it, and whether it changed anything."""

    state: Any
    changed: bool


def first_lease(row: OutboxRow) -> LeasedEffect:
    """Give the lease that an effect was committed under."""
    assert row.leased_until is not None
    return LeasedEffect(
        key=row.key,
        stream=row.stream,
        kind=row.kind,
        due=row.due,
        payload=row.payload,
        token=FIRST_TOKEN,
        attempts=1,
        leased_until=row.leased_until,
    )


def perform_now(work: Callable[[], None]) -> None:
    """Run at once: the commit has happened. A host inside its own transaction gives its on-commit hook instead."""
    work()


class Engine:
    """Folds facts into streams and performs the effects. Safe for many threads; holds no state of its own."""

    def __init__(
        self,
        collaborators: Collaborators,
        *,
        after_commit: Callable[[Callable[[], None]], None] = perform_now,
        on_alert: Callable[[Alert], None] | None = None,
        packing: Packing | None = None,
        carrier: Carrier | None = None,
        inline: bool = True,
    ) -> None:
        self.ports = collaborators
        self.streams = Streams(collaborators, packing, inline=inline)
        self._after_commit, self._inline = after_commit, inline
        self._carrier = carrier
        self._on_alert = on_alert or self._log_alert
        self._watchers: tuple[Watcher, ...] = ()
        self._present = threading.local()
        """What this thread has committed and not yet performed, and the streams as it wrote them last."""
        self._surroundings = Surroundings(self._on_alert, self.revision, self.pass_turn, self._end_collecte)

    @staticmethod
    def _log_alert(alert: Alert) -> None:
        log.warning("alert %s: %s", alert.what, alert.about)

    # --- facts in -----------------------------------------------------------------------------------------

    def record(
        self,
        id: str,
        fact: Fact,
        *,
        opens: str | None = None,
        answering: Answering | None = None,
        tally: Tally | None = None,
        message: tuple[str, datetime] | None = None,
        known: Stream | None = None,
    ) -> Recorded:
        """Fold a fact, in one transaction, then perform what is due.

        `opens` names the kind of a stream that this fact begins. `message` is a provider's message id, with the
        instant until which it is remembered. `known` is the stream as the caller read or wrote it a moment ago: it
        is not read again, unless it has moved since, or nothing would be written that could find out.

        Raises:
            FactRefused: Said by a person or host, and not accepted now; nothing was written.
            Conflict: A claim is taken, the effect was fenced off, or the message was seen.
            NotFound: Nothing is known under this id.
        """
        for _ in range(MOST_CONFLICTS):
            now = self.ports.clock.now()
            given, known = known, None
            stream = given or (self.streams.new(id, opens) if opens is not None else self.streams.load(id))
            try:
                state, effects = MACHINES[stream.kind].step(stream.state, fact, now)
            except FactRefused:
                if given is None:
                    raise
                continue
            changed = state is not stream.state
            if not changed:
                if given is not None:
                    continue
                if not (answering or tally or message):
                    return Recorded(state=state, changed=False)
            batch, written = self._batch(
                stream, state, fact if changed else None, effects, now, answering, tally, message
            )
            try:
                self.ports.store.commit(batch=batch)
            except Conflict as conflict:
                if opens is None and conflict.kind == "stream":
                    continue
                raise
            if changed:
                for watcher in self._watchers:
                    with suppress(Exception):
                        watcher.recorded(fact.kind)
            self._wrote(batch, written, effects)
            return Recorded(state=state, changed=changed)
        raise Conflict("others kept moving first", where=f"stream `{id}`", mend="try again in a moment")

    def _batch(
        self,
        stream: Stream,
        state: Any,
        fact: Fact | None,
        effects: tuple[Effect, ...],
        now: datetime,
        answering: Answering | None,
        tally: Tally | None,
        message: tuple[str, datetime] | None,
    ) -> tuple[Batch, Stream]:
        written, streams, expected = stream, [], []
        journal: tuple[Any, ...] = ()
        outbox: tuple[OutboxRow, ...] = ()
        claim: tuple[tuple[str, str], ...] = ()
        unclaim: tuple[tuple[str, str], ...] = ()
        if fact is not None:
            entry = self.streams.entry(stream, fact, now)
            journal = (entry,)
            written = self.streams.following(
                stream, version=stream.version + 1, state=state, stage=state.stage.value, head=entry.hash
            )
            streams.append(written.row)
            expected.append(stream.version)
            outbox = self.streams.outbox(stream, effects, now)
            before, after = stream.claims, written.claims
            if after != before:
                claim, unclaim = self._claims(stream, after - before), self._claims(stream, before - after)
        if tally is not None:
            counted = self._counted(tally.purpose, tally.subject)
            state = tally.change(counted.state or Attempts(), now)
            streams.append(self.streams.following(counted, version=counted.version + 1, state=state, stage="").row)
            expected.append(counted.version)
        batch = Batch(
            at=now,
            streams=tuple(streams),
            expected=tuple(expected),
            journal=journal,
            outbox=outbox,
            answered=((answering.key, answering.token),) if answering is not None else (),
            claim=claim,
            unclaim=unclaim,
            inbox=(message,) if message is not None else (),
        )
        return batch, written

    def _claims(self, stream: Stream, names: frozenset[str]) -> tuple[tuple[str, str], ...]:
        return tuple((self.streams.blind("claim", name), stream.id) for name in sorted(names))

    def _counted(self, purpose: Purpose, subject: str) -> Stream:
        id = f"attempts-{purpose}-{self.streams.blind('attempts', subject)}"
        return self.streams.load_or_new(id, "attempts")

    def attempts(self, purpose: Purpose, subject: str) -> Attempts:
        """Give what is remembered of a person's codes for a purpose."""
        state = self._counted(purpose, subject).state
        return state if state is not None else Attempts()

    # --- codes of our own -----------------------------------------------------------------------------------

    def request_code(
        self, id: str, fact: Fact, *, purpose: Purpose, subject: str, known: Stream | None = None
    ) -> Recorded:
        """Fold the request for a code, counted for the person wherever it is made.

        Raises:
            CodeRefused: Too soon, too many, or locked.
        """
        return self.record(id, fact, tally=Tally(purpose, subject, otp.attempt_requested), known=known)

    def enter_code(
        self, id: str, *, matched: bool, purpose: Purpose, subject: str, fact: Fact, known: Stream | None = None
    ) -> Recorded:
        """Fold an entry, counted before it is answered; twenty wrong ones in a day lock the purpose.

        Raises:
            CodeRefused: No entry is accepted now; nothing was counted.
        """
        until = otp.lock_end(self.attempts(purpose, subject), self.ports.clock.now())
        if until is not None:
            self.record(id, CodesLocked(until=until))  # it may have been reached elsewhere, or just before a crash
            raise CodeRefused("codes are locked", reason="locked", until=until, mend="wait until then")
        if matched:
            return self.record(id, fact, tally=Tally(purpose, subject, otp.attempt_right), known=known)
        recorded = self.record(id, fact, tally=Tally(purpose, subject, otp.attempt_wrong), known=known)
        until = otp.lock_end(self.attempts(purpose, subject), self.ports.clock.now())
        return self.record(id, CodesLocked(until=until)) if until is not None else recorded

    # --- effects out ----------------------------------------------------------------------------------------

    def _wrote(self, batch: Batch, written: Stream, effects: tuple[Effect, ...]) -> None:
        """See to what was just committed, now or when the host's transaction is."""
        latest: dict[str, Stream] | None = getattr(self._present, "latest", None)
        if latest is not None:
            latest[written.id] = written
        if batch.outbox:
            self._after_commit(partial(self._committed, batch, written, effects))

    def _committed(self, batch: Batch, written: Stream, effects: tuple[Effect, ...]) -> None:
        """Tell the carrier of what is left to workers, and perform the rest."""
        if self._carrier is not None:
            self._carry(self._carrier, due_work(batch))
        # Inside a host's transaction more may have been written since.
        known = written if self._after_commit is perform_now else None
        self._perform_committed(batch.outbox, effects, known)

    def _carry(self, carrier: Carrier, work: tuple[DueWork, ...]) -> None:
        try:
            if work:
                carrier.carry(work=work)
        except Exception as error:  # noqa: BLE001 - a hint was lost; the work itself is kept, and swept up
            log.error("the carrier failed (%s): the sweep finds what it was told of", type(error).__name__)  # noqa: TRY400

    def put_back(self, stream: str, at: datetime) -> None:
        """Say that an effect of this stream waits again from that instant on, so that a worker is woken then."""
        if self._carrier is not None:
            self._after_commit(partial(self._carry, self._carrier, (DueWork(stream, at),)))

    def _perform_committed(
        self, rows: tuple[OutboxRow, ...], effects: tuple[Effect, ...], known: Stream | None
    ) -> None:
        """Perform what was just committed, under its first lease.

        What its answers ask for comes after all of it: otherwise a person would read that the certificate is issued
        before reading that it was asked for.
        """
        mine = [(row, effect) for row, effect in zip(rows, effects, strict=True) if row.leased_until is not None]
        present = self._present
        waiting: deque[tuple[OutboxRow, Effect]] | None = getattr(present, "waiting", None)
        if waiting is not None:
            waiting.extend(mine)
            return
        if not mine:
            return
        waiting, latest = deque(mine), {known.id: known} if known is not None else {}
        present.waiting, present.latest = waiting, latest
        try:
            while waiting:
                row, effect = waiting.popleft()
                self.perform(first_lease(row), effect, latest.get(row.stream))
        finally:
            present.waiting = present.latest = None

    def run_due(self, *, limit: int = 100, stream: str | None = None) -> int:
        """Perform what is due, up to `limit` effects, of one stream only if it is named; give how many were tried. Safe
        in any number of processes.
        """
        done = 0
        while done < limit:
            now = self.ports.clock.now()
            asked = min(10, limit - done)
            leased = self.ports.store.lease(now=now, until=now + LEASE, limit=asked, stream=stream)
            for one in leased:
                self.perform(one)
            done += len(leased)
            if not leased or (self._inline and len(leased) < asked):
                break  # what their answers asked for is performed already, unless it is left to workers
        return done

    def perform(self, leased: LeasedEffect, effect: Effect | None = None, known: Stream | None = None) -> None:
        """Perform one leased effect, and record what comes of it. Never raises: what fails is retried or parked.

        Whoever has just committed it gives the `effect`, and its stream as `known`; else both are read.
        """
        if self.ports.clock.now() >= leased.leased_until:
            return  # whoever leases it next performs it
        if not self._watchers:
            self._try(leased, effect, known)
            return
        around = ExitStack()
        for watcher in self._watchers:
            with suppress(Exception):
                around.enter_context(watcher.performing(leased.kind, leased.attempts))
        try:
            self._try(leased, effect, known)
        finally:
            with suppress(Exception):
                around.close()

    def watched_by(self, watcher: Watcher) -> None:
        """Tell somebody, from now on, what is recorded and performed here."""
        self._watchers += (watcher,)

    def _try(self, leased: LeasedEffect, effect: Effect | None, known: Stream | None) -> None:
        try:
            self._perform(leased, effect, known)
        except Erased:
            log.info("%s is over: its stream was erased", leased.key)
            self._mark(leased)  # what came in after the erasure is still there, and would be leased for ever
        except NewerRecord:
            log.warning("%s (%s) is left to workers of a newer release", leased.kind, leased.key)
            self._obey(leased, left(leased.key, leased.attempts))
        except (Unavailable, Unconfirmed):
            log.warning("the store did not take what came of %s; it is done again when its lease ends", leased.key)
        except Exception as error:  # noqa: BLE001 - whoever is at fault, it must not take the worker with it
            self._obey(leased, fault(error, key=leased.key, kind=leased.kind, attempts=leased.attempts))

    def _perform(self, leased: LeasedEffect, effect: Effect | None, known: Stream | None) -> None:
        try:
            stream = known or self.streams.load(leased.stream)
            effect = effect or self.streams.effect(stream, leased.key, leased.payload)
        except (Erased, NewerRecord):
            raise
        except (NotFound, InvalidInput, Rejected) as error:
            self._set_aside(leased, f"unreadable: {error.code}")
            return
        result: object
        try:
            result = ask(self._context(stream, leased.key), effect, attempts=leased.attempts)
        except Exception as error:  # noqa: BLE001 - `decide` tells a port's own errors from an adapter's fault
            result = error
        self._obey(leased, decide(effect, result, key=leased.key, attempts=leased.attempts), stream)

    def _obey(self, leased: LeasedEffect, decision: Decision, known: Stream | None = None) -> None:
        for watcher in self._watchers:
            with suppress(Exception):
                watcher.decided(leased.kind, type(decision).__name__.lower())
        match decision:
            case Record(fact):
                self._record_answer(leased, fact, Answering(leased.key, leased.token), known)
            case Note(fact, then):
                if self._record_answer(leased, fact, None, known):
                    self._again(leased, then)
            case Done():
                self._mark(leased)
            case Again():
                self._again(leased, decision)
            case Park(reason, fault):
                if fault:
                    log.error("fault %s on %s (%s)", reason, leased.kind, leased.key)
                self._set_aside(leased, reason)
            case _:
                assert_never(decision)

    def _record_answer(
        self, leased: LeasedEffect, fact: Fact, answering: Answering | None, known: Stream | None
    ) -> bool:
        try:
            self.record(leased.stream, fact, answering=answering, known=known)
        except (FactRefused, Conflict) as refused:
            parked = unrecorded(refused)
            if parked is not None:
                self._set_aside(leased, parked.reason)
            else:
                log.info("answer to %s not recorded: %s", leased.key, refused.what)
            return False
        return True

    def _mark(self, leased: LeasedEffect) -> None:
        try:
            self.ports.store.commit(batch=Batch(at=self.ports.clock.now(), answered=((leased.key, leased.token),)))
        except (Conflict, PortError):
            log.info("mark on %s not written; it is done again under its key", leased.key)

    def _again(self, leased: LeasedEffect, again: Again) -> None:
        """Put it back for later, having told its stream of the silence where there is one."""
        if again.fault:
            log.error("fault %s on %s (%s)", again.note, leased.kind, leased.key)
        if again.silent:
            try:
                self.record(leased.stream, SilenceNoted(about=leased.kind))
            except Exception as error:  # noqa: BLE001 - what was to be done again matters more
                log.warning("silence of %s not noted: %s", leased.kind, type(error).__name__)
        due = self.ports.clock.now() + again.wait
        try:
            self.ports.store.postpone(key=leased.key, token=leased.token, due=due, note=again.note)
        except PortError as error:
            log.warning("%s not put back (%s): it is free when its lease ends", leased.key, error.code)
            return
        self.put_back(leased.stream, due)

    def _set_aside(self, leased: LeasedEffect, reason: str) -> None:
        # The alert comes first: dying between the two must not leave an effect parked that nobody was told of.
        try:
            self._on_alert(Alert(what="effect_parked", about=f"{leased.kind} {leased.key}: {reason}"))
        except Exception as error:  # noqa: BLE001 - the host's alarm is broken; the effect is parked all the same
            log.error("the alert on %s failed: %s", leased.key, type(error).__name__)  # noqa: TRY400
        try:
            self.ports.store.park(key=leased.key, token=leased.token, reason=reason)
        except PortError as error:
            log.warning("%s not parked (%s): it is tried again when its lease ends", leased.key, error.code)

    def ask_now(self, id: str) -> None:
        """Ask now what a stream polls for, outside its schedule. The poll itself stays, and finds nothing new."""
        stream = self.streams.load(id)
        for row in self.ports.store.outstanding(stream=id):
            if row.kind not in POLLS:
                continue
            try:
                effect = self.streams.effect(stream, row.key, row.payload)
                answer = PERFORMERS[type(effect)](self._context(stream, row.key), effect)
            except Exception as error:  # noqa: BLE001 - the poll itself will say so in its turn, and be parked for it
                log.info("asked out of turn, %s did not answer: %s", row.kind, type(error).__name__)
                continue
            if isinstance(answer, Fact):
                self.record(id, answer)

    # --- between ceremonies of one collecte -----------------------------------------------------------------

    def _context(self, stream: Stream, key: Key) -> Context:
        return Context(self.ports, stream.state, key, self.ports.clock.now(), self._surroundings)

    def ceremonies(self, tenant: str, collecte: str) -> tuple[Ceremony, ...]:
        """Give the ceremonies of a collecte, in signing order."""
        value = self.streams.blind("collecte", owned(tenant, collecte))
        found = tuple(self.streams.load(id).state for id in self.ports.store.find(index="collecte", value=value))
        return turns.in_order(found)

    def _siblings(self, ceremony: Ceremony) -> tuple[Ceremony, ...]:
        collecte = ceremony.opened.collecte
        return self.ceremonies(collecte.tenant, collecte.id)

    def revision(self, ceremony: Ceremony, document: DocumentId) -> tuple[ContentHash, int]:
        """Give the present content of a document, and how many signatures it carries."""
        return turns.revision(ceremony, self._siblings(ceremony), document)

    def pass_turn(self, ceremony: Ceremony) -> None:
        """Tell whoever comes next in this ceremony's collecte, or everybody that all have signed. Repeatable."""
        for id, fact in turns.passing(ceremony, self._siblings(ceremony)):
            self.record(id, fact)

    def _end_collecte(self, ceremony: Ceremony, cause: str) -> None:
        for id, fact in turns.ending(ceremony, self._siblings(ceremony), cause):
            self.record(id, fact)
