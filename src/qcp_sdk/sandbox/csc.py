"""A remote signing service that speaks the CSC API, v1.0.4 and v2 (with v2.2's creation of credentials).

Strict where the specification is, with real keys and certificates. What was never said by a live service is said so
in docs/csc.md. Paths may begin with `/csc` or not, so that it can be mounted there.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec

from qcp_sdk.adapters.shared.keystore import sign_digest
from qcp_sdk.ports.clock import Clock
from qcp_sdk.sandbox.csc_login import CscLogin
from qcp_sdk.sandbox.csc_oauth import CscOAuth
from qcp_sdk.sandbox.csc_parameters import (
    METHODS,
    SPECS,
    bearer,
    country,
    in_base64,
    known_version,
    members,
    octets,
    text,
    whole,
)
from qcp_sdk.sandbox.csc_state import (
    AccessToken,
    AuthorizationCode,
    CscRules,
    Grant,
    Pending,
    SandboxCredential,
    SentCode,
    refusal,
)
from qcp_sdk.sandbox.pki import SandboxPki
from qcp_sdk.sandbox.pki_published import PublishedPki
from qcp_sdk.sandbox.wsgi import Answer, Failed, Post, Request, answer_json, route
from qcp_sdk.values import Secret

SHA256: Final = "2.16.840.1.101.3.4.2.1"
QCP_N: Final = "0.4.0.194112.1.0"
_RSA: Final = ("1.2.840.113549.1.1.11", "1.2.840.113549.1.1.1")
_ECDSA: Final = ("1.2.840.10045.4.3.2",)
_IMPLIES_HASH: Final = frozenset({"1.2.840.113549.1.1.11", "1.2.840.10045.4.3.2"})
_PAGE: Final = 50
_NEVER: Final = datetime.max.replace(tzinfo=UTC)


class CscSandbox(CscLogin, CscOAuth, PublishedPki):
    """Plays the service. `rules` say how it behaves, `sent` what went to mobiles, `counts` what was asked, by method.

    `clients` may get access tokens, by id and secret; `users` too, by name and password, for what is theirs.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        post: Post | None = None,
        rules: CscRules | None = None,
        clients: Mapping[str, Secret] | None = None,
        users: Mapping[str, Secret] | None = None,
    ) -> None:
        self._given = rules or CscRules()
        self.clients = dict(clients or {"qcp-sdk": Secret("sandbox")})
        self.users = dict(users or {"jessica": Secret("sandbox")})
        super().__init__(clock=clock, post=post)

    def reset(self) -> None:
        """Forget everything: keys, certificates, codes, tokens, and how it was told to behave."""
        super().reset()
        self.rules = CscRules(**{name: getattr(self._given, name) for name in CscRules.__slots__ if name[0] != "_"})
        self.pki = SandboxPki(clock=self.clock, key_type=self.rules.key_type)
        self.counts: Counter[str] = Counter()
        self.sent: list[SentCode] = []
        self.credentials: dict[str, SandboxCredential] = {}
        self.grants: dict[str, Grant] = {}
        self.pending: dict[str, Pending] = {}
        self.responses: dict[str, tuple[datetime, list[str]]] = {}
        self.tokens: dict[str, AccessToken] = {}
        self.refreshes: dict[str, AccessToken] = {}
        self.codes: dict[str, AuthorizationCode] = {}
        self.refusals: list[str] = []

    # What a test, a demonstration or the control API does.

    def enrol(
        self,
        *,
        given: str,
        last: str,
        mobile: str,
        email: str = "",
        country: str = "FR",
        user: str = "",
        pin: Secret | None = None,
        mode: str = "explicit",
    ) -> SandboxCredential:
        """Make a key and a certificate for a person, as if they had been here before."""
        with self.lock:
            made = SandboxCredential(
                id=f"csc-{secrets.token_hex(6)}",
                held=self.pki.holder(given=given, last=last, email=email, country=country),
                mobile=mobile,
                email=email,
                user=user,
                pin=pin,
                mode=mode,
                ready_at=self.clock.now(),
            )
            self.credentials[made.id] = made
            return made

    def disable(self, credential: str) -> None:
        """Let a credential sign nothing any more; its certificate is revoked."""
        with self.lock:
            self.credentials[credential].disabled = True
            self.pki.revoke(self.credentials[credential].held)

    def refuse_next(self, reason: str = "access_denied") -> None:
        """Refuse the next request for a credential, with this word."""
        with self.lock:
            self.refusals.append(reason)

    def latest(self, mobile: str) -> Secret:
        """Give the newest code that went to this mobile."""
        with self.lock:
            return next(sent.code for sent in reversed(self.sent) if sent.mobile == mobile)

    def state(self) -> object:
        """Give what the control page shows: what holders received too, or nobody could go on by hand."""
        with self.lock:
            return {
                "credentials": [
                    {"id": one.id, "subject": one.held.subject, "disabled": one.disabled}
                    for one in self.credentials.values()
                ],
                "pending": [handle for handle, one in self.pending.items() if not one.sad],
                "codes": [
                    {"mobile": one.mobile, "code": one.code.reveal(), "at": one.at.isoformat()} for one in self.sent
                ],
                "calls": dict(self.counts),
            }

    def script(self, told: Mapping[str, Any]) -> object:
        """Do what the control API asks.

        `enrol` {given, last, mobile, email?, user?, pin?, mode?}, `disable` id, `refuse_next` word, `rules` {name:
        value; durations in seconds}; `agree` handle and `issue` id end a wait, whatever the pace.

        Raises:
            Failed: There is no such thing, or it makes no sense.
        """
        try:
            with self.lock:
                for what, value in told.items():
                    match what:
                        case "enrol":
                            pin = Secret(str(value["pin"])) if value.get("pin") else None
                            named = {name: str(text) for name, text in value.items() if name != "pin"}
                            return {"credentialID": self.enrol(**named, pin=pin).id}
                        case "disable":
                            self.disable(value)
                        case "agree":
                            self.pending[value].due = self.clock.now()
                        case "issue":
                            self.credentials[value].ready_at = self.clock.now()
                        case "refuse_next":
                            self.refuse_next(str(value))
                        case "rules":
                            self._ruled(value)
                        case _:
                            raise Failed(HTTPStatus.NOT_FOUND, f"nothing is called `{what}` here")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Failed(HTTPStatus.BAD_REQUEST, "it makes no sense here") from error
        return {}

    def _ruled(self, told: Mapping[str, Any]) -> None:
        for name, value in told.items():
            now = getattr(self.rules, name)
            if isinstance(now, timedelta) or name == "agrees_after":
                value = None if value is None else timedelta(seconds=float(value))
            elif type(value) is not type(now):
                raise TypeError(name)
            setattr(self.rules, name, value)

    # The API.

    def answer(self, request: Request) -> Answer:
        """Answer a request, wherever this is mounted."""
        path = request.path.removeprefix("/csc")
        with self.lock:
            self.counts[path.strip("/").partition("/")[2]] += 1
        return super().answer(
            Request(
                method=request.method,
                path=path,
                query=request.query,
                headers=request.headers,
                body=request.body,
                base_url=request.base_url,
                source=request.source,
            )
        )

    def failed(self, failure: Failed) -> Answer:
        """Say a failure as the API does (1.0.4.0 § 10.1)."""
        word = failure.word or ("server_error" if failure.status >= 500 else "invalid_request")
        return answer_json({"error": word, "error_description": failure.message}, failure.status, failure.headers)

    @route("POST", "/{version}/info")
    def info(self, request: Request, version: str) -> Answer:
        """Say what the service is."""
        told: dict[str, object] = {
            "specs": SPECS[known_version(version)],
            "name": "QCP SDK sandbox (TEST)",
            "logo": f"{request.base_url}/logo.png",
            "region": "FR",
            "lang": "en-US",
            "description": "A remote signing service for tests. Nothing that it signs is worth anything.",
            "authType": ["basic", "oauth2client", "oauth2code"] if self.rules.login else ["external"],
            "methods": list(METHODS[version]),
        }
        if self.rules.login:
            told["oauth2" if version == "v1" else "oauth2Issuer"] = request.base_url
        if version == "v2":
            told["asynchronousOperationMode"] = True
            told["signAlgorithms"] = {"algos": list(_RSA + _ECDSA)}
            told["signature_formats"] = {"formats": [], "envelope_properties": []}
            told["conformance_levels"] = []
        return answer_json(told)

    @route("POST", "/{version}/credentials/list")
    def credentials_list(self, request: Request, version: str) -> Answer:
        """Give the ids of credentials, fifty a page."""
        asked = self._asked(request, version)
        user, mine_only = text(asked, "userID", ""), self._user(request)
        if user and mine_only:  # 1.0.4.0 § 11.4
            raise refusal("userID parameter MUST be null")
        user = mine_only or user
        mine = [one.id for one in self.credentials.values() if not user or one.user == user]
        start = whole(asked, "pageToken") if asked.get("pageToken") else 0
        size = min(whole(asked, "maxResults") if asked.get("maxResults") is not None else _PAGE, _PAGE)
        if size < 1:
            raise refusal("Invalid parameter maxResults")
        told: dict[str, object] = {"credentialIDs": mine[start : start + size]}
        if start + size < len(mine):
            told["nextPageToken"] = str(start + size)
        return answer_json(told)

    @route("POST", "/{version}/credentials/info")
    def credentials_info(self, request: Request, version: str) -> Answer:
        """Say what a credential is."""
        asked = self._asked(request, version)
        return answer_json(self._described(self._credential(asked), asked, version))

    @route("POST", "/v1/credentials/sendOTP")
    def send_otp(self, request: Request) -> Answer:
        """Send a code to the holder."""
        self._send_code(self._credential(self._asked(request, "v1")))
        return Answer(status=HTTPStatus.NO_CONTENT)

    @route("POST", "/v2/credentials/getChallenge")
    def get_challenge(self, request: Request) -> Answer:
        """Send a code to the holder: the challenge is out of band, so there is nothing to answer."""
        asked = self._asked(request, "v2")
        if text(asked, "authObjectID") != "OTP":
            raise refusal("Invalid parameter authObjectID")
        self._send_code(self._credential(asked))
        return Answer(status=HTTPStatus.NO_CONTENT)

    @route("POST", "/{version}/credentials/authorize")
    def authorize(self, request: Request, version: str) -> Answer:
        """Check what the holder entered, and give activation data; or, in v2, a handle to wait with."""
        asked = self._asked(request, version)
        credential = self._usable(self._credential(asked))
        if credential.mode == "oauth2code":
            raise refusal("The credential is authorized with OAuth 2.0", word="unauthorized_client")
        count = whole(asked, "numSignatures")
        digests = self._digests(asked, version, required=self.rules.pinned)
        if not 1 <= count <= self.rules.multisign:
            raise refusal("Numbers of signatures is too high" if count > 0 else "Invalid parameter numSignatures")
        if digests is not None and len(digests) > count:
            raise refusal("Numbers of signatures is too high")
        credential.check(_entered(asked, version), self.clock.now(), version=version)
        grant = Grant(
            credential=credential.id,
            left=count,
            digests=frozenset(digests) if digests is not None else None,
            ends=self.clock.now() + self.rules.sad_lifetime,
        )
        after = self._after(self.rules.agrees_after)
        if version == "v2" and after != timedelta(0):
            handle = secrets.token_urlsafe(18)
            due = None if after is None else self.clock.now() + after
            self.pending[handle] = Pending(grant=grant, due=due)
            return answer_json({"handle": handle}, HTTPStatus.ACCEPTED)
        return self._granted(grant)

    @route("POST", "/v2/credentials/authorizeCheck")
    def authorize_check(self, request: Request) -> Answer:
        """Say whether the holder has agreed."""
        pending = self.pending.get(handle := text(self._asked(request, "v2"), "handle"))
        if pending is None:
            raise refusal("Invalid parameter handle")
        if pending.due is None or self.clock.now() < pending.due:
            return answer_json({"handle": handle}, HTTPStatus.ACCEPTED)
        if not pending.sad:
            pending.grant.ends = self.clock.now() + self.rules.sad_lifetime
            pending.sad = self._new_sad(pending.grant)
        return self._sad_answer(pending.sad)

    @route("POST", "/{version}/credentials/extendTransaction")
    def extend_transaction(self, request: Request, version: str) -> Answer:
        """Give new activation data for what is left of an authorization."""
        asked = self._asked(request, version)
        credential = self._usable(self._credential(asked))
        sad, grant = self._grant(asked, credential)
        digests = self._digests(asked, version, required=grant.digests is not None)
        if grant.left < 1 or (digests is not None and len(digests) > grant.left):
            raise refusal("Numbers of signatures is too high")
        del self.grants[sad]
        grant.used, grant.ends = False, self.clock.now() + self.rules.sad_lifetime
        grant.digests = frozenset(digests) if digests is not None else None
        return self._granted(grant)

    @route("POST", "/{version}/signatures/signHash")
    def sign_hash(self, request: Request, version: str) -> Answer:
        """Sign what was authorised."""
        asked = self._asked(request, version)
        credential = self._usable(self._credential(asked))
        token = bearer(request)
        if "SAD" not in asked and token in self.grants:
            asked["SAD"] = token  # an access token of scope `credential`
        sad, grant = self._grant(asked, credential)
        digests = self._digests(asked, version, required=True, everywhere=False)
        assert digests is not None
        algorithm = text(asked, "signAlgo")
        if algorithm not in _algorithms(credential):
            raise refusal("Invalid parameter signAlgo")
        named = text(asked, "hashAlgo" if version == "v1" else "hashAlgorithmOID", "")
        if named != SHA256 and (named or algorithm not in _IMPLIES_HASH):
            raise refusal("Invalid parameter hashAlgo")
        if grant.used:
            raise refusal("SAD expired")
        if self.rules.per_call and len(digests) > self.rules.per_call:
            raise refusal("Too many hashes in one call")
        if len(digests) > grant.left:
            raise refusal("Numbers of signatures is too high")
        if grant.digests is not None and not set(digests) <= grant.digests:
            raise refusal("Hash is not authorized by the SAD.")
        grant.used, grant.left = True, grant.left - len(digests)
        if not grant.left:
            del self.grants[sad]
        signatures = [in_base64(sign_digest(credential.held.key, digest)) for digest in digests]
        if version == "v2" and asked.get("operationMode") == "A":
            response = secrets.token_urlsafe(12)
            after = self._after(self.rules.agrees_after)
            self.responses[response] = self.clock.now() + (after or timedelta(0)), signatures
            return answer_json({"responseID": response})
        return answer_json({"signatures": signatures})

    @route("POST", "/v2/signatures/signPolling")
    def sign_polling(self, request: Request) -> Answer:
        """Give the signatures of an asynchronous request, once they are there."""
        response = self.responses.get(text(self._asked(request, "v2"), "requestID"))
        if response is None:
            raise refusal("Invalid parameter requestID")
        if self.clock.now() < response[0]:
            raise refusal("The previous async request is not completed", word="accepted_request", status=202)
        return answer_json({"signatures": response[1]})

    @route("POST", "/{version}/signatures/timestamp")
    def timestamp(self, request: Request, version: str) -> Answer:
        """Give a timestamp."""
        asked = self._asked(request, version)
        digest = octets(text(asked, "hash"), "hash")
        if text(asked, "hashAlgo") != SHA256:
            raise refusal("Invalid parameter hashAlgo")
        if len(digest) != 32:
            raise refusal("Invalid digest value length")
        try:
            nonce = int(text(asked, "nonce"), 16) if asked.get("nonce") is not None else None
        except ValueError as error:
            raise refusal("Invalid parameter nonce") from error
        return answer_json({"timestamp": in_base64(self.pki.timestamp(digest, nonce=nonce))})

    @route("POST", "/v2/credentials/create")
    def create(self, request: Request) -> Answer:
        """Make a key and a certificate (v2.2 § 11.4)."""
        asked = self._asked(request, "v2", scope="credential-creation")
        wanted = members(asked, "credentialCreationRequest")
        if text(wanted, "certificatePolicy") != QCP_N:
            raise refusal("Invalid parameter certificatePolicy")
        subject = members(wanted, "subjectData")
        if self.refusals:
            raise refusal("The request is refused, as scripted", word=self.refusals.pop(0))
        contact = dict(part.split("=", 1) for part in text(asked, "clientData", "").split(";") if "=" in part)
        try:
            made = self.enrol(
                given=text(subject, "givenName"),
                last=text(subject, "surname"),
                country=country(text(subject, "issuingCountry")),
                mobile=contact.get("mobile", ""),
                email=contact.get("email", ""),
                user=contact.get("user", ""),
            )
        except ValueError as error:  # what X.509 cannot hold
            raise refusal("Invalid object parameter subjectData") from error
        after = self._after(self.rules.issued_after)
        made.ready_at = _NEVER if after is None else self.clock.now() + after
        told: dict[str, object] = {"credentialID": made.id}
        if asked.get("credentialInfo"):
            told["credentialInfo"] = self._described(made, asked, "v2")
        return answer_json(told, HTTPStatus.CREATED)

    @route("POST", "/v2/credentials/delete")
    def delete(self, request: Request) -> Answer:
        """Destroy a key, which revokes its certificate (v2.2 § 11.5)."""
        asked = self._asked(request, "v2", scope="credential-deletion")
        gone = self.credentials.pop(self._credential(asked).id)
        self.pki.revoke(gone.held)
        return Answer(status=HTTPStatus.NO_CONTENT)

    # What they have in common.

    def _after(self, usual: timedelta | None) -> timedelta | None:
        """Give how long something takes at this pace; what takes no time takes none at any pace."""
        return self.wait(usual) if usual else usual

    def _asked(self, request: Request, version: str, *, scope: str = "service") -> dict[str, Any]:
        known_version(version)
        if self.rules.login:
            token = self.tokens.get(bearer(request))
            if token is None or self.clock.now() >= token.ends:
                raise refusal("The access token is unknown or has expired", word="invalid_token", status=401)
            if scope not in token.scope.split() and token.scope != "credential":
                raise refusal("The access token does not allow this", word="invalid_scope", status=403)
        return request.json()

    def _user(self, request: Request) -> str:
        token = self.tokens.get(bearer(request))
        return token.user if token is not None else ""

    def _credential(self, asked: Mapping[str, Any]) -> SandboxCredential:
        found = self.credentials.get(text(asked, "credentialID"))
        if found is None:
            raise refusal("Invalid parameter credentialID")
        return found

    def _usable(self, credential: SandboxCredential) -> SandboxCredential:
        if credential.disabled or self.clock.now() < credential.ready_at:
            raise refusal("The credential identified by credentialID is disabled")
        if self.clock.now() > credential.held.not_after:
            raise refusal(f"Signing certificate '{credential.held.subject}' is expired.")
        return credential

    def _send_code(self, credential: SandboxCredential) -> None:
        self._usable(credential)
        if credential.mode != "explicit":
            raise refusal("The credential is not authorized with an online OTP")
        code = credential.new_code(self.clock.now(), self.rules.code_lifetime)
        self.sent.append(SentCode(mobile=credential.mobile, code=code, at=self.clock.now()))

    def _described(self, credential: SandboxCredential, asked: Mapping[str, Any], version: str) -> dict[str, Any]:
        held, now = credential.held, self.clock.now()
        elliptic = isinstance(held.key, ec.EllipticCurvePrivateKey)
        ready = now >= credential.ready_at
        status = "revoked" if credential.disabled else "expired" if now > held.not_after else "valid"
        cert: dict[str, Any] = {"status": status} if ready else {}
        which = text(asked, "certificates", "single")
        if which not in ("none", "single", "chain"):
            raise refusal("Invalid parameter certificates")
        if ready and which != "none":
            cert["certificates"] = [in_base64(one) for one in (held.chain if which == "chain" else held.chain[:1])]
        if ready and asked.get("certInfo"):
            cert |= {
                "issuerDN": held.issuer,
                "subjectDN": held.subject,
                "serialNumber": f"{held.serial:X}",
                "validFrom": f"{held.not_before:%Y%m%d%H%M%SZ}",
                "validTo": f"{held.not_after:%Y%m%d%H%M%SZ}",
            }
        key: dict[str, Any] = {
            "status": "disabled" if credential.disabled else "enabled",
            "algo": list(_algorithms(credential)),
            "len": held.key.key_size,
        }
        if elliptic:
            key["curve"] = "1.2.840.10045.3.1.7"
        told: dict[str, Any] = {"key": key, "cert": cert, "multisign": self.rules.multisign, "lang": "en-US"}
        return told | {"SCAL": "2" if self.rules.pinned else "1"} | _authentication(credential, version)

    def _digests(
        self, asked: Mapping[str, Any], version: str, *, required: bool, everywhere: bool = True
    ) -> list[bytes] | None:
        name, algorithm = ("hash", "hashAlgo") if version == "v1" else ("hashes", "hashAlgorithmOID")
        told = asked.get(name)
        if told is None and not required:
            return None
        if not isinstance(told, list):
            raise refusal(f"Missing (or invalid type) array parameter {name}")
        if not told:
            raise refusal("Empty hash array")
        digests = [octets(one, name) for one in told]
        if any(len(digest) != 32 for digest in digests):
            raise refusal("Invalid digest value length")
        if version == "v2" and everywhere and text(asked, algorithm) != SHA256:
            raise refusal(f"Invalid parameter {algorithm}")
        return digests

    def _grant(self, asked: Mapping[str, Any], credential: SandboxCredential) -> tuple[str, Grant]:
        grant = self.grants.get(sad := text(asked, "SAD"))
        if grant is None or grant.credential != credential.id:
            raise refusal("Invalid parameter SAD")
        if self.clock.now() >= grant.ends:
            raise refusal("SAD expired")
        return sad, grant

    def _new_sad(self, grant: Grant) -> str:
        sad = secrets.token_urlsafe(24)
        self.grants[sad] = grant
        return sad

    def _granted(self, grant: Grant) -> Answer:
        return self._sad_answer(self._new_sad(grant))

    def _sad_answer(self, sad: str) -> Answer:
        return answer_json({"SAD": sad, "expiresIn": int(self.rules.sad_lifetime.total_seconds())})


