"""Universign: hosted registrations, the question whether somebody holds a certificate, signing pages, webhooks.

After the public guides of its REST API (apps.universign.com/docs) [read], where a public client is the source, as is
said; [known] from elsewhere; [inferred] by us. Nothing was tried on the live service (docs/providers/universign.md).
"""

from qcp_sdk.adapters.universign.api import LEVELS, LIVE, PREPRODUCTION, UniversignCertificates
from qcp_sdk.adapters.universign.pages import Judge, UniversignPages
from qcp_sdk.adapters.universign.registration import UniversignRegistration
from qcp_sdk.adapters.universign.webhooks import UniversignWebhooks

__all__ = [
    "LEVELS",
    "LIVE",
    "PREPRODUCTION",
    "Judge",
    "UniversignCertificates",
    "UniversignPages",
    "UniversignRegistration",
    "UniversignWebhooks",
]
