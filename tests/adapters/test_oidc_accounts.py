"""Accounts at an OpenID provider: the exam against `oidc-provider-mock`, which others wrote; and what may go wrong."""

from __future__ import annotations

import base64
import hashlib
import json
import warnings
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from attrs import evolve

from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.memory.keys import MemoryKeys
from qcp_sdk.adapters.oidc_accounts import OidcAccounts, SignIn, standard_claims
from qcp_sdk.adapters.shared.fields import Fields
from qcp_sdk.adapters.shared.http import Http
from qcp_sdk.errors import InvalidInput, PortError, Rejected, Unavailable, Unconfirmed
from qcp_sdk.people import Account
from qcp_sdk.ports.accounts import Accounts
from qcp_sdk.testing.conformance.accounts import AccountsConformance
from qcp_sdk.testing.conformance.examples import account
from qcp_sdk.testing.spoiling import SpoiltHttp
from qcp_sdk.values import AccountId, Secret

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import oidc_provider_mock  # type: ignore[import-untyped]

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

ISSUER: Final = "https://op.example"
BACK: Final = "https://host.example/back"


class Provider:
    """The provider, and browsers that sign in at it."""

    def __init__(self, **options: Any) -> None:
        self.app = oidc_provider_mock.app(**options)
        self.browser = httpx.Client(transport=httpx.WSGITransport(app=self.app), base_url=ISSUER)

    def put(self, person: Account, **more: object) -> None:
        claims = {
            "given_name": person.name.given,
            "family_name": person.name.last,
            "email": person.email.text,
            "email_verified": True,
            "phone_number": person.mobile.text,
            "locale": f"{person.language}-FR",
            "cabinets": [{"id": one.id, "name": one.name} for one in person.cabinets],
            **more,
        }
        assert self.browser.put(f"/users/{person.id}", json=claims).status_code == 204

    def sign_in(self, begun: SignIn, sub: str) -> dict[str, str]:
        answer = self.browser.post(begun.url, data={"sub": sub})
        back = urlsplit(answer.headers["Location"])
        assert answer.headers["Location"].startswith(BACK)
        return {name: values[0] for name, values in parse_qs(back.query).items()}


def adapter(provider: Provider, remember: Path, clock: ManualClock | None = None, **options: Any) -> OidcAccounts:
    options.setdefault("http", Http(ISSUER, serve=provider.app))
    return OidcAccounts(
        issuer=ISSUER,
        client_id="qcp",
        client_secret=Secret("the client's secret"),
        redirect_url=BACK,
        keys=MemoryKeys(),
        clock=clock or ManualClock(datetime.now(UTC)),
        remember=remember,
        **options,
    )


def signed_in(accounts: OidcAccounts, provider: Provider, sub: str) -> Account:
    begun = accounts.sign_in()
    back = provider.sign_in(begun, sub)
    return accounts.signed_in(begun, state=back["state"], code=back["code"])


@cache
def shared() -> Provider:
    return Provider()


class TestOidcAccounts(AccountsConformance):
    examples = 5

    @pytest.fixture(autouse=True)
    def _in_a_folder(self, tmp_path: Path) -> Iterator[None]:
        self.folder, self.made = tmp_path, count()
        yield

    def make_accounts(self, *people: Account) -> Accounts:
        # One provider for all: accounts know who has signed in through them, and each has a folder of its own.
        self.place, self.provider = self.folder / str(next(self.made)), shared()
        accounts = adapter(self.provider, self.place)
        for person in people:
            self.provider.put(person)
            assert signed_in(accounts, self.provider, person.id) == person
        return accounts

    def change(self, accounts: Accounts, person: Account) -> None:
        self.provider.put(person)
        if not (self.place / accounts._file(person.id).name).exists():  # type: ignore[attr-defined]
            assert isinstance(accounts, OidcAccounts)
            signed_in(accounts, self.provider, person.id)

    def restarted(self, accounts: Accounts) -> Accounts:
        return adapter(self.provider, self.place)


@pytest.fixture
def provider() -> Provider:
    made = Provider()
    made.put(account())
    return made


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.now(UTC))


def test_an_access_token_that_has_run_out_is_renewed(provider: Provider, tmp_path: Path, clock: ManualClock) -> None:
    accounts = adapter(provider, tmp_path, clock)
    signed_in(accounts, provider, account().id)
    for _ in range(3):
        clock.advance(timedelta(hours=2))
        assert accounts.account(id=account().id) == account()


