"""The one exception of the embedded database."""

from __future__ import annotations


class EmbeddedDatabaseError(RuntimeError):
    """The embedded database cannot do what was asked; the message says what is wrong and what a person can do."""


class UnreachableError(EmbeddedDatabaseError):
    """The server runs but does not answer."""


class RecoveryUnfinishedError(EmbeddedDatabaseError):
    """The server is still recovering. It is left to go on, because stopping it would throw away what it has done."""
