"""Every outcome of every rule has its words, in good French and in good English."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

import pytest

from qcp_sdk.errors import LevelRefused
from qcp_sdk.levels import CertificateLevel, SignatureLevel
from qcp_sdk.matching import HOLDER_FIELDS, Transformation
from qcp_sdk.policy import RULES, Finding, Rule, Verdict
from qcp_sdk.policy.rules import Scope
from qcp_sdk.policy.texts import TEXTS
from qcp_sdk.policy.words import Detail, filled, moment, plain

MOMENT = datetime(2027, 3, 1, 9, 5, tzinfo=UTC)
DETAILS: tuple[tuple[str, Detail], ...] = (
    *((key, MOMENT) for key in ("begins", "ends", "deadline", "checked", "revoked")),
    ("level", SignatureLevel.NIVEAU_3),
    ("has", CertificateLevel.LCP),
    ("needs", CertificateLevel.QCP_N),
    ("issuer", "TEST CA"),
    ("provider", "universign"),
    ("countries", "CH"),
    ("allowed", tuple(Transformation)),
)
OUTCOMES = [(rule, outcome) for rule in RULES.values() for outcome in rule.outcomes]


def finding(rule: Rule, outcome: str, fields: tuple[str, ...] = HOLDER_FIELDS) -> Finding:
    return Finding(
        rule=rule.id,
        outcome=outcome,
        verdict=rule.outcomes[outcome],
        source=rule.source,
        fields=fields,
        details=DETAILS,
    )


def test_there_are_words_for_every_outcome_and_for_nothing_else() -> None:
    assert set(TEXTS) == {(rule.id, outcome) for rule, outcome in OUTCOMES}


@pytest.mark.parametrize(("rule", "outcome"), OUTCOMES, ids=lambda each: getattr(each, "id", each))
def test_each_outcome_is_said_in_both_languages(rule: Rule, outcome: str) -> None:
    found = finding(rule, outcome)
    french, english = found.message("fr"), found.message("en")
    assert french != english
    remedies = found.remedy("fr"), found.remedy("en")
    wanted = rule.outcomes[outcome] is not Verdict.PASSED
    assert [bool(remedy) for remedy in remedies] == [wanted, wanted]  # a refusal always says what would help
    for text in (french, english, *filter(None, remedies)):
        assert text[0].isupper() or text.startswith("universign")
        assert text.endswith(".")
        assert not re.search(r"[{}]|None|'|\.\.|  |qualifiée|niveau 3", text)
    assert not re.search(r"[^\u00a0\u202f][:;!?»]|«[^\u00a0]", french)


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: str(rule.id))
def test_each_rule_names_its_source_and_can_say_no(rule: Rule) -> None:
    assert rule.source
    assert any(verdict is not Verdict.PASSED for verdict in rule.outcomes.values())
    if rule.scope is Scope.CERTIFICATE:
        assert rule.holding or rule.attestation


def test_instants_levels_and_fields_are_words() -> None:
    expired = finding(RULES["validity.now"], "expired")
    assert expired.message("fr") == "Le certificat a expiré le 1er\u00a0mars 2027 à 9\u00a0h\u00a005 (UTC)."
    assert expired.message("en") == "The certificate expired on 1 March 2027 at 09:05 UTC."
    differs = finding(RULES["holder.matches"], "differs", ("first_name", "mobile"))
    assert differs.message("fr").endswith("diffèrent\u00a0: prénom, numéro de mobile.")
    assert differs.message("en").endswith("differ: first name, mobile number.")
    close = finding(RULES["holder.matches"], "close")
    assert "(ICAO transliteration, fewer given names, " in close.message("en")
    device = finding(RULES["certificate.qscd"], "not_stated")
    assert device.remedy("fr").endswith(", ou signer au niveau\u00a03.")
    assert device.remedy("en").endswith(", or sign at niveau\u00a03.")


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_instants_are_in_utc_wherever_they_are_written(monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert plain(MOMENT) == "2027-03-01T09:05:00+00:00"
        assert moment(MOMENT, "en") == "1 March 2027 at 09:05 UTC"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_only_french_is_set_as_french() -> None:
    details = (("issuer", "A : B ; « C »"),)
    said = {language: filled("{issuer}", (), details, language) for language in ("fr", "en")}
    assert said == {"fr": "A\u00a0: B\u202f; «\u00a0C\u00a0»", "en": "A : B ; « C »"}


def test_what_a_certificate_says_cannot_write_on_the_terminal() -> None:
    found = Finding(
        rule="issuer.recognised",
        outcome="refused",
        verdict=Verdict.FAILED,
        source="",
        details=(("issuer", "\x1b[2J{0}\nMüller\u202e" + "x" * 1_000),),
    )
    text = found.message("en")
    assert "[2J{0}Müller" in text
    assert not any(forbidden in text for forbidden in ("\x1b", "\n", "\u202e"))
    assert len(text) < 300


def test_errors_may_name_the_decision() -> None:
    assert LevelRefused.code == "level_refused"
