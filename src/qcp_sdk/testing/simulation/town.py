"""One town: a hundred people or so who subscribe at the same time, and everything that they depend on.

A clock that moves from event to event, three processes of one installation over one store, providers, a host's
webhook, an operator who answers alerts. When the last of it has come to rest, the town is gone, and its memory with
it; what a person does depends on the person's number and on the script, on nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from heapq import heappop, heappush
from typing import Any, Final, cast

from attrs import evolve

from qcp_sdk.adapters.memory.accounts import MemoryAccounts
from qcp_sdk.adapters.memory.authority import MemoryAuthority
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.memory.keys import MemoryKeys
from qcp_sdk.certificates import StatusKind
from qcp_sdk.effects import Alert
from qcp_sdk.engine import Collaborators
from qcp_sdk.engine.collaborators import DEFAULT
from qcp_sdk.engine.packing import Packing, Sealing
from qcp_sdk.engine.streams import LEASE
from qcp_sdk.errors import Conflict, NotFound, PortError, QcpError, Refusal
from qcp_sdk.facts import Cancelled, Fact
from qcp_sdk.host.operations import Operations
from qcp_sdk.host.records import Records
from qcp_sdk.host.saying import Code
from qcp_sdk.host.subscriptions import LCP, Subscriptions
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.offers import Offer
from qcp_sdk.ports.store import Batch, LeasedEffect, Store
from qcp_sdk.subscription.facts import (
    CertificateIssued,
    CertificateRefused,
    EndReported,
    FraudReported,
    FraudSuspected,
    IdentityAbandoned,
    IdentityApproved,
    IdentityRefused,
    RegistrationExpired,
    SettledByOperator,
    Waits,
)
from qcp_sdk.subscription.stages import FINAL, Plan, Stage
from qcp_sdk.subscription.state import Subscription
from qcp_sdk.testing.passing import Passing
from qcp_sdk.testing.simulation import acting
from qcp_sdk.testing.simulation.faults import AGAIN, MESSAGE, Script
from qcp_sdk.testing.simulation.parts import POOR, RICH, VALIDITY, Parts
from qcp_sdk.testing.simulation.passage import Bug, Crash, Through
from qcp_sdk.testing.simulation.people import Message, Person, Process, Told, person
from qcp_sdk.testing.simulation.watch import Broken, Watch, balance_of
from qcp_sdk.values import (
    CabinetId,
    Fingerprint,
    SessionId,
    SubscriptionId,
    TenantId,
)

BEGINNING: Final = datetime(2026, 3, 2, 9, tzinfo=UTC)
PROCESSES: Final = 3
"""How many processes serve one store; one that stands still lets at most two others go on meanwhile."""
WAITS: Final = Waits(
    opening=timedelta(hours=6),
    identity=timedelta(hours=4),
    finishing=timedelta(hours=8),
    leaving=timedelta(minutes=30),
    status=timedelta(days=300),
)
"""Shorter than real ones: what is waited for is asked for every quarter of an hour, and each asking takes time."""
OUTAGE: Final = timedelta(hours=3)
KEPT: Final = timedelta(days=4)
MOST_EVENTS: Final = 1_500
"""For each person, before it is said that the town never comes to rest."""
JUMPS: Final[Mapping[str, timedelta]] = {
    "2 minutes": timedelta(minutes=2),
    "10 minutes": timedelta(minutes=10),
    "1 hour": timedelta(hours=1),
    "1 week": timedelta(weeks=1),
}


class Town:
    """Runs some people to their ends, under one script."""

    def __init__(self, people: Sequence[int], *, script: Script, parts: Parts, trace: bool = False) -> None:
        self.script, self.parts = script, parts
        self.trace: list[Told] | None = [] if trace else None
        self.clock = ManualClock(BEGINNING)
        self.keys = MemoryKeys()
        self.packing: Packing = Sealing(self.keys) if parts.sealed else Passing()
        self.watch = Watch(self.packing, self._moved)
        self.alerts: list[Alert] = []
        self.inbox: dict[tuple[str, str], Code] = {}
        """(address, purpose) to the newest code that arrived there."""
        self.older: dict[tuple[str, str], Code] = {}
        self.people = {f"p{number}": person(number) for number in people}
        self._events: list[tuple[datetime, int, Callable[[], None]]] = []
        self._numbers = 0
        self.opener: Person | None = None
        self._running: list[int] = []
        self._furnish()
        self.processes = [self._started() for _ in range(PROCESSES)]
        self._next_worker = 0

    def _furnish(self) -> None:
        parts, clock = self.parts, self.clock
        self.store: Store = parts.store()
        self.ledger = parts.ledger(clock)
        self.opening = {one.id: balance_of(self.ledger, one.id) for one in (RICH, POOR)}
        self.accounts = MemoryAccounts([one.account for one in self.people.values()])
        self.identity, self.authority = parts.identity(clock), parts.authority(clock)
        self.lcp = MemoryAuthority(clock=clock, issuer="Autorité LCP en mémoire", level=CertificateLevel.LCP)
        for one in self.people.values():
            self.lcp.issue_to(one.account)
        self.registration = parts.registration(clock, self.authority)
        inner = {
            "accounts": self.accounts, "ledger": self.ledger, "codes": _Heard(parts.codes(), self),
            "notices": parts.notices(), "documents": parts.documents(), "identity": self.identity,
            "registration": self.registration, "authority": self.authority, "lcp": self.lcp,
            "store": _Watched(self.store, self),
        }  # fmt: skip
        self._through = {port: Through(port, adapter, self.script, self) for port, adapter in inner.items()}
        made: dict[str, Any] = self._through
        self._collaborators = Collaborators(
            store=made["store"],
            clock=clock,
            ids=self,
            keys=self.keys,
            accounts=made["accounts"],
            ledgers={DEFAULT: made["ledger"]},
            codes={DEFAULT: made["codes"]},
            notices={DEFAULT: made["notices"]},
            documents={DEFAULT: made["documents"]},
            identities={DEFAULT: made["identity"]},
            registrations={DEFAULT: made["registration"]},
            authorities={DEFAULT: made["authority"], LCP: made["lcp"]},
        )

    def new(self) -> str:
        """Give an id that names whose it is. The town is its own `Ids`."""
        person = self.opener
        assert person is not None
        person.openings += 1
        return person.name if person.openings == 1 else f"{person.name}-{person.openings}"

    def _started(self) -> Process:
        engine = self.parts.engine(self._collaborators, packing=self.packing, on_alert=self._alerted)
        subscriptions = Subscriptions(engine, self._offer)
        return Process(engine, subscriptions, Operations(engine, Records(engine)))

    def _offer(self, _tenant: TenantId, _cabinet: CabinetId) -> Offer:
        return _OFFERS[self.opener.plan if self.opener is not None else Plan.ASSEMBLED]

    # --- the run ---------------------------------------------------------------------------------------------

    def run(self) -> Broken | None:
        """Run until everything has come to rest; give the first invariant that did not hold."""
        try:
            for person in self.people.values():
                self.at(BEGINNING + timedelta(seconds=person.number % 100 * 7), partial(acting.open, self, person))
            self._until_rest()
            self.watch.rest(self.store, alerts=self.alerts, claimed=self._claimed, revoked=self._revoked)
            self.watch.balanced(self.ledger, self.opening)
        except Broken as broken:
            return broken
        except Exception as error:  # noqa: BLE001 - whatever came out: it should not have
            return Broken(f"an error came out: {type(error).__name__}", str(error)[:200])
        return None

    def _until_rest(self) -> None:
        most, count = MOST_EVENTS * len(self.people) + MOST_EVENTS, 0
        events, clock, store = self._events, self.clock, self.store
        while True:
            due = store.next_due()
            if due is None and not events:
                return
            count += 1
            if count > most:
                raise Broken("8: the town never comes to rest", f"after {count} events")
            if due is not None and (not events or due <= events[0][0]):
                if due > clock.now():
                    clock.advance_to(due)
                self._work()
                continue
            at, _, happens = heappop(events)
            if at > clock.now():
                clock.advance_to(at)
            happens()

    def trouble(self, what: str) -> None:
        """Let time jump, or a port be out of order for hours."""
        verb, _, port = what.partition(" ")
        if verb == "jump":
            self.clock.advance(JUMPS[port])
            return
        through = self._through[port]
        through.out("bug" if verb == "break" else "fail")
        self.after(OUTAGE, through.mended)

    def _work(self) -> None:
        self.script.subject = "worker"
        self._next_worker = (self._next_worker + 1) % PROCESSES
        self.within(_worked, self._next_worker)

    def at(self, moment: datetime, happens: Callable[[], None]) -> None:
        """Let something happen then."""
        self._numbers += 1
        heappush(self._events, (moment, self._numbers, happens))

    def after(self, wait: timedelta, happens: Callable[[], None]) -> None:
        """Let something happen after a while."""
        self.at(self.clock.now() + wait, happens)

    def within(self, work: Callable[[Process], object], number: int | None = None) -> bool:
        """Do something in a process that does nothing else; say whether the process came through it."""
        if number is None:
            number = self._next_worker
        while number in self._running:
            number = (number + 1) % PROCESSES
        self._running.append(number)
        try:
            work(self.processes[number])
        except Crash as crash:
            self.tell(f"process {number}", f"crashes at {crash}")
            self.processes[number] = self._started()
            return False
        finally:
            self._running.pop()
        return True

    def tell(self, who: str, what: str) -> None:
        """Write a line of the trace, if one is kept."""
        if self.trace is not None:
            self.trace.append(Told(self.clock.now(), who, what))

    def _claimed(self, name: str) -> str:
        return self.processes[0].engine.streams.blind("claim", name)

    def _revoked(self, fingerprint: Fingerprint) -> bool:
        held = self.authority.holding(fingerprint)
        return held is None or held.status.kind is StatusKind.REVOKED

    # --- what happens while a call stands still (`passage.Meanwhile`) --------------------------------------------

    def meanwhile(self, verb: str) -> None:
        """Let another process work, or the person at hand do something, before the call goes on."""
        if len(self._running) >= PROCESSES:
            return
        subject = self.script.subject
        person = self.people.get(subject)
        self.tell(subject, f"meanwhile: {verb}")
        if verb == "stall":
            self.clock.advance(LEASE + timedelta(seconds=5))
        if verb in ("pause", "stall"):
            self.within(_worked)
        elif person is not None and person is self.opener:
            self.within(partial(_opened, self, person))
            self.opener = person
        elif person is not None and person.subscription is not None:
            id, what = person.subscription, _MEANWHILE.get(verb, person.said)
            if verb == "hint":
                session = _session(self.watch.seen[id].state) if id in self.watch.seen else None
                if session is not None:
                    self.within(partial(_hinted, session))
            elif isinstance(what, FraudReported):
                self.within(partial(_reported, id, what))
            elif what is not None:
                self.within(partial(_said, id, what))
        self.script.subject = subject

    def contradicted(self, label: str, named: Mapping[str, Any], answer: object) -> object:
        """Give what a provider says that will change its mind; what it really did comes out by a message, later."""
        subject = self.script.subject
        if label == "identity.ask" and isinstance(answer, IdentityApproved | IdentityRefused):
            said = int(named["session"][-1], 16) % 3
            other: object = (
                IdentityRefused(session=answer.session, reason="on second thoughts"),
                IdentityAbandoned(session=answer.session),
                FraudSuspected(reason="on second thoughts"),
            )[said]
            self.message(Message(f"{subject}/mind/{answer.session}", subject, session=answer.session))
        elif label in ("authority.submit", "authority.ask") and isinstance(answer, CertificateIssued):
            reference = named.get("reference") or self.authority.reference(key=named["key"])
            other = CertificateRefused(reason="on second thoughts")
            whose = self._applicant(named, reference)
            self.message(Message(f"{subject}/mind/{reference}", subject, reference=reference, subscription=whose))
        elif label == "registration.ask" and isinstance(answer, CertificateIssued):
            other = RegistrationExpired(session=named["session"])
            self.message(Message(f"{subject}/mind/{named['session']}", subject, session=named["session"]))
        else:
            return answer
        self.tell(label, f"says {type(other).__name__} instead of {type(answer).__name__}")
        return other

    def _applicant(self, named: Mapping[str, Any], reference: str) -> str:
        """Say whose request this is."""
        if "application" in named:
            return str(named["application"].subscription)
        return next(id for id, seen in self.watch.seen.items() if seen.state.request.reference == reference)

    # --- what others notice --------------------------------------------------------------------------------------

    def _moved(self, before: Subscription | None, fact: Fact, after: Subscription) -> None:
        if self.trace is not None:
            self.tell(after.id, f"{fact.kind}: {before.stage if before else ''} > {after.stage} ({after.money.state})")
        if before is not None and before.stage is after.stage:
            return
        person = self.people[after.id.partition("-")[0]]
        if before is None:
            person.subscription = after.id
        if after.id != person.subscription:
            return
        if after.stage not in FINAL:
            self.plan(person)
        if after.stage in FINAL or after.stage is Stage.ACTIVE:
            self._again(person, after.stage)

    def _again(self, person: Person, stage: Stage) -> None:
        """Let some people come again: after an ending, or when their certificate is soon to end."""
        if person.openings < 3 and self.script.at(AGAIN, "again") is not None:
            wait = _ALMOST if stage is Stage.ACTIVE else timedelta(minutes=20)
            self.after(wait, partial(acting.open, self, person))

    def plan(self, person: Person, wait: timedelta | None = None) -> None:
        """Let a person come back after a while; what was planned before is forgotten."""
        if person.gone:
            return
        if wait is None:
            wait = timedelta(seconds=5 + (person.number * 7 + person.acts * 13) % 20)
        person.turn += 1
        self.at(self.clock.now() + wait, partial(acting.come_back, self, person, person.turn))

    def message(self, message: Message, wait: timedelta = timedelta(seconds=1)) -> None:
        """Let a provider send a hint to the webhook; it may be lost, repeated, delayed."""
        self.script.subject = message.subject
        fault = self.script.at(MESSAGE, "message")
        if fault is not None:
            self.tell(message.subject, f"message {message.id}: {fault}")
        if fault == "lose":
            return
        if fault == "repeat":
            self.after(wait + timedelta(minutes=3), partial(self._deliver, evolve(message)))
        wait += {
            "reorder": timedelta(minutes=4), "delay": timedelta(hours=1), "delay long": timedelta(days=2)
        }.get(fault or "", timedelta())  # fmt: skip
        self.after(wait, partial(self._deliver, message))

    def _deliver(self, message: Message) -> None:
        self.script.subject = message.subject
        message.tries += 1
        try:
            came_through = self.within(partial(self._received, message))
        except (PortError, Bug):
            came_through = False
        if not came_through and message.tries < 5:
            self.after(timedelta(minutes=5), partial(self._deliver, message))

    def _received(self, message: Message, process: Process) -> None:
        """Do what a host's webhook does: nothing twice, and believe nothing but the answer to its own question."""
        store = process.engine.ports.store
        if store.seen(message=message.id):
            return
        about = (message.id, self.clock.now() + KEPT)
        ports = process.engine.ports
        if message.reference:
            id, answer = message.subscription, ports.authorities[DEFAULT].ask(reference=message.reference)
        elif message.session is None or message.id[-1] in "02468ace":
            process.subscriptions.hint(message.session or SessionId(message.id))
            return
        else:
            found = store.find(index="session", value=process.engine.streams.blind("session", message.session))
            if not found:
                return
            id, hosted = found[0], message.session.startswith("registration")
            asked: Any = ports.registrations[DEFAULT] if hosted else ports.identities[DEFAULT]
            answer = asked.ask(session=message.session)
        if isinstance(answer, Fact):
            try:
                process.engine.record(id, answer, message=about)
            except Conflict as conflict:
                if conflict.kind != "message":
                    raise

    # --- the operator ----------------------------------------------------------------------------------------------

    def _alerted(self, alert: Alert) -> None:
        self.alerts.append(alert)
        self.tell("alert", f"{alert.what} {alert.about}")
        id = alert.about.split(":")[0]
        match alert.what:
            case "effect_parked":
                self.after(timedelta(hours=1), partial(self._unpark, alert.about.split(" ")[1].rstrip(":"), 0))
            case "silence" if alert.about.endswith(("submit_request", "ask_certificate")):
                self.after(timedelta(hours=3), partial(self._settle, id, 0))
            case "revoke_at_provider":
                self.after(timedelta(days=1), partial(self._end, id, 0))
            case _:
                pass  # noted, and nothing to be done

    def _operate(self, again: Callable[[int], None], tries: int, work: Callable[[Process], object]) -> None:
        self.script.subject = "operator"
        try:
            came_through = self.within(work)
        except (NotFound, Refusal):
            return
        except (PortError, Conflict, Bug):
            came_through = False
        if not came_through and tries < 20:
            self.after(timedelta(minutes=10), lambda: again(tries + 1))

    def _unpark(self, key: str, tries: int) -> None:
        def work(process: Process) -> None:
            process.operations.retry(cast(Any, key), by="operator", reason="mended")

        self._operate(partial(self._unpark, key), tries, work)

    def _settle(self, id: str, tries: int) -> None:
        fact = SettledByOperator(evidence="letter", by="operator", certificate=None)
        self._operate(
            partial(self._settle, id), tries, lambda process: process.subscriptions.report(SubscriptionId(id), fact)
        )

    def _end(self, id: str, tries: int) -> None:
        fact = EndReported(revoked=True, at=self.clock.now(), evidence="letter", by="operator")
        self._operate(
            partial(self._end, id), tries, lambda process: process.subscriptions.report(SubscriptionId(id), fact)
        )


