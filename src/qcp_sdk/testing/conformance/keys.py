"""What every `Keys` promises (ports/keys.py, behaviour § 8)."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from itertools import product
from typing import ClassVar, Final

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from qcp_sdk.errors import Rejected
from qcp_sdk.ports.keys import Keys
from qcp_sdk.testing.conformance.base import Conformance, rejected
from qcp_sdk.testing.conformance.histories import LONG, run_any_history
from qcp_sdk.testing.conformance.marking import THREADS, needs
from qcp_sdk.testing.conformance.together import together

PLACE: Final = "journal/s-1/7"
PAYLOAD: Final = b"a person's name, and nobody else's business"


NUMBERS: Final = st.integers(0, 3)
EVERYWHERE: Final = (PLACE, "journal/s-1/8", "journal/s-2/7", "streams/s-1/7")
PLACES: Final = st.sampled_from(EVERYWHERE)
PAYLOADS: Final = st.sampled_from([b"", b"the same", PAYLOAD])


class KeysConformance(Conformance):
    """The exam of a `Keys`."""

    examples: ClassVar[int] = 30
    """How many histories the property promise tries."""

    @abstractmethod
    def make_keys(self, installation: str) -> Keys:
        """Give the keys of an installation: of one name always the same ones, of another name others."""

    @abstractmethod
    def rotated(self, keys: Keys) -> Keys:
        """Give the same installation's keys with another current key, the earlier ones still held: the same object,
        or a new one.
        """

    def reopened(self, keys: Keys) -> Keys:
        """Give the keys of `here` as the next process would make them; the same ones where there is nothing to read."""
        return keys

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

    @needs(THREADS)
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

    def test_keys_10_any_history_opens_what_was_sealed_and_nothing_else(self) -> None:
        """keys-10: After any history of sealing, opening, moving and restarts, what opens is what was sealed there."""
        run_any_history(partial(KeysHistory, self), examples=self.examples, steps=LONG)

    def test_keys_11_a_data_key_names_the_key_that_wrapped_it(self) -> None:
        """keys-11: A data key names the key that wrapped it, the current one; after a rotation as well as before."""
        keys = self.make_keys("here")
        first, old = keys.current, keys.new_data_key()
        assert 1 <= len(first) <= 255
        assert first.isascii()
        assert first.isprintable()
        assert keys.wrapped_by(data_key=old) == first
        keys = self.rotated(keys)
        new = keys.new_data_key()
        assert keys.current != first
        assert [keys.wrapped_by(data_key=each) for each in (old, new)] == [first, keys.current]
        for nonsense in (b"", b"\x01", b"\xff" * 40):
            with rejected("unknown_key"):
                keys.wrapped_by(data_key=nonsense)

    def test_keys_12_a_rotation_touches_no_data(self) -> None:
        """keys-12: After a rotation all opens and derives as before; re-wrapped, a data key opens what it sealed."""
        keys = self.make_keys("here")
        codes, old = keys.derive(purpose="codes"), keys.new_data_key()
        sealed = keys.seal(data_key=old, place=PLACE, payload=PAYLOAD)
        keys = self.rotated(keys)
        assert keys.derive(purpose="codes") == codes
        assert keys.open(data_key=old, place=PLACE, sealed=sealed) == PAYLOAD
        anew = keys.rewrap(data_key=old)
        assert keys.wrapped_by(data_key=anew) == keys.current
        later = keys.seal(data_key=anew, place=PLACE, payload=PAYLOAD)
        for each in (old, anew, keys.rewrap(data_key=anew)):
            assert keys.open(data_key=each, place=PLACE, sealed=sealed) == PAYLOAD
            assert keys.open(data_key=each, place=PLACE, sealed=later) == PAYLOAD

    def test_keys_13_only_a_data_key_is_re_wrapped(self) -> None:
        """keys-13: A foreign or damaged data key is not re-wrapped: it would look as good as any from then on."""
        keys = self.make_keys("here")
        data_key, foreign = keys.new_data_key(), self.make_keys("there").new_data_key()
        damaged = [data_key[:at] + bytes([data_key[at] ^ 1]) + data_key[at + 1 :] for at in range(len(data_key))]
        for wrong in (foreign, *damaged, *(data_key[:length] for length in range(len(data_key))), data_key + b"\x00"):
            with rejected("unknown_key"):
                keys.rewrap(data_key=wrong)


class KeysHistory(RuleBasedStateMachine):
    """Seals, opens and moves payloads of several streams, beside a list of what was sealed where under which key."""

    def __init__(self, suite: KeysConformance) -> None:
        super().__init__()
        self.suite = suite
        self.keys = suite.make_keys("here")
        self.derived: dict[str, bytes] = {}
        self.data_keys: list[bytes] = []
        """One for each stream, as it is wrapped now."""
        self.wrappings: list[tuple[int, bytes]] = []
        """Every wrapping that there ever was, with its stream."""
        self.sealed: dict[bytes, tuple[int, str, bytes]] = {}

    @rule(purpose=st.sampled_from(["codes", "index", "codes/2"]))
    def derive(self, purpose: str) -> None:
        """Ask for the key of a purpose, again and again."""
        key = self.keys.derive(purpose=purpose)
        assert self.derived.setdefault(purpose, key) == key
        assert len(set(self.derived.values())) == len(self.derived)

    @rule()
    def begin(self) -> None:
        """Begin a stream with a data key of its own."""
        data_key = self.keys.new_data_key()
        assert data_key not in [each for _, each in self.wrappings], "one data key for two streams"
        self.data_keys.append(data_key)
        self.wrappings.append((len(self.data_keys) - 1, data_key))

    @rule()
    def rotate(self) -> None:
        """Make another key the current one."""
        before = self.keys.current
        self.keys = self.suite.rotated(self.keys)
        assert self.keys.current != before

    @rule(stream=NUMBERS)
    def rewrap(self, stream: int) -> None:
        """Wrap a stream's data key anew."""
        if stream < len(self.data_keys):
            data_key = self.data_keys[stream] = self.keys.rewrap(data_key=self.data_keys[stream])
            assert self.keys.wrapped_by(data_key=data_key) == self.keys.current
            self.wrappings.append((stream, data_key))

    @rule(stream=NUMBERS, place=PLACES, payload=PAYLOADS, callers=st.sampled_from([1, 1, 3]))
    def seal(self, stream: int, place: str, payload: bytes, callers: int) -> None:
        """Seal a payload, perhaps by several callers at once: each gets bytes of its own."""
        if stream < len(self.data_keys):
            data_key = self.data_keys[stream]
            times = 1 if THREADS in self.suite.lacks else callers
            for sealed in together(times, lambda _: self.keys.seal(data_key=data_key, place=place, payload=payload)):
                assert sealed not in self.sealed, "sealed twice alike"
                self.sealed[sealed] = stream, place, payload

    @rule()
    def restart(self) -> None:
        """Make the keys again, as the next process does."""
        self.keys = self.suite.reopened(self.keys)

    @rule(which=st.integers(0, 20))
    def open_everywhere(self, which: int) -> None:
        """Open what was sealed in every place, under every data key: it opens only where it was sealed."""
        if which < len(self.sealed):
            sealed = [*self.sealed][which]
            stream, where, payload = self.sealed[sealed]
            for (other, data_key), place in product(self.wrappings[-8:], EVERYWHERE):
                try:
                    opened = self.keys.open(data_key=data_key, place=place, sealed=sealed)
                except Rejected as refusal:
                    assert refusal.reason == "not_authentic"
                    assert (other, place) != (stream, where), "it does not open in its place"
                else:
                    assert (other, place) == (stream, where), "it opens in another place, or under another key"
                    assert opened == payload

    @invariant()
    def what_was_sealed_opens(self) -> None:
        """Open the first and the last that were sealed."""
        for sealed in [*self.sealed][:1] + [*self.sealed][-1:]:
            stream, place, payload = self.sealed[sealed]
            assert self.keys.open(data_key=self.data_keys[stream], place=place, sealed=sealed) == payload
