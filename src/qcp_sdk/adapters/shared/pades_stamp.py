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
#context {
  let natural = measure(lines)
  let fit = calc.min(page.width / natural.width, page.height / natural.height, 1.5)
  place(left + horizon, scale(fit * 100%, reflow: true, lines))
}
"""
"""No word of its own, so no language: name, level, instant and address as the host gives them."""


def draw(*, width: int, height: int, name: str, level: str, at: datetime, url: str = "") -> bytes:
    """Give a one-page PDF of `width` by `height` points that shows the signature. The same arguments give the
    same bytes. `at` is the claimed time, shown in UTC.

    Raises:
        Rejected: `appearance_unsupported`: the extra `local` (typst) is not installed, or it cannot be set.
    """
    if min(width, height) < 1:
        raise Rejected(f"a box of {width} by {height} points shows nothing", reason="appearance_unsupported")
    try:
        import typst
    except ImportError as error:
        raise Rejected(
            "visible signatures need the `typst` package",
            reason="appearance_unsupported",
            mend="install qcp_sdk[local], or sign invisibly",
        ) from error
    moment = utc(at)
    try:
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
            },
            pdf_tags=False,
            timestamp=int(moment.timestamp()),
        )
    except (RuntimeError, ValueError, TypeError) as error:
        raise Rejected("the appearance of the signature cannot be set", reason="appearance_unsupported") from error
    assert isinstance(drawn, bytes)
    return drawn
