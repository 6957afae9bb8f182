"""An identity provider for tests: keys, their JWK Set, and tokens made with PyJWT."""

import time
from pathlib import Path
from typing import Any

import jwt
import orjson
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from streams.config import Access

ISSUER = "https://id.provider.example/"
AUDIENCE = "rmm-scrub"
_PEM = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


class Provider:
    """Signs tokens; `jwks` is the file with its public keys."""

    def __init__(self, folder: Path, kid: str = "k1") -> None:
        self.kid = kid
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.jwks = folder / "provider.jwks.json"
        public: Any = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        self.jwks.write_bytes(orjson.dumps({"keys": [{**public, "kid": kid, "use": "sig"}]}))

    @property
    def access(self) -> Access:
        """Settings that trust this provider."""
        return Access(issuer=ISSUER, audience=AUDIENCE, jwks=str(self.jwks))

    def token(self, subject: str = "alice", *, roles: tuple[str, ...] = (), typ: str = "JWT", **claims: Any) -> str:
        """A token; `claims` override, and None takes one out."""
        now = int(time.time())
        given = {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + 600, "roles": list(roles)}
        kept = {name: value for name, value in {**given, **claims}.items() if value is not None}
        return jwt.encode(kept, self.key, algorithm="RS256", headers={"kid": self.kid, "typ": typ})

    def granter(self, subject: str = "grace") -> str:
        """A token in the granter's role."""
        return self.token(subject, roles=("rmm-scrub-granter",))
