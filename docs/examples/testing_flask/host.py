"""A Flask host: a collecte is created only if its levels can be reached."""

from __future__ import annotations

from datetime import datetime

from flask import Blueprint, Flask, current_app, request
from flask.typing import ResponseReturnValue

from qcp_sdk import (
    AccountId,
    Collecte,
    CollecteId,
    Document,
    DocumentId,
    LevelRefused,
    Qcp,
    Role,
    Signatory,
    SignatoryId,
    SignatureLevel,
)

pages = Blueprint("collectes", __name__)


def create_app(qcp: Qcp) -> Flask:
    """Give the host over this installation; several may live in one process."""
    app = Flask(__name__)
    app.extensions["qcp"] = qcp
    app.register_blueprint(pages)
    return app


@pages.post("/collectes")
def create() -> ResponseReturnValue:
    """Create a collecte over the letter in the request; refused with every reason."""
    qcp: Qcp = current_app.extensions["qcp"]
    collecte = _collecte(qcp, request.form, request.files["letter"].read())
    try:
        decision = qcp.collectes.enforce(collecte)
    except LevelRefused as refused:
        reasons = {who: finding.message("fr") for who, finding in refused.decision.findings}
        return {"refused": reasons}, 422
    # A real host stores the collecte and `decision.hash` with it here, then calls `qcp.collectes.start`.
    return {"id": collecte.id, "decision": decision.hash}, 201


def _collecte(qcp: Qcp, form, letter: bytes) -> Collecte:
    account = qcp.ports.accounts.account(id=AccountId(form["account"]))
    return Collecte(
        id=CollecteId(form["id"]),
        title=form["title"],
        sender="Cabinet Freyssinet",
        documents=(Document(id=DocumentId("letter"), name="letter.pdf", content=qcp.collectes.keep(letter)),),
        signatories=(
            Signatory(
                id=SignatoryId(account.id),
                name=account.name,
                email=account.email,
                mobile=account.mobile,
                level=SignatureLevel(int(form["niveau"])),
                role=Role.MEMBER,
                account=account.id,
            ),
        ),
        deadline=datetime.fromisoformat(form["deadline"]),
    )
