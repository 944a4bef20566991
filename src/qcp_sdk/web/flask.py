"""The journey in a Flask application.

::

    from qcp_sdk.web.flask import Qcp

    qcp = Qcp()

    def create_app():
        app = Flask(__name__)
        app.config.update(
            QCP_INSTALLATION="letters.qcp:installation",  # a function that gives the `qcp_sdk.Qcp`
            QCP_ACCOUNT=lambda: session.get("account"),     # who is signed in; None: nobody
            QCP_PLATFORM="My platform",
        )
        qcp.init_app(app)                                   # pages below /signature
        return app

State is in `app.extensions["qcp"]` (`current` is a proxy to it): several applications may live in one process. Other
keys: `QCP_URL_PREFIX`, `QCP_LANGUAGE`, `QCP_TENANT` and `QCP_CALLER` (functions), `QCP_LOGIN` (a function that gives
the answer for whoever is not signed in), `QCP_WEBHOOKS` (name to `ports.webhooks.Webhooks`), `QCP_TEMPLATES` (a
folder), `QCP_ZONE`, `QCP_CONSENTS_VERSION`, `QCP_MOBILE_HELP`, `QCP_LIMITS` (act to `web.limits.Limit`). A template
`qcp/page.html` of the application's own, if there is one, is given `page` (`title`, `main`, `root`, `language`) and
becomes the layout.

Forms are protected by Flask-WTF's `CSRFProtect` where the application uses it (initialise that first), also where it
checks nothing by itself (`WTF_CSRF_CHECK_DEFAULT = False`), and otherwise by a token in the application's session.
"""

from __future__ import annotations

import hashlib
import secrets
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Final, cast

import click
from flask import Blueprint, Flask, Response, abort, current_app, g, render_template, request, session
from flask.cli import AppGroup
from flask.typing import ResponseReturnValue
from jinja2 import TemplateNotFound
from werkzeug.exceptions import Unauthorized
from werkzeug.local import LocalProxy
from werkzeug.routing import PathConverter

from qcp_sdk import sdk
from qcp_sdk.errors import ConfigurationError, ErasureRefused, QcpError
from qcp_sdk.installation import find
from qcp_sdk.levels import SignatureLevel
from qcp_sdk.people import LANGUAGES, Account
from qcp_sdk.values import AccountId, TenantId
from qcp_sdk.web import doctor, limits
from qcp_sdk.web.checking import check_journals
from qcp_sdk.web.consents import VERSION
from qcp_sdk.web.journey import HEADERS, Journey
from qcp_sdk.web.requests import PageRequest
from qcp_sdk.web.routes import is_static
from qcp_sdk.web.signatories import Build, Signatories, SignatoriesStep
from qcp_sdk.web.site import NobodySignedIn
from qcp_sdk.web.views import PageResponse
from qcp_sdk.web.webhooks import WebhookDesk

LARGEST_FORM: Final = 256 * 1024
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
TOKEN: Final = "qcp_csrf"  # noqa: S105  # the name of a field, and of its place in the session


class State:
    """What one application holds: `app.extensions["qcp"]`. The installation is built when it is first needed, so that
    a command that needs none is quick, and a server may fork before.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self._lock = threading.RLock()

    @cached_property
    def qcp(self) -> sdk.Qcp:
        """The installation.

        Raises:
            ConfigurationError: `QCP_INSTALLATION` gives none.
        """
        with self._lock:
            if "qcp" in self.__dict__:  # another thread was faster
                return cast(sdk.Qcp, self.__dict__["qcp"])
            chosen = self._config["QCP_INSTALLATION"]
            made = find(chosen) if isinstance(chosen, str) else chosen() if callable(chosen) else chosen
            if not isinstance(made, sdk.Qcp):
                raise ConfigurationError("it is no `Qcp`", where="QCP_INSTALLATION", mend="give one, or what gives one")
            self.__dict__["qcp"] = made
            return made

    @cached_property
    def journey(self) -> Journey:
        """Its pages."""
        folder = self._config["QCP_TEMPLATES"]
        return Journey(
            self.qcp,
            platform=self._config["QCP_PLATFORM"],
            zone=self._config["QCP_ZONE"],
            directory=Path(folder) if folder else None,
            consents_version=self._config["QCP_CONSENTS_VERSION"],
            mobile_help=self._config["QCP_MOBILE_HELP"],
            limits=limits.read(self._config["QCP_LIMITS"], where="QCP_LIMITS"),
        )

    @cached_property
    def webhooks(self) -> WebhookDesk:
        """Where providers post."""
        return WebhookDesk(self.qcp, self._config["QCP_WEBHOOKS"])

    def signatories(
        self,
        *,
        action: str,
        members: Sequence[Account],
        build: Build,
        least: SignatureLevel = SignatureLevel.NIVEAU_2,
    ) -> SignatoriesStep:
        """Show or take the signatories' step of a collecte, within a view of the application's own at `action`.
        `least` is the lowest level that is taken there (`Signatories.answer`).

        Raises:
            NobodySignedIn: Nobody is signed in; not caught, it is answered with `QCP_LOGIN`.
        """
        _check_form()
        asked = page_request("")
        if asked.account is None:
            raise NobodySignedIn
        me = self.qcp.ports.accounts.account(id=asked.account)
        step = Signatories(self.journey)
        return step.answer(asked, me=me, members=members, action=action, build=build, least=least)


class _Rest(PathConverter):
    """The rest of an address, whatever it holds: Werkzeug's own converter stops at a line break."""

    regex = r"(?s:[^/].*?)"


