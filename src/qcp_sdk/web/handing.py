"""On the smartphone (C1): the page behind a QR code, and the one that sends people back to their computer.

Nobody is signed in there. Whoever holds the token may go to the provider's page, and learns nothing else. A GET uses
nothing up: messengers and mail programs look at links before people do.
"""

from __future__ import annotations

from qcp_sdk.errors import NotFound
from qcp_sdk.web.requests import PageRequest
from qcp_sdk.web.site import Site
from qcp_sdk.web.subscriptions import open_identity, origin
from qcp_sdk.web.views import View


def look(site: Site, _request: PageRequest, token: str) -> View:
    """Say what is behind the code, with the button that goes there."""
    url = _behind(site, token)
    if not site.hand_offs.is_good(token, url):
        return _spent()
    return View(template="hand_off_phone", context={"token": token}, form_action=origin(url))


def go(site: Site, _request: PageRequest, token: str) -> View:
    """Use the token up, and go to the provider."""
    url = _behind(site, token)
    if not site.hand_offs.use(token, url):
        return _spent()
    return View(status=303, redirect=url)


def done(_site: Site, _request: PageRequest) -> View:
    """Say that the phone has done its part: go on at the computer."""
    return View(template="hand_off_done")


def _behind(site: Site, token: str) -> str:
    id = site.hand_offs.read(token)
    if id is None:
        return ""
    try:
        return open_identity(site, id)
    except NotFound:
        return ""


def _spent() -> View:
    # One answer for what is used, too old, or was never made: it tells a stranger nothing.
    return View(status=410, template="hand_off_spent")
