"""Where in a received Bundle that stands which JSON allows and a message may not have: looked up once it was found."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from typing import Any

from cad_bridge.fhir.structure_paths import Path, fhir_path, paths_of


def place_of_repeat(raw: bytes, bundle: dict[str, Any]) -> str:
    """FHIRPath of the outermost object that says a key twice; empty where the message is no Bundle."""
    repeats: list[dict[str, Any]] = []

    def note(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            repeats.append(found)
        return found

    value = json.loads(raw, object_pairs_hook=note, parse_int=float, parse_float=float)
    places = paths_of(value, {id(holder) for holder in repeats}).values()
    return _written(bundle, min(places, key=len, default=()))


def place_of_text(bundle: dict[str, Any], is_meant: Callable[[str], bool]) -> str:
    """FHIRPath of the first text that is meant, or of the object that has such a key; empty where there is none."""
    waiting: deque[tuple[object, Path]] = deque([(bundle, ())])
    while waiting:
        item, place = waiting.popleft()
        if (isinstance(item, str) and is_meant(item)) or (isinstance(item, dict) and any(map(is_meant, item))):
            return _written(bundle, place)
        if isinstance(item, dict):
            waiting.extend((child, (*place, key)) for key, child in item.items())
        elif isinstance(item, list):
            waiting.extend((child, (*place, index)) for index, child in enumerate(item))
    return ""


def _written(bundle: dict[str, Any], place: Path) -> str:
    return fhir_path(place) if bundle.get("resourceType") == "Bundle" else ""
