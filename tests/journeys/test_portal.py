"""`make portal`, walked from its first page to a signature that it verifies itself."""

from __future__ import annotations

import html
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.browser

WALKER = Path(__file__).resolve().parents[2] / "docs" / "examples" / "web_flask" / "walker.py"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    command = [sys.executable, "-m", "qcp_sdk.demo.portal", "--port", "0", "--patience", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        found = re.search(r"http://[\d.:]+", running.stdout.readline())
        assert found
        yield found[0]
        running.terminate()


def walker(address: str, **headers: str) -> Any:
    """Give somebody with a browser of their own."""
    found = importlib.util.spec_from_file_location("walker", WALKER)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    client = httpx.Client(base_url=address, timeout=60, headers=headers)

    def told(answer: httpx.Response) -> tuple[int, str, str | None]:
        return answer.status_code, answer.text, answer.headers.get("Location")

    return module.Walker(
        lambda path: told(client.get(path)),
        lambda path, form: told(client.post(path, data=form)),
    )


def newest_code(somebody: Any) -> str:
    back = somebody.path
    somebody.open("/inbox")
    found = re.search(r"@127\.0\.0\.1 #(\d{7})|^ *([A-Z2-9]{6})\s*$", html.unescape(somebody.text), re.MULTILINE)
    assert found
    somebody.open(back)
    return found[1] or found[2]


def with_code(somebody: Any) -> None:
    somebody.send("/code")
    somebody.send("/enter", code=newest_code(somebody))


def test_the_portal_is_walked_from_the_first_page_to_a_verified_signature(address: str) -> None:
    her, phone = walker(address), walker(address)
    her.open("/")
    her.send("/be", person="jessica")
    her.send("/be", language="en")
    her.open("/collectes/new")
    her.send("/collectes/new", do="me")
    her.send("/collectes/new", do="validate", **{"level-oneself": "3"})
    assert her.status == 422

    her.open("/signature/")
    her.send("/open")
    with_code(her)
    her.send("/details", answer="right")
    her.send("/consents")
    link = re.search(r">(http://[^<]+/go/[^<]+)<", her.text)
    assert link
    phone.open(link[1])
    phone.send(re.escape(link[1].removeprefix(address)))
    assert "/phone/" in phone.path
    # What a form without an address goes to is its own page.
    phone.status, phone.text, leads = phone._post(phone.path, {**dict(_hidden(phone.text)), "outcome": ["approve"]})
    assert leads is not None
    phone.open(leads)
    assert "/signature/done" in phone.path
    her.open(her.path)
    her.send("/identity", answer="right")
    her.send("/request")
    with_code(her)
    her.open(her.path)
    assert "Your certificate is issued" in her.text

    her.open("/collectes/new")
    her.send("/collectes/new", do="me")
    her.send("/collectes/new", do="validate", **{"level-oneself": "3"})
    collecte = her.path
    signing = re.search(r'href="(/signature/c/[^"]+)"', her.text)
    assert signing
    her.open(signing[1])
    her.send("/consent")
    her.send("/enter", code=newest_code(her))
    her.open(collecte)
    assert "level 3: advanced, based on a qualified certificate (" in her.text
    her.open("/operator")
    assert her.status == 200


def test_whoever_is_added_to_a_collecte_and_left_as_proposed_is_invited_or_refused(address: str) -> None:
    her = walker(address)
    her.open("/")
    her.send("/be", person="jessica")
    her.send("/be", language="en")
    stranger = {"given-other-1": "Léa", "last-other-1": "Brun", "email-other-1": "lea@client.example",
                "mobile-other-1": "+33 6 39 98 55 01"}  # fmt: skip
    for who, status in (("me", 200), ("member", 200), ("other", 422)):
        her.open("/collectes/new")
        her.send("/collectes/new", do=who, **({"member": "irene"} if who == "member" else {}))
        her.send("/collectes/new", do="update", **stranger)
        her.send("/collectes/new", do="validate")
        assert her.status == status
        assert ("collect their signature by other means" in her.text) == (status == 422)


def _hidden(text: str) -> list[tuple[str, list[str]]]:
    return [(name, [value]) for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]+)"', text)]


def test_somebody_without_a_certificate_is_told_what_is_missing(address: str) -> None:
    paul = walker(address)
    paul.open("/")
    paul.send("/be", person="paul")
    paul.send("/be", language="en")
    paul.open("/signature/")
    assert "You have none. Ask for one on your platform" in paul.text
    assert "not enough credit" in paul.text
