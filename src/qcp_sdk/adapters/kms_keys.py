"""The keys of an installation whose wrapping keys are held by a key management service.

Data keys are drawn here and wrapped by the service; so is the root secret, from which the keys of purposes are
derived. The wrapped root is a short text for the configuration: worthless without the service. A data key that was
unwrapped is kept in memory for a while, so that the service is asked once for each stream that a process works on.
"""

from __future__ import annotations

import base64
import json
import secrets

from qcp_sdk.adapters.shared import sealed as forms
from qcp_sdk.adapters.shared.wrapping import MOST_KEPT, WrappingKeys
from qcp_sdk.errors import ConfigurationError, Rejected
from qcp_sdk.ports.kms import Kms, Wrapped


class KmsKeys(WrappingKeys):
    """Gives keys for a purpose, and wraps data keys by a `Kms`. Never prints one.

    `root` is what `new_root` gave once for this installation. `most_kept`: how many unwrapped data keys a process
    keeps in memory; 0 asks the service each time.

    Raises:
        ConfigurationError: `root` is no such text, or the service refuses to unwrap it.
        Unavailable: The service does not answer.
    """

    def __init__(self, kms: Kms, *, root: str, most_kept: int = MOST_KEPT) -> None:
        self._kms = kms
        try:
            data = json.loads(root)
            held = Wrapped(key=str(data["key"]), content=base64.b64decode(str(data["root"]), validate=True))
            known = data["version"] == 1
        except (ValueError, KeyError, TypeError, RecursionError):
            known, held = False, Wrapped(key="", content=b"")
        if not known:
            raise ConfigurationError("it cannot be read", where="root", mend="give the text that `new_root` made")
        try:
            super().__init__(kms.unwrap(wrapped=held), most_kept)
        except Rejected as refusal:
            raise ConfigurationError(
                f"the service does not unwrap it (`{refusal.reason}`)", where="root", mend="look at its key and policy"
            ) from refusal

    @staticmethod
    def new_root(kms: Kms) -> str:
        """Draw the root secret of a new installation, and give it wrapped, as a text for its configuration.

        Raises:
            Unavailable: The service does not answer.
        """
        return _text(kms.wrap(secret=secrets.token_bytes(forms.SIZE)))

    def rewrapped_root(self) -> str:
        """Give the same root secret wrapped by the service's current key: before an older one is disabled there."""
        return _text(self._kms.wrap(secret=self._root))

    @property
    def simulated(self) -> bool:
        """Whether the service is not fit for production."""
        return bool(getattr(self._kms, "simulated", False))

    @property
    def current(self) -> str:
        """The id of the key that wraps new data keys."""
        return self._kms.current

    def _wrapped(self, secret: bytes) -> Wrapped:
        return self._kms.wrap(secret=secret)

    def _unwrapped(self, wrapped: Wrapped) -> bytes:
        return self._kms.unwrap(wrapped=wrapped)

    def __repr__(self) -> str:
        return f"KmsKeys({type(self._kms).__name__})"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("keys are never serialised")


def _text(root: Wrapped) -> str:
    return json.dumps({"version": 1, "key": root.key, "root": base64.b64encode(root.content).decode("ascii")})
