"""What the benchmarks of stores share: a journey through the engine over a store that remembers its commits."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Final

from attrs import evolve
from sqlalchemy import Engine as Database

from benchmarks.journey import NOW, journey
from qcp_sdk.adapters.keyring import KeyRing
from qcp_sdk.adapters.memory.world import MemoryWorld
from qcp_sdk.adapters.sql.store import SqlStore
from qcp_sdk.engine import Collaborators, Engine
from qcp_sdk.engine.core import Answering
from qcp_sdk.facts import CodeEntered, Fact
from qcp_sdk.ports.store import FIRST_TOKEN, Batch
from qcp_sdk.subscription import facts
from qcp_sdk.values import AccountId, ChallengeId, Key, SubscriptionId

FACTS: Final = journey()
STEPS: Final = len(FACTS)
ANSWERS: Final[dict[type[Fact], str]] = {
    facts.FundsHeld: "hold_funds",
    facts.IdentityOpened: "open_identity",
    facts.RequestPrepared: "prepare_request",
    facts.RequestSealed: "seal_request",
    facts.CertificateIssued: "submit_request",
    facts.FundsCaptured: "capture_funds",
}
"""The effect that each of these facts answers."""


class Recording(SqlStore):
    """A store that remembers what was committed, and what each stream asked for: a worker has that in its hands."""

    def __init__(self, engine: Database, *, schema: str | None = None) -> None:
        super().__init__(engine, schema=schema)
        self.create_schema()
        self.batches: list[Batch] = []
        self.asked: dict[tuple[str, str], Key] = {}

    def commit(self, *, batch: Batch) -> None:
        super().commit(batch=batch)
        self.batches.append(batch)
        for row in batch.outbox:
            self.asked[row.stream, row.kind] = row.key


def engine_over(store: SqlStore) -> Engine:
    """Give an engine that performs nothing: what is measured is what it writes."""
    world = MemoryWorld(start=NOW)
    ports = Collaborators(
        store=store, clock=world.clock, ids=world.ids, keys=KeyRing.generate(), accounts=world.accounts,
        ledgers={}, codes={}, notices={}, documents={},
    )  # fmt: skip
    return Engine(ports, after_commit=lambda _: None)


def walk(engine: Engine, store: Recording, number: int) -> None:
    """Take one subscription through its journey."""
    id = SubscriptionId(f"sub-{number}")
    for fact in FACTS:
        if isinstance(fact, facts.SubscriptionOpened):
            engine.record(id, opening(fact, number), opens="subscription")
            continue
        kind = ANSWERS.get(type(fact))
        answering = Answering(key=store.asked[id, kind], token=FIRST_TOKEN) if kind is not None else None
        engine.record(id, said_by(fact, id), answering=answering)


def opening(fact: facts.SubscriptionOpened, number: int) -> Fact:
    """Give the opening of the subscription of that number, of a person of its own."""
    account = evolve(fact.account, id=AccountId(f"acc-{number}"))
    return evolve(fact, id=SubscriptionId(f"sub-{number}"), account=account)


def said_by(fact: Fact, id: str) -> Fact:
    """Give the fact as this subscription has it."""
    if isinstance(fact, CodeEntered):
        return evolve(fact, challenge=ChallengeId(fact.challenge.replace("sub-1", id)))
    return fact


def taken(work: Callable[[], object]) -> float:
    """Give the seconds that it takes."""
    start = perf_counter()
    work()
    return perf_counter() - start


def goal(what: str, value: float, met: bool) -> bool:
    """Print one line of the table, and say whether the goal is met."""
    print(f"{what:76}{value:8.2f}  {'met' if met else 'MISSED'}", flush=True)
    return met


def told(what: str, value: float) -> None:
    """Print one line of the table that has no goal."""
    print(f"{what:76}{value:8.2f}", flush=True)
