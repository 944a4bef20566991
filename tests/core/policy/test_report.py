"""A decision as a person reads it at a terminal, as a program reads it, and by the name that is kept of it."""

from __future__ import annotations

import hashlib
import json
from functools import cache

import pytest
from attrs import evolve

from qcp_sdk.errors import InvalidValue
from qcp_sdk.policy import assess
from qcp_sdk.policy.report import as_json, as_text
from qcp_sdk.testing.corpus import Case, cases
from qcp_sdk.values import CollecteId, SignatoryId


@cache
def corpus() -> dict[str, Case]:
    return {case.name: case for case in cases()}


READ = {
    ("niveau-3-qcp-n", "fr"): """\
Collecte « niveau-3-qcp-n » : peut être envoyée
Politique 2026-11, le 23 novembre 2026 à 12 h 00 (UTC)

✓ Jürgen Müller (s1) : niveau 3 demandé : accordé
  niveaux proposés : niveau 1, niveau 2, niveau 3 ; au moins exigé : niveau 1
  signe avec son certificat QCP-n (d9d486fb63bacad2)
""",
    ("niveau-3-qcp-n", "en"): """\
Collection “niveau-3-qcp-n”: may be sent
Policy 2026-11, on 23 November 2026 at 12:00 UTC

✓ Jürgen Müller (s1): niveau 3 asked for: granted
  levels offered: niveau 1, niveau 2, niveau 3; at least required: niveau 1
  signs with their QCP-n certificate (d9d486fb63bacad2)
""",
    ("third-party-whose-mobile-differs", "fr"): """\
Collecte « third-party-whose-mobile-differs » : refusée
Politique 2026-11, le 23 novembre 2026 à 12 h 00 (UTC)

✗ Jürgen Müller (s1) : niveau 1 demandé : refusé
  niveaux proposés : aucun ; au moins exigé : niveau 3
  ✗ Ce tiers détient un certificat pour le niveau 3 : un niveau inférieur ne peut pas lui être demandé.
    → Choisissez le niveau 3. Si ses données ont changé, corrigez-les, ou demandez-lui de révoquer son certificat et \
d’en souscrire un autre.
  ✗ [d9d486fb63bacad2] Le certificat et la fiche du signataire diffèrent : numéro de mobile.
    → Corrigez la fiche du signataire (numéro de mobile). Si c’est le certificat qui n’est plus exact, son titulaire \
doit le révoquer et en souscrire un autre.
""",
    ("third-party-whose-mobile-differs", "en"): """\
Collection “third-party-whose-mobile-differs”: refused
Policy 2026-11, on 23 November 2026 at 12:00 UTC

✗ Jürgen Müller (s1): niveau 1 asked for: refused
  levels offered: none; at least required: niveau 3
  ✗ This third party holds a certificate for niveau 3: they may not be asked for less.
    → Choose niveau 3. If their details have changed, correct them, or ask them to revoke their certificate and \
subscribe to another.
  ✗ [d9d486fb63bacad2] The certificate and the signatory’s details differ: mobile number.
    → Correct the signatory’s details (mobile number). If it is the certificate that is out of date, its holder must \
revoke it and subscribe to another.
""",
}


@pytest.mark.parametrize(("name", "language"), READ)
def test_a_decision_as_a_person_reads_it(name: str, language: str) -> None:
    case = corpus()[name]
    text = as_text(case.decide(), case.enquiry.collecte, language)
    # Where lines may not break, the spaces say so.
    assert text.replace("\u00a0", " ").replace("\u202f", " ") == READ[name, language]
    assert "niveau\u00a03" in text


def test_an_attested_certificate_is_named_by_who_attests_it() -> None:
    case = corpus()["niveau-3-attested"]
    (one,) = case.decide().signatories
    assert one.chosen is not None
    text = as_text(case.decide(), case.enquiry.collecte, "en")
    assert text.endswith(f"  signs with their QCP-n certificate, attested by {one.chosen.provider}\n")


def test_the_same_help_is_said_once() -> None:
    shared = 0
    for name in ("three-signatories-everything-is-said", "niveau-3-everything-is-said"):
        case = corpus()[name]
        text = as_text(case.decide(), case.enquiry.collecte, "fr")
        for one, part in zip(case.decide(), text.split("\n\n")[1:], strict=True):
            helps = [line for line in part.splitlines() if line.startswith("    → ")]
            assert helps
            assert len(helps) == len(set(helps))
            shared += len(one.findings) - len(helps)
    assert shared > 0  # or nothing was there to be left out


@pytest.mark.parametrize("name", ["niveau-3-qcp-n", "third-party-whose-mobile-differs"])
def test_a_decision_as_a_program_reads_it(name: str) -> None:
    decision = corpus()[name].decide()
    written = as_json(decision)
    assert json.loads(written) == {**decision.as_data(worded=True), "hash": decision.hash}
    assert written == json.dumps(json.loads(written), ensure_ascii=False, indent=2) + "\n"
    assert "û" in written or "é" in written or name == "niveau-3-qcp-n"


@pytest.mark.parametrize("name", ["niveau-3-qcp-n", "third-party-whose-mobile-differs"])
def test_a_decision_is_named_by_what_it_says_and_not_by_its_wording(name: str) -> None:
    """What a host stored with a collecte must be found again after any upgrade: the bytes never change."""
    decision = corpus()[name].decide()
    bare = json.dumps(decision.as_data(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert decision.hash == "sha256:" + hashlib.sha256(bare.encode()).hexdigest()
    assert "message" not in bare


def test_a_decision_has_a_name_whatever_a_hosts_ids_hold() -> None:
    """Half a character is no UTF-8, yet a host's id may hold it, and a decision that has no name cannot be kept."""
    decision = corpus()["niveau-3-qcp-n"].decide()
    odd = evolve(decision, collecte=CollecteId("a\ud800"))
    assert odd.hash not in (decision.hash, evolve(decision, collecte=CollecteId("a")).hash)


def test_a_stranger_is_named_with_the_place() -> None:
    case = corpus()["niveau-3-qcp-n"]
    with pytest.raises(InvalidValue, match=r"^signatory: `nobody`"):
        case.decide().of(SignatoryId("nobody"))
    assert case.enquiry.at is not None
    with pytest.raises(InvalidValue, match=r"^holdings: `nobody`"):
        assess(case.enquiry.collecte, {SignatoryId("nobody"): ()}, now=case.enquiry.at, policy=case.policy)
    assert case.decide().collecte == case.enquiry.collecte.id
