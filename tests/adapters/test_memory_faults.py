"""The script of failures: what fails before did nothing, what fails after did everything, and a key finds it again."""

from __future__ import annotations

import inspect
from datetime import timedelta

import pytest

from qcp_sdk.adapters.memory.codes import MemoryCodes
from qcp_sdk.adapters.memory.faults import Call, Fake, Faults, When
from qcp_sdk.adapters.memory.world import MemoryWorld
from qcp_sdk.errors import Rejected, Unavailable, Unconfirmed
from qcp_sdk.otp import Channel, Purpose
from qcp_sdk.ports.answers import OutcomeKind
from qcp_sdk.subscription.facts import CertificateIssued
from qcp_sdk.testing.conformance.examples import START, account, application, name_of
from qcp_sdk.values import CabinetId, Cents, EmailAddress, Key, PhoneNumber, Secret, SubscriptionId

KEY = Key("subscription-0/14/0")


def send(codes: MemoryCodes, *, key: str = "s/1/0", to: EmailAddress | PhoneNumber | None = None) -> None:
    codes.send(
        key=Key(key),
        channel=Channel.EMAIL,
        to=to or account().email,
        code=Secret("R544XM"),
        purpose=Purpose.OPEN,
        language="fr",
        not_after=START + timedelta(minutes=3),
    )


def test_what_was_unavailable_did_nothing() -> None:
    codes = MemoryCodes(faults=Faults().unavailable("codes", "send", times=2))
    for _ in range(2):
        with pytest.raises(Unavailable):
            send(codes)
    assert codes.outbox == ()
    send(codes)
    assert len(codes.outbox) == 1


def test_what_was_unconfirmed_did_everything_once() -> None:
    codes = MemoryCodes(faults=Faults().unconfirmed("codes"))
    with pytest.raises(Unconfirmed):
        send(codes)
    assert len(codes.outbox) == 1
    send(codes)
    assert len(codes.outbox) == 1


def test_a_refusal_can_be_lost_too() -> None:
    codes = MemoryCodes(faults=Faults().unconfirmed())
    with pytest.raises(Unconfirmed):
        send(codes, to=account().mobile)
    with pytest.raises(Rejected):
        send(codes, to=account().mobile)


def test_a_function_may_decide() -> None:
    def second_call(call: Call) -> When | None:
        return When.BEFORE if (call.number, call.key) == (2, "s/2/0") else None

    faults = Faults(second_call)
    codes = MemoryCodes(faults=faults)
    send(codes)
    with pytest.raises(Unavailable):
        send(codes, key="s/2/0")
    send(codes, key="s/2/0")
    assert faults.calls["codes", "send"] == 3


def test_clearing_ends_every_failure() -> None:
    faults = Faults(lambda _: When.BEFORE).unavailable(times=100)
    faults.clear()
    codes = MemoryCodes(faults=faults)
    send(codes)
    assert len(codes.outbox) == 1


def test_a_lost_certificate_is_found_under_its_key() -> None:
    world = MemoryWorld(faults=Faults().unconfirmed("authority", "submit"))
    request = name_of(b"the sealed request")
    with pytest.raises(Unconfirmed):
        world.authority.submit(key=KEY, application=application(), request=request)
    assert world.authority.outcome(key=KEY).kind is OutcomeKind.DONE
    told = world.authority.submit(key=KEY, application=application(), request=request)
    assert isinstance(told, CertificateIssued)
    assert [held.certificate for held in world.authority.holdings(account=account())] == [told.certificate]


def test_a_lost_hold_is_found_under_its_key() -> None:
    world = MemoryWorld(faults=Faults().unconfirmed("ledger", "hold"))
    cabinet = CabinetId("cabinet-0")
    world.books.credit(key=Key("credit/1"), cabinet=cabinet, amount=Cents(8_220), memo="credit")
    with pytest.raises(Unconfirmed):
        world.ledger.hold(key=KEY, cabinet=cabinet, amount=Cents(2_000), memo="QCP")
    assert world.ledger.outcome(key=KEY).kind is OutcomeKind.DONE
    assert world.ledger.balance(cabinet=cabinet) == Cents(6_220)


def test_a_lost_opening_is_found_under_its_key() -> None:
    world = MemoryWorld(faults=Faults().unconfirmed("identity", "open"))
    with pytest.raises(Unconfirmed):
        world.identity.open(key=KEY, attempt=1, subscription=SubscriptionId("s"), person=account())
    (session,) = world.identity.sessions()
    told = world.identity.open(key=KEY, attempt=1, subscription=SubscriptionId("s"), person=account())
    assert told.session == session.id


def test_a_key_is_not_used_for_something_else() -> None:
    codes = MemoryCodes()
    send(codes)
    with pytest.raises(Rejected) as told:
        send(codes, to=account(1).email)
    assert told.value.reason == "key_reused"


PORTS = [fake for fake in vars(MemoryWorld()).values() if isinstance(fake, Fake)]


@pytest.mark.parametrize("fake", PORTS, ids=lambda fake: f"{fake.port}-{type(fake).__name__}")
def test_every_method_of_every_port_can_fail(fake: Fake) -> None:
    methods = {
        "accounts": ["account"],
        "authority": ["submit", "ask", "revoke", "status", "holdings", "outcome"],
        "codes": ["send"],
        "documents": ["keep", "read", "path", "compose_request", "seal_request"],
        "envelope": ["prepare", "embed"],
        "identity": ["open", "ask", "cancel"],
        "ledger": ["balance", "hold", "capture", "release", "outcome"],
        "notices": ["send"],
        "pages": ["open", "ask", "close"],
        "registration": ["open", "ask", "close"],
        "signer": ["credential", "challenge", "activate", "poll"],
        "timestamps": ["timestamp"],
    }[fake.port]
    assert type(fake).simulated
    fake._faults = Faults().unavailable(fake.port, times=len(methods))
    for name in methods:
        method = getattr(fake, name)
        with pytest.raises(Unavailable):
            method(**dict.fromkeys(inspect.signature(method).parameters))
