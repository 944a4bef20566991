"""Protocol examples of every provider, from elsewhere: what the adapters make of them. `examples/*/README.md` says of
each where it is from; none is the sandbox's."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from stripe import WebhookSignature

from qcp_sdk.adapters.csc import CscClient
from qcp_sdk.adapters.csc.shapes import Authorization
from qcp_sdk.adapters.csc.signer import checked
from qcp_sdk.adapters.idnow import IdnowHints, IdnowIdentity, IdnowPlatformWebhooks
from qcp_sdk.adapters.idnow.results import REASONS
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.memory.keys import MemoryKeys
from qcp_sdk.adapters.oidc_accounts import OidcAccounts, standard_claims
from qcp_sdk.adapters.shared.http import Http
from qcp_sdk.adapters.shared.sessions import Means
from qcp_sdk.adapters.shelf import FileShelf
from qcp_sdk.adapters.sms_gateways import BrevoGateway, TwilioGateway
from qcp_sdk.adapters.stripe_identity import StripeIdentity, StripeWebhooks
from qcp_sdk.adapters.universign import UniversignCertificates, UniversignPages, UniversignWebhooks
from qcp_sdk.ceremony.facts import TransactionEnded
from qcp_sdk.errors import InvalidInput, Rejected
from qcp_sdk.identity import DocumentKind
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.matching import match_identity
from qcp_sdk.ports.answers import Pending
from qcp_sdk.ports.webhooks import Delivery
from qcp_sdk.subscription.facts import CaptureFinished, IdentityApproved, IdentityRetryable
from qcp_sdk.testing.conformance.examples import START, account, collecte, digest
from qcp_sdk.values import AccountId, CeremonyId, DocumentId, Key, PersonName, Secret, SignatoryId
from qcp_sdk.values import SubscriptionId as Subscription
from qcp_sdk.verification import TrustStore, verify

EXAMPLES: Final = Path(__file__).parent / "examples"
FOLDERS: Final = sorted(path for path in EXAMPLES.iterdir() if path.is_dir())
KEY: Final = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def example(name: str) -> bytes:
    return (EXAMPLES / name).read_bytes()


class Replay:
    """A service that answers from examples: `rows` are method, path (a pattern), status and example."""

    def __init__(self, *rows: tuple[str, str, int, str], filled: Callable[[bytes], bytes] = lambda body: body) -> None:
        self.rows, self.filled = list(rows), filled
        self.asked: list[str] = []

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        self.asked.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
        for method, path, status, name in self.rows:
            if method == environ["REQUEST_METHOD"] and re.fullmatch(path, environ["PATH_INFO"]):
                start(f"{status} Told", [("Content-Type", "application/json")])
                return [self.filled(example(name))]
        start("500 Not Expected", [])
        return [b""]

    @property
    def http(self) -> Http:
        return Http("https://service.test", serve=self)


def jwks(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    start("200 OK", [])
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
    return [json.dumps({"keys": [{**public, "kid": "k", "use": "sig"}]}).encode()]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_each_example_says_where_it_is_from(folder: Path) -> None:
    told = (folder / "README.md").read_text("utf-8")
    named = set(re.findall(r"`([\w-]+\.(?:json|txt|eml))`", told))
    assert named == {path.name for path in folder.iterdir()} - {"README.md"}
    for line in told.splitlines():
        if line.startswith("| `"):
            assert re.search(r"read|tried|known|inferred|RFC|guides/|developer_tools/|quotes", line), line


def test_every_provider_has_examples() -> None:
    assert {path.name for path in FOLDERS} == {"csc", "idnow", "oidc", "receipts", "sms", "stripe", "universign"}


# IDnow.

PERMANENT: Final = frozenset(
    {"DATA_APPLICATION_ADDRESS", "DATA_APPLICATION_DATA", "OTHER_MISCELLANEOUS_PERMANENT", "USER_LANGUAGE"}
)
"""What § 14.5.3 of the PDF calls permanent."""
LEAVING: Final = frozenset({"USER_ABORT_WHILE_WAITING", "USER_CANCELLATION"})
_VIDEO: Final = """
DATA_APPLICATION_ADDRESS DATA_APPLICATION_DATA DATA_ID_EXPIRED OTHER_ABUSE OTHER_MISCELLANEOUS_PERMANENT
OTHER_MISCELLANEOUS_TEMPORARY OTHER_TEST TECH_AUDIO TECH_DISCONNECTED_VIDEO TECH_DISCONNECTED_WEBSOCKET TECH_HOLOGRAM
TECH_ID_TYPE TECH_IDENT_CODE_DELIVERY TECH_INTERNAL_SERVER_ERROR TECH_INTERNET_CONNECTION TECH_LIGHTING TECH_PHOTO
TECH_TIMEOUT TECH_VIDEO USER_ABORT_WHILE_WAITING USER_CANCELLATION USER_ID_NUMBER USER_IDENT_CODE USER_LANGUAGE
USER_NO_ID USER_WRONG_PERSON
"""
_AUTO: Final = """
ID_OTHER ID_DAMAGED ID_NOT_SUPPORTED ID_BLURRY ID_GLARE ID_DARKNESS ID_DATA_COVERED ID_PERSPECTIVE ID_DATA ID_DATA_OTHER
ID_EXPIRED ID_WRONG_SIDE ID_OUTWORN ID_HAS_STICKER ID_WRITTEN_ON ID_BROKEN ID_DAMAGED_OTHER
ID_SECURITY_FEATURE_NOT_VISIBLE_NOT_FRAUD ID_SECURITY_FEATURE_VIDEO_SHORT ID_SECURITY_FEATURE_VIDEO_CANNOT_BE_PLAYED
ID_SECURITY_FEATURE_VIDEO_FILE_MISSING ID_SECURITY_FEATURE_OTHER ID_SECOND_DOCUMENT ID_NEED_ADDITIONAL_DOCUMENT
USER_INVOICE_MISSING USER_OBSCURED SELFIE_BLURRY SELFIE_GLARE SELFIE_DARKNESS SELFIE_PERSPECTIVE SELFIE_OTHER
IDENT_CANNOT_BE_COMPLETED IDENT_DISPLAY_ERROR IDENT_OTHER TSP_WRONG_CONFIRMATION_TOKEN TSP_SIGNING_FAILED
TSP_CERTIFICATE_EXPIRED
"""
VIDEO: Final = tuple(_VIDEO.split())
"""The reasons of § 14.5.3."""
AUTO: Final = tuple(_AUTO.split())
"""Those of a public client's types."""


