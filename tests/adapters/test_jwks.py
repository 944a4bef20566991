"""Somebody else's keys: which of them are for us, and how often they are asked for."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.shared.http import Http
from qcp_sdk.adapters.shared.jwks import JwkSet
from qcp_sdk.errors import Unavailable
from qcp_sdk.testing.conformance.examples import START

P256 = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key()))
P384 = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP384R1()).public_key()))
RSA = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048).public_key()))


class Issuer:
    """Publishes keys, and counts who asks."""

    def __init__(self, *keys: Any) -> None:
        self.keys, self.status, self.asked = keys, "200 OK", 0

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        self.asked += 1
        start(self.status, [])
        return [json.dumps({"keys": self.keys}).encode()]


def keys_of(issuer: Issuer, clock: ManualClock | None = None) -> JwkSet:
    http = Http("https://issuer.test", serve=issuer)
    return JwkSet(http, path="/k", algorithms=("RS256", "ES256"), clock=clock or ManualClock(START), where="issuer")


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (P256, "ES256"),
        (RSA, "RS256"),
        ({**P256, "alg": "ES256"}, "ES256"),
        ({**RSA, "alg": "RS256"}, "RS256"),
        (P384, None),  # ES256 has one curve
        ({**RSA, "alg": "PS256"}, None),
        ({**P256, "alg": "RS256"}, None),
        ({"kty": "oct", "k": "c2VjcmV0"}, None),
        ({**P256, "alg": ["ES256"]}, None),
        ("ES256", None),
    ],
)
def test_a_key_is_for_the_algorithm_that_it_names_or_fits(key: Any, algorithm: str | None) -> None:
    """RFC 7517 § 4.4: `alg` is optional."""
    found = keys_of(Issuer({**key, "kid": "k"} if isinstance(key, dict) else key)).key("k")
    assert (found.algorithm_name if found is not None else None) == algorithm


def test_forged_ids_do_not_make_us_ask_while_keys_cannot_be_had() -> None:
    clock, issuer = ManualClock(START), Issuer({**RSA, "kid": "k"})
    keys, issuer.status = keys_of(issuer, clock), "503 Service Unavailable"
    for number in range(50):
        with pytest.raises(Unavailable, match="keys cannot be had"):
            keys.key(f"forged-{number}")
    assert issuer.asked == 1
    issuer.status = "200 OK"
    clock.advance(timedelta(seconds=10))
    assert keys.key("k") is not None
    assert issuer.asked == 2
