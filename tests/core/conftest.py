"""What holds in every test of the core, whatever it is about."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from qcp_sdk.errors import InvalidInput, PortError, QcpError, Refusal

DONE = QcpError.__init__


def _raised_by_us() -> bool:
    """Whether the error is made by the product, and not by a test or the kit."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_globals["__name__"] == "qcp_sdk.errors":
        frame = frame.f_back
    name: str = frame.f_globals["__name__"]
    return name.startswith("qcp_sdk.") and not name.startswith("qcp_sdk.testing.")


@pytest.fixture(autouse=True, scope="module")  # a session's would go on in the tests of other rooms
def _every_error_says_what_and_how_to_mend() -> Iterator[None]:
    """Law 4 of the house: an error says what is wrong and what to do next, in words, wherever it is raised.

    Of a collaborator's errors only the first is asked: what to do about them is the engine's affair.
    """

    def checked(self: QcpError, what: object, *, where: object = "", mend: object = "") -> None:
        if _raised_by_us():
            if isinstance(self, (InvalidInput, Refusal, PortError)):
                assert isinstance(what, str) and what.strip(), f"{type(self).__name__} does not say what is wrong"
            if isinstance(self, (InvalidInput, Refusal)):
                assert isinstance(mend, str) and mend.strip(), f"`{what}` does not say what to do next"
            assert isinstance(where, str), f"`{what}` does not say where"
        DONE(self, str(what), where=str(where), mend=str(mend))

    patch = pytest.MonkeyPatch()
    patch.setattr(QcpError, "__init__", checked)
    yield
    patch.undo()
