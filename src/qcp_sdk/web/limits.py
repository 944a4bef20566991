"""How often one person, and one address, may do what costs: have something sent, try a code, have others asked.

Counts are shared by every process of an installation, because they stand in its store: a window has numbered places,
and each try takes the next free one in the store's inbox, where one of two who take the same is told so. Nothing is
left of them once the window is over. Whose a place is, is a keyed hash: no address stands in the store.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from ipaddress import IPv6Address, ip_address
from types import MappingProxyType
from typing import Final

from attrs import field, frozen, validators

from qcp_sdk.errors import ConfigurationError, Conflict
from qcp_sdk.ports.store import Batch
from qcp_sdk.sdk import Qcp
from qcp_sdk.values import joined
from qcp_sdk.web.requests import PageRequest


class Act(StrEnum):
    """What is counted, each on its own."""

    SEND = "send"
    """A code or a link is sent."""
    TRY = "try"
    """A code is checked."""
    ASK = "ask"
    """An authority or a provider is asked."""
    GO = "go"
    """A hand-off token is used, by nobody who is signed in."""


@frozen(kw_only=True)
class Limit:
    """How many times within a window. `person` is whoever is signed in, or, where nobody is, whoever has the link to
    this ceremony; `address` is where the request comes from.
    """

    person: int = field(validator=validators.ge(1))
    address: int = field(validator=validators.ge(1))
    window: timedelta = field(default=timedelta(hours=1), validator=validators.gt(timedelta(0)))


LIMITS: Final[Mapping[Act, Limit]] = MappingProxyType(
    {
        Act.SEND: Limit(person=30, address=150),
        Act.TRY: Limit(person=60, address=300),
        Act.ASK: Limit(person=120, address=600),
        Act.GO: Limit(person=60, address=60),
    }
)
"""Wide: a firm of fifty people signs behind one address. The engine's own limits of codes are narrower, per person."""

ACTS: Final[Mapping[str, Act]] = MappingProxyType(
    {
        "open": Act.ASK,
        "adopt": Act.ASK,
        "check": Act.ASK,
        "code": Act.SEND,
        "link": Act.SEND,
        "revocation_code": Act.SEND,
        "signing_code": Act.SEND,
        "signing_consent": Act.SEND,
        "enter": Act.TRY,
        "revocation": Act.TRY,
        "signing_enter": Act.TRY,
        "hand_off": Act.GO,
        "api_subscriptions": Act.ASK,
    }
)
"""Pages whose POST counts."""
API_PAGES: Final = frozenset({"api_subscription_actions", "api_ceremony_actions"})
API_ACTS: Final[Mapping[str, Act]] = MappingProxyType(
    {
        "refresh": Act.ASK,
        "code_requested": Act.SEND,
        "link_requested": Act.SEND,
        "code_entered": Act.TRY,
        "activation_asked": Act.TRY,
    }
)
"""Actions of the JSON API that count."""


def read(told: Mapping[str, Limit], *, where: str) -> Mapping[Act, Limit]:
    """Read a host's own rows; `where` is the setting that holds them.

    Raises:
        ConfigurationError: One is of no act, or is no `Limit`.
    """
    for name, row in told.items():
        if name not in list(Act) or not isinstance(row, Limit):
            mend = f"write Limit(person=…, address=…) for {', '.join(Act)}"
            raise ConfigurationError(f"`{name}` is no limit", where=where, mend=mend)
    return {Act(name): row for name, row in told.items()}


class Limits:
    """The counts of one installation. Thread-safe; other processes over the same store count along."""

    def __init__(self, qcp: Qcp, limits: Mapping[Act, Limit] = LIMITS) -> None:
        self._qcp, self._limits = qcp, {**LIMITS, **limits}

    def over(self, page: str, request: PageRequest, id: str = "") -> datetime | None:
        """Count a request to a page about `id`; None: it may go on. Otherwise, when it may be tried again.

        Raises:
            Unavailable: The store does not answer.
        """
        act = act_of(page, request)
        if act is None:
            return None
        limit, now = self._limits[act], self._qcp.ports.clock.now()
        start = _start(now, limit.window)
        until = start + limit.window
        counted: list[tuple[str, int]] = []
        if request.account is not None:
            counted.append((joined("person", request.tenant, request.account), limit.person))
        elif id:
            counted.append((joined("link", id), limit.person))
        if place := caller(request.caller):
            counted.append((joined("address", place), limit.address))
        names = [(self._name(joined(act, who, start.isoformat())), most) for who, most in counted]
        # Whoever was faster took a place that is then gone for good: there are no more of them than this.
        for _ in range(sum(most for _, most in names)):
            free = [(name, self._free(name, most), most) for name, most in names]
            if any(place == most for _, place, most in free):
                return until
            inbox = tuple((_message(name, place), until) for name, place, _ in free)
            try:
                # All or none: whoever is over for one reason uses up nothing of what others share.
                self._qcp.ports.store.commit(batch=Batch(at=now, inbox=inbox))
            except Conflict:  # somebody else took one at this very moment
                continue
            return None
        return until if names else None

    def _name(self, what: str) -> str:
        return hmac.digest(self._qcp.ports.keys.derive(purpose="limits"), what.encode(), "sha256").hex()

    def _free(self, name: str, most: int) -> int:
        """Give the first free of `most` places, or `most`. They are taken in order, so halving finds it."""
        low, high = 0, most
        while low < high:
            middle = (low + high) // 2
            if self._qcp.ports.store.seen(message=_message(name, middle)):
                low = middle + 1
            else:
                high = middle
        return low


def _message(name: str, place: int) -> str:
    return f"limit/{name}/{place}"


def act_of(page: str, request: PageRequest) -> Act | None:
    """Say what a request counts as; None: it does not."""
    if request.method != "POST":
        return None
    if page in API_PAGES:
        try:
            body = json.loads(request.body)
        except (ValueError, RecursionError):
            return None  # refused as no JSON, and nothing comes of it
        action = body.get("action") if isinstance(body, dict) else None
        return API_ACTS.get(action) if isinstance(action, str) else None
    return ACTS.get(page)


def caller(address: str) -> str:
    """Give what counts as one caller: an IPv4 address, or the 64 bits of an IPv6 one that one line has.

    Empty for an address that is not of the public internet: that is a proxy's, and would be everybody's.
    """
    try:
        found = ip_address(address)
    except ValueError:
        return ""
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if not found.is_global:
        return ""
    return found.exploded[:19] if isinstance(found, IPv6Address) else str(found)


def _start(now: datetime, window: timedelta) -> datetime:
    """Give the beginning of the window in which an instant lies."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return now - (now - epoch) % window
