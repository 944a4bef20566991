"""What every `Kms` promises (ports/kms.py, behaviour § 8)."""

from __future__ import annotations

from abc import abstractmethod
from typing import Final

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from qcp_sdk.ports.kms import Kms, Wrapped
from qcp_sdk.testing.conformance.base import Conformance, rejected
from qcp_sdk.testing.conformance.marking import THREADS, needs
from qcp_sdk.testing.conformance.together import together

SECRET: Final = bytes(range(32))


class KmsConformance(Conformance):
    """The exam of a `Kms`."""

    @abstractmethod
    def make_kms(self, account: str) -> Kms:
        """Give the service as one account sees it: of one name always the same keys, of another name others."""

    @abstractmethod
    def rotated(self, kms: Kms) -> Kms:
        """Give the same account's service with another current key, the earlier ones still usable."""

    @abstractmethod
    def disabled(self, kms: Kms, key: str) -> Kms:
        """Give the same account's service when this key, which is not the current one, may no longer be used."""

    def test_kms_1_what_is_wrapped_is_unwrapped(self) -> None:
        """kms-1: What was wrapped is unwrapped byte for byte, also after a restart; it is 1 to 64 bytes long."""
        kms = self.make_kms("here")
        again = self.make_kms("here")

        @given(secret=st.binary(min_size=1, max_size=64))
        def comes_back(secret: bytes) -> None:
            assert again.unwrap(wrapped=kms.wrap(secret=secret)) == secret

        comes_back()

    def test_kms_2_a_wrapping_names_its_key(self) -> None:
        """kms-2: A wrapping names the current key, by 1 to 255 printable ASCII characters; a rotation changes it."""
        kms = self.make_kms("here")
        before = kms.wrap(secret=SECRET)
        assert before.key == kms.current
        kms = self.rotated(kms)
        after = kms.wrap(secret=SECRET)
        assert after.key == kms.current != before.key
        for id in (before.key, after.key):
            assert 1 <= len(id) <= 255
            assert id.isascii()
            assert id.isprintable()

    def test_kms_3_older_wrappings_open_after_a_rotation(self) -> None:
        """kms-3: What older keys wrapped is unwrapped as before, however often the key was rotated since."""
        kms = self.make_kms("here")
        wrapped = []
        for number in range(4):
            wrapped.append(kms.wrap(secret=SECRET + bytes([number])))
            kms = self.rotated(kms)
        assert [kms.unwrap(wrapped=each) for each in wrapped] == [SECRET + bytes([number]) for number in range(4)]

    def test_kms_4_a_wrapping_shows_nothing(self) -> None:
        """kms-4: A wrapping holds nothing of the secret, and neither it nor the service prints one."""
        kms = self.make_kms("here")
        wrapped = kms.wrap(secret=SECRET)
        assert not [at for at in range(len(SECRET) - 3) if SECRET[at : at + 4] in wrapped.content]
        assert repr(wrapped.content) not in repr(wrapped)
        assert len(f"{kms!r}{kms!s}") < 600

    def test_kms_5_what_was_changed_is_rejected(self) -> None:
        """kms-5: A wrapping with any byte changed, cut short or lengthened is `not_authentic`."""
        kms = self.make_kms("here")
        wrapped = kms.wrap(secret=SECRET)
        content = wrapped.content
        changed = [content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :] for at in range(len(content))]
        for broken in (*changed, b"", content[:-1], content + b"\x00"):
            with rejected("not_authentic"):
                kms.unwrap(wrapped=evolve(wrapped, content=broken))

    def test_kms_6_a_key_opens_its_own_only(self) -> None:
        """kms-6: A wrapping that is passed off as another key's is `not_authentic`, and opens at no other account."""
        kms = self.make_kms("here")
        old = kms.wrap(secret=SECRET)
        kms = self.rotated(kms)
        with rejected("not_authentic"):
            kms.unwrap(wrapped=evolve(old, key=kms.current))
        there = self.make_kms("there")
        with rejected("not_authentic", "unknown_key"):
            there.unwrap(wrapped=old)

    def test_kms_7_an_unknown_key_is_rejected(self) -> None:
        """kms-7: A key that was never there or may no longer be used is `unknown_key`; the others go on."""
        kms = self.make_kms("here")
        old = kms.wrap(secret=SECRET)
        kms = self.rotated(kms)
        new = kms.wrap(secret=SECRET)
        for unknown in ("", "no-such-key", old.key + "x", "é\ud800"):
            with rejected("unknown_key"):
                kms.unwrap(wrapped=Wrapped(key=unknown, content=old.content))
        kms = self.disabled(kms, old.key)
        with rejected("unknown_key"):
            kms.unwrap(wrapped=old)
        assert kms.unwrap(wrapped=new) == SECRET

    @needs(THREADS)
    def test_kms_8_many_callers_do_not_disturb_each_other(self) -> None:
        """kms-8: Callers from many threads get what they would get alone."""
        kms = self.make_kms("here")

        def wrap(worker: int) -> list[bytes]:
            secrets = [bytes([worker, number]) * 16 for number in range(25)]
            return [kms.unwrap(wrapped=kms.wrap(secret=each)) for each in secrets]

        for worker, found in enumerate(together(4, wrap)):
            assert found == [bytes([worker, number]) * 16 for number in range(25)]
