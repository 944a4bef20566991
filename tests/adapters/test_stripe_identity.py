"""Stripe Identity over the sandbox; Stripe's own library judges the webhooks, and the sandbox itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints

import httpx
import pytest
import stripe
from stripe.identity import VerificationSession

from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.shared.http import Http
from qcp_sdk.adapters.shared.sessions import told
from qcp_sdk.adapters.stripe_identity import ERRORS, StripeIdentity, StripeWebhooks
from qcp_sdk.errors import ConfigurationError, PortError, Rejected, Unavailable, WebhookRefused
from qcp_sdk.ports.identity import IdentityVerification
from qcp_sdk.ports.webhooks import Delivery
from qcp_sdk.sandbox.faults import BAD_NETWORK
from qcp_sdk.sandbox.server import Sandbox, Served
from qcp_sdk.sandbox.stripe import API_KEY, WEBHOOK_SECRET, StripeSandbox, signed
from qcp_sdk.subscription.facts import CaptureFinished, IdentityApproved, IdentityRetryable
from qcp_sdk.testing.conformance.examples import START, account
from qcp_sdk.testing.conformance.identity import Ending, IdentityConformance
from qcp_sdk.testing.conformance.webhooks import WebhooksConformance
from qcp_sdk.testing.spoiling import SpoiltHttp, faults_of, persistent
from qcp_sdk.values import Key, Secret, SessionId, SubscriptionId

ENDINGS: Final = {
    Ending.APPROVED: "verified",
    Ending.RETRYABLE: "document_expired",
    Ending.REFUSED: "country_not_supported",
    Ending.FRAUD: "selfie_manipulated",
}
OLD, NEW = Secret("whsec_old"), Secret(WEBHOOK_SECRET)


def stripe_of(sandbox: Sandbox) -> StripeSandbox:
    provider = sandbox.providers["stripe"]
    assert isinstance(provider, StripeSandbox)
    return provider


def adapter(sandbox: Sandbox, remember: Path, **options: Any) -> StripeIdentity:
    options.setdefault("http", Http("https://sandbox.test/stripe", serve=sandbox))
    options.setdefault("api_key", Secret(API_KEY))
    return StripeIdentity(clock=sandbox.clock, remember=remember, return_url="https://host.example/back", **options)


class TestStripe(IdentityConformance):
    examples = 10

    @pytest.fixture(autouse=True)
    def _in_a_folder(self, tmp_path: Path) -> None:
        self.folder, self.made = tmp_path, count()

    def make_identity(self) -> IdentityVerification:
        self.place, self.sandbox = self.folder / str(next(self.made)), Sandbox(base=self.clock, only=["stripe"])
        return adapter(self.sandbox, self.place)

    def restarted(self, identity: IdentityVerification) -> IdentityVerification:
        return adapter(self.sandbox, self.place)

    def capture(self, identity: IdentityVerification, session: SessionId) -> None:
        stripe_of(self.sandbox).script({"session": session, "capture": True})

    def play(self, identity: IdentityVerification, session: SessionId, ending: Ending) -> None:
        stripe_of(self.sandbox).script({"session": session, "ending": ENDINGS[ending]})


class TestStripeOverABadNetwork(TestStripe):
    """The same exam, while three requests in ten fail, each in another way."""

    def make_identity(self) -> IdentityVerification:
        made = super().make_identity()
        self.sandbox.faults.unreliable(faults_of(5, BAD_NETWORK))
        return persistent(made)

    def restarted(self, identity: IdentityVerification) -> IdentityVerification:
        return persistent(super().restarted(identity))


class TestStripeWebhooks(WebhooksConformance):
    malformed = 10_000
    private = (OLD.reveal(), NEW.reveal())

    def make_webhooks(self) -> StripeWebhooks:
        return StripeWebhooks((NEW, OLD), clock=self.clock)

    def genuine(self, session: SessionId) -> Delivery:
        return self._signed(session, NEW)

    def with_the_other_secret(self, session: SessionId) -> Delivery:
        return self._signed(session, OLD)

    def _signed(self, session: SessionId, secret: Secret) -> Delivery:
        event = {"type": "identity.verification_session.verified", "data": {"object": {"id": session}}}
        body = json.dumps(event)
        # By the vendor's own code.
        signature = stripe.WebhookSignature.generate_signature_header(
            body, secret.reveal(), timestamp=int(self.clock.now().timestamp())
        )
        return Delivery(headers={"Stripe-Signature": signature}, body=body.encode())


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(base=ManualClock(START), only=["stripe"])


@pytest.fixture
def identity(sandbox: Sandbox, tmp_path: Path) -> StripeIdentity:
    return adapter(sandbox, tmp_path)


def opened(identity: StripeIdentity, key: str = "s/8/0") -> SessionId:
    return identity.open(key=Key(key), attempt=1, subscription=SubscriptionId("s"), person=account()).session


def decided(sandbox: Sandbox, identity: StripeIdentity, **script: object) -> object:
    session = opened(identity)
    stripe_of(sandbox).script({"session": session, **script, "capture": True})
    sandbox.advance(timedelta(minutes=4))
    return identity.ask(session=session)


def test_every_error_that_stripe_s_types_name_has_a_row() -> None:
    hint = get_type_hints(VerificationSession.LastError, vars(stripe.identity) | {"StripeObject": stripe.StripeObject})
    words = {word for part in get_args(hint["code"]) for word in (get_args(part) or ()) if isinstance(word, str)}
    assert words == set(ERRORS)


@pytest.mark.parametrize("code", [*ERRORS, "something_new"])
def test_each_error_comes_to_what_the_table_says(sandbox: Sandbox, identity: StripeIdentity, code: str) -> None:
    answer = decided(sandbox, identity, ending=code)
    (session,) = stripe_of(sandbox).sessions
    assert answer == (
        told(SessionId(session), ERRORS[code])
        if code in ERRORS
        else IdentityRetryable(session=SessionId(session), reason="other")
    )


def test_a_driving_licence_is_verified_and_not_accepted(sandbox: Sandbox, identity: StripeIdentity) -> None:
    answer = decided(sandbox, identity, document="driving_license")
    assert isinstance(answer, IdentityRetryable)
    assert answer.reason == "document_not_accepted"


def test_a_session_that_is_processed_cannot_be_cancelled_there_and_is_over_here(
    sandbox: Sandbox, identity: StripeIdentity
) -> None:
    session = opened(identity)
    stripe_of(sandbox).script({"session": session, "capture": True})
    assert isinstance(identity.ask(session=session), CaptureFinished)
    identity.cancel(key=Key("k"), session=session)
    sandbox.advance(timedelta(minutes=4))
    assert not isinstance(identity.ask(session=session), IdentityApproved)


def test_cancelling_reaches_stripe_also_where_the_first_try_did_not(sandbox: Sandbox, tmp_path: Path) -> None:
    failed = list[bool]()

    def serve(environ: Any, start: Any) -> Any:
        if not failed and environ["PATH_INFO"].endswith("/cancel"):
            failed.append(True)
            start("503 Service Unavailable", [])
            return []
        return sandbox(environ, start)

    identity = adapter(sandbox, tmp_path, http=Http("https://sandbox.test/stripe", serve=serve))
    session = opened(identity)
    with pytest.raises(Unavailable):
        identity.cancel(key=Key("s/9/0"), session=session)
    identity.cancel(key=Key("s/9/0"), session=session)
    assert stripe_of(sandbox).sessions[session].status == "canceled"


@pytest.mark.parametrize(
    "later", [{"status": "canceled"}, {"status": "processing"}, {"document": "driving_license"}, {"error": "abandoned"}]
)
def test_an_approval_that_was_told_becomes_nothing_else(
    sandbox: Sandbox, identity: StripeIdentity, later: dict[str, str]
) -> None:
    first = decided(sandbox, identity)
    assert isinstance(first, IdentityApproved)
    if "error" in later:
        later = {"status": "requires_input", **later}
    for name, value in {**later, "captured_at": sandbox.clock.now()}.items():
        setattr(stripe_of(sandbox).sessions[first.session], name, value)
    with pytest.raises(Unavailable, match="approved before"):
        identity.ask(session=first.session)


def test_a_person_goes_there_and_comes_back(sandbox: Sandbox, identity: StripeIdentity) -> None:
    where = identity.open(key=Key("k"), attempt=1, subscription=SubscriptionId("s"), person=account()).url
    with httpx.Client(transport=httpx.WSGITransport(app=sandbox)) as phone:
        assert "<form" in phone.get(where).text
        assert phone.post(where).headers["Location"] == "https://host.example/back"


def test_a_wrong_key_is_our_fault_and_not_said(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="credentials") as refused:
        opened(adapter(sandbox, tmp_path, api_key=Secret("wrong-key")))
    assert "wrong-key" not in str(refused.value)
    with pytest.raises(ConfigurationError):
        adapter(sandbox, tmp_path, api_key=Secret(""))
    with pytest.raises(ConfigurationError):
        StripeWebhooks((Secret(""),), clock=sandbox.clock)


@pytest.mark.full
def test_ten_thousand_spoilt_answers_raise_port_errors_only(sandbox: Sandbox, tmp_path: Path) -> None:
    http = SpoiltHttp("https://sandbox.test/stripe", serve=sandbox, seed=20261125)
    identity = adapter(sandbox, tmp_path, http=http)
    session = opened(identity)
    stripe_of(sandbox).script({"session": session, "capture": True})
    sandbox.advance(timedelta(minutes=4))
    identity.ask(session=session)
    http.spoiling = True
    calls: tuple[Callable[[int], object], ...] = (
        lambda n: identity._approved(session, identity._fetched(session)),
        lambda n: opened(identity, key=f"s/{n}/0"),
    )
    raised = 0
    for number in range(10_000):
        try:
            calls[0 if number % 100 else 1](number)
        except PortError:
            raised += 1
    assert raised > 1_000


# Stripe's own library.


def test_stripe_s_library_believes_what_the_sandbox_signs() -> None:
    body = '{"type": "é"}'
    header = signed(NEW.reveal(), START, body.encode())
    assert stripe.WebhookSignature.verify_header(body, header, NEW.reveal())
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header(body + " ", header, NEW.reveal())


def test_stripe_s_library_talks_to_the_sandbox() -> None:
    with Served(Sandbox(only=["stripe"])) as served:
        client = stripe.StripeClient(API_KEY, base_addresses={"api": f"{served.url}/stripe"}, max_network_retries=0)
        params: Any = {"type": "document", "client_reference_id": "s"}
        sessions = client.v1.identity.verification_sessions
        first = sessions.create(params, {"idempotency_key": "k"})
        assert sessions.create(params, {"idempotency_key": "k"}).id == first.id
        with pytest.raises(stripe.StripeError):
            params["client_reference_id"] = "t"
            sessions.create(params, {"idempotency_key": "k"})
        stripe_of(served.sandbox).script({"session": first.id, "capture": True})
        served.sandbox.advance(timedelta(minutes=4))
        verified = sessions.retrieve(first.id)
        assert verified.status == "verified"
        assert verified.verified_outputs is not None
        assert verified.verified_outputs.first_name == "Jenny"
        with pytest.raises(stripe.InvalidRequestError):
            sessions.cancel(first.id)
        with pytest.raises(stripe.InvalidRequestError):
            sessions.retrieve("vs_none")
        with pytest.raises(stripe.AuthenticationError):
            stripe.StripeClient(
                "sk_wrong", base_addresses={"api": f"{served.url}/stripe"}
            ).v1.identity.verification_sessions.retrieve(first.id)


def test_events_reach_the_host_and_forged_ones_are_refused(sandbox: Sandbox, identity: StripeIdentity) -> None:
    stripe_of(sandbox).script({"webhook": "https://host.example/hooks"})
    session = opened(identity)
    stripe_of(sandbox).script({"session": session, "capture": True})
    sandbox.forge(1)
    webhooks, (genuine, forged) = StripeWebhooks((NEW,), clock=sandbox.clock), sandbox.office.webhooks()
    assert webhooks.sessions(delivery=Delivery(headers=genuine.headers, body=genuine.body)) == (session,)
    with pytest.raises(WebhookRefused):
        webhooks.sessions(delivery=Delivery(headers=forged.headers, body=forged.body))
    other = b'{"type": "charge.succeeded", "data": {}}'
    header = {"Stripe-Signature": signed(NEW.reveal(), sandbox.clock.now(), other)}
    assert webhooks.sessions(delivery=Delivery(headers=header, body=other)) == ()
    with pytest.raises(Rejected):
        identity.ask(session=SessionId("vs_of_somebody_else"))
