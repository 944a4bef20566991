"""What keeps failing is parked, visible, and settled by hand with audit; never dropped (behaviour § 7.4)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from qcp_sdk import journal
from qcp_sdk.audit import AUDIT, Audit, OperatorActed, step
from qcp_sdk.cli import main
from qcp_sdk.errors import Conflict, FactRefused, NotFound, Rejected
from qcp_sdk.facts import CodeRequested
from qcp_sdk.host.operations import RETRIED, SETTLED, Standing
from qcp_sdk.ports.store import ParkedEffect
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.testing.scene import Scene
from qcp_sdk.values import Key

WHO = {"by": "Odile", "reason": "ticket 41: the mail system was mended"}
Out = pytest.CaptureFixture[str]


@pytest.fixture
def scene() -> Scene:
    """A notice was refused by the mail system, which no row foresees: it is parked."""
    scene = Scene()
    send = scene.world.notices.send

    def refuses(**_asked: object) -> None:
        raise Rejected("the mail system does not take it", reason="blocked")

    scene.world.notices.send = refuses  # type: ignore[method-assign]
    scene.subscribe(scene.jessica, until=Stage.ACTIVE)
    scene.world.notices.send = send  # type: ignore[method-assign]
    return scene


def first(scene: Scene) -> ParkedEffect:
    return scene.qcp.operations.parked()[0]


def test_what_is_parked_is_shown_with_personal_data_masked(scene: Scene) -> None:
    parked = first(scene)
    assert (parked.kind, parked.reason) == ("notify", "blocked")
    shown = scene.qcp.operations.show(parked.key)
    assert shown.effect == parked
    assert shown.stage == "active"
    assert "Notify(" in shown.content
    for personal in ("jessica@cabinet.example", "Poussart", "+33639981316"):
        assert personal not in shown.content


def test_asking_again_is_on_record_before_it_is_done(scene: Scene) -> None:
    view = scene.subscribe(scene.irene, until=Stage.PROVING_IDENTITY)
    for who in ({**WHO, "by": " "}, {**WHO, "reason": ""}):
        with pytest.raises(FactRefused):
            scene.qcp.operations.ask(view.id, **who)
    scene.world.identity.capture(scene.identity_session(view))
    scene.world.clock.advance(timedelta(minutes=10))
    scene.qcp.operations.ask(view.id, **WHO)
    assert scene.qcp.subscriptions.get(view.id).stage is Stage.CONFIRMING_IDENTITY
    (act,) = (one.fact for one in scene.qcp.operations.acts())
    assert isinstance(act, OperatorActed)
    assert (act.what, act.about, act.by) == ("asked_again", view.id, "Odile")
    with pytest.raises(NotFound):
        scene.qcp.operations.ask("nobody", **WHO)
    assert len(scene.qcp.operations.acts()) == 1


def test_a_retry_is_done_under_the_same_key_and_is_on_record(scene: Scene) -> None:
    before, parked = len(scene.notices(scene.jessica)), first(scene)
    scene.qcp.operations.retry(parked.key, **WHO)
    assert parked.key not in {one.key for one in scene.qcp.operations.parked()}
    scene.qcp.run_due()
    assert len(scene.notices(scene.jessica)) == before + 1
    (act,) = scene.qcp.operations.acts()
    assert act.fact == OperatorActed(what=RETRIED, about=parked.key, **WHO)


def test_settling_by_hand_takes_two_people_and_is_on_record(scene: Scene) -> None:
    parked, before = first(scene), len(scene.notices(scene.jessica))
    for nobody in ("", "  ", "Odile", " odile "):
        with pytest.raises(FactRefused) as refused:
            scene.qcp.operations.settle(parked.key, approved_by=nobody, **WHO)
        assert refused.value.reason == "not_approved"
    assert scene.qcp.operations.acts() == ()
    scene.qcp.operations.settle(parked.key, approved_by="Samir", **WHO)
    scene.qcp.run_due()
    assert parked.key not in {one.key for one in scene.qcp.operations.parked()}
    assert len(scene.notices(scene.jessica)) == before, "it is never performed"
    (act,) = scene.qcp.operations.acts()
    assert act.fact == OperatorActed(what=SETTLED, about=parked.key, approved_by="Samir", **WHO)


def test_nobody_acts_without_a_name_and_a_reason(scene: Scene) -> None:
    key = first(scene).key
    for by, reason in (("", "because"), ("Odile", " ")):
        with pytest.raises(FactRefused):
            scene.qcp.operations.retry(key, by=by, reason=reason)
    assert first(scene).key == key
    assert scene.qcp.operations.acts() == ()


def test_what_is_not_parked_cannot_be_settled(scene: Scene) -> None:
    key = first(scene).key
    with pytest.raises(NotFound):
        scene.qcp.operations.show(Key("nothing"))
    scene.qcp.operations.retry(key, **WHO)
    with pytest.raises(NotFound):
        scene.qcp.operations.retry(key, **WHO)
    assert len(scene.qcp.operations.acts()) == 1


def test_of_two_operators_at_once_one_is_told(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_late(**_asked: object) -> None:
        raise Conflict("it is not parked", kind="effect", subject="x")

    monkeypatch.setattr(scene.world.store, "unpark", too_late)
    with pytest.raises(NotFound):
        scene.qcp.operations.retry(first(scene).key, **WHO)


def test_the_acts_are_chained_and_fold_to_what_is_stored(scene: Scene) -> None:
    for _ in range(2):
        scene.qcp.operations.retry(first(scene).key, **WHO)
    entries, head = scene.qcp.records.journal(AUDIT)
    assert journal.verify(entries, head=head) == head
    scene.prove(AUDIT)
    assert scene.qcp.engine.streams.load(AUDIT).state == Audit(sequence=2)


def test_only_acts_are_on_the_audits_record(scene: Scene) -> None:
    with pytest.raises(FactRefused):
        step(None, CodeRequested(), scene.world.clock.now())


def test_an_effect_that_cannot_be_read_is_shown_all_the_same(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def sealed_away(*_asked: object, **_named: object) -> None:
        raise Rejected("no key of the ring wrapped it", reason="unknown_key")

    monkeypatch.setattr(scene.qcp.engine.streams, "effect", sealed_away)
    assert scene.qcp.operations.show(first(scene).key).content == "unreadable: rejected"


def test_the_age_of_the_backlog_is_that_of_the_most_overdue(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    parked = len(scene.qcp.operations.parked())
    scene.qcp.run_due()
    assert scene.qcp.operations.standing() == Standing(due=0, age=timedelta(0), parked=parked)
    due = scene.world.store.next_due()
    assert due is not None
    scene.world.clock.advance_to(due + timedelta(seconds=90))
    assert scene.qcp.operations.standing() == Standing(due=1, age=timedelta(seconds=90), parked=parked)
    monkeypatch.setattr("qcp_sdk.installation.find", lambda _named: scene.qcp)
    asked = ["backlog", "--installation", "x", "--most"]
    assert main([*asked, "90"]) == 0
    assert main([*asked, "89"]) == 1
    assert f"due=1 oldest=90s parked={parked}" in capsys.readouterr().out


# --- the command line -------------------------------------------------------------------------------------------


def test_what_happened_is_printed_in_words(scene: Scene, monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    monkeypatch.setattr("qcp_sdk.installation.find", lambda _named: scene.qcp)
    held = scene.qcp.subscriptions.page(account=scene.jessica.id).qcp
    assert held is not None
    for language, told in (("fr", "Le prix a été prélevé."), ("en", "The price was taken.")):
        assert main(["--language", language, "history", held.subscription, "--installation", "x"]) == 0
        printed = capsys.readouterr().out
        assert told in printed
        assert len(printed.splitlines()) == len(scene.qcp.records.history(held.subscription))
        assert "Poussart" not in printed
    assert main(["history", "nobody", "--installation", "x"]) == 2
    assert main(["history", held.subscription, "--installation", "x", "--zone", "Mars/Olympus"]) == 2


def test_the_commands(scene: Scene, monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    monkeypatch.setattr("qcp_sdk.installation.find", lambda _named: scene.qcp)
    key, where = first(scene).key, ["--installation", "x"]
    total = len(scene.qcp.operations.parked())
    assert main(["parked", "list", *where]) == 1
    assert f"{key}\tnotify\t1\tblocked" in capsys.readouterr().out
    assert main(["parked", "show", key, *where]) == 0
    assert "stage     active" in capsys.readouterr().out
    assert main(["parked", "retry", key, *where, "--by", "Odile", "--reason", "r"]) == 0
    second = first(scene).key
    settle = ["parked", "settle", second, *where, "--by", "Odile", "--reason", "r", "--approved-by"]
    assert main([*settle, "Odile"]) == 2
    assert main([*settle, "Samir"]) == 0
    capsys.readouterr()
    assert main(["parked", "acts", *where]) == 0
    assert [line.split("\t")[1:] for line in capsys.readouterr().out.splitlines()] == [
        ["effect_retried", key, "Odile", "r"],
        ["effect_settled", second, "Odile", "r", "Samir"],
    ]
    assert len(scene.qcp.operations.parked()) == total - 2
