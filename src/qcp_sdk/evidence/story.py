"""What happened, by subject, from the facts of a journal: the page of a dossier that a person reads first. Pure.

A verifier makes it again from the journal in the same file; it cannot say anything that the facts do not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

SUBJECTS: Final[Mapping[str, tuple[str, ...]]] = {
    "opening": ("subscription_opened", "certificate_adopted", "ceremony_opened", "turn_arrived"),
    "confirmations": ("details_confirmed", "details_contested", "consent_given", "documents_consented", "declined"),
    "codes": (
        "code_requested", "code_sent", "code_undeliverable", "code_entered", "codes_locked", "challenge_opened",
        "challenge_refused", "activation_asked", "activation_lost", "activation_refused",
    ),
    "identity": (
        "identity_opened", "identity_opening_rejected", "capture_finished", "identity_approved", "identity_retryable",
        "identity_refused", "identity_abandoned", "fraud_suspected", "fraud_reported", "link_requested", "no_document",
        "identity_confirmed", "identity_contested",
    ),
    "request": ("request_prepared", "request_rejected", "request_accepted", "request_sealed", "seal_refused"),
    "certificate": (
        "certificate_pending", "certificate_issued", "certificate_attested", "certificate_refused",
        "settled_by_operator", "registration_opened", "registration_rejected", "registration_refused",
        "registration_expired", "revocation_requested", "revocation_ordered", "certificate_revoked",
        "revocation_refused", "certificate_expired", "end_reported", "account_changed", "lcp_revoked",
    ),
    "money": ("funds_held", "funds_refused", "funds_captured", "funds_released", "capture_refused"),
    "signature": (
        "document_prepared", "document_failed", "hashes_answered", "signing_delayed", "document_signed",
        "embedding_failed", "collecte_completed", "collecte_ended", "transaction_opened", "transaction_rejected",
        "transaction_signed", "transaction_ended",
    ),
    "operators": ("operator_acted",),
    "waits": ("cancelled", "deadline_passed", "reminder_due", "silence_noted"),
}  # fmt: skip
"""Which subject each kind of fact belongs to."""

_SUBJECT_OF: Final = {kind: subject for subject, kinds in SUBJECTS.items() for kind in kinds}
_HASH: Final = re.compile(r"sha256:[0-9a-f]{64}")


def story(rows: Sequence[Mapping[str, Any]], *, kept: frozenset[str]) -> str:
    """Give the story as JSON text: a list a subject, each entry with its instant, sequence, kind and data.

    `rows` are the entries of a journal file; `kept` are the documents (`sha256:…`) that the dossier holds.
    """
    told: dict[str, list[object]] = {subject: [] for subject in SUBJECTS}
    for row in rows:
        entry = {"at": row["at"], "sequence": row["sequence"], "fact": row["kind"], **row["fact"]}
        told.setdefault(_SUBJECT_OF.get(row["kind"], "others"), []).append(entry)
    named = dict.fromkeys(mentioned(rows))
    page = {
        "stream": rows[0]["stream"] if rows else "",
        **{subject: entries for subject, entries in told.items() if entries},
        "documents": [one for one in named if one in kept],
        "kept_elsewhere": [one for one in named if one not in kept],
    }
    return json.dumps(page, ensure_ascii=False, indent=1) + "\n"


def mentioned(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Give every content hash that the facts name, in order; some more than once."""
    for row in rows:
        yield from (text for text in _texts(row["fact"]) if _HASH.fullmatch(text))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
