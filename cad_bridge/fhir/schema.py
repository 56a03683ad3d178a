"""A JSON schema of FHIR R4, generated from the field metadata of fhir.resources, with the required bindings filled in.

What a schema can say fast is said here: types, unknown elements, cardinality, patterns, codes, choices, and that an
Extension has either a value or extensions. What it cannot say stands in `structure_invariants`. A part of a schema
that stands for one rule of FHIR carries that rule in ``$comment`` as ``rule|element``, for the explanation.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from typing import Any

import jsonschema_rs

from cad_bridge.fhir.bindings import CODE_BINDINGS, CONCEPT_BINDINGS, VALUE_SETS, class_element
from cad_bridge.fhir.schema_fields import Field, fields_of, is_resource
from cad_bridge.fhir.schema_primitives import PRIMITIVES, REFERENCE, WholeNumber
from cad_bridge.fhir.schema_types import MESSAGE_TYPES, NEIGHBOUR_TYPES

COMPILED_TYPES = MESSAGE_TYPES + NEIGHBOUR_TYPES
"""In the order in which a resource is tried: those that messages hold most of come first."""

_CODES = {class_element(path): VALUE_SETS.get(name) for path, name in CODE_BINDINGS.items()}
_CONCEPTS = {class_element(path): binding for path, binding in CONCEPT_BINDINGS.items()}
ANY_RESOURCE = "AnyResource"
_WITHOUT_EXTENSION = frozenset({("Extension", "url")})
_ID_OR_URN = frozenset({("MessageHeaderResponse", "identifier")})
"""Ids of FHIR that the guide's own examples write with ``urn:uuid:`` before them (V10, CORE-MH-17)."""
_SAYS_SOMETHING = {
    "anyOf": [{"minProperties": 2}, {"minProperties": 1, "not": {"required": ["id"]}}],
    "$comment": "ele-1|",
}
"""An element has a value or children, an id alone is neither."""


@cache
def message_schema() -> dict[str, Any]:
    """The schema of a Bundle whose resources are of the compiled types; others pass and are checked one by one."""
    by_type: dict[str, Any] = {}
    for name in reversed(COMPILED_TYPES):
        said = {"properties": {"resourceType": {"const": name}}, "required": ["resourceType"]}
        by_type = {"if": said, "then": {"$ref": f"#/$defs/{name}"}, "else": by_type}
    any_resource = {
        "type": "object",
        "properties": {"resourceType": {"type": "string"}},
        "required": ["resourceType"],
        **by_type,
    }
    return {
        "$ref": "#/$defs/Bundle",
        "$defs": definitions(*COMPILED_TYPES) | {ANY_RESOURCE: any_resource},
    }


@cache
def message_validator() -> jsonschema_rs.Validator:
    """`message_schema`, compiled once."""
    return _compile(message_schema())


@cache
def entry_validator() -> jsonschema_rs.Validator:
    """One Bundle.entry by the same definitions: to find out which entries are at fault."""
    return _compile({"$ref": "#/$defs/BundleEntry", "$defs": message_schema()["$defs"]})


@cache
def resource_schema(resource_type: str) -> dict[str, Any]:
    """The schema of one resource type that is not among the compiled ones; bindings are not part of it."""
    return {
        "$ref": f"#/$defs/{resource_type}",
        "$defs": definitions(resource_type) | {ANY_RESOURCE: {"type": "object", "required": ["resourceType"]}},
    }


@cache
def resource_validator(resource_type: str) -> jsonschema_rs.Validator:
    """`resource_schema`, compiled once per type."""
    return _compile(resource_schema(resource_type))


def definitions(*type_names: str) -> dict[str, dict[str, Any]]:
    """The schema of each type named, of every type that it is made of, and of the primitives."""
    found: dict[str, dict[str, Any]] = {}
    waiting = [*type_names, "Element"]
    while waiting:
        name = waiting.pop()
        if name not in found:
            fields = fields_of(name)
            found[name] = _object(name, fields)
            waiting.extend(field.complex_type for field in fields if field.complex_type)
    return found | dict(PRIMITIVES)


def _compile(schema: dict[str, Any]) -> jsonschema_rs.Validator:
    return jsonschema_rs.Draft202012Validator(
        schema, keywords={"wholeNumber": WholeNumber}, pattern_options=jsonschema_rs.RegexOptions(), offline=True
    )