current = cast(State, LocalProxy(lambda: current_app.extensions["qcp"]))
"""The state of the application that answers now."""


class Qcp:
    """The extension. It keeps no application.

    Raises:
        ConfigurationError: `QCP_INSTALLATION` or `QCP_ACCOUNT` is missing.
    """

    def __init__(self, app: Flask | None = None) -> None:
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Add the pages, the webhook address and `flask qcp` to an application."""
        for name, value in _DEFAULTS.items():
            app.config.setdefault(name, value)
        for name in ("QCP_INSTALLATION", "QCP_ACCOUNT"):
            if name not in app.config:
                raise ConfigurationError("it is missing", where=name, mend=f"set app.config[{name!r}]")
        app.extensions["qcp"] = State(app.config)
        pages = Blueprint("qcp", __name__, url_prefix=app.config["QCP_URL_PREFIX"].rstrip("/"), cli_group=None)
        pages.add_url_rule("/hooks/<provider>", "webhook", _webhook, methods=["POST"])
        # Every method comes to the journey, which says itself what each page allows.
        pages.add_url_rule(
            "/", "certificates", _page, defaults={"path": ""}, methods=METHODS, provide_automatic_options=False
        )
        app.url_map.converters["qcp_rest"] = _Rest
        pages.add_url_rule("/<qcp_rest:path>", "page", _page, methods=METHODS, provide_automatic_options=False)
        pages.after_request(_with_headers)
        if (wtf := app.extensions.get("csrf")) is not None:
            wtf.exempt(_webhook)
        app.register_blueprint(pages)
        app.register_error_handler(NobodySignedIn, _login)  # in views of the application's own as well
        app.cli.add_command(commands)


_DEFAULTS: Final[Mapping[str, object]] = {
    "QCP_URL_PREFIX": "/signature",
    "QCP_PLATFORM": "Signature",
    "QCP_ZONE": "Europe/Paris",
    "QCP_TEMPLATES": None,
    "QCP_CONSENTS_VERSION": VERSION,
    "QCP_MOBILE_HELP": "",
    "QCP_WEBHOOKS": {},
    "QCP_LANGUAGE": None,
    "QCP_TENANT": None,
    "QCP_LOGIN": None,
    "QCP_CALLER": None,
    "QCP_LIMITS": {},
}


def page_request(path: str) -> PageRequest:
    """Make a page's request of Flask's."""
    config = current_app.config
    chosen: Callable[[], str] | None = config["QCP_LANGUAGE"]
    language = (
        chosen()
        if chosen is not None and not is_static(path)
        else request.accept_languages.best_match(LANGUAGES) or LANGUAGES[0]
    )
    shared = is_static(path)  # a cookie in an answer that caches share would be everybody's
    account = None if shared else _signed_in()
    return PageRequest(
        method=request.method,
        path=path,
        account=None if account is None else AccountId(str(account)),
        tenant=TenantId(config["QCP_TENANT"]() if config["QCP_TENANT"] is not None and not shared else ""),
        language=language,
        root=f"{request.script_root}{config['QCP_URL_PREFIX'].rstrip('/')}/",
        origin=request.host_url.rstrip("/"),
        csrf=("", "") if shared else _csrf(account),
        form=request.form.to_dict(flat=False),
        body=request.get_data() if request.mimetype == "application/json" else b"",
        content_type=request.content_type or "",
        seen=request.headers.get("If-None-Match", ""),
        caller=str(config["QCP_CALLER"]() if config["QCP_CALLER"] is not None else request.remote_addr or ""),
    )


def respond(answer: PageResponse) -> Response:
    """Make Flask's answer of a page's; in the application's layout, if it has one."""
    body: str | bytes = answer.body
    if answer.page is not None:
        try:
            body = render_template("qcp/page.html", page=answer.page)
        except TemplateNotFound as missing:
            if missing.name != "qcp/page.html":
                raise
    return Response(body, status=answer.status, headers=dict(answer.headers))


def _page(path: str) -> Response:
    _check_form()
    return respond(current.journey.answer(page_request(path)))


def _login(_nobody: NobodySignedIn) -> ResponseReturnValue:
    """Give the host's answer to whoever is not signed in; without one, its 401."""
    login = current_app.config["QCP_LOGIN"]
    if login is None:
        return current_app.make_response(current_app.handle_user_exception(Unauthorized()))
    g.qcp_is_the_hosts = True
    return current_app.make_response(login())


def _with_headers(answer: Response) -> Response:
    """Give every answer below our addresses the headers of our pages; the host's login page has its own."""
    if not g.get("qcp_is_the_hosts"):
        for name, value in HEADERS.items():
            answer.headers.setdefault(name, value)
    return answer


