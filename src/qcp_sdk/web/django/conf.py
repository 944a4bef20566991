"""The settings: one dictionary, `QCP`, read once into a typed value.

::

    QCP = {
        "BACKEND": "letters.qcp.installation",   # a function that gives the `qcp_sdk.Qcp`
        "OPTIONS": {"folder": BASE_DIR / "qcp"},  # given to it by name
        "PLATFORM": "My platform",
    }
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from attrs import field, frozen
from django.conf import settings
from django.core.signals import setting_changed
from django.http import HttpRequest
from django.utils.module_loading import import_string

from qcp_sdk import sdk
from qcp_sdk.aio import AsyncQcp
from qcp_sdk.errors import ConfigurationError
from qcp_sdk.ports.webhooks import Webhooks
from qcp_sdk.web import limits
from qcp_sdk.web.consents import VERSION
from qcp_sdk.web.journey import Journey
from qcp_sdk.web.limits import Limit
from qcp_sdk.web.webhooks import WebhookDesk

NAME: Final = "QCP"


@frozen(kw_only=True)
class Settings:
    """What `settings.QCP` says. Functions may be given as such, or by their dotted path."""

    backend: str | Callable[..., sdk.Qcp]
    options: Mapping[str, Any] = field(factory=dict, repr=False)
    account: str | Callable[[HttpRequest], str | None] = "qcp_sdk.web.django.views.signed_in"
    """Gives the account's id of whoever is signed in; by default the user's primary key."""
    tenant: str | Callable[[HttpRequest], str] = "qcp_sdk.web.django.views.no_tenant"
    platform: str = "Signature"
    zone: str = "Europe/Paris"
    templates: str | Path | None = None
    """The host's own templates, texts and consents, which replace ours."""
    consents_version: str = VERSION
    mobile_help: str = ""
    caller: str | Callable[[HttpRequest], str] = "qcp_sdk.web.django.views.remote_address"
    """Gives the address that a request comes from; by default `REMOTE_ADDR`, which behind a proxy is the proxy's."""
    limits: Mapping[str, Limit] = field(factory=dict)
    """Rows of `qcp_sdk.web.limits.LIMITS` to be replaced: `{"send": Limit(person=10, address=50)}`."""
    webhooks: str | Mapping[str, Webhooks] | Callable[[], Mapping[str, Webhooks]] = field(factory=dict)
    """Name to what checks its deliveries; or a function that gives that."""


def _read() -> Settings:
    told = getattr(settings, NAME, None)
    if not isinstance(told, Mapping) or "BACKEND" not in told:
        raise ConfigurationError(
            "`QCP` is not set", where="settings.QCP", mend='set QCP = {"BACKEND": "module.function", "OPTIONS": {…}}'
        )
    known = {one.upper(): one for one in Settings.__annotations__}
    unknown = sorted(set(told) - set(known))
    if unknown:
        raise ConfigurationError(f"`{unknown[0]}` is no setting", where="settings.QCP", mend=f"use {', '.join(known)}")
    return Settings(**{known[name]: value for name, value in told.items()})


class Installation:
    """What one process holds: built when it is first needed, after a server has forked."""

    def __init__(self) -> None:
        self.settings = _read()
        self._lock = threading.RLock()

    @cached_property
    def qcp(self) -> sdk.Qcp:
        """The installation that `BACKEND` gives.

        Raises:
            ConfigurationError: It gives none.
        """
        with self._lock:
            if "qcp" in self.__dict__:  # another thread was faster
                known: sdk.Qcp = self.__dict__["qcp"]
                return known
            made = named(self.settings.backend)(**self.settings.options)
            if not isinstance(made, sdk.Qcp):
                raise ConfigurationError("it gives no `Qcp`", where="settings.QCP['BACKEND']", mend="give one")
            self.__dict__["qcp"] = made
            return made

    @cached_property
    def journey(self) -> Journey:
        """Its pages."""
        told = self.settings
        return Journey(
            self.qcp,
            platform=told.platform,
            zone=told.zone,
            directory=Path(told.templates) if told.templates else None,
            consents_version=told.consents_version,
            mobile_help=told.mobile_help,
            limits=limits.read(told.limits, where="settings.QCP['LIMITS']"),
        )

    @property
    def providers(self) -> Mapping[str, Webhooks]:
        """Which providers may post."""
        told = self.settings.webhooks
        return told if isinstance(told, Mapping) else named(told)()

    @cached_property
    def webhooks(self) -> WebhookDesk:
        """Where providers post."""
        return WebhookDesk(self.qcp, self.providers)

    def account(self, request: HttpRequest) -> str | None:
        """Say who is signed in."""
        found = named(self.settings.account)(request)
        return None if found is None else str(found)

    @cached_property
    def aio(self) -> AsyncQcp:
        """Threads for views with an event loop, a few for the whole process."""
        return AsyncQcp(self.qcp)

    def caller(self, request: HttpRequest) -> str:
        """Say where a request comes from."""
        return str(named(self.settings.caller)(request))

    def tenant(self, request: HttpRequest) -> str:
        """Say whose platform it is."""
        return str(named(self.settings.tenant)(request))


def named(what: str | Callable[..., Any]) -> Callable[..., Any]:
    """Give a function, which may have been named by its dotted path.

    Raises:
        ConfigurationError: There is none under this name.
    """
    if not isinstance(what, str):
        return what
    try:
        found: Callable[..., Any] = import_string(what)
    except ImportError as error:
        raise ConfigurationError(f"`{what}` cannot be imported", where="settings.QCP", mend=str(error)) from error
    return found


_lock = threading.Lock()
_present: list[Installation] = []


def installation() -> Installation:
    """Give this process's installation.

    Raises:
        ConfigurationError: `settings.QCP` is missing or wrong.
    """
    with _lock:
        if not _present:
            _present.append(Installation())
        return _present[0]


def _forget(*, setting: str, **_: object) -> None:
    if setting == NAME:
        _present.clear()


def follow_settings() -> None:
    """Build anew when a test changes `settings.QCP`."""
    setting_changed.connect(_forget, dispatch_uid="qcp")
