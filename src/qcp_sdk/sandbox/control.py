"""The sandbox's control API and page: script an outcome, move the clock, spoil the network, forge a webhook."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from datetime import timedelta
from html import escape
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from qcp_sdk.errors import InvalidInput, Rejected
from qcp_sdk.sandbox.faults import EVERY, Fault, FaultKind
from qcp_sdk.sandbox.post import Mode
from qcp_sdk.sandbox.settings import USUAL, settings, toml
from qcp_sdk.sandbox.wsgi import Answer, Failed, Pace, Provider, Request, answer_html, answer_json, route

if TYPE_CHECKING:
    from qcp_sdk.sandbox.server import Sandbox

TEXTS: Final = {
    "en": {
        "title": "Sandbox",
        "clock": "Clock",
        "advance": "Advance by (seconds)",
        "go": "Do it",
        "ahead": "ahead of real time by",
        "reset": "Forget everything",
        "faults": "Faults",
        "kind": "what",
        "provider": "provider",
        "times": "how often",
        "clear": "Clear",
        "webhooks": "Webhooks",
        "mode": "from now on",
        "delay": "delay (seconds)",
        "release": "Release what is held",
        "forge": "Forge",
        "again": "Send again",
        "number": "number",
        "pace": "Pace",
        "script": "Script (JSON)",
        "test": "Everything here is made up. Nothing that it issues is worth anything.",
    },
    "fr": {
        "title": "Bac à sable",
        "clock": "Horloge",
        "advance": "Avancer de (secondes)",
        "go": "Faire",
        "ahead": "en avance sur l’heure réelle de",
        "reset": "Tout oublier",
        "faults": "Pannes",
        "kind": "quoi",
        "provider": "fournisseur",
        "times": "combien de fois",
        "clear": "Effacer",
        "webhooks": "Webhooks",
        "mode": "désormais",
        "delay": "retard (secondes)",
        "release": "Libérer ce qui attend",
        "forge": "Contrefaire",
        "again": "Renvoyer",
        "number": "numéro",
        "pace": "Allure",
        "script": "Scénario (JSON)",
        "test": "Tout ici est inventé. Rien de ce qui est émis ici n’a de valeur.",
    },
}
STYLE: Final = (
    "body{font:1rem/1.5 system-ui;margin:2rem auto;max-width:60rem;padding:0 1rem}"
    "form{margin:.5rem 0}pre{overflow:auto;background:#f4f4f4;padding:1rem;color:#111}label{margin-right:1rem}"
)


class Control(Provider):
    """Answers below `/_control`. What it is told comes as JSON, or as a form from its own page."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        super().__init__(clock=sandbox.clock)

    def answer(self, request: Request) -> Answer:
        """Answer without the lock: what is asked for here takes the locks of others.

        A page of another site may make a browser post here; its `Origin` tells.
        """
        if request.method == "POST" and request.headers.get("origin", own := _own(request)) not in {"", own}:
            return self.failed(Failed(HTTPStatus.FORBIDDEN, "a page of another site asks"))
        try:
            answer = self._routed(request)
        except Failed as failure:
            return self.failed(failure)
        except (InvalidInput, Rejected) as error:
            return self.failed(Failed(HTTPStatus.BAD_REQUEST, str(error)))
        if request.method == "POST" and "form-urlencoded" in request.headers.get("content-type", ""):
            return Answer(status=HTTPStatus.SEE_OTHER, headers=(("Location", request.base_url + "/"),))
        return answer

    @route("GET", "/state")
    def _state(self, _request: Request) -> Answer:
        return answer_json(self.sandbox.state())

    @route("GET", "/settings.toml")
    def _settings(self, request: Request) -> Answer:
        """Give settings for `qcp_sdk.providers`; `?with=stripe,cmp,twilio` chooses."""
        chosen = tuple(filter(None, request.query.get("with", "").split(","))) or USUAL
        told = settings(self.sandbox, _root(request), chosen)
        return Answer(body=toml(told).encode(), type="application/toml")

    @route("POST", "/reset")
    def _reset(self, _request: Request) -> Answer:
        self.sandbox.reset()
        return self._done()

    @route("POST", "/clock")
    def _clock(self, request: Request) -> Answer:
        self.sandbox.advance(timedelta(seconds=_number(_told(request), "advance", 0)))
        return self._done()

    @route("POST", "/pace")
    def _pace(self, request: Request) -> Answer:
        told = _told(request)
        pace = _word(Pace, told, "pace")
        for name, provider in self.sandbox.providers.items():
            if told.get("provider", EVERY) in {EVERY, name}:
                with provider.lock:
                    provider.pace = pace
        self.sandbox.tick()
        return self._done()

    @route("POST", "/faults")
    def _faults(self, request: Request) -> Answer:
        told = _told(request)
        if told.get("kind", "") == "":
            self.sandbox.faults.clear()
            return self._done()
        fault = Fault(
            kind=_word(FaultKind, told, "kind"),
            provider=str(told.get("provider") or EVERY),
            seconds=_number(told, "seconds", 30),
        )
        times = told.get("times", 1)
        self.sandbox.faults.add(fault, times=None if times in {None, ""} else int(_number(told, "times", 1)))
        return self._done()

    @route("POST", "/webhooks")
    def _webhooks(self, request: Request) -> Answer:
        told = _told(request)
        self.sandbox.office.set(_word(Mode, told, "mode"), timedelta(seconds=_number(told, "delay", 0)))
        return self._done()

    @route("POST", "/webhooks/release")
    def _release(self, _request: Request) -> Answer:
        return self._done(released=self.sandbox.office.release())

    @route("POST", "/webhooks/again")
    def _again(self, request: Request) -> Answer:
        if not self.sandbox.office.again(int(_number(_told(request), "number", 0))):
            raise Failed(HTTPStatus.NOT_FOUND, "there is no such webhook")
        return self._done()

    @route("POST", "/webhooks/forge")
    def _forge(self, request: Request) -> Answer:
        self.sandbox.forge(int(_number(_told(request), "number", 0)))
        return self._done()

    @route("POST", "/script/{name}")
    def _script(self, request: Request, name: str) -> Answer:
        provider = self.sandbox.providers.get(name)
        if provider is None:
            raise Failed(HTTPStatus.NOT_FOUND, f"there is no provider `{name}`")
        told = _told(request)
        if set(told) == {"script"}:  # from the page: one field that holds the JSON
            told = Request(method="POST", path="", body=str(told["script"]).encode()).json()
        with provider.lock:
            answer = provider.script(told)
        self.sandbox.tick()
        return self._done(answer=answer)

    @route("GET", "/")
    def _page(self, request: Request) -> Answer:
        asked = request.query.get("lang") or request.headers.get("accept-language", "")[:2]
        language = asked if asked in TEXTS else "en"
        return answer_html(_page(TEXTS[language], language, self.sandbox.state(), request.base_url))

    def _done(self, **more: object) -> Answer:
        return answer_json({"now": self.clock.now().isoformat(), **more})


