"""What every `Keys` promises (ports/keys.py, behaviour § 8)."""

from __future__ import annotations

from abc import abstractmethod
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from qcp_sdk.ports.keys import Keys
from qcp_sdk.testing.conformance.base import Conformance, rejected
from qcp_sdk.testing.conformance.together import together

PLACE: Final = "journal/s-1/7"
PAYLOAD: Final = b"a person's name, and nobody else's business"


class KeysConformance(Conformance):
    """The exam of a `Keys`."""

    @abstractmethod
    def make_keys(self, installation: str) -> Keys:
        """Give the keys of an installation: of one name always the same ones, of another name others."""

    def test_keys_1_a_purpose_has_one_key(self) -> None:
        """keys-1: A purpose has one 32-byte key for an installation, also after a restart; another has another."""
        keys = self.make_keys("here")
        codes = keys.derive(purpose="codes")
        assert len(codes) == 32
        assert codes == keys.derive(purpose="codes") == self.make_keys("here").derive(purpose="codes")
        others = [keys.derive(purpose=purpose) for purpose in ("index", "code", "Codes", "codes ", "")]
        others.append(self.make_keys("there").derive(purpose="codes"))
        assert len({codes, *others}) == 7

    def test_keys_2_what_is_sealed_opens_in_its_place(self) -> None:
        """keys-2: What was sealed opens with its data key in its place, byte for byte, also after a restart."""
        keys = self.make_keys("here")
        data_key = keys.new_data_key()
        again = self.make_keys("here")

        @given(payload=st.binary(max_size=300), place=st.text(st.characters(exclude_categories=()), max_size=40))
        def opens(payload: bytes, place: str) -> None:
            sealed = keys.seal(data_key=data_key, place=place, payload=payload)
            assert again.open(data_key=data_key, place=place, sealed=sealed) == payload

        opens()

    def test_keys_3_sealed_bytes_show_nothing(self) -> None:
        """keys-3: Sealed bytes hold nothing of the payload, and differ each time it is sealed."""
        keys = self.make_keys("here")
        data_key = keys.new_data_key()
        sealed = [keys.seal(data_key=data_key, place=PLACE, payload=PAYLOAD) for _ in range(20)]
        assert len(set(sealed)) == 20
        parts = [PAYLOAD[at : at + 4] for at in range(len(PAYLOAD) - 3)]
        assert not [part for part in parts for one in sealed if part in one]

    def test_keys_4_what_was_moved_does_not_open(self) -> None:
        """keys-4: Sealed bytes open in no other place: a copied row, or two swapped ones, are noticed."""
        keys = self.make_keys("here")
        data_key = keys.new_data_key()
        sealed = keys.seal(data_key=data_key, place=PLACE, payload=PAYLOAD)
        for place in ("journal/s-1/8", "journal/s-2/7", "streams/s-1/7", "", PLACE + " "):
            with rejected("not_authentic"):
                keys.open(data_key=data_key, place=place, sealed=sealed)

    def test_keys_5_what_was_changed_does_not_open(self) -> None:
        """keys-5: Sealed bytes with any bit changed, cut short or lengthened do not open."""
        keys = self.make_keys("here")
        data_key = keys.new_data_key()
        sealed = keys.seal(data_key=data_key, place=PLACE, payload=PAYLOAD)
        changed = [
            sealed[: bit // 8] + bytes([sealed[bit // 8] ^ (1 << bit % 8)]) + sealed[bit // 8 + 1 :]
            for bit in range(8 * len(sealed))
        ]
        for broken in (*changed, *(sealed[:length] for length in range(len(sealed))), sealed + b"\x00"):
            with rejected("not_authentic"):
                keys.open(data_key=data_key, place=PLACE, sealed=broken)

    def test_keys_6_a_data_key_opens_its_own_only(self) -> None:
        """keys-6: Each data key is new, and opens only what was sealed under it."""
        keys = self.make_keys("here")
        data_keys = [keys.new_data_key() for _ in range(20)]
        assert len(set(data_keys)) == 20
        sealed = keys.seal(data_key=data_keys[0], place=PLACE, payload=PAYLOAD)
        for other in data_keys[1:]:
            with rejected("not_authentic"):
                keys.open(data_key=other, place=PLACE, sealed=sealed)

    def test_keys_7_an_unknown_data_key_is_rejected(self) -> None:
        """keys-7: A data key of another installation, a damaged or a destroyed one seals and opens nothing."""
        keys = self.make_keys("here")
        data_key = keys.new_data_key()
        sealed = keys.seal(data_key=data_key, place=PLACE, payload=PAYLOAD)
        damaged = [data_key[:at] + bytes([data_key[at] ^ 1]) + data_key[at + 1 :] for at in range(len(data_key))]
        foreign = self.make_keys("there").new_data_key()
        for wrong in (foreign, *damaged, *(data_key[:length] for length in range(len(data_key))), data_key + b"\x00"):
            with rejected("unknown_key"):
                keys.open(data_key=wrong, place=PLACE, sealed=sealed)
            with rejected("unknown_key"):
                keys.seal(data_key=wrong, place=PLACE, payload=PAYLOAD)

    def test_keys_8_nothing_prints_a_key(self) -> None:
        """keys-8: No key shows in what the object prints of itself."""
        keys = self.make_keys("here")
        derived = keys.derive(purpose="codes")
        keys.new_data_key()
        told = f"{keys!r} {keys!s} {keys}"
        assert derived.hex() not in told.lower()
        assert repr(derived) not in told
        assert len(told) < 300

    def test_keys_9_many_callers_do_not_disturb_each_other(self) -> None:
        """keys-9: Callers from many threads get what they would get alone, and no two seal alike."""
        keys = self.make_keys("here")
        data_key = keys.new_data_key()

        def seal(_: int) -> list[bytes]:
            sealed = [keys.seal(data_key=data_key, place=PLACE, payload=b"the same") for _ in range(50)]
            assert {keys.open(data_key=data_key, place=PLACE, sealed=each) for each in sealed} == {b"the same"}
            return [*sealed, keys.new_data_key()]

        everything = [each for worker in together(4, seal) for each in worker]
        assert len(set(everything)) == len(everything)
