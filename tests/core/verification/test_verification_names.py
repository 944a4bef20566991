"""Names compare as asn1crypto compares them, but once a document."""

from __future__ import annotations

import pytest
from asn1crypto import x509  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from qcp_sdk.verification.names import remembered


def name(*relative: tuple[tuple[str, str], ...]) -> bytes:
    """Give a name's DER: relative names, each of attributes."""
    rdns = [
        x509.RelativeDistinguishedName(
            [
                x509.NameTypeAndValue({"type": kind, "value": x509.DirectoryString({"utf8_string": text})})
                for kind, text in rdn
            ]
        )
        for rdn in relative
    ]
    return bytes(x509.Name(name="", value=x509.RDNSequence(rdns)).dump())


def said(first: bytes, second: bytes) -> list[object]:
    """Give what comparing says, or how it fails."""

    def attempt(work: object) -> object:
        try:
            return work()  # type: ignore[operator]
        except ValueError as error:
            return str(error)

    one, other = x509.Name.load(first), x509.Name.load(second)
    return [
        attempt(lambda: one == other), attempt(lambda: other != one), attempt(lambda: one.hashable),
        attempt(lambda: other.hashable),
    ]  # fmt: skip


KINDS = st.sampled_from(["common_name", "organization_name", "country_name"])
TEXTS = st.one_of(
    st.sampled_from(["Sté  Générale", "STÉ GÉNÉRALE", " sté générale ", "a", "A", ""]), st.text(max_size=8)
)
RELATIVE = st.lists(st.tuples(KINDS, TEXTS), min_size=1, max_size=2).map(tuple)
NAMES = st.lists(RELATIVE, max_size=2).map(lambda relative: name(*relative))


@given(NAMES, NAMES)
def test_it_is_said_what_asn1crypto_says(first: bytes, second: bytes) -> None:
    theirs = said(first, second)
    with remembered():
        assert said(first, second) == theirs
        assert said(first, second) == theirs  # remembered
    assert said(first, second) == theirs


@given(st.text(alphabet=[chr(code) for code in range(32, 127)], max_size=12))
def test_plain_ascii_is_prepared_as_by_asn1crypto(text: str) -> None:
    theirs = x509.NameTypeAndValue()._ldap_string_prep(text)
    with remembered():
        assert x509.NameTypeAndValue()._ldap_string_prep(text) == theirs


def test_a_name_is_prepared_once_and_forgotten_after_the_document(monkeypatch: pytest.MonkeyPatch) -> None:
    with remembered():
        pass  # it is installed
    asked: list[object] = []
    theirs = x509.RelativeDistinguishedName._get_values

    def counted(self: object, rdn: object) -> object:
        asked.append(rdn)
        return theirs(self, rdn)

    monkeypatch.setattr(x509.RelativeDistinguishedName, "_get_values", counted)
    der = name((("common_name", "Jeanne"),))
    for _ in range(2):
        with remembered():
            for _ in range(5):
                assert x509.Name.load(der) == x509.Name.load(der)
    assert len(asked) == 2


def test_a_value_that_is_no_text_fails_as_asn1crypto_says() -> None:
    bits = x509.NameTypeAndValue({"type": "unique_identifier", "value": x509.OctetBitString(b"abc")})
    made = x509.Name(name="", value=x509.RDNSequence([x509.RelativeDistinguishedName([bits])])).dump()
    with pytest.raises(TypeError):
        x509.Name.load(made).hashable  # noqa: B018
    with remembered(), pytest.raises(TypeError):
        x509.Name.load(made).hashable  # noqa: B018
