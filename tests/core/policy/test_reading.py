"""A collecte from JSON: every key that can be written reaches its field, and each that need not be may be left out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from qcp_sdk.certificates import CertificateStatus, Holding, StatusKind, read
from qcp_sdk.collectes import Collecte, Document, Order, Role, Signatory
from qcp_sdk.errors import InvalidInput, InvalidValue, PolicyError
from qcp_sdk.levels import CertificateLevel, SignatureLevel
from qcp_sdk.policy import Attestation
from qcp_sdk.policy.collecte_json import LONGEST, Enquiry, load_collecte, read_collecte
from qcp_sdk.policy.evidence import Recognition
from qcp_sdk.policy.load import LONGEST as LONGEST_POLICY
from qcp_sdk.policy.load import default_text, read_policy
from qcp_sdk.policy.nodes import Node
from qcp_sdk.values import (
    AccountId,
    CabinetId,
    CollecteId,
    ContentHash,
    DocumentId,
    EmailAddress,
    Fingerprint,
    PersonName,
    PhoneNumber,
    SignatoryId,
    TenantId,
)

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"
DER = (EXAMPLES / "camille.pem").read_bytes()
CA = Fingerprint("ab" * 32)
HASH = ContentHash("sha256:" + "7f" * 32)
DEED = DocumentId("d-1")
CAMILLE = SignatoryId("s-1")
Json = dict[str, Any]


def files(name: str) -> bytes:
    if name != "below/camille.pem":
        raise FileNotFoundError(name)
    return DER


def written() -> Json:
    """Everything that can be written."""
    return {
        "id": "c-1", "title": "Accounts", "sender": "Cabinet", "deadline": "2026-12-08T18:00:00+01:00",
        "order": "parallel", "cabinet": "cab-1", "tenant": "t-1", "at": "2026-11-23T10:00:00+01:00",
        "documents": [{"id": "d-1", "name": "a.pdf", "kind": "deed", "file": "below/camille.pem"}],
        "signatories": [
            {
                "id": "s-1", "given": "Camille", "last": "Mueller", "birth_name": "Durand", "email": "c@example.org",
                "mobile": "+33612345678", "level": "NIVEAU_3", "role": "oneself", "account": "a-1", "language": "en",
                "certificates": [
                    {
                        "pem": DER.decode(), "email": "d@example.org", "mobile": "+33612345679",
                        "recognised_for": ["QCP_N"], "authorities": [CA],
                        "status": {
                            "kind": "revoked", "checked_at": "2026-11-23T08:30:00Z",
                            "revoked_at": "2026-11-22T08:30:00Z", "reason": "key_compromise",
                        },
                    }
                ],
                "attestations": [
                    {
                        "provider": "universign", "level": "QCP_N",
                        "matched": ["name", "first_name", "last_name", "email", "mobile"], "at": "2026-11-23T08:59:00Z",
                    }
                ],
            }
        ],
    }  # fmt: skip


def asked(data: Json) -> Enquiry:
    return read_collecte(json.dumps(data).encode(), files=files)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def test_everything_that_can_be_written_is_read() -> None:
    certificate = read(DER)
    signatory = Signatory(
        id=CAMILLE, name=PersonName(given="Camille", last="Mueller", birth_name="Durand"),
        email=EmailAddress("c@example.org"), mobile=PhoneNumber("+33612345678"), level=SignatureLevel.NIVEAU_3,
        role=Role.ONESELF, account=AccountId("a-1"), language="en",
    )  # fmt: skip
    assert asked(written()) == Enquiry(
        collecte=Collecte(
            id=CollecteId("c-1"), title="Accounts", sender="Cabinet", deadline=utc(2026, 12, 8, 17),
            order=Order.PARALLEL,
            cabinet=CabinetId("cab-1"), tenant=TenantId("t-1"), signatories=(signatory,),
            documents=(
                Document(
                    id=DEED, name="a.pdf", kind="deed",
                    content=ContentHash(f"sha256:{hashlib.sha256(DER).hexdigest()}"),
                ),
            ),
        ),
        holdings={
            CAMILLE: (
                Holding(
                    certificate=certificate,
                    status=CertificateStatus(
                        kind=StatusKind.REVOKED, checked_at=utc(2026, 11, 23, 8, 30),
                        revoked_at=utc(2026, 11, 22, 8, 30), reason="key_compromise",
                    ),
                    email=EmailAddress("d@example.org"),
                    mobile=PhoneNumber("+33612345679"),
                ),
                Attestation(
                    provider="universign", level=CertificateLevel.QCP_N, at=utc(2026, 11, 23, 8, 59),
                    matched=("name", "first_name", "last_name", "email", "mobile"),
                ),
            )
        },
        recognitions={
            certificate.fingerprint: Recognition(
                authorities=frozenset({CA}), levels=frozenset({CertificateLevel.QCP_N})
            )
        },
        at=utc(2026, 11, 23, 9),
    )  # fmt: skip


def test_what_need_not_be_written_may_be_left_out() -> None:
    data = written()
    for key in ("order", "cabinet", "tenant", "at"):
        del data[key]
    data["documents"] = [{"id": "d-1", "name": "a.pdf", "content": HASH}]
    (signatory,) = data["signatories"]
    for key in ("birth_name", "role", "account", "language", "certificates", "attestations"):
        del signatory[key]
    found = asked(data)
    collecte, only = found.collecte, found.collecte.signatories[0]
    assert (collecte.order, collecte.cabinet, collecte.tenant) == (Order.SEQUENTIAL, None, "")
    assert collecte.documents[0] == Document(id=DEED, name="a.pdf", content=HASH, kind="other")
    assert (only.name.birth_name, only.role, only.account, only.language) == ("", Role.THIRD_PARTY, None, "fr")
    assert (found.holdings, found.recognitions, found.at) == ({"s-1": ()}, {}, None)


@pytest.mark.parametrize(
    ("without", "authorities", "levels"),
    [
        (("authorities",), (), (CertificateLevel.QCP_N,)),
        (("recognised_for",), (CA,), ()),
        (("recognised_for", "authorities", "email", "mobile"), None, None),
    ],
)
def test_a_certificate_is_recognised_as_far_as_is_said(
    without: tuple[str, ...], authorities: tuple[Fingerprint, ...] | None, levels: tuple[CertificateLevel, ...] | None
) -> None:
    data = written()
    (held,) = data["signatories"][0]["certificates"]
    for key in without:
        del held[key]
    held["status"] = {"kind": "good", "checked_at": "2026-11-23T08:30:00Z"}
    found = asked(data)
    holding = found.holdings[found.collecte.signatories[0].id][0]
    assert isinstance(holding, Holding)
    assert (holding.status.revoked_at, holding.status.reason) == (None, "")
    assert (holding.email is None, holding.mobile is None) == ("email" in without, "mobile" in without)
    if authorities is None or levels is None:
        assert found.recognitions == {}
    else:
        (recognition,) = found.recognitions.values()
        assert recognition == Recognition(authorities=frozenset(authorities), levels=frozenset(levels))


def test_each_of_many_certificates_keeps_its_recognition() -> None:
    data, other = written(), (EXAMPLES / "collecte.json").read_text("utf-8")
    noe = json.loads(other)["signatories"][1]
    data["signatories"].append(noe)
    assert len(asked(data).recognitions) == 2


def test_a_text_that_no_file_can_hold_is_no_certificate() -> None:
    data = written()
    data["signatories"][0]["certificates"][0]["pem"] = "\ud800"
    with pytest.raises(InvalidInput) as refused:
        asked(data)
    assert refused.value.where == "collecte: signatories[0].certificates[0].pem"


def test_what_names_files_elsewhere_is_refused() -> None:
    for name in ("/etc/passwd", "../camille.pem", "below/../../camille.pem", "below\\camille.pem", "c:camille.pem"):
        data = written()
        data["documents"][0]["file"] = name
        with pytest.raises(InvalidInput) as refused:
            asked(data)
        assert (refused.value.where, refused.value.__cause__) == ("collecte: documents[0].file", None), name
        assert "folder" in refused.value.what
    data = written()
    data["documents"][0]["file"] = "elsewhere.pdf"
    with pytest.raises(InvalidInput) as refused:
        asked(data)
    assert isinstance(refused.value.__cause__, FileNotFoundError)


@pytest.mark.parametrize(
    ("content", "mend"),
    [
        (b'{"id": }', "see line 1, column 8: expecting value"),
        (b'{"id": 1, "id": 2}', "keep one of them"),
        (b'{"id": Infinity}', "NaN and Infinity are not JSON numbers"),
        (b"\xff", "save it as UTF-8, and nest less"),
        (b"9" * 10_000, "save it as UTF-8, and nest less"),
    ],
)
def test_what_is_no_json_is_the_files_fault_as_a_whole(content: bytes, mend: str, tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_bytes(content)
    with pytest.raises(InvalidInput) as refused:
        load_collecte(tmp_path / "mine.json")
    assert (refused.value.where, refused.value.mend) == ("mine.json", mend)


def test_a_collecte_may_be_as_long_as_is_said_and_no_longer() -> None:
    content = json.dumps(written()).encode()
    padded = content + b" " * (LONGEST - len(content))
    assert read_collecte(padded, files=files).collecte.id == "c-1"
    with pytest.raises(InvalidInput) as refused:
        read_collecte(padded + b" ", files=files, name="mine")
    assert refused.value.where == "mine"


def test_a_policy_may_be_as_long_as_is_said_and_no_longer() -> None:
    text = default_text().encode()
    padded = text + b"#" * (LONGEST_POLICY - len(text))
    assert read_policy(padded) == read_policy(text)
    with pytest.raises(PolicyError):
        read_policy(padded + b"#")


def test_a_byte_that_is_no_utf_8_is_found_on_its_line() -> None:
    for before in (b"", b"\n", b"a\n\nb", b"\n\n\n"):
        with pytest.raises(PolicyError) as refused:
            read_policy(before + b"\xff\n\n\n", name="p")
        assert refused.value.where == f"p:{before.count(10) + 1}"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('version = """\n[levels]\n"""\nother = 1\n[levels]', "p:4: other"),
        ("version = '''\n[levels] \"\"\"\nother = 1'''\nother = 1\n[levels]", "p:4: other"),
        ('version = """one"""\nother = 1\n[levels]', "p:2: other"),
        ('version = "1"\n[levels]\n[[floors]]\nlevel = "NIVEAU_1"\n[[floors]]\n', "p:5: floors[1]"),
        ('version = "1"\n[levels]\n[[floors]]\nlevel = 1\n', "p:4: floors[0].level"),
        ('version = "1"\n[levels]\n[[floors]]\nlevel = "NIVEAU_1"\nother = {a = [{b = 1}]}\n', "p:5: floors[0].other"),
        ('version = "1"\n[levels]\nNIVEAU_1 = {rules = ["collecte.open", "x"]}\n', "p:3: levels.NIVEAU_1.rules[1]"),
        ('[[floors]]\nlevel = ["a"]\n[levels]\n', "p:1"),
        ('"" = 1', "p:1: "),
    ],
)
def test_a_key_is_found_on_its_line(text: str, where: str) -> None:
    with pytest.raises(PolicyError) as refused:
        read_policy(text.encode(), name="p")
    assert refused.value.where == where.removesuffix(": ")


def test_the_name_of_an_issuer_is_read_and_texts_have_their_length() -> None:
    text = default_text() + '\n[[issuers]]\nname = "One"\ndn = "{}"\nlevels = ["NCP"]\n'
    policy = read_policy(text.format("x" * 2_000).encode())
    assert (policy.issuers[-1].name, len(policy.issuers[-1].dn)) == ("One", 2_000)
    versions = text.format("x").replace("2026-11", "{}", 1)
    assert len(read_policy(versions.format("v" * 100).encode()).version) == 100
    for long in (text.format("x" * 2_001), versions.format("v" * 101)):
        with pytest.raises(PolicyError):
            read_policy(long.encode())


@pytest.mark.parametrize(("floor", "kind", "role"), [("", None, None), ('kind = "deed"', "deed", None)])
def test_a_floor_is_about_what_it_names(floor: str, kind: str | None, role: Role | None) -> None:
    found = read_policy(f'{default_text()}\n[[floors]]\nlevel = "NIVEAU_2"\n{floor}\n'.encode()).floors[-1]
    assert (found.kind, found.role) == (kind, role)


# --- nodes ----------------------------------------------------------------------------------------------------------


def node(value: object, path: str = "place") -> Node:
    return Node(value, path, lambda at, what, mend: InvalidInput(what, where=at, mend=mend))


def refusal(act: Callable[[], object]) -> InvalidInput:
    with pytest.raises(InvalidInput) as refused:
        act()
    return refused.value


def test_a_text_has_at_most_five_hundred_characters() -> None:
    assert node("x" * 500).text() == "x" * 500
    refusal(node("x" * 501).text)
    refusal(lambda: node("xxx").text(longest=2))


@pytest.mark.parametrize(
    ("word", "shown"),
    [("x" * 59, True), ("x" * 60, False), ("a\u202eb", False)],
)
def test_only_short_words_that_can_be_printed_are_shown_again(word: str, shown: bool) -> None:
    said = refusal(lambda: node(word).one_of({"a": 1})).what
    assert said == f"{f'`{word}`' if shown else 'it'} is not one of the words here"


def test_the_nearest_key_is_proposed_and_no_other() -> None:
    assert refusal(lambda: node({"deadlin": 1}).table("deadline", "deadlines")).mend == "did you mean `deadline`?"


@pytest.mark.parametrize(
    ("where", "path", "said"),
    [
        ("", "a", "bad"),
        ("email", "signatory.email", "bad"),
        ("birth name", "a.birth_name", "bad"),
        ("e-mail", "a.email", "bad"),
        ("moment", "deadline", "bad"),
        ("inner", "a.outer", "inner: bad"),
    ],
)
def test_a_refusal_of_a_value_says_its_place_once(where: str, path: str, said: str) -> None:
    original = InvalidValue("bad", where=where, mend="mend it")

    def build() -> None:
        raise original

    refused = refusal(lambda: node("x", path).built(build))
    assert (refused.what, refused.where, refused.mend, refused.__cause__) == (said, path, "mend it", original)


def test_what_is_no_instant_keeps_its_cause_and_what_need_not_be_mended_says_nothing() -> None:
    assert isinstance(refusal(node("tomorrow").moment).__cause__, ValueError)
    assert refusal(lambda: node(1).fail("bad")).mend == ""
