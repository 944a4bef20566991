"""What is kept about a person: all of it, readable, and nobody else's."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from qcp_sdk import installation
from qcp_sdk.cli import main
from qcp_sdk.errors import Erased, NotFound
from qcp_sdk.evidence.dossier import Dossiers
from qcp_sdk.facts import Cancelled
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.testing.scene import Scene
from qcp_sdk.values import AccountId, TenantId

if TYPE_CHECKING:
    from tests.evidence.conftest import Sealed


def unzipped(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_everything_about_one_person_and_nothing_about_another() -> None:
    scene = Scene()
    first = scene.open(scene.jessica)
    first.say(Cancelled())
    second = scene.subscribe(scene.jessica, until=Stage.ACTIVE)
    other = scene.subscribe(scene.irene, until=Stage.ACTIVE)
    ceremonies = scene.start(scene.collecte(scene.jessica, scene.irene))
    content = scene.qcp.evidence.person(account=scene.jessica.id)
    assert content == scene.qcp.evidence.person(account=scene.jessica.id), "the same each time"
    files = unzipped(content)
    pages = {name: json.loads(page) for name, page in files.items() if name.endswith(".json")}
    mine = [
        one.id for one in ceremonies if scene.qcp.engine.streams.load(one.id).state.signatory.account == scene.jessica
    ]
    states = [scene.qcp.engine.streams.load(one.id).state for one in ceremonies]
    mine = [one.id for one in states if one.signatory.account == scene.jessica.id]
    assert set(pages) == {f"souscriptions-subscriptions/{one.id}.json" for one in (first, second)} | {
        f"signatures/{id}.json" for id in mine
    }
    opening = pages[f"souscriptions-subscriptions/{second.id}.json"]["opening"][0]
    assert opening["account"]["email"] == scene.qcp.engine.streams.load(second.id).state.terms.account.email.text
    for name, content in files.items():
        if name.startswith("documents/"):
            assert hashlib.sha256(content).hexdigest() == Path(name).stem
    assert any(name.startswith("certificates/") for name in files)
    account = scene.qcp.engine.streams.load(other.id).state.terms.account
    everything = b"".join(content for name, content in files.items() if not name.startswith("documents/")).decode()
    for theirs in (account.email.text, account.mobile.text, account.id, other.id):
        assert theirs not in everything


def test_what_was_erased_and_who_is_not_known_are_not_there() -> None:
    scene = Scene()
    view = scene.open(scene.jessica)
    view.say(Cancelled())
    assert unzipped(scene.qcp.evidence.person(account=scene.jessica.id))
    with pytest.raises(NotFound):
        scene.qcp.evidence.person(account=scene.jessica.id, tenant=TenantId("another"))
    scene.wait(timedelta(days=366))
    scene.qcp.operations.erase(view.id, by="Odile", reason="request 7")
    with pytest.raises(NotFound):
        scene.qcp.evidence.person(account=scene.jessica.id)


def test_two_subscriptions_never_share_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    scene, ids = Scene(), iter(["a/b", "a_b", "é"])
    monkeypatch.setattr(scene.world.ids, "new", lambda: next(ids))
    for _ in range(3):
        scene.open(scene.jessica).say(Cancelled())
    pages = [name for name in unzipped(scene.qcp.evidence.person(account=scene.jessica.id)) if name.endswith(".json")]
    assert len(pages) == 3
    assert all(name.count("/") == 1 and name.isascii() for name in pages)


def test_a_dossier_of_what_was_erased_is_refused_as_erased(sealed: Sealed) -> None:
    scene = Scene()
    view = scene.open(scene.jessica)
    view.say(Cancelled())
    scene.wait(timedelta(days=366))
    scene.qcp.operations.erase(view.id, by="Odile", reason="request 7")
    with pytest.raises(Erased):
        Dossiers(scene.qcp.engine, scene.qcp.records, sealed.dossiers._seal).export(view.id)


def test_the_command_writes_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scene, file = Scene(), tmp_path / "hers.zip"
    scene.open(scene.jessica)
    monkeypatch.setattr(installation, "find", lambda _where: scene.qcp)
    asked = ["person", "export", scene.jessica.id, "--installation", "x", "--output", str(file)]
    assert main(asked) == 0
    assert next(iter(unzipped(file.read_bytes()))) == "LISEZMOI-README.txt"
    assert main(asked) == 2
    assert "hers.zip" in capsys.readouterr().err
    assert main(["person", "export", AccountId("nobody"), "--installation", "x"]) == 2
