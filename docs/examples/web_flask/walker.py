"""Walks through the pages as a person without scripts does: the forms of a page, filled in and sent."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

from qcp_sdk import EmailAddress, PhoneNumber
from qcp_sdk.otp import Purpose


class Forms(HTMLParser):
    """Reads the forms of a page: where each goes, and what its fields hold."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, list[str]]]] = []
        self._menu: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        have = dict(attributes)
        if tag == "form":
            self.found.append((have.get("action") or "", {}))
        # Everything is agreed to: boxes are ticked, the first of several radio buttons is chosen.
        elif tag == "input" and have.get("name") and self.found and "disabled" not in have:
            values = self.found[-1][1].setdefault(str(have["name"]), [])
            if have.get("type") != "radio" or not values:
                values.append(have.get("value") or "")
        elif tag == "select" and have.get("name") and self.found:
            self.found[-1][1][str(have["name"])] = self._menu = []
        elif tag == "option" and ("selected" in have or not (self._menu or "disabled" in have)):
            self._menu[:] = [have.get("value") or ""]


class Walker:
    """`get` and `post` are the host's test client; both give (status, text, where it leads)."""

    def __init__(self, get: Callable[[str], Any], post: Callable[[str, dict[str, list[str]]], Any]) -> None:
        self._get, self._post = get, post
        self.path, self.text, self.status = "", "", 0

    def open(self, path: str) -> None:
        """Open a page, and follow where it leads."""
        self.status, self.text, leads = self._get(path)
        self.path = path
        if self.status in (302, 303):
            self.open(leads)

    def send(self, action: str, **fields: str) -> None:
        """Send the form that goes there, with everything agreed to."""
        where, form = next((at, form) for at, form in Forms(self.text).found if re.search(f"{action}$", at))
        self.status, self.text, leads = self._post(where, {**form, **{name: [value] for name, value in fields.items()}})
        if self.status in (302, 303):
            self.open(leads)


def subscribe(walker: Walker, qcp: Any, email: EmailAddress, mobile: PhoneNumber) -> None:
    """Features A to D, by the pages alone; the mailbox and the simulated provider play their part."""

    def code(to: EmailAddress | PhoneNumber, purpose: Purpose) -> str:
        return str(qcp.mailbox.latest_code(to=to, purpose=purpose).reveal())

    walker.open("/signature/")
    walker.send("/open")
    walker.send("/code")
    walker.send("/enter", code=code(email, Purpose.OPEN))
    walker.send("/details", answer="right")
    walker.send("/consents")
    qcp.identity.capture(qcp.identity.sessions()[-1].id)
    walker.send("/check")
    walker.send("/identity", answer="right")
    walker.send("/request")
    walker.send("/code")
    walker.send("/enter", code=code(mobile, Purpose.REQUEST))
