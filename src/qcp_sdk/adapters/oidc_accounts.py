"""Accounts at an OpenID Connect provider: people sign in there, and it is asked who they are, now.

Authorization code with PKCE and nonce (OpenID Connect Core 1.0 § 3.1, RFC 7636); afterwards the refresh token, sealed,
asks the userinfo endpoint whenever the SDK wants to know. How claims become an account is for the host to say.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import tempfile
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import quote, urlencode

from attrs import field, frozen

from qcp_sdk.adapters.shared import sealed
from qcp_sdk.adapters.shared.fields import Fields
from qcp_sdk.adapters.shared.http import Answer, Http
from qcp_sdk.adapters.shared.probing import told_time
from qcp_sdk.adapters.shared.tokens import TokenRefused, Tokens
from qcp_sdk.errors import InvalidInput, PortError, Rejected, Unavailable
from qcp_sdk.people import LANGUAGES, Account, Cabinet
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.keys import Keys
from qcp_sdk.values import AccountId, CabinetId, EmailAddress, PersonName, PhoneNumber, Secret, utc

Claims: TypeAlias = Mapping[str, Any]
MakesAccount: TypeAlias = Callable[[Claims], Account]
SCOPE: Final = "openid profile email phone offline_access"
ALGORITHMS: Final = ("RS256", "ES256")
EARLY: Final = timedelta(seconds=30)
"""An access token is renewed this much before its end."""


@frozen(kw_only=True)
class SignIn:
    """A sign-in that has begun: send the browser to `url`, and keep the whole in its session until it comes back."""

    url: str
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)


def standard_claims(claims: Claims) -> Account:
    """Make an account of the standard claims (OpenID Connect Core § 5.1); its cabinets from a claim `cabinets`, a list
    of objects with `id` and `name`.

    An e-mail address or a number that the provider says is not verified is refused: codes go there.

    Raises:
        InvalidInput: A claim is missing or cannot be what it should be.
    """
    for name in ("email_verified", "phone_number_verified"):
        if claims.get(name) is False:
            raise InvalidInput("it is not verified at the provider", where=name.removesuffix("_verified"))
    language = str(claims.get("locale") or "fr")[:2].lower()
    try:
        return Account(
            id=AccountId(claims["sub"]),
            name=PersonName(given=claims["given_name"], last=claims["family_name"]),
            email=EmailAddress(claims["email"]),
            mobile=PhoneNumber(claims["phone_number"]),
            language=language if language in LANGUAGES else "fr",
            cabinets=tuple(
                Cabinet(id=CabinetId(str(one["id"])), name=str(one["name"])) for one in claims.get("cabinets") or ()
            ),
        )
    except (KeyError, TypeError) as error:
        raise InvalidInput("a claim is missing", where="claims", mend="ask for the scopes that give it") from error


class OidcAccounts:
    """Says who an account is by asking its OpenID provider. Needs the extra `jwt`.

    `http` is the issuer's address. `account` maps claims to an account. `remember` is a folder that all processes
    share: tokens lie there, sealed under a key derived from `keys`. Only who has signed in once is known.

    Raises:
        ConfigurationError: The extra is not installed, or something is missing.
    """

    def __init__(
        self,
        *,
        http: Http,
        issuer: str,
        client_id: str,
        client_secret: Secret,
        redirect_url: str,
        keys: Keys,
        clock: Clock,
        remember: Path,
        account: MakesAccount = standard_claims,
        scope: str = SCOPE,
    ) -> None:
        self._http, self._issuer, self._client_id = http, issuer, client_id
        basic = f"{quote(client_id, safe='')}:{quote(client_secret.reveal(), safe='')}".encode()
        self._headers = {"authorization": Secret(f"Basic {base64.b64encode(basic).decode()}")}
        self._redirect_url, self._scope, self._map = redirect_url, scope, account
        self._keys, self._clock, self._remember = keys, clock, remember
        self._tokens = Tokens(
            keys=http,
            path=lambda: self._place("jwks_uri"),
            issuer=issuer,
            audience=client_id,
            clock=clock,
            algorithms=ALGORITHMS,
            where="oidc",
        )
        self._metadata: Fields | None = None
        self._locks = tuple(threading.Lock() for _ in range(64))

    # Signing in.

    def sign_in(self) -> SignIn:
        """Begin a sign-in.

        Raises:
            Unavailable: The provider's metadata cannot be had.
        """
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        asked = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": self._redirect_url,
            "scope": self._scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        url = f"{self._about().text('authorization_endpoint')}?{urlencode(asked)}"
        return SignIn(url=url, state=state, nonce=nonce, verifier=verifier)

    def signed_in(self, begun: SignIn, *, state: str, code: str) -> Account:
        """End a sign-in with what the browser brings back; give who it is, and remember how to ask again.

        Raises:
            Rejected: `sign_in_refused`: another state, a code or token that does not hold; `unusable_claims`.
            Unavailable: The provider was not reached.
        """
        if not hmac.compare_digest(begun.state.encode(), state.encode(errors="replace")):
            raise _refused("its state is another sign-in's")
        told = self._granted(
            {
                "grant_type": "authorization_code",
                "code": Secret(code),
                "redirect_uri": self._redirect_url,
                "code_verifier": Secret(begun.verifier),
            }
        )
        try:
            claims = self._tokens.claims(told.text("id_token"))
        except TokenRefused as refused:
            raise _refused(refused.what) from None
        if claims.get("nonce") != begun.nonce or not isinstance(claims.get("sub"), str):
            raise _refused("its ID token is another sign-in's")
        token = told.text("access_token")
        account = self._mapped(None, self._asked(token, claims["sub"]))
        self._keep(account.id, claims["sub"], told)
        return account

    # The port.

    def account(self, *, id: AccountId) -> Account:
        """Give the account as the provider describes it now.

        Raises:
            Rejected: `unknown_account`: nobody signed in under this id, or the provider no longer knows the sign-in;
                `unusable_claims`.
            Unavailable: The provider was not reached.
        """
        return self._mapped(id, self.claims(id=id))

    def claims(self, *, id: AccountId) -> Claims:
        """Give all that the provider says of the account now: for what else a host reads there (`oidc_certificates`).

        Raises:
            Rejected, Unavailable: As `account`.
        """
        with self._locks[hash(id) % len(self._locks)]:
            kept = self._kept(id)
            if utc(datetime.fromisoformat(kept["until"])) <= self._clock.now():
                kept = self._renewed(id, kept)
            claims = self._asked(kept["access"], kept["sub"])
        self._mapped(id, claims)  # whoever else's they are, they are not told
        return claims

    def probe(self) -> datetime | None:
        """Fetch the provider's metadata, and give its time.

        Raises:
            Unavailable: It was not reached, or is another issuer.
        """
        self._metadata = None
        return told_time(self._about().answer)

    # The provider's side.

    def _about(self) -> Fields:
        if self._metadata is None:
            fields = Fields.of(self._http.ask("GET", "/.well-known/openid-configuration", acts=False))
            if fields.text("issuer") != self._issuer:
                raise fields.answer.unreadable("it names another issuer")
            self._metadata = fields
        return self._metadata

    def _place(self, name: str) -> str:
        """Give an endpoint's path below the issuer's address."""
        about = self._about()
        url, base = about.text(name), self._issuer.rstrip("/")
        if not url.startswith(base + "/"):
            raise about.answer.unreadable(f"`{name}` lies outside of the issuer's address")
        return url.removeprefix(base)

    def _granted(self, form: dict[str, str | Secret]) -> Fields:
        answer = self._http.ask(
            "POST", self._place("token_endpoint"), acts=True, form=form, headers=self._headers, explain=_grant_refused
        )
        return Fields.of(answer)

    def _asked(self, access: str, sub: str) -> Claims:
        answer = self._http.ask(
            "GET",
            self._place("userinfo_endpoint"),
            acts=False,
            headers={"authorization": Secret(f"Bearer {access}")},
            explain=_gone,
            quiet=True,
        )
        claims = Fields.of(answer)
        if claims.text("sub") != sub:  # OpenID Connect Core § 5.3.2
            raise Rejected("the provider's claims name another person", reason="unknown_account")
        return claims.members

    def _mapped(self, id: AccountId | None, claims: Claims) -> Account:
        """Make the account of claims, which has to be the one of this id where there is one."""
        try:
            account = self._map(claims)
        except Exception as error:  # noqa: BLE001
            # The host's own code: whatever it raises may hold claims.
            where = error.where if isinstance(error, InvalidInput) else ""
            raise Rejected(
                "the claims do not make an account",
                reason="unusable_claims",
                where=where,
                mend="check scopes and mapping",
            ) from None
        if id is not None and account.id != id:
            raise Rejected("the provider's claims name another account", reason="unknown_account")
        return account

    def _renewed(self, id: AccountId, kept: dict[str, str]) -> dict[str, str]:
        if not kept["refresh"]:
            raise _unknown()
        try:
            told = self._granted({"grant_type": "refresh_token", "refresh_token": Secret(kept["refresh"])})
        except Rejected:
            raise _unknown() from None
        return self._keep(id, kept["sub"], told, refresh=kept["refresh"])

    # What is remembered.

    def _keep(self, id: AccountId, sub: str, told: Fields, *, refresh: str = "") -> dict[str, str]:
        seconds = told.whole("expires_in", 300)
        if not 0 <= seconds < 10**8:
            raise told.answer.unreadable("`expires_in` makes no sense")
        until = self._clock.now() + timedelta(seconds=min(seconds, 86_400)) - EARLY
        kept = {
            "sub": sub,
            "access": told.text("access_token"),
            "refresh": told.text("refresh_token", refresh),
            "until": until.isoformat(),
        }
        content = sealed.seal(self._sealing(), f"oidc/{id}", json.dumps(kept).encode())
        try:
            self._remember.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._remember, prefix=".new-", delete=False) as file:
                file.write(content)
            Path(file.name).replace(self._file(id))
        except OSError as error:
            raise Unavailable("the tokens cannot be written", where="oidc", mend="check the folder") from error
        return kept

    def _kept(self, id: AccountId) -> dict[str, str]:
        try:
            content = self._file(id).read_bytes()
        except FileNotFoundError:
            raise _unknown() from None
        except OSError as error:
            raise Unavailable("the tokens cannot be read", where="oidc", mend="check the folder") from error
        kept: dict[str, str] = json.loads(sealed.unseal(self._sealing(), f"oidc/{id}", content))
        return kept

    def _file(self, id: AccountId) -> Path:
        return self._remember / hashlib.sha256(id.encode(errors="surrogatepass")).hexdigest()

    def _sealing(self) -> bytes:
        return self._keys.derive(purpose="oidc")


def _refused(what: str) -> Rejected:
    return Rejected(what, reason="sign_in_refused", mend="let the person sign in again")


def _unknown() -> Rejected:
    return Rejected("nobody is signed in under this id", reason="unknown_account", mend="let the person sign in")


def _grant_refused(answer: Answer) -> PortError | None:
    return _refused("the provider refuses the grant") if answer.status == 400 else None


def _gone(answer: Answer) -> PortError | None:
    # RFC 6750 § 3.1 says 401 for a token that does not hold; authlib's providers say 400.
    return _unknown() if answer.status in {400, 401} else None
