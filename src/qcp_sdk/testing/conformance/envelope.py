"""What `ports.envelope.Envelope` promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import timedelta
from functools import partial
from typing import ClassVar, Final

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from qcp_sdk.ports.envelope import Envelope, PreparedSignature
from qcp_sdk.ports.signer import Credential
from qcp_sdk.testing.conformance.base import PROPERTY, Timed, only_port_errors, rejected
from qcp_sdk.testing.conformance.examples import name_of
from qcp_sdk.testing.conformance.histories import EXAMPLES, MOMENTS, RESTARTS, answered, run_any_history
from qcp_sdk.values import ContentHash, Fingerprint, Key

PREPARING: Final = Key("ceremony-0/4/0")
EMBEDDING: Final = Key("ceremony-0/7/0")


class EnvelopeConformance(Timed, ABC):
    """Subclass it, make the envelope with the shelf that it works on, and be the signer."""

    examples: ClassVar[int] = EXAMPLES
    """How many histories the stateful promise tries; fewer where preparing costs much."""

    @abstractmethod
    def make_envelope(self) -> Envelope:
        """Make an envelope whose shelf keeps nothing yet."""

    @abstractmethod
    def keep(self, envelope: Envelope, content: bytes) -> ContentHash:
        """Keep a document on the envelope's shelf."""

    @abstractmethod
    def read(self, envelope: Envelope, document: ContentHash) -> bytes:
        """Read a document from the envelope's shelf."""

    @abstractmethod
    def document(self, *, other: bool = False) -> bytes:
        """Give a document that can be signed; another one, if asked for."""

    @abstractmethod
    def credential(self) -> Credential:
        """Give the signatory's credential."""

    @abstractmethod
    def sign(self, digest: bytes) -> bytes:
        """Sign the digest with the key of that credential."""

    def restarted(self, envelope: Envelope) -> Envelope:
        """Give the adapter as a new process makes it, where its memory outlives one; histories restart in between."""
        return envelope

    def test_envelope_1_a_place_is_added_to_the_exact_bytes(self) -> None:
        """envelope-1: preparing keeps the document with a place for a signature; it begins with what is signed."""
        envelope, base, prepared = self._prepared()
        assert prepared.base == base
        assert self.read(envelope, prepared.prepared).startswith(self.read(envelope, base))
        assert len(prepared.digest) == 32

    def test_envelope_2_what_is_stored_between_is_small(self) -> None:
        """envelope-2: what is stored until the value comes takes less than 4 KiB, and holds no document."""
        _, _, prepared = self._prepared()
        assert len(prepared.state) < 4096

    def test_envelope_3_a_key_prepares_once(self) -> None:
        """envelope-3: the same key gives the same place and the same digest again."""
        envelope, base, prepared = self._prepared()
        assert self._prepare(envelope, base, base) == prepared

    def test_envelope_4_a_value_is_embedded(self) -> None:
        """envelope-4: the right value makes the signed document: the exact bytes agreed to, and our revision."""
        envelope, base, prepared = self._prepared()
        signed = self._embed(envelope, prepared)
        content = self.read(envelope, signed)
        assert name_of(content) == signed
        assert content.startswith(self.read(envelope, base))
        assert signed not in (base, prepared.prepared)

    def test_envelope_5_a_key_embeds_once(self) -> None:
        """envelope-5: the same key gives the same signed document again."""
        envelope, _, prepared = self._prepared()
        assert self._embed(envelope, prepared) == self._embed(envelope, prepared)

    def test_envelope_6_a_value_that_does_not_verify_is_refused(self) -> None:
        """envelope-6: a value over another digest, or no signature at all, is rejected as `value_refused`."""
        envelope, _, prepared = self._prepared()
        for number, value in enumerate((self.sign(bytes(32)), b"not a signature", b"")):
            with rejected("value_refused"):
                envelope.embed(
                    key=Key(f"ceremony-0/8/{number}"), prepared=prepared, credential=self.credential(), value=value
                )

    def test_envelope_7_only_what_was_validated_is_signed(self) -> None:
        """envelope-7: a document that does not begin with the validated bytes is rejected as `document_changed`."""
        envelope = self.make_envelope()
        validated = self.keep(envelope, self.document())
        other = self.keep(envelope, self.document(other=True))
        with rejected("document_changed"):
            self._prepare(envelope, validated, other)

    def test_envelope_8_a_second_signature_keeps_the_first(self) -> None:
        """envelope-8: a signed document is signed again on top, and begins with the first signatory's exact bytes."""
        envelope, validated, prepared = self._prepared()
        first = self._embed(envelope, prepared)
        again = self._prepare(envelope, validated, first, key=Key("ceremony-1/4/0"))
        second = self._embed(envelope, again, key=Key("ceremony-1/7/0"))
        assert self.read(envelope, second).startswith(self.read(envelope, first))

    def test_envelope_9_places_are_their_documents_own(self) -> None:
        """envelope-9: two documents have two digests, and a value for one is refused in the other."""
        envelope, _, one = self._prepared()
        base = self.keep(envelope, self.document(other=True))
        two = self._prepare(envelope, base, base, key=Key("ceremony-0/4/1"))
        assert one.digest != two.digest
        with rejected("value_refused"):
            envelope.embed(key=EMBEDDING, prepared=two, credential=self.credential(), value=self.sign(one.digest))

    def test_envelope_10_what_is_not_kept_is_rejected(self) -> None:
        """envelope-10: a document that is not on the shelf is rejected, with a reason."""
        envelope = self.make_envelope()
        missing = name_of(b"kept nowhere")
        with rejected():
            self._prepare(envelope, missing, missing)

    @PROPERTY
    @given(octets=st.binary(max_size=60))
    def test_envelope_11_only_port_errors_come_out(self, octets: bytes) -> None:
        """envelope-11: whatever the document, the stored state or the value, only port errors come out."""
        envelope, prepared = self._shared()
        base = self.keep(envelope, octets)
        key = Key(f"ceremony-0/4/{octets.hex()}")
        only_port_errors(lambda: self._prepare(envelope, base, base, key=key))
        for spoilt, value in (
            (evolve(prepared, state=octets), self.sign(prepared.digest)),
            (evolve(prepared, prepared=base), self.sign(prepared.digest)),
            (prepared, octets),
        ):
            embed = partial(envelope.embed, key=key, credential=self.credential())
            only_port_errors(partial(embed, prepared=spoilt, value=value))

    def test_envelope_12_a_key_embeds_for_one_place(self) -> None:
        """envelope-12: a key that embedded a value is rejected as `key_reused` for another place, and stands."""
        envelope, _, one = self._prepared()
        base = self.keep(envelope, self.document(other=True))
        two = self._prepare(envelope, base, base, key=Key("ceremony-0/4/1"))
        signed = self._embed(envelope, one)
        with rejected("key_reused"):
            self._embed(envelope, two)
        assert self._embed(envelope, one) == signed

    def test_envelope_13_another_s_value_is_refused(self) -> None:
        """envelope-13: a value is judged by the credential it is embedded for: as another's it is rejected."""
        envelope, _, prepared = self._prepared()
        another = evolve(self.credential(), fingerprint=Fingerprint("0" * 64))
        with rejected():
            envelope.embed(key=EMBEDDING, prepared=prepared, credential=another, value=self.sign(prepared.digest))

    def test_envelope_14_another_s_state_is_refused(self) -> None:
        """envelope-14: what was stored for one place is rejected in another, with a reason."""
        envelope, _, one = self._prepared()
        base = self.keep(envelope, self.document(other=True))
        two = self._prepare(envelope, base, base, key=Key("ceremony-0/4/1"))
        mixed = evolve(one, prepared=two.prepared)
        with rejected():
            self._embed(envelope, mixed)

    def test_envelope_15_any_history_keeps_its_word(self) -> None:
        """envelope-15: after any history of places, values, lost answers and restarts, a key has one answer, and each
        signed document begins with the very bytes that its value is for."""
        suite = self

        class History(_History):
            def __init__(self) -> None:
                super().__init__(suite)

        run_any_history(History, examples=self.examples)

    _made: tuple[Envelope, PreparedSignature] | None = None

    def _shared(self) -> tuple[Envelope, PreparedSignature]:
        # One for all examples: preparing a real PDF takes a while.
        if self._made is None:
            envelope, _, prepared = self._prepared()
            self._made = envelope, prepared
        return self._made

    def _prepared(self) -> tuple[Envelope, ContentHash, PreparedSignature]:
        envelope = self.make_envelope()
        base = self.keep(envelope, self.document())
        return envelope, base, self._prepare(envelope, base, base)

    def _prepare(
        self, envelope: Envelope, validated: ContentHash, base: ContentHash, *, key: Key = PREPARING
    ) -> PreparedSignature:
        return envelope.prepare(
            key=key, validated=validated, base=base, credential=self.credential(), at=self.clock.now()
        )

    def _embed(self, envelope: Envelope, prepared: PreparedSignature, *, key: Key = EMBEDDING) -> ContentHash:
        return envelope.embed(
            key=key, prepared=prepared, credential=self.credential(), value=self.sign(prepared.digest)
        )


