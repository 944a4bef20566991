"""Wrong adapters of the port `kms`."""

# Each overrides what it gets wrong; the arguments are passed on as they come.
# mypy: disable-error-code="override, no-untyped-def, no-untyped-call"

from __future__ import annotations

import os
from contextlib import suppress
from time import sleep

import pytest
from attrs import evolve

from qcp_sdk.adapters.memory.kms import MemoryKms
from qcp_sdk.errors import Rejected
from qcp_sdk.ports.kms import Wrapped
from qcp_sdk.testing.conformance.kms import KmsConformance


class KmsSuite(KmsConformance):
    Adapter: type[MemoryKms] = MemoryKms

    def make_kms(self, account: str) -> MemoryKms:
        return self.Adapter(account)

    def rotated(self, kms):
        kms.rotate()
        return kms

    def disabled(self, kms, key):
        kms.disable(key)
        return kms


@pytest.mark.caught_by("test_kms_1_what_is_wrapped_is_unwrapped")
class MakesKeysAtEveryStart(KmsSuite):
    class Adapter(MemoryKms):
        def __init__(self, seed):
            super().__init__(seed + os.urandom(8).hex())


@pytest.mark.caught_by("test_kms_1_what_is_wrapped_is_unwrapped")
class PadsToABlock(KmsSuite):
    """As a service does that wraps AES keys only, and gives them back as long as a block."""

    class Adapter(MemoryKms):
        def unwrap(self, **asked):
            return super().unwrap(**asked).ljust(16, b"\x00")


@pytest.mark.caught_by("test_kms_2_a_wrapping_names_its_key")
class NamesTheAlias(KmsSuite):
    """Whoever counts data keys under an old key finds none, and drops it."""

    class Adapter(MemoryKms):
        current = "alias/qcp"

        def _real(self):
            return f"memory/{self._version}"

        def wrap(self, *, secret):
            self.current = self._real()
            wrapped = super().wrap(secret=secret)
            self.current = "alias/qcp"
            return evolve(wrapped, key=self.current)


@pytest.mark.caught_by("test_kms_3_older_wrappings_open_after_a_rotation")
class ForgetsOlderKeys(KmsSuite):
    class Adapter(MemoryKms):
        def rotate(self):
            self.disable(self.current)
            return super().rotate()


@pytest.mark.caught_by("test_kms_4_a_wrapping_shows_nothing")
class WrapsInNothing(KmsSuite):
    class Adapter(MemoryKms):
        def wrap(self, *, secret):
            return Wrapped(key=self.current, content=secret)

        def unwrap(self, *, wrapped):
            return wrapped.content


@pytest.mark.caught_by("test_kms_5_what_was_changed_is_rejected")
class ChecksNothing(KmsSuite):
    class Adapter(MemoryKms):
        def unwrap(self, *, wrapped):
            try:
                return super().unwrap(wrapped=wrapped)
            except Rejected as refusal:
                if refusal.reason == "unknown_key":
                    raise
                return bytes(32)


@pytest.mark.caught_by("test_kms_6_a_key_opens_its_own_only")
class TriesEveryKey(KmsSuite):
    """It believes no id, and finds the key by trying: an id then says nothing about what is still needed."""

    class Adapter(MemoryKms):
        def unwrap(self, *, wrapped):
            for version in range(1, self._version + 1):
                with suppress(Rejected):
                    return super().unwrap(wrapped=evolve(wrapped, key=f"memory/{version}"))
            raise Rejected("no key opens it", reason="not_authentic")


@pytest.mark.caught_by("test_kms_7_an_unknown_key_is_rejected")
class UsesDisabledKeys(KmsSuite):
    class Adapter(MemoryKms):
        def disable(self, id):
            pass


@pytest.mark.caught_by("test_kms_7_an_unknown_key_is_rejected")
class SaysTheSameOfEverything(KmsSuite):
    """As a service does that tells nobody why: a lost key then looks like a damaged row."""

    class Adapter(MemoryKms):
        def unwrap(self, *, wrapped):
            try:
                return super().unwrap(wrapped=wrapped)
            except Rejected:
                raise Rejected("no", reason="not_authentic") from None


@pytest.mark.caught_by("test_kms_8_many_callers_do_not_disturb_each_other")
class SharesABuffer(KmsSuite):
    class Adapter(MemoryKms):
        _buffer = b""

        def wrap(self, *, secret):
            self._buffer = secret
            sleep(0.001)  # on its way to the service, another caller's turn
            return super().wrap(secret=self._buffer)
