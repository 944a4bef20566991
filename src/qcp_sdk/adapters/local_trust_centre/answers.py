"""Answers remembered by idempotency key: asked again, a key answers the same, refusals included."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, insert, select

from qcp_sdk.adapters.local_trust_centre.storage import answers
from qcp_sdk.errors import Rejected
from qcp_sdk.values import Key

REJECTED: Final = "rejected"


def asked(call: str, *arguments: str) -> str:
    """Name a call with its arguments, so that a key that is used for something else is noticed."""
    return hashlib.sha256(json.dumps([call, *arguments]).encode()).hexdigest()


def recall(connection: Connection, *, key: Key, asked: str) -> dict[str, str] | None:
    """Give the answer that this key has, a refusal included, or None.

    Raises:
        Rejected: `key_reused`: the key was used for something else.
    """
    row = connection.execute(select(answers).where(answers.c.key == key)).first()
    if row is None:
        return None
    if row.asked != asked:
        raise Rejected("this key was used for something else", reason="key_reused", mend="derive a key for each intent")
    answer: dict[str, str] = json.loads(row.answer)
    return answer


def accepted(answer: Mapping[str, str]) -> None:
    """Return, unless the answer is a refusal. Call it after the transaction, so that refusals are kept too.

    Raises:
        Rejected: As remembered.
    """
    if REJECTED in answer:
        raise Rejected(answer["what"], reason=answer[REJECTED])


def remember(connection: Connection, *, key: Key, asked: str, answer: Mapping[str, str]) -> None:
    """Keep this answer for this key, in the transaction that makes it true."""
    connection.execute(insert(answers).values(key=key, asked=asked, answer=json.dumps(answer)))


def refusal(what: str, *, reason: str) -> dict[str, str]:
    """Give the answer that `accepted` turns into a `Rejected`."""
    return {REJECTED: reason, "what": what}
