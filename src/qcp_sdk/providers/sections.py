"""What each section of the settings makes. A section is a function; libraries are loaded when it is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from attrs import define, field

from qcp_sdk.errors import ConfigurationError
from qcp_sdk.identity import Proofing
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.local import Parts
from qcp_sdk.policy.shapes import Issuer
from qcp_sdk.ports.codes import Codes
from qcp_sdk.ports.notices import Notices
from qcp_sdk.providers.section import Section

if TYPE_CHECKING:
    from qcp_sdk.adapters.fixed_lists import FixedLists
    from qcp_sdk.adapters.shared.revocation import RevocationSource
    from qcp_sdk.adapters.sms_gateways import SmsGateway
    from qcp_sdk.ports.timestamps import Timestamps
    from qcp_sdk.verification.report import Report


@define
class Made:
    """What the sections before have made: adapters by their name in `Qcp`, and what goes into others."""

    parts: Parts
    adapters: dict[str, object] = field(factory=dict)
    codes: Codes | None = None
    notices: Notices | None = None
    timestamps: Timestamps | None = None
    revocation: list[RevocationSource] = field(factory=list)
    issuers: list[Issuer] = field(factory=list)

    def give(self, section: str, role: str, adapter: object) -> None:
        """Give an adapter its role.

        Raises:
            ConfigurationError: Another section has it.
        """
        if role in self.adapters:
            raise ConfigurationError(
                f"another section is the {role} already", where=section, mend="keep one of them, or use routes"
            )
        self.adapters[role] = adapter


def smtp(told: Section, made: Made) -> None:
    """E-mail: codes and notices."""
    from qcp_sdk.adapters.mail import Security, SmtpCodes, SmtpNotices, SmtpServer
    from qcp_sdk.adapters.shared.letters import Sender
    from qcp_sdk.values import EmailAddress

    user = told.text("username", "")
    server = SmtpServer(
        host=told.text("host"),
        port=told.whole("port", 587),
        security=told.choice("security", Security, Security.STARTTLS),
        username=user,
        password=told.secret("password") if user else None,
    )
    sender = Sender(address=EmailAddress(told.text("sender")), name=told.text("name", ""))
    parts, folder = made.parts, made.parts.path / "smtp"
    made.codes = SmtpCodes(
        server=server,
        sender=sender,
        renderer=parts.renderer,
        clock=parts.clock,
        sms=parts.codes,
        remember=folder / "codes",
    )
    made.notices = SmtpNotices(
        server=server,
        sender=sender,
        renderer=parts.renderer,
        clock=parts.clock,
        documents=parts.documents,
        remember=folder / "notices",
    )


def sms(told: Section, made: Made) -> None:
    """Codes to telephones; those by e-mail go on as before."""
    from qcp_sdk.adapters.sms_gateways import SmsCodes

    gateway = _GATEWAYS.get(told.text("gateway", "json"))
    if gateway is None:
        raise told.wrong("gateway", "there is none of this name", f"use {', '.join(_GATEWAYS)}")
    made.codes = SmsCodes(
        gateway=gateway(told),
        renderer=made.parts.renderer,
        clock=made.parts.clock,
        remember=made.parts.path / "sms",
        otherwise=made.codes or made.parts.codes,
    )


def _json(told: Section) -> SmsGateway:
    from qcp_sdk.adapters.sms_gateways import JsonGateway

    return JsonGateway(told.http(), token=told.secret("token"))


def _twilio(told: Section) -> SmsGateway:
    from qcp_sdk.adapters.sms_gateways import TwilioGateway

    http = told.http(default="https://api.twilio.com")
    return TwilioGateway(
        http,
        account=told.text("account"),
        token=told.secret("token"),
        sender=told.text("sender"),
        receipts=told.text("receipts", ""),
    )


def _brevo(told: Section) -> SmsGateway:
    from qcp_sdk.adapters.sms_gateways import BrevoGateway

    http = told.http(default="https://api.brevo.com")
    return BrevoGateway(
        http, api_key=told.secret("token"), sender=told.text("sender"), receipts=told.text("receipts", "")
    )


_GATEWAYS: Final[Mapping[str, Callable[[Section], SmsGateway]]] = {"json": _json, "twilio": _twilio, "brevo": _brevo}


def events(told: Section, made: Made) -> None:
    """Events to an address of the host, beside what is written to people."""
    from qcp_sdk.adapters.shared.webhooks import StandardWebhooks
    from qcp_sdk.adapters.webhook_notices import WebhookNotices

    made.notices = WebhookNotices(
        http=told.http(),
        signatures=StandardWebhooks([told.secret("secret")], clock=made.parts.clock),
        clock=made.parts.clock,
        also=made.notices or made.parts.notices,
        documents=made.parts.documents,
        remember=made.parts.path / "events",
    )


def idnow(told: Section, made: Made) -> None:
    """IDnow's gateway."""
    from qcp_sdk.adapters.idnow import LIVE, IdnowIdentity, Product

    identity = IdnowIdentity(
        http=told.http(default=LIVE.gateway),
        go=told.text("go", LIVE.go),
        company=told.text("company"),
        api_key=told.secret("api_key"),
        clock=made.parts.clock,
        remember=made.parts.path / "idnow",
        product=told.choice("product", Product, Product.AUTO),
        proofing=told.choice("proofing", Proofing, Proofing.BASELINE),
        test_case=told.text("test_case", ""),
    )
    made.give("idnow", "identity", identity)


