"""What every call of a port or of the store passes through on its way, and may not come out of.

A crash is no `Exception`: nothing in the engine can catch it, as nothing can catch the end of a process. What happens
meanwhile (another worker, a second click, a message) happens inside the call, before or after it has done its work:
so one process stands still between any two steps while others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from qcp_sdk.errors import Rejected, Unavailable, Unconfirmed
from qcp_sdk.testing.simulation.faults import COMMIT, PORT, STORE, Script

METHODS: Final[Mapping[str, tuple[str, ...]]] = {
    "accounts": ("account",),
    "ledger": ("balance", "hold", "capture", "release", "outcome"),
    "codes": ("send",),
    "notices": ("send",),
    "documents": ("compose_request", "seal_request"),
    "identity": ("open", "ask", "cancel"),
    "registration": ("open", "ask", "close"),
    "authority": ("submit", "ask", "revoke", "status", "holdings", "outcome"),
    "lcp": ("status", "holdings"),
    "store": (
        "load", "commit", "lease", "postpone", "park", "parked", "unpark", "discard", "outstanding", "journal", "find",
        "owner", "seen", "next_due", "backlog",
    ),
}  # fmt: skip
"""Which methods of each port can go wrong; every other is passed on as it is."""


class Crash(BaseException):
    """The process is gone. What it had committed stays."""


class Bug(RuntimeError):
    """What an adapter raises that keeps to no contract."""


class Meanwhile(Protocol):
    """What may happen while a call stands still, and how a provider contradicts itself."""

    def meanwhile(self, verb: str) -> None:
        """Let it happen."""

    def contradicted(self, label: str, named: Mapping[str, Any], answer: object) -> object:
        """Give another answer than the true one, or the true one where there is none."""


class Through:
    """Stands in for `inner`: its methods go wrong as the script says."""

    def __init__(self, port: str, inner: object, script: Script, around: Meanwhile) -> None:
        self._port, self._inner, self._script, self._around = port, inner, script, around
        self._outages = 0
        self.mended()

    def mended(self) -> None:
        """Let every call through again, if this was the last outage."""
        self._outages -= 1
        if self._outages > 0:
            return
        port = self._port
        for method in METHODS[port]:
            place = PORT if port != "store" else COMMIT if method == "commit" else STORE
            call = getattr(self._inner, method)
            setattr(self, method, _passed(call, f"{port}.{method}", place, self._script, self._around))

    def out(self, verb: str) -> None:
        """Let no call through until it is mended: each fails in this way."""
        self._outages = max(self._outages, 0) + 1
        for method in METHODS[self._port]:
            setattr(self, method, _never(verb, f"{self._port}.{method}", self._around))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def _passed(call: Callable[..., Any], label: str, place: str, script: Script, around: Meanwhile) -> Callable[..., Any]:
    at = script.at

    def passed(**named: Any) -> Any:
        fault = at(place, label)
        if fault is None:
            return call(**named)
        verb, when = fault.split()
        if when == "before":
            _happens(verb, when, label, around)
            return call(**named)
        try:
            answer = call(**named)
        except Rejected:
            _happens(verb, when, label, around)
            raise
        if verb == "lie":
            return around.contradicted(label, named, answer)
        _happens(verb, when, label, around)
        return answer

    return passed


def _never(verb: str, label: str, around: Meanwhile) -> Callable[..., Any]:
    def refused(**_named: Any) -> Any:
        _happens(verb, "before", label, around)

    return refused


def _happens(verb: str, when: str, label: str, around: Meanwhile) -> None:
    match verb:
        case "fail" if when == "before":
            raise Unavailable(f"`{label}` was not asked, as the script says", mend="ask again with the same key")
        case "fail":
            raise Unconfirmed(f"the answer of `{label}` is lost, as the script says", mend="ask for the same key")
        case "crash":
            raise Crash(label)
        case "bug":
            raise Bug(f"`{label}` breaks its contract, as the script says")
        case "lie":
            return
        case _:
            around.meanwhile(verb)