def test_each_reason_of_idnow_s_documents_has_a_row_and_no_other() -> None:
    assert set(REASONS) == {*VIDEO, *AUTO}
    assert (len(VIDEO), len(AUTO)) == (26, 37)


@pytest.mark.parametrize("reason", [*VIDEO, *AUTO])
def test_a_reason_is_final_where_the_document_says_permanent(reason: str) -> None:
    """Abuse besides, by our choice: nobody is sent a new link for it."""
    means, _ = REASONS[reason]
    expected = Means.REFUSED if reason in {*PERMANENT, "OTHER_ABUSE"} else Means.RETRYABLE
    assert means is (Means.ABANDONED if reason in LEAVING else expected)


def idnow(replay: Replay, folder: Path) -> IdnowIdentity:
    return IdnowIdentity(
        http=replay.http,
        go="https://go.test.idnow.de",
        company="ihrebank",
        api_key=Secret("k"),
        clock=ManualClock(START),
        remember=folder,
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("success", IdentityApproved),
        ("data-changed", IdentityApproved),
        ("review-pending", CaptureFinished),
        ("fraud-suspicion-pending", CaptureFinished),
        ("aborted", IdentityRetryable),
    ],
)
def test_idnow_s_answers_are_understood(tmp_path: Path, name: str, expected: type) -> None:
    replay = Replay(
        ("POST", "/api/v1/ihrebank/login", 200, "idnow/login.json"),
        ("POST", "/api/v1/ihrebank/identifications/qcp-[0-9a-f]+/start", 201, "idnow/start-created.json"),
        ("GET", "/api/v1/ihrebank/identifications/qcp-[0-9a-f]+", 200, f"idnow/result-{name}.json"),
    )
    identity = idnow(replay, tmp_path)
    opened = identity.open(key=Key("k"), attempt=1, subscription=Subscription("s"), person=account())
    assert opened.url == "https://go.test.idnow.de/app/ihrebank/identifications/IBA-H5FD8/identification/start"
    told = identity.ask(session=opened.session)
    assert isinstance(told, expected)
    if isinstance(told, IdentityApproved):
        assert told.identity.document is DocumentKind.IDENTITY_CARD
        assert told.evidence.reference in {"TST-XLFYB", "TST-XLFYC"}


