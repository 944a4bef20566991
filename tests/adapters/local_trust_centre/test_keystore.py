"""The encrypted key store."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from qcp_sdk.adapters.shared.keystore import KeyStore, algorithm, new_key, sign_digest
from qcp_sdk.errors import ConfigurationError, Unavailable
from qcp_sdk.values import Secret

SECRET = Secret("correct horse battery staple")


def opened(directory: Path, passphrase: Secret = SECRET) -> KeyStore:
    return KeyStore(directory, passphrase, work=16)  # quick: these tests guess nothing


def numbers(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> object:
    return key.private_numbers()


def test_a_key_is_made_once_and_found_again(tmp_path: Path) -> None:
    made = opened(tmp_path / "keys").ensure("holder-1", "p256")
    again = opened(tmp_path / "keys")
    assert numbers(again.key("holder-1")) == numbers(made)
    assert numbers(again.ensure("holder-1", "rsa-2048")) == numbers(made)


def test_what_is_on_disk_is_encrypted_and_private(tmp_path: Path) -> None:
    opened(tmp_path / "keys").ensure("holder-1", "p256")
    files = sorted((tmp_path / "keys").iterdir())
    assert [file.name for file in files] == ["holder-1.pem", "keystore.json"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    pem = (tmp_path / "keys" / "holder-1.pem").read_bytes()
    assert pem.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    for password in (None, SECRET.reveal().encode()):  # the passphrase itself opens no file: scrypt stands between
        with pytest.raises((TypeError, ValueError)):
            load_pem_private_key(pem, password)


def test_another_passphrase_opens_nothing(tmp_path: Path) -> None:
    opened(tmp_path / "keys").ensure("holder-1", "p256")
    with pytest.raises(ConfigurationError) as refused:
        opened(tmp_path / "keys", Secret("another"))
    assert "another" not in str(refused.value)
    with pytest.raises(ConfigurationError):
        opened(tmp_path / "keys", Secret(""))


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"n": 32768, "r": 8, "p": 1, "salt": "zz", "check": ""}'])
def test_a_damaged_store_says_so(tmp_path: Path, damage: bytes) -> None:
    opened(tmp_path / "keys")
    (tmp_path / "keys" / "keystore.json").write_bytes(damage)
    with pytest.raises(ConfigurationError, match="damaged"):
        opened(tmp_path / "keys")


def test_a_missing_or_damaged_key_is_unavailable(tmp_path: Path) -> None:
    store = opened(tmp_path / "keys")
    with pytest.raises(Unavailable):
        store.key("nobody")
    (tmp_path / "keys" / "broken.pem").write_bytes(b"not a key")
    with pytest.raises(Unavailable):
        store.key("broken")


@pytest.mark.parametrize("name", ["", "../escape", "UPPER", "a/b", "a\x00b", "a" * 81])
def test_a_name_stays_in_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError):
        opened(tmp_path / "keys").ensure(name, "p256")


def test_many_at_once_get_one_key(tmp_path: Path) -> None:
    stores = [opened(tmp_path / "keys") for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda store: numbers(store.ensure("holder-1", "p256")), stores))
    assert made == [made[0]] * 4


def test_whoever_comes_second_never_replaces_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = opened(tmp_path / "keys"), opened(tmp_path / "keys")
    made = numbers(first.ensure("holder-1", "p256"))
    monkeypatch.setattr(Path, "exists", lambda _: False)  # both looked before either wrote
    assert numbers(second.ensure("holder-1", "p256")) == made


def test_derived_keys_differ_by_purpose_and_by_store(tmp_path: Path) -> None:
    one, other = opened(tmp_path / "one"), opened(tmp_path / "other")
    assert one.derive("a") == opened(tmp_path / "one").derive("a")
    assert len({one.derive("a"), one.derive("b"), other.derive("a")}) == 3


def test_kinds_of_keys() -> None:
    assert algorithm(new_key("p256")) == "sha256_ecdsa"
    assert algorithm(new_key("rsa-2048")) == "sha256_rsa"
    with pytest.raises(ConfigurationError, match="p256, rsa-2048, rsa-3072"):
        new_key("dsa")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="digest"):
        sign_digest(new_key("p256"), b"short")
