"""The broker's side of SASL PLAIN and SCRAM, for tests: written after the RFCs, independent of the client's library.

Source: RFC 4616 (PLAIN), RFC 5802 and 7677 (SCRAM); Kafka's mechanisms are SCRAM-SHA-256 and -512.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

HASHES: Mapping[str, str] = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}
MECHANISMS = ("PLAIN", *HASHES)


class Refused(Exception):
    """These are not the credentials of anybody."""


@dataclass
class Conversation:
    """One client's authentication: feed `answer` what it says until it is `done`."""

    mechanism: str
    users: Mapping[str, str]
    """Names and passwords."""
    salt: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    nonce: str = field(default_factory=lambda: secrets.token_hex(12))
    iterations: int = 4096
    done: bool = False
    user: str | None = None
    _first: str = ""  # of the client, without the GS2 header
    _said: str = ""  # the server's first message

    def answer(self, said: bytes) -> bytes:
        """What the server says to that. Raises `Refused`."""
        if self.mechanism == "PLAIN":
            return self._plain(said)
        return self._final(said.decode()) if self._said else self._challenge(said.decode())

    def _plain(self, said: bytes) -> bytes:
        _, user, password = said.decode().split("\0")
        if self.users.get(user) != password:
            raise Refused
        self.user, self.done = user, True
        return b""

    def _challenge(self, said: str) -> bytes:
        if not said.startswith("n,,"):
            raise Refused  # channel binding, which Kafka doesn't have
        self._first = said.removeprefix("n,,")
        name, client_nonce = _fields(self._first)["n"], _fields(self._first)["r"]
        self.user = name.replace("=2C", ",").replace("=3D", "=")
        salt = base64.b64encode(self.salt).decode()
        self._said = f"r={client_nonce}{self.nonce},s={salt},i={self.iterations}"
        return self._said.encode()

    def _final(self, said: str) -> bytes:
        without_proof, _, proof = said.rpartition(",p=")
        fields = _fields(without_proof)
        password = self.users.get(self.user or "")
        if fields["c"] != "biws" or fields["r"] != _fields(self._said)["r"] or password is None:
            raise Refused
        hashed = HASHES[self.mechanism]
        salted = hashlib.pbkdf2_hmac(hashed, password.encode(), self.salt, self.iterations)
        everything = f"{self._first},{self._said},{without_proof}".encode()

        def mac(key: bytes, text: bytes) -> bytes:
            return hmac.digest(key, text, hashed)

        stored = hashlib.new(hashed, mac(salted, b"Client Key")).digest()
        signature = mac(stored, everything)
        sent = base64.b64decode(proof)
        client_key = bytes(a ^ b for a, b in zip(sent, signature, strict=True))
        if hashlib.new(hashed, client_key).digest() != stored:
            raise Refused
        self.done = True
        return b"v=" + base64.b64encode(mac(mac(salted, b"Server Key"), everything))


def _fields(text: str) -> dict[str, str]:
    return {name: value for name, _, value in (part.partition("=") for part in text.split(","))}