def test_idnow_s_changed_data_are_the_document_s(tmp_path: Path) -> None:
    replay = Replay(
        ("POST", ".*/login", 200, "idnow/login.json"),
        ("POST", ".*/start", 409, "idnow/error-finished.json"),
        ("GET", ".*", 200, "idnow/result-data-changed.json"),
    )
    identity = idnow(replay, tmp_path)
    opened = identity.open(key=Key("k"), attempt=1, subscription=Subscription("s"), person=account())  # 409: decided
    told = identity.ask(session=opened.session)
    assert isinstance(told, IdentityApproved)
    given = PersonName(given="X-MANUALTEST-HAPPYPATH", last="Meier")
    assert match_identity(given, told.identity.name).differing == ("last_name",)


def test_idnow_s_webhook_is_its_result() -> None:
    hints = IdnowHints(["192.0.2.1"])
    for name, session in (("success", "28"), ("aborted", "29")):
        delivery = Delivery(headers={}, body=example(f"idnow/result-{name}.json"), source="192.0.2.1")
        assert hints.sessions(delivery=delivery) == (session,)


@pytest.mark.parametrize("as_body", [True, False])
def test_idnow_s_platform_event_is_read_from_header_and_body(as_body: bool) -> None:
    clock, now = ManualClock(START), int(START.timestamp())
    event = json.loads(example("idnow/platform-event.json"))
    claims = {
        "iss": "https://auth.test",
        "aud": "us",
        "iat": now,
        "exp": now + 60,
        **({"data": event} if as_body else event),
    }
    token = jwt.encode(claims, KEY, algorithm="RS256", headers={"kid": "k"})
    delivery = (
        Delivery(headers={"Content-Type": "application/jwt"}, body=token.encode())
        if as_body
        else Delivery(headers={"X-Idnow-Signature": token}, body=example("idnow/platform-event.json"))
    )
    webhooks = IdnowPlatformWebhooks(
        keys=Http("https://auth.test", serve=jwks), issuer="https://auth.test", audience="us", clock=clock
    )
    assert webhooks.sessions(delivery=delivery) == ("session-0",)


# Universign.


def universign(replay: Replay, folder: Path) -> tuple[UniversignPages, Callable[[], Any]]:
    shelf, clock = FileShelf(folder / "documents"), ManualClock(START)
    content = shelf.keep(content=b"%PDF-1.7 a letter")
    pages = UniversignPages(
        http=replay.http,
        api_key=Secret("k"),
        documents=shelf,
        judge=lambda pdf: verify(pdf, trust=TrustStore(), now=clock.now()),
        keys=MemoryKeys(),
        clock=clock,
        remember=folder / "kept",
    )

    def open() -> Any:
        return pages.open(
            key=Key("k"),
            ceremony=CeremonyId("c"),
            collecte=collecte(content),
            signatory=SignatoryId("signatory"),
            documents=((DocumentId("letter"), content),),
        )

    return pages, open


