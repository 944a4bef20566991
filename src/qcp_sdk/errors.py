"""Every error of the SDK, by whose fault it is and what to do next.

::

    QcpError                      the root; never raised itself
    ├── InvalidInput              what was given cannot be read (also a ValueError): mend it and call again
    │   ├── InvalidValue          a value object refuses its text or number
    │   ├── PolicyError           a policy file; says line and key
    │   ├── DocumentError         a PDF that cannot be read, signed or verified
    │   ├── CertificateError      an X.509 certificate, CRL or OCSP answer that cannot be read
    │   ├── TrustListError        a trusted list that cannot be read or whose signature does not hold
    │   ├── JournalError          a journal whose chain does not verify; says the first broken entry
    │   ├── NewerRecord           a stored record that a newer release wrote; left alone for one that knows it
    │   └── EvidenceError         an evidence dossier that was changed, or is none; names the part at fault
    ├── Refusal                   understood, and refused; nothing was changed
    │   ├── FactRefused           no row of TRANSITIONS accepts this now, or its guard says no
    │   ├── CodeRefused           a one-time code was not accepted, or may not be asked for yet
    │   ├── SubscriptionRefused   a subscription may not be opened; carries every reason
    │   ├── LevelRefused          a collecte asks for levels that are not available; carries the decision
    │   ├── ErasureRefused        a subscription or ceremony may not be erased yet; carries every obstacle
    │   ├── WebhookRefused        a webhook is not its sender's, is too old, or cannot be read
    │   └── NotFound              nothing is known under this id
    │       └── Erased            it was erased: its data key is destroyed
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

    Why: Something below it was raised; it is never raised itself. Catch it to catch all of them.
    Mend: Look at the class that was raised, and at its `mend`.
    """

    code: ClassVar[str] = "qcp"

    def __init__(self, what: str, *, where: str = "", mend: str = "") -> None:
        self.what, self.where, self.mend = what, where, mend
        message = f"{where}: {what}" if where else what
        super().__init__(f"{message}; {mend}" if mend else message)


class InvalidInput(QcpError, ValueError):
    """What was given cannot be read. Nothing was done.

    Why: A caller, a file or a network peer gave something that does not have the shape it must have.
    Mend: Mend what was given, then call again; the same input will always be refused.
    """

    code = "invalid_input"


class InvalidValue(InvalidInput):
    """A value object refuses what it was given: a phone number, an amount, a date …

    Why: A text or number is outside what its type allows: a phone number that is not E.164, an amount of half a cent.
    Mend: Check the value where it enters your application; the message says which rule it breaks.
    """

    code = "invalid_value"


class PolicyError(InvalidInput):
    """A policy file cannot be used; `where` gives file, line and key.

    Why: A level policy in TOML has an unknown key, a wrong type, or a rule that contradicts another.
    Mend: Correct the line that `where` names; `qcp-sdk policy show` prints a policy that is right.
    """

    code = "policy_invalid"


class DocumentError(InvalidInput):
    """A document cannot be read, signed or verified.

    Why: A PDF is damaged, encrypted, larger than allowed, or was changed in a way that its signatures forbid.
    Mend: Use the file as it was before; ask its sender for it again. Do not "repair" a signed file.
    """

    code = "document_invalid"


class CertificateError(InvalidInput):
    """A certificate, revocation list or OCSP answer cannot be read.

    Why: The bytes are not a certificate, revocation list or OCSP answer, or one with a field that makes no sense.
    Mend: Ask for the DER or PEM bytes again from where they came; nothing was trusted on the way.
    """

    code = "certificate_invalid"


class TrustListError(InvalidInput):
    """A trusted list cannot be read, is stale, or its signature does not hold.

    Why: A list is not TS 119 612, its next update is past, or its signer is not the one that was pinned.
    Mend: Fetch the list again; when its signer has changed, pin the new one after checking it out of band.
    """

    code = "trust_list_invalid"


