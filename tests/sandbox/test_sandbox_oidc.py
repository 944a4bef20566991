"""The sandbox's OpenID provider: judged by Authlib's client, and by our adapter in its exam, also on a bad network."""

from __future__ import annotations

import base64
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import import_module
from itertools import count, cycle
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from attrs import evolve
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.jwk import KeySet

from qcp_sdk.adapters.local_trust_centre import LocalTrustCentre
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.memory.keys import MemoryKeys
from qcp_sdk.adapters.oidc_accounts import OidcAccounts
from qcp_sdk.adapters.oidc_certificates import Claimed, OidcCertificates, standard_certificates
from qcp_sdk.adapters.shared.http import Http
from qcp_sdk.adapters.shared.jwks import FAILED_PAUSE
from qcp_sdk.certificates import Certificate, StatusKind
from qcp_sdk.errors import InvalidInput, PortError, Rejected, Unavailable
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.people import Account
from qcp_sdk.ports.accounts import Accounts
from qcp_sdk.ports.answers import OutcomeKind
from qcp_sdk.sandbox.faults import BAD_NETWORK, Fault, FaultKind
from qcp_sdk.sandbox.jose import JoseKey
from qcp_sdk.sandbox.oidc import CLIENT, SECRET, OidcSandbox
from qcp_sdk.sandbox.server import Sandbox
from qcp_sdk.testing.conformance.accounts import AccountsConformance
from qcp_sdk.testing.conformance.base import rejected
from qcp_sdk.testing.conformance.discretion import personal, unspoken
from qcp_sdk.testing.conformance.examples import START, account, application
from qcp_sdk.testing.scene import Scene
from qcp_sdk.testing.spoiling import faults_of, persistent
from qcp_sdk.values import AccountId, ContentHash, Fingerprint, Key, Secret

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from authlib.integrations.httpx_client import OAuth2Client  # type: ignore[import-untyped]

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

BASE: Final = "https://sandbox.test/oidc"
BACK: Final = "https://host.example/back?from=oidc"


@cache
def keys() -> tuple[Any, ...]:
    return tuple(rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(3))


