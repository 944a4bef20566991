"""What was made of a signed PDF by later updates: which of it leaves the signature standing.

pyHanko's difference analysis says which objects changed; its default policy is too generous for us in two things:

- it lets the values of form fields change (ISO 32000-2 § 12.8.2.2.2, form filling), whatever the signatory saw in
  them. We leave its rule for fields other than signatures out, so that a changed value is changed content;
- it lets signature fields be added that show anything, over the whole page: see `pdf_shown`.

Imports pyHanko only where it is used.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from attrs import frozen

from qcp_sdk.pdf_shown import Shown, shown_since

if TYPE_CHECKING:
    from pyhanko.sign.diff_analysis import DiffPolicy
    from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature


@frozen(kw_only=True)
class Since:
    """How a signature stands in its file."""

    covers_file: bool
    """It covers every byte of the file."""
    covers_revision: bool
    """It covers every byte up to the end of the update that it came with."""
    difference: Any
    """pyHanko's `DiffResult`, its `SuspiciousModification`, or None where it did not look."""
    allowed: bool
    """Whether what came later is of a kind that leaves it standing."""
    shown: Shown
    """What later updates show over its pages; `NOTHING` where the difference is not allowed anyway."""


def since(one: EmbeddedPdfSignature) -> Since:
    """Say what was made of the document since this signature. Raises whatever pyHanko does of what it cannot read."""
    from pyhanko.sign.validation.status import SignatureCoverageLevel

    one.compute_integrity_info(diff_policy=_policy())  # type: ignore[no-untyped-call]
    summary = one.summarise_integrity_info()
    allowed = summary["docmdp_ok"] is True
    latest = one.reader.xrefs.total_revisions - 1 <= one.signed_revision
    shown = Shown.NOTHING if latest or not allowed else shown_since(one.reader, one.signed_revision)
    return Since(
        covers_file=summary["coverage"] == SignatureCoverageLevel.ENTIRE_FILE,
        covers_revision=summary["coverage"] >= SignatureCoverageLevel.ENTIRE_REVISION,
        difference=summary["diff_result"],
        allowed=allowed and shown is not Shown.COVERED,
        shown=shown,
    )


@lru_cache(maxsize=1)
def _policy() -> DiffPolicy:
    """Give pyHanko's default policy without its `GenericFieldModificationRule`."""
    from pyhanko.sign.diff_analysis import (
        DEFAULT_DIFF_POLICY,
        FormUpdatingRule,
        SigFieldCreationRule,
        SigFieldModificationRule,
        StandardDiffPolicy,
    )

    rules = [SigFieldCreationRule(), SigFieldModificationRule()]  # type: ignore[no-untyped-call]
    return StandardDiffPolicy(DEFAULT_DIFF_POLICY.global_rules, FormUpdatingRule(field_rules=rules))
