from __future__ import annotations

import json
import os
import pickle
import stat
from pathlib import Path

import pytest

from qcp_sdk.adapters.keyring import VARIABLE, KeyRing
from qcp_sdk.adapters.kms_keys import KmsKeys
from qcp_sdk.adapters.memory.keys import MemoryKeys
from qcp_sdk.adapters.memory.kms import MemoryKms
from qcp_sdk.errors import ConfigurationError, NotFound, Rejected
from qcp_sdk.ports.keys import Keys
from qcp_sdk.ports.kms import Kms, Wrapped
from qcp_sdk.testing.conformance.keys import PAYLOAD, PLACE, KeysConformance
from qcp_sdk.testing.conformance.kms import KmsConformance


class TestMemoryKeys(KeysConformance):
    def make_keys(self, installation: str) -> MemoryKeys:
        return MemoryKeys(seed=installation)

    def rotated(self, keys: Keys) -> MemoryKeys:
        assert isinstance(keys, MemoryKeys)
        keys.rotate()
        return keys


class TestKeyRing(KeysConformance):
    folder: Path

    @pytest.fixture(autouse=True)
    def _in_a_folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def make_keys(self, installation: str) -> KeyRing:
        return KeyRing.from_file(self.folder / f"{installation}.json", create=True)

    def reopened(self, keys: Keys) -> KeyRing:
        return self.make_keys("here")

    def rotated(self, keys: Keys) -> KeyRing:
        """As an operator does: in the file. The ring that is held follows it."""
        assert isinstance(keys, KeyRing)
        keys.rotate().save(self.folder / "here.json")
        return keys


class TestKmsKeys(KeysConformance):
    """Over one service for each installation; its root is what a configuration would hold."""

    services: dict[str, tuple[MemoryKms, str]]

    @pytest.fixture(autouse=True)
    def _with_services(self) -> None:
        self.services = {}

    def make_keys(self, installation: str) -> KmsKeys:
        if installation not in self.services:
            kms = MemoryKms(installation)
            self.services[installation] = kms, KmsKeys.new_root(kms)
        kms, root = self.services[installation]
        return KmsKeys(kms, root=root)

    def reopened(self, keys: Keys) -> KmsKeys:
        return self.make_keys("here")

    def rotated(self, keys: Keys) -> Keys:
        self.services["here"][0].rotate()
        return keys


class TestMemoryKms(KmsConformance):
    def make_kms(self, account: str) -> MemoryKms:
        return MemoryKms(account)

    def rotated(self, kms: Kms) -> Kms:
        assert isinstance(kms, MemoryKms)
        kms.rotate()
        return kms

    def disabled(self, kms: Kms, key: str) -> Kms:
        assert isinstance(kms, MemoryKms)
        kms.disable(key)
        return kms


class TestKeyRingAsKms(KmsConformance):
    rings: dict[str, KeyRing]

    @pytest.fixture(autouse=True)
    def _with_rings(self) -> None:
        self.rings = {}

    def make_kms(self, account: str) -> KeyRing:
        ring = self.rings.setdefault(account, KeyRing.generate())
        return KeyRing.from_text(ring.text())

    def rotated(self, kms: Kms) -> Kms:
        assert isinstance(kms, KeyRing)
        return kms.rotate()

    def disabled(self, kms: Kms, key: str) -> Kms:
        assert isinstance(kms, KeyRing)
        return kms.without(key)


class TestKeysOfAKms:
    def test_the_service_is_asked_once_for_each_data_key_that_is_kept(self) -> None:
        asked: list[str] = []

        class Counted(MemoryKms):
            def unwrap(self, *, wrapped: Wrapped) -> bytes:
                asked.append(wrapped.key)
                return super().unwrap(wrapped=wrapped)

        kms = Counted()
        root = KmsKeys.new_root(kms)
        data_keys = [KmsKeys(kms, root=root).new_data_key() for _ in range(3)]
        keys = KmsKeys(kms, root=root, most_kept=2)
        asked.clear()
        for data_key in (*data_keys[:2], *data_keys[:2], data_keys[2], *data_keys[1:], data_keys[0]):
            keys.seal(data_key=data_key, place=PLACE, payload=PAYLOAD)
        assert len(asked) == 4, "the first made room for the third"

    def test_what_is_no_root_is_refused_without_being_shown(self) -> None:
        kms = MemoryKms()
        whole = json.loads(KmsKeys.new_root(kms))
        broken: list[object] = [
            {},
            [],
            None,
            whole | {"version": 2},
            whole | {"root": "secret!"},
            whole | {"key": "other"},
        ]
        for data in broken:
            with pytest.raises(ConfigurationError) as told:
                KmsKeys(kms, root=json.dumps(data))
            assert "secret" not in str(told.value)
        for text in ("", "{", "[" * 100_000):
            with pytest.raises(ConfigurationError):
                KmsKeys(kms, root=text)

    def test_the_root_is_brought_over_before_its_key_goes(self) -> None:
        kms = MemoryKms()
        root = KmsKeys.new_root(kms)
        keys, old = KmsKeys(kms, root=root), kms.current
        kms.rotate()
        anew = keys.rewrapped_root()
        kms.disable(old)
        assert KmsKeys(kms, root=anew).derive(purpose="index") == keys.derive(purpose="index")
        with pytest.raises(ConfigurationError):
            KmsKeys(kms, root=root)

    def test_it_is_neither_printed_nor_pickled(self) -> None:
        kms = MemoryKms()
        keys = KmsKeys(kms, root=KmsKeys.new_root(kms))
        assert repr(keys) == "KmsKeys(MemoryKms)"
        with pytest.raises(TypeError):
            pickle.dumps(keys)


