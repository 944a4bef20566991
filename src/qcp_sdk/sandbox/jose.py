"""A key by which a provider signs: made when it is first needed, and named after itself, so that one that a reset has
replaced is not taken for the new one by clients that remember it."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from typing import Any


class JoseKey:
    """An RSA key for one algorithm of JWS."""

    def __init__(self, algorithm: str) -> None:
        self.algorithm = algorithm

    @cached_property
    def private(self) -> Any:
        """The key itself."""
        from cryptography.hazmat.primitives.asymmetric import rsa

        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @cached_property
    def public(self) -> dict[str, Any]:
        """The public key as a JWK (RFC 7517)."""
        import jwt

        told = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.private.public_key()))
        kid = f"sandbox-{hashlib.sha256(told['n'].encode()).hexdigest()[:12]}"
        return {**told, "kid": kid, "use": "sig", "alg": self.algorithm}

    def jwt(self, claims: dict[str, Any]) -> str:
        """Sign claims."""
        import jwt

        return jwt.encode(claims, self.private, algorithm=self.algorithm, headers={"kid": self.public["kid"]})

    def detached(self, payload: bytes) -> str:
        """Sign a payload that is not in the signature (RFC 7515 appendix F)."""
        import jwt

        headers = {"kid": self.public["kid"]}
        signed = jwt.PyJWS().encode(payload, self.private, algorithm=self.algorithm, headers=headers)
        head, _, signature = signed.split(".")
        return f"{head}..{signature}"
