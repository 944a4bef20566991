"""Follow docs/embed.md to the letter: from an empty folder, in a clean environment, with Flask and with Django.

`python scripts/follow_embed.py [--find-links dist] [--only flask]`: what the page says is what is run, block by
block; then somebody walks through the pages, over HTTP, as the page describes it. `--find-links` is where pip finds the
wheel of this checkout. Says how long each part took.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import unescape
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "embed.md"
HOSTS: Final = ("flask", "django")
BLOCK: Final = re.compile(r"^```(?P<language>sh|python)(?P<marks>[^\n]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
PLATFORM: Final = "http://127.0.0.1:5000"
OTHER_SIDE: Final = "http://127.0.0.1:5001"
STRANGER: Final = {"given": "Léa", "last": "Brun", "email": "lea@client.example", "mobile": "+33 6 39 98 55 01"}
PATIENCE: Final = 60.0
"""Seconds that a server may take to answer, and a page to move on."""


class Failed(Exception):
    """What the page promises does not hold."""


class Block:
    """One block: its language, its marks, and what it says."""

    def __init__(self, found: re.Match[str]) -> None:
        self.language, self.code = found["language"], found["code"]
        self.marks = dict((mark.partition("=")[::2]) for mark in found["marks"].split())

    def is_for(self, host: str) -> bool:
        return not (set(self.marks) & set(HOSTS)) or host in self.marks


# --- what the reader does -----------------------------------------------------------------------------------


def followed(host: str, folder: Path, blocks: Sequence[Block], environment: dict[str, str]) -> dict[str, float]:
    """Do what the page says for one host; give the seconds that each part took."""
    every_terminal = "".join(one.code for one in blocks if "every-terminal" in one.marks)
    took: dict[str, float] = {}
    started = time.monotonic()
    first = True
    with running() as servers:
        for one in blocks:
            if not one.is_for(host) or "every-terminal" in one.marks:
                continue
            where = one.marks.get("file") or one.marks.get("append")
            if one.language == "python":
                assert where, "a Python block of this page names its file"
                path = folder / where
                old = path.read_text("utf-8") if "append" in one.marks else ""
                path.write_text(old + one.code, "utf-8")
                continue
            script = one.code if first else every_terminal + one.code
            first = False
            if "serve" in one.marks:
                with (folder / f"{one.marks['serve']}.log").open("wb") as log:
                    servers.append(
                        subprocess.Popen(
                            ["bash", "-ec", script],
                            cwd=folder,
                            env=environment,
                            stdout=log,
                            stderr=log,
                            start_new_session=True,
                        )
                    )
                awaited(f"http://127.0.0.1:{one.marks['serve']}/")
                continue
            subprocess.run(["bash", "-ec", script], cwd=folder, env=environment, check=True)
            if "pip install" in script:
                took["packages"] = time.monotonic() - started
        took["served"] = time.monotonic() - started - took["packages"]
        walked(host)
        took["walk"] = time.monotonic() - started - took["packages"] - took["served"]
    return took


@contextmanager
def running() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Stop what was served, each with what it started."""
    servers: list[subprocess.Popen[bytes]] = []
    try:
        yield servers
    finally:
        for one in servers:
            os.killpg(one.pid, signal.SIGTERM)
            one.wait()


def awaited(url: str) -> None:
    """Wait until something answers there."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            urllib.request.urlopen(url, timeout=5)  # noqa: S310  # of this machine
        except urllib.error.HTTPError:
            return
        except OSError as error:
            if time.monotonic() > end:
                raise Failed(f"nothing answers at {url}") from error
            time.sleep(0.2)
        else:
            return


# --- the walk -----------------------------------------------------------------------------------------------


class Forms(HTMLParser):
    """The forms of a page: where each goes, and what its fields hold."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, list[str]]]] = []
        self._menu: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        have = {name: value or "" for name, value in attributes}
        if tag == "form":
            self.found.append((have.get("action", ""), {}))
        elif tag == "input" and have.get("name") and self.found and "disabled" not in have:
            values = self.found[-1][1].setdefault(have["name"], [])
            # Everything is agreed to: boxes are ticked, the first of several radio buttons is chosen.
            if have.get("type") != "radio" or not values:
                values.append(have.get("value", ""))
        elif tag == "select" and have.get("name") and self.found:
            self.found[-1][1][have["name"]] = self._menu = []
        elif tag == "option" and ("selected" in have or not (self._menu or "disabled" in have)):
            self._menu[:] = [have.get("value", "")]