def _algorithms(credential: SandboxCredential) -> tuple[str, ...]:
    return _ECDSA if isinstance(credential.held.key, ec.EllipticCurvePrivateKey) else _RSA


def _entered(asked: Mapping[str, Any], version: str) -> dict[str, str]:
    if version == "v1":
        return {name: text(asked, name, "") for name in ("PIN", "OTP")}
    told = asked.get("authData", [])
    if not isinstance(told, list) or not all(isinstance(one, dict) for one in told):
        raise refusal("Missing (or invalid type) array parameter authData")
    return {text(one, "id"): text(one, "value", "") for one in told}


def _authentication(credential: SandboxCredential, version: str) -> dict[str, Any]:
    label = {"label": "Mobile code", "description": f"The code sent to {credential.masked}"}
    if version == "v1":
        otp = {"presence": "true", "type": "online", "format": "N", "ID": "OTP", "provider": "sandbox", **label}
        return {
            "authMode": credential.mode,
            "PIN": {"presence": "true", "format": "N", "label": "PIN"} if credential.pin else {"presence": "false"},
            "OTP": otp if credential.mode == "explicit" else {"presence": "false"},
        }
    objects = [{"type": "Password", "id": "PIN", "format": "N", "label": "PIN"}] if credential.pin else []
    if credential.mode == "explicit":
        objects.append({"type": "ChallengeResponseOOB", "id": "OTP", "format": "N", **label})
    mode = "oauth2code" if credential.mode == "oauth2code" else "explicit"
    return {"auth": {"mode": mode, "expression": " AND ".join(one["id"] for one in objects), "objects": objects}}
