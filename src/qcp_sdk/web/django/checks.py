"""System checks: `manage.py check` says what cannot run, `manage.py check --deploy` what must not go live."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core import checks
from django.db import connections, router

from qcp_sdk.errors import ConfigurationError
from qcp_sdk.web import doctor
from qcp_sdk.web.django.conf import installation

SERVED = frozenset({"sqlite", "postgresql"})


def settings_read(**_: Any) -> list[checks.CheckMessage]:
    """Say whether `settings.QCP` can be read; builds nothing."""
    try:
        installation()
    except ConfigurationError as error:
        return [checks.Error(str(error), id="qcp.E020")]
    return []


def database(databases: Iterable[str] | None = None, **_: Any) -> list[checks.CheckMessage]:
    """Say whether the tables may stand where they would be put."""
    from qcp_sdk.web.django.models import Stream

    alias = router.db_for_write(Stream)
    if databases is not None and alias not in databases:
        return []
    vendor = connections[alias].vendor
    if vendor in SERVED:
        return []
    return [
        checks.Error(
            f"the store's tables cannot stand in {vendor}",
            hint="route the application `qcp` to SQLite or PostgreSQL, or give `Qcp` another store",
            id="qcp.E021",
        )
    ]


def live(**_: Any) -> list[checks.CheckMessage]:
    """Say what must not go live: simulated providers, no timestamps, weak keys, no webhook secret."""
    try:
        held = installation()
        found = list(doctor.configured(held.qcp, webhooks=bool(held.providers)))
    except ConfigurationError as error:
        return [checks.Error(str(error), id="qcp.E022")]
    return [_message(one) for one in found]


def _message(finding: doctor.Finding) -> checks.CheckMessage:
    made = checks.Error if finding.grade is doctor.Grade.ERROR else checks.Warning
    return made(finding.what, hint=finding.mend, id=finding.id)


def register_all() -> None:
    """Register them."""
    checks.register(settings_read, "qcp")
    checks.register(database, checks.Tags.database)
    checks.register(live, checks.Tags.security, deploy=True)
