"""`qcp-sdk practice`: the inbox and the phone of an installation of `Qcp.local`, for this machine alone."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from qcp_sdk import Account, AccountId, Cabinet, CabinetId, Cents, EmailAddress, Key, PersonName, PhoneNumber, Qcp
from qcp_sdk.demo.practice import Practice
from qcp_sdk.errors import ConfigurationError
from qcp_sdk.facts import CodeRequested
from qcp_sdk.host.saying import Code
from qcp_sdk.otp import Purpose
from qcp_sdk.subscription.facts import ConsentGiven, DetailsConfirmed
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.testing.scene import Scene, hash_of

CABINET = Cabinet(id=CabinetId("cab-1"), name="Cabinet")
ADA = Account(
    id=AccountId("ada"), name=PersonName(given="Ada", last="Martin"), email=EmailAddress("ada@example.org"),
    mobile=PhoneNumber("+33639981316"), cabinets=(CABINET,),
)  # fmt: skip


def ask(app: Practice, path: str, *, form: str | None = None, host: str = "127.0.0.1:5001") -> tuple[str, str]:
    told: list[Any] = []
    environ = {
        "REQUEST_METHOD": "GET" if form is None else "POST", "PATH_INFO": path, "HTTP_HOST": host,
        "HTTP_ACCEPT_LANGUAGE": "en-GB,fr;q=0.5", "CONTENT_LENGTH": str(len(form or "")),
        "wsgi.input": io.BytesIO((form or "").encode()),
    }  # fmt: skip
    (body,) = app(environ, lambda *what: told.append(what))
    assert dict(told[0][1])["Cache-Control"] == "no-store"
    return told[0][0][:3], body.decode()


def test_codes_are_read_and_the_phone_films(tmp_path: Path) -> None:
    qcp = Qcp.local(tmp_path / "qcp", verdict_after=timedelta(0))
    qcp.accounts.put(ADA)
    qcp.centre.enrol(ADA)
    qcp.ledger.credit(key=Key("credit"), cabinet=CABINET.id, amount=Cents(8_220), memo="credit")
    practice = Practice(qcp)
    assert "No message yet" in ask(practice, "/")[1]
    view = qcp.subscriptions.open(account=ADA.id, cabinet=CABINET.id).say(CodeRequested())
    code = qcp.mailbox.latest_code(to=ADA.email, purpose=Purpose.OPEN).reveal()
    assert code in ask(practice, "/")[1]
    view = view.say(Code(code)).say(DetailsConfirmed())
    for text in view.show.consents_needed:
        view = view.say(ConsentGiven(text=text, version="1", hash=hash_of(text)))
    assert view.stage is Stage.PROVING_IDENTITY
    (session,) = qcp.identity.sessions()
    assert f'href="/phone/{session.id}"' in ask(practice, "/")[1]
    assert "Ada Martin" in ask(practice, f"/phone/{session.id}")[1]
    for _ in range(2):  # a second click changes nothing
        assert "Your smartphone has done its part" in ask(practice, f"/phone/{session.id}", form="outcome=refuse")[1]
    assert qcp.subscriptions.get(view.id).show.ending == "identity_refused"
    assert "/phone/" not in ask(practice, "/")[1]
    assert ask(practice, "/phone/another")[0] == "404"
    assert ask(practice, "/static/qcp.css")[0] == "200"
    # Another site whose name leads to this machine learns nothing.
    assert ask(practice, "/", host="evil.example:5001") == ("421", "")


def test_only_a_local_installation_is_played(qcp_scene: Scene) -> None:
    with pytest.raises(ConfigurationError, match=r"Qcp\.local"):
        Practice(qcp_scene.qcp)
