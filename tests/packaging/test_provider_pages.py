"""Each provider has a page that says what it does, how to configure it, what was checked, and what never was."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from qcp_sdk.providers.sections import SECTIONS

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*(DOCS / "providers").glob("*.md"), DOCS / "csc.md"])
HEADINGS = ("What it does", "Configure it", "What was checked against what", "Never tried on the live service")
PAGE_OF = {
    "smtp": "providers/sms.md",
    "sms": "providers/sms.md",
    "events": "providers/webhooks.md",
    "idnow": "providers/idnow.md",
    "stripe": "providers/stripe.md",
    "universign": "providers/universign.md",
    "oidc": "providers/oidc.md",
    "timestamps": "verifying.md",
    "csc": "csc.md",
    "cmp": "providers/cmp.md",
}


@pytest.mark.parametrize("page", [one for one in PAGES if one.name != "README.md"], ids=lambda one: one.name)
def test_a_page_says_all_four(page: Path) -> None:
    parts = dict(re.findall(r"^## (.+?)$\n(.*?)(?=^## |\Z)", page.read_text("utf-8"), re.MULTILINE | re.DOTALL))
    assert set(HEADINGS) <= parts.keys()
    for heading in HEADINGS:
        assert len(parts[heading].split()) >= 5, f"nothing is said under `{heading}`"
    assert "```" in parts["Configure it"], "how to configure it is shown"


def test_every_section_of_the_settings_has_a_page_and_a_row() -> None:
    assert PAGE_OF.keys() == SECTIONS.keys()
    assert all((DOCS / page).exists() for page in PAGE_OF.values())
    rows = (DOCS / "providers" / "settings.md").read_text("utf-8")
    assert [name for name in SECTIONS if f"| `{name}` |" not in rows] == []


def test_every_page_is_in_the_list_of_providers() -> None:
    listed = (DOCS / "providers" / "README.md").read_text("utf-8")
    assert [page.name for page in PAGES if page.name != "README.md" and page.name not in listed] == []