@pytest.fixture(autouse=True)
def _drawn_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are made once: a test has three that differ, and none takes the time that it takes to find one."""
    drawn = cycle(keys())

    def private(key: JoseKey) -> Any:
        if "drawn" not in vars(key):
            vars(key)["drawn"] = next(drawn)
        return vars(key)["drawn"]

    monkeypatch.setattr(JoseKey, "private", property(private))


def oidc_of(sandbox: Sandbox) -> OidcSandbox:
    provider = sandbox.providers["oidc"]
    assert isinstance(provider, OidcSandbox)
    return provider


def put(sandbox: Sandbox, person: Account, **more: object) -> None:
    claims = {
        "sub": person.id,
        "given_name": person.name.given,
        "family_name": person.name.last,
        "email": person.email.text,
        "email_verified": True,
        "phone_number": person.mobile.text,
        "locale": f"{person.language}-FR",
        "cabinets": [{"id": one.id, "name": one.name} for one in person.cabinets],
        **more,
    }
    oidc_of(sandbox).script({"person": claims})


def adapter(sandbox: Sandbox, remember: Path, **options: Any) -> OidcAccounts:
    options.setdefault("http", Http(BASE, serve=sandbox))
    options.setdefault("client_secret", Secret(SECRET))
    return OidcAccounts(
        issuer=BASE,
        client_id=CLIENT,
        redirect_url=BACK,
        keys=MemoryKeys(),
        clock=sandbox.clock,
        remember=remember,
        **options,
    )


def press(sandbox: Sandbox, url: str, **form: str) -> dict[str, str]:
    """Be the browser: press a button at the provider, and give what it brings back."""
    with httpx.Client(transport=httpx.WSGITransport(app=sandbox)) as browser:
        faults, sandbox.faults.decide = sandbox.faults.decide, None  # a browser is not the subject
        answer = browser.post(url, data=form)
        sandbox.faults.decide = faults
    assert answer.status_code == 303, answer.text
    assert answer.headers["Location"].startswith(BACK)
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()}


def signed_in(accounts: OidcAccounts, sandbox: Sandbox, person: Account) -> Account:
    """Sign in; whoever meets a fault begins anew, as people do."""
    for _ in range(60):
        try:
            begun = accounts.sign_in()
            back = press(sandbox, begun.url, sub=person.id)
            return accounts.signed_in(begun, state=back["state"], code=back["code"])
        except PortError as error:
            if sandbox.faults.decide is None:
                raise
            assert not isinstance(error, Rejected) or error.reason == "sign_in_refused"
            sandbox.clock.advance(FAILED_PAUSE)  # keys that could not be had are asked for again after a pause
    pytest.fail("nobody could sign in")


class TestOidcAccountsAtTheSandbox(AccountsConformance):
    examples = 3
    decide: Callable[[str, int], FaultKind | None] | None = None

    @pytest.fixture(autouse=True)
    def _in_a_folder(self, tmp_path: Path) -> Iterator[None]:
        self.folder, self.made = tmp_path, count()
        self.sandbox = Sandbox(base=ManualClock(START), only=["oidc"])
        if self.decide is not None:
            self.sandbox.faults.unreliable(self.decide)
        yield

    def make_accounts(self, *people: Account) -> Accounts:
        self.place = self.folder / str(next(self.made))
        accounts = adapter(self.sandbox, self.place)
        for person in people:
            put(self.sandbox, person)
            assert signed_in(accounts, self.sandbox, person) == person
        return persistent(accounts)

    def change(self, accounts: Accounts, person: Account) -> None:
        put(self.sandbox, person)
        own = adapter(self.sandbox, self.place)
        if not own._file(person.id).exists():
            signed_in(own, self.sandbox, person)

    def restarted(self, accounts: Accounts) -> Accounts:
        return persistent(adapter(self.sandbox, self.place))


@pytest.mark.long
class TestOidcAccountsOverABadNetwork(TestOidcAccountsAtTheSandbox):
    """The same exam, while one request in five fails, each in another way."""

    decide = staticmethod(faults_of(17, BAD_NETWORK, rate=0.2))


@pytest.fixture
def sandbox() -> Sandbox:
    made = Sandbox(base=ManualClock(START), only=["oidc"])
    put(made, account())
    return made


# The provider, judged by others.


def test_authlib_signs_in_with_pkce_and_refreshes() -> None:
    """Authlib's OAuth client and its authors' JOSE, against the machine's clock, which is what they read."""
    sandbox = Sandbox(only=["oidc"])
    put(sandbox, account())
    # Authlib's client is made on httpx, or on httpx2 where that is installed too: each takes its own transport.
    theirs = next(one.__module__.partition(".")[0] for one in OAuth2Client.__mro__ if one.__name__ == "Client")
    transport = import_module(theirs).WSGITransport(app=sandbox)
    verifier = "v" * 50
    with (
        httpx.Client(transport=httpx.WSGITransport(app=sandbox)) as plain,
        OAuth2Client(
            CLIENT,
            SECRET,
            scope="openid email offline_access",
            redirect_uri=BACK,
            code_challenge_method="S256",
            transport=transport,
        ) as client,
    ):
        metadata = plain.get(f"{BASE}/.well-known/openid-configuration").json()
        url, state = client.create_authorization_url(
            metadata["authorization_endpoint"], code_verifier=verifier, nonce="a nonce"
        )
        back = press(sandbox, url, sub=account().id)
        assert back["state"] == state
        token = client.fetch_token(metadata["token_endpoint"], code=back["code"], code_verifier=verifier)
        keys = KeySet.import_key_set(plain.get(metadata["jwks_uri"]).json())
        claims = jwt.decode(token["id_token"], keys, algorithms=["RS256"]).claims
        jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": BASE},
            aud={"essential": True, "value": CLIENT},
            nonce={"essential": True, "value": "a nonce"},
            exp={"essential": True},
        ).validate(claims)
        assert client.get(metadata["userinfo_endpoint"]).json()["email"] == account().email.text
        fresh = client.refresh_token(metadata["token_endpoint"])
        assert fresh["access_token"] != token["access_token"]
        client.revoke_token(metadata["revocation_endpoint"], token=fresh["refresh_token"])
        client.token = fresh
        assert client.get(metadata["userinfo_endpoint"]).status_code == 401


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"code_verifier": "another"}, 400, "invalid_grant"),
        ({"redirect_uri": "https://evil.example/"}, 400, "invalid_grant"),
        ({"code": "guessed"}, 400, "invalid_grant"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": "refresh_token", "refresh_token": ""}, 400, "invalid_grant"),
        ({"client_secret": "wrong"}, 401, "invalid_client"),
    ],
)
def test_a_token_request_that_is_not_right_is_refused(
    sandbox: Sandbox, change: dict[str, str], status: int, error: str
) -> None:
    form = code(sandbox)
    with httpx.Client(transport=httpx.WSGITransport(app=sandbox)) as client:
        told = client.post(f"{BASE}/token", data={**form, **change})
        assert (told.status_code, told.json()["error"]) == (status, error)


