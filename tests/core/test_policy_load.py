"""Policies from TOML: the shipped one, errors that give line and key, and any bytes at all."""

from __future__ import annotations

import re
import tomllib
from datetime import timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qcp_sdk.collectes import Role
from qcp_sdk.errors import PolicyError
from qcp_sdk.levels import CertificateLevel, SignatureLevel
from qcp_sdk.matching import HOLDER_FIELDS, Transformation
from qcp_sdk.policy import Floor, Issuer, Policy, default_policy, default_text, read_policy
from qcp_sdk.policy.load import LONGEST

TEXT = default_text()
N1, N2, N3, N4 = SignatureLevel


def line_of(text: str, start: str, nth: int = 1) -> int:
    found = [at for at, line in enumerate(text.split("\n"), 1) if line.strip().startswith(start)]
    return found[nth - 1]


def test_the_default_policy_says_what_the_guide_and_etsi_say() -> None:
    policy = default_policy()
    assert policy == read_policy(TEXT.encode())
    assert [policy.at(level).certificate for level in SignatureLevel] == [
        None,
        CertificateLevel.LCP,
        CertificateLevel.QCP_N,
        CertificateLevel.QCP_N_QSCD,
    ]
    assert policy.at(N1).rules == ("collecte.open",)
    assert set(policy.at(N3).rules) - set(policy.at(N2).rules) == {"certificate.qualified"}
    assert set(policy.at(N4).rules) - set(policy.at(N3).rules) == {"certificate.qscd"}
    assert policy.third_party_highest is True
    assert policy.holder_fields == HOLDER_FIELDS
    assert policy.status_age == timedelta(hours=24)
    assert not policy.at(N4).attestation


def test_everything_that_can_be_written_is_read() -> None:
    text = TEXT.replace('beyond_deadline = "0d"', 'beyond_deadline = "30 d"').replace('"24h"', '"90min"')
    text = text.replace("third_party_highest = true", "third_party_highest = false")
    text = text.replace("[holder]", '[[floors]]\nrole = "third_party"\nlevel = "NIVEAU_2"\nkind = "deed"\n\n[holder]')
    text = text.replace('close = ["icao_transliteration"]', 'close = ["icao_transliteration", "fewer_given_names"]')
    text += f'\n[[issuers]]\nname = "One"\ndn = "CN=One,C=FR"\nca = "{"ab" * 32}"\nlevels = ["NCP"]\n'
    policy = read_policy(text.encode())
    assert (policy.beyond_deadline, policy.status_age) == (timedelta(days=30), timedelta(minutes=90))
    assert policy.third_party_highest is False
    assert policy.floors == (Floor(level=N2, kind="deed", role=Role.THIRD_PARTY),)
    assert policy.holder_close == {Transformation.ICAO_TRANSLITERATION, Transformation.FEWER_GIVEN_NAMES}
    added = policy.issuers[-1]
    assert isinstance(added, Issuer)
    assert (added.dn, str(added.ca), set(added.levels)) == ("CN=One,C=FR", "ab" * 32, {CertificateLevel.NCP})


def test_what_is_left_out_is_the_strict_choice() -> None:
    text = TEXT[: TEXT.index("# Issuers that are trusted")].replace('trusted_lists = ["QCP_N", "QCP_N_QSCD"]', "")
    policy = read_policy(text.replace("third_party_highest = true", "").encode())
    assert (policy.issuers, policy.attestors, policy.trusted_lists) == ((), (), frozenset())
    assert (policy.third_party_highest, policy.holder_fields) == (True, HOLDER_FIELDS)
    only_first = read_policy(b'version = "1"\n[levels.NIVEAU_1]\nrules = ["collecte.open"]\n')
    assert only_first.at(N3).rules == ()


def test_comments_order_and_names_of_issuers_do_not_change_the_hash() -> None:
    bare = "\n".join(line.split(" #")[0] for line in TEXT.split("\n") if not line.startswith("#"))
    assert read_policy(bare.replace('name = "CSOEC"', 'name = "Other"').encode()).hash == default_policy().hash
    assert read_policy(TEXT.replace("24h", "23h").encode()).hash != default_policy().hash
    assert read_policy(TEXT.replace("\n", "\r\n").encode()) == default_policy()


