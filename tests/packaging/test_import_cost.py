"""`import qcp_sdk` is cheap: hosts import it in every process, also in those that never sign."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = (
    "asn1crypto",
    "cattrs",
    "cryptography",
    "httpx",
    "jinja2",
    "lxml",
    "pyhanko",
    "pyhanko_certvalidator",
    "rich",
    "sqlalchemy",
    "typst",
)


def loaded_by(statement: str) -> set[str]:
    """Run the statement in a fresh interpreter and give the top-level names that it added."""
    program = (
        "import json, sys\n"
        "before = set(sys.modules)\n"
        f"{statement}\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in set(sys.modules) - before})))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-2_000:]
    names: list[str] = json.loads(done.stdout)
    return set(names)


def test_importing_the_sdk_loads_attrs_and_nothing_else_from_outside() -> None:
    loaded = loaded_by("import qcp_sdk")
    foreign = loaded - set(sys.stdlib_module_names) - {"qcp_sdk", "attr", "attrs"}
    assert foreign == set()


@pytest.mark.parametrize(
    "room",
    [
        "qcp_sdk.errors",
        "qcp_sdk.values",
        "qcp_sdk.otp",
        "qcp_sdk.subscription.machine",
        "qcp_sdk.ceremony.machine",
        "qcp_sdk.policy",
        "qcp_sdk.journal",
        "qcp_sdk.ports",
    ],
)
def test_a_pure_room_loads_no_library_that_talks_to_the_world(room: str) -> None:
    # certificates.py reads X.509 with asn1crypto, which is pure Python and talks to nobody.
    assert loaded_by(f"import {room}") & (set(HEAVY) - {"asn1crypto"}) == set()


def test_the_command_line_answers_help_without_heavy_libraries() -> None:
    statement = (
        "import contextlib, io\n"
        "from qcp_sdk.cli import build_parser\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        "    build_parser().format_help()"
    )
    assert loaded_by(statement) & {"pyhanko", "sqlalchemy", "httpx", "typst"} == set()