def test_a_code_is_good_once_and_for_a_minute(sandbox: Sandbox) -> None:
    with httpx.Client(transport=httpx.WSGITransport(app=sandbox)) as client:
        form = code(sandbox)
        token = client.post(f"{BASE}/token", data=form).json()["access_token"]
        bearer = {"Authorization": f"Bearer {token}"}
        assert client.get(f"{BASE}/userinfo", headers=bearer).status_code == 200
        assert client.post(f"{BASE}/token", data=form).status_code == 400
        assert client.get(f"{BASE}/userinfo", headers=bearer).status_code == 401  # it was stolen by one of the two
        form = code(sandbox)
        sandbox.advance(timedelta(minutes=1))
        assert client.post(f"{BASE}/token", data=form).status_code == 400


def code(sandbox: Sandbox) -> dict[str, str]:
    accounts = adapter(sandbox, Path("unused"))
    begun = accounts.sign_in()
    back = press(sandbox, begun.url, sub=account().id)
    return {
        "grant_type": "authorization_code",
        "code": back["code"],
        "redirect_uri": BACK,
        "code_verifier": begun.verifier,
        "client_id": CLIENT,
        "client_secret": SECRET,
    }


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": "another"},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": "http://["},
        {"response_type": "token"},
        {"scope": "profile"},
        {"code_challenge_method": "plain"},
    ],
)
def test_a_wrong_authorization_request_sends_nobody_anywhere(sandbox: Sandbox, change: dict[str, str]) -> None:
    asked = {
        "client_id": CLIENT,
        "redirect_uri": BACK,
        "response_type": "code",
        "scope": "openid",
        "code_challenge": "x",
        "code_challenge_method": "S256",
    }
    with httpx.Client(transport=httpx.WSGITransport(app=sandbox)) as browser:
        page = browser.get(f"{BASE}/authorize", params=asked)
        assert account().id in page.text
        assert page.headers["Content-Security-Policy"].endswith("form-action 'self' https://host.example")
        for answer in (
            browser.get(f"{BASE}/authorize", params={**asked, **change}),
            browser.post(f"{BASE}/authorize", params={**asked, **change}, data={"sub": account().id}),
        ):
            assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_whoever_refuses_comes_back_with_access_denied(sandbox: Sandbox, tmp_path: Path) -> None:
    begun = adapter(sandbox, tmp_path).sign_in()
    assert press(sandbox, begun.url, deny="1") == {"from": "oidc", "state": begun.state, "error": "access_denied"}


