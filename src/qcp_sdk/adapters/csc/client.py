"""A client of the Cloud Signature Consortium's API, v1.0.4 and v2 (with v2.2's creation of credentials).

One method of ours a method of theirs, typed, bounded and silent about secrets. It keeps nothing and retries nothing
but one thing: a call whose access token was refused is sent again with a new one, because nothing was done.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

from attrs import frozen

from qcp_sdk.adapters.csc.access import Access, Fixed
from qcp_sdk.adapters.csc.refusals import explain
from qcp_sdk.adapters.csc.shapes import (
    SHA256,
    Authorization,
    AuthorizationPending,
    CredentialInfo,
    ServiceInfo,
    SignaturesPending,
    authorization,
    credential_info,
    service_info,
)
from qcp_sdk.adapters.shared.fields import Fields
from qcp_sdk.adapters.shared.http import Answer, Http
from qcp_sdk.errors import ConfigurationError, Rejected
from qcp_sdk.values import Secret

Version: TypeAlias = Literal["v1", "v2"]


@frozen
class _Dialect:
    """What v1 and v2 call differently."""

    hashes: str
    algorithm: str


_DIALECTS: Final[Mapping[str, _Dialect]] = {
    "v1": _Dialect(hashes="hash", algorithm="hashAlgo"),
    "v2": _Dialect(hashes="hashes", algorithm="hashAlgorithmOID"),
}
ANYBODY: Final = Fixed()
_PERSONAL: Final = frozenset({"credentials/create", "credentials/sendOTP"})
"""Methods whose refusals may name the person, or where the code goes to."""
_PAGES: Final = 1_000
"""A list that goes on longer turns in circles."""


class CscClient:
    """One service: `http` is at the base that precedes `/csc/v1/…`, `path` what stands between.

    Every method raises `Unavailable` where asking again harms nothing, `Unconfirmed` where the service may have
    acted, and `Rejected` with a reason of `refusals` (or `refused`) and the service's own words where it said no.
    """

    def __init__(
        self,
        http: Http,
        *,
        version: Version = "v1",
        access: Access = ANYBODY,
        path: str = "/csc",
    ) -> None:
        if version not in _DIALECTS:
            raise ConfigurationError(f"`{version}` is no version of the CSC API", where="version", mend="use v1 or v2")
        self._http, self._access, self._root = http, access, f"{path}/{version}"
        self.version: Version = version
        self._names = _DIALECTS[version]

    def __repr__(self) -> str:
        return f"CscClient({self._http!r}, {self.version})"

    def info(self, *, language: str = "") -> ServiceInfo:
        """Say what the service is, and which methods it has."""
        asked = {"lang": language} if language else {}
        return service_info(Fields.of(self._asked("info", asked, acts=False, known=False)))

    def probe(self) -> None:
        """Ask what the service is, and for our credentials: nothing is changed.

        Raises:
            Unavailable: It was not reached, or does not know us.
        """
        self.info()
        with contextlib.suppress(Rejected):  # it wants to know whose: it knows us
            self.credentials()

    def credentials(self, *, user: str = "") -> tuple[str, ...]:
        """Give the ids of all credentials of the user, or of whoever this access stands for (every page)."""
        found: list[str] = []
        page, seen = "", set[str]()
        while True:
            asked = ({"userID": user} if user else {}) | ({"pageToken": page} if page else {})
            fields = self._fields("credentials/list", asked, acts=False)
            found += fields.texts("credentialIDs")
            page = fields.text("nextPageToken", "")
            if not page:
                return tuple(dict.fromkeys(found))
            if page in seen or len(seen) > _PAGES:
                raise fields.answer.unreadable("its pages do not end")
            seen.add(page)

    def credential(self, credential: str, *, language: str = "") -> CredentialInfo:
        """Say what a credential is, with its chain."""
        # Without `certInfo`: what a certificate says we read from the certificate, and a test server has none.
        asked = {"credentialID": credential, "certificates": "chain", "authInfo": True}
        return credential_info(
            self._fields("credentials/info", asked | ({"lang": language} if language else {}), acts=False), credential
        )

    def send_otp(self, credential: str) -> None:
        """Have a code sent to the holder (v1; gone in v2, see `get_challenge`)."""
        self._asked("credentials/sendOTP", {"credentialID": credential}, acts=True)

    def get_challenge(self, credential: str, *, authentication: str) -> str:
        """Begin a challenge (v2), and give its text; empty where it went to the holder by another way."""
        asked = {"credentialID": credential, "authObjectID": authentication}
        return self._fields("credentials/getChallenge", asked, acts=True).text("challenge", "")

    def authorize(
        self,
        credential: str,
        *,
        digests: Sequence[bytes],
        values: Mapping[str, Secret],
        description: str = "",
        pinned: bool = True,
    ) -> Authorization | AuthorizationPending:
        """Authorise one signature for each digest (SHA-256). `values` are by authentication: `PIN` and `OTP` in v1.

        `pinned` names the digests, as SCAL 2 asks for and SCAL 1 allows.
        """
        asked: dict[str, object] = {"credentialID": credential, "numSignatures": len(digests)}
        if pinned:
            asked |= self._digests(digests)
        if self.version == "v1":
            asked |= values
        else:
            asked["authData"] = [{"id": name, "value": value} for name, value in values.items()]
        if description:
            asked["description"] = description[:500]
        return authorization(self._fields("credentials/authorize", asked, acts=True))

    def authorize_check(self, handle: str) -> Authorization | AuthorizationPending:
        """Ask whether the holder has agreed (v2)."""
        fields = self._fields("credentials/authorizeCheck", {"handle": handle}, acts=False)
        return authorization(fields) if fields.has("SAD") else AuthorizationPending(handle=handle)

    def extend_transaction(self, credential: str, *, sad: Secret, digests: Sequence[bytes] = ()) -> Authorization:
        """Get new activation data for the rest of an authorization, for these digests where they are pinned."""
        asked = {"credentialID": credential, "SAD": sad} | (self._digests(digests) if digests else {})
        fields = self._fields("credentials/extendTransaction", asked, acts=True)
        extended = authorization(fields)
        if isinstance(extended, AuthorizationPending):
            raise fields.answer.unreadable("`SAD` is missing")
        return extended

    def sign_hash(
        self,
        credential: str,
        *,
        digests: Sequence[bytes],
        algorithm: str,
        sad: Secret | None,
        later: bool = False,
    ) -> tuple[bytes, ...] | SignaturesPending:
        """Sign these digests (SHA-256) in one call; one value for each, in their order. `algorithm` is a number.

        Without `sad` the access token has the scope `credential` (v2). `later` asks for an answer that is fetched
        with `sign_polling` (v2).
        """
        asked: dict[str, object] = {"credentialID": credential, "signAlgo": algorithm} | self._digests(digests)
        asked[self._names.algorithm] = SHA256
        if sad is not None:
            asked["SAD"] = sad
        if later:
            asked["operationMode"] = "A"
        fields = self._fields("signatures/signHash", asked, acts=True)
        if not fields.has("signatures") and fields.has("responseID"):
            return SignaturesPending(response_id=fields.text("responseID"))
        return self._signatures(fields, len(digests))

    def sign_polling(self, response_id: str, *, count: int) -> tuple[bytes, ...] | SignaturesPending:
        """Fetch the signatures that were asked for with `later` (v2)."""
        fields = self._fields("signatures/signPolling", {"requestID": response_id}, acts=False)
        if fields.answer.status == 202:
            return SignaturesPending(response_id=response_id)
        return self._signatures(fields, count)

    def timestamp(self, digest: bytes, *, nonce: int | None = None) -> bytes:
        """Give a TimeStampToken (DER) over this SHA-256 digest. It is not checked here."""
        asked = {"hash": _text(digest), "hashAlgo": SHA256}  # so in v2 too
        if nonce is not None:
            asked["nonce"] = f"{nonce:x}"
        return self._fields("signatures/timestamp", asked, acts=False).octets("timestamp")

    def create(
        self, *, policy: str, subject: Mapping[str, str] | None = None, client_data: str | Secret = ""
    ) -> CredentialInfo:
        """Have a key made and certified under this certificate policy (v2.2 § 11.4).

        `subject` (givenName, surname, issuingCountry) is for services that do not take it from the access token. A
        certificate that is still being made is not there yet.
        """
        request: dict[str, object] = {"certificatePolicy": policy} | ({"subjectData": dict(subject)} if subject else {})
        asked: dict[str, object] = {
            "credentialCreationRequest": request,
            "credentialInfo": True,
            "certificates": "chain",
            "certInfo": True,
        }
        if client_data:
            asked["clientData"] = client_data
        fields = self._fields("credentials/create", asked, acts=True)
        credential = fields.text("credentialID")
        told = fields.inner("credentialInfo")
        return credential_info(told if told.members else fields, credential)

    def delete(self, credential: str, *, client_data: str = "") -> None:
        """Destroy a key; its certificate is revoked by services that issue certificates (v2.2 § 11.5)."""
        asked = {"credentialID": credential} | ({"clientData": client_data} if client_data else {})
        self._asked("credentials/delete", asked, acts=True)

    def _digests(self, digests: Sequence[bytes]) -> dict[str, object]:
        told: dict[str, object] = {self._names.hashes: [_text(digest) for digest in digests]}
        # v1 knows the algorithm in signHash only; v2 wants it wherever hashes are (2.0.0.2 § 14.1).
        return told if self.version == "v1" else told | {self._names.algorithm: SHA256}

    def _signatures(self, fields: Fields, count: int) -> tuple[bytes, ...]:
        values = fields.octet_list("signatures")
        if len(values) != count:
            raise fields.answer.unreadable(f"it has {len(values)} signatures where {count} were asked for")
        return values

    def _fields(self, method: str, asked: Mapping[str, Any], *, acts: bool) -> Fields:
        return Fields.of(self._asked(method, asked, acts=acts))

    def _asked(self, method: str, asked: Mapping[str, Any], *, acts: bool, known: bool = True) -> Answer:
        answer = self._once(method, asked, acts=acts, known=known, expect=frozenset({401}))
        if answer.status == 401 and known and self._access.refused():
            answer = self._once(method, asked, acts=acts, known=known)
        if answer.status == 401:
            raise explain(answer) or answer.failure()
        return answer

    def _once(
        self, method: str, asked: Mapping[str, Any], *, acts: bool, known: bool, expect: frozenset[int] = frozenset()
    ) -> Answer:
        header = self._access.header() if known else None
        headers = {"authorization": header} if header is not None else {}
        path = f"{self._root}/{method}"
        return self._http.ask(
            "POST",
            path,
            acts=acts,
            json=asked,
            headers=headers,
            expect=expect,
            explain=explain,
            quiet=method in _PERSONAL,
        )


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()