def stripe(told: Section, made: Made) -> None:
    """Stripe Identity."""
    from qcp_sdk.adapters.stripe_identity import LIVE, StripeIdentity

    identity = StripeIdentity(
        http=told.http(default=LIVE),
        api_key=told.secret("api_key"),
        clock=made.parts.clock,
        remember=made.parts.path / "stripe",
        return_url=told.text("return_url", ""),
        proofing=told.choice("proofing", Proofing, Proofing.BASELINE),
    )
    made.give("stripe", "identity", identity)


def universign(told: Section, made: Made) -> None:
    """Universign's registrations, and its signing pages where trusted lists judge what they signed."""
    from qcp_sdk.adapters.universign import LIVE, UniversignPages, UniversignRegistration

    http, key, trust, clock = told.http(default=LIVE), told.secret("api_key"), told.folder("trust"), made.parts.clock
    if trust is not None:

        def judge(pdf: bytes, /) -> Report:
            from qcp_sdk.verification import TrustStore, verify

            return verify(pdf, trust=TrustStore.load(trust), now=clock.now())

        pages = UniversignPages(
            http=http,
            api_key=key,
            documents=made.parts.documents,
            judge=judge,
            keys=made.parts.keys,
            clock=clock,
            remember=made.parts.path / "universign-pages",
            redirect_url=told.text("signed_url", ""),
        )
        made.give("universign", "pages", pages)
    registration = UniversignRegistration(
        http=http,
        api_key=key,
        keys=made.parts.keys,
        clock=made.parts.clock,
        remember=made.parts.path / "universign",
        redirect_url=told.text("redirect_url"),
    )
    made.give("universign", "registration", registration)


def oidc(told: Section, made: Made) -> None:
    """Accounts of an OpenID provider, by the standard claims; with `lcp`, an issuer's name, LCP certificates too."""
    from qcp_sdk.adapters.oidc_accounts import OidcAccounts
    from qcp_sdk.adapters.oidc_certificates import OidcCertificates

    accounts = OidcAccounts(
        http=told.http("issuer"),
        issuer=told.text("issuer"),
        client_id=told.text("client_id"),
        client_secret=told.secret("client_secret"),
        redirect_url=told.text("redirect_url"),
        keys=made.parts.keys,
        clock=made.parts.clock,
        remember=made.parts.path / "oidc",
    )
    made.give("oidc", "accounts", accounts)
    if issuer := told.text("lcp", ""):
        certificates = OidcCertificates(
            accounts,
            issuer=issuer,
            keys=made.parts.keys,
            clock=made.parts.clock,
            remember=made.parts.path / "oidc-certificates",
        )
        made.give("oidc", "lcp", certificates)


def timestamps(told: Section, made: Made) -> None:
    """A time-stamping authority (RFC 3161)."""
    from qcp_sdk.adapters.http_timestamps import HttpTimestamps

    credentials = told.secret("authorization", "")
    made.timestamps = HttpTimestamps(
        told.text("url"), policy=told.text("policy", ""), authorization=credentials or None
    )


