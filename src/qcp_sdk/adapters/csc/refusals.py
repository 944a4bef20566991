"""What a CSC service's refusals mean. Many differ by their text only (CSC API 1.0.4.0 § 11, 2.0.0.2 § 11)."""

from __future__ import annotations

import re
from typing import Final

from qcp_sdk.adapters.shared.http import Answer
from qcp_sdk.errors import PortError, Rejected, Unavailable

_CONFIGURED: Final = frozenset(
    {
        "invalid_token",
        "expired_token",
        "invalid_client",
        "authentication_error",
        "unauthorized_client",
        "invalid_scope",
        "unsupported_grant_type",
    }
)
"""Words by which a service refuses this installation, not this request."""

_REASONS: Final[tuple[tuple[str, str], ...]] = (
    # In this order: what is more precise comes first. The pattern is looked for in "error; error_description".
    (r"\b(otp|pin|credential|credentials|account) (is )?locked|too many (attempts|tries)", "locked"),
    (r"\botp\b.*\bexpired", "expired"),
    (r"\bsad\b.*\b(expired|used)|invalid parameter sad", "sad_ended"),
    (r"invalid_otp|invalid_authentication_data|authentication data .*(invalid|wrong)", "wrong_code"),
    (r"invalid_pin", "wrong_pin"),
    (r"not authorized by the sad|invalid_hash", "hash_not_authorised"),
    (r"numbers? of signatures is too high|too many hashes", "too_many"),
    (r"credential.*\bis (disabled|revoked|suspended)|certificate.*\bis (expired|revoked|suspended)", "disabled"),
    (r"invalid parameter (\"|')?credentialid|credentialid .*unknown", "unknown_credential"),
    (r"invalid parameter (\"|')?(handle|requestid|responseid)", "unknown_handle"),
    (r"otp.*(too soon|too often|rate)", "too_soon"),
    (r"otp.*(cannot|could not|not) be sent", "undeliverable"),
    (r"access_denied|user (refused|rejected|declined)", "denied"),
)
_PATTERNS: Final = tuple((re.compile(pattern, re.IGNORECASE), reason) for pattern, reason in _REASONS)


def explain(answer: Answer) -> PortError | None:
    """Give the error that a CSC refusal means; None leaves it to the status.

    BankID's v2 profile says `errorCode` where others say `error`; a test server says it in plain text.
    """
    words = answer.words()
    error = words.partition(";")[0].strip()
    # Where the rest may name the person, the word alone is told, which is one of those below.
    told = f"the service says: {error if answer.quiet else words}"
    if error in _CONFIGURED:
        return Unavailable(told, where=answer.where, mend="check the credentials of this installation")
    if error == "temporarily_unavailable":
        return Unavailable(told, where=answer.where, mend="ask again later")
    if not 400 <= answer.status < 500 or answer.status in (401, 405, 407, 408, 429):
        return None
    for pattern, reason in _PATTERNS:
        if pattern.search(words):
            told = f"the service answered {answer.status}" if answer.quiet else told
            return Rejected(told, reason=reason, where=answer.where)
    return None
