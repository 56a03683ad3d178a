"""A second reading of the published profiles: straight from their differentials, knowing nothing of our tables.

It evaluates what a differential says of cardinality, fixed values, types and targets, for elements, for slices of
identifiers by their system and of extensions by their URL, and for the extensions' own definitions. Not bindings.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from tests.shared_material import SHARED

Json = dict[str, Any]
Violation = tuple[int | None, str]
"""Index of the entry (None: the bundle itself) and the element of its resource in which something is wrong."""

NHS = "https://fhir.nhs.uk/StructureDefinition/"
UKCORE = "https://fhir.hl7.org.uk/StructureDefinition/"


@cache
def definitions() -> dict[str, Json]:
    """The published StructureDefinitions by canonical."""
    folder = SHARED / "bars" / "conformance" / "structuredefinition"
    found = (json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json")))
    return {each["url"]: each for each in found}


def violations(bundle: Json, profiles: dict[int, list[str]]) -> set[Violation]:
    """What the entries named break of their profiles and extension definitions, and the bundle of its own."""
    resolve = _resolver(bundle)
    found: set[Violation] = {(None, element) for element in _broken(bundle, f"{NHS}BARSBundleMessage", resolve)}
    for index, resource in resources_of(bundle):
        if index in profiles:
            for profile in profiles[index]:
                found |= {(index, element) for element in _broken(resource, profile, resolve)}
            found |= {(index, element) for element in _broken_extensions(resource)}
    return found


def _resolver(bundle: Json) -> dict[str, str]:
    """The type of the resource that a reference leads to."""
    found: dict[str, str] = {}
    for index, resource in resources_of(bundle):
        full_url = bundle["entry"][index].get("fullUrl")
        if isinstance(full_url, str):
            found[full_url] = str(resource.get("resourceType"))
    return found


def resources_of(bundle: Json) -> Iterator[tuple[int, Json]]:
    """The resources that are objects, each with the index of its entry."""
    entries = bundle.get("entry")
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        if isinstance(entry, dict) and isinstance(entry.get("resource"), dict):
            yield index, entry["resource"]


def _broken(resource: Json, profile: str, resolve: dict[str, str]) -> Iterator[str]:
    definition = definitions()[profile]
    if definition["baseDefinition"] in definitions():
        yield from _broken(resource, definition["baseDefinition"], resolve)
    elements = definition["differential"]["element"]
    for element in elements:
        steps = element["id"].split(".")[1:]
        if steps:
            for holder, name, slice_of, top in _holders(resource, steps, element["id"], elements):
                if _is_broken(element, holder, name, slice_of, resolve):
                    yield top


def _holders(
    resource: Json, steps: list[str], element_id: str, elements: list[Json]
) -> Iterator[tuple[Json, str, Any, str]]:
    """Each object that can hold the element: with its name, the slice it is in, and the top element on the way."""
    places: list[tuple[Any, str]] = [(resource, "")]
    prefix = element_id.split(".")[0]
    for position, step in enumerate(steps):
        name, _, slice_name = step.partition(":")
        chosen = _slice(f"{prefix}.{step}", elements) if slice_name else None
        if position == len(steps) - 1:
            for holder, top in places:
                yield holder, name, chosen, top or name.removesuffix("[x]")
            return
        prefix = f"{prefix}.{step}"
        places = [
            (child, top or name.removesuffix("[x]"))
            for holder, top in places
            for child in _values(holder, name)
            if isinstance(child, dict) and (chosen is None or _in_slice(child, chosen))
        ]


def _is_broken(element: Json, holder: Json, name: str, chosen: Any, resolve: dict[str, str]) -> bool:
    values = _values(holder, name)
    if chosen is not None:
        values = [value for value in values if isinstance(value, dict) and _in_slice(value, chosen)]
    if len(values) < element.get("min", 0) or len(values) > _limit(element.get("max", "*")):
        return True
    for key, fixed in element.items():
        if key.startswith("fixed") and any(_plain(value) != _plain(fixed) for value in values):
            return True
    return "type" in element and not _types_fit(element, holder, name, values, resolve)


def _types_fit(element: Json, holder: Json, name: str, values: list[Any], resolve: dict[str, str]) -> bool:
    codes = [each["code"] for each in element["type"]]
    if name.endswith("[x]"):
        stem = name.removesuffix("[x]")
        allowed = {stem + code[0].upper() + code[1:] for code in codes}
        if any(key not in allowed for key in _choices(holder, stem)):
            return False
    targets = {_type_of(profile) for each in element["type"] for profile in each.get("targetProfile", [])}
    if not targets:
        return True
    references = [value.get("reference") for value in values if isinstance(value, dict)]
    return all(resolve[each] in targets for each in references if isinstance(each, str) and each in resolve)


def _type_of(profile: str) -> str:
    known = definitions().get(profile)
    return str(known["type"]) if known else profile.rpartition("/")[2].removeprefix("UKCore-")


def _slice(slice_id: str, elements: list[Json]) -> tuple[str, str] | None:
    """By what the items of a slice are known: (key, value)."""
    own = next(element for element in elements if element["id"] == slice_id)
    for each in own.get("type", []):
        if each["code"] == "Extension" and each.get("profile"):
            return "url", each["profile"][0]
    for key in ("system", "url"):
        for element in elements:
            if element["id"] == f"{slice_id}.{key}" and "fixedUri" in element:
                return key, element["fixedUri"]
    return "nothing", "is known by"


def _in_slice(value: Json, chosen: tuple[str, str]) -> bool:
    """Known systems are compared without scheme and case (X-60)."""
    return _plain(value.get(chosen[0])) == _plain(chosen[1])


def _plain(uri: object) -> str:
    return str(uri).casefold().removeprefix("https://").removeprefix("http://")


def _values(holder: Any, name: str) -> list[Any]:
    if not isinstance(holder, dict):
        return []
    keys = _choices(holder, name.removesuffix("[x]")) if name.endswith("[x]") else [name]
    found = [holder[key] for key in keys if holder.get(key) is not None]
    return [item for value in found for item in (value if isinstance(value, list) else [value])]


def _choices(holder: Json, stem: str) -> list[str]:
    return [key for key in holder if key.startswith(stem) and key[len(stem) : len(stem) + 1].isupper()]


def _limit(text: str) -> float:
    return float("inf") if text == "*" else int(text)


def _broken_extensions(resource: Json) -> Iterator[str]:
    for name, value in resource.items():
        for node in _nodes(value):
            for extension in _values(node, "extension"):
                yield from _broken_extension(extension, name)
    for extension in _values(resource, "extension"):
        yield from _broken_extension(extension, "extension")


def _broken_extension(extension: Any, top: str) -> Iterator[str]:
    known = definitions().get(str(extension.get("url"))) if isinstance(extension, dict) else None
    if known is not None and known["type"] == "Extension" and any(_broken(extension, known["url"], {})):
        yield top


def _nodes(value: Any) -> Iterator[Json]:
    if isinstance(value, dict):
        yield value
        for child in value.values():
            yield from _nodes(child)
    elif isinstance(value, list):
        for child in value:
            yield from _nodes(child)
