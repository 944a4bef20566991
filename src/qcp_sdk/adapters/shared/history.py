"""What happened, in words: one sentence for each kind of fact, in French and English (`[history]` of `texts/`).

For whoever helps people: a support page, a terminal. Nothing personal is in a sentence. A blank shows only what a row
of `BLANKS` lays out, and what people or operators wrote themselves (reasons of a refusal, names, evidence) has none: it
is read with `operations.reveal`, on record. A provider's reason is shown if it is a single word of its vocabulary.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from qcp_sdk.adapters.shared.texts import Texts
from qcp_sdk.ceremony.facts import ActivationAsked, CeremonyOpened
from qcp_sdk.errors import ConfigurationError
from qcp_sdk.facts import CodeEntered, Fact
from qcp_sdk.subscription.facts import EndReported, SettledByOperator

_BLANK: Final = re.compile(r"{(\w+)}")
_WORD: Final = re.compile(r"[a-z][a-z0-9_.:/-]{0,79}")
"""A word of a vocabulary. Names and sentences of people have capitals, spaces or accents."""
_ID: Final = re.compile(r"[\w./:-]{1,120}", re.ASCII)
"""An id or a key of ours, the kind of an effect, the version of a text."""

VARIANTS: Final[Mapping[type[Fact], Callable[[Any], bool]]] = MappingProxyType(
    {
        CodeEntered: lambda fact: fact.matched,
        SettledByOperator: lambda fact: fact.certificate is not None,
        EndReported: lambda fact: fact.revoked,
        CeremonyOpened: lambda fact: fact.my_turn,
        ActivationAsked: lambda fact: fact.allowed,
    }
)
"""Facts with two sentences, and which of them is said: `<kind>_yes` or `<kind>_no`."""

REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "identity_retryable": "retries",
        "revocation_requested": "revocations",
        "revocation_ordered": "revocations",
        "document_failed": "failures",
        "embedding_failed": "failures",
    }
)
"""Kinds whose reasons have words of their own, and the table that holds them."""


def _word(texts: Texts, value: object) -> str:
    """Lay out a word of a vocabulary; anything else might be about somebody."""
    text = str(value)
    if not text:
        return texts.phrase("history_words", "none")
    if not _WORD.fullmatch(text):
        return texts.phrase("history_words", "withheld")
    return texts.words("history_words").get(text, text)


def _id(texts: Texts, text: str) -> str:
    return text if _ID.fullmatch(text) else texts.phrase("history_words", "withheld")


def _reason(texts: Texts, fact: Any) -> str:
    table = REASONS.get(fact.kind)
    known = texts.words(table).get(fact.reason) if table else None
    return known.rstrip(".") if known else _word(texts, fact.reason)


def _words(texts: Texts, values: Iterable[object]) -> str:
    return ", ".join(_word(texts, one) for one in values) or texts.phrase("history_words", "none")


def _level(texts: Texts, fact: Any) -> str:
    if isinstance(fact, CeremonyOpened):
        level = next(one.level for one in fact.collecte.signatories if one.id == fact.signatory)
        return texts.level(level).partition(":")[0].strip()
    certificate = _certificate(fact)
    found = fact.level if certificate is None else certificate.level
    return "?" if found is None else found.name.replace("_", "-")


def _certificate(fact: Any) -> Any:
    holding = getattr(fact, "holding", None)
    return holding.certificate if holding is not None else getattr(fact, "certificate", None)


def _until(texts: Texts, fact: Any) -> str:
    certificate = _certificate(fact)
    return texts.moment(fact.until) if certificate is None else texts.day(certificate.not_after)


BLANKS: Final[Mapping[str, Callable[[Texts, Any], str]]] = MappingProxyType(
    {
        "about": lambda texts, fact: _id(texts, fact.about),
        "at": lambda texts, fact: texts.moment(fact.at),
        "cause": lambda texts, fact: _word(texts, fact.cause),
        "count": lambda _texts, fact: str(len(fact.documents)),
        "expires": lambda texts, fact: texts.moment(fact.expires),
        "fields": lambda texts, fact: _words(texts, fact.fields),
        "findings": lambda texts, fact: _words(texts, fact.findings),
        "level": _level,
        "not_after": lambda texts, fact: texts.moment(fact.not_after),
        "price": lambda texts, fact: fact.price.text(texts.language),
        "provider": lambda _texts, fact: fact.provider,
        "reason": _reason,
        "reminder": lambda texts, fact: _word(texts, fact.reminder),
        "revision": lambda _texts, fact: str(fact.revision),
        "text": lambda texts, fact: _word(texts, fact.text),
        "until": _until,
        "version": lambda texts, fact: _id(texts, fact.version),
        "what": lambda texts, fact: _word(texts, fact.what),
    }
)
"""What a sentence may show of a fact, masked."""


def check(own: Texts, ours: Texts) -> None:
    """Return when a host's sentences have no other blanks than ours.

    Raises:
        ConfigurationError: One has a blank that its fact does not fill, or no fact has this sentence.
    """
    known = ours.words("history")
    for key, text in own.words("history").items():
        strange = set(_BLANK.findall(text)) - set(_BLANK.findall(known.get(key, "")))
        if key not in known or strange:
            raise ConfigurationError(
                f"`{key}` {'has a blank that nothing fills' if strange else 'is the sentence of no fact'}",
                where=f"texts/{own.language}.toml, history",
                mend="use the names and blanks of docs/history.md",
            )


def sentence(fact: Fact, texts: Texts) -> str:
    """Say in one sentence what a fact says, nothing personal in it. `texts` are a language's (`load_texts`).

    Raises:
        ConfigurationError: The tables have no `[history]`.
    """
    which = VARIANTS.get(type(fact))
    key = fact.kind if which is None else f"{fact.kind}_{'yes' if which(fact) else 'no'}"
    text = texts.words("history")[key]
    return _BLANK.sub(lambda found: BLANKS[found[1]](texts, fact), text)