def _object(type_name: str, fields: tuple[Field, ...]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for field in fields:
        properties[field.name] = _element(type_name, field)
        if _may_be_extended(type_name, field):
            properties["_" + field.name] = _primitive_extension(field)
    schema: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    schema["required"] = [
        field.name for field in fields if field.is_required and not _may_be_extended(type_name, field)
    ]
    if is_resource(type_name):
        properties["resourceType"] = {"const": type_name}
        schema["required"].append("resourceType")
    schema["allOf"] = [
        True if is_resource(type_name) else _SAYS_SOMETHING,
        *(_demand(f.name, _spellings(f)) for f in fields if f.is_required and _may_be_extended(type_name, f)),
    ]
    if type_name == "Extension":
        return _extension(schema, fields)
    return _choose(schema, fields)


def _may_be_extended(type_name: str, field: Field) -> bool:
    """Whether the element is a primitive that can carry extensions: ``_birthDate`` beside ``birthDate``."""
    return field.primitive is not None and field.name != "id" and (type_name, field.name) not in _WITHOUT_EXTENSION


def _element(type_name: str, field: Field) -> dict[str, Any]:
    if (type_name, field.name) == ("Reference", "reference"):
        return {"allOf": [PRIMITIVES["string"], {"pattern": REFERENCE, "$comment": "reference-form|"}]}
    if field.primitive:
        schema = _primitive(type_name, field)
    elif field.complex_type:
        schema = {"$ref": f"#/$defs/{field.complex_type}"}
        if (type_name, field.name) in _CONCEPTS:
            schema |= _concept(*_CONCEPTS[type_name, field.name])
    else:
        schema = {"$ref": f"#/$defs/{ANY_RESOURCE}"}
    return {"type": "array", "items": schema, "minItems": 1} if field.is_list else schema


def _primitive(type_name: str, field: Field) -> dict[str, Any]:
    """A repeating primitive may be null where its extension stands at the same place."""
    name = "idOrUrn" if (type_name, field.name) in _ID_OR_URN else field.primitive or "string"
    codes = _CODES.get((type_name, field.name), ())
    if codes is None:
        name = "mediaType"
    if not codes and not field.is_list:
        return {"$ref": f"#/$defs/{name}"}
    if codes:
        return {"enum": [*codes, None] if field.is_list else list(codes)}
    return PRIMITIVES[name] | {"type": [PRIMITIVES[name]["type"], "null"]}


def _concept(system: str, value_set: str) -> dict[str, Any]:
    coding = {
        "properties": {"system": {"const": system}, "code": {"enum": list(VALUE_SETS[value_set])}},
        "required": ["code"],
    }
    return {"required": ["coding"], "properties": {"coding": {"contains": coding, "$comment": f"binding|{value_set}"}}}


def _primitive_extension(field: Field) -> dict[str, Any]:
    schema: dict[str, Any] = {"$ref": "#/$defs/Element"}
    if field.is_list:
        return {"type": "array", "items": {"anyOf": [schema, {"type": "null"}]}, "minItems": 1}
    return schema


def _demand(element: str, names: list[str]) -> dict[str, Any]:
    return _one_of_these([{"required": [name]} for name in names], f"required|{element}")


def _one_of_these(forms: list[dict[str, Any]], comment: str) -> dict[str, Any]:
    """What fits one of the forms; an error says so in one sentence, where ``anyOf`` alone would list every form.

    With fifty forms each error of ``anyOf`` costs 2 ms, and a message of 1 MiB can have thousands.
    """
    return {"if": {"anyOf": forms}, "else": False, "$comment": comment}


def _choose(schema: dict[str, Any], fields: tuple[Field, ...]) -> dict[str, Any]:
    """Of a choice such as ``value[x]`` at most one type, and one where it is required."""
    choices: dict[str, list[Field]] = defaultdict(list)
    for field in fields:
        if field.choice:
            choices[field.choice].append(field)
    dependent: dict[str, Any] = {}
    for choice, members in choices.items():
        if members[0].choice_is_required:
            schema["allOf"].append(_demand(choice, [name for member in members for name in _spellings(member)]))
        dependent |= _exclusions(choice, members)
    return schema | {"dependentSchemas": dependent} if dependent else schema


def _exclusions(choice: str, members: list[Field]) -> dict[str, Any]:
    excluded: list[dict[str, Any]] = []
    dependent: dict[str, Any] = {}
    for member in members:
        if excluded:
            rule = {"not": {"anyOf": list(excluded)}, "$comment": f"choice|{choice}"}
            dependent |= dict.fromkeys(_spellings(member), rule)
        excluded += [{"required": [name]} for name in _spellings(member)]
    return dependent


def _spellings(field: Field) -> list[str]:
    return [field.name, f"_{field.name}"] if field.primitive else [field.name]


def _extension(schema: dict[str, Any], fields: tuple[Field, ...]) -> dict[str, Any]:
    """Extension: a value of one type or extensions, never both or neither (ext-1).

    Beside `url`, and `id` if it is there, exactly one more key may stand, but for a primitive with its own
    extension. Counting keys is many times faster than to exclude fifty value types pairwise.
    """
    with_id = {"required": ["id"]}
    forms: list[dict[str, Any]] = [
        {"minProperties": 2, "maxProperties": 2, "not": with_id},
        {"minProperties": 3, "maxProperties": 3, **with_id},
    ]
    for field in fields:
        if field.choice and field.primitive:
            both = {"required": [field.name, f"_{field.name}"]}
            forms += [both | {"maxProperties": 3}, {"allOf": [both, with_id], "maxProperties": 4}]
    schema["allOf"].append(_one_of_these(forms, "ext-1|"))
    return schema
