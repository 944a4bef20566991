"""Is this the same person? Behaviour § 4; the transliterations are those of ICAO Doc 9303-3 § 6, Part A."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qcp_sdk.certificates import Certificate, CertificateStatus, Holding, StatusKind
from qcp_sdk.identity import DocumentKind, ProvenIdentity
from qcp_sdk.matching import (
    BIRTH_NAME,
    FIRST_NAME,
    HOLDER_FIELDS,
    LAST_NAME,
    USUALLY_ACCEPTED,
    Reason,
    Transformation,
    Verdict,
    compare_holder,
    differing_fields,
    match,
    match_identity,
    same_name,
)
from qcp_sdk.people import Account
from qcp_sdk.values import AccountId, BirthDate, EmailAddress, Fingerprint, PersonName, PhoneNumber

EXACT, CLOSE, NO_MATCH = Verdict.EXACT, Verdict.CLOSE, Verdict.NO_MATCH
ICAO, FEWER = Transformation.ICAO_TRANSLITERATION, Transformation.FEWER_GIVEN_NAMES
BIRTH, OWN_BIRTH = Transformation.BIRTH_NAME, Transformation.ACCOUNT_BIRTH_NAME

PART_A = """
Á:A À:A Â:A Ä:AE,A Ã:A Ă:A Å:AA Ā:A Ą:A Ć:C Ĉ:C Č:C Ċ:C Ç:C Đ:D Ď:D É:E È:E Ê:E Ë:E Ě:E Ė:E Ē:E Ę:E Ĕ:E
Ĝ:G Ğ:G Ġ:G Ģ:G Ħ:H Ĥ:H ı:I Í:I Ì:I Î:I Ï:I Ĩ:I İ:I Ī:I Į:I Ĭ:I Ĵ:J Ķ:K Ł:L Ĺ:L Ľ:L Ļ:L Ŀ:L Ń:N Ñ:N,NXX Ň:N Ņ:N Ŋ:N
Ø:OE Ó:O Ò:O Ô:O Ö:OE,O Õ:O Ő:O Ō:O Ŏ:O Ŕ:R Ř:R Ŗ:R Ś:S Ŝ:S Š:S Ş:S Ť:T Ţ:T Ŧ:T Ú:U Ù:U Û:U Ü:UE,UXX,U Ũ:U Ŭ:U Ű:U
Ů:U Ū:U Ų:U Ŵ:W Ý:Y Ŷ:Y Ÿ:Y Ź:Z Ž:Z Ż:Z Þ:TH Æ:AE Ĳ:IJ Œ:OE ß:SS Ð:D
"""
ROWS = [(row.split(":")[0], reading) for row in PART_A.split() for reading in row.split(":")[1].split(",")]


def person(given: str, last: str, birth_name: str = "") -> PersonName:
    return PersonName(given=given, last=last, birth_name=birth_name)


def verdict_on_last(mine: str, theirs: str) -> Verdict:
    return match_identity(person("Jo", mine), person("Jo", theirs)).verdict


@pytest.mark.parametrize(("letter", "reading"), ROWS)
def test_every_reading_of_the_icao_table_is_the_same_person(letter: str, reading: str) -> None:
    # Written in a document's capitals, on either side, at the end, in the middle, as a small letter.
    for name in (f"X{letter}", f"X{letter}X", f"X{letter.lower()}x"):
        document = name.upper().replace(letter.upper(), reading)
        assert verdict_on_last(name, document) is not NO_MATCH
        assert verdict_on_last(document, name) is not NO_MATCH


@pytest.mark.parametrize(
    ("mine", "theirs", "expected"),
    [
        ("Müller", "MULLER", EXACT),
        ("Müller", "MUELLER", CLOSE),
        ("Muller", "Mueller", NO_MATCH),  # nothing says that there was an umlaut
        ("Müller", "MILLER", NO_MATCH),
        ("Håkansson", "HAKANSSON", EXACT),
        ("Håkansson", "HAAKANSSON", CLOSE),
        ("Sørensen", "SOERENSEN", EXACT),  # the only reading that a passport has
        ("Strauß", "STRAUSS", EXACT),
        ("Œuvrard", "Oeuvrard", EXACT),
        ("Nuñez", "NUNXXEZ", CLOSE),
        ("L'Hôpital", "LHOPITAL", EXACT),
        ("L’Hôpital", "L HOPITAL", EXACT),
        ("Dupont-Martin", "DUPONT MARTIN", EXACT),
        ("de la Tour", "Delatour", EXACT),
        ("Dupont-Martin", "Dupont", NO_MATCH),
        ("Dupond", "Dupont", NO_MATCH),
        ("Иванов", "Иванов", EXACT),
        ("Иванов", "ИВАНОВ", NO_MATCH),  # another script: equal to itself only
        ("Иванов", "Ivanov", NO_MATCH),
        ("Mаrtin", "Martin", NO_MATCH),  # the first has a Cyrillic а
        ("Ωμέγα", "Ωμεγα", NO_MATCH),
        ("'", "-", NO_MATCH),  # nothing is left of either: not the same nothing
        ("Dupont 2", "Dupont", NO_MATCH),
        ("M\u0308uller", "Muller", EXACT),  # a mark that no letter of Unicode has
    ],
)
def test_last_names(mine: str, theirs: str, expected: Verdict) -> None:
    assert verdict_on_last(mine, theirs) is expected


@pytest.mark.parametrize(
    ("mine", "theirs", "expected", "allowed"),
    [
        ("Jessica", "JESSICA", EXACT, set()),
        ("Jessica", "Jessica Marie Anne", CLOSE, {FEWER}),
        ("Marie", "Jessica Marie Anne", CLOSE, {FEWER}),
        ("Jessica Anne", "Jessica Marie Anne", CLOSE, {FEWER}),
        ("Anne Jessica", "Jessica Marie Anne", NO_MATCH, set()),
        ("Jessica Marie", "Jessica", NO_MATCH, set()),
        ("Jean-Pierre", "JEAN PIERRE", EXACT, set()),
        ("Jean-Pierre", "JEAN PIERRE MARIE", CLOSE, {FEWER}),
        ("Jean Pierre", "Jean-Pierre Marie", CLOSE, {FEWER}),
        ("Jean", "Jean-Pierre Marie", NO_MATCH, set()),  # Jean-Pierre is one given name, and Jean another
        ("Pierre", "Jean-Pierre", NO_MATCH, set()),
        ("Jessie", "Jessica", NO_MATCH, set()),
        ("Jess", "Jessica Marie", NO_MATCH, set()),
        ("Jörg", "HANS JOERG", CLOSE, {ICAO, FEWER}),
        ("Joerg", "Hans Jörg", CLOSE, {ICAO, FEWER}),
        ("Jörg", "HANS JORG", CLOSE, {FEWER}),
        ("Ærøe", "AEROEE KARL", CLOSE, {FEWER}),
    ],
)
def test_given_names(mine: str, theirs: str, expected: Verdict, allowed: set[Transformation]) -> None:
    found = match_identity(person(mine, "Poussart"), person(theirs, "Poussart"))
    assert (found.verdict, set(found.transformations)) == (expected, allowed)
    assert found.differing == (("first_name",) if expected is NO_MATCH else ())


@pytest.mark.parametrize(
    ("account", "document", "expected", "allowed"),
    [
        (("Martin", ""), ("Martin", "Dupont"), EXACT, set()),
        (("Dupont", ""), ("Martin", "Dupont"), CLOSE, {BIRTH}),
        (("Martin", "Dupont"), ("Dupont", ""), CLOSE, {OWN_BIRTH}),
        (("Müller", ""), ("Martin", "MUELLER"), CLOSE, {BIRTH, ICAO}),
        (("Martin", "Dupont"), ("Martin", "Durand"), NO_MATCH, set()),
        (("Martin", "Dupont"), ("Durand", "Dupont"), NO_MATCH, set()),  # the name in use is shown, and it is another
        (("Martin", "Müller"), ("Martin", "Mueller"), CLOSE, {ICAO}),
    ],
)
def test_names_in_use_and_at_birth(
    account: tuple[str, str], document: tuple[str, str], expected: Verdict, allowed: set[Transformation]
) -> None:
    found = match_identity(person("Jo", *account), person("Jo", *document))
    assert found.verdict is expected
    assert expected is NO_MATCH or found.transformations == allowed


def test_the_field_that_differs_is_named() -> None:
    other = person("Irène", "Faron", "Martin")
    assert match_identity(person("Jo", "Poussart", "Durand"), other).differing == (FIRST_NAME, LAST_NAME, BIRTH_NAME)
    assert [one.field for one in match_identity(person("Jo", "P"), other).fields] == [FIRST_NAME, LAST_NAME]


def test_a_given_name_that_another_begins_with_hides_nothing() -> None:
    """Ann and Annä: that the first fits as well is no reason to forget that the second does."""
    found = match_identity(person("Annae", "Poussart"), person("Ann Annä", "Poussart"))
    assert found.verdict is CLOSE
    assert found.transformations == {ICAO, FEWER}


def test_close_counts_only_for_who_allows_every_transformation() -> None:
    found = match_identity(person("Jörg", "Dupont"), person("Hans Joerg", "Martin", "Dupont"))
    assert found.transformations == {ICAO, FEWER, BIRTH}
    assert found.accepted(USUALLY_ACCEPTED)
    assert found.accepted(["birth_name", "fewer_given_names", "icao_transliteration"])  # stored as words
    for left_out in found.transformations:
        assert not found.accepted(found.transformations - {left_out})


def test_what_the_document_does_not_prove_is_not_usually_accepted() -> None:
    assert OWN_BIRTH not in USUALLY_ACCEPTED
    assert not match_identity(person("Jo", "Martin", "Dupont"), person("Jo", "Dupont")).accepted()


def test_an_account_and_a_document() -> None:
    document = ProvenIdentity(
        name=person("JESSICA MARIE", "POUSSART"),
        birth_date=BirthDate(date(1990, 1, 1)),
        document=DocumentKind.PASSPORT,
        issuing_country="FR",
    )
    found = match(account=ACCOUNT, document=document)
    assert (found.verdict, set(found.transformations)) == (CLOSE, {FEWER})


def test_a_name_of_umlauts_is_answered_at_once() -> None:
    assert verdict_on_last("ü" * 120, "UE" * 60) is NO_MATCH  # 3**120 readings, were they written out
    assert verdict_on_last("ü" * 60, "UE" * 60) is CLOSE
    found = match_identity(person("ö " * 60, "X"), person("oe " * 40, "X"))
    assert found.verdict is NO_MATCH


names = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12)
latin = st.text("abcdefghijklmnopqrstuvwxyzéèêëàâäöüñøåçßœŁI' -", min_size=1, max_size=12).filter(
    lambda text: any(character.isalpha() for character in text)
)


@given(latin | names, latin | names)
@settings(max_examples=200)
def test_everybody_is_themselves_and_nobody_is_close_to_a_stranger(one: str, other: str) -> None:
    assert verdict_on_last(one, one) is EXACT
    assert verdict_on_last(one, other) is verdict_on_last(other, one)
    mine, theirs = person("Jo", one), person("Jo", other)
    assert same_name(mine, theirs) is same_name(theirs, mine)
    assert same_name(mine, theirs) is (verdict_on_last(one, other) is not NO_MATCH)


@given(latin)
def test_folding_is_invisible(name: str) -> None:
    for variant in (name.upper(), name.lower(), name.replace("'", "’"), name.replace("-", " "), name.replace(" ", "-")):
        if variant.strip():
            assert verdict_on_last(name, variant) is EXACT


@given(st.lists(latin, min_size=1, max_size=5), st.data())
def test_some_of_the_given_names_in_order_are_close(given_names: list[str], data: st.DataObject) -> None:
    kept = data.draw(st.lists(st.booleans(), min_size=len(given_names), max_size=len(given_names)))
    some = [name for name, keep in zip(given_names, kept, strict=True) if keep]
    if any(character.isalpha() for character in "".join(some)):
        found = match_identity(person(" ".join(some), "X"), person(" ".join(given_names), "X"))
        assert found.verdict is not NO_MATCH


ACCOUNT = Account(
    id=AccountId("a"),
    name=person("Jessica", "Poussart"),
    email=EmailAddress("jessica@Example.org"),
    mobile=PhoneNumber("+33612345678"),
)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


HOLDER = person("JESSICA", "Poussart")


def holding(
    name: PersonName | None = HOLDER,
    *,
    email: str | None = "jessica@example.ORG",
    mobile: str | None = "+33 6 12 34 56 78",
    written: tuple[str, ...] = (),
) -> Holding:
    certificate = Certificate(
        der=b"",
        fingerprint=Fingerprint("0" * 64),
        serial=1,
        issuer="CN=TEST",
        subject="CN=TEST",
        name=name,
        emails=tuple(EmailAddress(text) for text in written),
        not_before=NOW,
        not_after=NOW,
    )
    return Holding(
        certificate=certificate,
        status=CertificateStatus(kind=StatusKind.GOOD, checked_at=NOW),
        email=EmailAddress(email) if email else None,
        mobile=PhoneNumber(mobile) if mobile else None,
    )


@pytest.mark.parametrize(
    ("held", "differing"),
    [
        (holding(), ()),
        (holding(person("Jessie", "Poussart")), ("first_name",)),
        (holding(person("Jessica Marie", "Poussart")), ("first_name",)),  # one difference is enough
        (holding(person("Jessica", "Martin")), ("last_name",)),
        (holding(email="jessica@example.com"), ("email",)),
        (holding(email="Jessica@example.org"), ("email",)),  # only the domain's case is forgiven
        (holding(mobile="+33612345679"), ("mobile",)),
        (holding(person("A", "B"), email="a@b.fr", mobile="+33612345679"), HOLDER_FIELDS),
        (holding(None), ("first_name", "last_name")),
        (holding(email=None), ("email",)),
        (holding(email=None, written=("jessica@example.org",)), ()),
        (holding(email=None, written=("other@example.org", "jessica@example.org")), ()),
        (holding(written=("other@example.org",)), ("email",)),  # registered as theirs, issued as another's
        (holding(email="other@example.org", written=("jessica@example.org",)), ("email",)),
        (holding(mobile=None), ("mobile",)),
    ],
)
def test_the_field_that_differs_from_a_certificate_is_named(held: Holding, differing: tuple[str, ...]) -> None:
    assert differing_fields(ACCOUNT, held) == differing


def test_different_and_unstated_are_told_apart() -> None:
    found = compare_holder(ACCOUNT, holding(person("Jessie", "Poussart"), email=None, mobile=None))
    assert [one.reason for one in found.fields] == [Reason.DIFFERENT, Reason.SAME, Reason.UNSTATED, Reason.UNSTATED]
    assert found.differing == ("first_name",)


def test_a_certificate_may_be_spelt_as_a_passport_unless_that_is_not_allowed() -> None:
    muller = Account(id=AccountId("m"), name=person("Jo", "Müller"), email=ACCOUNT.email, mobile=ACCOUNT.mobile)
    held = holding(person("Jo", "MUELLER"))
    assert differing_fields(muller, held) == ()
    assert differing_fields(muller, held, close=()) == ("last_name",)


def test_answers_hold_no_personal_data() -> None:
    found = match_identity(person("Jessica", "Poussart"), person("Jessie", "Martin"))
    assert not any(name in repr(found) for name in ("Jess", "Poussart", "Martin"))