class Browser:
    """Somebody's browser, without scripts: fills in forms, is redirected, keeps cookies."""

    def __init__(self) -> None:
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        self.url = self.text = ""
        self.status = 0

    def open(self, url: str, form: dict[str, list[str]] | None = None) -> None:
        data = None if form is None else urllib.parse.urlencode(form, doseq=True).encode()
        headers = {"Accept-Language": "en", "Referer": self.url or url}
        asked = urllib.request.Request(url, data=data, headers=headers)  # noqa: S310  # of this machine
        try:
            answer = self._opener.open(asked, timeout=60)
        except urllib.error.HTTPError as refused:
            answer = refused
        with answer:
            self.status, self.url, self.text = answer.status or 0, answer.url, answer.read().decode("utf-8", "replace")

    def send(self, action: str, **fields: str) -> None:
        """Send the form that goes there, with everything agreed to."""
        for where, form in Forms(self.text).found:
            if where.endswith(action):
                self.open(
                    urllib.parse.urljoin(self.url, where), form | {name: [value] for name, value in fields.items()}
                )
                return
        raise Failed(f"no form at {self.url} goes to {action}")

    def sees(self, words: str) -> None:
        """Wait until the page says this; a page that waits is loaded again."""
        end = time.monotonic() + PATIENCE
        while words not in unescape(self.text):
            if time.monotonic() > end:
                raise Failed(f"{self.url} does not say “{words}”:\n{self.text[-2000:]}")
            time.sleep(0.5)
            self.open(self.url)


def newest_code(inbox: Browser) -> str:
    inbox.open(f"{OTHER_SIDE}/")
    found = re.search(r"@127\.0\.0\.1 #(\d{7})|^ *([A-Z2-9]{6})\s*$", unescape(inbox.text), re.MULTILINE)
    if found is None:
        raise Failed("no code is in the inbox")
    return found[1] or found[2]


def walked(host: str) -> None:
    """Do what section 4 says, in its order: nobody is signed in before the first page asks for it."""
    ada, other = Browser(), Browser()
    ada.open(f"{PLATFORM}/letters/new")
    if host == "django":
        ada.send("", username="ada", password="lovelace")  # noqa: S106  # as the page says
    ada.sees("Who signs, and at which level?")

    def letter(do: str = "me", **filled: str) -> None:
        ada.open(f"{PLATFORM}/letters/new")
        ada.send("/letters/new", do=do)
        ada.send("/letters/new", do="update", **filled)
        ada.send("/letters/new", do="validate", **filled)

    letter(**{"level-oneself": "3"})
    if ada.status != 422:
        raise Failed(f"level 3 was not refused to somebody without a certificate: {ada.status}")
    ada.sees("Nothing is lowered in silence")
    letter()  # as the page proposes it
    ada.sees("My signing certificates")
    letter("other", **{f"{name}-other-1": text for name, text in STRANGER.items()})
    if ada.status != 422:
        raise Failed(f"a third party without a certificate was not refused: {ada.status}")
    ada.sees("collect their signature by other means")

    ada.open(f"{PLATFORM}/signature/")
    ada.send("/open")
    ada.send("/code")
    ada.send("/enter", code=newest_code(other))
    ada.sees("Check your details")
    ada.send("/details", answer="right")
    ada.send("/consents")
    ada.sees("Prove your identity")
    subscription = ada.url
    other.open(f"{OTHER_SIDE}/")
    phone = re.search(r'href="(/phone/[^"]+)"', other.text)
    if phone is None:
        raise Failed("no phone is in the inbox")
    other.open(f"{OTHER_SIDE}{phone[1]}")
    other.open(other.url, {"outcome": ["approve"]})
    other.sees("Your smartphone has done its part")
    ada.sees("Confirm your identity")
    ada.send("/identity", answer="right")
    ada.sees("Read your certificate request")
    ada.send("/request")
    ada.send("/code")
    ada.send("/enter", code=newest_code(other))
    ada.open(subscription)
    ada.sees("Your certificate is issued")

    letter(**{"level-oneself": "3"})
    ada.sees("My signing certificates")
    other.open(f"{OTHER_SIDE}/")
    invitation = re.search(rf"{PLATFORM}/signature/c/[\w-]+", other.text)
    if invitation is None:
        raise Failed("no invitation is in the inbox")
    ada.open(invitation[0])
    ada.send("/consent")
    ada.send("/enter", code=newest_code(other))
    ada.sees("You have signed")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--only", choices=HOSTS, action="append", help="one of the two; by default both")
    parser.add_argument("--find-links", type=Path, help="a folder with this checkout's wheel")
    asked = parser.parse_args()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("VIRTUAL_ENV", "PYTHON"))}
    environment |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_QUIET": "3"}
    if asked.find_links:
        environment["PIP_FIND_LINKS"] = str(asked.find_links.resolve())
    blocks = [Block(found) for found in BLOCK.finditer(PAGE.read_text("utf-8"))]
    for host in asked.only or HOSTS:
        with tempfile.TemporaryDirectory(prefix=f"qcp-embed-{host}-") as folder:
            try:
                took = followed(host, Path(folder), blocks, environment)
            except Failed as failure:
                for log in sorted(Path(folder).glob("*.log")):
                    print(f"--- {log.name}\n{log.read_text('utf-8', 'replace')[-4_000:]}", file=sys.stderr)
                print(f"{host}: {failure}", file=sys.stderr)
                return 1
        print(f"{host}: " + ", ".join(f"{part} {seconds:.0f} s" for part, seconds in took.items()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
