"""Hostile documents: one verdict or one clear error each, in bounded memory; what the page says; and by chance."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from qcp_sdk import pdf_reading
from qcp_sdk.adapters.shared import pades
from qcp_sdk.errors import QcpError, TrustListError
from qcp_sdk.testing import hostile
from qcp_sdk.testing.hostile import fuzzing
from qcp_sdk.testing.hostile.fuzzing import Fuzz
from qcp_sdk.testing.hostile.verdicts import agrees, ours, pdfsig, pyhanko
from qcp_sdk.verification import lists, verdict
from qcp_sdk.verification.facts import SignatureFacts

PAGE = Path(__file__).parents[2] / "docs" / "hostile.md"
MEMORY = 1 << 30
FEW = 20_000

VERIFY_ALL = """
import json, resource, sys
from datetime import datetime, timedelta
from pathlib import Path
from cryptography.hazmat.primitives.serialization import Encoding
from qcp_sdk import pdf_reading
from qcp_sdk.errors import QcpError
from qcp_sdk.verification import TrustStore, verify
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]), int(sys.argv[2])))
if len(sys.argv) > 3:
    pdf_reading.MOST_ENTRIES = pdf_reading.MOST_VALUES = int(sys.argv[3])
found = {}
for path in sorted(Path(sys.argv[1]).glob("*.pdf")):
    try:
        report = verify(path, trust=TrustStore(), now=datetime.fromisoformat("2026-03-02T12:00:00+00:00"))
        found[path.stem] = len(report.signatures)
    except QcpError as error:
        found[path.stem] = error.code
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def kit() -> hostile.Kit:
    return hostile.Kit()


@pytest.fixture(scope="module")
def documents(kit: hostile.Kit) -> dict[str, bytes]:
    return {one.name: one.make(kit) for one in hostile.ALL}


@pytest.mark.usefixtures("_small_bounds")
@pytest.mark.parametrize("one", hostile.ALL, ids=lambda one: one.name)
def test_ours_says_what_the_corpus_says(one: hostile.Hostile, kit: hostile.Kit, documents: dict[str, bytes]) -> None:
    assert ours(documents[one.name], kit.trust()) == one.says


@pytest.mark.usefixtures("_small_bounds")
@pytest.mark.parametrize("one", hostile.ALL, ids=lambda one: one.name)
def test_signing_refuses_it_or_signs_it(
    one: hostile.Hostile, kit: hostile.Kit, documents: dict[str, bytes], tmp_path: Path
) -> None:
    file = tmp_path / "document.pdf"
    file.write_bytes(documents[one.name])
    try:
        pades.prepare(file=file, name="two", chain=kit.honest.chain, algorithm="sha256_ecdsa", at=hostile.NOW)
    except QcpError as refusal:
        assert getattr(refusal, "reason", "") in {"unreadable", "encrypted", "not_allowed"}
    else:
        assert file.read_bytes().startswith(documents[one.name])


@pytest.fixture
def _small_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """What exceeds the bounds exceeds these; reading up to the real ones takes seconds."""
    monkeypatch.setattr(pdf_reading, "MOST_ENTRIES", FEW)
    monkeypatch.setattr(pdf_reading, "MOST_VALUES", FEW)


@pytest.mark.parametrize(
    "bounds", [[str(FEW)], pytest.param([], marks=pytest.mark.full)], ids=["small-bounds", "real-bounds"]
)
def test_all_of_them_in_a_gibibyte(documents: dict[str, bytes], tmp_path: Path, bounds: list[str]) -> None:
    for name, content in documents.items():
        (tmp_path / f"{name}.pdf").write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", VERIFY_ALL, str(tmp_path), str(MEMORY), *bounds],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert json.loads(done.stdout).keys() == documents.keys()


def test_the_page_says_what_ours_says() -> None:
    lines = [line.split("|") for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `")]
    rows = {cells[1].strip(" `"): cells[3].strip() for cells in lines}
    assert rows == {one.name: one.says for one in hostile.ALL}
    assert len(rows) >= 30


@pytest.mark.judge("pdfsig")
def test_who_differs_is_explained(kit: hostile.Kit, documents: dict[str, bytes], judge: object) -> None:
    assert callable(judge)
    program = judge("pdfsig")
    for one in hostile.ALL:
        if one.name.endswith("bomb"):
            continue  # seconds each, and said in the page
        content = documents[one.name]
        others = (pdfsig(content, program), pyhanko(content, kit))
        assert all(agrees(one.says, other) for other in others) == (not one.differs), (one.name, others)


LISTS = {
    "laughs": b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">%s]><a>&z;</a>'
    % b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(25)),
    "quadratic": b'<!DOCTYPE a [<!ENTITY a "%s">]><a>%s</a>' % (b"a" * 100_000, b"&a;" * 10_000),
    "external": b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/x.dtd"><a/>',
    "file": b'<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/passwd">]><a>&f;</a>',
    "deep": b"<a>" * 1_000_000,
    "attributes": b"<a %s/>" % b" ".join(b"a%d='1'" % n for n in range(100_000)),
    "name": b"<" + b"a" * 20_000_000 + b"/>",
    "utf-16": "<a/>".encode("utf-16"),
    "encoding": b'<?xml version="1.0" encoding="nothing"?><a/>',
}


@pytest.mark.parametrize("content", LISTS.values(), ids=LISTS.keys())
def test_a_list_that_is_a_bomb_is_one_clear_error(content: bytes) -> None:
    with pytest.raises(TrustListError) as refusal:
        lists.read(content, (), "bomb.xml")
    assert (refusal.value.where, bool(refusal.value.mend)) == ("bomb.xml", True)


class TestFuzz:
    def test_nothing_foreign_and_nothing_passes(self) -> None:
        tried = Fuzz(seed=20).run(count=440)
        assert tried.faults == []
        assert (tried.inputs, tried.passed > 0) == (440, True)

    @pytest.mark.full
    def test_more_of_it(self) -> None:
        for seed in range(10):
            assert Fuzz(seed).run(count=7_000).faults == []

    def test_it_notices_a_verifier_that_does_not_look_at_the_document(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def careless(facts: SignatureFacts) -> tuple[object, str, tuple[()]]:
            return facts.indication, facts.sub_indication, ()

        monkeypatch.setattr(verdict, "_integrity", careless)
        found = Fuzz(seed=20).run(count=80).faults
        assert any("a changed document passes" in one for one in found)

    def test_it_notices_a_foreign_exception_and_says_how_to_repeat_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*_: object, **__: object) -> None:
            raise KeyError("secret name")

        monkeypatch.setattr(fuzzing, "verify", broken)
        found = Fuzz(seed=3).run(count=2).faults
        assert found == ["seed 3, input 0: _verify: KeyError", "seed 3, input 1: _verify: KeyError"]
