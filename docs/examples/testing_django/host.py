"""A Django host in one file: a collecte is created only if its levels can be reached."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.utils.module_loading import import_string
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

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


def installation() -> Qcp:
    """Give this process's installation: `QCP["INSTALLATION"]` is one, or names a function that gives it."""
    chosen = settings.QCP["INSTALLATION"]
    return import_string(chosen)() if isinstance(chosen, str) else chosen


@csrf_exempt  # this host is called by its own front end, with a token
@require_POST
def create(request: HttpRequest) -> JsonResponse:
    """Create a collecte over the letter in the request; refused with every reason."""
    qcp = installation()
    collecte = _collecte(qcp, request.POST, request.FILES["letter"].read())
    try:
        decision = qcp.collectes.enforce(collecte)
    except LevelRefused as refused:
        reasons = {who: finding.message("fr") for who, finding in refused.decision.findings}
        return JsonResponse({"refused": reasons}, status=422)
    # A real host stores the collecte and `decision.hash` with it here, then calls `qcp.collectes.start`.
    return JsonResponse({"id": collecte.id, "decision": decision.hash}, status=201)


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


urlpatterns = [path("collectes", create)]
