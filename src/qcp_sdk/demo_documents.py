"""The document that the demonstration signs: an invented engagement letter, in French."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from qcp_sdk.adapters.shared.texts import load_texts, read_zone
from qcp_sdk.adapters.shared.typesetting import set_pdf

SIGNATURE_PAGE: Final = 1
"""The page with the places below, counted from 0."""
SIGNATURE_PLACES: Final = ((76, 71, 281, 139), (314, 71, 519, 139))
"""Where the accountant and the client sign: boxes in points from the lower left corner, as `Appearance` wants them."""


def demo_contract(
    *,
    at: datetime,
    firm: str = "Cabinet Freyssinet & Associés",
    accountant: str = "Irène Faron",
    company: str = "Boulangerie des Quatre-Vents",
    client: str = "Jessica Poussart",
    zone: str = "Europe/Paris",
) -> bytes:
    """Give a two-page engagement letter (PDF/A-2a, PDF/UA-1) between these parties, dated `at`.

    The same arguments give the same bytes.

    Raises:
        Rejected: `cannot_compose`: a name holds characters that the fonts cannot show.
        ConfigurationError: There is no such time zone.
    """
    texts = load_texts("fr", read_zone(zone))
    year = at.astimezone(texts.zone).year
    data = {
        "firm": firm,
        "accountant": accountant,
        "company": company,
        "client": client,
        "years": f"{year} et {year + 1}",
        "from": texts.day(at),
        "at": texts.day(at),
    }
    return set_pdf("demo_contract", data, at=at)