@pytest.mark.parametrize("seconds", [-(10**30), -(10**11), -1, 10**8, 10**30])
def test_a_lifetime_that_makes_no_sense_is_an_unusable_answer(
    provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    accounts = adapter(provider, tmp_path)
    granted = accounts._granted

    def spoilt(form: dict[str, str | Secret]) -> Fields:
        told = granted(form)
        body = json.dumps({**told.members, "expires_in": seconds}).encode()
        return Fields.of(evolve(told.answer, body=body))

    monkeypatch.setattr(accounts, "_granted", spoilt)
    with pytest.raises(Unconfirmed, match="expires_in"):
        signed_in(accounts, provider, account().id)
    assert not list(tmp_path.iterdir())


def test_a_sign_in_that_was_revoked_is_unknown(provider: Provider, tmp_path: Path) -> None:
    accounts = adapter(provider, tmp_path)
    signed_in(accounts, provider, account().id)
    provider.browser.post(f"/users/{account().id}/revoke-tokens")
    with pytest.raises(Rejected) as refused:
        accounts.account(id=account().id)
    assert refused.value.reason == "unknown_account"


def test_without_a_refresh_token_a_sign_in_ends_with_its_access(tmp_path: Path, clock: ManualClock) -> None:
    provider = Provider(issue_refresh_token=False)
    provider.put(account())
    accounts = adapter(provider, tmp_path, clock)
    signed_in(accounts, provider, account().id)
    clock.advance(timedelta(hours=2))
    with pytest.raises(Rejected):
        accounts.account(id=account().id)


@pytest.mark.parametrize("spoilt", ["state", "code", "nonce"])
def test_a_sign_in_that_is_not_its_own_is_refused(provider: Provider, tmp_path: Path, spoilt: str) -> None:
    accounts = adapter(provider, tmp_path)
    begun, other = accounts.sign_in(), accounts.sign_in()
    back = provider.sign_in(begun, account().id)
    if spoilt == "nonce":
        begun = evolve(begun, nonce=other.nonce)
    else:
        back[spoilt] = getattr(other, spoilt, "another code")
    with pytest.raises(Rejected) as refused:
        accounts.signed_in(begun, state=back["state"], code=back["code"])
    assert refused.value.reason == "sign_in_refused"


def test_a_code_is_bound_to_whoever_began(provider: Provider, tmp_path: Path) -> None:
    """RFC 7636 § 4: the peer does not check it, so what is sent is looked at."""
    begun = adapter(provider, tmp_path).sign_in()
    asked = parse_qs(urlsplit(begun.url).query)
    digest = hashlib.sha256(begun.verifier.encode()).digest()
    assert asked["code_challenge"] == [base64.urlsafe_b64encode(digest).decode().rstrip("=")]
    assert asked["code_challenge_method"] == ["S256"]
    assert 43 <= len(begun.verifier) <= 128


def test_a_token_of_another_time_is_refused(provider: Provider, tmp_path: Path) -> None:
    accounts = adapter(provider, tmp_path, ManualClock(datetime.now(UTC) + timedelta(days=1)))
    with pytest.raises(Rejected) as refused:
        signed_in(accounts, provider, account().id)
    assert refused.value.reason == "sign_in_refused"


@pytest.mark.parametrize(
    "claims",
    [
        {"email_verified": False},
        {"phone_number_verified": False},
        {"phone_number": None},
        {"phone_number": "06 12"},
        {"family_name": ""},
        {"cabinets": [{"id": "x"}]},
        {"cabinets": 7},
    ],
)
def test_claims_that_make_no_account_are_refused_unprinted(
    provider: Provider, tmp_path: Path, claims: Mapping[str, object]
) -> None:
    provider.put(account(), **claims)
    with pytest.raises(Rejected) as refused:
        signed_in(adapter(provider, tmp_path), provider, account().id)
    assert refused.value.reason == "unusable_claims"
    assert account().email.text not in str(refused.value)


def test_a_host_maps_claims_as_it_likes(provider: Provider, tmp_path: Path) -> None:
    def mapped(claims: Mapping[str, Any]) -> Account:
        if claims["email"].startswith("nobody"):
            raise ZeroDivisionError(claims["email"])
        return standard_claims({**claims, "sub": f"comptexpert-{claims['sub']}"})

    accounts = adapter(provider, tmp_path, account=mapped)
    made = signed_in(accounts, provider, account().id)
    assert made.id == f"comptexpert-{account().id}"
    assert accounts.account(id=made.id) == made
    provider.put(account(), email="nobody@example.org")
    with pytest.raises(Rejected) as refused:
        accounts.account(id=made.id)
    assert refused.value.reason == "unusable_claims"


def test_another_issuer_is_not_asked(provider: Provider, tmp_path: Path) -> None:
    accounts = adapter(provider, tmp_path, http=Http("https://elsewhere.example", serve=provider.app))
    with pytest.raises(Unavailable, match="another issuer"):
        accounts.sign_in()


def test_tokens_lie_sealed(provider: Provider, tmp_path: Path) -> None:
    accounts = adapter(provider, tmp_path)
    signed_in(accounts, provider, account().id)
    (file,) = tmp_path.iterdir()
    assert account().id.encode() not in file.read_bytes()
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(Rejected):
        accounts.account(id=account().id)


def test_a_claim_that_is_missing_is_named() -> None:
    with pytest.raises(InvalidInput, match="claim"):
        standard_claims({"sub": "s"})


def test_spoilt_answers_raise_port_errors_only(provider: Provider, tmp_path: Path) -> None:
    http = SpoiltHttp(ISSUER, serve=provider.app, seed=20261125)
    accounts = adapter(provider, tmp_path, http=http)
    signed_in(accounts, provider, account().id)
    begun = accounts.sign_in()
    http.spoiling = True
    raised = 0
    for number in range(10_000):
        accounts._metadata = None if number % 7 == 0 else accounts._metadata
        try:
            if number % 3:
                accounts.account(id=AccountId(account().id))
            else:
                accounts.signed_in(begun, state=begun.state, code="code")
        except PortError:
            raised += 1
    assert raised > 1_000
