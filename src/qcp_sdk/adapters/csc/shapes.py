"""What a CSC service says of itself, of a credential and of an authorization, v1 and v2 in one vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from attrs import field, frozen

from qcp_sdk.adapters.shared.fields import Fields
from qcp_sdk.values import Secret

SHA256: Final = "2.16.840.1.101.3.4.2.1"
SIGN_ALGORITHMS: Final[Mapping[str, str]] = {
    "1.2.840.113549.1.1.11": "sha256_rsa",  # RFC 8017, sha256WithRSAEncryption
    "1.2.840.113549.1.1.1": "sha256_rsa",  # rsaEncryption: the hash algorithm goes with each request
    "1.2.840.10045.4.3.2": "sha256_ecdsa",  # RFC 5758, ecdsa-with-SHA256
    "1.2.840.10045.2.1": "sha256_ecdsa",  # id-ecPublicKey, likewise
}
"""Algorithms that we ask for, the ones that name their hash first, by their numbers (asn1crypto's names)."""
MOST_SIGNATURES: Final = 10_000
"""More than that in one authorization is a mistake of the service's."""


class Factor(StrEnum):
    """What a credential's holder gives when it is authorised."""

    PIN = "pin"
    """Something that the holder knows."""
    CODE = "code"
    """Something that the service sends when it is asked to."""
    OFFLINE = "offline"
    """A code that a device or an app of the holder's shows: nothing is sent."""
    APP = "app"
    """The holder agrees elsewhere; the authorization is pending meanwhile."""


_KINDS: Final[Mapping[str, Factor]] = {
    "Password": Factor.PIN,
    "PasswordOOB": Factor.APP,
    "ChallengeResponse": Factor.OFFLINE,
    "ChallengeResponseOOB": Factor.CODE,
}
"""Types of v2's authentication objects (2.0.0.2 § 11.5)."""


@frozen(kw_only=True)
class Authentication:
    """One thing that the holder gives."""

    id: str
    """What it is called in a request: `PIN` and `OTP` in v1."""
    factor: Factor
    required: bool = True
    label: str = field(default="", repr=False)
    """What a person reads beside the field; it may show where a code goes."""


@frozen(kw_only=True)
class ServiceInfo:
    """What `info` says."""

    specs: str
    name: str
    auth_types: tuple[str, ...]
    methods: tuple[str, ...]
    oauth: str = ""
    """Where the authorization server is; empty where there is none."""

    def offers(self, method: str) -> bool:
        """Say whether a method such as `credentials/sendOTP` is there."""
        return method in self.methods


@frozen(kw_only=True)
class CredentialInfo:
    """What `credentials/info` says."""

    id: str
    enabled: bool
    """The key may be used, as far as the service says."""
    certificate_status: str
    """`valid`, `expired`, `revoked`, `suspended`, or empty where it does not say."""
    certificates: tuple[bytes, ...] = field(repr=False)
    """DER, the holder's first; empty while there is none."""
    algorithm: str
    """asn1crypto's name, or empty where none is offered that we ask for."""
    algorithm_oid: str
    mode: str
    """`explicit`, `implicit`, `oauth2code`."""
    pinned: bool
    """SCAL 2: an authorization is for the hashes that it names."""
    most: int
    """`multisign`: how many signatures one authorization is good for."""
    authentications: tuple[Authentication, ...] = ()

    def needs(self, factor: Factor) -> Authentication | None:
        """Give the first that is of this kind."""
        return next((each for each in self.authentications if each.factor is factor), None)


@frozen(kw_only=True)
class Authorization:
    """Signature activation data, and how long they are good for."""

    sad: Secret = field(repr=False)
    lifetime: timedelta


@frozen(kw_only=True)
class AuthorizationPending:
    """The holder has not agreed yet (v2): ask `authorize_check` with the handle."""

    handle: str


@frozen(kw_only=True)
class SignaturesPending:
    """The signatures are being made (v2, asynchronous): ask `sign_polling` with the id."""

    response_id: str


def service_info(fields: Fields) -> ServiceInfo:
    """Read `info`."""
    oauth = fields.text("oauth2", "") or fields.text("oauth2Issuer", "")
    return ServiceInfo(
        specs=fields.text("specs"),
        name=fields.text("name", ""),
        auth_types=fields.texts("authType", ()),
        methods=fields.texts("methods", ()),
        oauth=oauth,
    )


def credential_info(fields: Fields, credential: str) -> CredentialInfo:
    """Read `credentials/info`, or the same within another answer."""
    key, cert = fields.inner("key"), fields.inner("cert")
    offered = key.texts("algo", ())
    oid = next((each for each in SIGN_ALGORITHMS if each in offered), "")
    most = fields.whole("multisign", 1)
    if not most >= 1:
        raise fields.answer.unreadable("`multisign` makes no sense")
    mode, authentications = _authentications(fields)
    return CredentialInfo(
        id=credential,
        enabled=key.text("status", "enabled") == "enabled",
        certificate_status=cert.text("status", ""),
        certificates=cert.octet_list("certificates", ()),
        algorithm=SIGN_ALGORITHMS.get(oid, ""),
        algorithm_oid=oid,
        mode=mode,
        pinned=_scal(fields) == "2",
        most=min(most, MOST_SIGNATURES),
        authentications=authentications,
    )


def authorization(fields: Fields) -> Authorization | AuthorizationPending:
    """Read `credentials/authorize`, `authorizeCheck` or `extendTransaction`."""
    if not fields.has("SAD") and fields.has("handle"):
        return AuthorizationPending(handle=fields.text("handle"))
    seconds = fields.whole("expiresIn", 3600)
    if not 0 < seconds < 10**8:
        raise fields.answer.unreadable("`expiresIn` makes no sense")
    return Authorization(sad=Secret(fields.text("SAD")), lifetime=timedelta(seconds=seconds))


def moment(text: str) -> datetime | None:
    """Read an instant as CSC writes it (`20260302090000Z`); None where it is none."""
    try:
        return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def _scal(fields: Fields) -> str:
    # A text by the specification; some services write a number.
    return str(fields.whole("SCAL")) if isinstance(fields.members.get("SCAL"), int) else fields.text("SCAL", "1")


def _authentications(fields: Fields) -> tuple[str, tuple[Authentication, ...]]:
    if fields.has("auth"):  # v2
        auth = fields.inner("auth")
        every = "OR" not in auth.text("expression", "")  # AND is everything; OR and XOR leave a choice
        return auth.text("mode", "explicit"), tuple(
            Authentication(
                id=each.text("id"),
                factor=_KINDS.get(each.text("type"), Factor.APP),
                required=every,
                label=_label(each),
            )
            for each in auth.inners("objects")
        )
    found = []
    for name, online, offline in (("PIN", Factor.PIN, Factor.PIN), ("OTP", Factor.CODE, Factor.OFFLINE)):
        told = fields.inner(name)
        presence = str(told.members.get("presence", "false")).lower()  # a text; some services write true or false
        if presence in ("true", "optional"):
            factor = online if told.text("type", "online") == "online" else offline
            found.append(Authentication(id=name, factor=factor, required=presence == "true", label=_label(told)))
    return fields.text("authMode", "implicit"), tuple(found)


def _label(fields: Fields) -> str:
    return f"{fields.text('label', '')} {fields.text('description', '')}".strip()
