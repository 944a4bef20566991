"""Which providers there are, and how each is made; a module is loaded when its provider is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from qcp_sdk.ports.clock import Clock
from qcp_sdk.sandbox.wsgi import Post, Provider

Make = Callable[[Clock, Post], Provider]


def _cmp(clock: Clock, post: Post) -> Provider:
    from qcp_sdk.sandbox.cmp import CmpSandbox

    return CmpSandbox(clock=clock, post=post)


def _csc(clock: Clock, post: Post) -> Provider:
    from qcp_sdk.sandbox.csc import CscSandbox

    return CscSandbox(clock=clock, post=post)


def _idnow(clock: Clock, post: Post) -> Provider:
    from qcp_sdk.sandbox.idnow import IdnowSandbox

    return IdnowSandbox(clock=clock, post=post)


def _oidc(clock: Clock, post: Post) -> Provider:
    from qcp_sdk.sandbox.oidc import OidcSandbox

    return OidcSandbox(clock=clock, post=post)


def _sms(clock: Clock, post: Post) -> Provider:
    from qcp_sdk.sandbox.sms import SmsSandbox

    return SmsSandbox(clock=clock, post=post)


def _universign(clock: Clock, post: Post) -> Provider:
    from qcp_sdk.sandbox.universign import UniversignSandbox

    return UniversignSandbox(clock=clock, post=post)


def _stripe(clock: Clock, post: Post) -> Provider:
    from qcp_sdk.sandbox.stripe import StripeSandbox

    return StripeSandbox(clock=clock, post=post)


PROVIDERS: Final[Mapping[str, Make]] = {
    "cmp": _cmp,
    "csc": _csc,
    "idnow": _idnow,
    "oidc": _oidc,
    "sms": _sms,
    "stripe": _stripe,
    "universign": _universign,
}
"""Prefix to factory."""
