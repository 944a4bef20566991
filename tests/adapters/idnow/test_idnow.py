"""IDnow's gateway API, over the sandbox: the port's exam, also while the network fails, and each result and reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from qcp_sdk.adapters.idnow import IdnowHints, IdnowIdentity, Product
from qcp_sdk.adapters.idnow.results import REASONS, RESULTS, judged, proven
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.shared.fields import Fields
from qcp_sdk.adapters.shared.http import Answer, Http
from qcp_sdk.adapters.shared.sessions import Means
from qcp_sdk.errors import ConfigurationError, PortError, Rejected, Unavailable, WebhookRefused
from qcp_sdk.identity import DocumentKind, Proofing
from qcp_sdk.matching import Verdict as Matching
from qcp_sdk.matching import match_identity
from qcp_sdk.ports.answers import Pending
from qcp_sdk.ports.identity import IdentityVerification
from qcp_sdk.ports.webhooks import Delivery
from qcp_sdk.sandbox.faults import BAD_NETWORK
from qcp_sdk.sandbox.idnow import API_KEY, CASES, IdnowSandbox
from qcp_sdk.sandbox.server import Sandbox
from qcp_sdk.subscription.facts import (
    CaptureFinished,
    FraudSuspected,
    IdentityAbandoned,
    IdentityApproved,
    IdentityRefused,
    IdentityRetryable,
)
from qcp_sdk.testing.conformance.examples import START, account
from qcp_sdk.testing.conformance.identity import Ending, IdentityConformance
from qcp_sdk.testing.conformance.webhooks import ROTATION, SIGNATURES, WINDOW, WebhooksConformance
from qcp_sdk.testing.spoiling import SpoiltHttp, faults_of, persistent
from qcp_sdk.values import Key, Secret, SessionId, SubscriptionId

EXAMPLES: Final = Path(__file__).parents[1] / "examples" / "idnow"
SCRIPTS: Final[dict[Ending, dict[str, str]]] = {
    Ending.APPROVED: {"case": "HAPPYPATH"},
    Ending.RETRYABLE: {"result": "ABORTED", "reason": "TECH_PHOTO"},
    Ending.REFUSED: {"result": "CANCELED", "reason": "DATA_APPLICATION_DATA"},
    Ending.FRAUD: {"case": "FRAUDREVIEW"},
}


def idnow_of(sandbox: Sandbox) -> IdnowSandbox:
    provider = sandbox.providers["idnow"]
    assert isinstance(provider, IdnowSandbox)
    return provider


def adapter(sandbox: Sandbox, remember: Path, **options: Any) -> IdnowIdentity:
    options.setdefault("http", Http("https://sandbox.test/idnow", serve=sandbox))
    return IdnowIdentity(
        go="https://sandbox.test/idnow/go",
        company="cabinet",
        api_key=Secret(API_KEY),
        clock=sandbox.clock,
        remember=remember,
        **options,
    )


class TestIdnow(IdentityConformance):
    examples = 10

    @pytest.fixture(autouse=True)
    def _in_a_folder(self, tmp_path: Path) -> None:
        self.folder, self.made = tmp_path, count()

    def make_identity(self) -> IdentityVerification:
        self.place = self.folder / str(next(self.made))
        self.sandbox = Sandbox(base=self.clock, only=["idnow"])
        return adapter(self.sandbox, self.place)

    def restarted(self, identity: IdentityVerification) -> IdentityVerification:
        return adapter(self.sandbox, self.place)

    def capture(self, identity: IdentityVerification, session: SessionId) -> None:
        self.script(session, capture=True)

    def play(self, identity: IdentityVerification, session: SessionId, ending: Ending) -> None:
        self.script(session, **SCRIPTS[ending])

    def script(self, session: SessionId, **told: object) -> None:
        idnow = idnow_of(self.sandbox)
        if session in idnow.identifications:  # else it was cancelled, and IDnow has forgotten it
            idnow.script({"transaction": session, **told})


class TestIdnowWhichShowsWhatHasNotBegun(TestIdnow):
    def make_identity(self) -> IdentityVerification:
        made = super().make_identity()
        idnow_of(self.sandbox).shows_pending = True
        return made


class TestIdnowOverABadNetwork(TestIdnow):
    """The same exam, while three requests in ten fail, each in another way."""

    def make_identity(self) -> IdentityVerification:
        made = super().make_identity()
        self.sandbox.faults.unreliable(faults_of(7, BAD_NETWORK))
        return persistent(made)

    def restarted(self, identity: IdentityVerification) -> IdentityVerification:
        return persistent(super().restarted(identity))


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(base=ManualClock(START), only=["idnow"])


@pytest.fixture
def idnow(sandbox: Sandbox, tmp_path: Path) -> IdnowIdentity:
    return adapter(sandbox, tmp_path)


def failing_once(sandbox: Sandbox, fails: Callable[[Any], bool]) -> Http:
    """Ask the sandbox; the first request that `fails` is answered 503, and not done."""
    failed = list[bool]()

    def serve(environ: Any, start: Any) -> Any:
        if not failed and fails(environ):
            failed.append(True)
            start("503 Service Unavailable", [])
            return []
        return sandbox(environ, start)

    return Http("https://sandbox.test/idnow", serve=serve)


def opened(identity: IdnowIdentity, *, key: str = "s/8/0", number: int = 0) -> SessionId:
    return identity.open(key=Key(key), attempt=1, subscription=SubscriptionId("s"), person=account(number)).session


def decided(sandbox: Sandbox, identity: IdnowIdentity, **script: object) -> object:
    session = opened(identity)
    idnow_of(sandbox).script({"transaction": session, **script, "capture": True})
    sandbox.advance(timedelta(days=2))
    return identity.ask(session=session)


@pytest.mark.parametrize("case", list(CASES))
def test_each_test_case_of_the_robots_has_its_answer(sandbox: Sandbox, tmp_path: Path, case: str) -> None:
    identity = adapter(sandbox, tmp_path, test_case=f"X-AUTOTEST-{case}")
    told = decided(sandbox, identity)
    expected: dict[str, type] = {
        "ABORTIDENT": IdentityAbandoned,
        "FRAUDIDENT": FraudSuspected,
        "FRAUDREVIEW": FraudSuspected,
        "CANCELLED": IdentityRetryable,
        "HOLDCERTIFICATE": CaptureFinished,
    }
    assert isinstance(told, expected.get(case, IdentityApproved))


def test_data_that_changed_are_the_document_s_and_do_not_match(sandbox: Sandbox, idnow: IdnowIdentity) -> None:
    told = decided(sandbox, idnow, case="CHANGEALL")
    assert isinstance(told, IdentityApproved)
    assert told.identity.name.last == "MARTIN"
    assert match_identity(account().name, told.identity.name).verdict is Matching.NO_MATCH


@pytest.mark.parametrize("number", range(4))
def test_names_come_in_capitals_and_match(sandbox: Sandbox, idnow: IdnowIdentity, number: int) -> None:
    session = opened(idnow, number=number)
    idnow_of(sandbox).script({"transaction": session, "capture": True})
    sandbox.advance(timedelta(minutes=4))
    told = idnow.ask(session=session)
    assert isinstance(told, IdentityApproved)
    assert told.identity.name.full == account(number).name.full.upper()
    assert match_identity(account(number).name, told.identity.name).verdict is not Matching.NO_MATCH


@pytest.mark.parametrize("reason", [*REASONS, "SOMETHING_NEW", ""])
@pytest.mark.parametrize("result", ["ABORTED", "CANCELED"])
def test_each_reason_comes_to_what_the_table_says(
    sandbox: Sandbox, idnow: IdnowIdentity, result: str, reason: str
) -> None:
    told = decided(sandbox, idnow, result=result, reason=reason)
    means, word = REASONS.get(reason, (Means.RETRYABLE, "other"))
    session = SessionId(next(iter(idnow_of(sandbox).identifications)))
    assert (
        told
        == {
            Means.RETRYABLE: IdentityRetryable(session=session, reason=word),
            Means.REFUSED: IdentityRefused(session=session, reason=word or "-"),
            Means.ABANDONED: IdentityAbandoned(session=session),
        }[means]
    )


def test_every_word_for_a_retry_is_one_that_messages_translate() -> None:
    import tomllib

    for language in ("fr", "en"):
        texts = tomllib.loads((Path(__file__).parents[3] / "templates" / "texts" / f"{language}.toml").read_text())
        assert {word for means, word in REASONS.values() if means is Means.RETRYABLE} <= set(texts["retries"])


def test_a_result_that_nobody_knows_decides_nothing(sandbox: Sandbox, idnow: IdnowIdentity) -> None:
    with pytest.raises(Unavailable, match="not known"):
        decided(sandbox, idnow, result="SUCCESS_MAYBE")


@pytest.mark.parametrize("document", ["DRIVERS_LICENSE", "LIBRARY_CARD"])
def test_a_document_that_the_journey_does_not_accept_may_be_replaced(
    sandbox: Sandbox, idnow: IdnowIdentity, document: str
) -> None:
    told = decided(sandbox, idnow, document=document)
    assert isinstance(told, IdentityRetryable)
    assert told.reason == "document_not_accepted"


def test_a_verdict_that_was_told_stays_whatever_comes_later(sandbox: Sandbox, idnow: IdnowIdentity) -> None:
    first = decided(sandbox, idnow, result="ABORTED", reason="TECH_PHOTO")
    (session,) = idnow_of(sandbox).identifications
    idnow_of(sandbox).script({"transaction": session, "case": "HAPPYPATH", "decide": True})
    assert idnow.ask(session=SessionId(session)) == first


@pytest.mark.parametrize("days", [0, 8])
@pytest.mark.parametrize("later", ["forgotten", "SUCCESS_DATA_CHANGED", "FRAUD", "ABORTED", "REVIEW_PENDING"])
def test_an_approval_that_was_told_becomes_nothing_else(
    sandbox: Sandbox, idnow: IdnowIdentity, later: str, days: int
) -> None:
    first = decided(sandbox, idnow)
    assert isinstance(first, IdentityApproved)
    if later == "forgotten":
        idnow_of(sandbox).identifications.clear()
    else:
        case = {"SUCCESS_DATA_CHANGED": {"document": "LIBRARY_CARD"}, "FRAUD": {"case": "FRAUDREVIEW"}}
        idnow_of(sandbox).script(
            {"transaction": first.session, **case.get(later, {"result": later, "reason": ""}), "decide": True}
        )
    sandbox.advance(timedelta(days=days))
    with pytest.raises(Unavailable, match="approved before"):
        idnow.ask(session=first.session)


def test_a_session_that_ran_out_stays_so_although_the_person_comes(sandbox: Sandbox, idnow: IdnowIdentity) -> None:
    session = opened(idnow)
    sandbox.advance(timedelta(days=7))
    assert idnow.ask(session=session) == IdentityAbandoned(session=session)
    idnow_of(sandbox).script({"transaction": session, "capture": True, "decide": True})
    assert idnow.ask(session=session) == IdentityAbandoned(session=session)


def test_a_login_is_made_once_and_renewed_when_it_has_run_out(sandbox: Sandbox, idnow: IdnowIdentity) -> None:
    session = opened(idnow)
    for _ in range(3):
        idnow.ask(session=session)
    assert idnow_of(sandbox)._logins == 1
    sandbox.advance(timedelta(hours=1))
    assert isinstance(idnow.ask(session=session), Pending)
    assert idnow_of(sandbox)._logins == 2


def test_a_wrong_key_is_said_without_the_key(sandbox: Sandbox, tmp_path: Path) -> None:
    identity = IdnowIdentity(
        http=Http("https://sandbox.test/idnow", serve=sandbox),
        go="https://sandbox.test/idnow/go",
        company="cabinet",
        api_key=Secret("a-wrong-key"),
        clock=sandbox.clock,
        remember=tmp_path,
    )
    with pytest.raises(Unavailable, match="credentials") as refused:
        opened(identity)
    assert "a-wrong-key" not in str(refused.value)


@pytest.mark.parametrize("status", [401, 404])
def test_an_identification_that_is_not_there_is_told_by_its_cause(tmp_path: Path, status: int) -> None:
    """A public client's recordings show 401 with OBJECT_NOT_FOUND, where the documentation says 404."""
    asked = []

    def gateway(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        asked.append(environ["PATH_INFO"].rpartition("/")[2])
        if asked[-1] == "login":
            start("200 OK", [])
            return [b'{"authToken":"t"}']
        if asked[-1] == "start":
            start("201 Created", [])
            return [b'{"id":"IBA-H5FD8"}']
        start(f"{status} No", [])
        return [(EXAMPLES / "error-not-found.json").read_bytes()]

    identity = adapter(
        Sandbox(base=ManualClock(START), only=[]), tmp_path, http=Http("https://gateway.test", serve=gateway)
    )
    assert isinstance(identity.ask(session=opened(identity)), Pending)
    assert asked.count("login") == 1


@pytest.mark.parametrize(
    ("product", "url"),
    [
        (Product.VIDEO, "https://sandbox.test/idnow/go/cabinet/identifications/{session}/identification/start"),
        (Product.AUTO, "https://sandbox.test/idnow/go/app/cabinet/identifications/{id}/identification/start"),
    ],
)
def test_the_person_opens_the_product_s_address(sandbox: Sandbox, tmp_path: Path, product: Product, url: str) -> None:
    identity = adapter(sandbox, tmp_path, product=product)
    told = identity.open(key=Key("k"), attempt=1, subscription=SubscriptionId("s"), person=account())
    (known,) = idnow_of(sandbox).identifications.values()
    assert told.url == url.format(session=told.session, id=known.id)
    with httpx.Client(transport=httpx.WSGITransport(app=sandbox)) as phone:
        assert "<form" in phone.get(told.url).text
        phone.post(told.url)
    assert isinstance(identity.ask(session=told.session), CaptureFinished)


def test_data_that_are_not_taken_are_not_repeated(sandbox: Sandbox, tmp_path: Path) -> None:
    def gateway(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        start("400 Bad Request", [])
        return [json.dumps({"errors": [{"cause": "BAD_REQUEST", "message": account().email.text}]}).encode()]

    identity = adapter(sandbox, tmp_path, http=Http("https://gateway.test", serve=gateway))
    with pytest.raises(Rejected) as refused:
        opened(identity)
    assert refused.value.reason == "data_refused"
    assert account().email.text not in str(refused.value)


def test_a_key_is_not_reused_for_another_person_of_the_same_subscription(idnow: IdnowIdentity) -> None:
    opened(idnow)
    with pytest.raises(Rejected) as refused:
        opened(idnow, number=1)
    assert refused.value.reason == "key_reused"


def test_cancelling_reaches_idnow_also_where_the_first_try_did_not(sandbox: Sandbox, tmp_path: Path) -> None:
    identity = adapter(
        sandbox, tmp_path, http=failing_once(sandbox, lambda environ: environ["REQUEST_METHOD"] == "DELETE")
    )
    session = opened(identity)
    with pytest.raises(Unavailable):
        identity.cancel(key=Key("s/9/0"), session=session)
    assert session in idnow_of(sandbox).identifications
    identity.cancel(key=Key("s/9/0"), session=session)
    assert session not in idnow_of(sandbox).identifications


def test_cancelling_leaves_what_ended_by_itself(sandbox: Sandbox, idnow: IdnowIdentity) -> None:
    session = opened(idnow)
    sandbox.advance(timedelta(days=7))
    idnow.cancel(key=Key("s/9/0"), session=session)
    assert session in idnow_of(sandbox).identifications


def test_cancelling_makes_idnow_forget(sandbox: Sandbox, idnow: IdnowIdentity) -> None:
    session = opened(idnow)
    idnow.cancel(key=Key("k"), session=session)
    assert idnow_of(sandbox).identifications == {}


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("result-*.json")), ids=lambda path: path.stem)
def test_documented_results_are_read(example: Path) -> None:
    told = Fields.of(Answer(status=200, headers={}, body=example.read_bytes(), acts=False, where="idnow"))
    verdict = judged(told.inner("identificationprocess"))
    assert RESULTS[told.inner("identificationprocess").text("result")] in {verdict.means, None}
    if verdict.means is Means.APPROVED:
        identity = proven(told)
        assert identity is not None
        assert (identity.document, identity.issuing_country) == (DocumentKind.IDENTITY_CARD, "DE")
        assert identity.name.full == "X-MANUALTEST-HAPPYPATH BERGMANN"