def actor(body: bytes) -> bytes:
    return body.replace(b"{actor}", account().email.text.encode())


DRAFTING: Final = (
    ("POST", "/v1/transactions", 200, "universign/transaction-draft.json"),
    ("POST", "/v1/files", 200, "universign/file.json"),
    ("POST", "/v1/transactions/tx_AWo949MOq0JE/participants", 200, "universign/participant.json"),
    ("POST", "/v1/transactions/tx_AWo949MOq0JE/documents", 200, "universign/document.json"),
    ("POST", "/v1/transactions/tx_AWo949MOq0JE/documents/doc_wWz6/fields", 200, "universign/field.json"),
    ("POST", "/v1/transactions/tx_AWo949MOq0JE/signatures", 200, "universign/transaction-draft.json"),
)


def test_universign_s_transaction_is_drafted_started_and_stalls(tmp_path: Path) -> None:
    place = "/v1/transactions/tx_AWo949MOq0JE"
    draft = ("GET", place, 200, "universign/transaction-draft.json")
    replay = Replay(
        *DRAFTING, draft, ("POST", f"{place}/start", 200, "universign/transaction-started.json"), filled=actor
    )
    pages, open = universign(replay, tmp_path)
    opened = open()
    assert opened.url == "https://apps.universign.net/npds/act_PrDr5KEnVOlZW"
    assert opened.session == "tx_AWo949MOq0JE"
    assert replay.asked == [
        "POST /v1/transactions",
        f"POST {place}/participants",
        "POST /v1/files",
        f"POST {place}/documents",
        f"POST {place}/documents/doc_wWz6/fields",
        f"POST {place}/signatures",
        f"GET {place}",
        f"POST {place}/start",
    ]
    replay.rows = [("GET", place, 200, "universign/transaction-started.json")]
    assert isinstance(pages.ask(session=opened.session), Pending)
    replay.rows = [
        ("GET", place, 200, "universign/transaction-stalled.json"),
        ("POST", f"{place}/cancel", 200, "universign/transaction-stalled.json"),
    ]
    assert pages.ask(session=opened.session) == TransactionEnded(session=opened.session, reason="refused")


def test_universign_s_completed_transaction_is_fetched_from_its_archive(tmp_path: Path) -> None:
    place = "/v1/transactions/tx_AWo949MOq0JE"
    started = ("GET", place, 200, "universign/transaction-started.json")
    replay = Replay(*DRAFTING, started, filled=actor)
    pages, open = universign(replay, tmp_path)
    opened = open()
    replay.rows = [
        ("GET", place, 200, "universign/transaction-completed.json"),
        ("GET", f"{place}/archive/documents/doc_wWz6/download", 200, "universign/file.json"),
    ]
    assert pages.ask(session=opened.session) == TransactionEnded(session=opened.session, reason="document_changed")


def test_universign_s_match_and_events_are_read() -> None:
    replay = Replay(("POST", "/v1/certificates/match", 200, "universign/match.json"))
    certificates = UniversignCertificates(replay.http, api_key=Secret("k"))
    assert certificates.match(email="a@b.fr", name="A B", mobile="+33639980000", level=CertificateLevel.QCP_N)
    webhooks = UniversignWebhooks(keys=Http("https://api.test", serve=jwks), clock=ManualClock(START))
    for name, session in (("completed", "tx_AWo949MOq0JE"), ("stalled", "tx_Y0K9egJm6VBL")):
        body = example(f"universign/event-{name}.json")
        head, _, mac = jwt.PyJWS().encode(body, KEY, algorithm="PS256", headers={"kid": "k"}).split(".")
        delivery = Delivery(headers={"X-JWS-Signature": f"{head}..{mac}"}, body=body)
        assert webhooks.sessions(delivery=delivery) == (session,)


