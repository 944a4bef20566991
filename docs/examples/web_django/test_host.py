"""A full journey through the platform's own addresses: a collecte refused, a subscription, a collecte signed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
django.setup()

import host  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test import Client, override_settings  # noqa: E402
from walker import Walker, subscribe  # noqa: E402

from qcp_sdk import AccountId  # noqa: E402
from qcp_sdk.otp import Purpose  # noqa: E402
from qcp_sdk.web.django.conf import installation  # noqa: E402

STRANGER = {
    "given-other-1": "Léa",
    "last-other-1": "Brun",
    "email-other-1": "lea@client.example",
    "mobile-other-1": "+33 6 39 98 55 01",
}


def test_a_collecte_is_refused_a_subscription_completed_and_a_collecte_signed(tmp_path: Path) -> None:
    call_command("migrate", verbosity=0)
    user, _ = User.objects.get_or_create(username="ada")
    told = {**django.conf.settings.QCP, "OPTIONS": {"folder": str(tmp_path / "qcp-data")}}
    with override_settings(QCP=told, ALLOWED_HOSTS=["*"]):
        journey(user)


def journey(user: User) -> None:
    qcp: Any = installation().qcp
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    walker = Walker(
        lambda path: ((answer := client.get(path)).status_code, answer.text, answer.headers.get("Location")),
        lambda path, form: (
            (answer := client.post(path, form)).status_code,
            answer.text,
            answer.headers.get("Location"),
        ),
    )
    walker.open("/letters/new")
    walker.send("/letters/new", do="me")
    walker.send("/letters/new", do="validate", **{"level-oneself": "3"})
    assert walker.status == 422
    assert host.LETTERS == {}

    ada = qcp.ports.accounts.account(id=AccountId("ada"))
    subscribe(walker, qcp, ada.email, ada.mobile)
    assert qcp.subscriptions.page(account=ada.id).qcp.state == "usable"

    walker.open("/letters/new")
    walker.send("/letters/new", do="me")
    walker.send("/letters/new", do="validate", **{"level-oneself": "3"})
    assert host.LETTERS == {"ada": ["Lettre de mission"]}

    invitation = next(one for one in reversed(qcp.mailbox.messages()) if "/signature/c/" in one.text)
    walker.open("/signature/c/" + invitation.text.split("/signature/c/")[1].split()[0])
    walker.send("/consent")
    walker.send("/enter", code=qcp.mailbox.latest_code(to=ada.mobile, purpose=Purpose.SIGN).reveal())
    walker.open(walker.path)
    assert "/d/letter" in walker.text

    # Whoever is added and left as the page proposes it is invited, or refused with why: never an error after it.
    for who in ({"do": "me"}, {"do": "member", "member": "leo"}, {"do": "other"}):
        walker.open("/letters/new")
        walker.send("/letters/new", **who)
        walker.send("/letters/new", do="update", **STRANGER)
        walker.send("/letters/new", do="validate")
        assert walker.status == (422 if who["do"] == "other" else 200)
    assert len(host.LETTERS["ada"]) == 3
