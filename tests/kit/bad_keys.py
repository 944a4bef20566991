"""Wrong adapters of the port `keys`."""

# Each overrides what it gets wrong; the arguments are passed on as they come.
# mypy: disable-error-code="override, no-untyped-def, no-untyped-call"

from __future__ import annotations

import os

import pytest

from qcp_sdk.adapters.memory.keys import MemoryKeys
from qcp_sdk.errors import Rejected
from qcp_sdk.testing.conformance.keys import KeysConformance

ANY_HISTORY = "test_keys_10_any_history_opens_what_was_sealed_and_nothing_else"


class KeysSuite(KeysConformance):
    Adapter: type[MemoryKeys] = MemoryKeys

    def make_keys(self, installation: str) -> MemoryKeys:
        return self.Adapter(installation)

    def reopened(self, keys):
        return keys

    def rotated(self, keys):
        keys.rotate()
        return keys


@pytest.mark.caught_by("test_keys_1_a_purpose_has_one_key")
class DrawsAKeyAtEveryStart(KeysSuite):
    class Adapter(MemoryKeys):
        def __init__(self, seed):
            super().__init__(seed + os.urandom(8).hex())


@pytest.mark.caught_by("test_keys_1_a_purpose_has_one_key")
@pytest.mark.caught_by(ANY_HISTORY)
class MixesUpTwoPurposes(KeysSuite):
    class Adapter(MemoryKeys):
        def derive(self, *, purpose):
            return super().derive(purpose="any")


@pytest.mark.caught_by("test_keys_4_what_was_moved_does_not_open")
@pytest.mark.caught_by(ANY_HISTORY)
class BindsNoPlace(KeysSuite):
    class Adapter(MemoryKeys):
        def seal(self, *, data_key, place, payload):
            return super().seal(data_key=data_key, place="", payload=payload)

        def open(self, *, data_key, place, sealed):
            return super().open(data_key=data_key, place="", sealed=sealed)


@pytest.mark.caught_by("test_keys_5_what_was_changed_does_not_open")
class ChecksNoTag(KeysSuite):
    """It decrypts whatever comes; a flipped bit is a flipped bit of a person's name."""

    class Adapter(MemoryKeys):
        def _tag(self, key, about, content):
            return super()._tag(key, about, content) if about == b"wrapped" else bytes(16)


@pytest.mark.caught_by("test_keys_6_a_data_key_opens_its_own_only")
@pytest.mark.caught_by(ANY_HISTORY)
class HasOneDataKeyForAll(KeysSuite):
    """Erasing one person's key would erase nobody."""

    class Adapter(MemoryKeys):
        def _unwrap(self, wrapped):
            super()._unwrap(wrapped)
            return self._root


@pytest.mark.caught_by("test_keys_6_a_data_key_opens_its_own_only")
@pytest.mark.caught_by(ANY_HISTORY)
class GivesADataKeyTwice(KeysSuite):
    class Adapter(MemoryKeys):
        def new_data_key(self):
            return self._wrapped(bytes(8))


@pytest.mark.caught_by("test_keys_7_an_unknown_data_key_is_rejected")
class TakesAnyDataKey(KeysSuite):
    class Adapter(MemoryKeys):
        def _unwrap(self, wrapped):
            return wrapped[2:32].ljust(32, b".")


@pytest.mark.caught_by("test_keys_7_an_unknown_data_key_is_rejected")
class LeaksKeyErrors(KeysSuite):
    class Adapter(MemoryKeys):
        def seal(self, **asked):
            try:
                return super().seal(**asked)
            except Rejected as refusal:
                raise KeyError("data key") from refusal


@pytest.mark.caught_by("test_keys_3_sealed_bytes_show_nothing")
@pytest.mark.caught_by("test_keys_9_many_callers_do_not_disturb_each_other")
@pytest.mark.caught_by(ANY_HISTORY)
class UsesANonceTwice(KeysSuite):
    class Adapter(MemoryKeys):
        def seal(self, *, data_key, place, payload):
            key, number = self._unwrap(data_key), bytes(8)
            hidden = bytes(a ^ b for a, b in zip(payload, key * 10, strict=False))
            return number + self._tag(key, place.encode("utf-8", "surrogatepass"), number + hidden) + hidden


@pytest.mark.caught_by("test_keys_3_sealed_bytes_show_nothing")
class OnlyAuthenticates(KeysSuite):
    class Adapter(MemoryKeys):
        def seal(self, *, data_key, place, payload):
            key, number = self._unwrap(data_key), self._number()
            return number + self._tag(key, place.encode("utf-8", "surrogatepass"), number + payload) + payload


@pytest.mark.caught_by("test_keys_8_nothing_prints_a_key")
class PrintsItself(KeysSuite):
    class Adapter(MemoryKeys):
        def __repr__(self) -> str:
            return f"MemoryKeys({self._derived})"


@pytest.mark.caught_by("test_keys_11_a_data_key_names_the_key_that_wrapped_it")
class NamesTheCurrentKeyAlways(KeysSuite):
    """Nothing is ever left under an old key, it says; so the old key is dropped."""

    class Adapter(MemoryKeys):
        def wrapped_by(self, *, data_key):
            super().wrapped_by(data_key=data_key)
            return self.current


@pytest.mark.caught_by("test_keys_12_a_rotation_touches_no_data")
@pytest.mark.caught_by(ANY_HISTORY)
class RewrapsToAnotherDataKey(KeysSuite):
    class Adapter(MemoryKeys):
        def rewrap(self, *, data_key):
            self._unwrap(data_key)
            return self.new_data_key()


@pytest.mark.caught_by("test_keys_12_a_rotation_touches_no_data")
class DerivesFromTheCurrentKey(KeysSuite):
    """After a rotation nobody is found by an index any more, and no code that was sent is right."""

    class Adapter(MemoryKeys):
        def rotate(self):
            self._derived.clear()
            return super().rotate()

        def derive(self, *, purpose):
            return super().derive(purpose=f"{purpose}/{self._generation}")


@pytest.mark.caught_by("test_keys_13_only_a_data_key_is_re_wrapped")
class RewrapsAnything(KeysSuite):
    class Adapter(MemoryKeys):
        def rewrap(self, *, data_key):
            return self._wrapped(data_key[2:10].ljust(8, b"."))
