"""A model that is named by an address and not by a path: ``http://host/v2/models/m``, ``command:./score``, ``mlflow:folder``.

``Address.of(text)`` tells addresses from paths; formats recognise theirs by ``scheme``. Nothing here opens a connection.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from assay.errors import ConfigError

__all__ = ["Address", "Written"]

# Without two slashes: what is known to be no file name. A drive of Windows has one letter.
_PLAIN = ("command:", "mlflow:", "models:/", "runs:/", "mlflow-artifacts:/")


class Written(str):
    """An address that stands in a configuration: rows would go to, or code would run, where whoever wrote the file says."""

    __slots__ = ()


@dataclass(frozen=True)
class Address:
    """``scheme`` in small letters, and ``rest``: all that stands behind its colon."""

    scheme: str
    rest: str

    @classmethod
    def of(cls, text: str) -> Address | None:
        """Return the address in ``text``, or None where it is a path.

        >>> Address.of("command:./score --fast"), Address.of("models/m.onnx")
        (Address(scheme='command', rest='./score --fast'), None)
        """
        scheme, colon, rest = text.partition(":")
        if not colon or not (text.startswith(_PLAIN) or re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text)):
            return None
        return cls(scheme.lower(), rest)

    def check(self) -> None:
        """Raise ``ConfigError`` for an address that holds credentials: they would end up in logs and in the history of a shell."""
        if self.rest.startswith("//") and "@" in re.split(r"[/?#]", self.rest[2:])[0]:
            raise ConfigError("the address holds a user name or a password", where=self.shown, expected="an address without",
                              hint="put the secret in an environment variable: token_env=NAME")

    def __str__(self) -> str:
        return f"{self.scheme}:{self.rest}"

    @property
    def shown(self) -> str:
        """The address for messages: without credentials, query and arguments, which may hold secrets."""
        if self.rest.startswith("//"):
            parts = urlsplit(str(self))
            return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        return f"{self.scheme}:{self.rest.split(maxsplit=1)[0] if self.scheme == 'command' and self.rest.strip() else self.rest}"

    def digest(self, *more: object) -> str:
        """The SHA-256 of the address as it is shown, and of what else tells this model from others there (a version)."""
        return hashlib.sha256("\n".join([self.shown, *map(str, more)]).encode()).hexdigest()
