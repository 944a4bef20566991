"""Write tests/stored/<version>/installation.zip: a whole folder of `Qcp.local` with subscriptions in flight, as this
release leaves it, for the workers of the releases after it to take over.

`python scripts/make_stored_installation.py` once a release, before it is tagged; that of an earlier one is never
written again. That of 0.1.0 was made by the code of commit ed685fb^, whose tables were at version 1.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.facts import Cancelled, CodeRequested
from qcp_sdk.host.saying import Code
from qcp_sdk.offers import Offer
from qcp_sdk.otp import Purpose
from qcp_sdk.people import Account, Cabinet
from qcp_sdk.sdk import Qcp
from qcp_sdk.subscription.facts import ConsentGiven, DetailsConfirmed, IdentityConfirmed, RequestAccepted
from qcp_sdk.subscription.stages import Plan, Stage
from qcp_sdk.subscription.state import CONSENTS
from qcp_sdk.values import AccountId, CabinetId, Cents, ContentHash, EmailAddress, Key, PersonName, PhoneNumber

STORED = Path(__file__).parent.parent / "tests" / "stored"
START = datetime(2026, 11, 23, 9, tzinfo=UTC)
CABINET = Cabinet(id=CabinetId("freyssinet"), name="Cabinet Freyssinet")
TEXT = ContentHash("sha256:" + "0" * 64)
STAGES = (
    Stage.VERIFYING_EMAIL, Stage.CONFIRMING_DETAILS, Stage.CONSENTING, Stage.PROVING_IDENTITY,
    Stage.CONFIRMING_IDENTITY, Stage.READING_REQUEST, Stage.SIGNING_REQUEST, Stage.AWAITING_CERTIFICATE, Stage.ACTIVE,
    Stage.CLOSED,
)  # fmt: skip
"""Where the subscriptions are left, a person at each."""


class Life:
    """Takes people as far as each is to come."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock(START)
        self.qcp = Qcp.local(
            folder, clock=self.clock, offer=Offer(plan=Plan.ASSEMBLED), decision_after=timedelta(minutes=10)
        )
        credit = Cents(100_000)
        self.qcp.ledger.credit(key=Key("credit"), cabinet=CABINET.id, amount=credit, memo="prepaid credit")

    def person(self, stage: Stage, number: int) -> Account:
        """Somebody new, who holds an LCP certificate."""
        account = Account(
            id=AccountId(stage.value), name=PersonName(given="Jeanne", last="Exemple"),
            email=EmailAddress(f"{stage.value}@cabinet.example"), mobile=PhoneNumber(f"+336399877{number:02}"),
            cabinets=(CABINET,),
        )  # fmt: skip
        self.qcp.accounts.put(account)
        self.qcp.centre.enrol(account)
        return account

    def wait(self, by: timedelta) -> None:
        """Let time pass, with a worker that comes every minute."""
        for _ in range(int(by / timedelta(minutes=1))):
            self.clock.advance(timedelta(minutes=1))
            self.qcp.run_due()

    def live(self, person: Account, until: Stage) -> str:
        """Subscribe, up to that stage; give the id."""
        qcp = self.qcp
        id = qcp.subscriptions.open(account=person.id, cabinet=CABINET.id).id

        def code(purpose: Purpose) -> Code:
            to = person.email if purpose is Purpose.OPEN else person.mobile
            return Code(qcp.mailbox.latest_code(to=to, purpose=purpose))

        def say(*what: object) -> None:
            for one in what:
                qcp.subscriptions.get(id).say(one() if callable(one) else one)  # type: ignore[arg-type]

        def prove() -> None:
            sessions = qcp.identity.sessions()
            qcp.identity.capture(next(one.id for one in sessions if one.subscription == id))
            self.wait(timedelta(minutes=6))

        def accept() -> RequestAccepted:
            shown = qcp.subscriptions.get(id).show.request
            assert shown is not None
            return RequestAccepted(hash=shown)

        steps: dict[Stage, Callable[[], None]] = {
            Stage.VERIFYING_EMAIL: lambda: say(CodeRequested(), lambda: code(Purpose.OPEN)),
            Stage.CONFIRMING_DETAILS: lambda: say(DetailsConfirmed()),
            Stage.CONSENTING: lambda: say(*[ConsentGiven(text=text, version="1", hash=TEXT) for text in CONSENTS]),
            Stage.PROVING_IDENTITY: prove,
            Stage.CONFIRMING_IDENTITY: lambda: say(IdentityConfirmed()),
            Stage.READING_REQUEST: lambda: say(accept),
            Stage.SIGNING_REQUEST: lambda: say(CodeRequested(), lambda: code(Purpose.REQUEST)),
            Stage.AWAITING_CERTIFICATE: lambda: self.wait(timedelta(minutes=15)),
        }
        if until is Stage.CLOSED:
            say(Cancelled())
        while (stage := qcp.subscriptions.get(id).stage) is not until:
            steps[stage]()
        return id


def main(to: Path) -> int:
    """Write the archive of this release; give the exit status."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "installation"
        life = Life(folder)
        # Who waits for the authority comes last: an answer is on its way.
        order = sorted(STAGES, key=lambda stage: stage is Stage.AWAITING_CERTIFICATE)
        ids = {stage.value: life.live(life.person(stage, number), stage) for number, stage in enumerate(order)}
        for database in folder.rglob("*.sqlite"):
            with closing(sqlite3.connect(database)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        about = {"now": life.clock.now().isoformat(), "subscriptions": ids}
        to.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("about.json", json.dumps(about, indent=1))
            for path in sorted(folder.rglob("*")):
                if path.is_file() and not path.name.endswith((".eml", "-wal", "-shm", "-turn")):
                    archive.write(path, path.relative_to(folder).as_posix())
    print(f"wrote {to.name}, {to.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if sys.argv[1:] else STORED / version("qcp_sdk") / "installation.zip"))
