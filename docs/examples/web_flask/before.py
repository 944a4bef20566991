"""A small platform as it was: people sign in, write a letter, and send it to be signed by e-mail."""

from __future__ import annotations

from flask import Flask, redirect, request, session
from flask.typing import ResponseReturnValue

LETTERS: dict[str, list[str]] = {}


def create_app() -> Flask:
    app = Flask(__name__)
    app.config.from_prefixed_env()
    app.secret_key = app.config["SECRET_KEY"] or "for development"

    @app.post("/login")
    def login() -> ResponseReturnValue:
        session["user"] = request.form["user"]  # a real platform asks for more
        return redirect("/")

    @app.get("/")
    def home() -> ResponseReturnValue:
        sent = "".join(f"<li>{one}</li>" for one in LETTERS.get(session.get("user", ""), []))
        return f"<h1>My letters</h1><ul>{sent}</ul><a href='/letters/new'>Send a letter to be signed</a>"

    @app.route("/letters/new", methods=["GET", "POST"])
    def new() -> ResponseReturnValue:
        if "user" not in session:
            return redirect("/login")
        if request.method == "GET":
            return "<h1>Send a letter to be signed</h1><form method='post'><button>Send</button></form>"
        LETTERS.setdefault(session["user"], []).append("Lettre de mission")
        return redirect("/")

    return app