_ALMOST: Final = VALIDITY - timedelta(days=80)
"""After how long a certificate may be renewed."""
_OFFERS: Final = {plan: Offer(plan=plan, waits=WAITS) for plan in Plan}
_MEANWHILE: Final[Mapping[str, Fact]] = {
    "cancel": Cancelled(),
    "fraud": FraudReported(reason="reported", by="host"),
}


def _worked(process: Process) -> None:
    try:
        process.engine.run_due(limit=20)
    except PortError:
        return  # a worker tries again in a moment


def _opened(town: Town, person: Person, process: Process) -> None:
    try:
        acting.opened(town, person, process)
    except (QcpError, Bug):
        return


def _said(id: SubscriptionId, what: Fact | Code, process: Process) -> None:
    try:
        process.subscriptions.act(id, what)
    except (QcpError, Bug):
        return  # whoever clicked sees an error page


def _reported(id: SubscriptionId, what: Fact, process: Process) -> None:
    try:
        process.subscriptions.report(id, what)
    except (QcpError, Bug):
        return


def _hinted(session: SessionId, process: Process) -> None:
    try:
        process.subscriptions.hint(session)
    except (QcpError, Bug):
        return


def _session(s: Subscription) -> SessionId | None:
    return s.registration.session if s.registration is not None else s.identity.session


class _Heard:
    """The codes' port, and the address book of what arrived where."""

    def __init__(self, inner: Any, town: Town) -> None:
        self._inner, self._town = inner, town

    def send(self, **named: Any) -> None:
        self._inner.send(**named)
        place, town = (named["to"].text, named["purpose"].value), self._town
        if place in town.inbox:
            town.older[place] = town.inbox[place]
        town.inbox[place] = Code(named["code"])


class _Watched:
    """The store, and the one who looks at what it is given."""

    def __init__(self, inner: Store, town: Town) -> None:
        self._inner, self._watch, self._script = inner, town.watch, town.script

    def load(self, *, id: str) -> Any:
        if id[0] == "p":
            self._script.subject = id.partition("-")[0]
        return self._inner.load(id=id)

    def commit(self, *, batch: Batch) -> None:
        self._inner.commit(batch=batch)
        self._watch.committed(batch)

    def lease(
        self, *, now: datetime, until: datetime, limit: int, stream: str | None = None
    ) -> tuple[LeasedEffect, ...]:
        leased = self._inner.lease(now=now, until=until, limit=limit, stream=stream)
        self._watch.leased(leased, now)
        return leased

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
