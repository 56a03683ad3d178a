"""Where in a message an element stands: found by identity, written as FHIRPath.

Checks walk a message without keeping track of where they are, which would cost more than the checks; only for what is
wrong is the place looked up. FHIRPath names a choice by its stem: JSON ``occurrencePeriod`` is ``occurrence``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from functools import cache, lru_cache
from typing import Any

from cad_bridge.fhir.schema import ANY_RESOURCE, message_schema
from cad_bridge.fhir.schema_fields import Field, fields_of
from cad_bridge.fhir.schema_primitives import PRIMITIVES

Step = str | int
Path = tuple[Step, ...]


@lru_cache(maxsize=4096)
def fhir_path(path: Path) -> str:
    """The FHIRPath of a JSON path: ``("entry", 3, "resource", "status")`` is ``Bundle.entry[3].resource.status``.

    It ends before a key that is no element of the types that messages are made of: such a key may say anything.
    """
    names, stems = _element_names(), _choice_stems()
    written = ["Bundle"]
    for step in path:
        if type(step) is int:
            written.append(f"[{step}]")
            continue
        name = str(step).removeprefix("_")
        if name not in names:
            break
        written.append(f".{stems.get(name, name)}")
    return "".join(written)


def json_path(message: object, expression: str) -> Path | None:
    """The JSON path of what a FHIRPath written by `fhir_path` names in this message, or of its nearest parent there.

    None where the expression is not one of ours.
    """
    name, *steps = expression.replace("[", ".[").split(".")
    if not name or not expression:
        return None
    path: list[Step] = []
    for step in steps:
        key = _key_of(message, step)
        if key is None:
            break
        path.append(key)
        message = message[key]  # type: ignore[index]
    return tuple(path)


def paths_of(message: object, wanted: Collection[int]) -> Mapping[int, Path]:
    """The JSON path of each array or object whose `id()` is wanted. The message must be the one it came from."""
    found: dict[int, Path] = {id(message): ()} if id(message) in wanted else {}
    waiting: deque[tuple[Any, Path]] = deque([(message, ())])
    while waiting and len(found) < len(wanted):
        node, path = waiting.popleft()
        for key, child in node.items() if type(node) is dict else enumerate(node):
            kind = type(child)
            if kind is dict or kind is list:
                place = (*path, key)
                waiting.append((child, place))
                if id(child) in wanted:
                    found[id(child)] = place
                    if len(found) == len(wanted):
                        return found
    return found


def _key_of(node: object, step: str) -> Step | None:
    if step.startswith("["):
        index = int(step[1:-1])
        return index if isinstance(node, list) and index < len(node) else None
    if not isinstance(node, dict):
        return None
    return next((key for key in node if key.removeprefix("_") == step or _stem(key) == step), None)


def _stem(key: str) -> str:
    name = key.removeprefix("_")
    return _choice_stems().get(name, name)


@cache
def _choice_stems() -> Mapping[str, str]:
    """``valueString`` to ``value`` and so on."""
    return {field.name: field.choice for field in _fields() if field.choice}


@cache
def _element_names() -> frozenset[str]:
    return frozenset(field.name for field in _fields()) | frozenset(_choice_stems().values()) | {"resourceType"}


def _fields() -> Iterator[Field]:
    for name in message_schema()["$defs"].keys() - PRIMITIVES.keys() - {ANY_RESOURCE}:
        yield from fields_of(name)
