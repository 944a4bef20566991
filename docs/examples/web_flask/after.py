"""The same platform, with qualified certificates and signatures at level 3."""

from __future__ import annotations

from flask import Flask, redirect, request, session
from flask.typing import ResponseReturnValue
from installation import build, collecte_of, members

from qcp_sdk.web.flask import Qcp, current, respond

LETTERS: dict[str, list[str]] = {}


def create_app() -> Flask:
    app = Flask(__name__)
    app.config.from_prefixed_env()
    app.secret_key = app.config["SECRET_KEY"] or "for development"
    app.config.update(QCP_INSTALLATION=build, QCP_ACCOUNT=lambda: session.get("user"), QCP_PLATFORM="Letters")
    app.config["QCP_LOGIN"] = lambda: redirect("/login")
    Qcp(app)

    @app.post("/login")
    def login() -> ResponseReturnValue:
        session["user"] = request.form["user"]  # a real platform asks for more
        return redirect("/")

    @app.get("/")
    def home() -> ResponseReturnValue:
        sent = "".join(f"<li>{one}</li>" for one in LETTERS.get(session.get("user", ""), []))
        sent += "<li><a href='/signature/'>My certificates</a></li>"
        return f"<h1>My letters</h1><ul>{sent}</ul><a href='/letters/new'>Send a letter to be signed</a>"

    @app.route("/letters/new", methods=["GET", "POST"])
    def new() -> ResponseReturnValue:
        if "user" not in session:
            return redirect("/login")
        step = current.signatories(action="/letters/new", members=members(current.qcp), build=collecte_of(current.qcp))
        if step.collecte is None:  # nothing was sent yet, or a level was refused: the page says why
            return respond(step.response)
        current.qcp.collectes.start(step.collecte)
        LETTERS.setdefault(session["user"], []).append("Lettre de mission")
        return redirect("/")

    return app