class TestAKeyRing:
    def test_a_new_file_is_private_and_made_once(self, tmp_path: Path) -> None:
        path = tmp_path / "deep" / "ring.json"
        with pytest.raises(ConfigurationError):
            KeyRing.from_file(path)
        ring = KeyRing.from_file(path, create=True)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert KeyRing.from_file(path, create=True).text() == ring.text()
        assert [each.name for each in path.parent.iterdir()] == ["ring.json"]

    @pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
    def test_a_file_that_others_may_read_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "ring.json"
        KeyRing.from_file(path, create=True)
        path.chmod(0o640)
        with pytest.raises(ConfigurationError, match="chmod 600"):
            KeyRing.from_file(path)

    def test_it_is_read_from_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ring = KeyRing.generate()
        monkeypatch.delenv(VARIABLE, raising=False)
        with pytest.raises(ConfigurationError, match=VARIABLE):
            KeyRing.from_environment()
        monkeypatch.setenv(VARIABLE, ring.text())
        assert KeyRing.from_environment().derive(purpose="codes") == ring.derive(purpose="codes")

    def test_what_is_no_ring_is_refused_without_being_shown(self) -> None:
        whole = json.loads(KeyRing.generate().text())
        broken: list[object] = [
            {},
            [],
            None,
            whole | {"version": 2},
            whole | {"current": "k-gone"},
            whole | {"keys": {}},
            whole | {"keys": {"é": whole["root"]}},
            whole | {"root": "c2VjcmV0"},
            whole | {"root": "secret!"},
            whole | {"keys": "secret"},
        ]
        for data in broken:
            with pytest.raises(ConfigurationError) as told:
                KeyRing.from_text(json.dumps(data))
            assert "secret" not in str(told.value)
            assert whole["root"] not in str(told.value)
        for text in ("", "{", "[" * 100_000):
            with pytest.raises(ConfigurationError):
                KeyRing.from_text(text)

    def test_after_a_rotation_all_opens_and_derives_as_before(self, tmp_path: Path) -> None:
        ring = KeyRing.generate()
        old = ring.new_data_key()
        sealed = ring.seal(data_key=old, place=PLACE, payload=PAYLOAD)
        rotated = ring.rotate()
        rotated.save(tmp_path / "ring.json")
        rotated = KeyRing.from_file(tmp_path / "ring.json")
        assert rotated.current != ring.current
        assert rotated.derive(purpose="codes") == ring.derive(purpose="codes")
        assert rotated.open(data_key=old, place=PLACE, sealed=sealed) == PAYLOAD

        rewrapped = rotated.rewrap(data_key=old)
        assert rotated.open(data_key=rewrapped, place=PLACE, sealed=sealed) == PAYLOAD
        for new in (rewrapped, rotated.new_data_key()):
            with pytest.raises(Rejected) as told:  # the ring before the rotation does not hold the new key
                ring.seal(data_key=new, place=PLACE, payload=PAYLOAD)
            assert told.value.reason == "unknown_key"

    def test_a_key_is_added_used_and_dropped_in_steps(self) -> None:
        ring = KeyRing.generate()
        (first,) = ring.ids
        two = ring.added()
        assert (two.current, len(two.ids)) == (first, 2)
        old = two.new_data_key()
        used = two.using(two.ids[1])
        assert used.current == two.ids[1]
        for wrong in (used.using, used.without):
            with pytest.raises(NotFound):
                wrong("k-none")
        with pytest.raises(ConfigurationError):
            used.without(used.current)
        dropped = used.without(first)
        assert dropped.ids == (used.current,)
        with pytest.raises(Rejected):
            dropped.rewrap(data_key=old)

    def test_a_ring_follows_its_file(self, tmp_path: Path) -> None:
        """A worker that runs while an operator rotates meets no key that it lacks, and uses the old one no longer."""
        path = tmp_path / "ring.json"
        running = KeyRing.from_file(path, create=True)
        before = running.current
        rotated = KeyRing.from_file(path).rotate()
        rotated.save(path)
        elsewhere = rotated.new_data_key()
        sealed = rotated.seal(data_key=elsewhere, place=PLACE, payload=PAYLOAD)
        assert running.open(data_key=elsewhere, place=PLACE, sealed=sealed) == PAYLOAD
        assert running.wrapped_by(data_key=running.new_data_key()) == rotated.current != before

    def test_a_file_that_is_gone_or_anothers_changes_nothing(self, tmp_path: Path) -> None:
        path = tmp_path / "ring.json"
        running = KeyRing.from_file(path, create=True)
        before = running.current
        KeyRing.generate().save(path)
        assert running.wrapped_by(data_key=running.new_data_key()) == running.current == before
        path.write_text("{")
        assert running.current == before
        path.unlink()
        assert running.current == before

    def test_it_is_neither_printed_nor_pickled(self) -> None:
        ring = KeyRing.generate()
        data = json.loads(ring.text())
        assert not [key for key in (data["root"], *data["keys"].values()) if key in repr(ring)]
        with pytest.raises(TypeError):
            pickle.dumps(ring)


def test_the_keys_of_a_seed_are_always_the_same() -> None:
    """Simulations replay: a seed gives the same keys and the same sealed bytes in every run."""

    def sealed() -> tuple[bytes, bytes, bytes]:
        keys = MemoryKeys("seed")
        data_key = keys.new_data_key()
        return keys.derive(purpose="codes"), data_key, keys.seal(data_key=data_key, place=PLACE, payload=PAYLOAD)

    assert sealed() == sealed()
