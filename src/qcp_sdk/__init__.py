"""Subscribe to a qualified certificate (QCP-n) and sign at niveau 3, from your own platform.

The public names. Each is imported when it is first asked for: `import qcp_sdk` itself loads next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qcp_sdk.aio import AsyncQcp as AsyncQcp
    from qcp_sdk.ceremony.facts import Declined as Declined
    from qcp_sdk.ceremony.facts import DocumentsConsented as DocumentsConsented
    from qcp_sdk.ceremony.stages import CeremonyStage as CeremonyStage
    from qcp_sdk.collectes import Collecte as Collecte
    from qcp_sdk.collectes import Document as Document
    from qcp_sdk.collectes import Order as Order
    from qcp_sdk.collectes import Role as Role
    from qcp_sdk.collectes import Signatory as Signatory
    from qcp_sdk.collectes import Stamp as Stamp
    from qcp_sdk.errors import CertificateError as CertificateError
    from qcp_sdk.errors import CodeRefused as CodeRefused
    from qcp_sdk.errors import ConfigurationError as ConfigurationError
    from qcp_sdk.errors import Conflict as Conflict
    from qcp_sdk.errors import DocumentError as DocumentError
    from qcp_sdk.errors import Erased as Erased
    from qcp_sdk.errors import ErasureRefused as ErasureRefused
    from qcp_sdk.errors import EvidenceError as EvidenceError
    from qcp_sdk.errors import FactRefused as FactRefused
    from qcp_sdk.errors import InvalidInput as InvalidInput
    from qcp_sdk.errors import InvalidValue as InvalidValue
    from qcp_sdk.errors import JournalError as JournalError
    from qcp_sdk.errors import LevelRefused as LevelRefused
    from qcp_sdk.errors import NotFound as NotFound
    from qcp_sdk.errors import PolicyError as PolicyError
    from qcp_sdk.errors import PortError as PortError
    from qcp_sdk.errors import QcpError as QcpError
    from qcp_sdk.errors import Refusal as Refusal
    from qcp_sdk.errors import Rejected as Rejected
    from qcp_sdk.errors import SubscriptionRefused as SubscriptionRefused
    from qcp_sdk.errors import TrustListError as TrustListError
    from qcp_sdk.errors import Unavailable as Unavailable
    from qcp_sdk.errors import Unconfirmed as Unconfirmed
    from qcp_sdk.errors import WebhookRefused as WebhookRefused
    from qcp_sdk.facts import Cancelled as Cancelled
    from qcp_sdk.facts import CodeRequested as CodeRequested
    from qcp_sdk.host.collectes import CeremonyView as CeremonyView
    from qcp_sdk.host.saying import Code as Code
    from qcp_sdk.host.subscriptions import SubscriptionView as SubscriptionView
    from qcp_sdk.levels import CertificateLevel as CertificateLevel
    from qcp_sdk.levels import SignatureLevel as SignatureLevel
    from qcp_sdk.offers import Offer as Offer
    from qcp_sdk.people import Account as Account
    from qcp_sdk.people import Cabinet as Cabinet
    from qcp_sdk.policy.load import default_policy as default_policy
    from qcp_sdk.policy.load import read_policy as read_policy
    from qcp_sdk.sdk import Qcp as Qcp
    from qcp_sdk.subscription.facts import ConsentGiven as ConsentGiven
    from qcp_sdk.subscription.facts import DetailsConfirmed as DetailsConfirmed
    from qcp_sdk.subscription.facts import DetailsContested as DetailsContested
    from qcp_sdk.subscription.facts import IdentityConfirmed as IdentityConfirmed
    from qcp_sdk.subscription.facts import IdentityContested as IdentityContested
    from qcp_sdk.subscription.facts import NoDocument as NoDocument
    from qcp_sdk.subscription.facts import RequestAccepted as RequestAccepted
    from qcp_sdk.subscription.facts import RevocationRequested as RevocationRequested
    from qcp_sdk.subscription.stages import Ending as Ending
    from qcp_sdk.subscription.stages import Plan as Plan
    from qcp_sdk.subscription.stages import Stage as Stage
    from qcp_sdk.values import AccountId as AccountId
    from qcp_sdk.values import BirthDate as BirthDate
    from qcp_sdk.values import CabinetId as CabinetId
    from qcp_sdk.values import Cents as Cents
    from qcp_sdk.values import CollecteId as CollecteId
    from qcp_sdk.values import ContentHash as ContentHash
    from qcp_sdk.values import DocumentId as DocumentId
    from qcp_sdk.values import EmailAddress as EmailAddress
    from qcp_sdk.values import Key as Key
    from qcp_sdk.values import PersonName as PersonName
    from qcp_sdk.values import PhoneNumber as PhoneNumber
    from qcp_sdk.values import Secret as Secret
    from qcp_sdk.values import SignatoryId as SignatoryId
    from qcp_sdk.values import SubscriptionId as SubscriptionId
    from qcp_sdk.values import TenantId as TenantId
    from qcp_sdk.verification import Report as Report
    from qcp_sdk.verification import TrustStore as TrustStore
    from qcp_sdk.verification import verify as verify

_WHERE = {
    "qcp_sdk.aio": ("AsyncQcp",),
    "qcp_sdk.ceremony.facts": (
        "Declined",
        "DocumentsConsented",
    ),
    "qcp_sdk.ceremony.stages": ("CeremonyStage",),
    "qcp_sdk.collectes": (
        "Collecte",
        "Document",
        "Order",
        "Role",
        "Signatory",
        "Stamp",
    ),
    "qcp_sdk.errors": (
        "CertificateError",
        "CodeRefused",
        "ConfigurationError",
        "Conflict",
        "DocumentError",
        "FactRefused",
        "InvalidInput",
        "InvalidValue",
        "Erased",
        "ErasureRefused",
        "WebhookRefused",
        "EvidenceError",
        "JournalError",
        "LevelRefused",
        "NotFound",
        "PolicyError",
        "PortError",
        "QcpError",
        "Refusal",
        "Rejected",
        "SubscriptionRefused",
        "TrustListError",
        "Unavailable",
        "Unconfirmed",
    ),
    "qcp_sdk.facts": (
        "Cancelled",
        "CodeRequested",
    ),
    "qcp_sdk.host.collectes": ("CeremonyView",),
    "qcp_sdk.host.saying": ("Code",),
    "qcp_sdk.host.subscriptions": ("SubscriptionView",),
    "qcp_sdk.levels": (
        "CertificateLevel",
        "SignatureLevel",
    ),
    "qcp_sdk.offers": ("Offer",),
    "qcp_sdk.people": (
        "Account",
        "Cabinet",
    ),
    "qcp_sdk.policy.load": (
        "default_policy",
        "read_policy",
    ),
    "qcp_sdk.sdk": ("Qcp",),
    "qcp_sdk.subscription.facts": (
        "ConsentGiven",
        "DetailsConfirmed",
        "DetailsContested",
        "IdentityConfirmed",
        "IdentityContested",
        "NoDocument",
        "RequestAccepted",
        "RevocationRequested",
    ),
    "qcp_sdk.subscription.stages": (
        "Ending",
        "Plan",
        "Stage",
    ),
    "qcp_sdk.values": (
        "AccountId",
        "BirthDate",
        "CabinetId",
        "Cents",
        "CollecteId",
        "ContentHash",
        "DocumentId",
        "EmailAddress",
        "Key",
        "PersonName",
        "PhoneNumber",
        "Secret",
        "SignatoryId",
        "SubscriptionId",
        "TenantId",
    ),
    "qcp_sdk.verification": (
        "Report",
        "TrustStore",
        "verify",
    ),
}
"""Which module each public name lives in."""
_HOME = {name: module for module, names in _WHERE.items() for name in names}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module `qcp_sdk` has no attribute `{name}`")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value  # the next one finds it at once
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
