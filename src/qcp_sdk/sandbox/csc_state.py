"""What the sandbox's CSC service remembers, and its rules: codes, PINs, authorizations, tokens.

The rules are those of a strict service: a code works once and is replaced by the next one, five wrong ones lock it,
twenty in a day lock the credential; three wrong PINs lock the PIN; activation data expire, sign once, and only what
they were given for.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from attrs import define, field, frozen

from qcp_sdk import otp
from qcp_sdk.adapters.shared.keystore import KeyType
from qcp_sdk.sandbox.pki import Held
from qcp_sdk.sandbox.wsgi import Failed
from qcp_sdk.values import Secret

PIN_TRIES: Final = 3


@define(kw_only=True)
class CscRules:
    """How this service behaves; tests and the control API change it."""

    multisign: int = 100
    per_call: int = 0
    """The most hashes of one `signHash`; 0: as many as were authorised."""
    pinned: bool = True
    """SCAL 2."""
    code_lifetime: timedelta = otp.LIFETIME
    sad_lifetime: timedelta = timedelta(minutes=10)
    agrees_after: timedelta | None = timedelta(0)
    """How long an authorization is pending (v2: the holder agrees in an app); None: for ever."""
    issued_after: timedelta = timedelta(0)
    """How long a certificate takes to be made."""
    login: bool = False
    """Whether every call but `info` needs an access token."""
    key_type: KeyType = "p256"


@define(kw_only=True)
class SandboxCredential:
    """A key, whom it belongs to, and what was entered for it."""

    id: str
    held: Held = field(repr=False)
    mobile: str = field(repr=False)
    email: str = field(default="", repr=False)
    user: str = ""
    pin: Secret | None = None
    mode: str = "explicit"
    ready_at: datetime
    """When its certificate is there."""
    disabled: bool = False
    code: Secret | None = None
    code_ends: datetime | None = None
    wrong: int = 0
    """On this code."""
    wrong_at: list[datetime] = field(factory=list)
    """All wrong codes."""
    wrong_pins: int = 0

    @property
    def masked(self) -> str:
        """Where codes go, as it may be shown."""
        return f"*****{self.mobile[-4:]}"

    def locked(self, now: datetime) -> bool:
        """Whether too many codes were wrong within a day."""
        return sum(now - at < otp.DAY for at in self.wrong_at) >= otp.WRONG_PER_DAY

    def new_code(self, now: datetime, lifetime: timedelta) -> Secret:
        """Make the code that counts from now on.

        Raises:
            Failed: The credential is locked.
        """
        if self.locked(now):
            raise refusal("Credential locked")
        self.code, self.code_ends, self.wrong = Secret(f"{secrets.randbelow(10**7):07}"), now + lifetime, 0
        return self.code

    def check(self, given: Mapping[str, str], now: datetime, *, version: str) -> None:
        """Check what the holder entered, count it, and use the code up if everything is right.

        Raises:
            Failed: Something is wrong, locked or expired.
        """
        invalid = {"v1": ("invalid_pin", "invalid_otp")}.get(version, ("invalid_authentication_data",) * 2)
        if self.pin is not None:
            if self.wrong_pins >= PIN_TRIES:
                raise refusal("PIN locked")
            if not _same(self.pin, given.get("PIN", "")):
                self.wrong_pins += 1
                raise refusal("The PIN is invalid", word=invalid[0])
            self.wrong_pins = 0
        if self.mode != "explicit":
            return
        if self.locked(now):
            raise refusal("Credential locked")
        if self.wrong >= otp.WRONG_PER_CHALLENGE:
            raise refusal("OTP locked")
        if self.code is None or self.code_ends is None:
            raise refusal("The OTP is invalid", word=invalid[1])
        if now >= self.code_ends:
            raise refusal("The OTP has expired", word=invalid[1])
        if not _same(self.code, given.get("OTP", "")):
            self.wrong += 1
            self.wrong_at.append(now)
            raise refusal("The OTP is invalid", word=invalid[1])
        self.code = None


@define(kw_only=True)
class Grant:
    """One authorization: how many signatures are left, over what, until when."""

    credential: str
    left: int
    digests: frozenset[bytes] | None
    """None: over anything (SCAL 1)."""
    ends: datetime
    used: bool = False
    """These activation data have signed: others are needed for the rest."""


@define(kw_only=True)
class Pending:
    """An authorization that the holder has not agreed to yet."""

    grant: Grant
    due: datetime | None
    sad: str = ""
    """Given out already: asked again, it is the same."""


@frozen(kw_only=True)
class AccessToken:
    """What an access token allows."""

    scope: str
    client: str
    user: str = ""
    """Who logged in with a password; empty for a client."""
    ends: datetime


@frozen(kw_only=True)
class AuthorizationCode:
    """What a code of the authorization code flow stands for."""

    client: str
    redirect_uri: str
    challenge: str
    scope: str
    ends: datetime
    grant: Grant | None = None


@frozen(kw_only=True)
class SentCode:
    """A code that went to a holder's mobile."""

    mobile: str = field(repr=False)
    code: Secret
    at: datetime


def refusal(text: str, *, word: str = "invalid_request", status: int = 400) -> Failed:
    """Give a refusal in the API's own form."""
    return Failed(status, text, word=word)


def _same(expected: Secret, typed: str) -> bool:
    return hmac.compare_digest(expected.reveal().encode(), typed.encode(errors="surrogatepass"))
