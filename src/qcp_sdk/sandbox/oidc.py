"""An OpenID provider, played: the platform where people have their accounts (in the guide, ComptExpert).

Authorization code with PKCE (RFC 7636), client authentication, rotating refresh tokens where asked for, revocation
(RFC 7009); ID tokens by RS256. `script`: `{"person": {"sub": …, …}}` is what userinfo says of somebody from now on;
`{"sign_out": sub}` revokes all that was granted; `{"rotate": true}`: a refresh token is good once, and who uses it
twice is signed out everywhere (RFC 9700 § 4.14.2).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from html import escape
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import unquote_plus, urlencode

from attrs import define, field

from qcp_sdk.sandbox.jose import JoseKey
from qcp_sdk.sandbox.wsgi import Answer, Failed, Provider, Request, answer_html, answer_json, route, web_origin

CLIENT: Final = "sandbox-client"
SECRET: Final = "sandbox client's secret"  # noqa: S105  # a sandbox's secrets are known to everybody
CODE_LIFE: Final = timedelta(minutes=1)
ACCESS_LIFE: Final = timedelta(minutes=5)


@define(kw_only=True)
class Grant:
    """One sign-in, and what has been given out for it."""

    sub: str
    scope: str
    redirect_uri: str
    nonce: str
    challenge: str
    code_until: datetime
    auth_time: int
    used: bool = False
    access: dict[str, datetime] = field(factory=dict, repr=False)
    refresh: str = field(default="", repr=False)
    spent: set[str] = field(factory=set, repr=False)


class OidcSandbox(Provider):
    """Plays the provider, for one client."""

    def reset(self) -> None:
        """Forget everybody, and the key."""
        super().reset()
        self.people: dict[str, dict[str, Any]] = {}
        self.grants: dict[str, Grant] = {}
        self.rotate = False
        self._drawn = 0
        self.key = JoseKey("RS256")

    @route("GET", "/.well-known/openid-configuration")
    def metadata(self, request: Request) -> Answer:
        """Say where everything is (OpenID Connect Discovery § 4)."""
        base = request.base_url
        return answer_json(
            {
                "issuer": base,
                "authorization_endpoint": f"{base}/authorize",
                "token_endpoint": f"{base}/token",
                "userinfo_endpoint": f"{base}/userinfo",
                "jwks_uri": f"{base}/jwks.json",
                "revocation_endpoint": f"{base}/revoke",
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code", "refresh_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
                "code_challenge_methods_supported": ["S256"],
                "scopes_supported": ["openid", "profile", "email", "phone", "offline_access"],
            }
        )

    @route("GET", "/jwks.json")
    def jwks(self, request: Request) -> Answer:  # noqa: ARG002
        """Give the public key."""
        return answer_json({"keys": [self.key.public]})

    @route("GET", "/authorize")
    def sign_in_page(self, request: Request) -> Answer:
        """Show who may sign in: one button each."""
        self._asked(request)
        action = escape(f"{request.base_url}/authorize?{urlencode(request.query)}")
        buttons = "".join(
            f'<p><button name="sub" value="{escape(sub)}">{escape(str(claims.get("name") or sub))}</button></p>'
            for sub, claims in self.people.items()
        )
        return answer_html(
            '<!doctype html><html lang="fr"><meta charset="utf-8"><title>Connexion (bac à sable / sandbox)</title>'
            f"<main><h1>Se connecter / Sign in</h1><form method='post' action=\"{action}\">{buttons}"
            '<p><button name="deny" value="1">Refuser / Refuse</button></p></form></main>',
            leads_to=request.query["redirect_uri"],
        )

    @route("POST", "/authorize")
    def signed_in(self, request: Request) -> Answer:
        """Send the browser back with a code, or with `access_denied`."""
        asked = self._asked(request)
        form = request.form()
        back: dict[str, str] = {"state": asked["state"]} if "state" in asked else {}
        if form.get("deny"):
            back["error"] = "access_denied"
        elif form.get("sub") not in self.people:
            raise Failed(HTTPStatus.BAD_REQUEST, "nobody of this name", word="invalid_request")
        else:
            back["code"] = self._draw("code")
            now = self.clock.now()
            self.grants[back["code"]] = Grant(
                sub=form["sub"],
                scope=asked["scope"],
                redirect_uri=asked["redirect_uri"],
                nonce=asked.get("nonce", ""),
                challenge=asked.get("code_challenge", ""),
                code_until=now + CODE_LIFE,
                auth_time=int(now.timestamp()),
            )
        joint = "&" if "?" in asked["redirect_uri"] else "?"
        target = f"{asked['redirect_uri']}{joint}{urlencode(back)}"
        return Answer(status=HTTPStatus.SEE_OTHER, headers=(("Location", target), ("Cache-Control", "no-store")))

    @route("POST", "/token")
    def token(self, request: Request) -> Answer:
        """Exchange a code, or a refresh token (RFC 6749 § 4.1.3, § 6)."""
        form = request.form()
        self._client(request, form)
        if form.get("grant_type") == "authorization_code":
            grant = self._exchanged(form)
        elif form.get("grant_type") == "refresh_token":
            grant = self._refreshed(form.get("refresh_token", ""))
        else:
            raise Failed(HTTPStatus.BAD_REQUEST, "another grant type", word="unsupported_grant_type")
        access, now = self._draw("access"), self.clock.now()
        grant.access[access] = now + ACCESS_LIFE
        told: dict[str, Any] = {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": int(ACCESS_LIFE.total_seconds()),
            "scope": grant.scope,
            "id_token": self._id_token(request.base_url, grant),
        }
        if "offline_access" in grant.scope.split():
            if not grant.refresh or self.rotate:
                grant.spent |= {grant.refresh} if grant.refresh else set()
                grant.refresh = self._draw("refresh")
            told["refresh_token"] = grant.refresh
        return answer_json(told, headers=(("Cache-Control", "no-store"),))

    @route("GET", "/userinfo")
    @route("POST", "/userinfo")
    def userinfo(self, request: Request) -> Answer:
        """Say who an access token is about (OpenID Connect Core § 5.3)."""
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        now = self.clock.now()
        for grant in self.grants.values():
            if kind == "Bearer" and grant.access.get(token, now) > now and grant.sub in self.people:
                return answer_json({**self.people[grant.sub], "sub": grant.sub})
        wanted = (("WWW-Authenticate", 'Bearer error="invalid_token"'),)
        raise Failed(HTTPStatus.UNAUTHORIZED, "no such access", word="invalid_token", headers=wanted)

    @route("POST", "/revoke")
    def revoke(self, request: Request) -> Answer:
        """Revoke a token, and with a refresh token all that came of it; one that is unknown is no error (RFC 7009)."""
        form = request.form()
        self._client(request, form)
        token = form.get("token", "")
        for code, grant in list(self.grants.items()):
            if token and token in {grant.refresh, *grant.spent}:
                del self.grants[code]
            else:
                grant.access.pop(token, None)
        return Answer()

    def script(self, told: Mapping[str, Any]) -> object:
        """Do what the control API asks."""
        self.rotate = bool(told.get("rotate", self.rotate))
        if "person" in told:
            claims = told["person"]
            if not isinstance(claims, Mapping) or not isinstance(claims.get("sub"), str) or not claims["sub"]:
                raise Failed(HTTPStatus.BAD_REQUEST, "a person is an object with `sub`")
            self.people[claims["sub"]] = dict(claims)
        if "sign_out" in told:
            self._sign_out(str(told["sign_out"]))
        return list(self.people)

    def state(self) -> object:
        """Say who there is, by id, and how many sign-ins hold."""
        return {"people": list(self.people), "sign_ins": sum(one.used for one in self.grants.values())}

    def failed(self, failure: Failed) -> Answer:
        """Say a failure as OAuth does (RFC 6749 § 5.2)."""
        told = {"error": failure.word or "invalid_request", "error_description": failure.message}
        return answer_json(told, failure.status, failure.headers)

    # Inside.

    def _asked(self, request: Request) -> dict[str, str]:
        """Read an authorization request; what is wrong with it is said here, and not to an address it names."""
        asked = dict(request.query)
        wrong = {
            "client_id": asked.get("client_id") != CLIENT,
            "redirect_uri": not web_origin(asked.get("redirect_uri", "")),
            "response_type": asked.get("response_type") != "code",
            "scope": "openid" not in asked.get("scope", "").split(),
            "code_challenge_method": "code_challenge" in asked and asked.get("code_challenge_method") != "S256",
        }
        for name, is_wrong in wrong.items():
            if is_wrong:
                raise Failed(HTTPStatus.BAD_REQUEST, f"{name} cannot be used", word="invalid_request")
        return asked

    def _client(self, request: Request, form: Mapping[str, str]) -> None:
        kind, _, text = request.headers.get("authorization", "").partition(" ")
        if kind == "Basic":
            try:
                name, _, secret = base64.b64decode(text, validate=True).decode().partition(":")
            except ValueError:
                name = secret = ""
            name, secret = unquote_plus(name), unquote_plus(secret)  # RFC 6749 § 2.3.1
        else:
            name, secret = form.get("client_id", ""), form.get("client_secret", "")
        if (name, secret) != (CLIENT, SECRET):
            wanted = (("WWW-Authenticate", "Basic"),)
            raise Failed(HTTPStatus.UNAUTHORIZED, "not our client", word="invalid_client", headers=wanted)

    def _exchanged(self, form: Mapping[str, str]) -> Grant:
        code = form.get("code", "")
        grant = self.grants.get(code)
        if grant is not None and grant.used:
            # RFC 6749 § 4.1.2: a code that comes twice was stolen once.
            del self.grants[code]
            grant = None
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        proven = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            grant is None
            or self.clock.now() >= grant.code_until
            or form.get("redirect_uri") != grant.redirect_uri
            or (grant.challenge and proven != grant.challenge)
        ):
            raise Failed(HTTPStatus.BAD_REQUEST, "no such code", word="invalid_grant")
        grant.used = True
        return grant

    def _refreshed(self, token: str) -> Grant:
        for grant in list(self.grants.values()):
            if token and token in grant.spent:
                self._sign_out(grant.sub)
            elif token and token == grant.refresh:
                return grant
        raise Failed(HTTPStatus.BAD_REQUEST, "no such refresh token", word="invalid_grant")

    def _sign_out(self, sub: str) -> None:
        self.grants = {code: grant for code, grant in self.grants.items() if grant.sub != sub}

    def _id_token(self, issuer: str, grant: Grant) -> str:
        now = int(self.clock.now().timestamp())
        claims = {
            "iss": issuer,
            "aud": CLIENT,
            "sub": grant.sub,
            "iat": now,
            "exp": now + 300,
            "auth_time": grant.auth_time,
            **({"nonce": grant.nonce} if grant.nonce else {}),
        }
        return self.key.jwt(claims)

    def _draw(self, what: str) -> str:
        self._drawn += 1
        return f"{what}-{hashlib.sha256(f'{what}/{self._drawn}'.encode()).hexdigest()[:32]}"
