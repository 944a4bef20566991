"""The addresses of all pages, below wherever a host mounts them. One table: shells, links and tests read it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

ADDRESSES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "certificates": "",
        "open": "open",
        "adopt": "adopt",
        "mobile": "mobile",
        "static": "static/{name}",
        "hand_off": "go/{token}",
        "hand_off_done": "done",
        "subscription": "s/{id}",
        "code": "s/{id}/code",
        "enter": "s/{id}/enter",
        "details": "s/{id}/details",
        "consents": "s/{id}/consents",
        "link": "s/{id}/link",
        "no_document": "s/{id}/no-document",
        "identity": "s/{id}/identity",
        "request": "s/{id}/request",
        "request_pdf": "s/{id}/request.pdf",
        "cancel": "s/{id}/cancel",
        "check": "s/{id}/check",
        "state": "s/{id}/state",
        "events": "s/{id}/events",
        "revocation": "s/{id}/revocation",
        "revocation_code": "s/{id}/revocation/code",
        "signing": "c/{id}",
        "signing_document": "c/{id}/d/{document}",
        "signing_consent": "c/{id}/consent",
        "signing_code": "c/{id}/code",
        "signing_enter": "c/{id}/enter",
        "signing_decline": "c/{id}/decline",
        "signing_state": "c/{id}/state",
        "signing_events": "c/{id}/events",
        "api": "api/openapi.json",
        "api_session": "api/session",
        "api_certificates": "api/certificates",
        "api_subscriptions": "api/subscriptions",
        "api_subscription": "api/subscriptions/{id}",
        "api_subscription_actions": "api/subscriptions/{id}/actions",
        "api_ceremony": "api/ceremonies/{id}",
        "api_ceremony_actions": "api/ceremonies/{id}/actions",
    }
)
"""Page to address. What stands in braces is one segment: an id, a token, the name of a file."""

_MATCHERS: Final = tuple(
    (page, re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(pattern))))
    for page, pattern in ADDRESSES.items()
)


def is_static(path: str) -> bool:
    """Say whether a path below the root is a file that caches may share: nothing of a person may go with it."""
    return path.startswith("static/")


def address(root: str, page: str, **ids: str) -> str:
    """Give the path of a page. `root` is where the pages are mounted, and ends with `/`."""
    path = ADDRESSES[page]
    for name, value in ids.items():
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    return root + path


def find(path: str) -> tuple[str, dict[str, str]] | None:
    """Say which page a path below the root is, and with which ids; None: no page of ours."""
    for page, matcher in _MATCHERS:
        found = matcher.fullmatch(path)
        if found is not None:
            return page, found.groupdict()
    return None
