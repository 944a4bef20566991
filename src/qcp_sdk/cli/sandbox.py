"""`qcp-sdk sandbox`: one server that plays every provider, until it is interrupted."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from qcp_sdk.cli.answers import YES

if TYPE_CHECKING:
    from qcp_sdk.sandbox.server import Served

WORDS = {
    "fr": "Tout ici est inventé. Page de contrôle : {url}/_control/\nArrêt : Ctrl-C",
    "en": "Everything here is made up. Control page: {url}/_control/\nStop it with Ctrl-C",
}


def add(commands: Any) -> None:
    """Add the command to the parser."""
    sandbox = commands.add_parser("sandbox", help="play every provider on a port of this machine, for development")
    sandbox.add_argument("--host", default="127.0.0.1", help="the address to listen on; 127.0.0.1 by default")
    sandbox.add_argument("--port", type=int, default=8470, help="0 takes a free one; 8470 by default")
    sandbox.add_argument(
        "--only", action="append", metavar="PROVIDER", help="play this one; may be repeated; by default all"
    )
    sandbox.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Serve until somebody interrupts."""
    from qcp_sdk.sandbox.server import Sandbox, Served

    with Served(Sandbox(only=asked.only), host=asked.host, port=asked.port) as served:
        _announce(served, asked.language)
        try:
            served.wait()
        except KeyboardInterrupt:
            return YES
    return YES


def _announce(served: Served, language: str) -> None:
    for name in served.sandbox.providers:
        print(f"{name}\t{served.url}/{name}", flush=True)
    print(WORDS[language].format(url=served.url), flush=True)