def _root(request: Request) -> str:
    """Give the address above the control API's."""
    return request.base_url.rpartition("/")[0]


def _own(request: Request) -> str:
    return request.base_url.removesuffix("/_control")


def _told(request: Request) -> dict[str, Any]:
    form = "form-urlencoded" in request.headers.get("content-type", "")
    return dict(request.form()) if form else request.json()


def _number(told: Mapping[str, Any], name: str, otherwise: float) -> float:
    try:
        number = float(told.get(name, otherwise))
    except (TypeError, ValueError):
        number = math.nan
    if not abs(number) < 1e12:
        raise Failed(HTTPStatus.BAD_REQUEST, f"`{name}` is not a number")
    return number


def _word(kind: Callable[[Any], Any], told: Mapping[str, Any], name: str) -> Any:
    try:
        return kind(told.get(name))
    except ValueError as error:
        words = ", ".join(kind)  # type: ignore[arg-type]  # an enumeration is a callable and a collection of its words
        raise Failed(HTTPStatus.BAD_REQUEST, f"`{name}` is one of: {words}") from error


def _page(text: Mapping[str, str], language: str, state: Mapping[str, Any], base: str) -> str:
    def form(path: str, *fields: str) -> str:
        inside = "".join(fields)
        return f'<form method="post" action="{escape(base)}/{path}">{inside}<button>{text["go"]}</button></form>'

    def entry(name: str, label: str, value: str = "") -> str:
        return f'<label>{label} <input name="{name}" value="{escape(value)}"></label>'

    def choice(name: str, label: str, words: Mapping[str, str]) -> str:
        options = "".join(f'<option value="{escape(word)}">{escape(shown)}</option>' for word, shown in words.items())
        return f'<label>{label} <select name="{name}">{options}</select></label>'

    providers = {EVERY: EVERY, **{name: name for name in state["providers"]}}
    parts = [
        f"<h1>{text['title']}</h1><p>{text['test']}</p>",
        form("reset", f"<strong>{text['reset']}</strong> "),
        f"<h2>{text['clock']}</h2><p>{escape(state['now'])} ({text['ahead']} {state['ahead']:.0f} s)</p>",
        form("clock", entry("advance", text["advance"], "3600")),
        f"<h2>{text['pace']}</h2>",
        form("pace", choice("provider", text["provider"], providers), choice("pace", text["pace"], _all(Pace))),
        f"<h2>{text['faults']}</h2>",
        form(
            "faults",
            choice("kind", text["kind"], {**_all(FaultKind), "": text["clear"]}),
            choice("provider", text["provider"], providers),
            entry("times", text["times"], "1"),
        ),
        _shown(state["faults"]),
        f"<h2>{text['webhooks']}</h2>",
        form("webhooks", choice("mode", text["mode"], _all(Mode)), entry("delay", text["delay"], "0")),
        form("webhooks/release", f"{text['release']} "),
        form("webhooks/forge", f"{text['forge']}: ", entry("number", text["number"])),
        form("webhooks/again", f"{text['again']}: ", entry("number", text["number"])),
        _shown(state["webhooks"]),
    ]
    for name, told in state["providers"].items():
        parts += [
            f"<h2>{escape(name)}</h2>",
            _shown(told),
            form(f"script/{escape(name)}", f'<label>{text["script"]} <input name="script" size="60"></label>'),
        ]
    body = "\n".join(parts)
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{text["title"]}</title>'
        f"<style>{STYLE}</style></head><body><main>{body}</main></body></html>"
    )


def _all(words: Any) -> dict[str, str]:
    return {str(word): str(word) for word in words}


def _shown(told: object) -> str:
    return f"<pre>{escape(json.dumps(told, ensure_ascii=False, indent=1, default=str))}</pre>" if told else ""