def _check_form() -> None:
    """Refuse a form that is not from here, and one that is too long. Flask-WTF, where it is used, is asked to look: by
    itself it does so only if `WTF_CSRF_CHECK_DEFAULT` is left as it is, and nobody has exempted the view.
    """
    request.max_content_length = LARGEST_FORM
    if request.method != "POST":
        return
    if (wtf := current_app.extensions.get("csrf")) is not None:
        if current_app.config["WTF_CSRF_ENABLED"]:
            wtf.protect()
    else:
        given, ours = request.headers.get("X-CSRFToken") or request.form.get(TOKEN, ""), _kept(_signed_in())
        if not ours or not secrets.compare_digest(given.encode(), ours.encode()):
            abort(400, "this form is not from here: go back, reload the page, and send it again")


def _csrf(account: object) -> tuple[str, str]:
    if "csrf" in current_app.extensions:
        token: str = import_module("flask_wtf.csrf").generate_csrf()
        return current_app.config["WTF_CSRF_FIELD_NAME"], token
    if not _kept(account):
        session[TOKEN] = [_mark(account), secrets.token_urlsafe(32)]
    return TOKEN, _kept(account)


def _signed_in() -> object:
    return current_app.config["QCP_ACCOUNT"]()


def _kept(account: object) -> str:
    """Give the token of the session, if it was made for whoever is signed in now: one that was made before the login,
    perhaps in a session that somebody else planted, is worth nothing after it.
    """
    match session.get(TOKEN):
        case [str() as mark, str() as token] if mark == _mark(account):
            return token
    return ""


def _mark(account: object) -> str:
    return hashlib.sha256(repr(account).encode()).hexdigest()[:16]


def _webhook(provider: str) -> Response:
    request.max_content_length = LARGEST_FORM
    status = current.webhooks.receive(
        provider, headers=dict(request.headers), body=request.get_data(cache=False), source=request.remote_addr or ""
    )
    return Response(status=status)


# --- flask qcp … --------------------------------------------------------------------------------------------

commands = AppGroup("qcp", help="Qualified certificates and niveau 3 signatures.")


@commands.command("work")
@click.option("--once", is_flag=True, help="Do what is due now, and end.")
def work_command(once: bool) -> None:
    """Do what is due, as it falls due, until told to stop."""
    from qcp_sdk.worker import work

    qcp = current.qcp
    if once:
        tried = 0
        while done := qcp.run_due(limit=100):
            tried += done
        click.echo(tried)
        return
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    work(qcp, stop=stop, on_beat=lambda beat: click.echo(beat.line()))


@commands.command("doctor")
def doctor_command() -> None:
    """Say what to look at before people do; exit status 1 when there is an error."""
    qcp = current.qcp
    found = [
        *doctor.configured(qcp, webhooks=bool(current_app.config["QCP_WEBHOOKS"])),
        *doctor.standing(qcp),
    ]
    for one in found:
        click.echo(f"{one.id} {one.what}\n    {one.mend}")
    raise SystemExit(any(one.grade is doctor.Grade.ERROR for one in found))


@commands.command("history")
@click.argument("id")
@click.option("--language", type=click.Choice(LANGUAGES), default=LANGUAGES[0], help="Language of the sentences.")
def history_command(id: str, language: str) -> None:
    """Say in words what happened to a subscription or ceremony; nothing personal is told."""
    from qcp_sdk.adapters.shared.history import sentence

    texts = current.journey.site.renderer.texts[language]
    try:
        history = current.qcp.records.history(id)
    except QcpError as error:
        raise click.ClickException(str(error)) from error
    for one in history:
        click.echo(f"{one.sequence:4} {texts.moment(one.at)}\t{sentence(one.fact, texts)}")


@commands.command("erase")
@click.argument("id")
@click.option("--by", required=True, help="Who does it.")
@click.option("--reason", required=True, help="Why; kept on record, so write nothing personal.")
@click.option("--despite", multiple=True, help="An obstacle that does not count this time.")
@click.option("--approved-by", default="", help="A second person, with --despite.")
def erase_command(id: str, by: str, reason: str, despite: tuple[str, ...], approved_by: str) -> None:
    """Destroy the data key of a subscription or ceremony, for good."""
    try:
        current.qcp.operations.erase(id, by=by, reason=reason, despite=despite, approved_by=approved_by)
    except ErasureRefused as refused:
        raise click.ClickException(", ".join(refused.obstacles)) from refused
    except QcpError as error:
        raise click.ClickException(str(error)) from error


@commands.command("verify-journal")
@click.argument("ids", nargs=-1, required=True)
def verify_journal_command(ids: tuple[str, ...]) -> None:
    """Check the chained journals of subscriptions and ceremonies; exit status 1 when one is broken."""
    broken = False
    for one in check_journals(current.qcp, ids):
        click.echo(f"{one.id}\t{one.facts}\t{one.broken or 'intact'}")
        broken |= bool(one.broken)
    raise SystemExit(broken)
