"""Whole installations of every release, with subscriptions in flight: today's code brings their tables up, today's
worker takes over, and everybody comes to a certificate.
"""

from __future__ import annotations

import json
import sqlite3
import zipfile
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from qcp_sdk import journal
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.sql.migrations import STORE
from qcp_sdk.cli import main
from qcp_sdk.engine.streams import MACHINES
from qcp_sdk.facts import CodeRequested, Fact
from qcp_sdk.host.saying import Code
from qcp_sdk.local import LocalQcp
from qcp_sdk.otp import Purpose
from qcp_sdk.sdk import Qcp
from qcp_sdk.subscription.facts import ConsentGiven, DetailsConfirmed, IdentityConfirmed, RequestAccepted
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.testing.scene import hash_of
from qcp_sdk.values import SubscriptionId

ARCHIVES = sorted((Path(__file__).parent.parent / "stored").glob("*/installation.zip"))
UNFOLLOWED = {"0.1.0": 1}
"""How many certificates a release issued and did not follow."""
MINUTE = timedelta(minutes=1)


class Taken:
    """An installation that was unpacked, and is opened by today's code at the instant at which it was left."""

    def __init__(self, archive: Path, folder: Path) -> None:
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)
        for path in folder.rglob("*"):
            path.chmod(0o700 if path.is_dir() else 0o600)
        about = json.loads((folder / "about.json").read_text("utf-8"))
        self.folder, self.clock = folder, ManualClock(datetime.fromisoformat(about["now"]))
        self.left = {SubscriptionId(id): Stage(stage) for stage, id in about["subscriptions"].items()}
        self.before = self.version()
        self.qcp: LocalQcp = Qcp.local(folder, clock=self.clock)

    def version(self) -> int:
        with closing(sqlite3.connect(self.folder / "store.sqlite")) as connection:
            return int(connection.execute("SELECT max(version) FROM qcp_schema").fetchone()[0])

    def wait(self, by: timedelta) -> None:
        """Let time pass, with a worker that comes every minute."""
        for _ in range(int(by / MINUTE)):
            self.clock.advance(MINUTE)
            self.qcp.run_due()

    def step(self, id: SubscriptionId) -> None:
        """Do what is right at this stage."""
        view = self.qcp.subscriptions.get(id)
        say, person = view.say, self.qcp.engine.streams.load(id).state.account
        plain: dict[Stage, Fact] = {
            Stage.CONFIRMING_DETAILS: DetailsConfirmed(),
            Stage.CONFIRMING_IDENTITY: IdentityConfirmed(),
        }
        match view.stage:
            case Stage.VERIFYING_EMAIL | Stage.SIGNING_REQUEST as stage:
                say(CodeRequested())
                mail = stage is Stage.VERIFYING_EMAIL
                to, purpose = (person.email, Purpose.OPEN) if mail else (person.mobile, Purpose.REQUEST)
                self.qcp.subscriptions.get(id).say(Code(self.qcp.mailbox.latest_code(to=to, purpose=purpose)))
            case Stage.CONSENTING:
                for text in view.show.consents_needed:
                    say(ConsentGiven(text=text, version="1", hash=hash_of(text)))
            case Stage.PROVING_IDENTITY:
                sessions = self.qcp.identity.sessions()
                self.qcp.identity.capture(next(one.id for one in sessions if one.subscription == id))
                self.wait(6 * MINUTE)
            case Stage.READING_REQUEST:
                assert view.show.request is not None
                say(RequestAccepted(hash=view.show.request))
            case Stage.AWAITING_CERTIFICATE:
                self.wait(15 * MINUTE)
            case stage:
                say(plain[stage])

    def prove(self, id: SubscriptionId) -> None:
        """See that the journal verifies from before the change to now, and folds to the state."""
        entries, head = self.qcp.records.journal(id)
        journal.verify(entries, head=head)
        stream, folded = self.qcp.engine.streams.load(id), None
        for one in self.qcp.records.history(id):
            folded, _ = MACHINES[stream.kind].step(folded, one.fact, one.at)
        assert folded == stream.state


def test_there_are_installations_to_take_over() -> None:
    assert "0.1.0" in {archive.parent.name for archive in ARCHIVES}


@pytest.mark.parametrize("archive", ARCHIVES, ids=[archive.parent.name for archive in ARCHIVES])
def test_subscriptions_in_flight_are_continued_by_todays_worker(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = Taken(archive, tmp_path / "installation")
    qcp = taken.qcp
    assert taken.before <= taken.version() == STORE[-1].version, "its tables were brought up"
    assert len(taken.left) == 10
    assert {id: qcp.subscriptions.get(id).stage for id in taken.left} == taken.left
    for id in taken.left:
        taken.prove(id)

    of = {stage: id for id, stage in taken.left.items()}
    taken.step(of[Stage.PROVING_IDENTITY])  # its session was opened before, and ends soon
    taken.wait(15 * MINUTE)
    waited = qcp.subscriptions.get(of[Stage.AWAITING_CERTIFICATE])
    assert waited.stage is Stage.ACTIVE, "the answer that was on its way has come"
    for id, left in taken.left.items():
        steps = 0
        while left is not Stage.CLOSED and qcp.subscriptions.get(id).stage is not Stage.ACTIVE:
            taken.step(id)
            steps += 1
            assert steps < 12, qcp.subscriptions.get(id).stage
        taken.prove(id)
    assert sum(qcp.subscriptions.get(id).stage is Stage.ACTIVE for id in taken.left) == 9
    assert (qcp.backlog().due, qcp.backlog().parked) == (0, 0)
    books = qcp.ledger.check()
    assert books.balanced, books.faults
    followed = qcp.operations.follow()
    unfollowed = UNFOLLOWED.get(archive.parent.name, 0)
    assert (followed.begun, followed.before) == (unfollowed, 9 - unfollowed)
    capsys.readouterr()
    assert main(["certificates", "follow", "--installation", str(taken.folder)]) == 0
    assert capsys.readouterr().out == "begun=0 before=9 never=0 unreadable=0\n"
    again = Qcp.local(tmp_path / "installation", clock=taken.clock)
    assert {again.subscriptions.get(id).stage for id in taken.left} == {Stage.ACTIVE, Stage.CLOSED}
