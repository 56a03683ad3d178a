"""Content as labelled items, with nothing lost: what a presenter has no label for is shown under its own name.

A `Sheet` is one object of the content. What is taken from it is shown by whoever takes it; what is left at the end is
shown generically. A value of a shape that nobody expects is shown generically as well, so that content of a newer
release or of another system never disappears from view (CORE-BND-13, APP-COM-19).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cad_bridge.web.board.presenters.moments import dated
from cad_bridge.web.board.presenters.words import spoken


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One line of a value."""

    text: str
    code: str = ""
    """The code that `text` says in words."""
    system: str = ""
    """Whose code it is."""
    iso: str = ""
    """For dates and times: ISO 8601, UTC."""
    href: str = ""
    note: str = ""
    """What qualifies the value: a rank, a use."""
    tone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A label and what stands beside it. With neither values nor items it is "not provided"."""

    label: str
    values: tuple[Value, ...] = ()
    items: tuple[Item, ...] = ()
    note: str = ""
    tone: str = ""

    @property
    def missing(self) -> bool:
        """Whether nothing was provided."""
        return not self.values and not self.items


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Related items under a heading."""

    key: str
    title: str
    items: tuple[Item, ...] = ()
    note: str = ""


Shower = Callable[[str, Any], Item]
"""Makes the item of a label and a value that is not empty."""


def is_empty(value: Any) -> bool:
    """Whether a value says nothing. False and 0 say something."""
    return value is None or value in ("", [], {}, ())


def plain(label: str, value: Any) -> Item:
    """Any value at all: texts as they are, lists line by line, objects as items of their own."""
    if isinstance(value, Mapping):
        return Item(label=label, items=tuple(_each(value.items())))
    if isinstance(value, list | tuple):
        if all(_is_scalar(entry) for entry in value):
            return Item(label=label, values=tuple(Value(text=_said(entry)) for entry in value if entry is not None))
        return Item(label=label, items=tuple(_each((f"{label} {n}", entry) for n, entry in enumerate(value, 1))))
    return Item(label=label, values=(Value(text=_said(value)),))


def _each(pairs: Iterable[tuple[str, Any]]) -> Iterable[Item]:
    return (plain(spoken(str(name)), value) for name, value in pairs if not is_empty(value))


def _is_scalar(value: Any) -> bool:
    return not isinstance(value, Mapping | list | tuple)


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return str(value)


def moment(label: str, value: Any) -> Item:
    """A date, partial date or time; anything else as it is."""
    shown = dated(value) if isinstance(value, str) else None
    if shown is None:
        return plain(label, value)
    return Item(label=label, values=(Value(text=shown.text, iso=shown.iso),))


def worded(words: Mapping[Any, str]) -> Shower:
    """A closed vocabulary in words; a value outside it as it is."""

    def show(label: str, value: Any) -> Item:
        known = words.get(value) if _is_scalar(value) else None
        return plain(label, value) if known is None else Item(label=label, values=(Value(text=known),))

    return show


_KNOWN_SYSTEMS = {"http://snomed.info/sct": "SNOMED CT"}


def coded(label: str, value: Any) -> Item:
    """A code with its display, and its system where it has one."""
    if not isinstance(value, Mapping):
        return plain(label, value)
    sheet = Sheet(value)
    code, display, system = sheet.string("code"), sheet.string("display"), sheet.string("system")
    if not code and not display:
        return plain(label, value)
    said = Value(text=display or code, code=code if display else "", system=_KNOWN_SYSTEMS.get(system, system))
    return Item(label=label, values=(said,), items=sheet.rest())


def each(show: Shower) -> Shower:
    """The items of a list, one by one under one label."""

    def show_all(label: str, value: Any) -> Item:
        if not isinstance(value, list | tuple):
            return show(label, value)
        shown = [show(label, entry) for entry in value if not is_empty(entry)]
        if all(not item.items for item in shown):
            return Item(label=label, values=tuple(line for item in shown for line in item.values))
        return Item(label=label, items=tuple(replace(item, label=f"{label} {n}") for n, item in enumerate(shown, 1)))

    return show_all


class Sheet:
    """One object of the content, of which everything is shown in the end."""

    def __init__(self, value: Any) -> None:
        self._left: dict[str, Any] = dict(value) if isinstance(value, Mapping) else {}
        self._strange: Any = None if isinstance(value, Mapping) else value

    def take(self, name: str) -> Any:
        """Take a value of any kind, None where there is none; whoever takes it shows all of it."""
        return self._left.pop(name, None)

    def look(self, name: str) -> Any:
        """A value of any kind without taking it, None where there is none; whoever takes it shows all of it."""
        return self._left.get(name)

    def string(self, name: str) -> str:
        """Take a text; empty where there is none. A value of another kind stays."""
        return str(self._left.pop(name)) if isinstance(self._left.get(name), str) else ""

    def strings(self, name: str) -> tuple[str, ...]:
        """Take a list of texts. A value of another kind stays."""
        value = self._left.get(name)
        if isinstance(value, list | tuple) and all(isinstance(entry, str) for entry in value):
            return tuple(self._left.pop(name))
        return ()

    def number(self, name: str) -> int | float | None:
        """Take a number."""
        value = self._left.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        del self._left[name]
        return value

    def sheet(self, name: str) -> Sheet:
        """Take an object; one without anything where there is none. A value of another kind stays."""
        if isinstance(self._left.get(name), Mapping):
            return Sheet(self._left.pop(name))
        return Sheet({})

    def sheets(self, name: str) -> list[Sheet]:
        """Take a list, each entry as a sheet; entries that are no objects are shown as they are."""
        value = self._left.get(name)
        return [Sheet(entry) for entry in self._left.pop(name)] if isinstance(value, list | tuple) else []

    def item(self, label: str, name: str, show: Shower = plain, *, needed: bool = False) -> tuple[Item, ...]:
        """Take a value and show it: one item, or none where there is nothing; "not provided" if it is `needed`."""
        value = self._left.pop(name, None)
        if is_empty(value):
            return (Item(label=label),) if needed else ()
        return (show(label, value),)

    def has(self, name: str) -> bool:
        """Whether there is anything under that name still."""
        return not is_empty(self._left.get(name))

    def rest(self) -> tuple[Item, ...]:
        """Everything that nobody has taken."""
        left, self._left = self._left, {}
        strange, self._strange = self._strange, None
        found = tuple(_each(left.items()))
        return found if is_empty(strange) else (*found, plain("As sent", strange))
