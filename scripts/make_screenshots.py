"""Take a picture of every page, on a desktop in French and on a phone in English, and write docs/pages.md.

`python scripts/make_screenshots.py` needs Debian's Chromium, Playwright and Pillow (`make screenshots`); `--check`
needs none of them: it says whether every page has its pictures, and nothing else has. Clock, ids, addresses and tokens
are always the same, so that a second run on the same machine gives the same bytes; another machine has other fonts.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser.pages import PAGES, Page  # noqa: E402

if TYPE_CHECKING:
    from tests.browser.hosts import Host

DOC: Final = ROOT / "docs" / "pages.md"
PICTURES: Final = ROOT / "docs" / "pages"
ADDRESS: Final = "platform.example"
FORMS: Final = {"desktop": ("fr", 960), "phone": ("en", 360)}
"""Name to language and width."""
COLOURS: Final = 32
LARGEST: Final = 2_500_000
"""Bytes of all pictures together."""
STEADY: Final = ("--hide-scrollbars", "--force-device-scale-factor=1", "--font-render-hinting=none",
                 "--disable-lcd-text")  # fmt: skip

HEAD: Final = """<!-- Made by `make screenshots`. Do not edit: mend tests/browser/pages.py. -->

# Every page

What people see, from [features](web.md) A1 to E4: on a desktop in French, on a phone in English. Both languages have
every page, light and dark; axe-core finds nothing on any of them (`make browser`). A host gives them its own name,
colours and layout ([the pages](web.md#looks)).
"""


def names() -> set[str]:
    """Give the name of every picture."""
    return {f"{name}.{form}.webp" for name in PAGES for form in FORMS}


def text() -> str:
    """Write docs/pages.md."""
    parts = [HEAD]
    for name, shown in PAGES.items():
        feature = f" ({shown.feature})" if shown.feature else ""
        pictures = " | ".join(
            f"![{shown.title}: {form}, {language}](pages/{name}.{form}.webp)" for form, (language, _) in FORMS.items()
        )
        parts.append(f"## {shown.title}{feature}\n\n| desktop | phone |\n| --- | --- |\n| {pictures} |\n")
    return "\n".join(parts)


def faults() -> Iterator[str]:
    """Say what does not agree with the table of pages."""
    there = {path.name for path in PICTURES.glob("*")}
    yield from (f"docs/pages/{name} is missing" for name in sorted(names() - there))
    yield from (f"docs/pages/{name} is no page's" for name in sorted(there - names()))
    if not DOC.exists() or DOC.read_text("utf-8") != text():
        yield "docs/pages.md is stale"
    if (size := sum(path.stat().st_size for path in PICTURES.glob("*"))) > LARGEST:
        yield f"docs/pages holds {size} bytes, more than {LARGEST}"


def take(chromium: str) -> None:
    """Take every picture."""
    from qcp_sdk.web import tokens
    from tests.browser import people
    from tests.browser.hosts import FlaskHost

    vars(tokens)["secrets"] = SimpleNamespace(token_bytes=bytes)  # what a QR code holds is chance
    host = FlaskHost()
    resolve = f"--host-resolver-rules=MAP {ADDRESS}:80 127.0.0.1:{host.server.server_port}"
    PICTURES.mkdir(exist_ok=True)
    for picture in PICTURES.glob("*"):
        if picture.name not in names():
            picture.unlink()
    with people.chromium(chromium, resolve, *STEADY) as browser, tempfile.TemporaryDirectory() as folder:
        for name, shown in PAGES.items():
            for form, (language, width) in FORMS.items():
                path = prepared(host, shown, Path(folder) / f"{name}-{form}")
                page = browser.new_page(viewport={"width": width, "height": 640}, reduced_motion="reduce")
                page.goto(f"http://{ADDRESS}/login/jessica/{language}")
                page.goto(f"http://{ADDRESS}/{path}")
                shown.act(page)
                page.wait_for_load_state("networkidle")
                if page.locator("iframe").count():  # the browser's own viewer draws when it has read the document
                    page.wait_for_timeout(2_000)
                (PICTURES / f"{name}.{form}.webp").write_bytes(
                    small(page.screenshot(full_page=True, animations="disabled"))
                )
                page.close()
    host.close()


def prepared(host: Host, shown: Page, folder: Path) -> str:
    """Play the scene up to a page; with documents that a browser can show."""
    from qcp_sdk.adapters.shelf import FileShelf
    from qcp_sdk.adapters.typst_documents import TypstDocuments

    present = host.begin(offer=shown.offer())
    if shown is PAGES["request"]:
        world = present.scene.world
        world.documents = TypstDocuments(  # type: ignore[assignment]
            shelf=FileShelf(folder), seal=None, answers=folder / "answers", platform="Plateforme",  # type: ignore[arg-type]
            issuer=world.authority.issuer,
        )  # fmt: skip
        present.scene.qcp = present.scene.installation(offer=shown.offer())
    return shown.bring(present)


def small(png: bytes) -> bytes:
    """Give the same picture in few colours, as a lossless WebP."""
    from PIL import Image

    flat = Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).convert("RGB")
    out = io.BytesIO()
    flat.save(out, "WEBP", lossless=True, method=6)
    return out.getvalue()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a page has no picture")
    if not parser.parse_args().check:
        take(os.environ["QCP_BROWSER"])
        DOC.write_text(text(), "utf-8")
    found = list(faults())
    for one in found:
        print(f"{one}: run `make screenshots`", file=sys.stderr)
    print(f"{len(PAGES)} pages, {len(names())} pictures, {len(found)} faults")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
