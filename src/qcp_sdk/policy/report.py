"""A decision for reading: text for a terminal, in French or in English, and JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Final

from attrs import frozen

from qcp_sdk.collectes import Collecte
from qcp_sdk.levels import SignatureLevel
from qcp_sdk.policy.decision import Choice, Decision, SignatoryDecision, Verdict
from qcp_sdk.policy.words import certificate_name, filled, moment

_MARKS: Final = {Verdict.PASSED: "✓", Verdict.FAILED: "✗", Verdict.INDETERMINATE: "?"}


@frozen(kw_only=True)
class _Wording:
    collecte: str
    policy: str
    asked: str
    levels: str
    none: str
    signs: str
    attested: str
    whole: Mapping[Verdict, str]
    each: Mapping[Verdict, str]


_WORDINGS: Final = {
    "fr": _Wording(
        collecte="Collecte « {id} » : {verdict}",
        policy="Politique {version}, le {at}",
        asked="{who} : {level} demandé : {verdict}",
        levels="niveaux proposés : {offered} ; au moins exigé : {required}",
        none="aucun",
        signs="signe avec son certificat {level} ({id})",
        attested="signe avec son certificat {level}, attesté par {id}",
        whole={
            Verdict.PASSED: "peut être envoyée",
            Verdict.FAILED: "refusée",
            Verdict.INDETERMINATE: "refusée, faute d’information",
        },
        each={
            Verdict.PASSED: "accordé",
            Verdict.FAILED: "refusé",
            Verdict.INDETERMINATE: "refusé, faute d’information",
        },
    ),
    "en": _Wording(
        collecte="Collection “{id}”: {verdict}",
        policy="Policy {version}, on {at}",
        asked="{who}: {level} asked for: {verdict}",
        levels="levels offered: {offered}; at least required: {required}",
        none="none",
        signs="signs with their {level} certificate ({id})",
        attested="signs with their {level} certificate, attested by {id}",
        whole={
            Verdict.PASSED: "may be sent",
            Verdict.FAILED: "refused",
            Verdict.INDETERMINATE: "refused, for lack of information",
        },
        each={
            Verdict.PASSED: "granted",
            Verdict.FAILED: "refused",
            Verdict.INDETERMINATE: "refused, for lack of information",
        },
    ),
}
_SHORT: Final = 16
"""Digits of a fingerprint that a person can compare."""


def as_json(decision: Decision) -> str:
    """Write the decision with its hash and its wording in both languages, as indented JSON."""
    data = {**decision.as_data(worded=True), "hash": decision.hash}
    return json.dumps(data, ensure_ascii=False, indent=2) + "\n"


def as_text(decision: Decision, collecte: Collecte, language: str) -> str:
    """Write the decision for a person at a terminal, signatories in their order. It holds their names."""
    return "\n".join(_lines(decision, collecte, language)) + "\n"


def _lines(decision: Decision, collecte: Collecte, language: str) -> Iterator[str]:
    wording = _WORDINGS[language]

    def say(template: str, **words: str) -> str:
        return filled(template, (), tuple(words.items()), language)

    yield say(wording.collecte, id=decision.collecte, verdict=wording.whole[decision.verdict])
    yield say(wording.policy, version=decision.policy_version, at=moment(decision.at, language))
    for signatory in collecte.signatories:
        one = decision.of(signatory.id)
        yield ""
        who, level = f"{signatory.name.full} ({signatory.id})", _level(one.requested)
        yield f"{_MARKS[one.verdict]} " + say(wording.asked, who=who, level=level, verdict=wording.each[one.verdict])
        offered = ", ".join(_level(each) for each in one.levels_offered) or wording.none
        yield "  " + say(wording.levels, offered=offered, required=_level(one.level_required))
        if one.chosen is not None:
            template = wording.signs if one.chosen.certificate else wording.attested
            yield "  " + say(template, level=certificate_name(one.chosen.level), id=_short(one.chosen))
        yield from _reasons(one, language)


def _reasons(one: SignatoryDecision, language: str) -> Iterator[str]:
    said: set[str] = set()
    for finding in one.findings:
        about = f"[{finding.certificate[:_SHORT]}] " if finding.certificate else ""
        yield f"  {_MARKS[finding.verdict]} {about}{finding.message(language)}"
        remedy = finding.remedy(language)
        if remedy and remedy not in said:  # the same help for three findings is said once
            said.add(remedy)
            yield f"    → {remedy}"


def _level(level: SignatureLevel) -> str:
    return f"niveau\u00a0{level.value}"


def _short(chosen: Choice) -> str:
    return chosen.certificate[:_SHORT] if chosen.certificate else chosen.provider