# Stripe.


def stripe(replay: Replay, folder: Path) -> StripeIdentity:
    return StripeIdentity(http=replay.http, api_key=Secret("k"), clock=ManualClock(START), remember=folder)


def test_stripe_s_sessions_are_understood(tmp_path: Path) -> None:
    path = "/v1/identity/verification_sessions"
    replay = Replay(("POST", path, 200, "stripe/session-requires-input.json"))
    identity = stripe(replay, tmp_path)
    opened = identity.open(key=Key("k"), attempt=1, subscription=Subscription("s"), person=account())
    assert (opened.session, opened.url) == (
        "vs_1NuNAILkdIwHu7ixh7OtGMLw",
        "https://verify.stripe.com/start/test_YWNjdF8",
    )
    replay.rows = [("GET", f"{path}/{opened.session}", 200, "stripe/session-requires-input.json")]
    assert isinstance(identity.ask(session=opened.session), Pending)
    replay.rows = [("GET", f"{path}/{opened.session}", 200, "stripe/session-verified.json")]
    told = identity.ask(session=opened.session)
    assert isinstance(told, IdentityApproved)
    assert (told.identity.name.full, told.identity.issuing_country) == ("Jenny Rosen", "FR")
    assert told.identity.valid_until == datetime(2030, 6, 11, tzinfo=UTC).date()


def test_stripe_s_refusal_and_error_are_understood(tmp_path: Path) -> None:
    path = "/v1/identity/verification_sessions"
    replay = Replay(("POST", path, 400, "stripe/error-idempotency.json"))
    identity = stripe(replay, tmp_path)
    with pytest.raises(Rejected):
        identity.open(key=Key("k"), attempt=1, subscription=Subscription("s"), person=account())
    replay.rows = [
        ("POST", path, 200, "stripe/session-requires-input.json"),
        ("GET", f"{path}/.*", 200, "stripe/session-refused.json"),
    ]
    session = identity.open(key=Key("k"), attempt=1, subscription=Subscription("s"), person=account()).session
    assert identity.ask(session=session) == IdentityRetryable(session=session, reason="selfie_failed")


def test_stripe_s_event_is_read() -> None:
    body, now = example("stripe/event-verified.json"), int(START.timestamp())
    mac = WebhookSignature._compute_signature(f"{now}.{body.decode()}", "whsec_x")
    delivery = Delivery(headers={"Stripe-Signature": f"t={now},v1={mac}"}, body=body)
    webhooks = StripeWebhooks([Secret("whsec_x")], clock=ManualClock(START))
    assert webhooks.sessions(delivery=delivery) == ("vs_1NuNAILkdIwHu7ixh7OtGMLw",)


# OpenID Connect.


def test_the_discovery_document_of_the_specification_is_used(tmp_path: Path) -> None:
    replay = Replay(("GET", "/.well-known/openid-configuration", 200, "oidc/discovery.json"))
    accounts = OidcAccounts(
        http=Http("https://server.example.com", serve=replay),
        issuer="https://server.example.com",
        client_id="s6BhdRkqt3",
        client_secret=Secret("k"),
        redirect_url="https://client.example.org/cb",
        keys=MemoryKeys(),
        clock=ManualClock(START),
        remember=tmp_path,
    )
    begun = accounts.sign_in()
    parts = urlsplit(begun.url)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == "https://server.example.com/connect/authorize"
    assert parse_qs(parts.query)["code_challenge_method"] == ["S256"]
    replay.rows.append(("POST", "/connect/token", 400, "oidc/error-invalid-grant.json"))
    with pytest.raises(Rejected) as refused:
        accounts.signed_in(begun, state=begun.state, code="x")
    assert refused.value.reason == "sign_in_refused"


