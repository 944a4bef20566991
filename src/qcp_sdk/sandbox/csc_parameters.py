"""Reading the parameters of a request to the sandbox's CSC service; what is wrong is refused in the API's own words."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from qcp_sdk.sandbox.csc_state import refusal


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
