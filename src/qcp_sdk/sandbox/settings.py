"""The settings by which an installation asks this sandbox (`qcp_sdk.providers`): addresses, keys, certificates."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from qcp_sdk.sandbox.pki_published import PublishedPki
from qcp_sdk.sandbox.wsgi import Failed

if TYPE_CHECKING:
    from qcp_sdk.sandbox.server import Sandbox

USUAL: Final = ("idnow", "universign", "csc", "sms")
Settings = dict[str, dict[str, Any]]
HOST: Final = "https://signature.example.org/certificates"


def _idnow(_: Sandbox, url: str) -> Settings:
    from qcp_sdk.sandbox.idnow import API_KEY

    told = {"url": f"{url}/idnow", "go": f"{url}/idnow/go", "company": "demo", "api_key": API_KEY}
    return {"idnow": told | {"proofing": "extended"}}


def _stripe(_: Sandbox, url: str) -> Settings:
    from qcp_sdk.sandbox.stripe import API_KEY

    return {"stripe": {"url": f"{url}/stripe", "api_key": API_KEY, "return_url": HOST, "proofing": "extended"}}


def _universign(_: Sandbox, url: str) -> Settings:
    from qcp_sdk.sandbox.universign import API_KEY

    return {"universign": {"url": f"{url}/universign", "api_key": API_KEY, "redirect_url": HOST}}


def _oidc(_: Sandbox, url: str) -> Settings:
    from qcp_sdk.sandbox.oidc import CLIENT, SECRET

    told = {"issuer": f"{url}/oidc", "client_id": CLIENT, "client_secret": SECRET, "redirect_url": HOST}
    return {"oidc": told}


def _sms(_: Sandbox, url: str, **more: str) -> Settings:
    from qcp_sdk.sandbox.sms import TOKEN

    return {"sms": {"url": f"{url}/sms", "token": TOKEN, "gateway": "json", **more}}


def _twilio(sandbox: Sandbox, url: str) -> Settings:
    return _sms(sandbox, url, gateway="twilio", account="AC1", sender="MG1")


def _brevo(sandbox: Sandbox, url: str) -> Settings:
    return _sms(sandbox, url, gateway="brevo", sender="Etude")


def _csc(sandbox: Sandbox, url: str) -> Settings:
    told = {
        "url": f"{url}/csc",
        "name": "CSC sandbox (TEST)",
        "client_id": "qcp-sdk",
        "client_secret": "sandbox",
        "client_data": "mobile={mobile}",
    }
    return {"csc": told | _published(sandbox, "csc", f"{url}/csc/csc/pki")}


def _cmp(sandbox: Sandbox, url: str) -> Settings:
    from qcp_sdk.sandbox.cmp import REFERENCE, SECRET

    told = {"url": f"{url}/cmp", "name": "CMP sandbox (TEST)", "reference": REFERENCE, "secret": SECRET}
    return {"cmp": told | _published(sandbox, "cmp", f"{url}/cmp/pki"), "timestamps": {"url": f"{url}/cmp/tsa"}}


def _published(sandbox: Sandbox, name: str, url: str) -> dict[str, Any]:
    provider = sandbox.providers[name]
    assert isinstance(provider, PublishedPki)
    chain = (provider.pki.authority, provider.pki.root)
    pem = "".join(x509.load_der_x509_certificate(one).public_bytes(Encoding.PEM).decode() for one in chain)
    return {"chain": pem, "lists": [f"{url}/qcp.crl", f"{url}/root.crl"]}


_MAKES: Final[Mapping[str, tuple[str, Callable[[Sandbox, str], Settings]]]] = {
    "idnow": ("idnow", _idnow),
    "stripe": ("stripe", _stripe),
    "universign": ("universign", _universign),
    "oidc": ("oidc", _oidc),
    "csc": ("csc", _csc),
    "cmp": ("cmp", _cmp),
    "sms": ("sms", _sms),
    "twilio": ("sms", _twilio),
    "brevo": ("sms", _brevo),
}
"""What can be asked for: which provider of the sandbox plays it, and its section."""


def settings(sandbox: Sandbox, url: str, chosen: Sequence[str] = USUAL) -> Settings:
    """Give the settings for the sandbox at this address.

    Raises:
        Failed: There is none of a name, or the sandbox does not play it.
    """
    found: Settings = {}
    for name in chosen:
        provider, make = _MAKES.get(name, ("", _idnow))
        if provider not in sandbox.providers:
            raise Failed(HTTPStatus.BAD_REQUEST, f"`{name}` is not played here: use {', '.join(_MAKES)}")
        found |= make(sandbox, url)
    return found


def toml(told: Settings) -> str:
    """Write settings down. What JSON writes of texts, numbers, truths and lists of these is TOML too."""
    lines = []
    for section, members in told.items():
        lines += [f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in members.items()), ""]
    return "\n".join(lines)