def test_the_userinfo_of_the_specification_lacks_a_mobile() -> None:
    claims = json.loads(example("oidc/userinfo.json"))
    with pytest.raises(InvalidInput, match="claim"):
        standard_claims(claims)
    made = standard_claims({**claims, "phone_number": "+33639981234"})
    assert (made.id, made.name.full, made.cabinets) == (AccountId("248289761001"), "Jane Doe", ())


# SMS gateways.


def test_twilio_s_answers_are_understood() -> None:
    replay = Replay(("POST", "/2010-04-01/Accounts/AC1/Messages.json", 201, "sms/twilio-created.json"))
    gateway = TwilioGateway(replay.http, account="AC1", token=Secret("k"), sender="+15005550006")
    told = gateway.hand_over(id="r", to=account().mobile, text="x", seconds=60)
    assert told == "SM87105da94bff44b999e4e6eb90d8eb6a"
    replay.rows = [("POST", ".*", 400, "sms/twilio-21211.json")]
    with pytest.raises(Rejected) as refused:
        gateway.hand_over(id="r", to=account().mobile, text="x", seconds=60)
    assert refused.value.reason == "undeliverable"
    assert account().mobile.text not in str(refused.value)


def test_brevo_s_answers_are_understood() -> None:
    replay = Replay(("POST", "/v3/transactionalSMS/send", 201, "sms/brevo-created.json"))
    gateway = BrevoGateway(replay.http, api_key=Secret("k"), sender="Etude")
    assert gateway.hand_over(id="r", to=account().mobile, text="x", seconds=60) == "1511882900176220"
    replay.rows = [("POST", ".*", 400, "sms/brevo-invalid.json")]
    with pytest.raises(Rejected) as refused:
        gateway.hand_over(id="r", to=account().mobile, text="x", seconds=60)
    assert refused.value.reason == "undeliverable"


# CSC.


def test_a_recorded_csc_exchange_is_understood() -> None:
    replay = Replay(
        ("POST", "/csc/v1/info", 200, "csc/info.json"),
        ("POST", "/csc/v1/credentials/list", 200, "csc/credentials-list.json"),
        ("POST", "/csc/v1/credentials/info", 200, "csc/credentials-info.json"),
        ("POST", "/csc/v1/credentials/authorize", 200, "csc/authorize.json"),
        ("POST", "/csc/v1/signatures/signHash", 200, "csc/signhash.json"),
    )
    client = CscClient(replay.http)
    assert client.info().specs == "1.0.4.0"
    assert client.credentials() == ("peer/root", "peer/rsa", "peer/elliptic", "peer/tsa")
    credential = client.credential("peer/elliptic")
    assert (credential.algorithm, credential.pinned, len(credential.certificates)) == ("sha256_ecdsa", True, 2)
    one = digest("one")
    told = client.authorize(credential.id, digests=[one], values={})
    assert isinstance(told, Authorization)
    values = client.sign_hash(credential.id, digests=[one], algorithm=credential.algorithm_oid, sad=told.sad)
    assert isinstance(values, tuple)
    assert checked(credential.certificates[0], one, values[0]) == values[0]


@pytest.mark.parametrize(("name", "words"), [("error-otp.json", "OTP is invalid"), ("error-sad.json", "SAD expired")])
def test_csc_s_errors_are_told_in_their_words(name: str, words: str) -> None:
    replay = Replay(("POST", ".*", 400, f"csc/{name}"))
    with pytest.raises(Rejected, match=words):
        CscClient(replay.http).authorize("c", digests=[digest("one")], values={"OTP": Secret("1234")})


def test_the_peer_s_error_without_json_is_an_error_all_the_same() -> None:
    head, body = example("csc/signhash-error.txt").split(b"\n", 1)

    def peer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        status, _, kind = head.decode().partition(" ")
        start(f"{status} Bad Request", [("Content-Type", kind)])
        return [body]

    with pytest.raises(Rejected, match="400: Bad Request"):
        CscClient(Http("https://peer.test", serve=peer)).authorize("c", digests=[digest("one")], values={})
