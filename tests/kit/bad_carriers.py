"""Wrong carriers: a broker in memory with threads as its workers, and what can be got wrong with it."""

from __future__ import annotations

import json
import threading
import time
from datetime import datetime, timedelta

import pytest

from qcp_sdk.adapters.memory.store import MemoryStore
from qcp_sdk.carriers import duties
from qcp_sdk.engine.streams import LEASE
from qcp_sdk.ports.carriers import DueWork
from qcp_sdk.ports.store import LeasedEffect
from qcp_sdk.sdk import Qcp
from qcp_sdk.testing.conformance import carriage as limits
from qcp_sdk.testing.conformance.carriage import Carriage, Died, Installation
from qcp_sdk.testing.conformance.carriers import CarriersConformance

Message = dict[str, str]
SWEEP: Message = {"stream": "", "at": "2000-01-01T00:00:00+00:00"}


class InMemory:
    """Messages in a list, and threads that take them when they are due."""

    def __init__(self, site: Installation) -> None:
        self.site, self.store = site, MemoryStore()
        self.messages: list[Message] = []
        self._lock = threading.Lock()
        self._stop, self._workers = threading.Event(), list[threading.Thread]()

    def installed(self, opening: timedelta) -> Qcp:
        return self.site.qcp(self.store, carrier=self, opening=opening)

    def carry(self, *, work: tuple[DueWork, ...]) -> None:
        with self._lock:
            self.messages += [duties.message(one) for one in work]

    def start(self, workers: int) -> None:
        self._stop = threading.Event()
        qcp = self.installed(timedelta(days=1))
        new = [threading.Thread(target=self._run, args=(qcp, self._stop), daemon=True) for _ in range(workers)]
        self._workers += new
        for one in new:
            one.start()

    def _run(self, qcp: Qcp, stop: threading.Event) -> None:
        try:
            while not stop.is_set():
                message = self.next()
                if message is None:
                    time.sleep(0.005)
                elif message == SWEEP:
                    self.swept(qcp)
                else:
                    self.looked(qcp, message)
        except Died:
            return

    def next(self) -> Message | None:
        with self._lock:
            for number, one in enumerate(self.messages):
                if datetime.fromisoformat(one["at"]) <= self.site.clock.now():
                    return self.messages.pop(number)
        return None

    def looked(self, qcp: Qcp, message: Message) -> None:
        duties.look(qcp, **message)

    def swept(self, qcp: Qcp) -> None:
        duties.sweep(qcp, again=self.sweep)

    def stop(self) -> None:
        self._stop.set()
        for one in self._workers:
            one.join()

    def kill(self) -> None:
        self.stop()

    def sweep(self) -> None:
        with self._lock:
            self.messages.append(SWEEP)

    def lose(self) -> None:
        self.messages.clear()

    def repeat(self) -> None:
        with self._lock:
            self.messages += self.messages

    def held(self) -> bytes:
        return json.dumps(self.messages).encode()

    def close(self) -> None:
        self.stop()


class CarriersSuite(CarriersConformance):
    workers_are_threads = True
    Adapter: type[InMemory] = InMemory

    def make_carriage(self, site: Installation) -> Carriage:
        # A right one never waits so long; for a wrong one a test need not wait longer.
        limits.PATIENCE = 2.0 if self.Adapter is not InMemory else 30.0
        return self.Adapter(site)


def performed(qcp: Qcp, message: Message) -> None:
    """Perform what a stream waits for without asking whether it may be: neither lease nor due time."""
    for row in qcp.ports.store.outstanding(stream=message["stream"]):
        qcp.engine.perform(
            LeasedEffect(
                key=row.key, stream=row.stream, kind=row.kind, due=row.due, payload=row.payload, token=0, attempts=1,
                leased_until=qcp.ports.clock.now() + LEASE,
            )
        )  # fmt: skip


@pytest.mark.caught_by("test_carriers_1_what_is_due_is_performed")
class LosesEveryMessage(CarriersSuite):
    class Adapter(InMemory):
        def carry(self, *, work: tuple[DueWork, ...]) -> None:
            del work


@pytest.mark.caught_by("test_carriers_2_what_is_due_later_is_performed_then")
class LeavesWhatIsLaterToTheSweep(CarriersSuite):
    class Adapter(InMemory):
        def carry(self, *, work: tuple[DueWork, ...]) -> None:
            super().carry(work=tuple(one for one in work if one.at <= self.site.clock.now()))


@pytest.mark.caught_by("test_carriers_2_what_is_due_later_is_performed_then")
class PerformsAtOnce(CarriersSuite):
    """It delivers without waiting, and performs without asking the store whether it is time."""

    class Adapter(InMemory):
        def next(self) -> Message | None:
            with self._lock:
                return self.messages.pop(0) if self.messages else None

        def looked(self, qcp: Qcp, message: Message) -> None:
            performed(qcp, message)


@pytest.mark.caught_by("test_carriers_3_nothing_is_performed_twice_at_once")
class PerformsWithoutALease(CarriersSuite):
    class Adapter(InMemory):
        def looked(self, qcp: Qcp, message: Message) -> None:
            performed(qcp, message)


@pytest.mark.caught_by("test_carriers_4_what_was_lost_is_swept_up")
class NeverSweeps(CarriersSuite):
    class Adapter(InMemory):
        def swept(self, qcp: Qcp) -> None:
            del qcp


@pytest.mark.caught_by("test_carriers_4_what_was_lost_is_swept_up")
class SweepsOneBatchOnly(CarriersSuite):
    class Adapter(InMemory):
        def swept(self, qcp: Qcp) -> None:
            duties.sweep(qcp, again=lambda: None)


@pytest.mark.caught_by("test_carriers_5_a_killed_worker_is_replaced_after_its_lease")
class TakesOverAtOnce(CarriersSuite):
    class Adapter(InMemory):
        def swept(self, qcp: Qcp) -> None:
            for id in {key.rsplit("/", 2)[0] for key, _ in self.site.letters.said("begin")}:
                performed(qcp, {"stream": id})


@pytest.mark.caught_by("test_carriers_6_a_failure_is_tried_again_and_then_parked")
class ParksAtTheFirstFailure(CarriersSuite):
    class Adapter(InMemory):
        def looked(self, qcp: Qcp, message: Message) -> None:
            super().looked(qcp, message)
            for one in self.store.lease(now=self.site.clock.now() + LEASE, until=datetime.max.replace(
                tzinfo=self.site.clock.now().tzinfo), limit=1, stream=message["stream"]):  # fmt: skip
                self.store.park(key=one.key, token=one.token, reason="it failed")


@pytest.mark.caught_by("test_carriers_6_a_failure_is_tried_again_and_then_parked")
class TellsNoOperator(CarriersSuite):
    def make_carriage(self, site: Installation) -> Carriage:
        site._alerted = lambda alert: None  # type: ignore[method-assign]
        return super().make_carriage(site)


@pytest.mark.caught_by("test_carriers_7_the_broker_knows_nobody")
class SendsTheWholePerson(CarriersSuite):
    class Adapter(InMemory):
        def carry(self, *, work: tuple[DueWork, ...]) -> None:
            super().carry(work=work)
            for one in self.messages:
                one["for"] = str(self.site.world.accounts.account(id=self.site.person().id).email)


@pytest.mark.caught_by("test_carriers_8_a_stop_finishes_what_was_begun")
class StopsInTheMidst(CarriersSuite):
    class Adapter(InMemory):
        def stop(self) -> None:
            self.site.letters.tell(limits.DIES)
            super().stop()
