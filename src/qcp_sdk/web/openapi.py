"""The OpenAPI description of the JSON API: made from the tables that answer, and from the classes of what is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from qcp_sdk.ceremony.stages import CeremonyStage
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.views import CeremonyShown, CertificatesShown, SubscriptionShown
from qcp_sdk.web.api import CEREMONY_ACTIONS, SUBSCRIPTION_ACTIONS, TEXT
from qcp_sdk.web.plain import Schema, schema_of
from qcp_sdk.web.routes import ADDRESSES

VERSION: Final = "1.1.0"
ERRORS: Final[Mapping[str, str]] = {
    "400": "The form or script is not the host's own (no or a wrong token).",
    "401": "Nobody is signed in.",
    "404": "It does not exist, or is another's.",
    "405": "This method is not served here.",
    "409": "It may not be said now, or is refused: `reason` or `reasons` say why.",
    "413": "The body is too long.",
    "422": "The body is not as described.",
    "429": "It was done too often: again from `until` on, which `Retry-After` says, too.",
    "503": "A service does not answer: again shortly.",
}


OF_SUBSCRIPTIONS: Final[Mapping[str, tuple[Any, ...]]] = {"refresh": ({},), **SUBSCRIPTION_ACTIONS}


def description(root: str) -> Schema:
    """Give the description. `root` is where the pages are mounted, and ends with `/`."""
    get = _operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Qualified certificates and level 3 signatures", "version": VERSION},
        "servers": [{"url": root.rstrip("/") or "/"}],
        "paths": {
            _path("api_session"): {"get": get("session", "Session")},
            _path("api_certificates"): {"get": get("certificates", "Certificates")},
            _path("api_subscriptions"): {
                "post": get("openSubscription", "Subscription", body=_object({"cabinet": TEXT}), status="201")
            },
            _path("api_subscription"): {"parameters": [_ID], "get": get("subscription", "Subscription")},
            _path("api_subscription_actions"): {
                "parameters": [_ID],
                "post": get("actOnSubscription", "Subscription", body=_actions(OF_SUBSCRIPTIONS)),
            },
            _path("api_ceremony"): {"parameters": [_ID], "get": get("ceremony", "Ceremony")},
            _path("api_ceremony_actions"): {
                "parameters": [_ID],
                "post": get("actOnCeremony", "Ceremony", body=_actions(CEREMONY_ACTIONS)),
            },
        },
        "components": {
            "schemas": {
                "Session": _object({"header": {"type": "string"}, "token": {"type": "string"}}),
                "Certificates": schema_of(CertificatesShown),
                "Subscription": _resource(Stage, SubscriptionShown),
                "Ceremony": _resource(CeremonyStage, CeremonyShown),
                "Error": _object(
                    {
                        "error": {"type": "string"},
                        "reason": {"type": "string"},
                        "reasons": {"type": "array", "items": {"type": "string"}},
                        "message": {"type": "string"},
                        "tries_left": {"type": ["integer", "null"]},
                        "until": {"type": ["string", "null"], "format": "date-time"},
                    }
                ),
            }
        },
    }


_ID: Final = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _path(page: str) -> str:
    return "/" + ADDRESSES[page]


def _object(fields: Mapping[str, Any]) -> Schema:
    return {
        "type": "object",
        "properties": dict(fields),
        "required": list(fields),
        "additionalProperties": False,
    }


def _actions(actions: Mapping[str, tuple[Any, ...]]) -> Schema:
    return {
        "oneOf": [
            _object({"action": {"type": "string", "const": action}, **fields})
            for action, (fields, *_) in actions.items()
        ]
    }


def _resource(stages: type[Stage] | type[CeremonyStage], show: type) -> Schema:
    return _object(
        {
            "id": {"type": "string"},
            "stage": schema_of(stages),
            "can": {"type": "array", "items": {"type": "string"}, "description": "Actions that may be posted now."},
            "show": schema_of(show),
        }
    )


def _operation(id: str, answer: str, *, body: Schema | None = None, status: str = "200") -> Schema:
    made: Schema = {
        "operationId": id,
        "responses": {
            status: _content("As it stands.", f"#/components/schemas/{answer}"),
            **{code: {"description": text} for code, text in ERRORS.items() if code in ("400", "413")},
            **{
                code: _content(text, "#/components/schemas/Error")
                for code, text in ERRORS.items()
                if code not in ("400", "413")
            },
        },
    }
    if body is not None:
        made["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return made


def _content(text: str, schema: str) -> Schema:
    return {"description": text, "content": {"application/json": {"schema": {"$ref": schema}}}}