class JournalError(InvalidInput):
    """A journal does not verify; `where` names the first entry that does not hold.

    Why: An entry was changed, removed, inserted or reordered, or the file is not a journal.
    Mend: Compare with a backup from the entry that `where` names onwards; keep the broken file as evidence.
    """

    code = "journal_broken"


class NewerRecord(InvalidInput):
    """A stored record has a kind, version, field or word that this release does not know. It is left as it is.

    Why: A newer release of qcp_sdk works on the same store; an older process met what that one wrote.
    Mend: Upgrade this process; its workers leave such work to newer ones, and nothing is parked or lost meanwhile.
    """

    code = "newer_record"


class EvidenceError(InvalidInput):
    """An evidence dossier does not prove anything; `where` names the part that does not hold.

    Why: A byte of the file was changed, something is missing or was added, or its seal is by nobody you trust.
    Mend: Ask whoever gave it for the file as it was exported; give the right anchors. Do not unpack and repack it.
    """

    code = "evidence_invalid"


class Refusal(QcpError):
    """Understood, and refused. Nothing was changed.

    Why: The request was understood and a rule says no; asking again unchanged gives the same answer.
    Mend: Read which refusal it is; show its reason to the person, who can usually do something about it.
    """

    code = "refused"


class FactRefused(Refusal):
    """This may not be said at this stage, or its guard says no (`reason` is stable).

    Why: The fact comes too early, too late or twice, or about something else than what was shown.
    Mend: Load the subscription or ceremony again and offer what it says can be done now.
    """

    code = "fact_refused"

    def __init__(self, what: str, *, reason: str = "no_row", where: str = "", mend: str = "") -> None:
        super().__init__(what, where=where, mend=mend)
        self.reason = reason


class CodeRefused(FactRefused):
    """A code was not accepted (`wrong`, `expired`, `spent`, `superseded`, `none_sent`, `too_many_tries`, `locked`)
    or may not be asked for yet (`too_soon`, `too_many_codes`, `locked`).

    `until` says when asking makes sense again; `tries_left` counts the tries that remain on this challenge.

    Why: The code is wrong, expired or superseded, or codes are asked for faster than the limits allow.
    Mend: Show `reason`, `tries_left` and `until`; let the person ask for a new code once `until` has passed.
    """

    code = "code_refused"

    def __init__(
        self, what: str, *, reason: str, until: datetime | None = None, tries_left: int | None = None, mend: str = ""
    ) -> None:
        super().__init__(what, reason=reason, mend=mend)
        self.until, self.tries_left = until, tries_left


class SubscriptionRefused(Refusal):
    """A subscription may not be opened; `reasons` holds every stable reason, not only the first.

    Why: Account and LCP certificate differ, the balance is too small, or a subscription or certificate is in the way.
    Mend: Show every entry of `reasons` before anything starts; each names what to correct.
    """

    code = "subscription_refused"

    def __init__(self, reasons: Sequence[str], *, mend: str = "") -> None:
        super().__init__(f"the subscription cannot be opened: {', '.join(reasons)}", mend=mend)
        self.reasons = tuple(reasons)


class LevelRefused(Refusal):
    """A collecte asks for a level that a signatory may not use; `decision` holds every finding.

    Why: A signatory has no certificate that the policy accepts for the level, or nobody can say whether it has.
    Mend: Show `decision.findings`: each has a message in French and English, and a remedy.
    """

    code = "level_refused"

    def __init__(self, what: str, decision: Decision) -> None:
        super().__init__(what, mend="see decision.findings for each reason and its remedy")
        self.decision = decision


class NotFound(Refusal):
    """Nothing is known under this id.

    Why: The id is mistyped, belongs to another tenant, or was erased.
    Mend: Take ids from what the SDK returned; treat this as a 404.
    """

    code = "not_found"


