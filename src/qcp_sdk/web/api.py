"""The journey for hosts that draw their own pages: one resource, its stage, what may be said now, what may be shown.

The same rules as the pages': whoever is signed in, as the host says; a GET changes nothing; another's is as unknown as
none. What a person says is posted to `actions`, and answered with the resource after it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from attrs import evolve

from qcp_sdk.ceremony.facts import Declined, DocumentsConsented
from qcp_sdk.errors import CodeRefused, FactRefused, InvalidValue, NotFound, Rejected, SubscriptionRefused
from qcp_sdk.facts import Cancelled, CodeRequested, Fact
from qcp_sdk.host.collectes import CeremonyView
from qcp_sdk.host.saying import Code
from qcp_sdk.host.subscriptions import SubscriptionView
from qcp_sdk.subscription.facts import (
    ConsentGiven,
    DetailsConfirmed,
    DetailsContested,
    IdentityConfirmed,
    IdentityContested,
    LinkRequested,
    NoDocument,
    RequestAccepted,
    RevocationRequested,
)
from qcp_sdk.subscription.state import CONSENTS
from qcp_sdk.values import CabinetId, DocumentId, content_hash
from qcp_sdk.web import revocation, site, subscriptions
from qcp_sdk.web.plain import plain
from qcp_sdk.web.requests import PageRequest
from qcp_sdk.web.site import NobodySignedIn, Site
from qcp_sdk.web.views import View

Body = Mapping[str, Any]
Said = Callable[[Body], Fact | Code]
LONGEST: Final = 500
HASH: Final = r"^sha256:[0-9a-f]{64}$"
NO_NUL: Final = r"^[^\u0000]*$"
TEXT: Final = {"type": "string", "maxLength": LONGEST, "pattern": NO_NUL}


def _fields(names: tuple[str, ...]) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string", "enum": list(names)}, "maxItems": len(names)}


SUBSCRIPTION_ACTIONS: Final[Mapping[str, tuple[Mapping[str, Any], Said]]] = MappingProxyType(
    {
        "code_requested": ({}, lambda _body: CodeRequested()),
        "code_entered": ({"code": TEXT}, lambda body: Code(body["code"])),
        "details_confirmed": ({}, lambda _body: DetailsConfirmed()),
        "details_contested": (
            {"fields": _fields(subscriptions.DETAILS)},
            lambda body: DetailsContested(fields=tuple(body["fields"])),
        ),
        "consent_given": (
            {
                "text": {"type": "string", "enum": list(CONSENTS)},
                "version": {"type": "string", "minLength": 1, "maxLength": 100, "pattern": NO_NUL},
                "hash": {"type": "string", "pattern": HASH},
            },
            lambda body: ConsentGiven(text=body["text"], version=body["version"], hash=content_hash(body["hash"])),
        ),
        "link_requested": ({}, lambda _body: LinkRequested()),
        "no_document": ({}, lambda _body: NoDocument()),
        "identity_confirmed": ({}, lambda _body: IdentityConfirmed()),
        "identity_contested": (
            {"fields": _fields(subscriptions.READ)},
            lambda body: IdentityContested(fields=tuple(body["fields"])),
        ),
        "request_accepted": (
            {"hash": {"type": "string", "pattern": HASH}},
            lambda body: RequestAccepted(hash=content_hash(body["hash"])),
        ),
        "revocation_requested": (
            {"reason": {"type": "string", "enum": list(revocation.REASONS)}},
            lambda body: RevocationRequested(reason=body["reason"]),
        ),
        "cancelled": ({}, lambda _body: Cancelled()),
    }
)
"""Action to what its body holds beside `action` (JSON schemas, all required), and the fact that it says."""

CEREMONY_ACTIONS: Final[Mapping[str, tuple[Mapping[str, Any], Said]]] = MappingProxyType(
    {
        "code_requested": ({}, lambda _body: CodeRequested()),
        "activation_asked": ({"code": TEXT}, lambda body: Code(body["code"])),
        "documents_consented": (
            {
                "documents": {
                    "type": "object",
                    "additionalProperties": {"type": "string", "pattern": HASH},
                    "maxProperties": 100,
                }
            },
            lambda body: DocumentsConsented(
                documents=tuple((DocumentId(id), content_hash(hash)) for id, hash in body["documents"].items())
            ),
        ),
        "declined": ({"reason": TEXT}, lambda body: Declined(reason=body["reason"])),
    }
)


def certificates(at: Site, request: PageRequest) -> View:
    """Give what "my certificates" shows."""
    return _json(plain(at.qcp.subscriptions.page(account=site.person(request), tenant=request.tenant)))


def open_subscription(at: Site, request: PageRequest) -> View:
    """Open a subscription, paid by the cabinet that the body names."""
    account = site.person(request)
    cabinet = CabinetId(_read(request, {"cabinet": TEXT})["cabinet"])
    view = at.qcp.subscriptions.open(account=account, cabinet=cabinet, tenant=request.tenant)
    return _json(subscription_of(view), 201)


def subscription(at: Site, request: PageRequest, id: str) -> View:
    """Give a subscription."""
    return _json(subscription_of(site.subscription(at, request, id)))


def act_on_subscription(at: Site, request: PageRequest, id: str) -> View:
    """Say what the person did, and give the subscription after it. `refresh` asks whoever is waited for."""
    view = site.subscription(at, request, id)
    if _action(request) == "refresh":
        _read(request, {"action": TEXT})
        return _json(subscription_of(at.qcp.subscriptions.refresh(view.id)))
    return _json(subscription_of(at.qcp.subscriptions.say(view.id, _said(request, SUBSCRIPTION_ACTIONS))))


def ceremony(at: Site, request: PageRequest, id: str) -> View:
    """Give a ceremony."""
    return _json(ceremony_of(site.ceremony(at, request, id)))


def act_on_ceremony(at: Site, request: PageRequest, id: str) -> View:
    """Say what the signatory did, and give the ceremony after it."""
    view = site.ceremony(at, request, id)
    return _json(ceremony_of(at.qcp.collectes.say(view.id, _said(request, CEREMONY_ACTIONS))))


def session(_at: Site, request: PageRequest) -> View:
    """Give the header that every POST must carry, by which the host knows its own scripts."""
    site.person(request)
    return _json({"header": "X-CSRFToken", "token": request.csrf[1]})


def description(_at: Site, request: PageRequest) -> View:
    """Give the OpenAPI description; anybody may read it."""
    from qcp_sdk.web.openapi import description as describe

    return _json(describe(request.root))


def subscription_of(view: SubscriptionView) -> dict[str, Any]:
    """Give a subscription as JSON."""
    return {"id": view.id, "stage": view.stage.value, "can": [one.kind for one in view.can], "show": plain(view.show)}


def ceremony_of(view: CeremonyView) -> dict[str, Any]:
    """Give a ceremony as JSON."""
    return {"id": view.id, "stage": view.stage.value, "can": [one.kind for one in view.can], "show": plain(view.show)}


# --- the border -------------------------------------------------------------------------------------------------


class _BadRequest(Exception):
    """The body is not what was asked for."""


def answered(handler: Callable[..., View], at: Site, request: PageRequest, **ids: str) -> View:
    """Answer, with every refusal as JSON."""
    try:
        return handler(at, request, **ids)
    except NobodySignedIn:
        return error(401, "not_signed_in")
    except (_BadRequest, InvalidValue) as bad:
        return error(422, "invalid", message=str(bad))
    except NotFound:
        return error(404, "not_found")
    except Rejected as rejected:
        return error(404, "not_found", reason=rejected.reason)
    except SubscriptionRefused as refused:
        return error(409, refused.code, reasons=list(refused.reasons))
    except CodeRefused as refused:
        more = {"tries_left": refused.tries_left, "until": plain(refused.until)}
        return error(409, refused.code, reason=refused.reason, **more)
    except FactRefused as refused:
        return error(409, refused.code, reason=refused.reason)


def error(status: int, what: str, headers: Mapping[str, str] = MappingProxyType({}), **more: object) -> View:
    """Give an error as JSON."""
    told = {"error": what, "reason": "", "reasons": [], "message": "", "tries_left": None, "until": None, **more}
    return evolve(_json(told, status), headers=headers)


def _json(value: object, status: int = 200) -> View:
    return View(status=status, content_type="application/json", body=json.dumps(value).encode())


def _body(request: PageRequest) -> Body:
    if request.content_type.partition(";")[0].strip().lower() != "application/json":
        raise _BadRequest("send application/json")
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError) as bad:
        raise _BadRequest("the body is no JSON") from bad
    if not isinstance(body, dict):
        raise _BadRequest("the body is no JSON object")
    return body


def _action(request: PageRequest) -> object:
    return _body(request).get("action")


def _read(request: PageRequest, fields: Mapping[str, Any]) -> Body:
    """Give the body, if it holds these fields and no others, as their schemas say."""
    body = _body(request)
    if set(body) != set(fields):
        raise _BadRequest(f"the body holds exactly: {', '.join(sorted(fields))}")
    for name, schema in fields.items():
        if not _fits(body[name], schema):
            raise _BadRequest(f"`{name}` is not as it is described")
    return body


def _said(request: PageRequest, actions: Mapping[str, tuple[Mapping[str, Any], Said]]) -> Fact | Code:
    action = _action(request)
    if not isinstance(action, str) or action not in actions:
        raise _BadRequest(f"`action` is one of: {', '.join(actions)}")
    fields, say = actions[action]
    return say(_read(request, {"action": TEXT, **fields}))


def _fits(value: object, schema: Mapping[str, Any]) -> bool:
    """Say whether a value is as one of the few kinds of schema that are used here says."""
    if schema["type"] == "string":
        return (
            isinstance(value, str)
            and schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", LONGEST)
            and value in schema.get("enum", (value,))
            and _writable(value)
        )
    if schema["type"] == "array":
        return (
            isinstance(value, list)
            and len(value) <= schema["maxItems"]
            and all(_fits(one, schema["items"]) for one in value)
        )
    fits = partial(_fits, schema=schema["additionalProperties"])
    return isinstance(value, dict) and len(value) <= schema["maxProperties"] and all(map(fits, value.values()))


def _writable(text: str) -> bool:
    """Say whether a text may be kept: no half of a surrogate pair, no NUL."""
    return "\0" not in text and not any("\ud800" <= one <= "\udfff" for one in text)
