"""`qcp-sdk sandbox` as a process: it says where it is, answers, and stops when it is interrupted."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request
from contextlib import ExitStack

import pytest

from qcp_sdk import cli


def interruptible() -> None:
    """Whoever runs the tests in the background has had its interrupts ignored, and so would what it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_it_says_where_it_is_and_stops() -> None:
    command = [sys.executable, "-m", "qcp_sdk.cli", "--language", "en", "sandbox", "--port", "0"]
    with (
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=interruptible
        ) as process,
        ExitStack() as stack,
    ):
        stack.callback(process.kill)  # else a failure waits for it for ever
        assert process.stdout is not None
        said = ""
        while "Ctrl-C" not in said:
            line = process.stdout.readline()
            assert line, process.stderr.read() if process.stderr else ""
            said += line
        page = re.search(r"http://127\.0\.0\.1:\d+/_control/", said)
        assert page
        with urllib.request.urlopen(page[0] + "state", timeout=10) as answer:
            names = json.loads(answer.read())["providers"]
        assert all(f"{name}\thttp://127.0.0.1:" in said for name in names)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0


def test_a_provider_that_there_is_not_is_no_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sandbox", "--port", "0", "--only", "nobody"]) == 2
    assert "`nobody`" in capsys.readouterr().err
