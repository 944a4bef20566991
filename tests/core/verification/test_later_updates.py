"""What later updates may make of a signed document, and what not."""

from __future__ import annotations

from io import BytesIO

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader

from qcp_sdk.adapters.shared.pades_standing import standing_chains
from qcp_sdk.errors import Rejected
from qcp_sdk.testing import hostile
from qcp_sdk.testing.hostile import later
from qcp_sdk.verification import Changes, Indication, SignatureReport, verify


@pytest.fixture(scope="module")
def kit() -> hostile.Kit:
    return hostile.Kit()


def first(kit: hostile.Kit, content: bytes) -> SignatureReport:
    return verify(content, trust=kit.trust(), now=hostile.NOW).signatures[0]


def extendable(content: bytes) -> bool:
    try:
        return bool(standing_chains(PdfFileReader(BytesIO(content))))
    except Rejected as refusal:
        assert refusal.reason == "signature_broken"
        return False


def changed(kit: hostile.Kit, content: bytes) -> bool:
    """Whether the first signature fails because of a change, for whoever extends the document too."""
    found = first(kit, content)
    if found.indication is Indication.PASSED:
        assert extendable(content)
        return False
    assert (found.indication, found.sub_indication) == (Indication.FAILED, "FORMAT_FAILURE")
    assert (found.level_reached, found.changes) == (None, Changes.CONTENT)
    assert [one.id for one in found.reasons][:1] == ["content_changed_since"]
    assert not extendable(content)
    return True


@pytest.mark.parametrize("flags", [0, 1], ids=["open", "read-only"])
def test_another_value_of_a_form_field_is_changed_content(kit: hostile.Kit, flags: int) -> None:
    assert changed(kit, later.refilled(flags)(kit))


def test_a_signature_after_the_first_is_no_change_of_a_form(kit: hostile.Kit) -> None:
    assert not changed(kit, kit.sign(kit.signed(), name="two"))
