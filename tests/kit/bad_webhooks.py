"""Wrong adapters of the port `webhooks`."""

# Each overrides what it gets wrong; the arguments are passed on as they come.
# mypy: disable-error-code="override, no-untyped-def, no-untyped-call"

from __future__ import annotations

import json
from base64 import b64encode
from datetime import timedelta
from typing import Any, ClassVar, Final

import pytest

from qcp_sdk.adapters.shared.webhooks import StandardWebhooks, json_object, text_at
from qcp_sdk.errors import WebhookRefused
from qcp_sdk.ports.webhooks import Delivery
from qcp_sdk.testing.conformance import webhooks as webhooks_suite
from qcp_sdk.values import Secret, SessionId

SECRETS: Final = tuple(Secret("whsec_" + b64encode(bytes([n]) * 32).decode()) for n in range(2))


class Receiver:
    """The right one."""

    secrets: ClassVar[tuple[Secret, ...]] = SECRETS
    tolerance: ClassVar[timedelta] = timedelta(minutes=5)

    def __init__(self, clock: Any) -> None:
        self.standard = StandardWebhooks(self.secrets, clock=clock, tolerance=self.tolerance)

    def sessions(self, *, delivery: Delivery) -> tuple[SessionId, ...]:
        return self.named(self.standard.check(delivery).body)

    def named(self, body: bytes) -> tuple[SessionId, ...]:
        return (SessionId(text_at(json_object(body), "session")),)


class WebhooksSuite(webhooks_suite.WebhooksConformance):
    Adapter: type[Receiver] = Receiver
    private = tuple(secret.reveal() for secret in SECRETS)

    def make_webhooks(self) -> Receiver:
        return self.Adapter(self.clock)

    def genuine(self, session: SessionId) -> Delivery:
        return self.signed(session, SECRETS[0])

    def with_the_other_secret(self, session: SessionId) -> Delivery:
        return self.signed(session, SECRETS[1])

    def signed(self, session: SessionId, secret: Secret) -> Delivery:
        body = json.dumps({"session": session}).encode()
        return Delivery(headers=StandardWebhooks((secret,), clock=self.clock).sign(id="m", body=body), body=body)


@pytest.mark.caught_by("test_webhooks_1_a_genuine_one_names_its_session")
class BelievesEachOnce(WebhooksSuite):
    class Adapter(Receiver):
        seen = False

        def sessions(self, *, delivery):
            if self.seen:
                return ()
            self.seen = True
            return super().sessions(delivery=delivery)


@pytest.mark.caught_by("test_webhooks_2_an_unproven_one_is_refused")
class BelievesTheUnsigned(WebhooksSuite):
    class Adapter(Receiver):
        def sessions(self, *, delivery):
            if not delivery.headers:
                return self.named(delivery.body)
            return super().sessions(delivery=delivery)


@pytest.mark.caught_by("test_webhooks_3_a_changed_one_is_refused")
class SignsTheHeadersOnly(WebhooksSuite):
    class Adapter(Receiver):
        def sessions(self, *, delivery):
            try:
                return super().sessions(delivery=delivery)
            except WebhookRefused as refusal:
                if refusal.reason == "forged":
                    return ()
                raise


@pytest.mark.caught_by("test_webhooks_4_an_old_one_is_refused", minutes=60 * 24)
class LetsYesterdayIn(WebhooksSuite):
    class Adapter(Receiver):
        tolerance = timedelta(days=2)


@pytest.mark.caught_by("test_webhooks_5_two_secrets_hold")
class KnowsOneSecret(WebhooksSuite):
    class Adapter(Receiver):
        secrets = SECRETS[:1]


@pytest.mark.caught_by("test_webhooks_6_whatever_arrives_is_believed_or_refused")
class ReadsBeforeItChecks(WebhooksSuite):
    class Adapter(Receiver):
        def sessions(self, *, delivery):
            named = json.loads(delivery.body)["session"]
            self.standard.check(delivery)
            return (SessionId(named),)


@pytest.mark.caught_by("test_webhooks_7_noise_is_refused")
class IgnoresNoise(WebhooksSuite):
    class Adapter(Receiver):
        def sessions(self, *, delivery):
            if "webhook-id" not in delivery.headers:
                return ()
            return super().sessions(delivery=delivery)


@pytest.mark.caught_by("test_webhooks_8_nothing_is_said_aloud")
class TellsItsSecret(WebhooksSuite):
    class Adapter(Receiver):
        def __repr__(self):
            return f"Receiver({self.secrets[0].reveal()})"
