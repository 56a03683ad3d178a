"""A received message, read element by element, with a ledger of what was read.

What a reader takes is marked; what is left at the end is listed for the user, so that nothing the sender sent is lost
from view (CORE-BND-13). Reading never raises: an element of an unexpected kind reads as absent and stays on the list.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import ValidationError

from cad_bridge.fhir.content_types import ContentModel, is_readable
from cad_bridge.fhir.issues import Issue, Severity

Content = TypeVar("Content", bound=ContentModel)

_TOKEN = re.compile(r"\S+( \S+)*")
_TECHNICAL = frozenset({"resourceType", "id", "fullUrl", "url", "meta", "system", "reference", "linkId"})
"""Elements that say how a message hangs together, and nothing about the patient."""


class Ledger:
    """What was read of one message, and what is wrong with it."""

    def __init__(self) -> None:
        self.read: set[str] = set()
        self.issues: list[Issue] = []

    def warn(self, expression: str, code: str, diagnostics: str, rule: str) -> None:
        """Record a deviation that is tolerated and shown (DESIGN decision 11). `diagnostics` holds no value."""
        self.issues.append(
            Issue(severity=Severity.WARNING, code=code, expression=expression, diagnostics=diagnostics, rule=rule)
        )

    def forget(self, expression: str) -> None:
        """Put everything at and below `expression` back on the list of what was not read."""
        self.read = {path for path in self.read if not _is_within(path, expression)}


class Node:
    """One element of the message, at its FHIRPath."""

    __slots__ = ("ledger", "path", "value")

    def __init__(self, value: Any, path: str, ledger: Ledger) -> None:
        self.value = value
        self.path = path
        self.ledger = ledger

    def child(self, name: str) -> Node:
        """The element of that name; of one that is absent everything reads as absent."""
        value = self.value.get(name) if isinstance(self.value, dict) else None
        return Node(value, f"{self.path}.{name}", self.ledger)

    def items(self, name: str) -> list[Node]:
        """The items of a repeating element. A single one sent without its list is read as well."""
        node = self.child(name)
        if node.value is None:
            return []
        if not isinstance(node.value, list):
            return [node]
        return [Node(value, f"{node.path}[{index}]", self.ledger) for index, value in enumerate(node.value)]

    def first(self, name: str) -> Node:
        """The first item of a repeating element."""
        items = self.items(name)
        return items[0] if items else Node(None, f"{self.path}.{name}[0]", self.ledger)

    @property
    def exists(self) -> bool:
        """Whether the message has the element."""
        return self.value is not None

    @property
    def word(self) -> str | None:
        """The text as it is, for comparing; not marked as read."""
        return self.value if isinstance(self.value, str) else None

    def text(self) -> str | None:
        """The text, marked as read; None if it is absent, no text, or not readable."""
        if not isinstance(self.value, str) or not is_readable(self.value):
            return None
        self.ledger.read.add(self.path)
        return self.value

    def token(self) -> str | None:
        """The code or identifier, marked as read; None if it is absent or no code."""
        return self.text() if isinstance(self.value, str) and _TOKEN.fullmatch(self.value) else None

    def choice(self, *allowed: str) -> str | None:
        """One of the allowed words, marked as read."""
        return self.text() if self.word in allowed else None

    def number(self) -> int | float | None:
        """The finite number, marked as read."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float) or not math.isfinite(self.value):
            return None
        self.ledger.read.add(self.path)
        return self.value

    def positive(self) -> int | None:
        """The positive integer, marked as read."""
        return self.value if isinstance(self.value, int) and 0 < self.value < 2**31 and self.number() else None

    def boolean(self) -> bool | None:
        """The truth value, marked as read."""
        if not isinstance(self.value, bool):
            return None
        self.ledger.read.add(self.path)
        return self.value

    def texts(self, name: str) -> tuple[str, ...]:
        """The texts of a repeating element."""
        found = (item.text() for item in self.items(name))
        return tuple(text for text in found if text is not None)

    def target(self) -> str | None:
        """Where a Reference points to."""
        reference = self.child("reference")
        return reference.word

    def done(self) -> None:
        """Mark the whole element as read: it is known to say nothing more."""
        self.ledger.read.update(path for path, _ in leaves(self.value, self.path))

    def expect(self, name: str, *values: str) -> None:
        """Mark a child as read if it says what it always says here."""
        node = self.child(name)
        if node.word in values:
            node.done()

    def make(self, model: type[Content], **fields: Any) -> Content | None:
        """The content model of what was read here; None, an issue, and nothing read if it does not fit."""
        try:
            return model(**fields)
        except ValidationError:
            self.ledger.forget(self.path)
            self.ledger.warn(
                self.path, "value", f"This cannot be read as {model.__name__}; it is shown as sent.", "read"
            )
            return None


def leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every text, number and truth value below `value`, with its path; technical elements are passed over."""
    if isinstance(value, dict):
        for name, child in value.items():
            if name not in _TECHNICAL:
                yield from leaves(child, f"{path}.{name}")
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from leaves(child, f"{path}[{index}]")
    elif value is not None:
        yield path, value


def _is_within(path: str, ancestor: str) -> bool:
    return path.startswith(ancestor) and (len(path) == len(ancestor) or path[len(ancestor)] in ".[")