@pytest.mark.parametrize("spoilt", [{"country": "FRANCE"}, {"document": ""}])
def test_an_approval_without_sense_approves_nobody(
    sandbox: Sandbox, idnow: IdnowIdentity, spoilt: dict[str, str]
) -> None:
    if "document" in spoilt:
        assert isinstance(decided(sandbox, idnow, **spoilt), IdentityRetryable)
    else:
        with pytest.raises(Unavailable, match="alpha-2"):
            decided(sandbox, idnow, **spoilt)


def test_ten_thousand_spoilt_answers_raise_port_errors_only(sandbox: Sandbox, tmp_path: Path) -> None:
    http = SpoiltHttp("https://sandbox.test/idnow", serve=sandbox, seed=20261125)
    identity = adapter(sandbox, tmp_path, http=http)
    session = opened(identity)
    idnow_of(sandbox).script({"transaction": session, "case": "LONGREVIEW", "capture": True})
    identity.ask(session=session)
    http.spoiling = True
    calls: tuple[Callable[[int], object], ...] = (
        lambda n: identity.ask(session=session),
        lambda n: opened(identity, key=f"s/{n}/0"),
        lambda n: identity.cancel(key=Key("k"), session=SessionId("nobody")),
    )
    told: dict[str, int] = {}
    for number in range(10_000):
        try:
            answer = calls[0 if number % 50 else 1](number)
        except PortError as error:
            told[type(error).__name__] = told.get(type(error).__name__, 0) + 1
        else:
            assert not isinstance(answer, IdentityApproved), "approved by a spoilt answer"
            told[type(answer).__name__] = told.get(type(answer).__name__, 0) + 1
    assert told["Unavailable"] > 1_000
    assert told["Unconfirmed"] > 3


