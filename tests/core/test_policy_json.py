"""`qcp-sdk policy assess`: collectes from JSON, and decisions as text and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qcp_sdk.collectes import Order, Role
from qcp_sdk.errors import InvalidInput
from qcp_sdk.levels import CertificateLevel, SignatureLevel
from qcp_sdk.policy import Attestation, Decision, Verdict, assess, default_policy
from qcp_sdk.policy.collecte_json import LONGEST, Enquiry, load_collecte, read_collecte
from qcp_sdk.policy.report import as_json, as_text
from qcp_sdk.values import SignatoryId

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "collecte.json"
FILES = {path.name: path.read_bytes() for path in EXAMPLE.parent.glob("*.pem")}


def files(name: str) -> bytes:
    if name not in FILES:
        raise FileNotFoundError(name)
    return FILES[name]


def decided() -> tuple[Enquiry, Decision]:
    enquiry = load_collecte(EXAMPLE)
    assert enquiry.at is not None
    decision = assess(
        enquiry.collecte,
        enquiry.holdings,
        now=enquiry.at,
        policy=default_policy(),
        recognitions=enquiry.recognitions,
    )
    return enquiry, decision


def test_the_documented_example_is_read_whole() -> None:
    enquiry = load_collecte(EXAMPLE)
    assert enquiry.collecte.order is Order.SEQUENTIAL
    first, second, _, last = enquiry.collecte.signatories
    assert (first.role, second.role) == (Role.ONESELF, Role.THIRD_PARTY)
    assert last.language == "en"
    (attested,) = enquiry.holdings[last.id]
    assert isinstance(attested, Attestation)
    assert {level for each in enquiry.recognitions.values() for level in each.levels} == {CertificateLevel.QCP_N}


def test_the_documented_example_shows_every_kind_of_answer() -> None:
    _, decision = decided()
    verdicts = {one.signatory: one.verdict for one in decision}
    assert verdicts == {
        "camille": Verdict.PASSED,  # her certificate says Müller, she is registered as Mueller
        "noe": Verdict.FAILED,
        "ines": Verdict.FAILED,
        "alex": Verdict.PASSED,
    }
    assert decision.of(SignatoryId("noe")).level_required is SignatureLevel.NIVEAU_3
    assert [f.fields for f in decision.of(SignatoryId("noe")).findings if f.fields] == [("mobile",)]
    assert len(decision.certificates) == 1


def test_a_decision_reads_well_in_french_and_in_english() -> None:
    enquiry, decision = decided()
    french, english = (as_text(decision, enquiry.collecte, language) for language in ("fr", "en"))
    assert "✗ Noé Lefèvre (noe)\u00a0: niveau\u00a01 demandé\u00a0: refusé" in french
    assert "  ✓" not in french.replace("✓ Camille", "").replace("✓ Alex", "")  # what is in order needs no line
    assert "numéro de mobile" in french
    assert "✗ Noé Lefèvre (noe): niveau\u00a01 asked for: refused" in english
    assert "mobile number" in english
    assert french.index("Camille") < french.index("Noé") < french.index("Inès") < french.index("Alex")
    assert not any(word in french + english for word in ("{", "}", "None", "qualifiée"))


def test_a_decision_as_json_can_be_read_by_programs() -> None:
    _, decision = decided()
    data = json.loads(as_json(decision))
    assert data["hash"] == decision.hash
    assert data["verdict"] == "failed"
    noe = next(one for one in data["signatories"] if one["signatory"] == "noe")
    assert noe["level_required"] == "NIVEAU_3"
    wrong = [
        finding
        for each in noe["assessments"]
        if each["level"] == "NIVEAU_3"
        for finding in each["findings"]
        if finding["verdict"] == "failed"
    ]
    assert [finding["rule"] for finding in wrong] == ["holder.matches"]
    assert wrong[0]["fields"] == ["mobile"]
    assert wrong[0]["message"]["fr"]
    assert wrong[0]["remedy"]["en"]


Json = dict[str, Any]


def signatory(data: Json, at: int = 0) -> Json:
    found: Json = data["signatories"][at]
    return found


def certificate(data: Json, at: int = 0) -> Json:
    found: Json = signatory(data, at)["certificates"][0]
    return found


MISTAKES: list[tuple[Callable[[Json], object], str, str]] = [
    (lambda d: d.pop("deadline"), "", "`deadline` is missing"),
    (lambda d: d.update(deadline="2026-12-08T18:00:00"), "deadline", "has no time zone"),
    (lambda d: d.update(deadline="tomorrow"), "deadline", "it is not an instant; write it as 2027"),
    (lambda d: d.update(deadline="9999-12-31T23:59:59-23:59"), "deadline", "it is not an instant"),
    (lambda d: d.update(deadline=3), "deadline", "it is not a text"),
    (lambda d: d.update(dead_line=3), "dead_line", "did you mean `deadline`?"),
    (lambda d: d.update(order="random"), "order", "`random` is not one of the words here; write one of `seq"),
    (lambda d: d.update(title="a\u202eb"), "title", "cannot be printed"),
    (lambda d: d.update(title="a\ud800b"), "title", "cannot be printed"),
    (lambda d: d.update(documents=[]), "", "documents: there is none"),
    (lambda d: d.update(signatories={}), "signatories", "it is not a list"),
    (lambda d: d["signatories"].append(signatory(d)), "", "signatories: an id stands twice"),
    (lambda d: d["documents"][0].update(content="md5:1"), "documents[0].content", "it is not a content hash"),
    (lambda d: d["documents"][0].update(file="camille.pem"), "documents[0]", "`content` or `file`, one of them"),
    (lambda d: signatory(d).update(mobile="0612345678"), "signatories[0].mobile", "+33612345678"),
    (lambda d: signatory(d).update(email="nobody"), "signatories[0].email", "it is not an e-mail address"),
    (lambda d: signatory(d).update(given=" "), "signatories[0].given", "it is empty"),
    (lambda d: signatory(d).update(level=3), "signatories[0].level", "it is not a text"),
    (lambda d: signatory(d).update(level="NIVEAU_9"), "signatories[0].level", "`NIVEAU_9` is not one of"),
    (lambda d: signatory(d).update(language="de"), "signatories[0].language", "`fr`, `en`"),
    (lambda d: certificate(d).pop("file"), "signatories[0].certificates[0]", "it needs `pem` or `file`"),
    (lambda d: certificate(d).update(file="none.pem"), "signatories[0].certificates[0].file", "cannot be read"),
    (lambda d: certificate(d).update(file="../../etc/passwd"), "signatories[0].certificates[0].file", "folder"),
    (lambda d: certificate(d).update(file="/etc/passwd"), "signatories[0].certificates[0].file", "folder"),
    (lambda d: certificate(d, 1).update(pem="---"), "signatories[1].certificates[0].pem", "certificate"),
    (lambda d: certificate(d).pop("status"), "signatories[0].certificates[0]", "`status` is missing"),
    (
        lambda d: certificate(d)["status"].update(kind="fine"),
        "signatories[0].certificates[0].status.kind",
        "`good`, `revoked`, `unknown`",
    ),
    (
        lambda d: certificate(d).update(recognised_for=["QCP-n"]),
        "signatories[0].certificates[0].recognised_for[0]",
        "`QCP-n` is not one of",
    ),
    (
        lambda d: signatory(d, 3)["attestations"][0].update(matched=["iban"]),
        "signatories[3].attestations[0].matched[0]",
        "`iban` is not one of",
    ),
]


@pytest.mark.parametrize(("mistake", "where", "what"), MISTAKES)
def test_a_mistake_is_told_with_its_place_and_remedy(mistake: Callable[[Json], object], where: str, what: str) -> None:
    data: Json = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    mistake(data)
    with pytest.raises(InvalidInput) as refused:
        read_collecte(json.dumps(data).encode(), files=files, name="mine.json")
    assert refused.value.where == (f"mine.json: {where}" if where else "mine.json")
    assert what in str(refused.value)
    assert not any(
        personal in str(refused.value) for personal in ("Müller", "Mueller", "camille.", "nobody", "0612345678;")
    )


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "it is not JSON"),
        (b'{"id": }', "see line 1, column 8"),
        (b"\xff", "it is not JSON"),
        (b"[]", "it is not a table"),
        (b'{"id": 1, "id": 2}', "a key stands twice"),
        (b'{"id": NaN}', "NaN and Infinity"),
        (b"[" * 100_000, "it is not JSON"),
        (b"9" * 10_000, "it is not JSON"),
        (b" " * (LONGEST + 1), "more than"),
    ],
)
def test_what_is_no_collecte_at_all(content: bytes, what: str) -> None:
    with pytest.raises(InvalidInput, match=what):
        read_collecte(content, files=files)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"none\.json: it cannot be read"):
        load_collecte(tmp_path / "none.json")


def test_a_documents_hash_can_be_worked_out_from_its_file() -> None:
    data: Json = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    del data["documents"][0]["content"]
    data["documents"][0]["file"] = "camille.pem"
    found = read_collecte(json.dumps(data).encode(), files=files).collecte.documents[0].content
    assert found.startswith("sha256:")
    assert found != load_collecte(EXAMPLE).collecte.documents[0].content


TEXT = EXAMPLE.read_text(encoding="utf-8")
values: st.SearchStrategy[object] = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats()),
    *(st.text(max_size=8), st.just([]), st.just({})),
)


@given(st.integers(0, len(TEXT) - 1), st.integers(0, 40), st.text(max_size=6))
@settings(max_examples=120)
def test_any_damage_is_read_or_told(at: int, cut: int, instead: str) -> None:
    content = (TEXT[:at] + instead + TEXT[at + cut :]).encode("utf-8", "replace")
    try:
        read_collecte(content, files=files)
    except InvalidInput as error:
        assert error.where.startswith("collecte")


def places(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, each in inner for place in places(each, (*path, key)))]


PLACES = places(json.loads(TEXT))[1:]


@given(st.sampled_from(PLACES), values)
@settings(max_examples=150)
def test_any_value_anywhere_is_read_or_told(place: tuple[str | int, ...], value: object) -> None:
    data: Any = json.loads(TEXT)
    inner: Any = data
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    try:
        read_collecte(json.dumps(data).encode(), files=files)
    except InvalidInput as error:
        assert error.where.startswith("collecte")
