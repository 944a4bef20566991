from __future__ import annotations

import json
import os
import pickle
import stat
from pathlib import Path

import pytest

from qcp_sdk.adapters.keyring import VARIABLE, KeyRing
from qcp_sdk.adapters.memory.keys import MemoryKeys
from qcp_sdk.errors import ConfigurationError, Rejected
from qcp_sdk.ports.keys import Keys
from qcp_sdk.testing.conformance.keys import PAYLOAD, PLACE, KeysConformance


class TestMemoryKeys(KeysConformance):
    def make_keys(self, installation: str) -> MemoryKeys:
        return MemoryKeys(seed=installation)


class TestKeyRing(KeysConformance):
    folder: Path

    @pytest.fixture(autouse=True)
    def _in_a_folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def make_keys(self, installation: str) -> KeyRing:
        return KeyRing.from_file(self.folder / f"{installation}.json", create=True)

    def reopened(self, keys: Keys) -> KeyRing:
        return self.make_keys("here")


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
