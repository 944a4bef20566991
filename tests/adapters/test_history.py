"""What happened, in words: every kind of fact has a sentence in both languages, and none tells anything personal."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qcp_sdk import codec
from qcp_sdk.adapters.shared.history import BLANKS, REASONS, VARIANTS, sentence
from qcp_sdk.adapters.shared.texts import load_texts
from qcp_sdk.audit import OperatorActed
from qcp_sdk.ceremony.facts import Declined
from qcp_sdk.facts import CodeEntered, Fact
from qcp_sdk.people import LANGUAGES
from qcp_sdk.subscription.facts import IdentityRefused, IdentityRetryable, SubscriptionOpened
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.testing.scene import Scene
from qcp_sdk.testing.strategies import facts
from qcp_sdk.values import ChallengeId, SessionId

TEXTS = {language: load_texts(language, ZoneInfo("Europe/Paris")) for language in LANGUAGES}


def kinds(root: type[Fact] = Fact) -> set[type[Fact]]:
    """Every class of facts that there is, found by looking, not by a list."""
    return {one for child in root.__subclasses__() if child.__module__.startswith("qcp_sdk") for one in
            ({child} | kinds(child))}  # fmt: skip


def test_every_kind_of_fact_has_a_sentence_in_both_languages_and_no_sentence_is_left_over() -> None:
    assert kinds() == set(codec.FACT_KINDS.values())
    wanted = {f"{kind.kind}{ending}" for kind in kinds() for ending in (("_yes", "_no") if kind in VARIANTS else ("",))}
    for texts in TEXTS.values():
        assert set(texts.words("history")) == wanted
        assert set(re.findall(r"{(\w+)}", " ".join(texts.words("history").values()))) == set(BLANKS)
        assert all(table in texts.tables for table in REASONS.values())
    for key in wanted:
        blanks = [sorted(re.findall(r"{(\w+)}", texts.words("history")[key])) for texts in TEXTS.values()]
        assert blanks[0] == blanks[1], key


@pytest.mark.parametrize("kind", sorted(codec.FACT_KINDS))
@settings(max_examples=5)
@given(data=st.data())
def test_any_fact_can_be_told_and_says_nothing_that_somebody_wrote(kind: str, data: Any) -> None:
    fact = data.draw(facts(codec.FACT_KINDS[kind]))
    fact = marked(fact)
    for texts in TEXTS.values():
        told = sentence(fact, texts)
        assert told.endswith((".", "!")), told
        assert not re.search(r"[{}]|None|<", told), told
        assert "Zoé" not in told, told


def marked(fact: Any) -> Any:
    """Put a name wherever a fact lets anybody write, and into whatever is kept out of its repr."""
    free = {
        one.name: "Zoé dit non"
        for one in attrs.fields(type(fact))
        if isinstance(getattr(fact, one.name), str)
        and one.name in ("reason", "by", "evidence", "approved_by", "about", "cause", "masked", "what", "reminder")
    }
    return attrs.evolve(fact, **free)


def test_words_of_a_provider_are_told_and_sentences_are_not() -> None:
    told = {
        language: [
            sentence(IdentityRefused(session=SessionId("s"), reason="document_expired"), texts),
            sentence(IdentityRefused(session=SessionId("s"), reason="Mme Léa Brun a crié"), texts),
            sentence(IdentityRetryable(session=SessionId("s"), reason="glare"), texts),
            sentence(CodeEntered(challenge=ChallengeId("c"), matched=False), texts),
            sentence(Declined(reason="je divorce"), texts),
            sentence(OperatorActed(what="data_revealed", about="sub-1/3/0", by="Odile", reason="appel de Léa"), texts),
        ]
        for language, texts in TEXTS.items()
    }
    assert told["en"] == [
        "The identity was refused for good (document_expired).",
        "The identity was refused for good (not shown here).",
        "The identity check has to be tried again (A reflection hid part of the document).",
        "A wrong code was entered.",
        "The signatory refused to sign.",
        "An operator acted: data_revealed, on sub-1/3/0.",
    ]
    assert told["fr"][0] == "L’identité a été refusée définitivement (document_expired)."
    assert told["fr"][5] == "Un opérateur est intervenu\u00a0: data_revealed, sur sub-1/3/0."


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_whole_life_is_told_without_a_name_an_address_or_a_number(qcp_scene: Scene, language: str) -> None:
    scene, jessica = qcp_scene, qcp_scene.jessica
    view = scene.subscribe(jessica)
    (signing,) = scene.start(scene.collecte(jessica))
    scene.sign(signing, jessica)
    told = [
        sentence(one.fact, TEXTS[language]) for id in (view.id, signing.id) for one in scene.qcp.records.history(id)
    ]
    assert scene.qcp.subscriptions.get(view.id).stage is Stage.ACTIVE
    assert len(told) > 20
    page = "\n".join(told)
    for personal in (jessica.name.given, jessica.name.last, jessica.email.text, jessica.mobile.text[-6:], "Exemple"):
        assert personal not in page, personal
    assert isinstance(scene.qcp.records.history(view.id)[0].fact, SubscriptionOpened)
    assert ("20,00" in page) is (language == "fr")


def test_a_certificate_without_an_end_has_a_day_all_the_same() -> None:
    never = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)  # RFC 5280 § 4.1.2.5
    assert TEXTS["en"].day(never) == "31\u00a0December\u00a09999"
    assert TEXTS["fr"].moment(never).startswith("31\u00a0décembre\u00a09999 à 23")
