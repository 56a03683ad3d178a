"""Reading parsed JSON that may be anything: each of these answers for every value, and none raises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def text(value: object) -> str | None:
    """A string with something in it, without the blanks around it; ``None`` for anything else."""
    return (value.strip() or None) if isinstance(value, str) else None


def as_object(value: object) -> Mapping[str, Any]:
    """The object, or an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """The list, or an empty one."""
    return value if isinstance(value, list) else []


def first(value: object) -> object:
    """The first element of a list that has one; anything else as it is."""
    return value[0] if isinstance(value, list) and value else value


def child(holder: object, name: str) -> object:
    """A member of the object, or of the first object in a list; ``None`` where there is none."""
    return as_object(first(holder)).get(name)


def objects(value: object) -> list[Mapping[str, Any]]:
    """The objects in a list, or the one object that stands where a list is expected."""
    candidates = value if isinstance(value, list) else [value]
    return [each for each in candidates if isinstance(each, dict)]
