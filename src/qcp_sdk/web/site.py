"""What every page of one host knows: the installation, the words, the consents, the tokens, the limits."""

from __future__ import annotations

from attrs import frozen

from qcp_sdk.errors import NotFound
from qcp_sdk.host.collectes import CeremonyView
from qcp_sdk.host.subscriptions import SubscriptionView
from qcp_sdk.sdk import Qcp
from qcp_sdk.values import AccountId, CeremonyId, SubscriptionId
from qcp_sdk.web.consents import ConsentTexts
from qcp_sdk.web.limits import Limits
from qcp_sdk.web.rendering import Renderer
from qcp_sdk.web.requests import PageRequest
from qcp_sdk.web.routes import address
from qcp_sdk.web.tokens import HandOffs
from qcp_sdk.web.views import View, redirect


class NobodySignedIn(Exception):
    """The page is about somebody, and nobody is signed in: the shell sends them to the host's own login."""


@frozen(kw_only=True)
class Site:
    """One host's pages."""

    qcp: Qcp
    renderer: Renderer
    consents: ConsentTexts
    hand_offs: HandOffs
    limits: Limits
    mobile_help: str = ""
    """Where the platform lets people change their mobile number; empty: the page says to ask support."""


def person(request: PageRequest) -> AccountId:
    """Give who is signed in.

    Raises:
        NobodySignedIn: Nobody is.
    """
    if request.account is None:
        raise NobodySignedIn
    return request.account


def subscription(site: Site, request: PageRequest, id: str) -> SubscriptionView:
    """Give a subscription of whoever is signed in; another's is as unknown as one that does not exist.

    Raises:
        NotFound: It is not theirs, or does not exist.
        NobodySignedIn: Nobody is signed in.
    """
    return site.qcp.subscriptions.get(SubscriptionId(id), account=person(request), tenant=request.tenant)


def ceremony(site: Site, request: PageRequest, id: str) -> CeremonyView:
    """Give a ceremony: of whoever is signed in, or, where the signatory has no account, of whoever was sent its link.

    Raises:
        NotFound: It is another's, or does not exist.
        NobodySignedIn: It is somebody's, and nobody is signed in.
    """
    view = site.qcp.collectes.ceremony(CeremonyId(id), tenant=request.tenant)
    if view.account is not None and view.account != person(request):
        raise NotFound(f"`{id}` is not known", mend="check the id and the installation")
    return view


def to(request: PageRequest, page: str, **ids: str) -> View:
    """Go to a page of ours with a GET."""
    return redirect(address(request.root, page, **ids))
