"""Named tokens: one file in the engine's private folder, hashes instead of tokens.

`tidegate token` writes it and the server reads it again when it changed, so that a deleted token is
refused at once, and neither needs the other to run.

A token is 256 random bits, so one SHA-256 is enough: slow hashes are for what people make up.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from tidegate.apiserver.access import Role
from tidegate.apiserver.pki import write_private
from tidegate.model.conditions import timestamp

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
_PREFIX = "tg_"  # so that scanners of leaked secrets can know one
RESERVED = "admin"  # the user of the engine's own kubeconfig

_log = logging.getLogger(__name__)


class TokenError(Exception):
    """Base. TokenRefused: another name will do. NoSuchToken. TokensUnreadable: the file is broken."""


class TokenRefused(TokenError):
    """A name that is taken or can't be one."""


class NoSuchToken(TokenError):
    def __init__(self, name: str, names: list[str]) -> None:
        known = f"there are {', '.join(names)}" if names else "there are none"
        super().__init__(f"no token {name!r}: {known}")


class TokensUnreadable(TokenError):
    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}. Delete it and create the tokens anew")


@dataclass(frozen=True, slots=True)
class NamedToken:
    """`digest`: SHA-256 of the token, hexadecimal; `created`: RFC 3339."""

    name: str
    role: Role
    digest: str
    created: str


class Tokens:
    """The tokens of one engine. Reads are cached until the file changes; writes are locked, so any
    number of processes may have one."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "tokens.json"
        self._seen: tuple[int, ...] | None = None
        self._by_digest: Mapping[str, NamedToken] = {}

    def all(self) -> list[NamedToken]:
        """In order of their creation. Raises TokensUnreadable."""
        try:
            text = self._path.read_text()
        except FileNotFoundError:
            return []
        try:
            return [NamedToken(**{**one, "role": Role(one["role"])}) for one in json.loads(text)]
        except (ValueError, TypeError, KeyError) as why:
            raise TokensUnreadable(self._path, f"no list of tokens ({why})") from why

    def create(self, role: Role, *, now_s: float, name: str | None = None) -> tuple[str, str]:
        """A new token's name (made up for None) and the token, which is told this once.

        Raises TokenRefused, TokensUnreadable.
        """
        name = name or f"{role.value}-{secrets.token_hex(3)}"
        if not _NAME.fullmatch(name):
            raise TokenRefused(
                f"a token can't be called {name!r}: lower case letters, digits, - and ., 63 at most"
            )
        secret = _PREFIX + secrets.token_urlsafe(32)
        with self._locked():
            known = self.all()
            if name == RESERVED or any(one.name == name for one in known):
                raise TokenRefused(f"there is a token {name!r} already: take another name")
            self._write([*known, NamedToken(name, role, _digest(secret), timestamp(now_s))])
        return name, secret

    def delete(self, name: str) -> None:
        """From now on nobody gets in with it. Raises NoSuchToken, TokensUnreadable."""
        with self._locked():
            known = self.all()
            left = [one for one in known if one.name != name]
            if len(left) == len(known):
                raise NoSuchToken(name, [one.name for one in known])
            self._write(left)

    def owner(self, secret: str) -> NamedToken | None:
        """Whose token it is; None: nobody's (also while the file can't be read, which is logged)."""
        try:
            at = self._path.stat()
        except FileNotFoundError:
            return None
        seen = (at.st_ino, at.st_mtime_ns, at.st_size)
        if seen != self._seen:
            try:
                self._by_digest = {one.digest: one for one in self.all()}
            except (TokensUnreadable, OSError) as why:
                self._by_digest = {}
                _log.warning("no named token is let in: %s", why)
            self._seen = seen
        return self._by_digest.get(_digest(secret))

    def _write(self, tokens: list[NamedToken]) -> None:
        write_private(self._path, (json.dumps([asdict(t) for t in tokens], indent=1)).encode())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(
            self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