@pytest.mark.parametrize(
    ("old", "new", "at", "key", "what"),
    [
        ('version = "2026-11"', "version = 1", "version", "version", "it is not a text; write it in quotation marks"),
        ('version = "2026-11"', 'version = ""', "version", "version", "it is empty or too long"),
        ("third_party_highest = true", "third_party_highest = 1", "third", "third_party_highest", "neither true nor"),
        ("trusted_lists", "trusted_list", "trusted_list", "trusted_list", "did you mean `trusted_lists`?"),
        ('"QCP_N", "QCP_N_QSCD"]', '"QCP_N", "QCP_L"]', "trusted_lists", "trusted_lists[1]", "`QCP_L` is not one of"),
        ('"QCP_N", "QCP_N_QSCD"]', '"QCP_N", "QCP_N"]', "trusted_lists", "trusted_lists", "a word stands twice"),
        ("[levels.NIVEAU_2]", "[levels.NIVEAU_5]", "[levels.NIVEAU_5]", "levels.NIVEAU_5", "not a known key"),
        (
            'certificate = "QCP_N"\n',
            'certificate = "LCP"\n',
            "certificate",
            "levels.NIVEAU_3.certificate",
            "means QCP_N",
        ),
        ('"status.good",\n', '"status.god",\n', "rules", "levels.NIVEAU_2.rules[8]", "`status.god` is not one of"),
        ('    "status.good",\n', "", "rules", "levels.NIVEAU_2.rules", "`status.good` is missing"),
        ("attestation = true\n", 'attestation = "yes"\n', "attestation", "levels.NIVEAU_2.attestation", "neither true"),
        ('organisation = "Cryptolog International"\n', "", "[[issuers]]", "issuers[2]", "nothing says which issuer"),
        ('levels = ["LCP", "QCP_N"]', "levels = []", "levels = []", "issuers[2].levels", "it is empty"),
        ('levels = ["LCP", "QCP_N"]', 'level = "LCP"', "level = ", "issuers[2].level", "did you mean `levels`?"),
        ('provider = "universign"\n', "", "[[attestors]]", "attestors[0]", "`provider` is missing"),
        ("[holder]", "[[holder]]", "[[holder]]", "holder", "it is not a table"),
        ('"first_name", ', "", "fields", "holder.fields", "it must hold `first_name`"),
        ('status_age = "24h"', 'status_age = "a day"', "status_age", "margins.status_age", "it is not a duration"),
        ('status_age = "24h"', 'status_age = "0h"', "status_age", "margins.status_age", "nothing is ever that fresh"),
        ('status_age = "24h"', "status_age = 24", "status_age", "margins.status_age", "it is not a text"),
        ("[margins]", "[margin]", "[margin]", "margin", "did you mean `margins`?"),
    ],
)
def test_errors_give_line_and_key(old: str, new: str, at: str, key: str, what: str) -> None:
    assert old in TEXT
    text = TEXT.replace(old, new, 1)
    table = re.match(r"levels\.(NIVEAU_[1-4])\.", key)
    first = line_of(text, f"[levels.{table[1]}]") if table else 1
    nth = 3 if key.startswith("issuers") and at == "[[issuers]]" else 1
    expected = max(line_of(text, at, nth), first)
    if table:
        expected = next(n for n, line in enumerate(text.split("\n"), 1) if n > first and line.startswith(at))
    with pytest.raises(PolicyError) as refused:
        read_policy(text.encode(), name="mine.toml")
    assert refused.value.where == f"mine.toml:{expected}: {key}"
    assert what in str(refused.value)


@pytest.mark.parametrize(
    ("content", "where", "what"),
    [
        (b'version = "1"\n\nlevels = \n', "p:3", "it is not TOML: invalid value"),
        (b'version = "1"\n[levels', "p:2", "it is not TOML: expected"),
        (b'version = "1"\n\xff', "p:2", "it is not UTF-8"),
        (b'version = "1"\nversion = "2"', "p:2", "it is not TOML: cannot overwrite a value"),
        (b"", "p:1", "`version` is missing"),
        (b'version = "1"', "p:1", "`levels` is missing"),
        (b'version = "1"\nlevels = 3', "p:2: levels", "it is not a table"),
        (b'version = "1"\n["levels"]\n\'NIVEAU_1\' . "rules" = 3', "p:3: levels.NIVEAU_1.rules", "it is not a list"),
        (b'version = "1"\nlevels.NIVEAU_1.rules = ["x"]', "p:2: levels.NIVEAU_1.rules[0]", "`x` is not one of"),
        (b'version = "1"\nlevels = {NIVEAU_1 = {rules = [1]}}', "p:2: levels.NIVEAU_1.rules[0]", "not a text"),
        (b'version = """\n[levels]\n"""\n[levels]\nx = 1', "p:5: levels.x", "not a known key"),
        (b"a = " + b"[" * 20_000, "p:1", "it is not TOML"),
        (b"a = " + b"9" * 20_000, "p:1", "it is not TOML"),
        (b"#" * (LONGEST + 1), "p", "more than"),
    ],
)
def test_what_is_no_policy_at_all(content: bytes, where: str, what: str) -> None:
    with pytest.raises(PolicyError) as refused:
        read_policy(content, name="p")
    assert refused.value.where == where
    assert what in str(refused.value)


WORDS = re.findall(r'\[\[?[\w.]+\]\]?|"[^"]*"|\w+|[=\[\],{}#\n.]', TEXT)
soup = st.lists(st.sampled_from(WORDS) | st.text(max_size=3), max_size=30).map(" ".join)


@given(st.binary(max_size=60) | soup.map(str.encode))
@example(b"\xef\xbb\xbf")
@example(b"a=1979-05-27T07:32:00\nb=nan")
@settings(max_examples=200)
def test_any_bytes_give_a_policy_or_a_policy_error(content: bytes) -> None:
    try:
        assert isinstance(read_policy(content), Policy)
    except PolicyError as error:
        assert error.where.startswith("policy")
        assert len(str(error)) < 1_000


@given(st.integers(0, len(TEXT) - 1), st.integers(0, 12), soup)
@settings(max_examples=150)
def test_any_damage_to_a_policy_gives_a_policy_or_a_line_that_exists(at: int, cut: int, instead: str) -> None:
    text = TEXT[:at] + instead + TEXT[at + cut :]
    try:
        read_policy(text.encode())
    except PolicyError as error:
        line = re.match(r"policy:(\d+)", error.where)
        assert line is not None
        assert 1 <= int(line[1]) <= text.count("\n") + 1
    else:
        tomllib.loads(text)
