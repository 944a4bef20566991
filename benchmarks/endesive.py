"""endesive beside us: in an environment of its own, made the first time, because it needs what we must not have.

It breaks with pypdf 7, and its dependency oscrypto 1.3.0 cannot read the version of an OpenSSL with two digits at its
end (3.0.10 and above): the former is pinned in that environment alone, the latter is patched in that process alone.

Run as a program there, it signs whenever a line comes, and answers with the processor time that this took.
"""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
import venv
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import process_time
from typing import Any, Final

NEEDS: Final = ("endesive>=3.0.1", "pypdf<7")
_PLACE: Final = Path(sys.prefix) / "endesive"


def environment() -> Path:
    """Give the interpreter that has endesive; made under our own environment where it is not there yet.

    Raises:
        subprocess.CalledProcessError: It cannot be installed here.
    """
    python, done = _PLACE / "bin" / "python", _PLACE / ".made"
    if not done.exists():
        print(f"installing endesive into {_PLACE}", file=sys.stderr)
        venv.create(_PLACE, clear=True, with_pip=True)
        subprocess.run(
            [python, "-m", "pip", "--disable-pip-version-check", "--quiet", "--quiet", "install", *NEEDS], check=True
        )
        done.touch()
    return python


@contextmanager
def signer(pdf: bytes, *, key: bytes, certificate: bytes, ca: bytes) -> Iterator[Callable[[], float]]:
    """Give what signs `pdf` with endesive and says the milliseconds of processor time; all but the PDF are PEM."""
    told = json.dumps([b64encode(part).decode() for part in (pdf, key, certificate, ca)])
    command = [environment(), Path(__file__)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        asking, answers = running.stdin, running.stdout
        assert asking is not None
        assert answers is not None

        def sign(line: str = "again") -> float:
            print(line, file=asking, flush=True)
            return float(answers.readline())

        sign(told)  # it has started, and loaded what it loads
        yield sign
        asking.close()


def _lenient_versions() -> None:
    real = re.search

    def search(pattern: Any, text: Any, *others: Any) -> Any:
        if isinstance(pattern, str) and pattern == "\\b(\\d\\.\\d\\.\\d[a-z]*)\\b":
            pattern = "\\b(\\d+\\.\\d+\\.\\d+[a-z]*)\\b"
        return real(pattern, text, *others)

    re.search = search  # type: ignore[assignment]


def main() -> None:
    """Sign once for each line; the first says what and with which key."""
    _lenient_versions()
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509 import load_pem_x509_certificate

    sys.path.pop(0)  # our own folder, where this file has the library's name
    cms = importlib.import_module("endesive.pdf.cms")
    pdf, key, certificate, ca = (b64decode(part) for part in json.loads(sys.stdin.readline()))
    loaded = load_pem_private_key(key, None), load_pem_x509_certificate(certificate), [load_pem_x509_certificate(ca)]
    told = {"sigflags": 3, "contact": "", "location": "", "signingdate": "20260302120000+00'00'", "reason": ""}
    while True:
        begun = process_time()
        if not cms.sign(pdf, told, *loaded, "sha256"):
            raise RuntimeError("endesive signed nothing")
        print((process_time() - begun) * 1_000, flush=True)
        if not sys.stdin.readline():
            return


if __name__ == "__main__":
    main()
