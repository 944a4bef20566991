"""Every error of the SDK, by whose fault it is and what to do next.

::

    QcpError                      the root; never raised itself
    ├── InvalidInput              what was given cannot be read (also a ValueError): mend it and call again
    │   ├── InvalidValue          a value object refuses its text or number
    │   ├── PolicyError           a policy file; says line and key
    │   ├── DocumentError         a PDF that cannot be read, signed or verified
    │   ├── CertificateError      an X.509 certificate, CRL or OCSP answer that cannot be read
    │   ├── TrustListError        a trusted list that cannot be read or whose signature does not hold
    │   └── JournalError          a journal whose chain does not verify; says the first broken entry
    ├── Refusal                   understood, and refused; nothing was changed
    │   ├── FactRefused           no row of TRANSITIONS accepts this now, or its guard says no
    │   ├── CodeRefused           a one-time code was not accepted, or may not be asked for yet
    │   ├── SubscriptionRefused   a subscription may not be opened; carries every reason
    │   ├── LevelRefused          a collecte asks for levels that are not available; carries the decision
    │   └── NotFound              nothing is known under this id
    ├── PortError                 a collaborator did not do what was asked
    │   ├── Rejected              it said no: a fact, not a fault
    │   ├── Unavailable           it was not asked, or did nothing: again later, with the same key
    │   └── Unconfirmed           it may have acted: ask for that key's outcome, never send under a new key
    ├── Conflict                  somebody else moved first: load and decide again
    └── ConfigurationError        this installation cannot run as configured

Messages are one sentence in lower case without a full stop, with what was given in backticks, and
never hold a secret or unmasked personal data. Each class has a stable `code` with a page in docs/errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from qcp_sdk.policy.assess import Decision


class QcpError(Exception):
    """The root of every error that the SDK raises on purpose.

    `where` names the place (a key, a line, a field), `mend` says what to do; both enter the message.
    """

    code: ClassVar[str] = "qcp"

    def __init__(self, what: str, *, where: str = "", mend: str = "") -> None:
        self.what, self.where, self.mend = what, where, mend
        message = f"{where}: {what}" if where else what
        super().__init__(f"{message}; {mend}" if mend else message)


class InvalidInput(QcpError, ValueError):
    """What was given cannot be read. Nothing was done."""

    code = "invalid_input"


class InvalidValue(InvalidInput):
    """A value object refuses what it was given: a phone number, an amount, a date …"""

    code = "invalid_value"


class PolicyError(InvalidInput):
    """A policy file cannot be used; `where` gives file, line and key."""

    code = "policy_invalid"


class DocumentError(InvalidInput):
    """A document cannot be read, signed or verified."""

    code = "document_invalid"


class CertificateError(InvalidInput):
    """A certificate, revocation list or OCSP answer cannot be read."""

    code = "certificate_invalid"


class TrustListError(InvalidInput):
    """A trusted list cannot be read, is stale, or its signature does not hold."""

    code = "trust_list_invalid"


class JournalError(InvalidInput):
    """A journal does not verify; `where` names the first entry that does not hold."""

    code = "journal_broken"


class Refusal(QcpError):
    """Understood, and refused. Nothing was changed."""

    code = "refused"


class FactRefused(Refusal):
    """This may not be said at this stage, or its guard says no (`reason` is stable)."""

    code = "fact_refused"

    def __init__(self, what: str, *, reason: str = "no_row", where: str = "", mend: str = "") -> None:
        super().__init__(what, where=where, mend=mend)
        self.reason = reason


class CodeRefused(FactRefused):
    """A code was not accepted (`wrong`, `expired`, `spent`, `superseded`, `none_sent`, `too_many_tries`, `locked`)
    or may not be asked for yet (`too_soon`, `too_many_codes`, `locked`).

    `until` says when asking makes sense again; `tries_left` counts the tries that remain on this challenge.
    """

    code = "code_refused"

    def __init__(
        self,
        what: str,
        *,
        reason: str,
        until: datetime | None = None,
        tries_left: int | None = None,
        mend: str = "",
    ) -> None:
        super().__init__(what, reason=reason, mend=mend)
        self.until, self.tries_left = until, tries_left


class SubscriptionRefused(Refusal):
    """A subscription may not be opened; `reasons` holds every stable reason, not only the first."""

    code = "subscription_refused"

    def __init__(self, reasons: Sequence[str], *, mend: str = "") -> None:
        super().__init__(f"the subscription cannot be opened: {', '.join(reasons)}", mend=mend)
        self.reasons = tuple(reasons)


class LevelRefused(Refusal):
    """A collecte asks for a level that a signatory may not use; `decision` holds every finding."""

    code = "level_refused"

    def __init__(self, what: str, decision: Decision) -> None:
        super().__init__(what, mend="see decision.findings for each reason and its remedy")
        self.decision = decision


class NotFound(Refusal):
    """Nothing is known under this id."""

    code = "not_found"


class PortError(QcpError):
    """A collaborator did not do what was asked; one of the three kinds below says what is known."""

    code = "port"


class Rejected(PortError):
    """It said no. `reason` is a stable word of the port's, kept in the journal."""

    code = "rejected"

    def __init__(self, what: str, *, reason: str, where: str = "", mend: str = "") -> None:
        super().__init__(what, where=where, mend=mend)
        self.reason = reason


class Unavailable(PortError):
    """It was not asked, or certainly did nothing: ask again later with the same key."""

    code = "unavailable"


class Unconfirmed(PortError):
    """It may have acted: ask for the outcome of the same key, never send under a new one."""

    code = "unconfirmed"


class Conflict(QcpError):
    """Somebody else moved first: load the present state and decide again."""

    code = "conflict"


class ConfigurationError(QcpError):
    """This installation cannot run as it is configured."""

    code = "configuration"
