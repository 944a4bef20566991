"""The sandbox's service as these tests hold it: some calls broken, what was asked counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from qcp_sdk.adapters.csc import CscClient
from qcp_sdk.adapters.csc.access import Access, Fixed
from qcp_sdk.adapters.csc.client import Version
from qcp_sdk.adapters.shared.http import Http
from qcp_sdk.ports.clock import Clock
from qcp_sdk.sandbox.csc import CscSandbox
from qcp_sdk.sandbox.csc_state import CscRules, SandboxCredential

Start = Callable[..., Any]
BASE = "https://csc.example.org"


class Service:
    """A sandbox behind a wire that can be cut: `lose` what was done, or `refuse` before anything is done."""

    def __init__(self, clock: Clock, rules: CscRules | None = None) -> None:
        self.sandbox = CscSandbox(clock=clock, rules=rules)
        self.rules, self.counts = self.sandbox.rules, self.sandbox.counts
        self._lose: list[str] = []
        self._refuse: list[str] = []

    def lose(self, method: str, *, times: int = 1) -> None:
        """Do the next calls of this method, and lose their answers."""
        self._lose += [method] * times

    def refuse(self, method: str, *, times: int = 1) -> None:
        """Answer 503 to the next calls of this method, and do nothing."""
        self._refuse += [method] * times

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        method = environ["PATH_INFO"].removeprefix("/csc/").partition("/")[2]
        if method in self._refuse:
            self._refuse.remove(method)
            start("503 Service Unavailable", [])
            return [b""]
        if method in self._lose:
            self._lose.remove(method)
            list(self.sandbox(environ, lambda *_: None))  # type: ignore[arg-type]
            start("502 Bad Gateway", [("Content-Type", "text/html")])
            return [b"<html>gateway</html>"]
        return self.sandbox(environ, start)

    def client(self, version: Version = "v1", access: Access = Fixed()) -> CscClient:  # noqa: B008
        return CscClient(self.http(), version=version, access=access)

    def http(self) -> Http:
        return Http(BASE, serve=self)

    def enrol(self, **named: Any) -> SandboxCredential:
        return self.sandbox.enrol(**{"given": "Élodie", "last": "Lefèvre", "mobile": "+33639981316"} | named)
