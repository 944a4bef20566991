"""The words of the pages: the same in both languages, each used, none that a template would take for something else."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from qcp_sdk.adapters.shared.texts import TEMPLATES
from qcp_sdk.errors import ConfigurationError
from qcp_sdk.people import LANGUAGES
from qcp_sdk.testing.scene import Scene
from qcp_sdk.web.consents import ConsentTexts
from qcp_sdk.web.journey import Journey
from qcp_sdk.web.requests import PageRequest

TABLES = {
    language: tomllib.loads((TEMPLATES / "texts" / f"pages.{language}.toml").read_text("utf-8"))
    for language in LANGUAGES
}
PAGES = "\n".join(path.read_text("utf-8") for name in ("pages", "portal") for path in (TEMPLATES / name).glob("*.html"))
LOOKED_UP = {"states", "origins", "fields", "openings", "problems", "signatories_problems"}
"""Tables from which `phrase` takes a sentence by a word of ours."""


def test_both_languages_say_the_same_things_with_the_same_blanks() -> None:
    french, english = TABLES["fr"], TABLES["en"]
    assert {name: set(table) for name, table in french.items()} == {name: set(table) for name, table in english.items()}
    for name, table in french.items():
        for key, text in table.items():
            blanks = [sorted(re.findall(r"{(\w+)}", said)) for said in (text, english[name][key])]
            assert blanks[0] == blanks[1], f"{name}.{key}"


def test_no_key_is_the_name_of_something_that_a_table_has_anyway() -> None:
    # `t.signatories.update` in a template is the method of a dictionary, before it is a sentence.
    assert [key for table in TABLES["fr"].values() for key in table if hasattr(dict, key)] == []


def test_every_sentence_is_used() -> None:
    unused = [
        f"{name}.{key}"
        for name, table in TABLES["fr"].items()
        if name not in LOOKED_UP
        for key in table
        if not re.search(rf"""(\.|\["){re.escape(key)}\b""", PAGES)
    ]
    # Those that are chosen by a stage, a field or an order: `t.waiting[stage ~ "_why"]`.
    chosen = ("waiting.", "ended.", "signing.", "sorry.", "signatories.", "portal.")
    assert [one for one in unused if not one.startswith(chosen)] == []


@pytest.mark.parametrize("table", ["openings", "problems"])
def test_every_reason_of_ours_has_a_sentence(table: str) -> None:
    from qcp_sdk import otp
    from qcp_sdk.subscription import opening

    source = Path(str((opening if table == "openings" else otp).__file__)).read_text("utf-8")
    found = set(re.findall(r'reasons\.append\("(\w+)"\)|reason="(\w+)"', source))
    words = {one or other for one, other in found}
    assert len(words) >= 5
    words -= {"code_needed"} if table == "openings" else {"locked"}
    missing = {one for one in words if one not in TABLES["en"][table]} - {"unknown_text", "certificate_ended"}
    assert missing == set()


def ask(journey: Journey, scene: Scene, language: str = "fr") -> str:
    request = PageRequest(method="GET", path="", account=scene.jessica.id, language=language)
    return journey.answer(request).body.decode()


def test_a_host_replaces_a_template_a_sentence_a_style_and_a_consent(qcp_scene: Scene, tmp_path: Path) -> None:
    for name, text in {
        "pages/layout.html": "<html lang='{{ language }}'><title>{{ title }}</title><h9>mine</h9>{{ main }}</html>",
        "pages/qcp.css": "/* mine */",
        "texts/pages.fr.toml": '[certificates_page]\ntitle = "Mes sceaux"\n',
        "consents/fr/personal_data.txt": "Titre à nous\n\nUn paragraphe.",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    journey = Journey(qcp_scene.qcp, platform="P", directory=tmp_path, consents_version="7")
    page = ask(journey, qcp_scene)
    assert "<h9>mine</h9>" in page
    assert "<h1>Mes sceaux</h1>" in page
    assert "My signing certificates" in ask(journey, qcp_scene, "en")
    assert journey.site.renderer.static("qcp.css") == b"/* mine */"
    own, ours = journey.site.consents.of("fr", "personal_data"), ConsentTexts().of("fr", "personal_data")
    assert (own.title, own.version, own.paragraphs) == ("Titre à nous", "7", ("Un paragraphe.",))
    assert own.hash != ours.hash


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pages/details.html", "{% block title %}"),
        ("texts/pages.fr.toml", "[no_such_table]\nx = 'y'\n"),
        ("texts/pages.fr.toml", "no table at all"),
        ("texts/fr.toml", '[history]\ncode_requested = "pour {price}"\n'),
        ("texts/en.toml", '[history]\ncode_asked = "typo"\n'),
        ("consents/en/personal_data.txt", "A title alone"),
    ],
)
def test_a_slip_of_the_hosts_pen_shows_at_start(qcp_scene: Scene, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(ConfigurationError):
        Journey(qcp_scene.qcp, platform="P", directory=tmp_path)


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", 'O\'Neill & "Co"'])
def test_what_people_and_hosts_are_called_is_escaped(qcp_scene: Scene, name: str) -> None:
    from attrs import evolve

    from qcp_sdk.people import Cabinet
    from qcp_sdk.values import CabinetId

    cabinet: Any = Cabinet(id=CabinetId(f"c{name}"), name=name)
    qcp_scene.world.accounts.put(evolve(qcp_scene.jessica, cabinets=(cabinet,)))
    page = ask(Journey(qcp_scene.qcp, platform=name), qcp_scene)
    assert name not in page
