"""A certificate authority over the Certificate Management Protocol (RFC 4210, RFC 9480, RFC 6712)."""

from qcp_sdk.adapters.cmp.authority import CmpAuthority
from qcp_sdk.adapters.cmp.client import CmpClient
from qcp_sdk.adapters.cmp.keys import HeldKeys, HeldKeySigner
from qcp_sdk.adapters.shared.cmp_protection import SharedSecret, SigningKey

__all__ = ["CmpAuthority", "CmpClient", "HeldKeySigner", "HeldKeys", "SharedSecret", "SigningKey"]
