"""What `ports.webhooks.Webhooks` promises: nothing is believed that is not proven, whatever arrives."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from datetime import timedelta
from typing import ClassVar, Final

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from qcp_sdk.errors import WebhookRefused
from qcp_sdk.ports.webhooks import Delivery, Webhooks
from qcp_sdk.testing.conformance.base import PROPERTY, Timed
from qcp_sdk.testing.conformance.discretion import unspoken
from qcp_sdk.testing.conformance.marking import Capability, needs
from qcp_sdk.testing.spoiling import spoil_body
from qcp_sdk.values import SessionId

SIGNATURES: Final = Capability(
    "signatures", "the provider signs its deliveries; without it, only the sender's address is checked"
)
WINDOW: Final = Capability("window", "a delivery says when it was sent; without it, an old one is believed again")
ROTATION: Final = Capability("rotation", "two secrets hold while one is being changed")

SESSION: Final = SessionId("session-0")
SEED: Final = 20261125


class WebhooksConformance(Timed, ABC):
    """Subclass it, make the receiver, and send what the provider sends."""

    malformed: ClassVar[int] = 1_000
    """How many spoilt deliveries are tried; always the same ones."""
    private: ClassVar[tuple[str, ...]] = ()
    """What is not to be said aloud: the secrets."""

    @abstractmethod
    def make_webhooks(self) -> Webhooks:
        """Make a receiver."""

    @abstractmethod
    def genuine(self, session: SessionId) -> Delivery:
        """Give what the provider sends about this session, now."""

    def with_the_other_secret(self, session: SessionId) -> Delivery:
        """Give the same, signed with the secret that is being changed."""
        raise NotImplementedError("say so in `lacks`, or override this")

    def unproven(self, delivery: Delivery) -> Delivery:
        """Give a delivery without what proves it: by default without any header."""
        return evolve(delivery, headers={})

    def test_webhooks_1_a_genuine_one_names_its_session(self) -> None:
        """webhooks-1: what the provider sends about a session names that session, each time it arrives."""
        webhooks, delivery = self.make_webhooks(), self.genuine(SESSION)
        for _ in range(2):
            assert webhooks.sessions(delivery=delivery) == (SESSION,)

    def test_webhooks_2_an_unproven_one_is_refused(self) -> None:
        """webhooks-2: a delivery without what proves its sender is refused."""
        with refused("unsigned", "source", "forged"):
            self.make_webhooks().sessions(delivery=self.unproven(self.genuine(SESSION)))

    @needs(SIGNATURES)
    def test_webhooks_3_a_changed_one_is_refused(self) -> None:
        """webhooks-3: with one byte of its body changed, a delivery is refused."""
        webhooks, delivery = self.make_webhooks(), self.genuine(SESSION)
        for place in range(0, len(delivery.body), max(1, len(delivery.body) // 40)):
            changed = bytearray(delivery.body)
            changed[place] ^= 1
            with refused("forged", "malformed"):
                webhooks.sessions(delivery=evolve(delivery, body=bytes(changed)))

    @needs(WINDOW)
    @pytest.mark.parametrize("minutes", [6, 60 * 24])
    def test_webhooks_4_an_old_one_is_refused(self, minutes: int) -> None:
        """webhooks-4: a delivery that is repeated later is refused as `stale`, whoever signed it."""
        webhooks, delivery = self.make_webhooks(), self.genuine(SESSION)
        self.pass_time(timedelta(minutes=minutes))
        with refused("stale"):
            webhooks.sessions(delivery=delivery)

    @needs(ROTATION)
    def test_webhooks_5_two_secrets_hold(self) -> None:
        """webhooks-5: while a secret is being changed, what either of the two has signed is believed."""
        webhooks = self.make_webhooks()
        assert webhooks.sessions(delivery=self.with_the_other_secret(SESSION)) == (SESSION,)
        assert webhooks.sessions(delivery=self.genuine(SESSION)) == (SESSION,)

    def test_webhooks_6_whatever_arrives_is_believed_or_refused(self) -> None:
        """webhooks-6: of any spoilt delivery, headers and body, nothing but a refusal comes out, and never another
        session."""
        webhooks, delivery, chance = self.make_webhooks(), self.genuine(SESSION), random.Random(SEED)  # noqa: S311
        for _ in range(self.malformed):
            spoilt = spoil(delivery, chance)
            try:
                told = webhooks.sessions(delivery=spoilt)
            except WebhookRefused as refusal:
                assert refusal.reason, "a refusal without a reason"
            else:
                if SIGNATURES not in self.lacks:
                    assert set(told) <= {SESSION}, "another session was believed"

    @PROPERTY
    @given(
        headers=st.dictionaries(st.text(max_size=20), st.text(max_size=60), max_size=5),
        body=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode(errors="surrogatepass")),
        source=st.text(max_size=40),
    )
    def test_webhooks_7_noise_is_refused(self, headers: dict[str, str], body: bytes, source: str) -> None:
        """webhooks-7: noise is refused."""
        with refused():
            self.make_webhooks().sessions(delivery=Delivery(headers=headers, body=body, source=source))

    def test_webhooks_8_nothing_is_said_aloud(self) -> None:
        """webhooks-8: neither the receiver nor its refusals print or log a secret, or what a delivery holds."""
        webhooks, delivery = self.make_webhooks(), self.genuine(SESSION)
        with unspoken(*self.private) as said:
            webhooks.sessions(delivery=delivery)
            said += [webhooks, delivery]
            for spoilt in (self.unproven(delivery), evolve(delivery, body=delivery.body[:-1])):
                try:
                    webhooks.sessions(delivery=spoilt)
                except WebhookRefused as refusal:
                    said.append(refusal)


class refused:  # noqa: N801  # read as a word: `with refused(…)`
    """Expect a `WebhookRefused`, with one of these reasons where any are given."""

    def __init__(self, *reasons: str) -> None:
        self._reasons = reasons

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if error is None:
            pytest.fail(f"it was believed; expected one of {self._reasons or ('any reason',)}")
        if not isinstance(error, WebhookRefused):
            return False
        assert error.reason, "a refusal without a reason"
        assert not self._reasons or error.reason in self._reasons, f"refused as {error.reason!r}, not {self._reasons}"
        return True


NASTY: Final = (
    "", " ", "\x00", "é", "\ud800", "t=", "v1,", "t=1,v1=", "=" * 50, "9" * 400, "-1", "1e9", "0x10", "NaN", "٣",
    "null", "Bearer", "a.b.c", "....", "eyJhbGciOiJub25lIn0.e30.", "v1," + "A" * 44, "127.0.0.1", "::1%eth0",
)  # fmt: skip
"""What is put into headers."""


def spoil(delivery: Delivery, chance: random.Random) -> Delivery:
    """Give a delivery with one to three things wrong."""
    for _ in range(chance.randint(1, 3)):
        delivery = chance.choice((_header, _body, _body, _source))(delivery, chance)
    return delivery


def _header(delivery: Delivery, chance: random.Random) -> Delivery:
    headers = dict(delivery.headers)
    name = chance.choice([*headers, "x-new"])
    match chance.randrange(4):
        case 0:
            headers.pop(name, None)
        case 1:
            headers[name] = chance.choice(NASTY)
        case 2:
            headers[name] = headers.get(name, "") + chance.choice(NASTY)
        case _:
            text = headers.get(name, "")
            headers[name] = text[: chance.randint(0, len(text))]
    return evolve(delivery, headers=headers)


def _body(delivery: Delivery, chance: random.Random) -> Delivery:
    return evolve(delivery, body=spoil_body(delivery.body, chance))


def _source(delivery: Delivery, chance: random.Random) -> Delivery:
    return evolve(delivery, source=chance.choice(NASTY))