class _History(RuleBasedStateMachine):
    """Any history of two documents, beside what each key was answered."""

    restarts = RESTARTS

    keys = st.integers(0, 2)

    def __init__(self, suite: EnvelopeConformance) -> None:
        super().__init__()
        suite.setup_method()
        self.suite, self.envelope = suite, suite.make_envelope()
        self.at = suite.clock.now()
        self.bases = [suite.keep(self.envelope, suite.document(other=other)) for other in (False, True)]
        self.prepared: dict[Key, PreparedSignature] = {}
        self.signed: dict[Key, tuple[Key, ContentHash]] = {}
        self.refused = 0

    @rule(key=keys, lost=st.booleans())
    def prepare(self, key: int, lost: bool) -> None:
        asked, base = Key(f"ceremony-{key}/4/0"), self.bases[key % 2]
        made = answered(
            lambda: self.envelope.prepare(
                key=asked, validated=base, base=base, credential=self.suite.credential(), at=self.at
            ),
            lost=lost,
        )
        assert self.prepared.setdefault(asked, made) == made, "another answer than at first"
        others = [one.digest for other, one in self.prepared.items() if other != asked]
        assert made.digest not in others, "two places, one digest"

    @precondition(lambda self: self.prepared)
    @rule(key=st.integers(0, 1), which=keys, right=st.booleans(), lost=st.booleans())
    def embed(self, key: int, which: int, right: bool, lost: bool) -> None:
        asked, place = Key(f"ceremony-{key}/7/0"), list(self.prepared)[which % len(self.prepared)]
        before = self.signed.get(asked)
        prepared = self.prepared[place]
        if before is not None and before[0] != place:
            with rejected("key_reused"):
                self.suite._embed(self.envelope, prepared, key=asked)
        elif not right:
            self.refused += 1
            with rejected("value_refused"):
                self.envelope.embed(
                    key=Key(f"ceremony-0/8/{self.refused}"),
                    prepared=prepared,
                    credential=self.suite.credential(),
                    value=self.suite.sign(name_of(prepared.digest).encode()[-32:]),
                )
        else:
            made = answered(lambda: self.suite._embed(self.envelope, prepared, key=asked), lost=lost)
            assert before is None or made == before[1], "another answer than at first"
            self.signed[asked] = place, made
            content = self.suite.read(self.envelope, made)
            assert content.startswith(self.suite.read(self.envelope, prepared.base)), "another document was signed"

    @rule(by=st.sampled_from(MOMENTS))
    def pass_time(self, by: timedelta) -> None:
        self.suite.pass_time(by)

    @precondition(lambda self: self.restarts)
    @rule()
    def restart(self) -> None:
        self.restarts -= 1
        self.envelope = self.suite.restarted(self.envelope)