def test_a_rotated_refresh_token_that_comes_twice_signs_out(sandbox: Sandbox, tmp_path: Path) -> None:
    oidc_of(sandbox).script({"rotate": True})
    accounts = adapter(sandbox, tmp_path)
    signed_in(accounts, sandbox, account())
    for _ in range(2):  # each renewal takes the next one
        sandbox.advance(timedelta(minutes=6))
        assert accounts.account(id=account().id) == account()
    sandbox.advance(timedelta(minutes=6))
    sandbox.faults.add(Fault(kind=FaultKind.LOST))
    with pytest.raises(PortError):
        accounts.account(id=account().id)  # renewed there, and the answer lost
    with rejected("unknown_account"):
        accounts.account(id=account().id)


def test_signing_out_at_the_provider_is_noticed(sandbox: Sandbox, tmp_path: Path) -> None:
    accounts = adapter(sandbox, tmp_path)
    signed_in(accounts, sandbox, account())
    assert sandbox.state()["providers"]["oidc"] == {"people": [account().id], "sign_ins": 1}
    oidc_of(sandbox).script({"sign_out": account().id})
    with rejected("unknown_account"):
        accounts.account(id=account().id)


def test_a_wrong_secret_is_our_own_fault(sandbox: Sandbox, tmp_path: Path) -> None:
    accounts = adapter(sandbox, tmp_path, client_secret=Secret("wrong-secret"))
    with pytest.raises(Unavailable, match="credentials") as refused:
        signed_in(accounts, sandbox, account())
    assert "wrong-secret" not in str(refused.value)


def test_after_a_reset_the_new_key_is_believed_and_the_old_one_not(sandbox: Sandbox, tmp_path: Path) -> None:
    accounts = adapter(sandbox, tmp_path)
    signed_in(accounts, sandbox, account())
    oidc_of(sandbox).reset()
    put(sandbox, account())
    sandbox.advance(timedelta(minutes=2))  # an unknown key is looked for once a minute
    assert signed_in(accounts, sandbox, account()) == account()


# The LCP certificate from claims.


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> LocalTrustCentre:
    folder = tmp_path_factory.mktemp("centre")
    return LocalTrustCentre(folder, clock=ManualClock(START), passphrase=Secret("p"), key_type="p256")


@pytest.fixture(scope="module")
def lcp(centre: LocalTrustCentre) -> Certificate:
    return centre.enrol(account()).certificate


def certificates(sandbox: Sandbox, folder: Path, **options: Any) -> tuple[OidcAccounts, OidcCertificates]:
    accounts = adapter(sandbox, folder / "accounts")
    made = OidcCertificates(
        accounts,
        issuer="LCP authority",
        keys=MemoryKeys(),
        clock=sandbox.clock,
        remember=folder / "certificates",
        **options,
    )
    return accounts, made


def claim(certificate: Certificate, **more: object) -> dict[str, object]:
    return {"certificate": base64.b64encode(certificate.der).decode(), **more}


def test_a_certificate_is_shown_with_what_the_provider_says_of_it(
    sandbox: Sandbox, tmp_path: Path, lcp: Certificate
) -> None:
    registered = {"email": "old@example.org", "phone_number": "+33639981234"}
    put(sandbox, account(), certificates=[claim(lcp, status="good", **registered)])
    accounts, shown = certificates(sandbox, tmp_path)
    assert shown.holdings(account=account()) == ()  # nobody has signed in yet
    signed_in(accounts, sandbox, account())
    (holding,) = shown.holdings(account=account())
    assert holding.certificate == lcp
    assert (holding.status.kind, holding.status.checked_at) == (StatusKind.GOOD, sandbox.clock.now())
    assert holding.email is not None
    assert holding.mobile is not None
    assert (holding.email.text, holding.mobile.text) == ("old@example.org", "+33639981234")
    assert shown.status(fingerprint=lcp.fingerprint).kind is StatusKind.GOOD


