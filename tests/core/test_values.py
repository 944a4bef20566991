"""The small values: what each accepts, keeps, shows, and refuses."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from qcp_sdk.errors import InvalidValue
from qcp_sdk.values import (
    BirthDate,
    Cents,
    EmailAddress,
    PersonName,
    PhoneNumber,
    Secret,
    content_hash,
    joined,
    mask,
    utc,
)


def check_refused(call: Callable[[], object], where: str, told: str = "") -> None:
    """Refused, with the place it is about; what was given enters the message only where it is not personal."""
    with pytest.raises(InvalidValue) as refused:
        call()
    assert str(refused.value).startswith(f"{where}: ")
    assert told in str(refused.value)


# --- amounts ----------------------------------------------------------------------------------------------------


def test_cents_stay_cents() -> None:
    assert (Cents(150) + 50, Cents(150) - Cents(200), -Cents(150)) == (200, -50, -150)
    for amount in (Cents(150) + 50, Cents(150) - 50, -Cents(150)):
        assert type(amount) is Cents
    assert repr(Cents(-2_000)) == "Cents(-2000)"


@pytest.mark.parametrize("amount", [True, 20.0, "20", None])
def test_only_whole_numbers_are_cents(amount: object) -> None:
    check_refused(lambda: Cents(amount), "amount", f"`{amount!r}`")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("amount", "french", "english"),
    [
        (2_000, "20,00\u00a0€", "€20.00"),
        (0, "0,00\u00a0€", "€0.00"),
        (5, "0,05\u00a0€", "€0.05"),
        (99, "0,99\u00a0€", "€0.99"),
        (-1, "-0,01\u00a0€", "-€0.01"),
        (-2_050, "-20,50\u00a0€", "-€20.50"),
        (123_456_789, "1\u202f234\u202f567,89\u00a0€", "€1,234,567.89"),
    ],
)
def test_an_amount_is_written_as_a_person_reads_it(amount: int, french: str, english: str) -> None:
    assert Cents(amount).text("fr") == french
    assert Cents(amount).text("en") == english


# --- instants and names of things -------------------------------------------------------------------------------


def test_an_instant_is_kept_in_utc() -> None:
    there = datetime(2026, 3, 2, 9, tzinfo=timezone(timedelta(hours=-5)))
    assert utc(there) == there
    assert utc(there).tzinfo is UTC
    naive = datetime(2026, 3, 2, 9)  # noqa: DTZ001
    check_refused(lambda: utc(naive), "moment", "`2026-03-02T09:00:00` has no time zone")
    check_refused(lambda: utc(naive, "deadline"), "deadline")


def test_no_other_parts_give_the_same_name() -> None:
    assert joined("ab", "", "c:d") == "2:ab0:3:c:d"
    assert joined() == ""
    assert len({joined("a", "bc"), joined("ab", "c"), joined("abc"), joined("abc", "")}) == 4


def test_a_content_hash_is_sha256_in_lower_case() -> None:
    good = "sha256:" + "0a" * 32
    assert content_hash(good) == good
    for bad in (good.upper(), good[:-1], good + "0", "sha512" + good[6:], "0a" * 32, "", f" {good}", f"{good}\n"):
        check_refused(lambda text=bad: content_hash(text), "hash")  # type: ignore[misc]


# --- secrets ----------------------------------------------------------------------------------------------------


def test_a_secret_is_never_shown() -> None:
    secret = Secret("482915")
    assert secret.reveal() == "482915"
    for shown in (repr(secret), str(secret), f"{secret}", f"{secret:>20}", "%s" % secret, f"{[secret]}"):  # noqa: UP031
        assert "482915" not in shown
    assert (repr(secret), str(secret)) == ("Secret(…)", "Secret(…)")
    for shown in (f"{secret:>20}", f"{[secret]}"):
        assert "Secret(…)" in shown


def test_secrets_are_compared_and_nothing_else() -> None:
    assert Secret("Noël") == Secret("Noël")
    assert Secret("482915") != Secret("482916")
    assert Secret("482915") != "482915"
    assert Secret("x")
    assert not Secret("")
    with pytest.raises(TypeError):
        hash(Secret("x"))


@pytest.mark.parametrize("copied", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_secret_is_never_serialised(copied: Callable[[object], object]) -> None:
    with pytest.raises(TypeError, match="never serialised"):
        copied(Secret("482915"))


# --- names of people --------------------------------------------------------------------------------------------


def test_a_name_is_kept_composed_with_single_spaces() -> None:
    name = PersonName(given="  E\u0301lodie \t Marie ", last="Lefe\u0300vre", birth_name=" Le  Goff ")
    assert (name.given, name.last, name.birth_name) == ("\u00c9lodie Marie", "Lef\u00e8vre", "Le Goff")
    assert name.full == "Élodie Marie Lefèvre"
    assert PersonName(given="A", last="B").birth_name == ""


def test_a_name_is_masked() -> None:
    shown = repr(PersonName(given="Jessica", last="Poussart", birth_name="Martin"))
    assert shown == "PersonName(J… P…)"
    assert (mask("Jessica"), mask("Jessica", 3), mask("")) == ("J…", "Jes…", "")


FIELDS = (("given", "given name"), ("last", "last name"), ("birth_name", "birth name"))


@pytest.mark.parametrize(("field", "where"), FIELDS)
def test_what_is_no_name_is_refused(field: str, where: str) -> None:
    def named(text: object) -> PersonName:
        fields = {"given": "A", "last": "B", field: text}
        return PersonName(**fields)  # type: ignore[arg-type]

    assert getattr(named("n" * 120), field) == "n" * 120
    check_refused(lambda: named("n" * 121), where, "121")
    check_refused(lambda: named("a\u200eb"), where)  # a mark of direction, unseen
    check_refused(lambda: named("a\x00b"), where)
    check_refused(lambda: named("   "), where)
    check_refused(lambda: named(7), where, "`int`")


def test_a_name_must_be_there_and_a_birth_name_need_not() -> None:
    check_refused(lambda: PersonName(given="", last="B"), "given name")
    check_refused(lambda: PersonName(given="A", last=""), "last name")
    assert PersonName(given="A", last="B", birth_name="").birth_name == ""


# --- addresses --------------------------------------------------------------------------------------------------


def test_the_case_of_the_domain_does_not_matter() -> None:
    address = EmailAddress("  Jessica.P@Cabinet.Example ")
    assert address.text == "Jessica.P@cabinet.example"
    assert address == EmailAddress("Jessica.P@CABINET.example")
    assert address != EmailAddress("jessica.p@cabinet.example")
    assert address.masked == "J…@cabinet.example"
    assert repr(address) == "EmailAddress(J…@cabinet.example)"


LONGEST = "l" * 64 + "@" + ".".join(["d" * 61, "d" * 61, "d" * 62, "fr"])
"""254 characters (RFC 5321 § 4.5.3.1.3, erratum 1690)."""


@pytest.mark.parametrize("text", ["a@b.fr", "a+b@c-d.example.org", "o'neil@example.org", LONGEST])
def test_addresses_that_are_well_formed(text: str) -> None:
    assert EmailAddress(text).text == text


def test_an_address_has_254_characters_at_most() -> None:
    assert len(LONGEST) == 254
    check_refused(lambda: EmailAddress(LONGEST.replace("@", "@d")), "e-mail")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a@b",
        "a@@b.fr",
        "a b@c.fr",
        "@c.fr",
        "a@-b.fr",
        "a@b-.fr",
        "a@b..fr",
        "a@b.fr,c@d.fr",
        "é@b.fr",
        7,
        None,
    ],
)
def test_what_is_no_address_is_refused_and_not_repeated(text: object) -> None:
    check_refused(lambda: EmailAddress(text), "e-mail")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("+33612345678", "+33612345678"),
        ("+33 6 12-34.56 (78)", "+33612345678"),
        ("+33\u00a06\u202f12 34 56 78", "+33612345678"),
        ("+1234567", "+1234567"),
        ("+123456789012345", "+123456789012345"),
    ],
)
def test_a_telephone_number_is_kept_in_e164(text: str, kept: str) -> None:
    number = PhoneNumber(text)
    assert number.text == kept
    assert number.masked == f"*****{kept[-4:]}"
    assert repr(number) == f"PhoneNumber(*****{kept[-4:]})"


@pytest.mark.parametrize("text", ["", "0612345678", "+0612345678", "+123456", "+1234567890123456", "+33x", 33, None])
def test_what_is_no_international_number_is_refused(text: object) -> None:
    check_refused(lambda: PhoneNumber(text), "mobile")  # type: ignore[arg-type]


def test_a_date_of_birth_is_plausible_and_not_shown() -> None:
    assert BirthDate(date(1900, 1, 1)).day == date(1900, 1, 1)
    assert repr(BirthDate(date(2100, 12, 31))) == "BirthDate(…)"
    for day in (date(1899, 12, 31), date(2101, 1, 1), datetime(1985, 4, 3, tzinfo=UTC), "1985-04-03"):
        check_refused(lambda given=day: BirthDate(given), "birth date")  # type: ignore[misc]