class Erased(NotFound):
    """It was erased: its data key is destroyed, and nothing of it can be read any more. Its journal still verifies.

    Why: Somebody erased it on purpose (`qcp.operations.erase`), after the retention had ended or despite it.
    Mend: Show that it no longer exists; treat this as a 404, or a 410. `qcp-sdk parked acts` says who erased it.
    """

    code = "erased"


class ErasureRefused(Refusal):
    """It may not be erased now; `obstacles` holds every stable reason, `until` the end of the retention where known.

    Why: A legal hold, a retention that has not ended, a stage that is not final, or work that is not done.
    Mend: Wait, or finish what is open. What must go all the same is named, obstacle by obstacle, in `despite`.
    """

    code = "erasure_refused"

    def __init__(self, obstacles: Sequence[str], *, until: datetime | None = None, where: str = "") -> None:
        super().__init__(
            f"it may not be erased: {', '.join(obstacles)}",
            where=where,
            mend=f"wait until {until.date().isoformat()}, or name each obstacle in `despite`"
            if until is not None and "before_retention_end" in obstacles
            else "see to each, or name it in `despite`",
        )
        self.obstacles, self.until = tuple(obstacles), until


class WebhookRefused(Refusal):
    """A webhook is not believed: answer 400, and do nothing. `reason` is stable: `unsigned`, `forged`, `stale`,
    `source`, `malformed` or `too_large`.

    Why: It has no signature or a wrong one, comes at the wrong time or from the wrong address, or cannot be read.
    Mend: Check the secret, the machine's clock and the proxy in front of you; a provider sends it again by itself.
    """

    code = "webhook_refused"

    def __init__(self, what: str, *, reason: str, where: str = "webhook", mend: str = "") -> None:
        super().__init__(what, where=where, mend=mend)
        self.reason = reason


class PortError(QcpError):
    """A collaborator did not do what was asked; one of the three kinds below says what is known.

    Why: A bank, provider, mail server or database did not do what it was asked.
    Mend: See which of the three kinds it is: only two of them may be tried again.
    """

    code = "port"


class Rejected(PortError):
    """It said no. `reason` is a stable word of the port's, kept in the journal.

    Why: The collaborator understood and said no; `reason` says why in a stable word.
    Mend: Nothing to retry. The machine treats it as a fact and moves on; your own code should too.
    """

    code = "rejected"

    def __init__(self, what: str, *, reason: str, where: str = "", mend: str = "") -> None:
        super().__init__(what, where=where, mend=mend)
        self.reason = reason


class Unavailable(PortError):
    """It was not asked, or certainly did nothing: ask again later with the same key.

    Why: The collaborator could not be reached, or said that it did nothing (busy, in maintenance).
    Mend: Call again later with the same key; the engine does so by itself, backing off.
    """

    code = "unavailable"


class Unconfirmed(PortError):
    """It may have acted: ask for the outcome of the same key, never send under a new one.

    Why: The connection broke after the request had left: the collaborator may or may not have acted.
    Mend: Ask for the outcome of that key, or send the same key again where the port allows it.
    """

    code = "unconfirmed"


class Conflict(QcpError):
    """Somebody else moved first: load the present state and decide again.

    `kind` says what was contended for (`stream`, `effect`, `claim` or `message`), `subject` which one.

    Why: Two processes changed the same thing at once, or a claim is already taken.
    Mend: Load again and decide again; the engine does this by itself for facts.
    """

    code = "conflict"

    def __init__(self, what: str, *, kind: str = "", subject: str = "", where: str = "", mend: str = "") -> None:
        super().__init__(what, where=where or (f"{kind} `{subject}`" if kind else ""), mend=mend)
        self.kind, self.subject = kind, subject


class ConfigurationError(QcpError):
    """This installation cannot run as it is configured.

    Why: A setting is missing or contradicts another, or a test-only part is used with `production=True`.
    Mend: Correct the setting that the message names; the process should not start before.
    """

    code = "configuration"