def test_its_status_is_what_the_claims_say_now_also_in_another_process(
    sandbox: Sandbox, tmp_path: Path, lcp: Certificate
) -> None:
    put(sandbox, account(), certificates=[claim(lcp, status="good")])
    accounts, shown = certificates(sandbox, tmp_path)
    signed_in(accounts, sandbox, account())
    shown.holdings(account=account())
    revoked = datetime(2026, 3, 2, 8, tzinfo=UTC)
    told = claim(lcp, status="revoked", revoked_at=revoked.isoformat(), reason="key_compromise")
    put(sandbox, account(), certificates=[told])
    _, other = certificates(sandbox, tmp_path)
    status = other.status(fingerprint=lcp.fingerprint)
    assert (status.kind, status.revoked_at, status.reason) == (StatusKind.REVOKED, revoked, "key_compromise")
    lying = b"".join(path.read_bytes() for path in (tmp_path / "certificates").iterdir())
    assert account().id.encode() not in lying
    put(sandbox, account())  # it is shown no more
    assert other.status(fingerprint=lcp.fingerprint).kind is StatusKind.UNKNOWN
    assert other.status(fingerprint=Fingerprint("0" * 64)).kind is StatusKind.UNKNOWN
    oidc_of(sandbox).script({"sign_out": account().id})
    assert other.status(fingerprint=lcp.fingerprint).kind is StatusKind.UNKNOWN


def test_without_a_word_the_status_is_unknown_and_other_levels_are_not_shown(
    sandbox: Sandbox, tmp_path: Path, lcp: Certificate
) -> None:
    put(sandbox, account(), certificates=[claim(lcp), claim(lcp)])
    accounts, shown = certificates(sandbox, tmp_path)
    signed_in(accounts, sandbox, account())
    assert [one.status.kind for one in shown.holdings(account=account())] == [StatusKind.UNKNOWN]
    _, qualified = certificates(sandbox, tmp_path, level=CertificateLevel.QCP_N)
    assert qualified.holdings(account=account()) == ()


def test_the_newest_comes_first(sandbox: Sandbox, tmp_path: Path) -> None:
    clock = ManualClock(START)
    centre = LocalTrustCentre(tmp_path / "centre", clock=clock, passphrase=Secret("p"), key_type="p256")
    issued = []
    for _ in range(3):
        issued.append(centre.enrol(account()).certificate)
        clock.advance(timedelta(days=1))
    put(sandbox, account(), certificates=[claim(issued[place]) for place in (1, 2, 0)])
    accounts, shown = certificates(sandbox, tmp_path)
    signed_in(accounts, sandbox, account())
    assert [one.certificate for one in shown.holdings(account=account())] == issued[::-1]


def test_claims_of_somebody_else_are_not_told(sandbox: Sandbox, tmp_path: Path) -> None:
    """The host's mapping says by now that this sign-in is another account's."""
    ids = [account().id, account().id, AccountId("another")]

    def mapped(claims: Any) -> Account:
        return evolve(account(), id=ids.pop(0))

    accounts = adapter(sandbox, tmp_path, account=mapped)
    signed_in(accounts, sandbox, account())
    assert accounts.claims(id=account().id)["sub"] == account().id
    with rejected("unknown_account"):
        accounts.claims(id=account().id)


def test_a_host_maps_its_own_claim(sandbox: Sandbox, tmp_path: Path, lcp: Certificate) -> None:
    put(sandbox, account(), signature={"lcp": base64.b64encode(lcp.der).decode(), "en_vigueur": True})

    def mapped(claims: Any) -> list[Claimed]:
        told = claims["signature"]
        status = StatusKind.GOOD if told["en_vigueur"] else StatusKind.REVOKED
        return [Claimed(certificate=base64.b64decode(told["lcp"]), status=status)]

    accounts, shown = certificates(sandbox, tmp_path, certificates=mapped)
    signed_in(accounts, sandbox, account())
    (holding,) = shown.holdings(account=account())
    assert holding.status.kind is StatusKind.GOOD


