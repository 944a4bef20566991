"""From facts to a level, without any document; and every word that may be said."""

from __future__ import annotations

import string
from datetime import UTC, datetime

import pytest
from attrs import evolve

from qcp_sdk.levels import SignatureLevel
from qcp_sdk.verification import Changes, Indication, Qualification, SignatureReport
from qcp_sdk.verification.facts import SignatureFacts
from qcp_sdk.verification.qualification import Assessment
from qcp_sdk.verification.report import reason, weakest
from qcp_sdk.verification.texts import BY_SUB_INDICATION, LABELS, REASONS, say
from qcp_sdk.verification.verdict import Standing, verdict

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SOUND = SignatureFacts(
    field_name="S",
    indication=Indication.PASSED,
    path=(b"a", b"b"),
    covers_revision=True,
    allowed=True,
    changes=Changes.NONE,
    names_certificate=True,
    intact=True,
)
YES = Assessment(qualified=True, service="CA", territory="ZZ")
NO = Assessment(qualified=False, reasons=(reason("not_declared_qualified"),))
DEVICE = evolve(YES, qscd=True)


def judged(facts: SignatureFacts, issuance: Assessment = YES, signing: Assessment = YES) -> SignatureReport:
    standing = Standing(at_issuance=issuance, at_signing=signing)
    return verdict(facts, standing, timestamps=(), names=(), now=NOW)


@pytest.mark.parametrize(
    ("issuance", "signing", "level", "qualification"),
    [
        (YES, YES, SignatureLevel.NIVEAU_3, Qualification.ADESIG_QC),
        (YES, DEVICE, SignatureLevel.NIVEAU_4, Qualification.QESIG),
        (DEVICE, YES, SignatureLevel.NIVEAU_3, Qualification.ADESIG_QC),
        (NO, YES, SignatureLevel.NIVEAU_2, Qualification.ADESIG),
        (NO, DEVICE, SignatureLevel.NIVEAU_2, Qualification.ADESIG),
        (YES, NO, SignatureLevel.NIVEAU_2, Qualification.ADESIG),
        (NO, NO, SignatureLevel.NIVEAU_2, Qualification.ADESIG),
    ],
)
def test_it_must_be_qualified_when_issued_and_when_it_signed(
    issuance: Assessment, signing: Assessment, level: SignatureLevel, qualification: Qualification
) -> None:
    report = judged(SOUND, issuance, signing)
    assert (report.level_reached, report.qualification) == (level, qualification)


@pytest.mark.parametrize(
    ("changes", "indication", "sub_indication", "level", "why"),
    [
        ({"covers_revision": False}, Indication.FAILED, "FORMAT_FAILURE", None, "coverage_incomplete"),
        ({"allowed": False}, Indication.FAILED, "FORMAT_FAILURE", None, "content_changed_since"),
        (
            {"names_certificate": False},
            Indication.INDETERMINATE,
            "SIG_CONSTRAINTS_FAILURE",
            SignatureLevel.NIVEAU_1,
            "not_an_ades",
        ),
    ],
)
def test_passing_is_not_enough(
    changes: dict[str, bool],
    indication: Indication,
    sub_indication: str,
    level: SignatureLevel | None,
    why: str,
) -> None:
    report = judged(evolve(SOUND, **changes), DEVICE, DEVICE)  # type: ignore[arg-type]
    assert (report.indication, report.sub_indication, report.level_reached) == (indication, sub_indication, level)
    assert report.qualification is Qualification.NONE
    assert why in {one.id for one in report.reasons}


@pytest.mark.parametrize("sub_indication", [*BY_SUB_INDICATION, "GENERIC", "SOMETHING_NEW"])
def test_what_does_not_pass_is_never_more_than_simple_and_always_explained(sub_indication: str) -> None:
    report = judged(evolve(SOUND, indication=Indication.INDETERMINATE, sub_indication=sub_indication), DEVICE, DEVICE)
    assert report.level_reached in {None, SignatureLevel.NIVEAU_1}
    assert report.qualification is Qualification.NONE
    assert len([one for one in report.reasons if one.id != "no_timestamp"]) == 1
    for one in report.reasons:
        assert all(one.text(language) for language in ("fr", "en"))


def test_what_is_not_intact_is_worth_nothing() -> None:
    assert judged(evolve(SOUND, indication=Indication.INDETERMINATE, intact=False)).level_reached is None


def test_a_document_is_as_good_as_its_weakest_signature() -> None:
    three, two = SignatureLevel.NIVEAU_3, SignatureLevel.NIVEAU_2
    assert weakest([three, two]) is two
    assert weakest([three, None]) is None
    assert weakest([]) is None


@pytest.mark.parametrize("name", [*REASONS, *LABELS])
def test_every_text_is_there_in_both_languages_with_the_same_blanks(name: str) -> None:
    french, english = REASONS.get(name) or LABELS[name]
    blanks = [{part for _, part, _, _ in string.Formatter().parse(text) if part} for text in (french, english)]
    assert blanks[0] == blanks[1]
    filled = dict.fromkeys(blanks[0], "x") | ({"date": NOW.isoformat()} if "date" in blanks[0] else {})
    assert say(name, "fr", **filled)
    assert say(name, "en", **filled)


@pytest.mark.parametrize("name", [*REASONS, *LABELS])
def test_french_is_set_as_french_is(name: str) -> None:
    french, _ = REASONS.get(name) or LABELS[name]
    assert "'" not in french  # the apostrophe is ’
    for mark in (" :", " ;", " »", "« ", " ?", " !"):
        assert mark not in french  # these spaces do not break


def test_niveau_3_is_never_called_qualified() -> None:
    assert "basée sur un certificat qualifié" in say("level.NIVEAU_3", "fr")
    assert "qualifiée" not in say("level.NIVEAU_3", "fr")


def test_days_are_written_as_people_write_them() -> None:
    text = reason("certificate_revoked", date=NOW.isoformat())
    assert "1er\u00a0mars\u00a02026" in text.text("fr")
    assert "1\u00a0March\u00a02026" in text.text("en")


def test_the_library_logs_nothing_of_a_first_verification() -> None:
    """Its loggers are made when it is imported, in the middle of the first verification; they name signatories."""
    import subprocess
    import sys

    script = (
        "import logging, sys; from datetime import datetime, UTC\n"
        "logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)\n"
        "from qcp_sdk.verification.errors_border import quiet\n"
        "def names():\n"
        "    known = logging.root.manager.loggerDict.items()\n"
        "    return [name for name, one in known if name.startswith('pyhanko') and isinstance(one, logging.Logger)]\n"
        "with quiet():\n"
        "    for name in names():\n"
        "        logging.getLogger(name).warning('CN=Jessica Poussart')\n"
        "    before = names()\n"
        "    import pyhanko.sign.validation.ades, pyhanko.sign.diff_analysis\n"
        "    assert names() == before and before\n"
        "logging.getLogger(before[-1]).warning('afterwards')\n"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert "Jessica" not in said
    assert "afterwards" in said
