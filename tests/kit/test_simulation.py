"""Simulation: everything holds; what is broken is found, made small and replayed; the same seed gives the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from attrs import evolve

from qcp_sdk.adapters.memory.authority import MemoryAuthority
from qcp_sdk.adapters.memory.identity import MemoryIdentity, specimen
from qcp_sdk.adapters.memory.ledger import MemoryLedger
from qcp_sdk.adapters.memory.store import MemoryStore
from qcp_sdk.adapters.shared.books import Movement
from qcp_sdk.adapters.sql.engines import sqlite_engine
from qcp_sdk.adapters.sql.store import SqlStore
from qcp_sdk.certificates import Holding, StatusKind
from qcp_sdk.cli import main
from qcp_sdk.engine.core import Engine
from qcp_sdk.errors import InvalidInput
from qcp_sdk.facts import Fact
from qcp_sdk.identity import IdentityEvidence, Proofing
from qcp_sdk.ports.answers import Pending
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.store import Batch
from qcp_sdk.subscription import machine
from qcp_sdk.subscription.facts import CertificateIssued, IdentityApproved
from qcp_sdk.subscription.moves import Moved, Row, moved
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.subscription.state import Subscription
from qcp_sdk.testing.simulation import CLASSES, Case, Parts, Simulation, replay, simulate
from qcp_sdk.testing.simulation.acting import _AUTHORITY, _ODD, _REGISTRATIONS, _VERDICTS, SOMEBODY
from qcp_sdk.testing.simulation.faults import ACT, AUTHORITY, REGISTRATION, VERDICT, Drawn
from qcp_sdk.testing.simulation.parts import funded
from qcp_sdk.values import Fingerprint, HoldId, Key, SessionId


def test_everything_holds_with_everything_going_wrong() -> None:
    found = simulate(subscriptions=600, seed=1)
    assert [(case.invariant, case.about, dict(case.faults)) for case in found.violations] == []
    assert found.balanced
    assert found.subscriptions == 600
    places = {name.partition(":")[0] for name in found.happened}
    assert places == {place for faults in CLASSES.values() for place in faults}, "each place had its share"
    assert sum(found.happened.values()) > 600
    assert {ending.partition("(")[0] for ending in found.ends} == {"expired", "closed", "revoked", "active"}


def test_without_faults_everybody_gets_a_certificate_and_keeps_it_to_its_end() -> None:
    found = simulate(subscriptions=60, seed=2, faults=())
    assert found.violations == []
    assert found.ends == {"expired": 60}
    assert not found.happened


@pytest.mark.parametrize("name", CLASSES)
def test_each_class_of_faults_holds_alone(name: str) -> None:
    found = simulate(subscriptions=40, seed=3, faults=(name,))
    assert [(case.invariant, case.about, dict(case.faults)) for case in found.violations] == []
    assert found.happened or name == "clock", "but for jumps of the clock, which are rare"


def test_what_the_table_lets_people_and_providers_do_somebody_does() -> None:
    def listed(place: str) -> set[str]:
        return {fault for faults in CLASSES.values() for fault in faults.get(place, ())}

    assert listed(ACT) == set(_ODD)
    assert listed(AUTHORITY) == set(_AUTHORITY)
    assert listed(VERDICT) == set(_VERDICTS)
    assert listed(REGISTRATION) == {*_REGISTRATIONS, "another person", "abandon"}


def test_a_class_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidInput, match="`weather` is no class of faults"):
        simulate(subscriptions=1, faults=("weather",))


def test_sealed_as_in_production_it_holds_as_well() -> None:
    found = simulate(subscriptions=20, seed=4, sealed=True)
    passing = simulate(subscriptions=20, seed=4)
    assert found.violations == []
    assert found.ends == passing.ends


def test_the_sql_store_holds_in_the_place_of_the_one_in_memory(tmp_path: Path) -> None:
    numbers = count()

    def made() -> SqlStore:
        store = SqlStore(sqlite_engine(tmp_path / f"town-{next(numbers)}.db"))
        store.create_schema()
        return store

    found = simulate(subscriptions=12, seed=5, store=made, sealed=True)
    assert [(case.invariant, case.about, dict(case.faults)) for case in found.violations] == []
    assert found.ends == simulate(subscriptions=12, seed=5).ends


# --- the same seed --------------------------------------------------------------------------------------------------


def _outcome(found: Simulation) -> dict[str, Any]:
    told = found.to_json()
    return {name: told[name] for name in told if name not in ("per_second", "seconds")}


def test_the_same_seed_gives_the_same_and_another_another() -> None:
    once, again = (simulate(subscriptions=60, seed=6) for _ in range(2))
    assert _outcome(once) == _outcome(again)
    assert _outcome(simulate(subscriptions=60, seed=7))["happened"] != _outcome(once)["happened"]


def test_how_many_processes_run_changes_nothing() -> None:
    once, again = (simulate(subscriptions=220, seed=12, faults=("crashes", "codes"), jobs=jobs) for jobs in (1, 2))
    assert _outcome(once) == _outcome(again)


def test_the_order_in_which_python_hashes_changes_nothing() -> None:
    program = (
        "import json; from qcp_sdk.testing.simulation import simulate; found = simulate(subscriptions=40, seed=8);"
        "print(json.dumps([found.facts, sorted(found.ends.items()), sorted(found.happened.items())]))"
    )

    def told(seed: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        ran = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
        )
        return ran.stdout

    assert told("1") == told("2")


def test_the_seed_draws_these_very_faults() -> None:
    """`random.Random.random` is the same in every version of Python, and nothing else is used."""
    script = Drawn("0/0", CLASSES)
    assert [fault for _ in range(400) if (fault := script.at("port", "ledger.hold"))][:5] == DRAWN


DRAWN = ["stall before", "fraud before", "pause after", "cancel before", "crash before"]


# --- teeth ----------------------------------------------------------------------------------------------------------


class CapturesAgain(MemoryLedger):
    """Forgets the keys of its captures."""

    def capture(self, *, key: Key, hold: HoldId) -> None:
        held = self._holds.get(hold)
        if held is not None and key in self._answers:
            self._move(Movement.HOLD, key, held.cabinet, held.amount, "again")
            self._move(Movement.CAPTURE, key, held.cabinet, held.amount, "again")
        super().capture(key=key, hold=hold)


def captures_again(clock: Clock) -> MemoryLedger:
    ledger = CapturesAgain(clock=clock)
    vars(ledger).update(vars(funded(clock)))
    return ledger


class ForgetsTheOutbox(Engine):
    """Records facts, and not what they ask for."""

    def _batch(self, *arguments: Any) -> Any:
        batch, written = super()._batch(*arguments)
        return evolve(batch, outbox=()), written


class Unfenced(MemoryStore):
    """Takes an answer from whoever brings one."""

    def commit(self, *, batch: Batch) -> None:
        held = {key: self._waiting[key].token for key, _ in batch.answered if key in self._waiting}
        super().commit(batch=evolve(batch, answered=tuple(held.items())))


class GivesTwice(MemoryStore):
    """Leases what is leased already, without another token."""

    def lease(self, *, now: datetime, until: datetime, limit: int, stream: str | None = None) -> Any:
        leased = super().lease(now=now, until=until, limit=limit, stream=stream)
        for one in leased:
            self._waiting[one.key].token -= 1
        return tuple(evolve(one, token=max(1, one.token - 1)) for one in leased)


class LosesFacts(MemoryStore):
    """Keeps no journal of wrong codes."""

    def commit(self, *, batch: Batch) -> None:
        super().commit(batch=batch)
        for row in batch.journal:
            if row.kind == "details_confirmed":
                del self._streams[row.stream].journal[row.sequence]


BROKEN: dict[str, tuple[dict[str, Any], str, int]] = {
    "a ledger that captures twice": ({"ledger": captures_again}, "1: the ledger does not balance", 2),
    "a store without fences": (
        {"store": Unfenced},
        "store: an answer was taken from a worker that had been fenced off",
        2,
    ),
    "a store that numbers no leases": (
        {"store": GivesTwice},
        "store: a lease was given under a token that was used before",
        1,
    ),
    "an engine that forgets the outbox": (
        {"engine": ForgetsTheOutbox},
        "7.1: what a fact asks for is not in the outbox",
        1,
    ),
    "a store that loses facts": ({"store": LosesFacts}, "an error came out: JournalError", 1),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_found_made_small_and_replayed(name: str, tmp_path: Path) -> None:
    given, invariant, most = BROKEN[name]
    found = simulate(subscriptions=1_000, seed=9, **given)
    case = next((one for one in found.violations if one.invariant == invariant), None)
    assert case is not None, [one.invariant for one in found.violations]
    assert len(case.people) <= 2
    assert len(case.faults) <= most
    assert case.trace, "what happened is told"
    file = tmp_path / "case.json"
    file.write_text(json.dumps(case.to_json()), encoding="utf-8")
    again = replay(Case.read(file), parts=Parts(**given))
    assert again is not None
    assert (again.invariant, again.trace) == (case.invariant, case.trace)
    assert replay(case) is None, "and what is not broken holds under the same"


def test_a_row_that_was_forgotten_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def kept(s: Subscription, fact: Fact, _now: datetime) -> Moved:
        assert isinstance(fact, CertificateIssued)
        return moved(s, Stage.ACTIVE, certificate=fact.certificate, deadline=None), ()  # and nothing is captured

    rows = {**machine.TRANSITIONS[Stage.AWAITING_CERTIFICATE], CertificateIssued: Row(kept, (Stage.ACTIVE,))}
    broken = MappingProxyType({**machine.TRANSITIONS, Stage.AWAITING_CERTIFICATE: rows})
    monkeypatch.setattr(machine, "TRANSITIONS", broken)
    found = simulate(subscriptions=100, seed=10, faults=())
    (case,) = found.violations
    assert (len(case.people), len(case.faults)) == (1, 0)
    assert case.invariant in ("2: at rest, and the hold is not settled", "8: it never came to an end")
    assert not found.balanced, "nobody closed the books"


# --- the command ----------------------------------------------------------------------------------------------------

Out = pytest.CaptureFixture[str]


def test_the_command_says_what_was_found(capsys: Out) -> None:
    assert main(["simulate", "--subscriptions", "40", "--seed", "11", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {"subscriptions", "seed", "violations", "balanced", "per_second"} <= set(told)
    assert (told["subscriptions"], told["seed"], told["violations"], told["balanced"]) == (40, 11, [], True)
    assert told["per_second"] > 0
    assert main(["simulate", "--subscriptions", "20", "--seed", "11", "--faults", "crashes,workers"]) == 0
    assert "every invariant holds, the ledger is balanced" in capsys.readouterr().out
    assert main(["simulate", "--faults", "weather"]) == 2
    assert "no class of faults" in capsys.readouterr().err


def test_the_command_keeps_a_failure_and_replays_it(
    capsys: Out, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "failure.json"
    monkeypatch.setattr("qcp_sdk.testing.simulation.run.Parts", lambda **given: Parts(store=Unfenced, **given))
    monkeypatch.setattr("qcp_sdk.testing.simulation.console.Parts", lambda **given: Parts(store=Unfenced, **given))
    arguments = ["simulate", "--subscriptions", "100", "--seed", "9", "--faults", "workers", "--trace", str(kept)]
    assert main(arguments) == 1
    printed = capsys.readouterr().out
    assert "VIOLATION store: an answer was taken" in printed
    assert f"--replay {kept}" in printed
    assert main(["simulate", "--replay", str(kept), "--json"]) == 1
    (violation,) = json.loads(capsys.readouterr().out)["violations"]
    assert violation["faults"] == json.loads(kept.read_text("utf-8"))["faults"]
    monkeypatch.undo()
    assert main(["simulate", "--replay", str(kept)]) == 0
    assert "it holds now" in capsys.readouterr().out
    kept.write_text("{}", encoding="utf-8")
    assert main(["simulate", "--replay", str(kept)]) == 2
    assert "no trace of a simulation" in capsys.readouterr().err


# --- providers of one's own -----------------------------------------------------------------------------------------


class ApprovesUnasked(MemoryIdentity):
    """Approves whoever opened a session, and nobody has shown anything: it holds, it is only a bad provider."""

    def ask(self, *, session: SessionId) -> Any:
        answer = super().ask(session=session)
        if not isinstance(answer, Pending):
            return answer
        evidence = IdentityEvidence(provider="hasty", reference=session, proofing=Proofing.EXTENDED)
        return IdentityApproved(session=session, identity=specimen(SOMEBODY), evidence=evidence)


class KeepsRevoked(MemoryAuthority):
    """Says that a certificate is revoked, and goes on vouching for it."""

    def holding(self, fingerprint: Fingerprint) -> Holding | None:
        held = super().holding(fingerprint)
        return held and evolve(held, status=evolve(held.status, kind=StatusKind.GOOD))


def test_providers_can_be_replaced_and_are_judged() -> None:
    holds = simulate(subscriptions=60, seed=13, identity=lambda clock: ApprovesUnasked(clock=clock))
    assert holds.violations == []
    assert holds.ends["closed(identity_mismatch)"] > 0, "somebody else's document was approved"
    broken = simulate(subscriptions=300, seed=13, authority=lambda clock: KeepsRevoked(clock=clock))
    assert "6: a late certificate was not revoked" in [case.invariant for case in broken.violations]
