"""What a type checker says of the public API. Never run: mypy reads it with `make types`.

A line with `type: ignore[…]` is a mistake that has to be one: mypy refuses an ignore that nothing needs.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import assert_never, assert_type

from qcp_sdk.ceremony.stages import CeremonyStage
from qcp_sdk.collectes import Collecte
from qcp_sdk.errors import InvalidInput, PortError, QcpError, Refusal, Rejected, Unavailable, Unconfirmed
from qcp_sdk.facts import CodeRequested, Fact
from qcp_sdk.host.collectes import CeremonyView
from qcp_sdk.host.saying import Code
from qcp_sdk.host.subscriptions import SubscriptionView
from qcp_sdk.levels import SignatureLevel
from qcp_sdk.local import LocalQcp
from qcp_sdk.policy.decision import Decision
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.ledger import Ledger
from qcp_sdk.sdk import Qcp
from qcp_sdk.subscription import machine
from qcp_sdk.subscription.effects import SubscriptionEffect
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.subscription.state import Subscription
from qcp_sdk.values import AccountId, CabinetId, Cents, ContentHash, HoldId, Key, PersonName, Secret, SubscriptionId


def a_host_reads_and_says(qcp: Qcp, account: AccountId, cabinet: CabinetId) -> None:
    view = qcp.subscriptions.open(account=account, cabinet=cabinet)
    assert_type(view, SubscriptionView)
    assert_type(view.id, SubscriptionId)
    assert_type(view.stage, Stage)
    assert_type(view.can, tuple[type[Fact], ...])
    assert_type(view.say(CodeRequested()), SubscriptionView)
    assert_type(view.say(Code("R544XM")), SubscriptionView)
    assert_type(view.show.price, Cents)
    assert_type(qcp.run_due(), int)
    view.say("R544XM")  # type: ignore[arg-type]  # a code is not just any text
    view.stage = Stage.ACTIVE  # type: ignore[misc]  # a view is what was, not what shall be


def a_host_asks_for_levels(qcp: Qcp, collecte: Collecte) -> None:
    assert_type(qcp.collectes.assess(collecte), Decision)
    assert_type(qcp.collectes.enforce(collecte), Decision)
    assert_type(qcp.collectes.start(collecte), tuple[CeremonyView, ...])
    assert_type(qcp.collectes.ceremonies(collecte.id)[0].stage, CeremonyStage)
    assert_type(qcp.collectes.keep(b"%PDF"), ContentHash)
    assert_type(SignatureLevel.NIVEAU_3 > SignatureLevel.NIVEAU_2, bool)


def a_local_installation(path: str) -> None:
    assert_type(Qcp.local(path), LocalQcp)


def ids_are_not_each_other(qcp: Qcp, account: AccountId, cabinet: CabinetId) -> None:
    qcp.subscriptions.open(account=cabinet, cabinet=account)  # type: ignore[arg-type]
    qcp.subscriptions.open(account, cabinet)  # type: ignore[call-arg]  # keyword-only: nobody swaps them by place


def values_are_strict(name: PersonName) -> None:
    name.given = "Eve"  # type: ignore[misc]
    Cents(2_000.5)  # type: ignore[arg-type]
    assert_type(Cents(2_000) + 5, Cents)
    assert_type(Secret("x").reveal(), str)


def the_machine_is_a_function(s: Subscription, fact: Fact, now: datetime) -> None:
    following, _effects = machine.step(s, fact, now)
    assert_type(following, Subscription)
    s.stage = Stage.ACTIVE  # type: ignore[misc]


def every_port_error_is_told_apart(error: Rejected | Unavailable | Unconfirmed) -> str:
    match error:
        case Rejected():
            return error.reason
        case Unavailable():
            return "again"
        case Unconfirmed():
            return "ask"
        case _:
            assert_never(error)


def errors_are_a_tree(bad: InvalidInput, no: Refusal, port: PortError) -> tuple[QcpError, ...]:
    value: ValueError = bad
    return (bad, no, port, InvalidInput(str(value)))


class MyLedger:
    """An adapter needs no base class: it fits, or mypy says where not."""

    def balance(self, *, cabinet: CabinetId) -> Cents:
        return Cents(len(cabinet))

    def hold(self, *, key: Key, cabinet: CabinetId, amount: Cents, memo: str) -> HoldId:
        raise Rejected("no credit", reason="insufficient_funds")

    def capture(self, *, key: Key, hold: HoldId) -> None: ...

    def release(self, *, key: Key, hold: HoldId) -> None: ...


class StoppedClock:
    def now(self) -> datetime:
        return datetime.fromtimestamp(0, tz=UTC)


clock: Clock = StoppedClock()
ledger: Ledger = MyLedger()  # type: ignore[assignment]  # it cannot say how a key ended
effect_kinds: tuple[type[SubscriptionEffect], ...] = ()
