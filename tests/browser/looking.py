"""What axe-core sees of a page."""

from __future__ import annotations

from typing import Any, Final

TAGS: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def look(page: Any, axe: str) -> list[str]:
    """Give what axe finds on the page that is shown."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(axe)
    found = page.evaluate("tags => axe.run({runOnly: tags})", TAGS)
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


def sideways(page: Any) -> int:
    """Say by how many pixels the page may be scrolled sideways."""
    by: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return by
