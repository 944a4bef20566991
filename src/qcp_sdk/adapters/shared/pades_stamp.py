"""Drawing what a visible signature shows, with an embedded font that has every European letter.

pyHanko's own stamps use Courier in PDFDocEncoding, in which `Œ` is a dash and `Ł` is noise. Typst sets the text
instead, in the Libertinus Serif that its wheel carries, and the page becomes the signature's appearance.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from qcp_sdk.errors import Rejected
from qcp_sdk.values import utc

_TEMPLATE: Final = b"""
#let shown = sys.inputs
#set page(
  width: float(shown.width) * 1pt,
  height: float(shown.height) * 1pt,
  margin: 0pt,
  fill: none,
)
#set text(font: "Libertinus Serif", size: 10pt, fill: rgb("#1d2733"), hyphenate: false)
#set par(leading: 0.45em, spacing: 0.45em)
#let accent = rgb("#2a5d8f")
#let code = if shown.qr == "" { none } else { image(bytes(shown.qr), format: "svg", width: 52pt) }
#let lines = block(inset: (left: 8pt, right: 4pt, y: 4pt), stroke: (left: 2pt + accent), {
  text(weight: "bold", size: 12pt, shown.name)
  linebreak()
  shown.level
  linebreak()
  text(size: 9pt, shown.at)
  if shown.url != "" {
    linebreak()
    text(size: 8pt, fill: accent, shown.url)
  }
})
#let all = if code == none { lines } else { grid(columns: 2, column-gutter: 5pt, align: horizon, code, lines) }
#context {
  let natural = measure(all)
  let fit = calc.min(page.width / natural.width, page.height / natural.height, 1.5)
  place(left + horizon, scale(fit * 100%, reflow: true, all))
}
"""
"""No word of its own, so no language: name, level, instant and address as the host gives them."""

SMALLEST_CODE: Final = 45
"""Points (16 mm) of height and, thrice, of width, below which no QR code is drawn: no telephone would read it."""


def draw(*, width: int, height: int, name: str, level: str, at: datetime, url: str = "") -> bytes:
    """Give a one-page PDF of `width` by `height` points that shows the signature. The same arguments give the
    same bytes. `at` is the claimed time, shown in UTC. `url` is shown as text, and as a QR code where there is room.

    Raises:
        Rejected: `appearance_unsupported`: the extra `local` (typst, segno) is not installed, or it cannot be set.
    """
    if min(width, height) < 1:
        raise Rejected(f"a box of {width} by {height} points shows nothing", reason="appearance_unsupported")
    try:
        import segno
        import typst
    except ImportError as error:
        raise Rejected(
            "visible signatures need the `typst` and `segno` packages",
            reason="appearance_unsupported",
            mend="install qcp_sdk[local], or sign invisibly",
        ) from error
    moment = utc(at)
    try:
        code = segno.make(url, error="m", micro=False) if url and _has_room(width, height) else None
        drawn = typst.compile(
            _TEMPLATE,
            format="pdf",
            ignore_system_fonts=True,
            sys_inputs={
                "width": str(width),
                "height": str(height),
                "name": name,
                "level": level,
                "at": f"{moment:%Y-%m-%d %H:%M} UTC",
                "url": url,
                "qr": "" if code is None else code.svg_inline(border=2, dark="#1d2733", light="#ffffff"),
            },
            pdf_tags=False,
            timestamp=int(moment.timestamp()),
        )
    except (RuntimeError, ValueError, TypeError) as error:
        raise Rejected("the appearance of the signature cannot be set", reason="appearance_unsupported") from error
    assert isinstance(drawn, bytes)
    return drawn


def _has_room(width: int, height: int) -> bool:
    return height >= SMALLEST_CODE and width >= 3 * SMALLEST_CODE