@pytest.mark.parametrize(
    "told",
    [
        7,
        ["text"],
        [{}],
        [{"certificate": 7}],
        [{"certificate": "é"}],
        [{"certificate": "AAAA"}],
        [{"certificate": "-----BEGIN CERTIFICATE-----\nAAAA"}],
        [{"certificate": "", "status": "fine"}],
        [{"certificate": "", "revoked_at": "yesterday"}],
        [{"certificate": "", "email": "nobody"}],
    ],
)
def test_claims_that_show_no_certificate_are_refused_unprinted(sandbox: Sandbox, tmp_path: Path, told: object) -> None:
    put(sandbox, account(), certificates=told)
    accounts, shown = certificates(sandbox, tmp_path)
    with unspoken(*personal(account())) as said:
        signed_in(accounts, sandbox, account())
        with pytest.raises(Rejected) as refused:
            shown.holdings(account=account())
        said += [shown, refused.value]
    assert refused.value.reason == "unusable_claims"


def test_a_mapping_that_breaks_is_said_without_what_it_held(sandbox: Sandbox, tmp_path: Path) -> None:
    def broken(claims: Any) -> Any:
        raise ZeroDivisionError(claims["email"])

    accounts, shown = certificates(sandbox, tmp_path, certificates=broken)
    signed_in(accounts, sandbox, account())
    with pytest.raises(Rejected) as refused:
        shown.holdings(account=account())
    assert account().email.text not in str(refused.value)
    assert refused.value.__cause__ is None


def test_nothing_is_issued_or_revoked_here(sandbox: Sandbox, tmp_path: Path) -> None:
    _, shown = certificates(sandbox, tmp_path)
    assert shown.issuer == "LCP authority"
    with rejected("not_an_authority"):
        shown.submit(key=Key("k"), application=application(), request=ContentHash("sha256:" + "0" * 64))
    with rejected("not_an_authority"):
        shown.revoke(key=Key("k"), fingerprint=Fingerprint("0" * 64), reason="superseded")
    with rejected("unknown_reference"):
        shown.ask(reference="r")
    assert shown.outcome(key=Key("k")).kind is OutcomeKind.UNKNOWN


def test_the_provider_s_silence_is_ignorance(sandbox: Sandbox, tmp_path: Path, lcp: Certificate) -> None:
    put(sandbox, account(), certificates=[claim(lcp, status="good")])
    accounts, shown = certificates(sandbox, tmp_path)
    signed_in(accounts, sandbox, account())
    shown.holdings(account=account())
    sandbox.faults.add(Fault(kind=FaultKind.DOWN), times=None)
    with pytest.raises(Unavailable):
        shown.holdings(account=account())
    with pytest.raises(Unavailable):
        shown.status(fingerprint=lcp.fingerprint)


def test_standard_certificates_name_the_claim() -> None:
    with pytest.raises(InvalidInput, match="certificates"):
        standard_certificates({"certificates": {"a": 1}})
    assert standard_certificates({}) == ()


def test_a_subscription_rests_on_the_certificate_of_the_claims(tmp_path: Path, centre: LocalTrustCentre) -> None:
    """Account, cabinet and LCP certificate from the provider; revoked there, the subscription ends here."""
    scene = Scene()
    person = scene.jessica
    sandbox = Sandbox(base=scene.world.clock, only=["oidc"])
    held = centre.enrol(person)
    registered = {"email": person.email.text, "phone_number": person.mobile.text}
    put(sandbox, person, certificates=[claim(held.certificate, status="good", **registered)])
    accounts, shown = certificates(sandbox, tmp_path)
    signed_in(accounts, sandbox, person)
    scene.world.accounts, scene.world.lcp_authority = accounts, shown  # type: ignore[assignment]
    scene.qcp = scene.installation()
    page = scene.qcp.subscriptions.page(account=AccountId(person.id))
    assert page.lcp is not None
    view = scene.open(person)
    state = scene.qcp.engine.streams.load(view.id).state
    assert state.terms.lcp.certificate == held.certificate
    assert state.terms.account == evolve(person)
