"""What every way of having workers promises: the embedded worker, and brokers that wake them (ports/carriers.py)."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from threading import Timer
from typing import final

from qcp_sdk.engine.schedule import LONGEST, MOST_FAULTS
from qcp_sdk.engine.streams import LEASE
from qcp_sdk.facts import Cancelled
from qcp_sdk.sdk import Qcp
from qcp_sdk.testing.conformance import carriage as limits
from qcp_sdk.testing.conformance.base import Conformance
from qcp_sdk.testing.conformance.carriage import DIES, FAILS, HELD, WORKS, Carriage, Installation
from qcp_sdk.testing.scene import CABINET
from qcp_sdk.values import Key, SubscriptionId

DAY = timedelta(days=1)


class CarriersConformance(Conformance):
    """The exam of a carrier with its workers. Each letter that a cancelled subscription sends is one effect."""

    @abstractmethod
    def make_carriage(self, site: Installation) -> Carriage:
        """Give an empty store with its broker, and no worker yet."""

    @final
    @contextmanager
    def running(self) -> Iterator[tuple[Installation, Carriage]]:
        """Give an installation, and end all of it afterwards."""
        site = Installation()
        carriage = self.make_carriage(site)
        try:
            yield site, carriage
        finally:
            site.letters.tell(DIES)
            carriage.close()

    @final
    def ask(self, site: Installation, qcp: Qcp, times: int = 1) -> list[SubscriptionId]:
        """Commit so many subscriptions that each have one letter to send at once."""
        views = [qcp.subscriptions.open(account=site.person().id, cabinet=CABINET.id) for _ in range(times)]
        return [view.say(Cancelled()).id for view in views]

    @final
    def eventually(self, holds: Callable[[], object], what: str) -> None:
        """Wait until something is so."""
        end = time.monotonic() + limits.PATIENCE
        while not holds():
            assert time.monotonic() < end, what
            time.sleep(0.01)

    @final
    def all_sent(self, site: Installation, carriage: Carriage, asked: list[SubscriptionId]) -> None:
        """Wait until every letter was sent; once each, and its effect is done."""

        def letters_left() -> list[object]:
            return [row for id in asked for row in carriage.store.outstanding(stream=id) if row.kind == "notify"]

        self.eventually(lambda: not letters_left(), "a letter was never sent")
        ended = Counter(key for key, _ in site.letters.said("end"))
        assert set(ended.values()) == {1}, f"sent more than once: {ended}"
        assert len(ended) == len(asked)

    def test_carriers_1_what_is_due_is_performed(self) -> None:
        """carriers-1: Everything due is performed, whether it was committed before a worker started or after."""
        with self.running() as (site, carriage):
            qcp = carriage.installed(DAY)
            asked = self.ask(site, qcp, 3)
            assert not site.letters.lines(), "it was left to workers"
            carriage.start(1)
            self.all_sent(site, carriage, asked)
            self.all_sent(site, carriage, asked + self.ask(site, qcp, 2))

    def test_carriers_2_what_is_due_later_is_performed_then(self) -> None:
        """carriers-2: What is due a little later is performed then, without a sweep, and never before."""
        with self.running() as (site, carriage):
            carriage.start(1)
            wait = timedelta(seconds=1)
            qcp = carriage.installed(wait)
            due = site.clock.now() + wait
            id = qcp.subscriptions.open(account=site.person().id, cabinet=CABINET.id).id
            self.eventually(lambda: site.letters.said("end"), "the deadline was never noticed")
            assert all(at >= due for _, at in site.letters.said("begin"))
            assert min(row.at for row in carriage.store.journal(stream=id)[1:]) >= due

    def test_carriers_3_nothing_is_performed_twice_at_once(self) -> None:
        """carriers-3: However many workers there are and however often a message comes, an effect is performed once."""
        with self.running() as (site, carriage):
            asked = self.ask(site, carriage.installed(DAY), 20)
            carriage.repeat()
            carriage.start(3)
            self.all_sent(site, carriage, asked)
            assert len(site.letters.said("begin")) == len(asked)

    def test_carriers_4_what_was_lost_is_swept_up(self) -> None:
        """carriers-4: What no message tells of any more is found by one sweep, however much it is."""
        with self.running() as (site, carriage):
            asked = self.ask(site, carriage.installed(DAY), 25)
            carriage.lose()
            carriage.start(2)
            carriage.sweep()
            self.all_sent(site, carriage, asked)

    def test_carriers_5_a_killed_worker_is_replaced_after_its_lease(self) -> None:
        """carriers-5: What a killed worker held is taken over when its lease has ended, and not before."""
        with self.running() as (site, carriage):
            site.letters.tell(HELD)
            asked = self.ask(site, carriage.installed(DAY))
            carriage.start(1)
            self.eventually(lambda: site.letters.said("begin"), "it was never begun")
            if self.workers_are_threads:
                site.letters.tell(DIES)
            carriage.kill()
            site.letters.tell(WORKS)
            carriage.repeat()
            carriage.start(1)
            carriage.sweep()
            time.sleep(0.3)
            assert len(site.letters.said("begin")) == 1, "another worker held it"
            site.clock.advance(LEASE)
            carriage.sweep()
            self.all_sent(site, carriage, asked)

    workers_are_threads = False
    """Threads cannot be killed: their letters do it."""

    def test_carriers_6_a_failure_is_tried_again_and_then_parked(self) -> None:
        """carriers-6: What fails is tried again, later each time, then parked, an operator told; who tries it again by
        hand is heard."""
        with self.running() as (site, carriage):
            site.letters.tell(FAILS)
            qcp = carriage.installed(DAY)
            asked = self.ask(site, qcp)
            carriage.start(1)
            for attempt in range(1, MOST_FAULTS + 1):
                self.eventually(partial(self.begun, site, attempt), f"attempt {attempt} never came")
                self.eventually(lambda: self.waits(site, carriage, asked[0]), "it was not put back")
                assert len(site.letters.said("begin")) == attempt, "it was tried again at once"
                site.clock.advance(LONGEST * 1.3)
                carriage.sweep()
            self.eventually(carriage.store.parked, "it was never parked")
            assert len(site.letters.said("begin")) == MOST_FAULTS
            assert [what for what, _ in site.letters.said("alert")] == ["effect_parked"]
            site.letters.tell(WORKS)
            (parked,) = carriage.store.parked()
            qcp.operations.retry(Key(parked.key), by="Odile", reason="mended")
            self.all_sent(site, carriage, asked)

    @final
    def begun(self, site: Installation, times: int) -> bool:
        """Say whether letters were begun so often."""
        return len(site.letters.said("begin")) >= times

    @final
    def waits(self, site: Installation, carriage: Carriage, id: SubscriptionId) -> bool:
        """Say whether the letter is parked, or put back for later."""
        rows = [row for row in carriage.store.outstanding(stream=id) if row.kind == "notify"]
        return bool(carriage.store.parked()) or (rows[0].leased_until is None and rows[0].due > site.clock.now())

    def test_carriers_7_the_broker_knows_nobody(self) -> None:
        """carriers-7: No name, address, number or content of anybody is in the broker."""
        with self.running() as (site, carriage):
            self.ask(site, carriage.installed(DAY), 2)
            held = carriage.held().lower()
            for text in (b"poussart", b"jessica", b"person-1", b"cabinet.example", b"33639981316", b"freyssinet"):
                assert text not in held, text
            for row in (row for id in self.ask(site, carriage.installed(DAY)) for row in self.rows(carriage, id)):
                assert row not in carriage.held()

    @final
    def rows(self, carriage: Carriage, id: SubscriptionId) -> list[bytes]:
        """Give the payloads of what a stream waits for."""
        return [row.payload for row in carriage.store.outstanding(stream=id)]

    def test_carriers_8_a_stop_finishes_what_was_begun(self) -> None:
        """carriers-8: A worker that is told to stop finishes what it has begun, and records it."""
        with self.running() as (site, carriage):
            site.letters.tell(HELD)
            asked = self.ask(site, carriage.installed(DAY))
            carriage.start(1)
            self.eventually(lambda: site.letters.said("begin"), "it was never begun")
            Timer(0.3, site.letters.tell, [WORKS]).start()
            carriage.stop()
            assert site.letters.said("end"), "it left what it had begun"
            self.all_sent(site, carriage, asked)