def test_a_configuration_without_what_it_needs_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    for wrong in ({"company": ""}, {"api_key": Secret("")}, {"go": "go.idnow.de"}):
        options: dict[str, Any] = {
            "http": Http("https://sandbox.test/idnow", serve=sandbox),
            "go": "https://go.test",
            "company": "cabinet",
            "api_key": Secret("k"),
            "clock": sandbox.clock,
            "remember": tmp_path,
            **wrong,
        }
        with pytest.raises(ConfigurationError, match="idnow"):
            IdnowIdentity(**options)


def test_the_proof_is_worth_what_the_contract_says(sandbox: Sandbox, tmp_path: Path) -> None:
    told = decided(sandbox, adapter(sandbox, tmp_path, proofing=Proofing.EXTENDED))
    assert isinstance(told, IdentityApproved)
    assert told.evidence.proofing is Proofing.EXTENDED
    assert told.evidence.reference.startswith("IBA-")


# Webhooks of the gateway: no signature.


class TestIdnowHints(WebhooksConformance):
    lacks = frozenset({SIGNATURES, WINDOW, ROTATION})
    malformed = 10_000

    def make_webhooks(self) -> IdnowHints:
        return IdnowHints(["192.0.2.7", "2001:db8::/32"])

    def genuine(self, session: SessionId) -> Delivery:
        told = json.loads((EXAMPLES / "result-success.json").read_bytes())
        told["identificationprocess"]["transactionnumber"] = session
        return Delivery(headers={}, body=json.dumps(told).encode(), source="192.0.2.7")

    def unproven(self, delivery: Delivery) -> Delivery:
        return Delivery(headers={}, body=delivery.body, source="192.0.2.8")