def csc(told: Section, made: Made) -> None:
    """A CSC service: it issues (v2.2), keeps the keys, signs, timestamps."""
    from qcp_sdk.adapters.csc import ClientCredentials, CscAuthority, CscClient, CscSigner, CscTimestamps, OAuth
    from qcp_sdk.adapters.shared.notebook import FileNotebook

    http, parts = told.http(), made.parts
    oauth = OAuth(http=http, client_id=told.text("client_id"), client_secret=told.secret("client_secret"))
    scope = told.text("scope", "service credential-creation credential-deletion")
    client = CscClient(http, version="v2", access=ClientCredentials(oauth, clock=parts.clock, scope=scope))
    notebook, template = FileNotebook(parts.path / "csc.sqlite", keys=parts.keys), told.text("client_data", "")
    authority = CscAuthority(
        client,
        notebook=notebook,
        clock=parts.clock,
        issuer=told.text("name"),
        client_data=(lambda one: template.replace("{mobile}", one.account.mobile.text)) if template else None,
    )
    _issuing(told, made)
    if told.flag("timestamps", True):
        made.timestamps = CscTimestamps(client)
    made.give("csc", "authority", authority)
    made.give("csc", "signer", CscSigner(client, notebook=notebook, clock=parts.clock, look=False))


def cmp(told: Section, made: Made) -> None:
    """An authority over CMP; the holders' keys are the installation's, and so are the codes for signing."""
    from qcp_sdk.adapters.cmp import CmpAuthority, CmpClient, HeldKeys, HeldKeySigner, SharedSecret
    from qcp_sdk.adapters.shared.notebook import FileNotebook
    from qcp_sdk.values import Secret

    parts = made.parts
    chain, lists = _issuing(told, made)
    client = CmpClient(
        told.http(),
        protection=SharedSecret(told.text("reference"), told.secret("secret")),
        authority=chain[0],
        clock=parts.clock,
        path=told.text("path", "/pkix/"),
    )
    held = HeldKeys(parts.path / "holders", Secret(parts.keys.derive(purpose="holders").hex()))
    notebook = FileNotebook(parts.path / "cmp.sqlite", keys=parts.keys)
    authority = CmpAuthority(
        client, chain=chain, keys=held, revocation=lists, notebook=notebook, clock=parts.clock, issuer=told.text("name")
    )
    signer = HeldKeySigner(
        held,
        notebook=notebook,
        clock=parts.clock,
        codes=made.codes or parts.codes,
        keys=parts.keys,
        mobile_of=authority.mobile_of,
    )
    made.give("cmp", "authority", authority)
    made.give("cmp", "signer", signer)


def _issuing(told: Section, made: Made) -> tuple[tuple[bytes, ...], FixedLists]:
    """Read an authority's certificates and where their lists are: `chain`, and `lists` in the same order."""
    from qcp_sdk.adapters.fixed_lists import FixedLists
    from qcp_sdk.adapters.shared.http import Http
    from qcp_sdk.certificates import read

    chain, addresses = told.certificates("chain"), told.texts("lists")
    if addresses and len(addresses) != len(chain):
        raise told.wrong("lists", "there is not one for each certificate of the chain", 'write "" for one without')
    asked: list[Http | None] = [told.at("lists", one) if one else None for one in addresses]
    lists = FixedLists(tuple(zip(chain, asked or [None] * len(chain), strict=True)))
    made.revocation.append(lists)
    levels = frozenset({CertificateLevel.QCP_N})
    made.issuers.append(Issuer(name=told.text("name"), dn=read(chain[0]).subject, levels=levels))
    return chain, lists


SECTIONS: Final[Mapping[str, Callable[[Section, Made], None]]] = {
    "smtp": smtp,
    "sms": sms,
    "events": events,
    "idnow": idnow,
    "stripe": stripe,
    "universign": universign,
    "oidc": oidc,
    "timestamps": timestamps,
    "csc": csc,
    "cmp": cmp,
}
"""In the order in which they are made: what sends codes comes before what needs them."""
