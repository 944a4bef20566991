"""Reading the parameters of a request to the sandbox's CSC service; what is wrong is refused in the API's own words."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from qcp_sdk.sandbox.csc_state import refusal
from qcp_sdk.sandbox.wsgi import Failed, Request

SPECS: Final = {"v1": "1.0.4.0", "v2": "2.2.0.0"}
"""The versions that are played."""
METHODS: Final[Mapping[str, tuple[str, ...]]] = {
    "v1": (
        "auth/login",
        "auth/revoke",
        "credentials/list",
        "credentials/info",
        "credentials/authorize",
        "credentials/extendTransaction",
        "credentials/sendOTP",
        "signatures/signHash",
        "signatures/timestamp",
        "oauth2/authorize",
        "oauth2/token",
        "oauth2/revoke",
    ),
    "v2": (
        "auth/login",
        "auth/revoke",
        "credentials/list",
        "credentials/info",
        "credentials/authorize",
        "credentials/authorizeCheck",
        "credentials/getChallenge",
        "credentials/extendTransaction",
        "credentials/create",
        "credentials/delete",
        "signatures/signHash",
        "signatures/signPolling",
        "signatures/timestamp",
        "oauth2/authorize",
        "oauth2/token",
        "oauth2/revoke",
    ),
}
"""What each of them has, as `info` says it."""


def known_version(version: str) -> str:
    """Give the version that a path begins with, if it is one."""
    if version not in SPECS:
        raise Failed(HTTPStatus.NOT_FOUND, "no such version")
    return version


def bearer(request: Request) -> str:
    """Give the access token of a request; empty where it has none."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token if kind.lower() == "bearer" else ""


def text(asked: Mapping[str, Any], name: str, default: str | None = None) -> str:
    """Give a text; without a default it must be there."""
    value = asked.get(name, default)
    if not isinstance(value, str):
        raise refusal(f"Missing (or invalid type) string parameter {name}")
    return value


def whole(asked: Mapping[str, Any], name: str) -> int:
    """Give a whole number, which some clients write as text."""
    value = asked.get(name)
    if isinstance(value, str) and value.isdecimal() and len(value) < 10:
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise refusal(f"Missing (or invalid type) integer parameter {name}")
    return value


def members(asked: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Give an object."""
    value = asked.get(name)
    if not isinstance(value, dict):
        raise refusal(f"Missing (or invalid type) object parameter {name}")
    return value


def octets(text: object, name: str) -> bytes:
    """Give what a text of a list holds in base64."""
    if not isinstance(text, str):
        raise refusal(f"Missing (or invalid type) string parameter {name}")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise refusal("Invalid Base64 hash string parameter") from error


def country(text: str) -> str:
    """Give a country as X.509 writes it."""
    if len(text) != 2 or not text.isascii() or not text.isalpha():
        raise refusal("Invalid parameter issuingCountry")
    return text.upper()


def in_base64(octets: bytes) -> str:
    """Write octets as the API does."""
    return base64.b64encode(octets).decode()