@pytest.mark.parametrize("source", ["192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1", "2001:db8::1%eth0"])
def test_an_allowed_sender_is_known_however_its_address_is_written(source: str) -> None:
    body = b'{"identificationprocess":{"transactionnumber":"qcp-1"}}'
    hints = IdnowHints(["192.0.2.7", "2001:db8::/32"])
    assert hints.sessions(delivery=Delivery(headers={}, body=body, source=source)) == ("qcp-1",)
    with pytest.raises(WebhookRefused):
        IdnowHints().sessions(delivery=Delivery(headers={}, body=body, source=source))


@pytest.mark.parametrize("senders", [[], ["idnow.de"], ["192.0.2.1/8"]])
def test_senders_that_are_no_networks_are_refused(senders: list[str]) -> None:
    with pytest.raises(ConfigurationError):
        IdnowHints(senders)


def test_the_sandbox_posts_what_the_hints_read(sandbox: Sandbox, idnow: IdnowIdentity) -> None:
    came: list[bytes] = []

    def deliver(url: str, headers: object, body: bytes) -> int:
        came.append(body)
        return 200

    sandbox.office._deliver = deliver
    idnow_of(sandbox).script({"webhook": "https://host.example/hooks/idnow"})
    session = opened(idnow)
    idnow_of(sandbox).script({"transaction": session, "capture": True})
    sandbox.advance(timedelta(minutes=4))
    sandbox.forge(1)
    sandbox.deliver_due()
    hints = IdnowHints(["127.0.0.1"])
    named = [hints.sessions(delivery=Delivery(headers={}, body=body, source="127.0.0.1")) for body in came]
    assert named == [(session,), (session,), ("qcp-forged",)]
    with pytest.raises(Rejected):  # a forged one names what nobody opened: asking about it finds nothing
        idnow.ask(session=SessionId("qcp-forged"))
