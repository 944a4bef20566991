"""`qcp-sdk practice`: the inbox and the phone of `Qcp.local`, and its worker, until it is interrupted."""

from __future__ import annotations

import argparse
from typing import Any

from qcp_sdk.cli.answers import YES
from qcp_sdk.errors import ConfigurationError

WORDS = {
    "fr": "Boîte de réception et téléphone : {url}  (Ctrl-C : arrêt)",
    "en": "Inbox and phone: {url}  (Ctrl-C stops)",
}


def add(commands: Any, installation: Any) -> None:
    """Add the command to the parser; `installation` adds the argument that names one."""
    practice = commands.add_parser(
        "practice", help="show the inbox and the phone of an installation of Qcp.local, and do what is due"
    )
    installation(practice)
    practice.add_argument("--port", type=int, default=5001, help="on this machine; 0 takes a free one; 5001 by default")
    practice.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Serve until somebody interrupts."""
    from qcp_sdk.installation import find

    try:
        from qcp_sdk.demo.practice import serve
    except ModuleNotFoundError as missing:
        raise ConfigurationError(
            f"`{missing.name}` is not installed", where="practice", mend="install qcp_sdk[local]"
        ) from missing
    serve(find(asked.installation), port=asked.port, announce=lambda url: print(_said(url, asked), flush=True))
    return YES


def _said(url: str, asked: argparse.Namespace) -> str:
    return WORDS[asked.language].format(url=url)
