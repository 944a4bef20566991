"""The 7-bit alphabet of SMS (3GPP TS 23.038 § 6.2.1): 160 of its characters fit into one message, 70 of any other."""

from __future__ import annotations

import unicodedata
from typing import Final

GSM7: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""The basic table. The extension table is left out: its characters count twice, and none of our texts needs one."""

ONE_MESSAGE: Final = 160
"""Characters of this alphabet in one message."""

_REPLACED: Final = {
    "’": "'", "‘": "'", "“": '"', "”": '"', "«": '"', "»": '"', "–": "-", "—": "-", "…": "...", "œ": "oe", "Œ": "OE",
    "€": "EUR", "Ł": "L", "ł": "l", "Đ": "D", "đ": "d", "ı": "i", "\u00a0": " ", "\u202f": " ", "\t": " ",
}  # fmt: skip


def fold(text: str) -> str:
    """Give the text in this alphabet: accents that it lacks are dropped, what has no likeness becomes `?`."""
    folded: list[str] = []
    text = text.replace("«\u00a0", '"').replace("\u00a0»", '"')
    for character in unicodedata.normalize("NFC", text):
        if character in GSM7:
            folded.append(character)
        elif character in _REPLACED:
            folded.append(_REPLACED[character])
        else:
            bare = "".join(c for c in unicodedata.normalize("NFKD", character) if c in GSM7)
            folded.append(bare or "?")
    return "".join(folded)
